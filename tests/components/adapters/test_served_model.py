"""What a served model answers, row by row; its networks are stand-ins."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest

from components.adapters.scan_door import ScanDoor
from components.adapters.served_columns import ANSWERED
from components.adapters.served_model import ServedModel
from components.cohort.task import Task
from components.errors import InputError
from components.models.prediction import FramePrediction
from components.volume.volume import LabelMap, Volume
from tests.components.adapters.synthetic_dicom import write_series
from tests.components.adapters.test_scan_door import encoded, write_scan, zipped
from tests.components.operations.model_fakes import Classifier, prediction


@dataclass(frozen=True, kw_only=True)
class Bright:
    """Draws an aorta where it is bright; fails on scans whose first voxel is this."""

    fails_on: int | None = None
    task: Task = "segmentation"
    label_names: tuple[str, ...] = ("aorta",)

    def predict(self, volume: Volume) -> FramePrediction:
        if int(volume.voxels_hu[0, 0, 0]) == self.fails_on:
            raise RuntimeError("out of memory")
        labels = (volume.voxels_hu > 100).astype(np.uint8)
        return prediction(LabelMap(labels=labels, geometry=volume.geometry, names={1: "aorta"}), {})


@dataclass(frozen=True, kw_only=True)
class Caller(Classifier):
    @property
    def thresholds(self) -> dict[str, float]:
        return {"emphysema": 0.3, "atelectasis": 0.9}


def served(predictor: Any, door: ScanDoor | None = None) -> ServedModel:
    return ServedModel(predictor=predictor, door=door or ScanDoor())


def ask(model: ServedModel, *rows: dict[str, Any], **params: str) -> list[dict[str, Any]]:
    table = model.answer(pd.DataFrame(list(rows)), params)
    assert tuple(table.columns) == tuple(ANSWERED)
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def drawn(row: dict[str, Any], folder: Path) -> Any:
    path = folder / "drawn.nii.gz"
    path.write_bytes(base64.b64decode(row["labels"]))
    return nibabel.load(path)


def test_a_label_map_comes_back_on_the_scans_own_grid(tmp_path: Path) -> None:
    array = write_scan(tmp_path / "scan.nii.gz")
    (row,) = ask(served(Bright()), {"content": encoded(tmp_path / "scan.nii.gz")})
    image = drawn(row, tmp_path)
    assert np.array_equal(np.asarray(image.dataobj), array > 100)
    assert np.allclose(image.affine, np.diag([-4.0, -4.0, 4.0, 1.0]))
    assert (row["input"], row["frame"], row["error"], row["phase_percent"]) == (0, 0, "", None)
    assert json.loads(row["label_names"]) == {"1": "aorta"}


def test_each_phase_of_a_cine_is_a_row_and_one_that_fails_stops_none(tmp_path: Path) -> None:
    array = write_scan(tmp_path / "scan.nii.gz", phases=3)
    model = served(Bright(fails_on=int(array[0, 0, 0, 1])))
    rows = ask(model, {"content": encoded(tmp_path / "scan.nii.gz")})
    assert [row["frame"] for row in rows] == [0, 1, 2]
    assert [round(row["phase_percent"]) for row in rows] == [0, 33, 67]
    assert [row["error"] for row in rows] == ["", "out of memory", ""]
    assert np.array_equal(np.asarray(drawn(rows[2], tmp_path).dataobj), array[..., 2] > 100)


def test_label_maps_are_written_under_names_that_never_meet(tmp_path: Path) -> None:
    door = ScanDoor(roots=(tmp_path / "in",), out=tmp_path / "out")
    for place in ("a", "b"):
        write_scan(tmp_path / "in" / place / "scan.nii.gz", phases=2)
    asked = [{"path": str(tmp_path / "in" / place / "scan.nii.gz")} for place in ("a", "b")]
    rows = ask(served(Bright(), door), *asked, output_dir="today")
    paths = {row["labels_path"] for row in rows}
    assert len(paths) == 4
    assert all(Path(path).parent == tmp_path / "out" / "today" for path in paths)
    assert all(row["labels"] == "" for row in rows)
    again = ask(served(Bright(), door), *asked, output_dir="today")
    assert {row["labels_path"] for row in again} == paths
    with pytest.raises(InputError, match="one outside"):
        ask(served(Bright(), door), *asked, output_dir="../elsewhere")


def test_a_classifier_says_what_it_calls_and_from_where(tmp_path: Path) -> None:
    write_series(tmp_path / "series")
    model = served(Caller(odd=0.4, even=0.4))
    (row,) = ask(model, {"content": zipped(tmp_path / "series")})
    assert json.loads(row["probabilities"]) == {"emphysema": 0.4, "atelectasis": 0.4}
    assert json.loads(row["thresholds"]) == {"emphysema": 0.3, "atelectasis": 0.9}
    assert json.loads(row["called"]) == ["emphysema"]
    assert row["labels"] == row["label_names"] == ""


def test_what_cannot_be_used_is_a_row_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8bno image")
    write_scan(tmp_path / "scan.nii.gz")
    (tmp_path / "empty").mkdir()
    door = ScanDoor(roots=(tmp_path,))
    rows = ask(
        served(Bright(), door),
        {"path": str(tmp_path / "bad.nii.gz")},
        {"path": "/etc/hostname"},
        {},
        {"path": str(tmp_path / "scan.nii.gz"), "content": "AAAA"},
        {"path": str(tmp_path / "empty")},
        {"path": str(tmp_path / "scan.nii.gz")},
    )
    assert [row["input"] for row in rows] == [0, 1, 2, 3, 4, 5]
    said = ["unreadable", "CTLOOP_SERVE_ROOTS", "got neither", "got both", "expected a scan, got none", ""]
    assert all(words in row["error"] for words, row in zip(said, rows, strict=True))
    assert [row["error"] == "" for row in rows] == [False] * 5 + [True]
    json.dumps(rows, allow_nan=False)
