"""The section `reading_list` of params.yaml: what makes a study urgent, and how fast a department reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.errors import ParameterError
from components.operations.reading_queue import ReadingTimes
from components.operations.simulate_queue import QueueParams
from components.operations.simulate_reading import SimulationParams


@dataclass(frozen=True, kw_only=True)
class ReadingListParams:
    """Args:
    weights: finding → what a minute of its wait costs, ``*`` for every other; 0 takes a finding out.
    reading: how long readers take; of the simulation only, as all that follows.
    queue: what arrives while they read.
    sensitivity: share of the positive studies that must have been read, for the workload.
    """

    weights: dict[str, float] = field(default_factory=lambda: {"*": 1.0})
    reading: ReadingTimes = field(default_factory=ReadingTimes)
    queue: QueueParams = field(default_factory=QueueParams)
    sensitivity: float = 0.95

    def __post_init__(self) -> None:
        negative = {name: weight for name, weight in self.weights.items() if weight < 0}
        if negative or not 0 < self.sensitivity <= 1:
            raise ParameterError(
                expected="weights of 0 or more, 0 < sensitivity <= 1",
                got=f"weights {negative}" if negative else f"sensitivity {self.sensitivity}",
                hint="the shipped section `reading_list` of params.yaml",
            )

    @property
    def simulation(self) -> SimulationParams:
        return SimulationParams(times=self.reading, queue=self.queue, sensitivity=self.sensitivity)
