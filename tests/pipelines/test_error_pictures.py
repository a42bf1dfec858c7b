"""Which scans of the error review are read and explained, and what is left out without stopping the report."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import InputError
from components.models.relevance import Relevance
from components.operations.error_review import ConfidentError, FindingErrors
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.error_pictures import error_pictures
from tests.components.models.marked_scans import FINDINGS, SHAPE, scan, trained

MARKED = {"a": 6, "b": 15, "torn": 3}


def load(frame: str) -> Volume:
    if frame == "torn":
        raise InputError(expected="a scan", got="none", hint="another")
    return scan(np.random.default_rng(len(frame)), slices=24, marked={0: MARKED[frame]})


def errors(finding: str, *frames: str) -> FindingErrors:
    cases = tuple(
        ConfidentError(frame_id=frame, case_id=frame, patient_id=frame, batch="one", probability=0.9)
        for frame in frames
    )
    return FindingErrors(
        finding=finding, threshold=0.5, false_alarms=cases[:1], misses=cases[1:],
        patients_with_false_alarm=len(cases[:1]), patients_with_miss=len(cases[1:]),
    )  # fmt: skip


SHOWN = [errors(FINDINGS[0], "a", "b", "torn"), errors(FINDINGS[1], "a")]


def test_each_shown_scan_is_explained_once_and_names_the_slice_of_its_mark() -> None:
    explained: list[Volume] = []

    def explain(volume: Volume) -> Relevance:
        explained.append(volume)
        return trained().explain(volume)

    found = error_pictures(SHOWN, load, explain, lambda _: None)
    assert len(explained) == 2
    assert set(found.strips) == {("a", FINDINGS[0]), ("a", FINDINGS[1]), ("b", FINDINGS[0])}
    assert found.views["torn"] is None
    for frame in "ab":  # the middle of the three marked slices, counted from 1
        place = found.strips[frame, FINDINGS[0]].place
        assert place == f"slice {MARKED[frame] + 2} of 24 of the prepared scan, counted from the feet"
    assert found.strips["a", FINDINGS[0]].picture != found.strips["a", FINDINGS[1]].picture


def test_slices_are_named_as_the_scanner_wrote_them() -> None:
    """48 slices of half the thickness, from the head."""
    affine = np.array(
        [[0.0, 0.0, 4.0, 0.0], [0.0, 4.0, 0.0, 0.0], [-1.5, 0.0, 0.0, -430.25], [0.0, 0.0, 0.0, 1.0]]
    )
    native = Geometry(shape=(48, *SHAPE[1:]), affine=affine)
    found = error_pictures(SHOWN[:1], load, trained().explain, lambda frame: native if frame == "b" else None)
    assert "of 24 of the prepared scan" in found.strips["a", FINDINGS[0]].place
    number = int(found.strips["b", FINDINGS[0]].place.split()[1])
    assert (
        found.strips["b", FINDINGS[0]].place
        == f"slice {number} of 48 of the scan as it was read, counted from the head"
    )
    assert number == pytest.approx(48 - 2 * 16, abs=1)


def test_a_model_that_cannot_tell_leaves_the_scan_at_a_glance() -> None:
    def cannot(volume: Volume) -> Relevance:
        raise InputError(expected="triplets", got="none", hint="a CT-Scroll")

    for explain in (None, cannot):
        found = error_pictures(SHOWN, load, explain, lambda _: None)
        assert found.views["a"]
        assert not found.strips
