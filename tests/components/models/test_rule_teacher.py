"""Lungs and bones of a drawn body: every part that must go is gone, every part that must stay is there."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import EmptyPrediction, ParameterError
from components.models.rule_teacher import Rule, apply_rule, body_mask, rule_teacher
from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import Volume

LABELS = TeacherLabels(to_structure={"lungs": "lungs", "bones": "bones"}, structures=("bones", "lungs"))
LUNGS = Rule(window_hu=(-1024, -400), closing_mm=4.0, min_ml=1.0, keep=2)
BONES = Rule(window_hu=(180, 3000), min_ml=0.05)
RULES = {"lungs": LUNGS, "bones": BONES}


def body() -> np.ndarray:
    """``(z, y, x)`` at 2 mm: a body in air on a table, two lungs with a vessel, gas in the gut, bone, a speck."""
    hu = np.full((12, 40, 50), -1000, dtype=np.int16)
    hu[:, 5:32, 5:45] = 40
    hu[:, 8:28, 8:20] = hu[:, 8:28, 30:42] = -850
    hu[:, 15:17, 12:14] = 30  # a vessel, 4 mm wide
    hu[3:6, 20:24, 24:27] = -900  # gas, 0.3 ml
    hu[:, 28:31, 23:27] = 400  # spine
    hu[5, 10, 25] = 900  # a speck of 0.008 ml
    hu[:, 36:38, 2:48] = 60  # table
    return hu


def volume(hu: np.ndarray, spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Volume:
    return Volume(voxels_hu=hu, geometry=Geometry.axis_aligned(hu.shape, spacing))


def test_lungs_and_bones_are_found() -> None:
    label_map = rule_teacher(RULES, LABELS).label(volume(body()))
    lungs, bones = label_map.labels == 2, label_map.labels == 1
    expected = np.zeros(lungs.shape, dtype=bool)
    expected[:, 8:28, 8:20] = expected[:, 8:28, 30:42] = True
    assert np.array_equal(lungs, expected)  # the vessel is closed, the gas and the outer air are not lung
    spine = np.zeros(lungs.shape, dtype=bool)
    spine[:, 28:31, 23:27] = True
    assert np.array_equal(bones, spine)  # the speck is too small
    assert label_map.names == {1: "bones", 2: "lungs"}


def test_body_is_without_table_and_holes() -> None:
    found = body_mask(volume(body()))
    expected = np.zeros(found.shape, dtype=bool)
    expected[:, 5:32, 5:45] = True
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_slices_are_the_patients_whatever_the_array(axes: tuple[int, int, int]) -> None:
    """Lungs open to the first slice are holes of slices across the patient, and of no others."""
    plain = volume(body())
    turned = Geometry(
        shape=tuple(plain.geometry.shape[axis] for axis in axes),  # type: ignore[arg-type]
        affine=plain.geometry.affine[:, [*axes, 3]],
    )
    made = Volume(voxels_hu=np.ascontiguousarray(plain.voxels_hu.transpose(axes)), geometry=turned)
    assert np.array_equal(body_mask(made), body_mask(plain).transpose(axes))


def test_a_thin_bridge_is_opened() -> None:
    hu = body()
    hu[6, 10:12, 20:30] = -850  # joins the lungs, 2 voxels high
    joined = Rule(window_hu=(-1024, -400), min_ml=1.0, keep=1)
    opened = Rule(window_hu=(-1024, -400), opening_mm=4.0, min_ml=1.0, keep=1)
    whole = apply_rule(joined, volume(hu), body_mask(volume(hu)))
    one = apply_rule(opened, volume(hu), body_mask(volume(hu)))
    assert whole[:, :, :20].any()
    assert whole[:, :, 30:].any()
    assert one[:, :, :20].any() != one[:, :, 30:].any()


def test_keep_zero_keeps_all_parts() -> None:
    rule = Rule(window_hu=(-1024, -400), min_ml=0.1)
    found = apply_rule(rule, volume(body()), body_mask(volume(body())))
    assert found[4, 22, 25]


def test_outside_the_body_only_when_asked() -> None:
    rule = Rule(window_hu=(-1024, -400), inside_body=False, min_ml=1.0)
    assert apply_rule(rule, volume(body()), body_mask(volume(body())))[0, 0, 0]


@pytest.mark.parametrize("hu", [-1000, 40])
def test_nothing_found_is_an_empty_prediction(hu: int) -> None:
    with pytest.raises(EmptyPrediction):
        rule_teacher(RULES, LABELS).label(volume(np.full((8, 8, 8), hu, dtype=np.int16)))


def test_fingerprint_follows_rules_and_labels() -> None:
    other = TeacherLabels(to_structure={"*": "lungs"}, structures=("bones", "lungs"))
    found = {
        rule_teacher(RULES, LABELS).fingerprint,
        rule_teacher({"lungs": LUNGS}, LABELS).fingerprint,
        rule_teacher({"bones": BONES, "lungs": LUNGS}, LABELS).fingerprint,
        rule_teacher(RULES, other).fingerprint,
    }
    assert len(found) == 4
    assert rule_teacher(dict(RULES), LABELS).fingerprint in found


def test_rules_are_checked() -> None:
    with pytest.raises(ParameterError, match="no rules"):
        rule_teacher({}, LABELS)
    with pytest.raises(ParameterError, match="got liver"):
        rule_teacher({"liver": LUNGS}, LABELS)
    with pytest.raises(ParameterError, match="rising values"):
        Rule(window_hu=(5, 5))


def test_no_torch_is_needed() -> None:
    import subprocess
    import sys
    from pathlib import Path

    code = "import sys, components.models.rule_teacher; print('torch' in sys.modules)"
    root = Path(__file__).parents[3]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
