import numpy as np
import pytest

from components.errors import InputError
from components.operations.prepare_frame import prepare_labels, prepare_volume, prepared_geometry
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

NATIVE = Geometry.axis_aligned((10, 12, 14), (2.0, 1.0, 1.0))


def test_the_grid_is_canonical_at_the_spacing():
    grid = prepared_geometry(NATIVE, (4.0, 2.0, 2.0), min_voxels=4, max_voxels=10_000)
    assert (grid.shape, grid.spacing_mm, grid.orientation) == ((5, 6, 7), (4.0, 2.0, 2.0), "LPS")
    assert prepared_geometry(NATIVE, None, min_voxels=4, max_voxels=10_000).matches(NATIVE)


@pytest.mark.parametrize(("least", "most", "words"), [(6, 10_000, "5 × 6 × 7"), (4, 1000, "at most 1000")])
def test_grids_too_small_or_too_large_are_refused(least, most, words):
    with pytest.raises(InputError, match=words):
        prepared_geometry(NATIVE, (4.0, 2.0, 2.0), min_voxels=least, max_voxels=most)


def test_a_constant_volume_stays_constant_inside():
    volume = Volume(voxels_hu=np.full(NATIVE.shape, 40, np.int16), geometry=NATIVE)
    grid = prepared_geometry(NATIVE, (4.0, 2.0, 2.0), min_voxels=1, max_voxels=10_000)
    assert (prepare_volume(volume, grid).voxels_hu == 40).all()


def test_labels_get_our_values_by_name():
    labels = np.random.default_rng(0).integers(0, 4, NATIVE.shape).astype(np.uint8)
    drawn = LabelMap(labels=labels, geometry=NATIVE, names={1: "aorta", 2: "spine", 3: "myocardium"})
    ours = prepare_labels(drawn, ("myocardium", "left_ventricle", "aorta"), NATIVE)
    np.testing.assert_array_equal(ours.labels, np.array([0, 3, 0, 1], np.uint8)[labels])
    assert dict(ours.names) == {1: "myocardium", 2: "left_ventricle", 3: "aorta"}
    with pytest.raises(InputError, match="left_atrium"):
        prepare_labels(drawn, ("left_atrium",), NATIVE)
