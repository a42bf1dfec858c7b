"""The small held-out expert set: it accepts a round of self-training or rejects it, and does nothing else.

Never trained on, never used to pick a checkpoint (evidence: guards of self-training).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.models.labeled import LabeledFrame
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.whole_frame import Labeller


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Mean Dice of a student on each held-out expert patient; empty without any."""

    dice: dict[str, float]

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.dice.values()))) if self.dice else float("nan")

    def worse_than(self, before: Judgement, tolerance: float) -> bool:
        """Whether the mean over the patients fell by more than ``tolerance``; False without patients."""
        return bool(self.mean < before.mean - tolerance)


def held_out_experts(
    frames: Sequence[LabeledFrame], plan: SegmentationPlan
) -> tuple[list[LabeledFrame], list[LabeledFrame]]:
    """(frames that judge, frames that teach): whole patients, drawn by a hash keyed with the plan's seed.

    With one round there is nothing to judge. At most a third of the expert patients is held out, and nobody
    where fewer than three have expert labels. No frame of a judging patient teaches, pseudo-labels included.
    """
    experts = sorted({frame.patient_id for frame in frames if frame.provenance == "expert"})
    count = min(plan.judges, len(experts) // 3) if plan.rounds > 1 else 0
    ranked = sorted(experts, key=lambda patient: hashlib.sha256(f"{plan.seed}/{patient}".encode()).digest())
    judges = set(ranked[:count])
    judging = [f for f in frames if f.patient_id in judges and f.provenance == "expert"]
    return judging, [f for f in frames if f.patient_id not in judges]


def judge(network: UNet, frames: Sequence[LabeledFrame], plan: SegmentationPlan) -> Judgement:
    """Mean Dice over structures and frames of each patient; a structure absent from the expert's map is left out."""
    scores: dict[str, list[float]] = {}
    labeller = Labeller.of(network, plan) if frames else None
    for frame in frames:
        assert labeller is not None
        whole = (0, 0, 0), frame.shape
        predicted = labeller.labels(frame.read_hu(*whole))
        expert = frame.read_labels(*whole)
        values = [v for v in np.unique(expert) if v not in (0, 255)]
        dice = [
            2.0 * np.sum((predicted == v) & (expert == v)) / (np.sum(predicted == v) + np.sum(expert == v))
            for v in values
        ]
        scores.setdefault(frame.patient_id, []).extend(dice)
    return Judgement(dice={patient: float(np.mean(dice)) for patient, dice in sorted(scores.items()) if dice})
