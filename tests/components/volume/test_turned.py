"""A turned frame is another patient to any teacher, and label maps find their way back."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from components.errors import ParameterError
from components.volume.geometry import Geometry
from components.volume.resample import resample
from components.volume.turned import Turned
from components.volume.volume import LabelMap, Volume

CODES = ["".join(letters) for order in permutations(("LR", "PA", "SI")) for letters in product(*order)]
GRID = Geometry.axis_aligned((3, 4, 5), (4.0, 3.0, 2.0), (10.0, -20.0, 30.0))
VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
FRAME = Volume(voxels_hu=VOXELS, geometry=GRID)


def directions(code: str) -> np.ndarray:
    letters = {
        "L": (1, 0, 0),
        "R": (-1, 0, 0),
        "P": (0, 1, 0),
        "A": (0, -1, 0),
        "S": (0, 0, 1),
        "I": (0, 0, -1),
    }
    return np.array([letters[letter] for letter in code]).T


def test_there_are_48_orientations() -> None:
    assert len(set(CODES)) == 48


@pytest.mark.parametrize("code", CODES)
def test_every_voxel_keeps_its_value_and_moves_rigidly(code: str) -> None:
    """Brute force: each voxel of the shown frame, taken back through the rotation, is where it was."""
    shown = Turned(code).show(FRAME)
    centre = GRID.affine[:3, :3] @ ((np.array(GRID.shape) - 1) / 2) + GRID.affine[:3, 3]
    inverse = np.linalg.inv(GRID.affine)
    for index in np.ndindex(shown.geometry.shape):
        world = (shown.geometry.affine @ [*index, 1.0])[:3]
        there = directions(code).T @ (world - centre) + centre  # orthogonal: its transpose undoes it
        source = np.rint(inverse @ [*there, 1.0])[:3].astype(int)
        assert shown.voxels_hu[index] == VOXELS[tuple(source)]


@pytest.mark.parametrize("code", CODES)
def test_the_shown_array_runs_as_its_axes_state(code: str) -> None:
    shown = Turned(code).show(FRAME)
    assert shown.geometry.orientation == "LPS"
    assert sorted(shown.geometry.spacing_mm) == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("code", CODES)
def test_labels_come_back_to_their_voxels(code: str) -> None:
    turned = Turned(code)
    shown = turned.show(FRAME)
    labels = LabelMap(labels=shown.voxels_hu.astype(np.uint8), geometry=shown.geometry, names={1: "x"})
    back = turned.bring_back(labels, GRID)
    assert np.array_equal(back.labels, VOXELS)
    assert back.geometry is GRID


def test_as_stated_changes_nothing() -> None:
    shown = Turned("LPS").show(FRAME)
    assert np.array_equal(shown.voxels_hu, VOXELS)
    assert shown.geometry.matches(GRID)


def test_half_turn_is_what_a_wrong_header_would_have_said() -> None:
    """A frame whose header was wrong by a half turn is put right by the same half turn."""
    wrong = Turned("RAS").show(FRAME)
    right = resample(Turned("RAS").show(wrong), GRID)
    assert np.array_equal(right.voxels_hu, VOXELS)


@pytest.mark.parametrize("code", ["LP", "LLS", "LRS", "XPS", "lps", ""])
def test_other_codes_are_refused(code: str) -> None:
    with pytest.raises(ParameterError, match="an orientation"):
        Turned(code)
