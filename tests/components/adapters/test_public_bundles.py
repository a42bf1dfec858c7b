"""Bundles in the published layouts run, from a folder and from a zip, and leave nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.adapters.bundle_content import trusted_hash
from components.adapters.monai_bundle import MonaiBundle, open_bundle
from components.errors import TeacherError
from components.models.teacher_labels import TeacherLabels
from components.volume.volume import Volume
from tests.components.adapters.public_bundles import (
    handlers_bundle,
    vista_bundle,
    whole_body_bundle,
    zipped,
)
from tests.components.adapters.teacher_frames import HEART, flipped_frame

CHAMBERS = TeacherLabels(
    to_structure={"left chamber": "left", "right chamber": "right"}, structures=("left", "right")
)


def opened(bundle: Path, labels: TeacherLabels = HEART, state: Path | None = None) -> MonaiBundle:
    return open_bundle(bundle, trusted_sha256=trusted_hash(bundle), labels=labels, state=state)


@pytest.mark.parametrize("layout", [whole_body_bundle, handlers_bundle])
def test_plain_layouts(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    frame = flipped_frame()
    label_map = opened(layout(tmp_path / "bundle")).label(frame)
    assert np.array_equal(label_map.labels, frame.voxels_hu > 0)
    assert label_map.geometry is frame.geometry
    assert not (tmp_path / "bundle" / "eval").exists()


def two_chambers() -> Volume:
    frame = flipped_frame()
    voxels = frame.voxels_hu.copy()
    voxels[2:5, 3:8, 1:3] = 350  # above 300 HU: label 3; the other half, above 400: both, 4 less so
    voxels[2:5, 3:8, 3:6] = 900
    return Volume(voxels_hu=voxels, geometry=frame.geometry)


def test_vista_layout_is_asked_for_our_labels_only(tmp_path: Path) -> None:
    frame = two_chambers()
    teacher = opened(vista_bundle(tmp_path / "bundle"), CHAMBERS)
    label_map = teacher.label(frame)
    # the network's logit is larger for the smaller label, which therefore wins wherever both are positive
    assert np.array_equal(label_map.labels == 1, frame.voxels_hu > 300)
    assert not (label_map.labels == 2).any()
    assert teacher.parts.prompts == (3, 4)
    with teacher.scripts.importable():
        import scripts.inferer  # type: ignore[import-not-found]

        assert scripts.inferer.seen == [[3, 4]]


def test_vista_layout_resolves_subclasses(tmp_path: Path) -> None:
    labels = TeacherLabels(
        to_structure={"heart": "left", "left chamber": "left", "right chamber": "right"},
        structures=("left", "right"),
    )
    teacher = opened(vista_bundle(tmp_path / "bundle"), labels)
    assert (teacher.label(two_chambers()).labels == 1).any()
    with teacher.scripts.importable():
        import scripts.inferer

        assert scripts.inferer.seen == [[3, 4, 3, 4]]


def test_labels_that_the_bundle_does_not_know_are_named(tmp_path: Path) -> None:
    labels = TeacherLabels(to_structure={"spleen": "left"}, structures=("left",))
    with pytest.raises(TeacherError, match=r"got spleen.*liver"):
        opened(vista_bundle(tmp_path / "bundle"), labels)


def test_scripts_leave_no_trace(tmp_path: Path) -> None:
    path, finders = list(sys.path), list(sys.meta_path)
    opened(vista_bundle(tmp_path / "bundle"), CHAMBERS).label(two_chambers())
    assert (sys.path, sys.meta_path) == (path, finders)
    assert not [name for name in sys.modules if name.split(".")[0] == "scripts"]
    assert not list((tmp_path / "bundle").rglob("__pycache__"))


def test_untrusted_scripts_do_not_run(tmp_path: Path) -> None:
    bundle = vista_bundle(tmp_path / "bundle")
    trusted, marker = trusted_hash(bundle), tmp_path / "ran"
    (bundle / "scripts" / "__init__.py").write_text(f"open({str(marker)!r}, 'w')")
    with pytest.raises(TeacherError, match="bundle content"):
        open_bundle(bundle, trusted_sha256=trusted, labels=CHAMBERS)
    assert not marker.exists()


@pytest.mark.parametrize("inside", ["", "vista3d/"])
def test_a_zip_is_the_same_teacher(tmp_path: Path, inside: str) -> None:
    folder = vista_bundle(tmp_path / "bundle")
    packed = zipped(folder, tmp_path / "bundle.zip", inside=inside)
    from_zip = opened(packed, CHAMBERS, tmp_path / "state")
    from_folder = opened(folder, CHAMBERS)
    assert from_zip.fingerprint == from_folder.fingerprint
    assert from_zip.name == from_folder.name == "bundle-0.5"
    frame = two_chambers()
    assert np.array_equal(from_zip.label(frame).labels, from_folder.label(frame).labels)
