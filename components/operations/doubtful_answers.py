"""Use case: which answers another expert should look at before a model learns from them.

An answer is doubtful where anatomy does not allow it, or where it is farther from the model's own drawing than the
model foretold, by more than experts' answers about held-out frames ever were. The gap is a conformal bound: of right
answers about frames like the held-out ones at most a share of ``1 - level`` is doubted (Vovk et al. 2005), by patient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import ParameterError
from components.metrics.overlap import dice_per_structure
from components.scorecard.plausibility import Plausibility, judge
from components.volume.volume import LabelMap


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Of an answer and the model's drawing of the same frame.

    Args:
        foretold: the mean Dice that the model expected of itself.
        found: the mean Dice over the structures that either holds.
    """

    patient_id: str
    foretold: float
    found: float

    @property
    def gap(self) -> float:
        return self.foretold - self.found


def agreement(patient_id: str, answer: LabelMap, drawn: LabelMap, *, foretold: float) -> Agreement:
    """Maps on one grid; Dice 0 where neither holds anything."""
    dice = np.array(list(dice_per_structure(drawn, answer).values()))
    known = dice[np.isfinite(dice)]
    return Agreement(
        patient_id=patient_id, foretold=foretold, found=float(known.mean()) if known.size else 0.0
    )


def widest_gap(held_out: Sequence[Agreement], *, level: float) -> float:
    """The gap that a held-out patient's worst frame exceeds with probability ``1 - level`` at most.

    Infinite where there are too few patients to say.
    """
    if not 0 < level < 1:
        raise ParameterError(expected="0 < level < 1", got=str(level), hint="0.95")
    worst: dict[str, float] = {}
    for one in held_out:
        worst[one.patient_id] = max(one.gap, worst.get(one.patient_id, -math.inf))
    rank = math.ceil((len(worst) + 1) * level - 1e-9)
    return sorted(worst.values())[rank - 1] if rank <= len(worst) else math.inf


def doubts(answer: LabelMap, found: Agreement, *, demanded: Plausibility, widest: float) -> tuple[str, ...]:
    """Why to read again, in words; none for an answer to be trusted."""
    reasons = judge(answer, demanded).reasons
    if found.gap > widest:
        far = (
            f"agreement with the model: expected {found.foretold - widest:.2f} or more, got {found.found:.2f}"
        )
        return (*reasons, far)
    return reasons
