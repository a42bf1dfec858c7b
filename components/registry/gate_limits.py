"""What a model costs beside its scores, and whether a challenger costs too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.registry.gate_params import GateLimits
from components.registry.verdict import OVERALL, Check, CheckName


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Of one model; ``None`` where it was not measured.

    Args:
        calibration: error of what it says of its own answers: mean ECE over findings, or mean |expected - true Dice|.
        roughness: temporal, mean over structures, see ``components.metrics.temporal_consistency``.
        seconds: per frame, of the fastest of a few passes in a process of its own.
        memory_mb: peak of that process above what it took before the model was loaded.
    """

    calibration: float | None = None
    roughness: float | None = None
    seconds: float | None = None
    memory_mb: float | None = None


def limit_checks(champion: Traits, challenger: Traits, limits: GateLimits) -> tuple[Check, ...]:
    """One per limit; a trait that is not known of both is reported and not judged."""
    return tuple(_checks(champion, challenger, limits))


def _checks(champion: Traits, challenger: Traits, limits: GateLimits) -> Iterator[Check]:
    if limits.calibration is not None:
        yield _check("calibration", champion.calibration, challenger.calibration, 1.0, limits.calibration)
    multiples: tuple[tuple[CheckName, float | None, float | None, float | None, float], ...] = (
        ("temporal", champion.roughness, challenger.roughness, limits.roughness, limits.roughness_slack),
        ("latency", champion.seconds, challenger.seconds, limits.latency, limits.latency_slack_s),
        ("memory", champion.memory_mb, challenger.memory_mb, limits.memory, limits.memory_slack_mb),
    )
    for name, before, now, multiple, slack in multiples:
        if multiple is not None:
            yield _check(name, before, now, multiple, slack)


def _check(name: CheckName, before: float | None, now: float | None, multiple: float, slack: float) -> Check:
    allowed = None if before is None else max(multiple * before, before + slack)
    holds = None if allowed is None or now is None else now <= allowed
    return Check(name=name, stratum=OVERALL, patients=0, mean=now, bound=allowed, holds=holds)
