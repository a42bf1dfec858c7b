"""A claim holds only when the number is there and on the right side."""

from __future__ import annotations

import pytest

from pipelines.bench.claims import Claim, Relation


@pytest.mark.parametrize(
    ("measured", "relation", "holds"),
    [
        (1.0, ">=", True),
        (1.0, ">", False),
        (1.0, "<=", True),
        (1.0, "<", False),
        (1.1, ">", True),
        (0.9, "<", True),
    ],
)
def test_relation(measured: float, relation: Relation, holds: bool) -> None:
    assert Claim(id="x", measured=measured, relation=relation, bound=1.0).holds is holds


@pytest.mark.parametrize("relation", [">=", "<="])
@pytest.mark.parametrize("measured", [float("nan"), float("inf"), float("-inf")])
def test_what_was_not_measured_does_not_hold(measured: float, relation: Relation) -> None:
    claim = Claim(id="x", measured=measured, relation=relation, bound=0.0)
    assert not claim.holds
    assert claim.as_json() == {"id": "x", "measured": None, "bound": f"{relation} 0", "holds": False}


def test_json_says_what_was_measured() -> None:
    claim = Claim(id="speed", measured=1.23456789, relation=">=", bound=1.5)
    assert claim.as_json() == {"id": "speed", "measured": 1.23457, "bound": ">= 1.5", "holds": False}
