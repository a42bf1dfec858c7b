"""Random labelled patches for segmentation: every choice follows from the seed and the patch's number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from components.models.augmentation import apply_spatial, change_intensity, draw_spatial, needed_size
from components.models.labeled import UNKNOWN, LabeledFrame, Shape, padded_crop
from components.models.training_plan import SegmentationPlan
from components.volume.resample import AIR_HU
from components.volume.window import window_to_unit


class PatchDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """``[number]`` → image ``(1, z, y, x)`` float32, target ``(z, y, x)`` uint8, head weights ``(m,)``.

    Args:
        frames: to draw from, patient by patient, so that a long cine counts no more than a short one.
        plan: patch, window, weights, augmentation, seed.
        expert_share: of the patches that come from expert labels; ``None`` = as many as there are.
        length: patches per epoch.
        stream: tells the steps of one training apart.
    """

    def __init__(
        self,
        frames: Sequence[LabeledFrame],
        plan: SegmentationPlan,
        *,
        expert_share: float | None,
        length: int,
        stream: int = 0,
    ) -> None:
        self.plan, self.expert_share, self.length, self.stream = plan, expert_share, length, stream
        experts = [frame for frame in frames if frame.provenance == "expert"]
        others = [frame for frame in frames if frame.provenance != "expert"]
        self.all, self.experts, self.others = _by_patient(frames), _by_patient(experts), _by_patient(others)
        patients = [group[0].patient_id for group in self.all]
        self.membership = head_membership(patients, plan.heads, plan.head_share, plan.seed)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        generator = np.random.default_rng([self.plan.seed, self.stream, number])
        group = self._groups(generator)
        patient = group[generator.integers(len(group))]
        frame = patient[generator.integers(len(patient))]
        image, target = self._patch(frame, generator)
        weight = self.plan.weights.of(frame.provenance) * self.membership[frame.patient_id]
        return image, target, torch.from_numpy(weight.astype(np.float32))

    def _groups(self, generator: np.random.Generator) -> list[list[LabeledFrame]]:
        expert = generator.random()
        if self.expert_share is None or not self.experts or not self.others:
            return self.all
        return self.experts if expert < self.expert_share else self.others

    def _patch(self, frame: LabeledFrame, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        patch = self.plan.patch
        first = _corner(frame, patch, self.plan.foreground_share, generator)
        change = draw_spatial(self.plan.augmentation, patch, generator)
        size = needed_size(change, patch)
        z, y, x = (a - (n - m) // 2 for a, n, m in zip(first, size, patch, strict=True))
        hu = padded_crop(frame.read_hu, frame.shape, (z, y, x), size, AIR_HU)
        labels = padded_crop(frame.read_labels, frame.shape, (z, y, x), size, UNKNOWN)
        unit = torch.from_numpy(window_to_unit(hu, *self.plan.window_hu))
        image = apply_spatial(unit, change, patch, nearest=False).numpy()
        target = apply_spatial(torch.from_numpy(labels), change, patch, nearest=True)
        image = change_intensity(image, self.plan.augmentation, generator)
        return torch.from_numpy(image)[None], target


def head_membership(
    patients: Sequence[str], heads: int, share: float, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """patient → ``(m,)`` of 0 and 1: which heads learn from it.

    Each patient teaches about ``share`` of the heads, at least one; too few patients teach all of them.
    """
    if len(patients) < 2 * heads or share >= 1.0:
        return dict.fromkeys(patients, np.ones(heads))
    generator = np.random.default_rng([seed, 0x6EAD])
    result = {}
    for patient in sorted(patients):
        count = max(1, int(heads * share + generator.random()))
        member = np.zeros(heads)
        member[generator.permutation(heads)[: min(count, heads)]] = 1.0
        result[patient] = member
    return result


def _by_patient(frames: Sequence[LabeledFrame]) -> list[list[LabeledFrame]]:
    ordered = sorted(frames, key=lambda frame: (frame.patient_id, frame.frame_id))
    return [list(group) for _, group in groupby(ordered, key=lambda frame: frame.patient_id)]


def _corner(
    frame: LabeledFrame, patch: Shape, foreground_share: float, generator: np.random.Generator
) -> Shape:
    """Start of a ``patch`` that lies in the frame (or about a smaller frame)."""
    wanted = generator.random() < foreground_share and len(frame.foreground) > 0
    if wanted:
        classes = sorted(frame.foreground)
        voxels = frame.foreground[classes[generator.integers(len(classes))]]
        centre = voxels[generator.integers(len(voxels))].astype(float)
    else:
        centre = generator.uniform(0, np.array(frame.shape))
    corner = []
    for c, n, p in zip(centre, frame.shape, patch, strict=True):
        corner.append(round((n - p) / 2 if n <= p else min(max(c - p / 2, 0), n - p)))
    return corner[0], corner[1], corner[2]
