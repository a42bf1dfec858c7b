"""Studies that arrive while others are read: readers take the most urgent one that waits, and are not interrupted.

A queue with non-preemptive priorities, as in the assessment of triage software by Thompson et al. 2024 (Queueing
Systems 108:579), with a continuous urgency in place of two classes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from components.errors import ParameterError
from components.metrics.weighting import Array


@dataclass(frozen=True, kw_only=True)
class ReadingTimes:
    """How long readers take.

    Args:
        minutes: mean time for one study.
        variation: coefficient of variation of that time (gamma distribution); 0 = always the mean.
        readers: how many read from one list.
    """

    minutes: float = 10.0
    variation: float = 0.5
    readers: int = 1

    def __post_init__(self) -> None:
        if not (0 < self.minutes < np.inf and 0 <= self.variation < np.inf and self.readers >= 1):
            raise ParameterError(
                expected="minutes > 0, variation >= 0, readers >= 1",
                got=str(self),
                hint="the shipped section `reading_list` of params.yaml",
            )

    def draw(self, studies: int, generator: np.random.Generator) -> Array:
        """``(studies,)`` minutes."""
        if self.variation == 0:
            return np.full(studies, self.minutes)
        shape = self.variation**-2
        return generator.gamma(shape, self.minutes / shape, size=studies)


def poisson_arrivals(studies: int, times: ReadingTimes, load: float, generator: np.random.Generator) -> Array:
    """``(studies,)`` rising arrival times in minutes, at a rate that keeps readers busy for ``load`` of the time."""
    gap = times.minutes / (times.readers * load)
    arrivals: Array = np.cumsum(generator.exponential(gap, size=studies))
    return arrivals


def waits_in_queue(
    arrival: Array, minutes: Array, key: Array, readers: int, longest: float = np.inf
) -> Array:
    """``(n,)`` minutes from the arrival of each study until a reader begins with it.

    Whenever a reader is free, the waiting study with the largest key is next, of equal ones the earliest. What
    arrives at the moment when a reader becomes free is waiting already. The earliest study is next whatever its key
    once it has waited for more than ``longest``: an upper limit, so that what the model misses is not read last
    (Baltruschat et al. 2021, European Radiology 31:3837).

    Args:
        arrival: ``(n,)`` minutes, rising.
        minutes: ``(n,)`` that its reading takes.
        key: ``(n,)`` its urgency, without NaN; all equal is first in, first out.
        longest: minutes.
    """
    free = [0.0] * readers
    waiting: list[tuple[float, int]] = []
    started = np.empty(len(arrival))
    due, taking, rank = arrival.tolist(), minutes.tolist(), (-np.asarray(key, dtype=np.float64)).tolist()
    coming = earliest = 0
    read = [False] * len(due)
    for _ in range(len(due)):
        now = free[0]
        while earliest < coming and read[earliest]:
            earliest += 1
        if earliest == coming:  # nothing waits
            now = max(now, due[coming])
        while coming < len(due) and due[coming] <= now:
            heapq.heappush(waiting, (rank[coming], coming))
            coming += 1
        study = earliest
        if now - due[earliest] <= longest:
            while read[study := heapq.heappop(waiting)[1]]:
                pass
        read[study] = True
        started[study] = now
        heapq.heapreplace(free, now + taking[study])
    waited: Array = started - arrival
    return waited
