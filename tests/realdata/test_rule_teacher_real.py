"""The rule teacher on real chests, against published lung masks and against itself under another kernel."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from components.adapters.itk_reader import open_itk
from components.adapters.nifti_reader import open_nifti
from components.metrics.overlap import dice
from components.models.rule_teacher import rule_teacher
from components.models.teacher_labels import TeacherLabels
from components.volume.canonical import canonical_geometry
from components.volume.hounsfield import to_hounsfield
from components.volume.resample import resample
from components.volume.volume import LabelMap, Volume

SOURCE = os.environ.get("CTLOOP_REALDATA", "")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder"),
]
"""As the comment in params.yaml suggests."""
LUNGS = {"window_hu": (-1024.0, -400.0), "opening_mm": 2.0, "closing_mm": 6.0, "min_ml": 100.0, "keep": 2}
BONES = {"window_hu": (180.0, 3000.0), "closing_mm": 2.0, "min_ml": 2.0}


def labelled(volume: Volume) -> LabelMap:
    from components.models.rule_teacher import Rule

    rules = {"lungs": Rule(**LUNGS), "bones": Rule(**BONES)}  # type: ignore[arg-type]
    labels = TeacherLabels(to_structure={"lungs": "lungs", "bones": "bones"}, structures=("lungs", "bones"))
    return rule_teacher(rules, labels).label(volume)


def chest(name: str) -> Volume:
    """At 4 mm, as prepare would give it."""
    path = Path(SOURCE) / name
    image = open_itk(path) if path.suffix == ".nrrd" else open_nifti(path)
    volume = Volume(voxels_hu=to_hounsfield(image.voxels(0)), geometry=image.geometry)
    return resample(volume, canonical_geometry(volume.geometry, (4.0, 4.0, 4.0)))


@pytest.mark.parametrize("mask", ["wholeLung-64.nrrd", "lm-64.nrrd"])
def test_lungs_agree_with_published_masks(mask: str) -> None:
    image, reference = (open_itk(Path(SOURCE) / "lowres" / name) for name in ("ct-64.nrrd", mask))
    volume = Volume(voxels_hu=to_hounsfield(image.voxels(0)), geometry=image.geometry)
    assert dice(labelled(volume).labels == 1, reference.voxels(0) > 0) > 0.97


@pytest.mark.parametrize(
    "name",
    [
        "lidc_idri_0314_inplane2x.nii.gz",
        "lung_dx_A0001_kernelL_inplane2x.nii.gz",
        "lung_dx_A0002_B40f_inplane2x.nii.gz",
    ],
)
def test_lungs_and_bones_of_chests_have_human_sizes(name: str) -> None:
    label_map = labelled(chest(f"chest/{name}"))
    lungs, bones = (np.sum(label_map.labels == v) * label_map.geometry.voxel_volume_ml for v in (1, 2))
    assert 2000 < lungs < 8000
    assert 300 < bones < 3000


def test_a_sharp_kernel_changes_little() -> None:
    soft, sharp = (labelled(chest(f"chest/lung_dx_A0002_{k}_inplane2x.nii.gz")) for k in ("B40f", "B70f"))
    assert dice(soft.labels == 1, sharp.labels == 1) > 0.98
    assert dice(soft.labels == 2, sharp.labels == 2) > 0.8
