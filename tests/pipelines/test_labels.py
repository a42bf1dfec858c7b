from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.adapters.blosc_store import load_label_map
from components.adapters.nifti_writer import write_nifti_labels
from components.cohort.labels import LabelSidecar
from components.cohort.structures import HEART_LABELS
from components.errors import InputError, StateError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from pipelines.label_names import LabelNames
from pipelines.labels import ImportReport, import_labels
from pipelines.params import load_section
from pipelines.requests import export_requests
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import (
    CHEST_CASE,
    CHEST_REQUEST,
    HEART_FRAME,
    HEART_REQUEST,
    NATIVE,
    Versions,
    heart_labels,
    made_workspace,
)


class Reader:
    """A person with a folder of answers."""

    def __init__(self, folder: Path) -> None:
        self.workspace, self.store = made_workspace(folder / "workspace")
        self.folder, self.versions = folder / "answers", Versions()
        self.folder.mkdir()

    def draws(self, name: str, labels: np.ndarray | None = None, geometry: Geometry = NATIVE) -> None:
        chosen = heart_labels() if labels is None else labels
        write_nifti_labels(self.folder / name, LabelMap(labels=chosen, geometry=geometry, names=HEART_LABELS))

    def imports(self, **options: object) -> ImportReport:
        return import_labels(
            self.workspace, self.folder, self.store, self.store, "reader-1",
            **{"add_version": self.versions, **options},  # type: ignore[arg-type]
        )  # fmt: skip

    def status(self, request_id: str) -> str:
        found = self.store.request(request_id)
        assert found is not None
        return found.status


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.store.close()


def answers(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(workspace.answers("segmentation").glob("*"))}


@pytest.mark.parametrize(
    "name", [f"{HEART_REQUEST.id}.nii.gz", f"{HEART_FRAME}.nii", f"{HEART_REQUEST.id}/answer.nii.gz"]
)
def test_a_label_map_answers_what_it_is_named_after(reader: Reader, name: str) -> None:
    reader.draws(name)
    report = reader.imports(minutes=6.0)
    assert (report.accepted, report.refused) == ([name], [])
    folder = reader.workspace.answers("segmentation")
    accepted = load_label_map(folder / f"{HEART_FRAME}.b2nd")
    assert np.array_equal(accepted.labels, heart_labels())
    assert np.array_equal(accepted.geometry.affine, NATIVE.affine)
    sidecar = LabelSidecar.from_json((folder / f"{HEART_FRAME}.sidecar.json").read_text())
    assert (sidecar.provenance, sidecar.request_id, sidecar.minutes) == ("expert", HEART_REQUEST.id, 6.0)
    found = reader.store.request(HEART_REQUEST.id)
    assert found is not None
    assert (found.status, found.label_sha256) == ("answered", sidecar.label_sha256)
    assert found.label_set_version == report.label_set_version["segmentation"] == "version-of-1-segmentation"


def test_one_bad_file_never_stops_the_folder(reader: Reader) -> None:
    reader.draws(f"{HEART_FRAME}.nii.gz")
    reader.draws("heart-08.nii.gz")
    reader.draws("nobody.nii.gz")
    (reader.folder / "notes.docx").write_bytes(b"x")
    (reader.folder / "broken.nii.gz").write_bytes(b"x")
    (reader.folder / ".DS_Store").write_bytes(b"x")
    (reader.folder / "findings.csv").write_text(
        f"case_id,emphysema,minutes\n{CHEST_CASE},1,3\nnobody,1,\n{CHEST_CASE},7,\n"
    )
    report = reader.imports()
    assert report.accepted == ["findings.csv:2", f"{HEART_FRAME}.nii.gz"]
    refused = dict(report.refused)
    assert set(refused) == {
        "broken.nii.gz", "findings.csv:3", "findings.csv:4", "heart-08.nii.gz", "nobody.nii.gz", "notes.docx",
    }  # fmt: skip
    assert "--unasked" in refused["heart-08.nii.gz"]
    assert "no request and no frame" in refused["nobody.nii.gz"]
    assert "0, 1 or nothing for emphysema" in refused["findings.csv:4"]
    assert "accepted  findings.csv:2" in str(report)


def test_a_wrong_grid_is_refused_with_the_difference(reader: Reader) -> None:
    reader.draws(
        f"{HEART_FRAME}.nii.gz", geometry=Geometry(shape=NATIVE.shape, affine=NATIVE.affine * [1, 1, 1.5, 1])
    )
    report = reader.imports()
    assert "spacing 5×3×4.5 mm, not 5×3×3 mm" in report.refused[0][1]
    assert reader.status(HEART_REQUEST.id) == "open"
    assert reader.versions.added == []


def test_findings_become_a_file_per_case(reader: Reader) -> None:
    (reader.folder / "any name.csv").write_text(f"request_id,emphysema,atelectasis\n{CHEST_REQUEST.id},1,0\n")
    report = reader.imports()
    assert report.refused == []
    folder = reader.workspace.answers("classification")
    findings = json.loads((folder / f"{CHEST_CASE}.json").read_text())
    assert (findings["emphysema"], findings["atelectasis"], findings["cardiomegaly"]) == (1, 0, None)
    assert reader.status(CHEST_REQUEST.id) == "answered"


