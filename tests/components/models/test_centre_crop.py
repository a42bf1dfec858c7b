import numpy as np

from components.models.centre_crop import centre_crop, centre_geometry, real_tokens
from components.volume.geometry import Geometry


def test_crops_and_pads_about_the_centre() -> None:
    voxels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
    cropped, real = centre_crop(voxels, (7, 4, 5), -1024)
    assert np.array_equal(cropped[1:5], voxels[:, 1:5])
    assert (cropped[[0, 5, 6]] == -1024).all()
    assert real.tolist() == [False, True, True, True, True, False, False]


def test_a_token_is_real_when_any_of_its_slices_is() -> None:
    real = np.array([False, False, False, False, False, True, True, True, True])
    assert real_tokens(real, 3).tolist() == [False, True, True]


def test_voxels_keep_their_place_in_the_patient() -> None:
    geometry = Geometry.axis_aligned((4, 6, 5), (3.0, 2.0, 1.5), (-4.0, 8.0, 100.0))
    shape = (7, 4, 5)
    voxels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
    cropped, _ = centre_crop(voxels, shape, -1)
    moved = centre_geometry(geometry, shape)
    assert moved.shape == shape
    for index in np.argwhere(cropped >= 0):
        before = np.argwhere(voxels == cropped[tuple(index)])[0]
        assert np.allclose(moved.affine @ [*index, 1], geometry.affine @ [*before, 1])
