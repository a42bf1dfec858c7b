"""Replay of the reference against itself: does the alarm hold its promised rate on these very patients?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from components.drift.verdict import DriftParams, assess_drift


@dataclass(frozen=True, kw_only=True)
class FalseAlarmRate:
    """``alarms`` of ``replays`` random windows of ``n_window`` reference patients against the other ones."""

    alarms: int
    replays: int
    n_reference: int
    n_window: int

    @property
    def rate(self) -> float:
        return self.alarms / self.replays

    @property
    def standard_error(self) -> float:
        return float(np.sqrt(self.rate * (1 - self.rate) / self.replays))


def replay_reference(
    reference: pd.DataFrame,
    params: DriftParams,
    generator: np.random.Generator,
    *,
    replays: int = 100,
    n_window: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FalseAlarmRate | None:
    """Draw windows from the reference's own patients and count alarms (persistence set aside).

    Args:
        reference: scorecards of held-out patients.
        params: as in production.
        generator: draws the windows and the permutations' seeds.
        replays: how many windows.
        n_window: patients per window; half of the reference by default.

    Returns:
        the rate, or ``None`` when the halves are too small for any verdict.
    """
    patients = np.sort(reference["patient_id"].unique())
    size = n_window or len(patients) // 2
    if min(size, len(patients) - size) < params.min_patients:
        return None
    alarms = 0
    for done in range(replays):
        drawn = set(generator.choice(patients, size, replace=False))
        inside = reference["patient_id"].isin(drawn)
        trial = replace(params, seed=int(generator.integers(2**32)), persist_k=1, persist_m=1)
        alarms += assess_drift(reference[~inside], reference[inside], trial).alarmed
        if progress is not None:
            progress(done + 1, replays)
    return FalseAlarmRate(alarms=alarms, replays=replays, n_reference=len(patients) - size, n_window=size)
