import numpy as np
import pytest

from components.errors import ParameterError
from components.volume.window import window_to_unit


def test_the_window_maps_its_ends_to_0_and_1_and_clips():
    hu = np.array([-2000, -1000, -400, 200, 3000], dtype=np.int16)
    unit = window_to_unit(hu, -1000, 200)
    np.testing.assert_allclose(unit, [0, 0, 0.5, 1, 1])
    assert unit.dtype == np.float32


def test_an_empty_window_is_refused():
    with pytest.raises(ParameterError, match="low < high"):
        window_to_unit(np.zeros(1), 5, 5)
