"""A bundle runs through its own configuration, only when trusted, and comes back on the native grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.adapters.bundle_content import bundle_sha256
from components.adapters.monai_bundle import MonaiBundle, open_bundle
from components.errors import TeacherError
from tests.components.adapters.teacher_frames import HEART, flipped_frame, threshold_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return threshold_bundle(tmp_path / "bundle")


def trusted(folder: Path) -> MonaiBundle:
    return open_bundle(folder, trusted_sha256=bundle_sha256(folder), labels=HEART)


def test_result_lies_on_the_native_grid(folder: Path) -> None:
    frame = flipped_frame()
    label_map = trusted(folder).label(frame)
    assert np.array_equal(label_map.labels, frame.voxels_hu > 0)
    assert label_map.geometry is frame.geometry
    assert label_map.names == {1: "heart"}


def test_resampling_in_the_bundle_is_inverted(tmp_path: Path) -> None:
    spacing = {"_target_": "Spacingd", "keys": "image", "pixdim": [1.0, 1.0, 1.0], "mode": "nearest"}
    frame = flipped_frame()
    label_map = trusted(threshold_bundle(tmp_path / "fine", extra_preprocessing=(spacing,))).label(frame)
    agreement = np.mean(label_map.labels == (frame.voxels_hu > 0))
    assert label_map.labels.shape == frame.voxels_hu.shape
    assert agreement > 0.97


def test_untrusted_content_does_not_run(folder: Path) -> None:
    marker = folder / "ran"
    config = folder / "configs" / "inference.json"
    trusted_sha256 = bundle_sha256(folder)
    config.write_text(config.read_text().replace("$torch.device('cpu')", f"$open('{marker}', 'w')"))
    with pytest.raises(TeacherError, match=bundle_sha256(folder)):
        open_bundle(folder, trusted_sha256=trusted_sha256, labels=HEART)
    assert not marker.exists()


def test_hash_covers_names_and_content_but_not_caches(folder: Path) -> None:
    first = bundle_sha256(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert bundle_sha256(folder) == first
    (folder / "configs" / "inference.json").rename(folder / "configs" / "other.json")
    assert bundle_sha256(folder) != first


def test_links_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "models")
    with pytest.raises(TeacherError, match="link"):
        bundle_sha256(folder)


class RunsCode:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 + 1",)


def test_pickle_with_code_is_refused(tmp_path: Path) -> None:
    folder = threshold_bundle(tmp_path / "evil", weights={"model": RunsCode()})
    with pytest.raises(TeacherError, match="pickle with code"):
        trusted(folder)


def test_missing_weights_and_configs_are_named(folder: Path) -> None:
    (folder / "models" / "model.pt").unlink()
    with pytest.raises(TeacherError, match="weights inside the bundle"):
        trusted(folder)
    (folder / "configs" / "metadata.json").unlink()
    with pytest.raises(TeacherError, match=r"metadata\.json"):
        trusted(folder)


def test_failure_inside_the_bundle_is_a_teacher_error(tmp_path: Path) -> None:
    broken = {
        "_target_": "monai.transforms.SpatialCropd",
        "keys": "nothing",
        "roi_start": [0],
        "roi_end": [1],
    }
    teacher = trusted(threshold_bundle(tmp_path / "broken", extra_preprocessing=(broken,)))
    with pytest.raises(TeacherError, match="expected a prediction"):
        teacher.label(flipped_frame())


def test_fingerprint_follows_content_and_labels(folder: Path, tmp_path: Path) -> None:
    same = threshold_bundle(tmp_path / "again")
    other = open_bundle(
        folder,
        trusted_sha256=bundle_sha256(folder),
        labels=type(HEART)(to_structure={"1": "heart"}, structures=("heart",)),
    )
    assert trusted(folder).fingerprint == trusted(same).fingerprint
    assert trusted(folder).fingerprint != other.fingerprint
