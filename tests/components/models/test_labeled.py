import numpy as np
import pytest

from components.models.labeled import in_memory, padded_crop, sample_foreground


@pytest.mark.parametrize("start", [(0, 0, 0), (-3, 2, 1), (4, -2, 5), (-9, 0, 0), (40, 0, 0)])
def test_padded_crop_agrees_with_padding_first(start: tuple[int, int, int]) -> None:
    array = np.random.default_rng(0).integers(0, 99, (6, 7, 8)).astype(np.int16)
    padded = np.pad(array, 60, constant_values=-1024)
    window = tuple(slice(60 + a, 60 + a + 5) for a in start)
    crop = padded_crop(in_memory(array), array.shape, start, (5, 5, 5), -1024)
    assert np.array_equal(crop, padded[window])
    assert crop.dtype == np.int16


def test_foreground_voxels_belong_to_their_class() -> None:
    labels = np.random.default_rng(0).choice([0, 1, 4, 255], (6, 6, 6)).astype(np.uint8)
    found = sample_foreground(labels, np.random.default_rng(1), per_class=10)
    assert sorted(found) == [1, 4]
    for value, voxels in found.items():
        assert voxels.shape == (10, 3)
        assert all(labels[tuple(voxel)] == value for voxel in voxels)
