import numpy as np
import pytest

from components.errors import InputError
from components.volume.hounsfield import rescaled, to_hounsfield


def test_floats_are_rounded_and_wide_integers_narrowed():
    np.testing.assert_array_equal(to_hounsfield(np.array([-0.6, 1.4, 2.6])), [-1, 1, 3])
    assert to_hounsfield(np.array([-5, 70], dtype=np.int64)).dtype == np.int16


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([np.nan, -1.0], "finite"),
        ([np.inf, -1.0], "finite"),
        ([-40000.0, 1.0], "32768"),
        ([-1, 70000], "32767"),
        ([-3, -3], "constant"),
        ([0, 255], "below 0 HU"),
        ([True, False], "bool"),
        ([1j, 2j], "complex"),
    ],
)
def test_numbers_that_are_no_hounsfield_units_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        to_hounsfield(np.array(values))


def raw_ct(intercept, *, slope=1.0, seed=0, dtype=np.int16):
    """A phantom of air, soft tissue and some bone, as stored numbers."""
    hounsfield = np.full((6, 20, 20), -1000.0)
    hounsfield[:, 5:15, 5:15] = np.random.default_rng(seed).integers(-120, 80, (6, 10, 10))
    hounsfield[:, 9, 9] = 900
    return ((hounsfield - intercept) / slope).astype(dtype), hounsfield


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -8192.0), (0.5, -1024.0), (2.0, -1001.0)])
def test_stored_numbers_become_slope_times_value_plus_intercept(slope, intercept, dtype):
    stored, _ = raw_ct(intercept, slope=slope, dtype=dtype)
    found = rescaled(stored, slope, intercept)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, np.rint(stored.astype(np.float64) * slope + intercept))


@pytest.mark.parametrize("intercept", [-1024.0, -8192.0])
def test_hounsfield_units_are_not_rescaled_again(intercept):
    stored, hounsfield = raw_ct(intercept)
    np.testing.assert_array_equal(rescaled(stored, 1.0, intercept), hounsfield)
    with pytest.raises(InputError, match="Hounsfield units already"):
        rescaled(hounsfield.astype(np.int16), 1.0, intercept)


@pytest.mark.parametrize(
    ("stored", "slope", "words"),
    [
        (np.full((2, 2, 2), np.nan), 1.0, "finite"),
        (np.full((2, 2, 2), 1e300), 1e300, "finite"),
        (np.full((2, 2, 2), 30_000), 2.0, "32767"),
        (np.full((2, 2, 2), 7), 1.0, "constant"),
        (np.arange(8).reshape(2, 2, 2), 1.0, "below 0 HU"),
        (np.zeros((2, 2, 2), dtype=bool), 1.0, "bool"),
    ],
)
def test_what_a_rescale_cannot_make_hounsfield_units_is_refused(stored, slope, words):
    with pytest.raises(InputError, match=words):
        rescaled(stored, slope, 0.0)
