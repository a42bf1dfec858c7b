"""How well the model does on a window: foretold where nobody has looked, measured where labels have returned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from components.cohort.task import Task
from components.scorecard.columns import MEASURED, OUTPUT, QUALITY
from components.scorecard.estimated_auroc import estimate_auroc
from components.scorecard.patients import columns_with, patient_means
from components.scorecard.predicted_quality import LEVEL
from components.scorecard.window_quality import ErrorOfMeans, WindowEstimate

LEAST_MEASURED = 2


@dataclass(frozen=True, kw_only=True)
class WindowQuality:
    """Mean Dice of a window's patients (classification: the share of the findings that are called rightly).

    Args:
        estimated: of all patients, as if no label had returned; ``None`` where the package foretells nothing.
        measured: of the patients with a returned label; ``None`` of fewer than two.
        current: measured where there is a label, foretold elsewhere: the best that is known.
        of_shifted: whether the interval knows how wrong estimates were from one batch to the next; if not, it holds for
            patients like those that the model was judged on, and not after a drift.
        auroc: finding → estimated from its probabilities; of calibrated ones.
    """

    estimated: WindowEstimate | None
    measured: WindowEstimate | None
    current: WindowEstimate | None
    of_shifted: bool
    auroc: dict[str, WindowEstimate]


def window_quality(
    task: Task, scorecards: pd.DataFrame, errors: ErrorOfMeans | None, *, seed: int = 0
) -> WindowQuality:
    """From ``predicted_quality`` and, of cases with returned labels, ``measured_quality``.

    Args:
        scorecards: of the window.
        errors: of means of estimates, from the package; without it nothing is estimated.
        seed: of the draws of missing labels.
    """
    table = patient_means(scorecards, [name for name in (QUALITY, MEASURED) if name in scorecards])
    foretold = table[QUALITY] if QUALITY in table else pd.Series(np.nan, index=table.index)
    labelled = table[MEASURED].dropna() if MEASURED in table else pd.Series(dtype=float)
    able = errors is not None and bool(foretold.notna().any())
    estimated = errors.interval(foretold.tolist()) if errors is not None and able else None
    return WindowQuality(
        estimated=estimated,
        measured=_measured(labelled),
        current=_current(labelled, foretold.drop(labelled.index), errors) if able or len(labelled) else None,
        of_shifted=errors is not None and errors.between is not None,
        auroc=_aurocs(scorecards, seed) if task == "classification" else {},
    )


def _measured(labelled: pd.Series[float]) -> WindowEstimate | None:
    """Student's interval of the mean."""
    if len(labelled) < LEAST_MEASURED:
        return None
    value = float(labelled.mean())
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(labelled) - 1) * labelled.std() / np.sqrt(len(labelled)))
    return _clipped(value, reach, len(labelled))


def _current(
    labelled: pd.Series[float], others: pd.Series[float], errors: ErrorOfMeans | None
) -> WindowEstimate | None:
    """The labels have no error; that of the estimates counts by their share of the patients."""
    others = others.dropna()
    count = len(labelled) + (len(others) if errors is not None else 0)
    if not count:
        return None
    if errors is None or not len(others):
        return _clipped(float(labelled.mean()), 0.0, count)
    rest = errors.interval(others.tolist())
    value = (float(labelled.sum()) + rest.value * len(others)) / count
    return _clipped(value, max(rest.high - rest.value, rest.value - rest.low) * len(others) / count, count)


def _clipped(value: float, reach: float, patients: int) -> WindowEstimate:
    return WindowEstimate(
        value=value, low=max(0.0, value - reach), high=min(1.0, value + reach), patients=patients
    )


def _aurocs(scorecards: pd.DataFrame, seed: int) -> dict[str, WindowEstimate]:
    columns = columns_with(scorecards, OUTPUT)
    table = patient_means(scorecards, columns)
    return {
        column.removeprefix(OUTPUT): estimate_auroc(
            table[column].to_numpy(np.float64), np.random.default_rng([seed, number])
        )
        for number, column in enumerate(columns)
        if table[column].between(0, 1).all()
    }
