"""A real DICOM series and its NIfTI twin through a served model: the same grid as the scan, and the same answer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from components.adapters.scan_door import ScanDoor
from components.cohort.scan import ScannedFrame
from tests.components.adapters.test_served_model import Bright, ask, drawn, served

SOURCE = os.environ.get("CTLOOP_REALDATA", "")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder of real scans"),
]


@pytest.mark.parametrize(
    "name", ["chest_dicom/lung_dx_A0002_B40f", "chest/lung_dx_A0002_B40f_inplane2x.nii.gz"]
)
def test_a_label_map_lies_on_the_scan(name: str, tmp_path: Path) -> None:
    door = ScanDoor(roots=(Path(SOURCE).resolve(),))
    path = str(Path(SOURCE) / name)
    (row,) = ask(served(Bright(), door), {"path": path})
    assert row["error"] == ""
    (frame,) = door.read_path(path)
    assert isinstance(frame, ScannedFrame)
    image = drawn(row, tmp_path)
    assert np.array_equal(np.asarray(image.dataobj).T, frame.volume.voxels_hu > 100)
    native = frame.volume.geometry.affine
    place = native @ np.array([3.0, 5.0, 7.0, 1.0])  # LPS mm of voxel (z, y, x) = (3, 5, 7)
    ras = image.affine @ np.array([7.0, 5.0, 3.0, 1.0])
    np.testing.assert_allclose(ras[:3] * [-1.0, -1.0, 1.0], place[:3], atol=0.01)


def test_a_series_that_cannot_be_trusted_says_why() -> None:
    door = ScanDoor(roots=(Path(SOURCE).resolve(),))
    rows = ask(served(Bright(), door), {"path": str(Path(SOURCE) / "odd" / "gantry_tilt_mixed_spacing")})
    assert any("gantry tilt" in row["error"] for row in rows)
    assert all(row["labels"] == "" for row in rows)
