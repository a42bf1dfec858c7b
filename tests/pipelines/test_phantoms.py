"""Batches on disk."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from components.cohort.cases_table import parse_cases
from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import ParameterError, StateError
from components.phantom.chest import FINDINGS_DRAWN
from pipelines.phantoms import write_cardiac_batch, write_chest_batch


def hearts(folder: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "seed": 1, "patients": 2, "species": "human", "scanners": ("reference", "sharp"),
        "phases_percent": (0.0, 40.0), "shape": (16, 16, 16), "spacing_mm": (12.0, 12.0, 12.0),
    }  # fmt: skip
    write_cardiac_batch(folder, **(settings | changes))
    return folder


def chests(folder: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "seed": 2, "patients": 3, "scanners": ("reference",), "shape": (16, 16, 16),
        "spacing_mm": (20.0, 24.0, 24.0), "with_findings": True,
    }  # fmt: skip
    write_chest_batch(folder, **(settings | changes))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_cardiac_batch_is_readable_and_its_truth_lies_outside(tmp_path: Path) -> None:
    folder = hearts(tmp_path / "one")
    table = parse_cases((folder / "cases.csv").read_text(), CT_RATE_FINDINGS)
    assert [row.phases for row in table.rows] == [(0.0,), (40.0,)] * 2
    assert len({row.case for row in table.rows}) == 2
    for row in table.rows:
        image = nibabel.load(folder / row.path)
        truth = nibabel.load(tmp_path / "one-truth" / Path(row.path).name)
        assert image.shape == truth.shape == (16, 16, 16)
        assert np.allclose(image.affine, truth.affine)
        assert np.asarray(truth.dataobj).max() == 7
    assert sorted(p.name for p in folder.iterdir()) == ["cases.csv", "images"]


@pytest.mark.parametrize("write", [hearts, chests])
def test_the_same_seed_gives_the_same_bytes_in_any_folder(tmp_path: Path, write: Any) -> None:
    assert files(write(tmp_path / "a" / "x")) == files(write(tmp_path / "b" / "y"))
    assert files(tmp_path / "a" / "x-truth") == files(tmp_path / "b" / "y-truth")


@pytest.mark.parametrize("write", [hearts, chests])
def test_a_broken_off_batch_is_completed(tmp_path: Path, write: Any) -> None:
    whole = files(write(tmp_path / "whole"))
    folder = write(tmp_path / "cut")
    kept, lost = sorted((folder / "images").iterdir())[:2]
    lost.unlink()
    (folder / "cases.csv").unlink()
    before = kept.stat().st_mtime_ns
    assert files(write(folder)) == whole
    assert kept.stat().st_mtime_ns == before


def test_more_patients_leave_the_first_ones_alone(tmp_path: Path) -> None:
    before = files(chests(tmp_path / "x"))
    after = files(chests(tmp_path / "x", patients=4))
    assert all(after[name] == content for name, content in before.items() if name != "cases.csv")
    assert len(rows(tmp_path / "x" / "cases.csv")) == 4


def test_findings_stand_in_the_truth_and_on_request_in_the_table(tmp_path: Path) -> None:
    with_them = rows(chests(tmp_path / "with") / "cases.csv")
    without = rows(chests(tmp_path / "without", with_findings=False) / "cases.csv")
    truth = rows(tmp_path / "without-truth" / "findings.csv")
    assert set(FINDINGS_DRAWN) <= set(with_them[0])
    assert not set(FINDINGS_DRAWN) & set(without[0])
    for row, answer in zip(with_them, truth, strict=True):
        assert answer["case_id"] == row["case"]
        assert all(answer[name] == row[name] for name in FINDINGS_DRAWN)
    assert files(tmp_path / "with" / "images") == files(tmp_path / "without" / "images")


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    hearts(tmp_path / "x")
    with pytest.raises(StateError, match="another folder"):
        hearts(tmp_path / "x", scanners=("sharp",))


def test_an_unknown_scanner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="reference"):
        hearts(tmp_path / "x", scanners=("mri",))
    assert not (tmp_path / "x").exists()
