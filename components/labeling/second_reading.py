"""Two readers' answers about the same frame or case, held against each other when the second one comes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from components.cohort.task import Task


@dataclass(frozen=True, kw_only=True)
class SecondReading:
    """The earlier reader first.

    Args:
        readers: who answered.
        labels: hashes of the two answers.
        dice: of segmentation: structure → Dice of the two; NaN where neither drew it.
        findings: of classification: finding → what each said, of those that both answered.
    """

    task: Task
    readers: tuple[str, str]
    labels: tuple[str, str]
    dice: Mapping[str, float] = field(default_factory=dict)
    findings: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Lists for tuples, nothing for NaN: as a ledger gives it back."""
        known = {name: round(value, 6) for name, value in self.dice.items() if not math.isnan(value)}
        said = {name: list(pair) for name, pair in self.findings.items()}
        both = {"readers": list(self.readers), "labels": list(self.labels)}
        return {**asdict(self), **both, "dice": known, "findings": said}


def paired_findings(
    first: Mapping[str, int | None], second: Mapping[str, int | None]
) -> dict[str, tuple[int, int]]:
    """Finding → (first, second), of the findings that both readers answered with 0 or 1."""
    return {
        name: (one, two)
        for name, one in sorted(first.items())
        if one is not None and (two := second.get(name)) is not None
    }
