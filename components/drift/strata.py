"""Which site, scanner or kernel carries a drift, so that labels can be asked for where the change is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.drift.permutation import Members, combine
from components.drift.two_sample import share_increase
from components.scorecard.columns import LABEL_SET, META
from components.scorecard.patients import columns_with, patient_shares

STRATUM_COLUMNS = ("site", "manufacturer", "model", "kernel", "kvp", "slice_thickness_mm")
_MAX_VALUES = 20


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A value that grew: shares in [0, 1], p-value adjusted over all values looked at.

    ``column`` is of the metadata without its prefix, or ``set_*``: what the model calls of a finding.
    """

    column: str
    value: str
    share_reference: float
    share_window: float
    p_value: float


def column_of(name: str) -> str:
    """The scorecard column of a stratum's ``column``."""
    return name if name.startswith(LABEL_SET) else META + name


def alarmed_strata(pooled: pd.DataFrame, members_bn: Members, *, alpha: float) -> tuple[Stratum, ...]:
    """Values whose share grew more than permutations explain, largest growth first.

    Ties go to the order of ``STRATUM_COLUMNS``: a new site says more than its kernel.

    Args:
        pooled: scorecards of reference and window patients; ``members_bn`` follows their sorted patient ids.
        members_bn: see ``components.drift.permutation.memberships``.
        alpha: family-wise level over all values.
    """
    tables = [
        (column, patient_shares(pooled, name))
        for column in (*STRATUM_COLUMNS, *columns_with(pooled, LABEL_SET))
        if (name := column_of(column)) in pooled
    ]
    tables = [(column, shares) for column, shares in tables if 1 < shares.shape[1] <= _MAX_VALUES]
    if not tables:
        return ()
    names = [(column, str(value)) for column, shares in tables for value in shares.columns]
    shares_nk = np.concatenate([shares.to_numpy(dtype=np.float64) for _, shares in tables], axis=1)
    increase = share_increase(shares_nk, members_bn)
    p_values = combine(increase).p_columns
    inside = members_bn[0] > 0
    found = [
        Stratum(
            column=column,
            value=value,
            share_reference=float(shares_nk[~inside, i].mean()),
            share_window=float(shares_nk[inside, i].mean()),
            p_value=float(p_values[i]),
        )
        for i, (column, value) in enumerate(names)
        if p_values[i] <= alpha and increase[0, i] > 0
    ]
    return tuple(sorted(found, key=lambda stratum: stratum.share_reference - stratum.share_window))
