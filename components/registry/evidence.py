"""What held-out patients say of a model, as flat rows: each metric with its interval, overall and per stratum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Row = dict[str, Any]
_INTERVAL = ("value", "low", "high", "patients")
_BY_LABEL = "by_finding"
_APART = ("subgroups", "failed", "before_temperature")  # of metrics.json: told elsewhere
MEAN = "mean"


def metric_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """``metric``, ``label``, ``value``, ``low``, ``high``, ``patients`` of every interval of metrics.json."""
    whole = {name: tree for name, tree in metrics.items() if name not in _APART}
    return [_row(path, interval) for path, interval in _intervals(whole, ())]


def stratum_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """The subgroups: ``stratum``, ``value``, ``patients``, whether it is ``judged``, and its ``metrics`` as above."""
    return [
        {
            "stratum": group["column"],
            "value": group["value"],
            "patients": group["patients"],
            "judged": group["judged"],
            "metrics": [_row(path, interval) for path, interval in _intervals(group, ())],
        }
        for group in metrics.get("subgroups", ())
    ]


def _row(path: tuple[str, ...], interval: Mapping[str, Any]) -> Row:
    if path[0] == _BY_LABEL:
        metric, label = path[-1], path[1]
    else:
        metric, label = ("/".join(path[:-1]), path[-1]) if len(path) > 1 else (path[0], MEAN)
    return {"metric": metric, "label": label, **{key: interval.get(key) for key in _INTERVAL}}


def _intervals(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not isinstance(tree, Mapping):
        return
    if path and {"value", "low", "high"} <= set(tree):
        yield path, tree
        return
    for key, value in tree.items():
        yield from _intervals(value, (*path, str(key)))
