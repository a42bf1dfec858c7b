"""The reading list at work: held-out studies arrive again and again, and each order is followed on the same days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import ParameterError
from components.metrics.bootstrap import Interval, patient_weights
from components.metrics.weighting import Array, ratio
from components.operations.evaluation import IntervalParams, rounded
from components.operations.reading_queue import ReadingTimes, poisson_arrivals, waits_in_queue

LATE = 0.95
Measured = dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class QueueParams:
    """Args:
    load: studies that arrive, over those that the readers can read, in the same time.
    studies: that arrive in one stream, from an empty list on.
    streams: simulated with the held-out patients, and again with resampled ones.
    longest_wait_minutes: after which a study is next in the order of urgency, whatever it shows; ``None``: never.
    """

    load: float = 0.9
    studies: int = 500
    streams: int = 200
    longest_wait_minutes: float | None = None

    def __post_init__(self) -> None:
        positive = 0 < self.load < np.inf and self.limit > 0
        if not (positive and self.studies >= 1 and self.streams >= 1):
            raise ParameterError(
                expected="load and longest_wait_minutes > 0, queue studies and streams >= 1",
                got=str(self),
                hint="the shipped section `reading_list` of params.yaml",
            )

    @property
    def limit(self) -> float:
        """``longest_wait_minutes``, infinite where there is none."""
        return np.inf if self.longest_wait_minutes is None else self.longest_wait_minutes


def simulate_queue(
    patients: Sequence[str],
    keys: Mapping[str, Array],
    counted: Mapping[str, Array],
    times: ReadingTimes,
    queue: QueueParams,
    intervals: IntervalParams,
) -> dict[str, Any]:
    """``orders`` → metric → interval and ``difference`` (urgency - first in, first out), in minutes.

    Values are means over streams of the held-out studies. Intervals are percentiles over streams of resampled
    patients: they hold what other patients and another stream of the same length would change.

    Args:
        patients: ``(n,)`` the patient of each study.
        keys: order → ``(n,)``, among them ``urgency`` and ``fifo``; a random order is added.
        counted: name → ``(n,)`` how much the wait of each study counts, ``positive`` among them; NaN counts nothing.
    """
    seed, count = intervals.seed, len(set(patients))
    weights = patient_weights(patients, seed=seed, draws=queue.streams)
    as_they_are = list(_streams(np.ones_like(weights), keys, counted, times, queue, seed))
    resampled = list(_streams(weights, keys, counted, times, queue, seed + 1))
    orders, metrics = list(as_they_are[0]), list(as_they_are[0]["fifo"])

    def interval(values: Sequence[float], samples: Sequence[float]) -> dict[str, Any]:
        return rounded(_interval(values, samples, count, intervals.level))

    def column(streams: Sequence[Measured], order: str, metric: str) -> list[float]:
        return [stream[order][metric] for stream in streams]

    def gained(streams: Sequence[Measured], metric: str) -> list[float]:
        return [stream["urgency"][metric] - stream["fifo"][metric] for stream in streams]

    return {
        "orders": {
            order: {
                metric: interval(column(as_they_are, order, metric), column(resampled, order, metric))
                for metric in metrics
            }
            for order in orders
        },
        "difference": {
            metric: with_verdict(interval(gained(as_they_are, metric), gained(resampled, metric)))
            for metric in metrics
        },
    }


def with_verdict(difference: Mapping[str, Any]) -> dict[str, Any]:
    """The interval of a difference of two times, with its ``verdict`` in words."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        verdict = "not enough evidence"
    elif high < 0:
        verdict = "less"
    else:
        verdict = "more" if low > 0 else "no difference shown"
    return {**difference, "verdict": verdict}


def _streams(
    weights: Array,
    keys: Mapping[str, Array],
    counted: Mapping[str, Array],
    times: ReadingTimes,
    queue: QueueParams,
    seed: int,
) -> Iterator[Measured]:
    """Order → metric → minutes, for a stream per row of weights; all orders see the same studies and times."""
    generator = np.random.default_rng(seed)
    limits = {"urgency": queue.limit}
    for weight in weights:
        drawn = generator.choice(len(weight), size=queue.studies, p=weight / weight.sum())
        arrival = poisson_arrivals(queue.studies, times, queue.load, generator)
        minutes = times.draw(queue.studies, generator)
        order_keys = {name: key[drawn] for name, key in keys.items()}
        order_keys["random"] = generator.permutation(queue.studies).astype(np.float64)
        shares = {name: np.nan_to_num(share[drawn]) for name, share in counted.items()}
        yield {
            name: _measured(
                waits_in_queue(arrival, minutes, key, times.readers, limits.get(name, np.inf)), shares
            )
            for name, key in order_keys.items()
        }


def _measured(waits: Array, shares: Mapping[str, Array]) -> dict[str, float]:
    means = {
        f"wait_{name}": float(ratio((waits * share).sum(), share.sum())) for name, share in shares.items()
    }
    positive = waits[shares["positive"] > 0]
    late = (
        (float(np.quantile(positive, LATE)), float(positive.max()))
        if positive.size
        else (float("nan"), float("nan"))
    )
    return {**means, "late_positive": late[0], "longest_positive": late[1]}


def _interval(values: Sequence[float], samples: Sequence[float], patients: int, level: float) -> Interval:
    known = np.asarray([value for value in values if np.isfinite(value)])
    drawn = np.asarray([sample for sample in samples if np.isfinite(sample)])
    value = float(known.mean()) if known.size else float("nan")
    low = high = float("nan")
    if patients >= 2 and drawn.size >= len(samples) / 2:
        tail = (1.0 - level) / 2.0
        low, high = (float(end) for end in np.quantile(drawn, [tail, 1.0 - tail]))
    return Interval(value=value, low=low, high=high, patients=patients)
