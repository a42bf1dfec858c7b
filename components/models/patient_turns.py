"""Whose turn it is: which scan an item of an endless training is, from the seed and the item's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np

from components.models.labeled import LabeledScan, UnlabelledScan

Scan = TypeVar("Scan", bound=LabeledScan | UnlabelledScan)


class PatientTurns(Generic[Scan]):
    """An epoch shows one scan of each patient, of several (reconstructions of one scan, say) a drawn one.

    So each patient weighs the same, in batches of any size.
    """

    def __init__(self, scans: Sequence[Scan], seed: int) -> None:
        self.seed = seed
        patients: dict[str, list[Scan]] = {}
        for scan in sorted(scans, key=lambda scan: scan.case_id):
            patients.setdefault(scan.patient_id, []).append(scan)
        self.patients = tuple(patients.values())

    def __len__(self) -> int:
        return len(self.patients)

    def scan(self, number: int) -> Scan:
        """Of the patient at ``number % length`` of the order that its epoch ``number // length`` draws."""
        epoch, position = divmod(number, len(self))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        scans = self.patients[order[position]]
        found: Scan = scans[np.random.default_rng([self.seed, 2, number]).integers(len(scans))]
        return found
