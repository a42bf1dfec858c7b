"""How much a model loses on other people: its own held-out patients against those of an external test.

A positive drop is a loss, also where smaller is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.bootstrap import Group, unpaired_difference
from components.metrics.weighting import weighted_mean
from components.operations.evaluate_segmentation import MEAN
from components.operations.evaluation import IntervalParams, interval_of, rounded
from components.operations.finding_scores import (
    INFLATED,
    PROBABILITY,
    FindingScores,
    means_of,
    metric_interval,
)
from components.operations.segmentation_frames import DICE, HD95, RELATIVE_ERROR, SURFACE_DICE

# metric → column prefix, and the sign that makes a loss positive
_OF_STRUCTURES: Mapping[str, tuple[str, float]] = {
    "dice": (DICE, 1.0),
    "surface_dice": (SURFACE_DICE, 1.0),
    "hd95_mm": (HD95, -1.0),
    "volume_error_relative": (RELATIVE_ERROR, -1.0),
}
_OF_FINDINGS: Mapping[str, float] = {"auroc": 1.0, "average_precision": 1.0, "f1": 1.0, "ece": -1.0}


def structure_drops(
    held_out: pd.DataFrame, external: pd.DataFrame, structures: Sequence[str], params: IntervalParams
) -> list[dict[str, Any]]:
    """A row per metric and structure that both tables have: both means and the drop, each with its interval.

    ``mean`` is over the structures that both have, so that a data set with fewer of them compares fairly.

    Args:
        held_out, external: ``Evaluation.per_patient`` of different patients.
    """
    rows = []
    for metric, (prefix, sign) in _OF_STRUCTURES.items():
        common = [
            name for name in structures if _has(held_out, prefix, name) and _has(external, prefix, name)
        ]
        for name in (MEAN, *common) if common else ():
            columns = [f"{prefix}{one}" for one in (common if name == MEAN else [name])]
            groups = (_means(held_out, columns), _means(external, columns))
            ours, theirs = (interval_of(group.patients, group.statistic, params) for group in groups)
            rows.append(
                {
                    "metric": metric,
                    "label": name,
                    "held_out": ours,
                    "external": theirs,
                    "drop": _drop(*groups, sign, params),
                }
            )
    return rows


def finding_drops(
    held_out: pd.DataFrame,
    external: pd.DataFrame,
    findings: Sequence[str],
    thresholds: Mapping[str, float],
    params: IntervalParams,
) -> list[dict[str, Any]]:
    """A row per metric and finding that can be judged on both sides, and the means over exactly these findings.

    Rows of findings have ``positives``, the patients with it on either side.

    Args:
        held_out, external: ``Evaluation.per_patient`` of different patients.
        thresholds: the package's, on both sides.
    """
    sides = [
        FindingScores.of(table, [name for name in findings if f"{PROBABILITY}{name}" in table], thresholds)
        for table in (held_out, external)
    ]
    common = [name for name in findings if all(name in side.judged().findings for side in sides)]
    ours, theirs = (side.only(common) for side in sides)
    counts = {"held_out": ours.counts(), "external": theirs.counts()}
    return [
        {
            "metric": metric,
            "label": name,
            "positives": {side: found[name]["positives"] for side, found in counts.items() if name in found},
            "held_out": metric_interval(ours, metric, name, params),
            "external": metric_interval(theirs, metric, name, params),
            "drop": _drop(
                ours.group(metric, name), theirs.group(metric, name), sign, params, centred=metric in INFLATED
            ),
        }
        for metric, sign in _OF_FINDINGS.items()
        for name in ((*means_of(metric), *common) if common else ())
    ]


def _drop(
    held_out: Group, external: Group, sign: float, params: IntervalParams, *, centred: bool = False
) -> dict[str, Any]:
    difference = unpaired_difference(
        _signed(held_out, sign), _signed(external, sign),
        seed=params.seed, draws=params.draws, level=params.level, centred=centred,
    )  # fmt: skip
    return rounded(difference)


def _signed(group: Group, sign: float) -> Group:
    return Group(patients=group.patients, statistic=lambda weight: sign * group.statistic(weight))


def _has(table: pd.DataFrame, prefix: str, structure: str) -> bool:
    return f"{prefix}{structure}" in table and bool(table[f"{prefix}{structure}"].notna().any())


def _means(table: pd.DataFrame, columns: Sequence[str]) -> Group:
    """Mean over the patients for whom any of ``columns`` is defined, each counting once."""
    values = table[["patient_id"]].assign(value=table[list(columns)].mean(axis=1)).dropna()
    values = values.groupby("patient_id", as_index=False, sort=True).mean()
    numbers = values["value"].to_numpy(np.float64)
    return Group(
        patients=values["patient_id"].tolist(), statistic=lambda weight: weighted_mean(numbers, weight)
    )
