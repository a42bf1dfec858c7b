import numpy as np
import pytest

from components.errors import InputError
from components.volume.hounsfield import to_hounsfield


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
