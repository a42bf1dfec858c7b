"""Use case: how well readers agree, from the frames and cases that two of them answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from components.cohort.frame_id import case_of
from components.cohort.task import TASKS, Task
from components.metrics.bootstrap import Statistic
from components.metrics.rater_agreement import cohens_kappa
from components.metrics.weighting import weighted_mean
from components.operations.evaluation import IntervalParams, interval_of
from components.registry.ledger import LedgerEntry

_DRAWS = IntervalParams(seed=0, draws=1000, level=0.95)
_Said = list[tuple[str, Any]]  # (case, what was said of it)


def reader_agreement(rereads: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    """Per task and structure or finding: ``measure``, ``value``, ``low``, ``high``, and how many stand behind it.

    Dice of the two drawings, and Cohen's kappa of the two calls, with an interval over cases: the frames of a cine
    are no independent evidence. Nothing where nobody read a second time. A second reader who saw the first answer
    corrects rather than reads: the door cannot know.
    """
    rows = []
    for task in TASKS:
        ours = [entry for entry in rereads if entry.payload["task"] == task]
        pairs = {frozenset(entry.payload["readers"]) for entry in ours}
        for name, said in sorted(_by_name(ours, task).items()):
            rows.append(
                {"task": task, "name": name, **_row(task, said), "readers": len(frozenset().union(*pairs))}
            )
    return rows


def _by_name(entries: Sequence[LedgerEntry], task: Task) -> dict[str, _Said]:
    found: dict[str, _Said] = {}
    for case, said in _said(entries, task):
        for name, value in said.items():
            found.setdefault(name, []).append((case, value))
    return found


def _said(entries: Sequence[LedgerEntry], task: Task) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in entries:
        yield case_of(entry.subject), entry.payload["dice" if task == "segmentation" else "findings"]


def _row(task: Task, said: _Said) -> dict[str, Any]:
    values = np.array([value for _, value in said], dtype=np.float64)
    statistic: Statistic = (
        (lambda weight: weighted_mean(values, weight))
        if task == "segmentation"
        else (lambda weight: cohens_kappa(values[:, 0], values[:, 1], weight))
    )
    interval = interval_of([case for case, _ in said], statistic, _DRAWS)
    cases = interval.pop("patients")
    measure = "Dice" if task == "segmentation" else "Cohen's kappa"
    return {"measure": measure, **interval, "cases": cases, "readings": len(said)}
