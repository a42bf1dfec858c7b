"""That ordered slices of real scans are told from shuffled ones, however thick they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from components.acquisition.broken_scans import GuardParams
from components.adapters.nifti_reader import open_nifti
from components.scorecard.image_statistics import slice_discontinuity
from components.volume.geometry import Geometry
from components.volume.hounsfield import to_hounsfield
from components.volume.volume import Volume

SOURCE = os.environ.get("CTLOOP_REALDATA", "")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder of real scans"),
]
SCANS = (
    "chest/lidc_idri_0314_inplane2x.nii.gz",
    "chest/lung_dx_A0001_kernelL_inplane2x.nii.gz",
    "chest/lung_dx_A0002_B70f_inplane2x.nii.gz",
    "heart/heart_ct.nii.gz",
    "abdomen/example_ct.nii.gz",
)


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("thickness_mm", [0.0, 8.0, 20.0])
def test_ordered_slices_are_continuous_and_shuffled_ones_are_not(name: str, thickness_mm: float) -> None:
    image = open_nifti(Path(SOURCE) / name)
    spacing = image.geometry.spacing_mm
    step = max(1, round(thickness_mm / spacing[0]))
    voxels = to_hounsfield(image.voxels(0))[::step]
    grid = Geometry.axis_aligned(voxels.shape, (step * spacing[0], *spacing[1:]))
    shuffled = voxels[np.random.default_rng(0).permutation(len(voxels))]
    assert slice_discontinuity(Volume(voxels_hu=voxels, geometry=grid)) < 0.7
    assert slice_discontinuity(Volume(voxels_hu=shuffled, geometry=grid)) > GuardParams().discontinuity
