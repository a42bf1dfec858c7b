from __future__ import annotations

import numpy as np
import pytest

from components.metrics.volume_error import relative_volume_error, volume_error_ml


def test_signs_and_unknown_structures() -> None:
    predicted, expert = {"a": 110.0, "c": 5.0}, {"a": 100.0, "b": 20.0, "c": 0.0}
    assert volume_error_ml(predicted, expert) == {"a": 10.0, "b": -20.0, "c": 5.0}
    relative = relative_volume_error(predicted, expert)
    assert relative["a"] == pytest.approx(0.1)
    assert relative["b"] == -1.0
    assert np.isnan(relative["c"])
