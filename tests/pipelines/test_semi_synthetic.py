"""A labelled scan becomes a cine that the loop can take in, with the labels of each frame."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from components.adapters.nifti_writer import write_nifti_labels, write_nifti_volume
from components.adapters.readers import read_label_map, read_source
from components.cohort.cases_table import parse_cases
from components.cohort.scan import ScannedFrame
from components.errors import InputError
from pipelines.semi_synthetic import write_semi_synthetic_batch
from tests.components.phantom.test_semi_synthetic import ball

PHASES = (0.0, 20.0, 40.0)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    volume, labels = ball()
    write_nifti_volume(tmp_path / "scan.nii.gz", volume)
    write_nifti_labels(tmp_path / "labels.nii.gz", labels)
    return tmp_path / "scan.nii.gz"


def write(folder: Path, scan: Path, label_values: str = "1=heart") -> None:
    write_semi_synthetic_batch(
        folder, scan=scan, labels=scan.with_name("labels.nii.gz"), label_values=label_values,
        phases_percent=PHASES, amplitude=0.3,
    )  # fmt: skip


def test_the_batch_is_a_labelled_cine_of_one_patient(tmp_path: Path, scan: Path) -> None:
    folder = tmp_path / "batch"
    write(folder, scan)
    rows = [row for row in parse_cases((folder / "cases.csv").read_text(), ()).rows if row.labels]
    assert [row.phases for row in rows] == [(phase,) for phase in PHASES]
    assert {row.patient for row in rows} == {"semi-synthetic"}
    assert all(row.labelled_by.startswith("semi-synthetic") for row in rows)
    millilitres = []
    for row in rows:
        (frame,) = read_source(folder, (row.path,), min_slices=8)
        assert isinstance(frame, ScannedFrame)
        label_map = read_label_map(folder / row.labels, row.label_values, frame.volume)
        inside = label_map.labels == 1
        assert np.mean(frame.volume.voxels_hu[inside]) > 250
        millilitres.append(inside.sum())
    assert millilitres[2] < millilitres[1] < millilitres[0]


def test_label_files_are_no_scans(tmp_path: Path, scan: Path) -> None:
    write(tmp_path / "batch", scan)
    with (tmp_path / "batch" / "cases.csv").open() as file:
        tasks = {row["path"].split("/")[0]: row["task"] for row in csv.DictReader(file)}
    assert tasks == {"images": "segmentation", "labels": "none"}


@pytest.mark.parametrize("label_values", ["", "heart", "1=heart;1=aorta"])
def test_label_values_that_are_none_are_refused(tmp_path: Path, scan: Path, label_values: str) -> None:
    with pytest.raises(InputError, match="value=structure"):
        write(tmp_path / "batch", scan, label_values)


def test_a_file_that_is_no_scan_is_refused(tmp_path: Path, scan: Path) -> None:
    scan.write_bytes(b"no scan")
    with pytest.raises(InputError, match="one 3D scan"):
        write(tmp_path / "batch", scan)
