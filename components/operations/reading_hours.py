"""Hours of reading a year that flags would change, under stated assumptions: computed, never observed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """A number that nobody measured here: the least, the expected and the largest value it may have."""

    low: float
    central: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.central <= self.high:
            raise ParameterError(
                expected="0 <= low <= central <= high", got=str(self), hint="three rising numbers"
            )


@dataclass(frozen=True, kw_only=True)
class HoursParams:
    """Args:
    studies_per_year: that the department reads.
    minutes_per_study: of reading today.
    minutes_flagged, minutes_unflagged: of reading with the model, where it flags a study and where it does not.
    prevalence: share of the studies with any of the findings; ``None``: as in the judged patients.
    """

    studies_per_year: Assumed
    minutes_per_study: Assumed
    minutes_flagged: Assumed
    minutes_unflagged: Assumed
    prevalence: Assumed | None = None

    def __post_init__(self) -> None:
        if self.prevalence is not None and self.prevalence.high > 1:
            raise ParameterError(
                expected="prevalence at most 1", got=str(self.prevalence.high), hint="0.3, for example"
            )


def hours_saved(
    params: HoursParams, call: Mapping[str, Any], measured_prevalence: Mapping[str, Any]
) -> dict[str, Any]:
    """``saved_hours`` and ``missed_studies`` a year as ``low``, ``central``, ``high``, and a ``verdict`` in words.

    studies · (minutes today - (f · minutes flagged + (1 - f) · minutes unflagged)) / 60, where f is the share that is
    flagged: as measured, or with a stated prevalence p · sensitivity + (1 - p) · (1 - specificity). The ends are the
    least and the largest over every combination of the ends of all assumptions and of the measured intervals, which
    is wider than an interval of one error level: nobody knows how likely an assumption is.

    ``missed_studies`` have a finding and are not flagged: studies · p · (1 - sensitivity).

    Args:
        call: of ``any_call``.
        measured_prevalence: of the judged patients, an interval.
    """
    flagged = _flagged(params, call)
    present = params.prevalence or _assumed(measured_prevalence)
    saved = _over_ends(
        lambda n, today, yes, no, f: n * (today - f * yes - (1.0 - f) * no) / 60.0,
        params.studies_per_year, params.minutes_per_study, params.minutes_flagged, params.minutes_unflagged, flagged,
    )  # fmt: skip
    missed = _over_ends(
        lambda n, p, s: n * p * (1.0 - s), params.studies_per_year, present, _assumed(call["sensitivity"])
    )
    return {
        "saved_hours": saved,
        "missed_studies": missed,
        "flagged": flagged and vars(flagged),
        "prevalence": present and vars(present),
        "verdict": _verdict(saved),
    }


def _flagged(params: HoursParams, call: Mapping[str, Any]) -> Assumed | None:
    if params.prevalence is None:
        return _assumed(call["workload"])
    found = _over_ends(
        lambda p, se, sp: p * se + (1.0 - p) * (1.0 - sp),
        params.prevalence, _assumed(call["sensitivity"]), _assumed(call["specificity"]),
    )  # fmt: skip
    return Assumed(**found) if found else None


def _assumed(interval: Mapping[str, Any]) -> Assumed | None:
    if any(interval[end] is None for end in ("low", "value", "high")):
        return None
    return Assumed(low=interval["low"], central=interval["value"], high=interval["high"])


def _over_ends(formula: Any, *numbers: Assumed | None) -> dict[str, float] | None:
    """Every formula here is linear in each number alone, so that its extremes lie at the ends."""
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers):
        return None
    ends = [formula(*corner) for corner in itertools.product(*((n.low, n.high) for n in known))]
    return {"low": min(ends), "central": formula(*(n.central for n in known)), "high": max(ends)}


def _verdict(saved: Mapping[str, float] | None) -> str:
    if saved is None:
        return "not enough evidence"
    if saved["low"] > 0:
        return "hours are saved"
    return "hours are lost" if saved["high"] < 0 else "no saving can be told from 0"
