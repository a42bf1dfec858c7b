import numpy as np
import pytest

from components.models.sliding_window import Shown
from components.models.still_windows import StillRule, StillWindows, block_means
from components.models.window_grid import WindowGrid
from components.volume.geometry import Geometry
from components.volume.volume import Volume

GRID = Geometry.axis_aligned((16, 16, 64), (2.0, 2.0, 2.0))
WINDOWS = WindowGrid.over(GRID.shape, patch=(16, 16, 16), stride=8)  # five along x, at 0, 12, 24, 36, 48
NOTHING = Shown(
    labels=np.zeros(GRID.shape, dtype=np.uint8), members=np.zeros((0, *GRID.shape), dtype=np.uint8)
)


def frame(change_hu: int = 0, at: tuple[slice, slice, slice] = np.s_[0:4, 0:4, 60:64]) -> Volume:
    hu = np.full(GRID.shape, 100, dtype=np.int16)
    hu[at] += change_hu
    return Volume(voxels_hu=hu, geometry=GRID)


def after_first(rule: StillRule) -> StillWindows:
    still = StillWindows(rule=rule)
    assert still.skip(frame(), WINDOWS) == frozenset()
    still.learn(frame(), WINDOWS, (), NOTHING, embeddings(0.0))
    return still


def embeddings(value: float) -> dict[int, np.ndarray]:
    return {i: np.full(2, value, dtype=np.float32) for i in range(len(WINDOWS))}


@pytest.mark.parametrize("shape", [(8, 9, 10), (3, 17, 6)])
def test_block_means_are_those_of_each_block(shape: tuple[int, int, int]) -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)
    means = block_means(hu, (4, 3, 5))
    for z, y, x in np.ndindex(means.shape):
        block = hu[4 * z : 4 * z + 4, 3 * y : 3 * y + 3, 5 * x : 5 * x + 5]
        assert means[z, y, x] == pytest.approx(block.mean(), abs=1e-3)


def test_a_change_is_seen_in_the_block_it_fills_and_adds_up() -> None:
    still = after_first(StillRule(change_hu=40.0))
    assert still.skip(frame(39), WINDOWS) == {0, 1, 2, 3, 4}
    still.learn(frame(39), WINDOWS, {0, 1, 2, 3, 4}, NOTHING, {})
    assert still.skip(frame(41), WINDOWS) == {0, 1, 2, 3}


def test_every_fifth_frame_is_full_and_a_frame_that_failed_does_not_count() -> None:
    still = StillWindows(rule=StillRule(full_every=5))
    full = []
    for number in range(11):
        skipped = still.skip(frame(), WINDOWS)
        full.append(not skipped)
        if number != 5:
            still.learn(frame(), WINDOWS, skipped, NOTHING, {} if skipped else embeddings(1.0))
    assert [i for i, it in enumerate(full) if it] == [0, 5, 6]


def test_skipped_windows_keep_their_embedding() -> None:
    still = after_first(StillRule())
    skipped = still.skip(frame(500), WINDOWS)
    assert skipped == {0, 1, 2, 3}
    embedding = still.learn(frame(500), WINDOWS, skipped, NOTHING, {4: np.full(2, 10.0, dtype=np.float32)})
    np.testing.assert_allclose(embedding, [2.0, 2.0])


def test_what_was_shown_is_that_of_the_last_frame_and_of_no_other_grid() -> None:
    still = after_first(StillRule())
    assert still.shown is NOTHING
    other = Geometry.axis_aligned((16, 16, 80), (2.0, 2.0, 2.0))
    wider = WindowGrid.over(other.shape, patch=(16, 16, 16), stride=8)
    voxels = np.full(other.shape, 100, dtype=np.int16)
    assert still.skip(Volume(voxels_hu=voxels, geometry=other), wider) == frozenset()
    assert still.shown is None


def test_a_frame_of_a_single_window_between_two_of_another_grid_starts_anew() -> None:
    still = after_first(StillRule())
    small = Geometry.axis_aligned((16, 16, 16), (2.0, 2.0, 2.0))
    one = WindowGrid.over(small.shape, patch=(16, 16, 16), stride=8)
    cropped = Volume(voxels_hu=np.full(small.shape, 100, dtype=np.int16), geometry=small)
    assert still.skip(cropped, one) == frozenset()
    still.learn(cropped, one, (), NOTHING, {0: np.full(2, 9.0, dtype=np.float32)})
    assert still.skip(frame(), WINDOWS) == frozenset()
