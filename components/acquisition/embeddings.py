"""One point per patient, in a space where near patients teach the model the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.scorecards import Scorecards
from components.errors import InputError
from components.scorecard.columns import EMBEDDING, IMAGE, OUTPUT
from components.scorecard.embedding_space import distances, fit_space
from components.scorecard.patients import columns_with, patient_means

Floats = npt.NDArray[np.float64]

WEIGHTS: Mapping[str, float] = {EMBEDDING: 1.0, OUTPUT: 0.5, IMAGE: 0.25}
"""Column prefix → its weight in a squared distance: what the network sees, the predicted shape, the voxels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Embeddings:
    """Points of the patients of a pool, and of the patients that are labelled already.

    Args:
        patients: whose points these are, in this order.
        points_nd: ``(n, d)``; d is 0 where nothing is known of the patients, who are then all alike.
        labelled_md: ``(m, d)``.
    """

    patients: tuple[str, ...]
    points_nd: Floats
    labelled_md: Floats

    def __post_init__(self) -> None:
        wide = {self.points_nd.shape[1:], self.labelled_md.shape[1:]}
        if len(self.patients) != len(self.points_nd) or len(wide) != 1 or self.points_nd.ndim != 2:
            raise InputError(
                expected="a point for each patient, of one width in pool and labelled",
                got=f"{len(self.patients)} patients, {self.points_nd.shape} and {self.labelled_md.shape}",
                hint="Embeddings.of(scorecards)",
            )

    @staticmethod
    def of(
        scorecards: Scorecards, *, weights: Mapping[str, float] = WEIGHTS, components: int = 16
    ) -> Embeddings:
        """From the columns with these prefixes: each block standardised, weighted, and reduced to few axes.

        Each block has the same part in a squared distance before its weight, however many columns it has.
        Volumes (``*_ml``) enter by their logarithm; what a patient lacks, by the mean.
        """
        patients = scorecards.patients()
        tables = [scorecards.pool, scorecards.labelled]
        blocks = [
            block * np.sqrt(weight)
            for prefix, weight in weights.items()
            if (block := _block(tables, prefix)) is not None
        ]
        rows = len(patients) + scorecards.labelled["patient_id"].nunique()
        points = np.concatenate(blocks, axis=1) if blocks and rows > 1 else np.zeros((rows, 0))
        if points.shape[1] > components:
            centred = points - points.mean(axis=0)
            points = centred @ np.linalg.svd(centred, full_matrices=False)[2][:components].T
        return Embeddings(
            patients=patients, points_nd=points[: len(patients)], labelled_md=points[len(patients) :]
        )

    def rows(self, patients: Sequence[str]) -> Floats:
        """``(len(patients), d)``; ``InputError`` for a patient without a point."""
        place = {patient: row for row, patient in enumerate(self.patients)}
        if missing := [patient for patient in patients if patient not in place]:
            raise InputError(
                expected="a point for each patient of the pool",
                got=f"none for {missing[0]}",
                hint="Embeddings.of the same scorecards",
            )
        return self.points_nd[[place[patient] for patient in patients]]


def nearest_labelled(points_nd: Floats, labelled_md: Floats) -> Floats:
    """``(n,)`` distance of each point to the nearest labelled one; infinite where none is labelled."""
    if not len(labelled_md):
        return np.full(len(points_nd), np.inf)
    return np.asarray(distances(points_nd, labelled_md).min(axis=1))


def _block(tables: Sequence[pd.DataFrame], prefix: str) -> Floats | None:
    """Standardised patient means of pool and labelled in one table; ``None`` without any such column."""
    shared = [
        column
        for column in columns_with(tables[0], prefix)
        if tables[0][column].notna().any() and (tables[1].empty or column in tables[1])
    ]
    if not shared:
        return None
    means = pd.concat([patient_means(table, shared) for table in tables if not table.empty])
    values = means.to_numpy(dtype=np.float64, copy=True)
    for index, column in enumerate(shared):
        if column.endswith("_ml"):
            values[:, index] = np.log1p(np.maximum(values[:, index], 0.0))
    values = np.where(
        np.isfinite(values), values, np.nanmean(np.where(np.isfinite(values), values, np.nan), axis=0)
    )
    return np.asarray(fit_space(values).project(values) / np.sqrt(len(shared)))
