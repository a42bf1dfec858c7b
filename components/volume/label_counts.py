"""How many voxels carry each label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_AT_ONCE = 2**16  # numpy counts in 8-byte integers: a whole volume would take eight times its size


def label_counts(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """``(256,)`` voxels of each value, of labels of any shape."""
    flat = labels.reshape(-1)
    counts = np.zeros(256, dtype=np.intp)
    for start in range(0, flat.size, _AT_ONCE):
        counts += np.bincount(flat[start : start + _AT_ONCE], minlength=256)
    return counts
