"""What the reading list would change, told by held-out studies whose findings experts know.

Compared orders: first in, first out; the urgency; and as references a random order and the oracle, which knows the
truth. No order shortens the mean wait over all studies (they are read at the same pace): what the studies with
findings gain, the others pay. So both are reported, as is the wait of the last positive study, which a miss of the
model lengthens (Baltruschat et al. 2021, European Radiology 31:3837).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from components.errors import InputError, ParameterError
from components.metrics.bootstrap import Statistic, paired_difference
from components.metrics.reading_order import mean_wait, studies_until
from components.metrics.weighting import Array
from components.operations.evaluation import IntervalParams, interval_of
from components.operations.finding_scores import probability_of, truth_of
from components.operations.reading_list import urgency_of
from components.operations.reading_queue import ReadingTimes
from components.operations.simulate_queue import QueueParams, simulate_queue, with_verdict

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_POINTS = 100  # of the curve of positive studies read, at most


@dataclass(frozen=True, kw_only=True)
class SimulationParams:
    """Args:
    times: how long readers take.
    queue: what arrives while they read.
    sensitivity: share of the positive studies that must have been read, for the workload.
    """

    times: ReadingTimes = field(default_factory=ReadingTimes)
    queue: QueueParams = field(default_factory=QueueParams)
    sensitivity: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.sensitivity <= 1:
            raise ParameterError(
                expected="0 < sensitivity <= 1", got=str(self.sensitivity), hint="0.95, for example"
            )


def simulate_reading(
    table: pd.DataFrame, weights: Mapping[str, float], params: SimulationParams, intervals: IntervalParams
) -> dict[str, Any]:
    """JSON-able: ``backlog``, ``queue``, ``workload``, the curve ``positives_read``, and what was assumed.

    A study is positive when any finding that weighs is present, negative when all of these are absent, and unknown
    otherwise; an unknown one is read like any other and counts on neither side.

    Args:
        table: a row per study with ``patient_id``, ``truth_FINDING`` (0, 1, NaN = unknown), ``probability_FINDING``.
        weights: finding → weight, see ``finding_weights``.
        intervals: of the bootstrap over patients.

    Raises ``InputError`` without a study or without a positive one.
    """
    findings = [name for name, weight in weights.items() if weight > 0]
    truth = truth_of(table, findings)
    positive = any_finding(truth)
    _check(positive, findings)
    weight = [weights[name] for name in findings]
    cost = np.nan_to_num(truth) @ np.asarray(weight, dtype=np.float64)
    keys = {
        "fifo": np.zeros(len(table)),
        "urgency": np.nan_to_num(urgency_of(probability_of(table, findings), weight), nan=np.inf),
        "oracle": cost,
    }
    counted = {"positive": positive, "negative": 1.0 - positive, "cost": cost}
    patients = table["patient_id"].astype(str).tolist()
    interval = partial(interval_of, patients, params=intervals)
    return {
        "studies": len(table),
        "patients": len(set(patients)),
        "positive": int((positive == 1).sum()),
        "negative": int((positive == 0).sum()),
        "unknown": int(np.isnan(positive).sum()),
        "findings": findings,
        "backlog": _backlog(keys, counted, params.times, interval),
        "queue": simulate_queue(patients, keys, counted, params.times, params.queue, intervals),
        "workload": {
            "sensitivity": params.sensitivity,
            "rows": _workload(keys, positive, truth, findings, params.sensitivity, interval),
        },
        "positives_read": _positives_read(keys, positive, params.times),
        "level": intervals.level,
        "assumptions": assumptions(params, len(table)),
    }


def any_finding(truth_nk: Array) -> Array:
    """``(n,)`` 1 where a finding is present, 0 where all are absent, NaN where the unknown ones decide."""
    present = (truth_nk == 1).any(axis=1)
    return np.where(present, 1.0, np.where(np.isnan(truth_nk).any(axis=1), np.nan, 0.0))


def _compared(
    first: Statistic, second: Statistic, interval: Callable[[Statistic], dict[str, Any]]
) -> dict[str, Any]:
    """The interval of ``first`` - ``second`` on the same resampled patients, with its ``verdict``."""
    return with_verdict(interval(paired_difference(first, second)))


def assumptions(params: SimulationParams, studies: int) -> list[str]:
    """What must hold for the numbers to say something about a department."""
    times, queue = params.times, params.queue
    return [
        f"A study takes {times.minutes:g} minutes on average (coefficient of variation {times.variation:g}), whatever "
        f"it shows. Readers of the one list: {times.readers}; they finish what they begin, and follow its order.",
        "The model's answer is there when the study arrives, and nobody reads faster because of it.",
        f"Backlog: {studies} studies wait at the start, in random order of arrival, so that first in, first out is "
        "the random order; times are expected values.",
        f"Queue: the list starts empty; {queue.studies} studies arrive at random (Poisson) and would keep the readers "
        f"busy for {100 * queue.load:g} % of the time"
        + (": more than they can read, so that the list grows." if queue.load >= 1 else "."),
        *(
            [
                f"A study that has waited for more than {queue.limit:g} minutes in the queue is next in the order of "
                "urgency; the backlog knows no such limit."
            ]
            if queue.longest_wait_minutes is not None
            else []
        ),
        "Studies arrive with the mix of findings, scanners and sites of the held-out studies; another mix gives other "
        "numbers.",
        "Waits end when reading begins; a study counts as read when reading ends. Only the truth that experts gave "
        "counts, and every positive study is taken to be as urgent as its weights say.",
        "Intervals and verdicts are of one comparison each, not corrected for their number: the mean wait of positive "
        "studies is the one to judge by, the others describe.",
    ]


def _check(positive: Array, findings: Sequence[str]) -> None:
    if not len(positive) or not (positive == 1).any():
        raise InputError(
            expected="held-out studies with at least one positive among them, for the simulation",
            got=f"{len(positive)} studies, none with {', '.join(findings)}",
            hint="more expert findings, or weights for other findings",
        )


def _backlog(
    keys: Mapping[str, Array],
    counted: Mapping[str, Array],
    times: ReadingTimes,
    interval: Callable[[Statistic], dict[str, Any]],
) -> dict[str, Any]:
    """``orders`` → metric → interval; ``difference``: urgency - first in, first out. In minutes."""
    pace = times.minutes / times.readers

    def statistics(key: Array) -> dict[str, Statistic]:
        waits: dict[str, Statistic] = {
            f"wait_{name}": lambda w, share=share: pace * mean_wait(key, share, w)  # type: ignore[misc]
            for name, share in counted.items()
        }
        until: dict[str, Statistic] = {
            f"read_{100 * share:.0f}": lambda w, share=share: (  # type: ignore[misc]
                pace * studies_until(key, counted["positive"], share, w)
            )
            for share in SHARES
        }
        return waits | until

    by_order = {name: statistics(key) for name, key in keys.items()}
    urgency, fifo = by_order["urgency"], by_order["fifo"]
    return {
        "orders": {
            name: {metric: interval(of) for metric, of in measured.items()}
            for name, measured in by_order.items()
        },
        "difference": {name: _compared(urgency[name], fifo[name], interval) for name in urgency},
    }


def _workload(
    keys: Mapping[str, Array],
    positive: Array,
    truth_nk: Array,
    findings: Sequence[str],
    sensitivity: float,
    interval: Callable[[Statistic], dict[str, Any]],
) -> list[dict[str, Any]]:
    """The share of all studies to read from the top until ``sensitivity`` of the positive ones are read."""

    def share(key: Array, of: Array) -> Statistic:
        return lambda w: studies_until(key, of, sensitivity, w) / w.sum(axis=-1)

    columns = {"any": positive, **dict(zip(findings, truth_nk.T, strict=True))}
    return [
        {
            "finding": name,
            "positive": int((of == 1).sum()),
            "fifo": interval(share(keys["fifo"], of)),
            "urgency": interval(share(keys["urgency"], of)),
            "oracle": interval(share(np.nan_to_num(of), of)),
            "difference": _compared(share(keys["urgency"], of), share(keys["fifo"], of), interval),
        }
        for name, of in columns.items()
    ]


def _positives_read(keys: Mapping[str, Array], positive: Array, times: ReadingTimes) -> dict[str, Any]:
    """``positives``: 1, 2, … ; for each order the expected minutes until so many positive studies are read."""
    total = int((positive == 1).sum())
    counts = np.unique(np.linspace(1, total, min(total, _POINTS)).round().astype(int)).tolist()
    pace = times.minutes / times.readers
    return {
        "positives": counts,
        **{
            name: [round(pace * float(studies_until(key, positive, n / total)), 3) for n in counts]
            for name, key in keys.items()
        },
    }