def test_an_unknown_column_refuses_the_table(reader: Reader) -> None:
    (reader.folder / "f.csv").write_text(f"case_id,emphysemia\n{CHEST_CASE},1\n")
    assert "try 'emphysema'" in reader.imports().refused[0][1]


def test_a_row_about_two_cases_and_a_table_without_rows_are_refused(reader: Reader) -> None:
    (reader.folder / "a.csv").write_text(f"request_id,case_id,emphysema\n{CHEST_REQUEST.id},c9,1\n")
    (reader.folder / "b.csv").write_text("case_id,emphysema\n")
    first, second = reader.imports().refused
    assert f"case_id {CHEST_CASE}, which {CHEST_REQUEST.id} asks about" in first[1]
    assert "a row per answer" in second[1]
    assert reader.status(CHEST_REQUEST.id) == "open"


@pytest.mark.parametrize("minutes", [-4.0, float("nan"), 1e9])
def test_working_time_must_be_one(reader: Reader, minutes: float) -> None:
    with pytest.raises(InputError, match="minutes from 0 to 1440"):
        reader.imports(minutes=minutes)


def test_importing_twice_is_importing_once(reader: Reader) -> None:
    reader.draws(f"{HEART_FRAME}.nii.gz")
    first, before = reader.imports(), answers(reader.workspace)
    second = reader.imports()
    assert second.accepted == first.accepted
    assert second.label_set_version == first.label_set_version
    assert answers(reader.workspace) == before
    assert len(reader.store.entries("label_set")) == 1
    assert [line.action for line in reader.store.audit_log(HEART_REQUEST.id)] == [
        "open_request",
        "answer",
        "label_set",
    ]


def test_killed_before_the_data_version_it_is_made_later(reader: Reader) -> None:
    def busy(path: Path) -> str:
        raise StateError(expected="DVC's lock", got="another process", hint="waiting")

    reader.draws(f"{HEART_FRAME}.nii.gz")
    with pytest.raises(StateError):
        reader.imports(add_version=busy)
    assert reader.status(HEART_REQUEST.id) == "answered"
    reader.imports()
    found = reader.store.request(HEART_REQUEST.id)
    assert found is not None
    assert found.label_set_version == "version-of-1-segmentation"


def test_unasked_answers_and_replacements_need_the_flag(reader: Reader) -> None:
    reader.draws("heart-08.nii.gz")
    assert reader.imports().accepted == []
    assert reader.imports(unasked=True).accepted == ["heart-08.nii.gz"]
    (reader.folder / "heart-08.nii.gz").unlink()
    reader.draws(f"{HEART_FRAME}.nii.gz")
    reader.imports()
    reader.draws(f"{HEART_FRAME}.nii.gz", np.where(heart_labels() == 6, 7, heart_labels()).astype(np.uint8))
    assert "accepted before" in reader.imports().refused[0][1]
    assert reader.imports(unasked=True).refused == []
    replaced = load_label_map(reader.workspace.answers("segmentation") / f"{HEART_FRAME}.b2nd")
    assert (replaced.labels == 7).any()


def test_findings_nobody_asked_for_must_name_a_known_case(reader: Reader) -> None:
    (reader.folder / "f.csv").write_text("case_id,emphysema\nchest-99,1\n*,1\n../x,1\n,1\n")
    report = reader.imports(unasked=True)
    assert (len(report.refused), report.accepted) == (4, [])


def test_an_answer_of_the_wrong_kind_is_refused(reader: Reader) -> None:
    reader.draws(f"{CHEST_REQUEST.id}.nii.gz")
    (reader.folder / "f.csv").write_text(f"request_id,emphysema\n{HEART_REQUEST.id},1\n")
    reasons = dict(reader.imports().refused)
    assert "expected a label map" in reasons["f.csv:2"]
    assert "expected findings" in reasons[f"{CHEST_REQUEST.id}.nii.gz"]


def test_the_exported_folder_itself_can_be_imported(reader: Reader) -> None:
    export_requests(reader.workspace, reader.store.requests())
    reader.folder = reader.workspace.exports
    assert "only empty cells" in reader.imports().refused[0][1]
    reader.draws(f"{HEART_REQUEST.id}/{HEART_REQUEST.id}.nii.gz")
    assert reader.imports().accepted == [f"{HEART_REQUEST.id}/{HEART_REQUEST.id}.nii.gz"]


def test_no_folder_no_import(reader: Reader) -> None:
    reader.folder = reader.folder / "none"
    with pytest.raises(InputError, match="a folder of answers"):
        reader.imports()


def test_the_shipped_parameters(reader: Reader) -> None:
    assert load_section(LabelNames, reader.workspace.params, "labels") == LabelNames()
