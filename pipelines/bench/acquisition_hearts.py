"""Segmentation for ``ctloop bench acquisition``: hearts, a poor teacher, and experts whose minutes nobody knows."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.torch import load_file, save_file

from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.models.labeled import LabeledFrame
from components.models.unet import UNet
from components.scorecard.columns import CLASS_SCORE, EMBEDDING, IMAGE, OUTPUT
from components.scorecard.image_statistics import image_statistics
from components.scorecard.uncertainty import mean_pairwise_dice
from components.volume.volume import Volume
from pipelines.bench.acquisition_pool import BROKEN, GRID, Pool
from pipelines.bench.acquisition_student import (
    PLAN,
    START_STEPS,
    TEACHER_STEPS,
    TUNE_STEPS,
    labelled,
    mean_dice,
    new_network,
    say,
    segment,
    trained,
)

Floats = npt.NDArray[np.float64]
_ML = GRID.voxel_volume_ml


@dataclass(frozen=True, kw_only=True, eq=False)
class Hearts:
    """A ``Learner``; ``Hearts.prepare`` makes what ``Hearts.load`` reads.

    Args:
        pool, test: of one seed.
        pseudo: ``(n, z, y, x)`` the teacher's labels of the pool's frames.
        network: the student of the pseudo-labels, from which every training starts.
    """

    seed: int
    pool: Pool
    test: Pool
    pseudo: npt.NDArray[np.uint8]
    network: UNet

    @staticmethod
    def prepare(pool: Pool, taught: Pool, seed: int, folder: Path) -> None:
        """Train the teacher on few usual hearts of one site, let it label the pool, and train its student."""
        plan = dataclasses.replace(PLAN, seed=seed)
        teacher = trained(
            new_network(seed), labelled(taught, range(len(taught.frames)), "expert"), plan,
            steps=TEACHER_STEPS, rate=plan.learning_rate,
        )  # fmt: skip
        pseudo = segment(teacher, pool.voxels)
        frames = labelled(pool, range(len(pool.frames)), "pseudo", dict(enumerate(pseudo)))
        start = trained(new_network(seed + 1), frames, plan, steps=START_STEPS, rate=plan.learning_rate)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "pseudo.npy", pseudo, allow_pickle=False)
        save_file(start.state_dict(), folder / "start.part")
        os.replace(folder / "start.part", folder / "start.safetensors")

    @staticmethod
    def load(pool: Pool, test: Pool, seed: int, folder: Path) -> Hearts:
        network = new_network(seed)
        network.load_state_dict(load_file(folder / "start.safetensors"))
        pseudo = np.load(folder / "pseudo.npy", allow_pickle=False)
        return Hearts(seed=seed, pool=pool, test=test, pseudo=pseudo, network=network.eval())

    @cached_property
    def _taught(self) -> list[LabeledFrame]:
        return labelled(self.pool, range(len(self.pool.frames)), "pseudo", dict(enumerate(self.pseudo)))

    @property
    def frames(self) -> pd.DataFrame:
        return self.pool.frames

    def start(self) -> UNet:
        return self.network

    def learn(self, rows: Sequence[int]) -> UNet:
        """On experts' frames, and the teacher's labels of all other patients, as production mixes them."""
        if not rows:
            return self.network
        plan = dataclasses.replace(PLAN, seed=self.seed)
        experts = labelled(self.pool, rows, "expert")
        known = {frame.patient_id for frame in experts}
        others = [frame for frame in self._taught if frame.patient_id not in known]
        return trained(self.network, [*experts, *others], plan, steps=TUNE_STEPS, rate=plan.fine_tune_rate)

    def judge(self, model: UNet) -> Floats:
        """``(patients,)`` mean Dice."""
        return mean_dice(segment(model, self.test.voxels), self.test.labels)

    def answered(
        self, rows: Sequence[int], model: UNet, generator: np.random.Generator
    ) -> tuple[Floats, list[bool]]:
        """Two minutes to open a scan; to draw it takes its surface's time, and the longer the worse the proposal is."""
        truth = self.pool.labels[list(rows)]
        error = 1.0 - np.nan_to_num(mean_dice(segment(model, self.pool.voxels[list(rows)]), truth), nan=1.0)
        surface = ((truth > 0).sum(axis=(1, 2, 3)) * _ML / 500.0) ** (2 / 3)
        minutes = 2.0 + surface * (6.0 + 24.0 * error)
        sound = (self.frames["kind"].iloc[list(rows)] != BROKEN).tolist()
        return minutes * generator.lognormal(0.0, 0.15, len(minutes)), sound

    def cards(self, model: UNet | None) -> pd.DataFrame:
        return self._pseudo_cards if model is None else self._cards(model)

    @cached_property
    def _identity(self) -> pd.DataFrame:
        return self.frames[["frame_id", "case_id", "patient_id", "batch", "phase_percent"]]

    @cached_property
    def _pseudo_cards(self) -> pd.DataFrame:
        shown = _volumes_ml(self.pseudo)
        known = self._identity.assign(uncertainty=0.0, foreground_ml=shown.sum(axis=1))
        return pd.concat([known, shown.add_prefix(OUTPUT)], axis=1)

    @cached_property
    def _images(self) -> pd.DataFrame:
        rows = [image_statistics(Volume(voxels_hu=frame, geometry=GRID)) for frame in self.pool.voxels]
        return pd.DataFrame(rows).add_prefix(IMAGE)

    def _cards(self, model: UNet) -> pd.DataFrame:
        said = say(model, self.pool.voxels)
        classes = len(HEART_STRUCTURES) + 1
        unsure = [1.0 - mean_pairwise_dice(members, classes) for members in said.members]
        measured: dict[str, Any] = {
            "uncertainty": unsure,
            "pairwise_dice_disagreement": unsure,
            "student_teacher_dice": np.nan_to_num(mean_dice(said.labels, self.pseudo), nan=1.0),
            "predictive_entropy": said.entropy,
            "foreground_ml": self._pseudo_cards["foreground_ml"].to_numpy(),
            **{f"{CLASS_SCORE}{name}": said.class_scores[:, value] for value, name in HEART_LABELS.items()},
        }
        names = [f"{EMBEDDING}{i:03d}" for i in range(said.embedding.shape[1])]
        seen = pd.DataFrame(said.embedding.astype(np.float64), columns=names)
        shown = _volumes_ml(said.labels).add_prefix(OUTPUT)
        return pd.concat([self._identity.assign(**measured), shown, self._images, seen], axis=1)


def _volumes_ml(labels_nzyx: npt.NDArray[np.uint8]) -> pd.DataFrame:
    counts = [np.bincount(one.ravel(), minlength=len(HEART_STRUCTURES) + 1)[1:] for one in labels_nzyx]
    return pd.DataFrame(np.array(counts) * _ML, columns=[f"{name}_ml" for name in HEART_STRUCTURES])
