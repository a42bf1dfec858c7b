"""Intervals of metrics.json, of both tasks, as rows."""

from __future__ import annotations

from typing import Any

from components.registry.evidence import metric_rows, stratum_rows


def interval(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "patients": 9}


METRICS = {
    "task": "classification",
    "patients": 9,
    "auroc": {"emphysema": interval(0.8), "macro": interval(0.7)},
    "temporal": {"cycles": 3, "roughness": {"aorta": interval(0.2)}},
    "before_temperature": {"ece": {"macro": interval(0.5)}},
    "subgroups": [
        {"column": "site", "value": "north", "patients": 1, "judged": False},
        {
            "column": "site", "value": "south", "patients": 9, "judged": True, "findings": 1,
            "auroc": interval(0.6),
            "by_finding": {"emphysema": {"positives": 2, "judged": True, "auroc": interval(0.9)}},
        },
    ],
}  # fmt: skip


def test_every_interval_is_a_row_with_its_patients() -> None:
    rows = metric_rows(METRICS)
    assert [(row["metric"], row["label"], row["value"]) for row in rows] == [
        ("auroc", "emphysema", 0.8),
        ("auroc", "macro", 0.7),
        ("temporal/roughness", "aorta", 0.2),
    ]
    assert (rows[0]["low"], rows[0]["high"], rows[0]["patients"]) == (0.8 - 0.1, 0.8 + 0.1, 9)


def test_strata_have_their_own_rows_and_say_when_they_are_too_small() -> None:
    small, large = stratum_rows(METRICS)
    assert (small["stratum"], small["value"], small["judged"], small["metrics"]) == (
        "site",
        "north",
        False,
        [],
    )
    assert [(row["metric"], row["label"]) for row in large["metrics"]] == [
        ("auroc", "mean"),
        ("auroc", "emphysema"),
    ]


def test_without_metrics_there_are_no_rows() -> None:
    assert metric_rows({}) == stratum_rows({}) == []
