from __future__ import annotations

import numpy as np
import pytest

from components.models.prediction import FramePrediction
from components.models.smoothed_cycle import WaitingFrame, smoothed_cycle
from components.scorecard.temporal_smoothing import Labels, TemporalSmoothing, TopTwo
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

GRID = Geometry.axis_aligned((1, 1, 1), (1.0, 1.0, 1.0))


def waiting(first: int, share: int, second: int) -> WaitingFrame:
    def one(value: int) -> Labels:
        return np.full((1, 1, 1), value, dtype=np.uint8)

    def finish(labels: Labels) -> FramePrediction:
        drawn = LabelMap(labels=labels, geometry=GRID, names={1: "a", 2: "b"})
        return FramePrediction(
            labels=drawn, probabilities={}, uncertainty=0.0, embedding=np.zeros(1, np.float32), outputs={}
        )

    evidence = TopTwo(
        first=one(first), second=one(second), first_share=one(share), second_share=one(255 - share)
    )
    return WaitingFrame(evidence=evidence, grid=GRID, finish=finish)


def run(frames: list[WaitingFrame | Exception]) -> dict[int, int]:
    smoothing = TemporalSmoothing(strength=1.0, margin=0.5)
    return {
        position: -1 if isinstance(answer, Exception) or answer.labels is None else int(answer.labels.labels[0, 0, 0])
        for position, answer in smoothed_cycle(frames, smoothing)
    }  # fmt: skip


@pytest.mark.parametrize("count", [2, 3, 4, 7])
@pytest.mark.parametrize("unsure", [0, 1, -1])
def test_every_frame_hears_both_neighbours_also_across_the_end_of_the_cycle(count: int, unsure: int) -> None:
    frames: list[WaitingFrame | Exception] = [waiting(2, 250, 1) for _ in range(count)]
    frames[unsure] = waiting(1, 135, 2)
    heard = run(frames)
    assert list(heard) == [*range(1, count), 0]
    assert set(heard.values()) == {2}


def test_a_missing_neighbour_is_left_out() -> None:
    frames: list[WaitingFrame | Exception] = [
        ValueError("gone"), waiting(1, 135, 2), waiting(2, 250, 1), waiting(1, 250, 2)
    ]  # fmt: skip
    assert run(frames) == {1: 2, 2: 2, 3: 1, 0: -1}
