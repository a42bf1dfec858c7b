"""Scans that no expert should be asked about: broken ones are far from everything, as failures are.

What tells them apart is company: a rare anatomy or a new scanner comes with a few more like it, or will; a broken scan
is alone. So a patient is taken for broken that lies alone among pool and labelled, or whose voxels are
off in most statistics at once, or that lies rather alone and shows implausibly little or much, or one of whose frames
has slices that do not follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards
from components.errors import ParameterError
from components.scorecard.columns import IMAGE
from components.scorecard.embedding_space import distances
from components.scorecard.patients import columns_with, patient_means

Floats = npt.NDArray[np.float64]

_MAD_TO_SD = 1.4826
_YARDSTICK = 1000  # patients, at most twice as many, whose distances are the unit


@dataclass(frozen=True, kw_only=True)
class GuardParams:
    """When a scan counts as broken.

    Args:
        companions: a patient with so many near others is not alone.
        isolation: alone is who is farther from its companions than so many times the median distance of two patients.
        image_z: a statistic of the voxels is off at so many robust standard deviations from the pool's median.
        image_share: broken is who is off in this share of the statistics.
        volume_factor: implausible is a foreground so many times smaller or larger than the median.
        discontinuity: slices do not follow one another if neighbours differ so many times as much as distant ones.
        least: no guard in a pool (with the labelled) of fewer patients.
    """

    companions: int = 2
    isolation: float = 1.25
    image_z: float = 6.0
    image_share: float = 0.4
    volume_factor: float = 8.0
    discontinuity: float = 0.8
    least: int = 8

    def __post_init__(self) -> None:
        if (
            min(self.companions, self.least) < 1
            or min(self.isolation, self.image_z, self.discontinuity) <= 0
            or self.volume_factor <= 1
            or not 0 < self.image_share <= 1
        ):
            raise ParameterError(
                expected="companions, least >= 1, isolation, image_z, discontinuity > 0, volume_factor > 1, "
                "0 < image_share <= 1",
                got=str(self),
                hint="the shipped section `acquisition` of params.yaml",
            )


def broken_scans(scorecards: Scorecards, embeddings: Embeddings, params: GuardParams) -> dict[str, str]:
    """patient_id → what is wrong, for the patients of the pool that look broken."""
    patients = list(scorecards.patients())
    everyone = len(patients) + len(embeddings.labelled_md)
    if everyone < max(params.least, params.companions + 2):
        return {}
    alone = isolation(embeddings.rows(patients), embeddings.labelled_md, params.companions)
    off = _off_share(scorecards, patients, params.image_z)
    volume = _volume_ratio(scorecards, patients)
    order = _discontinuity(scorecards, patients)
    found = {}
    for patient, far, share, ratio, jump in zip(patients, alone, off, volume, order, strict=True):
        if jump > params.discontinuity:
            found[patient] = f"slices: neighbours differ {jump:.2f} times as much as distant ones"
        elif far > params.isolation:
            found[patient] = f"alone: {far:.1f} times as far from its companions as two patients usually are"
        elif share >= params.image_share:
            found[patient] = f"voxels: {share:.0%} of their statistics far off"
        elif max(ratio, 1 / ratio) > params.volume_factor and far > params.isolation / 2:
            found[patient] = f"implausible: {ratio:.2g} times the usual foreground, and rather alone"
    return found


def isolation(points_nd: Floats, labelled_md: Floats, companions: int) -> Floats:
    """``(n,)`` distance to the ``companions``-th nearest other patient, over the median distance of two patients.

    A yardstick that does not depend on how dense the common cases lie.
    """
    if not points_nd.shape[1]:
        return np.zeros(len(points_nd))
    everyone = np.concatenate([points_nd, labelled_md])
    gaps, _ = cKDTree(everyone).query(points_nd, k=[companions + 1])  # the nearest of all is itself
    near = np.asarray(gaps)[:, 0]
    some = everyone[:: 1 + len(everyone) // _YARDSTICK]
    pairs = distances(some, some)[np.triu_indices(len(some), 1)]
    apart = pairs[pairs > 1e-6 * max(float(pairs.max()), 1e-12)]
    return near / float(np.median(apart)) if len(apart) else np.zeros(len(near))


def _off_share(scorecards: Scorecards, patients: list[str], z: float) -> Floats:
    """Of the statistics that vary in the pool, the share that is off; 0 without any."""
    columns = columns_with(scorecards.pool, IMAGE)
    means = patient_means(scorecards.pool, columns)
    values = means.set_axis(means.index.astype(str)).loc[patients].to_numpy(dtype=np.float64)
    if not columns:
        return np.zeros(len(patients))
    known = values[:, np.isfinite(values).any(axis=0)]
    middle = np.nanmedian(known, axis=0)
    spread = _MAD_TO_SD * np.nanmedian(np.abs(known - middle), axis=0)
    varies = spread > 0
    if not varies.any():
        return np.zeros(len(patients))
    away = np.abs(known - middle)[:, varies] / spread[varies]
    return np.asarray((~(away <= z)).mean(axis=1))  # a statistic that cannot be measured is off


def _discontinuity(scorecards: Scorecards, patients: list[str]) -> Floats:
    """Of each patient's worst frame; 0 where unknown."""
    column = f"{IMAGE}slice_discontinuity"
    if column not in scorecards.pool:
        return np.zeros(len(patients))
    worst = scorecards.pool.groupby("patient_id")[column].max()
    values = worst.set_axis(worst.index.astype(str)).loc[patients].to_numpy(dtype=np.float64)
    return np.asarray(np.nan_to_num(values))


def _volume_ratio(scorecards: Scorecards, patients: list[str]) -> Floats:
    """Foreground over the pool's median; 1 where unknown."""
    if "foreground_ml" not in scorecards.pool:
        return np.ones(len(patients))
    found = scorecards.pool.groupby("patient_id")["foreground_ml"].mean()
    volumes = found.set_axis(found.index.astype(str)).loc[patients].to_numpy(dtype=np.float64)
    positive = volumes[volumes > 0]
    if not len(positive):
        return np.ones(len(patients))
    ratio = np.maximum(volumes, 1e-9) / np.median(positive)
    return np.where(np.isfinite(ratio), ratio, 1.0)
