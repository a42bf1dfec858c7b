"""The networks of ``ctloop bench uncertainty``, and what each says of a patient and of its own answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from components.cohort.structures import HEART_STRUCTURES
from components.metrics.overlap import dice_per_structure
from components.metrics.weighting import Array
from components.models.ensemble import Ensemble, ensemble_predictor, monte_carlo_dropout, with_dropout
from components.models.fit import batches, fit, seeded
from components.models.patches import PatchDataset
from components.models.prediction import FramePrediction
from components.models.segmentation import SegmentationModule
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.train_segmentation import describe
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.operations.scoring import score_cases
from pipelines.bench.uncertainty_cases import SPACING_MM, Patient, frame_name, frame_table, labelled
from pipelines.progress import bar, say

if TYPE_CHECKING:
    from components.volume.volume import Volume

MEMBERS, PASSES, DROPOUT = 5, 10, 0.1
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """Of each patient, in their order.

    Args:
        rows: scorecard rows of the frames.
        dice: ``(n,)`` mean Dice over structures, then over frames, of the method's own label maps.
    """

    rows: Sequence[Sequence[Mapping[str, Any]]]
    dice: Array

    def mean(self, column: str) -> Array:
        """``(n,)``: a column's mean over the frames, 0 where it is nowhere known."""
        means = [np.nanmean([row[column] for row in frames]) for frames in self.rows]
        values: Array = np.nan_to_num(np.array(means))
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """All trained alike, with the same number of steps each: ours, five single ones, one with dropout."""

    plan: SegmentationPlan
    ours: UNet
    singles: Sequence[UNet]
    dropout: UNet

    @staticmethod
    def train(patients: Sequence[Patient], plan: SegmentationPlan, work: Path) -> Networks:
        """A killed training goes on where it stood."""
        single = dataclasses.replace(plan, heads=1, head_share=1.0)
        ours = trained("ours", new_network(plan), patients, plan, work)
        singles = []
        for number in range(MEMBERS):
            own = dataclasses.replace(single, seed=plan.seed + 1000 * (number + 1))
            singles.append(trained(f"single {number + 1}", new_network(own), patients, own, work))
        dropout = trained("dropout", with_dropout(new_network(single), DROPOUT), patients, single, work)
        return Networks(plan=plan, ours=ours, singles=singles, dropout=dropout)

    def predictor(self) -> SegmentationPredictor:
        return _predictor(self.ours, self.plan)

    def single(self) -> SegmentationPredictor:
        return _predictor(self.singles[0], self.plan)

    def deep_ensemble(self) -> SegmentationPredictor:
        runs = [_predictor(network, self.plan).engine.run for network in self.singles]
        return ensemble_predictor(self.single(), Ensemble(members=runs))

    def monte_carlo(self) -> SegmentationPredictor:
        members = monte_carlo_dropout(self.dropout, PASSES)
        return ensemble_predictor(_predictor(self.dropout, self.plan), members)


def listen(name: str, predictor: SegmentationPredictor, patients: Sequence[Patient]) -> Said:
    """Score every frame of every patient, as ctloop scores a pool, and judge the label maps."""
    frames = {frame_name(p, i): frame for p in patients for i, frame in enumerate(p.frames)}
    dice: dict[str, float] = {}

    def judge(frame: str, prediction: FramePrediction) -> None:
        assert prediction.labels is not None
        values = list(dice_per_structure(prediction.labels, frames[frame].labels).values())
        dice[frame] = float(np.nanmean(values))

    def load(frame: str) -> Volume:
        return frames[frame].volume

    table = score_cases(predictor, frame_table(patients), load, on_prediction=judge, progress=bar(name))
    rows: dict[str, list[dict[str, Any]]] = {patient.name: [] for patient in patients}
    for row in table.to_dict("records"):
        rows[str(row["case_id"])].append({str(key): value for key, value in row.items()})
    scores = [np.mean([dice[frame_name(p, i)] for i in range(len(p.frames))]) for p in patients]
    say(f"{name}: mean Dice {np.mean(scores):.3f}")
    return Said(rows=[rows[patient.name] for patient in patients], dice=np.array(scores))


def new_network(plan: SegmentationPlan) -> UNet:
    """With weights of the plan's seed."""
    return seeded(lambda: UNet(plan.network(len(HEART_STRUCTURES))), plan.seed)


def trained(
    name: str, network: UNet, patients: Sequence[Patient], plan: SegmentationPlan, work: Path
) -> UNet:
    """``network`` after ``plan``; a killed training goes on where it stood."""
    work.mkdir(parents=True, exist_ok=True)
    data = PatchDataset(
        labelled(patients), plan, expert_share=None, length=plan.steps_per_epoch * plan.batch_size, stream=0
    )
    module = SegmentationModule(
        network, rate=plan.learning_rate, weight_decay=plan.weight_decay,
        steps=plan.epochs * plan.steps_per_epoch, recipe=plan.recipe,
    )  # fmt: skip
    fit(
        module, batches(data, batch_size=plan.batch_size), name=name, epochs=plan.epochs, seed=plan.seed,
        checkpoint=work / f"{name}.ckpt", precision=plan.used_precision,
    )  # fmt: skip
    return network.cpu().eval()


def _predictor(network: UNet, plan: SegmentationPlan) -> SegmentationPredictor:
    return SegmentationPredictor(
        network=network,
        description=describe(network, plan, HEART_STRUCTURES, (SPACING_MM, SPACING_MM, SPACING_MM)),
        device=CPU,
        precision=plan.used_precision,
    )
