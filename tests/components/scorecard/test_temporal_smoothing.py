import numpy as np
import pytest

from components.errors import ParameterError
from components.scorecard.temporal_smoothing import TemporalSmoothing, TopTwo, smoothed_labels

HALF = TemporalSmoothing(strength=0.5, margin=0.2)


def voxel(first: int, p: float, second: int, q: float) -> TopTwo:
    def one(value: float) -> np.ndarray:
        return np.full((1, 1, 1), value, dtype=np.uint8)

    return TopTwo(
        first=one(first),
        second=one(second),
        first_share=one(round(255 * p)),
        second_share=one(round(255 * q)),
    )


def label(own: TopTwo, neighbours: list[TopTwo], smoothing: TemporalSmoothing) -> int:
    return int(smoothed_labels(own, neighbours, smoothing)[0, 0, 0])


@pytest.mark.parametrize(
    ("margin", "neighbour_lead", "strength", "flips"),
    [
        # a + clip(s (b - a), -d, d) with d = 0.2
        (0.1, -0.4, 0.5, True),  # 0.1 - 0.2 (clipped from 0.25)
        (0.1, -0.4, 0.15, False),  # 0.1 - 0.075
        (0.1, 0.0, 0.5, False),  # 0.1 - 0.05
        (0.1, -0.2, 0.5, True),  # 0.1 - 0.15
        (0.18, -1.0, 1.0, True),  # 0.18 - 0.2
        (0.22, -1.0, 1.0, False),  # above the bound: never
    ],
)
def test_closed_form(margin: float, neighbour_lead: float, strength: float, flips: bool) -> None:
    own = voxel(1, 0.5 + margin / 2, 2, 0.5 - margin / 2)
    other = voxel(2, 0.5 - neighbour_lead / 2, 1, 0.5 + neighbour_lead / 2)
    smoothing = TemporalSmoothing(strength=strength, margin=0.2)
    assert label(own, [other, other], smoothing) == (2 if flips else 1)


def test_a_flicker_is_repaired_only_into_the_second_class() -> None:
    own, sure = voxel(1, 0.5, 2, 0.45), voxel(2, 0.95, 0, 0.05)
    assert label(own, [sure, sure], HALF) == 2
    assert label(own, [voxel(3, 0.95, 0, 0.05)] * 2, HALF) == 1


def test_one_neighbour_against_the_other_leaves_the_voxel() -> None:
    own = voxel(1, 0.55, 2, 0.45)
    assert label(own, [voxel(2, 0.9, 1, 0.1), voxel(1, 0.9, 2, 0.1)], HALF) == 1


@pytest.mark.parametrize("smoothing", [HALF, TemporalSmoothing(strength=1.0, margin=0.05)])
def test_the_bound_holds_everywhere(smoothing: TemporalSmoothing) -> None:
    rng = np.random.default_rng(0)
    frames = [random_frame(rng) for _ in range(3)]
    changed = smoothed_labels(frames[0], frames[1:], smoothing) != frames[0].first
    own = frames[0]
    margin = (own.first_share.astype(float) - own.second_share) / 255
    assert changed.any()
    assert margin[changed].max() < smoothing.margin
    after = smoothed_labels(frames[0], frames[1:], smoothing)
    assert np.isin(after, [own.first, own.second]).all()
    assert ((after == own.first) | (after == own.second)).all()


def test_off_or_without_neighbours_nothing_moves() -> None:
    rng = np.random.default_rng(1)
    frames = [random_frame(rng) for _ in range(3)]
    off = smoothed_labels(frames[0], frames[1:], TemporalSmoothing())
    alone = smoothed_labels(frames[0], [], HALF)
    assert off.tobytes() == alone.tobytes() == frames[0].first.tobytes()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"strength and a margin in \[0, 1\]"):
        TemporalSmoothing(strength=1.5)


def random_frame(rng: np.random.Generator) -> TopTwo:
    share = rng.dirichlet([0.6] * 4, size=(8, 9, 10))
    order = np.argsort(-share, axis=-1)
    top = np.take_along_axis(share, order, axis=-1)
    return TopTwo(
        first=order[..., 0].astype(np.uint8),
        second=order[..., 1].astype(np.uint8),
        first_share=np.round(255 * top[..., 0]).astype(np.uint8),
        second_share=np.round(255 * top[..., 1]).astype(np.uint8),
    )
