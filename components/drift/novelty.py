"""How unfamiliar a case is: its distance to the nearest reference patients, metadata unseen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.scorecard.columns import EMBEDDING, IMAGE
from components.scorecard.embedding_space import distances, fit_space
from components.scorecard.patients import columns_with, patient_means

Floats = npt.NDArray[np.float64]
_ENOUGH_FOR_SCALE = 8


def case_novelty(
    reference: pd.DataFrame, scorecards: pd.DataFrame, *, neighbours: int = 5, with_image: bool = False
) -> pd.Series[float]:
    """Mean distance of each case to its nearest reference patients, in units of the reference's own.

    1 is the median reference patient seen from the others. Columns are standardised by the reference, or by
    reference and window together while the reference has fewer than 8 patients. The patient's own reference
    scorecards are no neighbours of it.

    Args:
        reference: scorecards of held-out patients.
        scorecards: scorecards to rank.
        neighbours: how many nearest reference patients count (fewer when fewer exist).
        with_image: also use the image statistics.

    Returns:
        novelty by ``case_id``; NaN without reference patients or embeddings.
    """
    columns = _shared(reference, scorecards, with_image)
    cases = scorecards.groupby("case_id", sort=True)[columns].mean()
    if reference.empty or not columns:
        return pd.Series(np.nan, index=cases.index, name="novelty", dtype=float)
    known = patient_means(reference, columns)
    basis = known if len(known) >= _ENOUGH_FOR_SCALE else pd.concat([known, cases])
    space = fit_space(basis.to_numpy(dtype=np.float64))
    points = space.project(known.to_numpy(dtype=np.float64))
    owner = scorecards.groupby("case_id", sort=True)["patient_id"].first().to_numpy()
    gaps = distances(space.project(cases.to_numpy(dtype=np.float64)), points)
    gaps[owner[:, None] == known.index.to_numpy()[None]] = np.inf
    value = _nearest(gaps, neighbours) / _own_scale(points, neighbours)
    return pd.Series(value, index=cases.index, name="novelty")


def _shared(reference: pd.DataFrame, scorecards: pd.DataFrame, with_image: bool) -> list[str]:
    wanted = columns_with(scorecards, EMBEDDING) + (columns_with(scorecards, IMAGE) if with_image else [])
    return [column for column in wanted if column in reference and reference[column].notna().any()]


def _nearest(gaps_nm: Floats, neighbours: int) -> Floats:
    nearest = np.sort(gaps_nm, axis=1)[:, :neighbours]
    finite = np.isfinite(nearest)
    total = np.where(finite, nearest, 0.0).sum(axis=1)
    return np.where(finite.any(axis=1), total / np.maximum(finite.sum(axis=1), 1), np.nan)


def _own_scale(points_nd: Floats, neighbours: int) -> float:
    """Median novelty of the reference patients seen from the others; the space's own unit if there is one."""
    if len(points_nd) < 2:
        return float(np.sqrt(points_nd.shape[1]))
    gaps = distances(points_nd, points_nd)
    np.fill_diagonal(gaps, np.inf)
    return float(np.median(_nearest(gaps, neighbours))) or 1.0
