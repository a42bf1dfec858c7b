"""Pairs of views of triplets, of scans with or without findings: each choice follows from the seed and the number."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from components.models.augmentation import apply_spatial, change_intensity, draw_spatial
from components.models.centre_crop import centre_crop
from components.models.labeled import LabeledScan, UnlabelledScan
from components.models.patient_turns import PatientTurns
from components.models.training_plan import ClassificationPlan
from components.volume.resample import AIR_HU
from components.volume.window import window_to_unit

Scans = Sequence[LabeledScan | UnlabelledScan]
_STREAM = 3  # of random numbers; the classifier's training draws from others


class TripletViews(Dataset[Tensor]):
    """``[number]`` → ``(2, k, s, h, w)``: two views of each of k triplets (s slices) of one scan, as the classifier
    prepares scans.

    The triplets begin anywhere in the scan itself, never in the air beside it. The second view is of slices up to
    ``neighbour`` further up or down, where the anatomy is nearly the same; each view has its own random change.
    """

    def __init__(self, scans: Scans, plan: ClassificationPlan) -> None:
        self.plan, self.turns = plan, PatientTurns(scans, plan.seed)

    def __len__(self) -> int:
        return len(self.turns)

    def __getitem__(self, number: int) -> Tensor:
        generator = np.random.default_rng([self.plan.seed, _STREAM, number])
        image, low, last = prepared(self.turns.scan(number), self.plan)
        starts = generator.integers(low, last + 1, size=self.plan.pretraining.triplets)
        reach = self.plan.pretraining.neighbour
        others = np.clip(starts + generator.integers(-reach, reach + 1, size=len(starts)), low, last)
        pair = [[self._view(image, int(at), generator) for at in places] for places in (starts, others)]
        return torch.stack([torch.stack(views) for views in pair])

    def _view(self, image: Tensor, start: int, generator: np.random.Generator) -> Tensor:
        plan, bounds = self.plan, self.plan.pretraining.augmentation
        shape = (plan.slices_per_token, *plan.shape[1:])
        drawn = draw_spatial(bounds, shape, generator)
        centre = start + (shape[0] - len(image)) / 2  # from the middle of the scan to that of the triplet
        change = dataclasses.replace(drawn, shift=drawn.shift + np.array([centre, 0.0, 0.0]))
        moved = apply_spatial(image, change, shape, nearest=False).numpy()
        return torch.from_numpy(change_intensity(moved, bounds, generator) + np.float32(plan.shift))


def plain_triplets(scan: LabeledScan | UnlabelledScan, plan: ClassificationPlan) -> Tensor:
    """``(k, s, h, w)``: as many triplets as pretraining takes of a scan, evenly spaced and unchanged."""
    image, low, last = prepared(scan, plan)
    starts = np.linspace(low, last, plan.pretraining.triplets).round().astype(int).tolist()
    return torch.stack([image[at : at + plan.slices_per_token] for at in starts]) + plan.shift


def prepared(scan: LabeledScan | UnlabelledScan, plan: ClassificationPlan) -> tuple[Tensor, int, int]:
    """The centre crop ``(z, y, x)`` in units of the window, and the first and the last start of a triplet in it."""
    cropped, real = centre_crop(scan.read_hu(), plan.shape, AIR_HU)
    inside: npt.NDArray[np.intp] = np.flatnonzero(real)
    low, last = int(inside[0]), int(inside[-1]) - plan.slices_per_token + 1
    low = min(low, plan.shape[0] - plan.slices_per_token)
    return torch.from_numpy(window_to_unit(cropped, *plan.window_hu)), low, max(low, last)
