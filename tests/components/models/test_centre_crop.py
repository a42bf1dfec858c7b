import numpy as np

from components.models.centre_crop import centre_crop, real_tokens


def test_crops_and_pads_about_the_centre() -> None:
    voxels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(4, 6, 5)
    cropped, real = centre_crop(voxels, (7, 4, 5), -1024)
    assert np.array_equal(cropped[1:5], voxels[:, 1:5])
    assert (cropped[[0, 5, 6]] == -1024).all()
    assert real.tolist() == [False, True, True, True, True, False, False]


def test_a_token_is_real_when_any_of_its_slices_is() -> None:
    real = np.array([False, False, False, False, False, True, True, True, True])
    assert real_tokens(real, 3).tolist() == [False, True, True]
