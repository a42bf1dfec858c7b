from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.drift.attribution import Carrier, attribute
from components.drift.strata import Stratum
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from tests.components.drift.population import scorecards

PARAMS = DriftParams(permutations=999)
SOUTH = Stratum(column="site", value="south", share_reference=0.0, share_window=0.9, p_value=0.001)


def assess(**shift: float) -> DriftVerdict:
    generator = np.random.default_rng(1)
    return assess_drift(scorecards(20, generator), scorecards(20, generator, name="w", **shift), PARAMS)


def test_a_new_site_is_of_the_scans_and_carries_it_before_its_kernel() -> None:
    found = assess(new_site=0.9).attribution
    assert found is not None
    assert found.cause == "acquisition"
    assert found.carrier is not None
    assert (found.carrier.column, found.carrier.value) == ("meta_site", "south")
    assert found.carrier.reference == 0.0
    assert found.actions == ("fix the protocol",)
    assert "site south (0% →" in found.words()


def test_larger_hearts_are_of_the_patients() -> None:
    found = assess(output_shift=2.5).attribution
    assert found is not None
    assert found.cause == "population"
    assert found.carrier is not None
    assert found.carrier.column.startswith("output_")
    assert found.carrier.window > found.carrier.reference
    assert found.actions == ("ask for labels",)


def test_without_an_alarm_nothing_is_named() -> None:
    assert assess().attribution is None


def pooled(quality: tuple[float, float]) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    tables = [scorecards(10, generator, name=name) for name in "01"]
    return pd.concat(
        [table.assign(predicted_quality=value) for table, value in zip(tables, quality, strict=True)]
    )


@pytest.mark.parametrize(
    ("alarmed", "quality", "cause", "declined", "actions"),
    [
        (["feedback"], (0.8, 0.8), "model", True, ("ask for labels",)),
        (["uncertainty"], (0.8, 0.6), "unclear", True, ("ask for labels",)),
        (["joint"], (0.8, 0.8), "unclear", False, ("ask for labels",)),
        (["joint", "feedback"], (0.8, 0.8), "unclear", True, ("ask for labels",)),
        (["image", "uncertainty"], (0.8, 0.6), "acquisition", True, ("fix the protocol", "ask for labels")),
        (["image", "uncertainty"], (0.6, 0.8), "acquisition", False, ("fix the protocol",)),
    ],
)
def test_the_model_is_blamed_only_when_inputs_stayed(
    alarmed: list[str], quality: tuple[float, float], cause: str, declined: bool, actions: tuple[str, ...]
) -> None:
    moved = {"image": {"image_1": 6.0}, "outputs": {"output_aorta_ml": 2.0}}
    found = attribute(moved, alarmed, pooled(quality), ())
    assert (found.cause, found.declined, found.actions) == (cause, declined, actions)
    assert found.words()


def test_headers_name_what_voxels_show_unless_they_moved_much_less() -> None:
    moved = {"metadata": {"meta_site": 5.0}, "image": {"image_1": 8.0}}
    assert attribute(moved, ["metadata"], pooled((1, 1)), [SOUTH]).carrier == Carrier(
        column="meta_site", value="south", reference=0.0, window=0.9
    )
    weak = {"metadata": {"meta_site": 1.0}, "image": {"image_1": 8.0}}
    carrier = attribute(weak, ["image"], pooled((1, 1)), [SOUTH]).carrier
    assert carrier is not None
    assert carrier.column == "image_1"


def test_voxels_must_move_farther_than_anatomy_and_headers_need_not() -> None:
    for column, far, cause in (
        ("image_1", 5.5, "population"), ("image_1", 6.5, "acquisition"),
        ("meta_site", 5.5, "acquisition"),
    ):  # fmt: skip
        channel = "metadata" if column.startswith("meta_") else "image"
        moved = {channel: {column: far}, "outputs": {"output_aorta_ml": 5.0}}
        assert attribute(moved, [channel], pooled((1, 1)), ()).cause == cause
