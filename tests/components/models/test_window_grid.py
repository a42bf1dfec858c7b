from itertools import pairwise

import numpy as np
import pytest

from components.models.window_grid import WindowGrid


@pytest.mark.parametrize("volume", [(48, 48, 48), (122, 102, 112), (5, 200, 33)])
@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_windows_cover_all_overlap_enough_and_are_as_few_as_monai_takes(
    volume: tuple[int, int, int], overlap: float
) -> None:
    from monai.data.utils import dense_patch_slices

    windows = WindowGrid.over(volume, patch=(48, 48, 48), stride=8, overlap=overlap)
    covered = np.zeros(volume, dtype=bool)
    for box in windows.boxes():
        covered[box] = True
    assert covered.all()
    for starts, size, n in zip(windows.starts, windows.size, windows.padded, strict=True):
        assert starts[0] == 0
        assert starts[-1] + size == n
        assert all(b - a <= size * (1 - overlap) + 1 for a, b in pairwise(starts))
    step = tuple(int(w * (1 - overlap)) for w in windows.size)
    assert len(windows) == len(dense_patch_slices(windows.padded, windows.size, step))


def test_bands_number_the_windows_as_boxes_does() -> None:
    windows = WindowGrid.over((40, 30, 20), patch=(16, 16, 16), stride=8)
    boxes = windows.boxes()
    bands = list(windows.bands())
    assert sum(done for _, done, _ in bands) == 40
    for z, _, row in bands:
        for number, y, x in row:
            assert (z, y, x) == tuple(axis.start for axis in boxes[number])


def test_a_margin_grows_the_boxes_inside_the_volume() -> None:
    windows = WindowGrid.over((40, 16, 16), patch=(16, 16, 16), stride=8)
    assert windows.boxes((3, 3, 3))[0] == (slice(0, 19), slice(0, 16), slice(0, 16))
