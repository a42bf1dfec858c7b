"""The networks of ``ctloop bench uncertainty``, and what each says of a patient and of its own answer."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

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
from pipelines.bench.acquisition_run import one_thread
from pipelines.bench.uncertainty_cases import (
    SPACING_MM,
    Patient,
    frame_name,
    frame_table,
    labelled,
    training_patients,
)
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


@dataclass(frozen=True, kw_only=True)
class Training:
    """Of one network: its name, plan, whether it has dropout, and the patients that it learns from."""

    name: str
    plan: SegmentationPlan
    dropout: bool
    seed: int
    patients: int

    def begun(self) -> UNet:
        """The network before its first step."""
        network = new_network(self.plan)
        return with_dropout(network, DROPOUT) if self.dropout else network

    def run(self, work: Path) -> None:
        """Leave the weights in ``work``; what is there is kept, and a killed training goes on where it stood."""
        path = work / f"{self.name}.safetensors"
        if not path.is_file():
            train = training_patients(self.seed, self.patients)
            network = trained(self.name, self.begun(), train, self.plan, work)
            save_file(network.state_dict(), path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)

    def network(self, work: Path) -> UNet:
        """As ``run`` left it."""
        network = self.begun()
        network.load_state_dict(load_file(work / f"{self.name}.safetensors"))
        return network.eval()


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """All trained on the same patients: ours, five single ones and one with dropout with the same number of steps each,
    and five that share so many."""

    plan: SegmentationPlan
    ours: UNet
    singles: Sequence[UNet]
    short: Sequence[UNet]
    dropout: UNet

    @staticmethod
    def train(seed: int, patients: int, plan: SegmentationPlan, work: Path) -> Networks:
        """In two processes of one thread each: faster than one of two at this size."""
        single = dataclasses.replace(plan, heads=1, head_share=1.0)
        members = [dataclasses.replace(single, seed=plan.seed + 1000 * (i + 1)) for i in range(MEMBERS)]
        short = [dataclasses.replace(own, epochs=plan.epochs // MEMBERS) for own in members]
        plans = {
            "ours": plan,
            "dropout": single,
            **{f"single {i}": own for i, own in enumerate(members, start=1)},
            **{f"short {i}": own for i, own in enumerate(short, start=1)},
        }
        trainings = {
            name: Training(name=name, plan=own, dropout=name == "dropout", seed=seed, patients=patients)
            for name, own in plans.items()
        }
        with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=one_thread) as processes:
            for future in [processes.submit(training.run, work) for training in trainings.values()]:
                future.result()
        done = {name: training.network(work) for name, training in trainings.items()}
        return Networks(
            plan=plan,
            ours=done["ours"],
            singles=[network for name, network in done.items() if name.startswith("single")],
            short=[network for name, network in done.items() if name.startswith("short")],
            dropout=done["dropout"],
        )

    def predictor(self) -> SegmentationPredictor:
        return _predictor(self.ours, self.plan)

    def single(self) -> SegmentationPredictor:
        return _predictor(self.singles[0], self.plan)

    def deep_ensemble(self, *, short: bool = False) -> SegmentationPredictor:
        members = self.short if short else self.singles
        runs = [_predictor(network, self.plan).engine.run for network in members]
        return ensemble_predictor(self.single(), Ensemble(members=runs))

    def monte_carlo(self) -> SegmentationPredictor:
        members = monte_carlo_dropout(self.dropout, PASSES)
        return ensemble_predictor(_predictor(self.dropout, self.plan), members)


@contextmanager
def one_core() -> Iterator[None]:
    """So small networks answer no later on one, and do not wait for others' work on the second."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
