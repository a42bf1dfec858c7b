from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import StateError
from components.registry.package import (
    archive_hash,
    assemble_package,
    package_hash,
    verify_package,
)
from tests.components.registry.packages import make_package, write_parts


def test_a_package_holds_everything_but_pictures(tmp_path: Path) -> None:
    package, _ = make_package(tmp_path)
    found = sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file())
    assert found == [
        "calibration.json",
        "lineage/dvc.lock",
        "lineage/lineage.json",
        "metrics.json",
        "model.json",
        "reference.parquet",
        "weights.safetensors",
    ]


def test_the_hash_sees_content_and_names_but_not_lineage(tmp_path: Path) -> None:
    package, digest = make_package(tmp_path / "a")
    again, same = make_package(tmp_path / "b", lineage={"training_patients": ["a"], "git_commit": "other"})
    _, other = make_package(tmp_path / "c", weights=b"others")
    assert digest == same != other
    assert archive_hash(package) != archive_hash(again)
    (package / "weights.safetensors").rename(package / "heavy.safetensors")
    assert package_hash(package) != digest


def test_what_mlflow_adds_does_not_count(tmp_path: Path) -> None:
    package, digest = make_package(tmp_path)
    (package / "MLmodel").write_text("artifact_path: /somewhere")
    assert package_hash(package) == digest


@pytest.mark.parametrize("name", ["weights.safetensors", "calibration.json", "reference.parquet"])
def test_tampering_is_refused(tmp_path: Path, name: str) -> None:
    package, digest = make_package(tmp_path)
    verify_package(package, digest)
    (package / name).write_bytes(b"forged")
    with pytest.raises(StateError, match="a package with hash"):
        verify_package(package, digest)


def test_an_added_file_is_refused(tmp_path: Path) -> None:
    package, digest = make_package(tmp_path)
    (package / "extra.py").write_text("import os")
    with pytest.raises(StateError):
        verify_package(package, digest)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts")
    (parts["evaluation"] / "calibration.json").unlink()
    with pytest.raises(StateError, match=r"calibration\.json"):
        assemble_package(tmp_path / "package", lineage={}, **parts)
