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
from components.models.training_plan import ClassificationPlan
from components.volume.resample import AIR_HU
from components.volume.window import window_to_unit

Item = tuple[Tensor, Tensor, Tensor, Tensor]


class ScanDataset(Dataset[Item]):
    """``[number]`` → image ``(z, y, x)``, valid tokens ``(t,)``, findings ``(l,)`` with NaN, weight ``()``.

    Item ``number`` is of the patient at ``number % length`` of the order that its epoch ``number // length`` draws.
    An epoch shows one scan of each patient, of several (reconstructions of one scan, say) a drawn one: so each patient
    weighs the same, in batches of any size.
    """

    def __init__(self, scans: Sequence[LabeledScan], plan: ClassificationPlan) -> None:
        self.plan = plan
        patients: dict[str, list[LabeledScan]] = {}
        for scan in sorted(scans, key=lambda scan: scan.case_id):
            patients.setdefault(scan.patient_id, []).append(scan)
        self.patients = tuple(patients.values())

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, number: int) -> Item:
        epoch, position = divmod(number, len(self))
        order = np.random.default_rng([self.plan.seed, epoch]).permutation(len(self))
        scans = self.patients[order[position]]
        scan = scans[np.random.default_rng([self.plan.seed, 2, number]).integers(len(scans))]
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
