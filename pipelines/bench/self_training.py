"""``ctloop bench self-training``: what a student makes of a foreign teacher, and of four expert cases.

The teacher is the shipped one, made from human phantoms and frozen. It is deployed on porcine phantoms from three
scanners. Every training has the same network and number of steps; each student is judged on all frames of test
patients that nothing trained on.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.cohort.structures import HEART_STRUCTURES
from components.models.labeled import LabeledFrame
from components.models.training_plan import SegmentationPlan
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.self_training_cases import (
    Labels,
    Patient,
    even_phases,
    expert_labelled,
    frame_name,
    labelled_by,
    patients,
    poisoned,
    shipped_teacher,
    taught,
)
from pipelines.bench.self_training_claims import Judged, claims_of, judged, students_table
from pipelines.progress import bar, say

if TYPE_CHECKING:
    from components.models.unet import UNet

EXPERT_CASES, EXPERT_FRAMES = 4, (0, 2)  # a cine is asked for two frames, as ctloop's requests do
TRAIN_PHASES = (0.0, 20.0, 40.0, 70.0)
STEPS_PER_EPOCH = 20


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    train_patients: int
    test_patients: int
    test_phases: int
    steps: int
    control: bool


# Steps of 5 %: at coarser ones the heart's own motion, not the errors, makes up the roughness of the volume curves.
_SIZES: dict[Size, _Sizes] = {
    "small": _Sizes(train_patients=24, test_patients=12, test_phases=20, steps=600, control=False),
    "full": _Sizes(train_patients=96, test_patients=48, test_phases=20, steps=4000, control=True),
}


def bench(request: BenchRequest) -> BenchResult:
    """Claims over all seeds; the tables hold every student of every seed."""
    from pipelines.bench.self_training_figure import draw_self_training
    from pipelines.bench.semi_synthetic_heart import illustrate

    sizes = _SIZES[request.size]
    arms = [_Arms(seed, sizes, request.out / f"self-training-{seed}.work") for seed in request.seeds]
    results = [arm.run() for arm in arms]
    illustration = illustrate(shipped_teacher(), arms[0].networks["M_2"], arms[0].plan)
    tables = {
        "sizes": {
            **dataclasses.asdict(sizes),
            "train_phases_percent": TRAIN_PHASES,
            "expert_cases": EXPERT_CASES,
            "expert_frames_per_case": len(EXPERT_FRAMES),
            "note": "M_2 + 4 starts as M_2 and is tuned with as many steps as every other training has; "
            "the control for that start, experts alone with twice the steps, is part of the full size",
        },
        "students": students_table(results),
        "semi_synthetic_heart": illustration.table,
    }
    figure = draw_self_training(results, illustration)
    for arm in arms:
        shutil.rmtree(arm.work, ignore_errors=True)
    return BenchResult(claims=claims_of(results), tables=tables, figure=figure)


class _Arms:
    """All trainings of one seed; a killed benchmark goes on where it stood."""

    def __init__(self, seed: int, sizes: _Sizes, work: Path) -> None:
        self.seed, self.sizes, self.work = seed, sizes, work
        self.plan = SegmentationPlan(
            seed=seed,
            batch_size=2,
            steps_per_epoch=STEPS_PER_EPOCH,
            epochs=sizes.steps // STEPS_PER_EPOCH,
            fine_tune_epochs=0,
            learning_rate=0.02,
            fine_tune_rate=0.015,
            expert_share=0.7,
        )
        self.networks: dict[str, UNet] = {}
        self.test: list[Patient] = []
        self.results: dict[str, Judged] = {}

    def run(self) -> dict[str, Judged]:
        """Student → how it was judged, in the order of the table."""
        sizes, phases = self.sizes, even_phases(self.sizes.test_phases)
        say(
            f"seed {self.seed}: drawing {sizes.train_patients} training and {sizes.test_patients} test patients"
        )
        train = patients(self.seed, "train", sizes.train_patients, TRAIN_PHASES)
        self.test = patients(self.seed, "test", sizes.test_patients, phases)
        self._judge_teacher()
        labels = self._pseudo_labels(train)
        self._self_training("M_1", "M_2", taught(train, labels))
        experts = expert_labelled(train[:EXPERT_CASES], EXPERT_FRAMES)
        self._tuned(experts, taught(train[EXPERT_CASES:], labels))
        self._alone("experts alone", experts)
        if sizes.control:
            self._alone("experts alone, twice the steps", experts, times=2)
        self._alone("all experts", expert_labelled(train))
        poison = poisoned(labels, np.random.default_rng([self.seed, 1]))
        self._self_training("", "M_2 of the poisoned", taught(train, poison))
        return self.results

    def _judge_teacher(self) -> None:
        said = labelled_by(shipped_teacher(), self.test, bar("the teacher on the test patients"))
        self._restore_threads()
        self.results["teacher"] = judged(self.test, lambda patient, i: said[frame_name(patient, i)])

    def _pseudo_labels(self, train: Sequence[Patient]) -> dict[str, Labels]:
        from components.models.view_consensus import ViewConsensus, Views

        path = self.work / "pseudo-labels.npz"
        if not path.is_file():
            labels = labelled_by(
                ViewConsensus(shipped_teacher(), Views()), train, bar("the teacher on the training frames")
            )
            self._restore_threads()
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".part").open("wb") as file:
                np.savez_compressed(file, **labels)  # type: ignore[arg-type]
            os.replace(path.with_suffix(".part"), path)
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}

    def _restore_threads(self) -> None:
        """The teacher runs one thread for each frame; training takes all cores."""
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))

    def _self_training(self, first: str, second: str, frames: Sequence[LabeledFrame]) -> None:
        from components.models.train_segmentation import train_segmentation

        for name, rounds in ((first, 1), (second, 2)):  # the second call finds the first student's checkpoint
            plan = dataclasses.replace(self.plan, rounds=rounds, settled=0.0)
            folder = self.work / f"rounds of {second}"
            if name:
                self._keep(
                    name, train_segmentation(frames, len(HEART_STRUCTURES), plan, checkpoints=folder).network
                )

    def _tuned(self, experts: Sequence[LabeledFrame], others: Sequence[LabeledFrame]) -> None:
        from components.models.train_segmentation import fine_tune

        plan = dataclasses.replace(self.plan, fine_tune_epochs=self.plan.epochs)
        network = fine_tune(
            self.networks["M_2"],
            [*experts, *others],
            len(HEART_STRUCTURES),
            plan,
            checkpoints=self.work / "tuned",
        )
        self._keep("M_2 + 4 experts", network)

    def _alone(self, name: str, experts: Sequence[LabeledFrame], *, times: int = 1) -> None:
        from components.models.train_segmentation import train_segmentation

        plan = dataclasses.replace(self.plan, epochs=self.plan.epochs * times)
        trained = train_segmentation(experts, len(HEART_STRUCTURES), plan, checkpoints=self.work / name)
        self._keep(name, trained.network)

    def _keep(self, name: str, network: UNet) -> None:
        from components.models.whole_frame import Labeller

        self.networks[name] = network
        labeller = Labeller.of(network, self.plan)

        def predict(patient: Patient, index: int) -> Labels:
            return labeller.labels(patient.frames[index].volume.voxels_hu)

        self.results[name] = judged(self.test, predict)
        say(f"seed {self.seed}: {name}: mean Dice {self.results[name].dice.mean():.4f}")
