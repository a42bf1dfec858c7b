"""The frames of a cycle, each listening to the frames before and after it, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from components.models.prediction import FRAME_ERRORS, CineAnswer, FramePrediction
from components.scorecard.temporal_smoothing import Labels, TemporalSmoothing, TopTwo, smoothed_labels
from components.volume.geometry import Geometry


@dataclass(frozen=True, kw_only=True, eq=False)
class WaitingFrame:
    """A frame whose neighbours are not all known.

    Args:
        evidence: on ``grid``.
        grid: of the prepared frame.
        finish: its final labels on ``grid`` → the prediction.
    """

    evidence: TopTwo
    grid: Geometry
    finish: Callable[[Labels], FramePrediction]


def smoothed_cycle(
    frames: Iterable[WaitingFrame | Exception], smoothing: TemporalSmoothing
) -> Iterator[CineAnswer]:
    """Positions 1, 2, … n - 1, 0: the first frame waits for the last one, its neighbour in the cycle.

    At most five frames' evidence is held. A frame that failed, or lies on another grid, is nobody's neighbour.
    """
    opening: list[WaitingFrame | Exception] = []
    previous: WaitingFrame | Exception | None = None
    current: WaitingFrame | Exception | None = None
    count = 0
    for count, following in enumerate(frames, start=1):
        if count <= 2:
            opening.append(following)
        if count >= 3 and current is not None:
            yield count - 2, _settle(current, [previous, following], smoothing)
        previous, current = current, following
    if count >= 2 and current is not None:
        yield count - 1, _settle(current, [previous, *(opening[:1] if count > 2 else [])], smoothing)
    if count >= 1:
        neighbours = {1: [], 2: [current]}.get(count, [current, opening[-1]])
        yield 0, _settle(opening[0], neighbours, smoothing)


def _settle(
    frame: WaitingFrame | Exception,
    neighbours: Iterable[WaitingFrame | Exception | None],
    smoothing: TemporalSmoothing,
) -> FramePrediction | Exception:
    if isinstance(frame, Exception):
        return frame
    beside = [
        other.evidence
        for other in neighbours
        if isinstance(other, WaitingFrame) and other.grid.matches(frame.grid)
    ]
    try:
        return frame.finish(smoothed_labels(frame.evidence, beside, smoothing))
    except FRAME_ERRORS as error:
        return error
