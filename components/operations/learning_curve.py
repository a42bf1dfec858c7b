"""Use case: what the labels so far have brought, version by version, and what more of them would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.cohort.task import Task
from components.errors import InputError, StateError
from components.metrics.power_law import (
    FEWEST,
    Forecast,
    LearningPoint,
    PowerLaw,
    fit_power_law,
    standard_error,
)
from components.registry.learning_record import LearningRecord, learning_record
from components.registry.registry import ModelVersion, Registry

Told = tuple[int, LearningRecord | None]
"""A version's number, and what its package tells; ``None`` where the package is gone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    """Args:
    versions: every version, oldest first.
    law: fitted to those that tell labels, quality and its interval; ``None`` where these are too few.
    forecast: of ``law``.
    why_not: in words, where there is no forecast.
    """

    versions: Sequence[Told]
    law: PowerLaw | None
    forecast: Forecast | None
    why_not: str

    @property
    def measured(self) -> list[tuple[int, int, LearningRecord]]:
        """(version, expert labels, record) of those that tell both labels and quality."""
        return [
            (version, record.expert_labels, record)
            for version, record in self.versions
            if record is not None and record.expert_labels is not None and record.value is not None
        ]


def learning_curve(versions: Sequence[Told], *, more: int, seed: int, draws: int = 1000) -> LearningCurve:
    """Of the versions of one model; the forecast is of ``more`` labels beyond the most that any learned from."""
    points = [point for _, record in versions if record and (point := _point(record)) is not None]
    law = fit_power_law(points, seed=seed, draws=draws)
    different = len({point.labels for point in points})
    why_not = (
        ""
        if law
        else f"A forecast needs {FEWEST} versions that learned from different numbers of expert labels and were judged "
        f"with an interval; so far there {'is' if different == 1 else 'are'} {different}."
    )
    forecast = law.forecast(more) if law else None
    return LearningCurve(versions=versions, law=law, forecast=forecast, why_not=why_not)


def record_from(registry: Registry, task: Task, version: ModelVersion) -> LearningRecord | None:
    """What the package of a registered version tells; ``None`` when it is lost, changed or cannot be read."""
    try:
        return learning_record(registry.fetch(version), task)
    except (StateError, InputError):
        return None


def _point(record: LearningRecord) -> LearningPoint | None:
    """A law has no value without labels, and no weight without an interval."""
    if not record.expert_labels or record.value is None or record.level is None:
        return None
    if record.low is None or record.high is None:
        return None
    error = standard_error(record.low, record.high, level=record.level)
    return LearningPoint(labels=record.expert_labels, quality=record.value, standard_error=error)
