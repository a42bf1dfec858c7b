from __future__ import annotations

import pytest

from components.errors import ParameterError
from components.scorecard.phase_jumps import JumpBound


@pytest.mark.parametrize("wrong", [{"still": -0.1}, {"per_percent": -1.0}, {"widest_gap": 0.0}])
def test_impossible_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="widest_gap"):
        JumpBound(**wrong)


def test_bound_grows_with_the_distance_up_to_everything() -> None:
    bound = JumpBound(still=0.1, per_percent=0.01)
    assert [bound.at(gap) for gap in (0.0, 10.0, 35.0, 95.0)] == pytest.approx([0.1, 0.2, 0.45, 1.0])
