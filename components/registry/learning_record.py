"""What a package tells of learning: how many experts' labels it learned from, and how good it became."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.cohort.label_set import LABEL_SET_FILE, read_label_set
from components.cohort.task import Task
from components.registry.change_log import shaping_parameters
from components.registry.evidence import metric_rows
from components.registry.package import LINEAGE

HEADLINE: dict[Task, tuple[str, str]] = {
    "segmentation": ("dice", "mean"),
    "classification": ("auroc", "macro"),
}
"""The metric, in [0, 1], that a task is led by, and which of its rows."""


@dataclass(frozen=True, kw_only=True)
class LearningRecord:
    """Of one package; ``None`` for what it does not tell.

    Args:
        expert_labels: frames (segmentation) or scans (classification) with an expert's label that training read.
        value, low, high, patients: of the headline metric on held-out patients.
        level: of its interval.
    """

    expert_labels: int | None
    value: float | None
    low: float | None
    high: float | None
    patients: int | None
    level: float | None


def learning_record(package: Path, task: Task) -> LearningRecord:
    """Of a package folder; ``InputError`` when its label set cannot be read."""
    metric, label = HEADLINE[task]
    rows = metric_rows(_json(package / "metrics.json"))
    found: dict[str, Any] = next((r for r in rows if (r["metric"], r["label"]) == (metric, label)), {})
    return LearningRecord(
        expert_labels=_expert_labels(package),
        level=_level(package / LINEAGE / "params.yaml", task),
        **{name: found.get(name) for name in ("value", "low", "high", "patients")},
    )


def _expert_labels(package: Path) -> int | None:
    """Label by label where the package lists them, else as the training counted them."""
    if (listed := package / LABEL_SET_FILE).is_file():
        return sum(label.provenance == "expert" for label in read_label_set(listed.read_text()))
    counted = (_json(package / "model.json").get("training") or {}).get("labels")
    return None if counted is None else int(counted.get("expert", 0))


def _level(params: Path, task: Task) -> float | None:
    if not params.is_file():
        return None
    text = params.read_text()
    try:
        return shaping_parameters(text, task).get(f"evaluate.{task}.level")
    except yaml.YAMLError:
        return None


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else {}
