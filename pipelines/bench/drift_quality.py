"""Quality without labels in ``ctloop bench drift``: what windows' estimates and intervals are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.errors import StateError
from components.scorecard.predicted_quality import LEVEL, PredictedQuality, fit_quality
from components.scorecard.window_quality import fit_error_of_means
from pipelines.bench.drift_claims import Quality
from pipelines.bench.drift_features import DICE
from pipelines.bench.drift_patients import GRADES, NONE, SHIFTS
from pipelines.bench.drift_windows import Features, WindowSpec

_WINDOWS_PER_GRADE, _WINDOW = 4, 50
_REPEATS, _JUDGED = 20, 300
Case = Sequence[Mapping[str, Any]]


def quality_of(table: pd.DataFrame, features: Features) -> Quality:
    """Learned from the batches whose labels came back; tried on windows of other patients."""
    known = table[table["batch"].str.startswith("known")]
    cases = _cases(known)
    names = list(cases)
    truth = known.groupby("case_id")[DICE].first()
    batch = known.groupby("case_id")["batch"].first()
    judged = ([cases[n] for n in names], [float(truth[n]) for n in names], names)
    fit, errors = fit_quality(*judged), fit_error_of_means(*judged, [str(batch[n]) for n in names])
    if fit is None or errors is None:
        raise StateError(expected="enough judged patients", got=str(len(names)), hint="a larger --size")
    every = _cases(features.table)
    estimate = {name: _estimate(fit, case) for name, case in every.items()}
    true = features.table.groupby("case_id")[DICE].first()
    rows = []
    for spec in _specs():
        _, window = features.draw(spec)
        patients = window["case_id"].unique()
        found = errors.interval([estimate[name] for name in patients])
        rows.append(
            {"shift": spec.shift, "grade": spec.grade, "estimated": found.value, "low": found.low,
             "high": found.high, "measured": float(true[patients].mean())}
        )  # fmt: skip
    return Quality(
        windows=pd.DataFrame(rows), case_coverage=_case_coverage(features, every, true), level=LEVEL
    )


def _specs() -> list[WindowSpec]:
    return [
        WindowSpec(n=_WINDOW, shift=shift, grade=grade, number=number)
        for shift in SHIFTS
        for grade in range(1, GRADES + 1)
        for number in range(_WINDOWS_PER_GRADE)
    ]


def _case_coverage(features: Features, cases: Mapping[str, Case], true: pd.Series[float]) -> float:
    """Share of unshifted patients inside the interval of a fit to other unshifted ones, over redrawn halves."""
    base = features.pools[NONE, 0]
    held = []
    for number in range(_REPEATS):
        drawn = np.random.default_rng([features.seed, number, 11]).permutation(base)
        taught, window = drawn[:_JUDGED].tolist(), drawn[_JUDGED : 2 * _JUDGED].tolist()
        fit = fit_quality([cases[n] for n in taught], [float(true[n]) for n in taught], taught)
        for name in window if fit is not None else ():
            found = fit.estimate(cases[name]) if fit is not None else None
            held.append(found is not None and found.low <= true[name] <= found.high)
    return float(np.mean(held))


def _estimate(fit: PredictedQuality, case: Case) -> float:
    found = fit.estimate(case)
    return 0.0 if found is None else found.value


def _cases(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    cases: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        cases.setdefault(str(row["case_id"]), []).append({str(key): value for key, value in row.items()})
    return cases
