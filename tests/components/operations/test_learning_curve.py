from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import StateError
from components.operations.learning_curve import LearningCurve, learning_curve, record_from
from components.registry.learning_record import LearningRecord
from components.registry.registry import ModelVersion
from tests.components.registry.fakes import RegistryInMemory

RECORD = LearningRecord(expert_labels=10, value=0.7, low=0.65, high=0.75, patients=20, level=0.95)


def curve(*records: LearningRecord | None) -> LearningCurve:
    return learning_curve(list(enumerate(records, 1)), more=50, seed=0, draws=100)


def test_three_versions_foretell_what_fifty_more_labels_bring() -> None:
    found = curve(
        *(replace(RECORD, expert_labels=n, value=q) for n, q in ((10, 0.7), (40, 0.8), (160, 0.85)))
    )
    assert found.why_not == ""
    assert found.forecast is not None
    assert found.forecast.labels == 210
    assert 0.85 < found.forecast.quality < 0.9
    assert found.forecast.low <= found.forecast.quality <= found.forecast.high
    assert found.forecast.gain > 0


@pytest.mark.parametrize(
    "third",
    [
        None,
        replace(RECORD, expert_labels=20),  # as many as the second
        replace(RECORD, expert_labels=0),
        replace(RECORD, expert_labels=None),
        replace(RECORD, expert_labels=90, low=None, high=None),
        replace(RECORD, expert_labels=90, level=None),
        replace(RECORD, expert_labels=90, value=None),
    ],
)
def test_what_tells_too_little_is_no_point(third: LearningRecord | None) -> None:
    found = curve(RECORD, replace(RECORD, expert_labels=20), third)
    assert (found.law, found.forecast) == (None, None)
    assert "3 versions" in found.why_not
    assert found.why_not.endswith("there are 2.")
    assert [record for _, record in found.versions][2] == third


def test_a_package_that_was_lost() -> None:
    class Lost(RegistryInMemory):
        def fetch(self, version: ModelVersion) -> Path:
            raise StateError(expected="the package", got="nothing", hint="its backup")

    version = ModelVersion(
        name="m", version=1, package_hash="1", run_id="r", aliases=(), tags={}, created_at="t"
    )
    assert record_from(Lost(), "segmentation", version) is None
