from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_label_map
from components.cohort.labels import LabelSidecar
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

SIDECAR = LabelSidecar(provenance="expert", label_sha256="a" * 64, annotator="reader-1")
HEART = LabelMap(
    labels=np.ones((3, 4, 5), dtype=np.uint8),
    geometry=Geometry.axis_aligned((3, 4, 5), (2.0, 1.0, 1.0)),
    names={1: "left_ventricle"},
)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_answers_lie_as_the_workspace_says(tmp_path: Path) -> None:
    shelf = AnswerFolder(tmp_path / "answers")
    shelf.put_label_map("heart-1__phase-040", HEART, SIDECAR)
    shelf.put_findings("chest-1", {"emphysema": 1, "atelectasis": None}, SIDECAR)
    folder = tmp_path / "answers"
    assert load_label_map(folder / "heart-1__phase-040.b2nd").names == {1: "left_ventricle"}
    assert json.loads((folder / "chest-1.json").read_text()) == {"emphysema": 1, "atelectasis": None}
    for name in ("heart-1__phase-040", "chest-1"):
        assert LabelSidecar.from_json((folder / f"{name}.sidecar.json").read_text()) == SIDECAR


def test_an_answer_is_read_back_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    shelf = AnswerFolder(tmp_path)
    assert (shelf.label_map("heart-1"), shelf.findings("chest-1")) == (None, None)
    shelf.put_label_map("heart-1", HEART, SIDECAR)
    shelf.put_findings("chest-1", {"emphysema": 1, "atelectasis": None}, SIDECAR)
    found = shelf.label_map("heart-1")
    assert found is not None
    assert (found[0].names, found[1]) == (HEART.names, SIDECAR)
    assert shelf.findings("chest-1") == ({"emphysema": 1, "atelectasis": None}, SIDECAR)
    (tmp_path / "heart-1.b2nd").write_bytes(b"damaged")
    (tmp_path / "chest-1.json").write_text("{")
    assert (shelf.label_map("heart-1"), shelf.findings("chest-1")) == (None, None)


def test_the_same_answers_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        AnswerFolder(tmp_path / name).put_label_map("h", HEART, SIDECAR)
        AnswerFolder(tmp_path / name).put_findings("c", {"emphysema": 1}, SIDECAR)
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a\nb"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="a name of letters"):
        AnswerFolder(tmp_path).put_label_map(name, HEART, SIDECAR)
    with pytest.raises(InputError, match="a name of letters"):
        AnswerFolder(tmp_path).put_findings(name, {"emphysema": 1}, SIDECAR)
    assert list(tmp_path.iterdir()) == []
