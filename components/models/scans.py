"""Randomly changed scans with their findings: every choice follows from the seed and the item's number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from components.models.augmentation import apply_spatial, change_intensity, draw_spatial
from components.models.centre_crop import centre_crop, real_tokens
from components.models.labeled import LabeledScan
from components.models.patient_turns import PatientTurns
from components.models.training_plan import ClassificationPlan
from components.volume.resample import AIR_HU
from components.volume.window import window_to_unit

Item = tuple[Tensor, Tensor, Tensor, Tensor]


class ScanDataset(Dataset[Item]):
    """``[number]`` → image ``(z, y, x)``, valid tokens ``(t,)``, findings ``(l,)`` with NaN, weight ``()``.

    Which scan an item shows: see ``PatientTurns``.
    """

    def __init__(self, scans: Sequence[LabeledScan], plan: ClassificationPlan) -> None:
        self.plan, self.turns = plan, PatientTurns(scans, plan.seed)

    def __len__(self) -> int:
        return len(self.turns)

    def __getitem__(self, number: int) -> Item:
        scan = self.turns.scan(number)
        generator = np.random.default_rng([self.plan.seed, 1, number])
        cropped, real = centre_crop(scan.read_hu(), self.plan.shape, AIR_HU)
        change = draw_spatial(self.plan.augmentation, self.plan.shape, generator)
        unit = torch.from_numpy(window_to_unit(cropped, *self.plan.window_hu))
        moved = apply_spatial(unit, change, self.plan.shape, nearest=False).numpy()
        image = change_intensity(moved, self.plan.augmentation, generator) + np.float32(self.plan.shift)
        valid = real_tokens(real, self.plan.slices_per_token)
        weight = np.float32(self.plan.weights.of(scan.provenance))
        return (
            torch.from_numpy(image),
            torch.from_numpy(valid),
            torch.from_numpy(scan.findings),
            torch.tensor(weight),
        )
