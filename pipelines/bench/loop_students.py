"""What learns in ``ctloop bench loop``: every arm's student starts from the same network and takes the same steps.

What was trained is kept by the hash of its lessons, so that a bench that was killed does not train it again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.torch import load_file, save_file
from scipy import ndimage

from components.cohort.structures import HEART_LABELS
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.scorecard.plausibility import Plausibility, judge
from pipelines.bench.acquisition_pool import Pool
from pipelines.bench.acquisition_student import PLAN, labelled, mean_dice, new_network, segment, trained
from pipelines.bench.loop_year import RECALL_MONTH, START, TAUGHT, TEACHER_MONTH, Year, batch_name, label_map
from pipelines.progress import say

Labels = npt.NDArray[np.uint8]
FIRST, DAMAGED = "teacher/1", "teacher/2"
_SWOLLEN = ("left_atrium", "right_atrium", "aorta", "pulmonary_artery")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """A frame's label map, an ``expert``'s or, with ``source``, a teacher's."""

    labels: Labels
    provenance: str
    source: str


Lessons = Mapping[int, Lesson]


@dataclass(frozen=True, kw_only=True, eq=False)
class Students:
    """Args:
    steps: of the start; and of every retraining.
    demanded: a teacher's map that is not like this teaches nobody.
    """

    year: Year
    folder: Path
    start_steps: int
    steps: int
    demanded: Plausibility

    @property
    def plan(self) -> SegmentationPlan:
        return dataclasses.replace(PLAN, seed=self.year.seed)

    @cached_property
    def first_lessons(self) -> dict[int, Lesson]:
        """Experts' answers from before the year."""
        rows = [row for row in self.year.rows(START) if self.asked_of_a_cine(row)]
        return {row: expert_lesson(self.year.pool.labels[row]) for row in rows}

    def asked_of_a_cine(self, row: int) -> bool:
        """Whether it is one of the two frames of a cine that are labelled where nobody chooses."""
        place = int(str(self.year.frames["frame_id"].iloc[row]).rsplit("-", 1)[1])
        count = len(self.year.size.phases)
        return place in {i * count // 2 for i in range(2)}

    @cached_property
    def start(self) -> UNet:
        taught = self.taught(FIRST, self.year.rows(TAUGHT))
        return self._kept({**self.first_lessons, **taught}, new_network(self.year.seed), self.start_steps)

    @cached_property
    def _teacher(self) -> UNet:
        return self._kept(self.first_lessons, new_network(self.year.seed + 1), self.start_steps)

    def taught(self, version: str, rows: list[int]) -> dict[int, Lesson]:
        """Plausible maps of a teacher; the second version is damaged, and draws thin-walled structures too large."""
        if not rows:
            return {}
        maps = segment(self._teacher, self.year.pool.voxels[rows])
        if version == DAMAGED:
            maps = np.stack([swollen(one) for one in maps])
        found = zip(rows, maps, strict=True)
        return {
            row: Lesson(labels=one, provenance="pseudo", source=version)
            for row, one in found
            if judge(label_map(one), self.demanded).plausible
        }

    def pseudo(self, month: int, answered: Lessons, *, held_out: Collection[int] = ()) -> dict[int, Lesson]:
        """The teachers' labels at the end of a month, but for patients whom an expert labelled or who are held out."""
        batches = [TAUGHT, *([batch_name(TEACHER_MONTH)] if TEACHER_MONTH <= month < RECALL_MONTH else [])]
        version = DAMAGED if month >= TEACHER_MONTH else FIRST
        if version == DAMAGED and month >= RECALL_MONTH:
            return {}
        patients = set(self.year.frames["patient_id"].iloc[[*answered, *held_out]])
        rows = [row for batch in batches for row in self.year.rows(batch) if self.asked_of_a_cine(row)]
        return self.taught(
            version, [row for row in rows if self.year.frames["patient_id"].iloc[row] not in patients]
        )

    def learn(self, lessons: Lessons) -> UNet:
        """The start after the lessons; equal steps for any of them."""
        return self._kept(lessons, self.start, self.steps)

    def again(self, lessons: Lessons) -> UNet:
        """The same, whatever was kept."""
        return self._train(lessons, self.start, self.steps)

    def _kept(self, lessons: Lessons, start: UNet, steps: int) -> UNet:
        file = self.folder / f"{self._key(lessons, start, steps)}.safetensors"
        if not file.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")
            save_file(self._train(lessons, start, steps).state_dict(), part)
            os.replace(part, file)
        network = new_network(self.year.seed)
        network.load_state_dict(load_file(file))
        return network.eval()

    def _key(self, lessons: Lessons, start: UNet, steps: int) -> str:
        total = hashlib.sha256(f"{self.year.seed} {self.year.size} {steps}".encode())
        for tensor in start.state_dict().values():
            total.update(tensor.numpy().tobytes())
        for row in sorted(lessons):
            total.update(f"{row} {lessons[row].provenance}".encode() + lessons[row].labels.tobytes())
        return total.hexdigest()[:24]

    def _train(self, lessons: Lessons, start: UNet, steps: int) -> UNet:
        say(f"seed {self.year.seed}: {steps} steps on {len(lessons)} frames")
        frames = [
            frame
            for provenance in ("expert", "pseudo")
            for frame in labelled(
                self.year.pool,
                sorted(row for row, one in lessons.items() if one.provenance == provenance),
                provenance,
                {row: one.labels for row, one in lessons.items()},
            )
        ]
        return trained(start, frames, self.plan, steps=steps, rate=self.plan.fine_tune_rate)


def expert_lesson(labels: Labels) -> Lesson:
    return Lesson(labels=labels, provenance="expert", source="expert")


def swollen(labels: Labels) -> Labels:
    """``(z, y, x)`` with atria and great vessels a voxel too large on every side."""
    found = labels.copy()
    for value, name in HEART_LABELS.items():
        if name in _SWOLLEN:
            found[ndimage.binary_dilation(labels == value) & (labels == 0)] = value
    return found


def composite(network: UNet, fresh: Pool) -> float:
    """Mean Dice of the month's fresh patients."""
    return float(np.nanmean(mean_dice(segment(network, fresh.voxels), fresh.labels)))
