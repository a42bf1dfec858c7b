"""What a student and its teacher agree on: only that is learned in the next round of self-training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.models.labeled import UNKNOWN

Labels = npt.NDArray[np.uint8]


def agreed_labels(
    teacher: Labels,
    student: Labels,
    members: Labels,
    confidence: npt.NDArray[np.float32],
    *,
    confident: float,
) -> Labels:
    """Labels for the next student; 255 = ignored in the loss.

    Where the teacher has an opinion it stays the anchor: the voxel is learned if the student says the same, else
    ignored. Where the teacher has none, the student may speak if all members agree and are confident.

    Args:
        teacher: ``(z, y, x)``, the pseudo-label as it was given; 255 = no opinion.
        student: ``(z, y, x)`` labels of the members' mean softmax.
        members: ``(m, z, y, x)`` labels of each member.
        confidence: ``(z, y, x)`` largest mean softmax.
        confident: least confidence where the teacher is silent.
    """
    own = (members == members[0]).all(axis=0) & (confidence >= confident)
    silent = teacher == UNKNOWN
    kept = np.where(silent, own, student == teacher)
    return np.where(kept, student, UNKNOWN).astype(np.uint8)
