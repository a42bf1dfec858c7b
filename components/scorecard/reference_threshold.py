"""The value above which a frame is unusual for a reference patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class ReferenceThreshold:
    """The ``rank``-th smallest of the worst frames of ``n`` reference patients.

    A new exchangeable patient stays at or below it with probability at least ``level`` = rank / (n + 1).
    """

    column: str
    value: float
    rank: int
    n: int

    @property
    def level(self) -> float:
        return self.rank / (self.n + 1)


def reference_threshold(reference: pd.DataFrame, column: str, quantile: float) -> ReferenceThreshold | None:
    """Order statistic ceil((n + 1) quantile) of the patients' maxima, as in split conformal prediction.

    With fewer than quantile / (1 - quantile) patients the largest value stands in, at its lower ``level``.
    ``None`` when no reference patient has the column.
    """
    if column not in reference or reference.empty:
        return None
    worst = np.sort(reference.groupby("patient_id")[column].max().dropna().to_numpy(dtype=np.float64))
    if not len(worst):
        return None
    rank = min(int(np.ceil((len(worst) + 1) * quantile - 1e-9)), len(worst))
    return ReferenceThreshold(column=column, value=float(worst[rank - 1]), rank=rank, n=len(worst))
