"""What the accepted expert answers have cost, as far as their working time is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.errors import ParameterError
from components.labeling.request import LabelingRequest
from components.operations.evaluation import IntervalParams, mean_interval


@dataclass(frozen=True, kw_only=True)
class CostParams:
    """What a minute of an expert costs."""

    per_minute: float
    currency: str

    def __post_init__(self) -> None:
        if not (0 <= self.per_minute < np.inf and self.currency.strip()):
            raise ParameterError(
                expected="per_minute >= 0 and a currency",
                got=str(self),
                hint="{per_minute: 2.0, currency: EUR}",
            )


@dataclass(frozen=True, kw_only=True)
class AnswerGiven:
    """One accepted answer to a request; ``replaces``: an earlier answer to it, whose minutes were spent too."""

    request_id: str
    minutes: float | None
    replaces: bool


def label_cost(
    requests: Sequence[LabelingRequest],
    answers: Sequence[AnswerGiven],
    unasked_minutes: Sequence[float | None],
    cost: CostParams | None,
    intervals: IntervalParams,
) -> dict[str, Any]:
    """JSON-able: counts, ``minutes`` spent, ``minutes_per_label`` with an interval over patients, and in money.

    Minutes are of the answers that state them; the others count in ``without_minutes`` and nowhere else. Time spent
    on a replaced answer belongs to the label that replaced it.

    Args:
        requests: of one task, whatever their status.
        answers: to these requests, in any order.
        unasked_minutes: of each accepted answer that no request asked for.
    """
    patients = {request.id: request.patient_id for request in requests if request.status == "answered"}
    spent = _minutes_by_label(answers, patients)
    known = spent.dropna(subset="minutes")
    per_label = mean_interval(known, "minutes", intervals)
    loose = [minutes for minutes in unasked_minutes if minutes is not None]
    total = float(known["minutes"].sum()) + float(sum(loose))
    return {
        "opened": len(requests),
        "open": sum(request.status == "open" for request in requests),
        "cancelled": sum(request.status == "cancelled" for request in requests),
        "accepted": len(patients) + len(unasked_minutes),
        "unasked": len(unasked_minutes),
        "replaced": sum(answer.replaces for answer in answers),
        "with_minutes": len(known) + len(loose),
        "without_minutes": len(spent) - len(known) + len(unasked_minutes) - len(loose),
        "minutes": total,
        "minutes_per_label": per_label,
        "budget_minutes_per_label": _mean([r.budget_minutes for r in requests if r.status == "answered"]),
        "currency": cost and cost.currency,
        "cost_per_minute": cost and cost.per_minute,
        "cost": total * cost.per_minute if cost and (len(known) or loose) else None,
        "cost_per_label": _priced(per_label, cost) if cost else None,
    }


def _minutes_by_label(answers: Sequence[AnswerGiven], patients: Mapping[str, str]) -> pd.DataFrame:
    """A row per answered request; its minutes are unknown as soon as those of one of its answers are."""
    spent: dict[str, float] = {}
    for answer in answers:
        minutes = float("nan") if answer.minutes is None else answer.minutes
        spent[answer.request_id] = spent.get(answer.request_id, 0.0) + minutes
    rows = [(patient, spent.get(request, float("nan"))) for request, patient in patients.items()]
    return pd.DataFrame(rows, columns=["patient_id", "minutes"]).astype({"minutes": np.float64})


def _priced(interval: Mapping[str, Any], cost: CostParams) -> dict[str, Any]:
    ends = ("value", "low", "high")
    return {
        **interval,
        **{end: None if interval[end] is None else interval[end] * cost.per_minute for end in ends},
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
