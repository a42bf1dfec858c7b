"""Which patients show what few labels show so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.scorecards import Scorecards
from components.scorecard.columns import OUTPUT
from components.scorecard.patients import columns_with

Floats = npt.NDArray[np.float64]

_SPECK = 0.25  # of a structure's median volume: less counts as a part of the structure only


def class_need(scorecards: Scorecards) -> pd.DataFrame:
    """How much each patient of the pool shows of what is rarely labelled.

    A class, a structure or a finding, that n labelled patients show counts (1 + n) ** -1/2: the error of a class is
    taken to fall with the root of its labels. A structure is present by its volume over a quarter of the median volume,
    at most 1; a finding by its probability.

    Returns:
        index ``patient_id`` sorted, columns ``need`` (over its mean in the pool; 1 for all without classes) and
        ``rarest``, the class that gives most of it.
    """
    classes = columns_with(scorecards.pool, OUTPUT)
    patients = scorecards.pool.groupby("patient_id", sort=True)
    names = patients.size().index.astype(str)
    if not classes:
        return pd.DataFrame({"need": 1.0, "rarest": ""}, index=names)
    volumes = patients[classes].max()
    scale = _scale(volumes)
    shown = _presence(volumes, scale)
    labelled = scorecards.labelled
    counts = np.zeros(len(classes))
    if not labelled.empty:
        known = labelled.reindex(columns=["patient_id", *classes]).groupby("patient_id")[classes].max()
        counts = _presence(known, scale).sum(axis=0)
    parts = shown / np.sqrt(1.0 + counts)
    total = parts.sum(axis=1)
    need = total / total.mean() if total.mean() > 0 else np.ones(len(total))
    rarest = [classes[int(best)].removeprefix(OUTPUT).removesuffix("_ml") for best in parts.argmax(axis=1)]
    return pd.DataFrame({"need": need, "rarest": rarest}, index=names)


def _scale(volumes: pd.DataFrame) -> Floats:
    """What makes a class wholly present: a part of the usual volume, or probability 1."""
    usual = volumes.where(volumes > 0).median().fillna(1.0)
    return np.array(
        [_SPECK * usual[name] if name.endswith("_ml") else 1.0 for name in map(str, volumes)],
        dtype=np.float64,
    )


def _presence(volumes: pd.DataFrame, scale: Floats) -> Floats:
    return np.nan_to_num(np.clip(volumes.to_numpy(dtype=np.float64) / scale, 0.0, 1.0))
