"""The page that says where a registered classifier looks, and the deletion test of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from components.adapters.blosc_store import load_volume, save_volume
from components.adapters.parquet import read_parquet
from components.errors import ParameterError, StateError
from components.models.package import load_predictor
from components.operations.deletion import DeletionParams
from components.registry.registry import ModelVersion
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.cli import app
from pipelines.evaluate import evaluate
from pipelines.register import register
from pipelines.relevance_check import check_table, relevance_check
from pipelines.where_to_look import headline, where_to_look
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

Registered = tuple[Workspace, KeepingRegistry, ModelVersion]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Sixteen slices of 4 mm a scan; of cp02 the scan as it was read is there: 32 slices of 2 mm, head first."""
    workspace = make_workspace(tmp_path_factory.mktemp("site"), "classification", train=3, test=4)
    commit_with_lock(workspace, "classification")
    prepared = load_volume(workspace.prepared("classification") / "frames" / "cp02.b2nd")
    affine = prepared.geometry.affine.copy()
    affine[2, 0], affine[2, 3] = -2.0, affine[2, 3] + 15.5 * 4.0 - 1.0
    native = Volume(
        voxels_hu=np.ascontiguousarray(prepared.voxels_hu[::-1].repeat(2, axis=0)),
        geometry=Geometry(shape=(32, 16, 16), affine=affine),
    )
    save_volume(workspace.ingested("classification") / "volumes" / "cp02.b2nd", native)
    evaluate(workspace, "classification")
    registry = KeepingRegistry(tmp_path_factory.mktemp("kept"))
    version = register(workspace, "classification", registry, LedgerInMemory(), name="ctloop-test")
    return workspace, registry, version


def look(registered: Registered, case: str, finding: str | None = None, out: Path | None = None) -> dict:
    workspace, registry, version = registered
    return where_to_look(
        workspace, version, case, finding=finding, out=out, registry=registry, load_predictor=load_predictor
    )


def test_the_page_names_slices_of_the_scan_as_it_was_read(registered: Registered) -> None:
    result = look(registered, "cp02", "lung_nodule")
    (item,) = result["findings"]
    place = item["slice"]
    assert result["slices_of"] == "the scan as it was read"
    assert (place["count"], place["counted_from"], place["index"] + 1) == (32, "head", place["number"])
    # triplet t of two prepared slices is four native ones, and the first from the feet is the last of the file
    assert place["last_number"] == 32 - 4 * item["triplet"]
    assert place["last_number"] - place["first_number"] == 3
    assert item["triplet"] == int(np.argmax(item["relevance"]))
    package = load_predictor(registered[1].fetch(registered[2]))
    prepared = load_volume(registered[0].prepared("classification") / "frames" / "cp02.b2nd")
    said = package.predict(prepared).probabilities["lung_nodule"]
    assert item["probability"] == pytest.approx(said, abs=1e-5)
    folder = Path(result["report"]).parent
    page = (folder / "index.html").read_text()
    assert f"{place['number']} of 32, from the head" in page
    assert "lung nodule" in page
    assert Image.open(folder / "relevance.png").size == Image.open(folder / "relevance-dark.png").size
    assert json.loads((folder / "result.json").read_text())["findings"][0]["slice"] == place
    assert f"slice {place['number']} of 32" in headline(result)


def test_called_findings_are_shown_and_prepared_slices_where_there_are_no_others(
    registered: Registered, tmp_path: Path
) -> None:
    result = look(registered, "cp04", out=tmp_path / "page")
    assert result["slices_of"] == "the prepared scan"
    called = [item["called"] for item in result["findings"]]
    assert 1 <= len(called) <= 6
    assert all(called) or (not any(called) and len(called) == 3)
    chances = [item["probability"] for item in result["findings"]]
    assert chances == sorted(chances, reverse=True)
    assert all(item["slice"]["count"] == 16 for item in result["findings"])
    again = look(registered, "cp04", out=tmp_path / "page")
    assert again == result


def test_what_cannot_be_shown_is_said(registered: Registered, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"unknown 'nobody', try cp00, cp01, cp02 …"):
        look(registered, "nobody")
    with pytest.raises(ParameterError, match="finding of the model, got 'gout'"):
        look(registered, "cp02", "gout")
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ParameterError, match="new or empty folder"):
        look(registered, "cp02", out=tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_a_case_of_two_frames_asks_which(registered: Registered) -> None:
    path = registered[0].prepared("classification") / "frames.parquet"
    before = read_parquet(path)
    try:
        before.assign(case_id=before["case_id"].replace("cp01", "cp00")).replace(
            {"case_id": {"cp00": "both"}}
        ).to_parquet(path)
        with pytest.raises(ParameterError, match="a case of 2 frames, try cp00, cp01"):
            look(registered, "both")
        assert look(registered, "cp01")["frame_id"] == "cp01"
    finally:
        before.to_parquet(path)


def test_a_workspace_without_prepared_scans(registered: Registered, tmp_path: Path) -> None:
    empty = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    with pytest.raises(StateError, match="prepared scans"):
        look((empty, *registered[1:]), "cp02")
    with pytest.raises(StateError, match="never split"):
        relevance_check(empty, registered[2], "slices", registry=registered[1], load_predictor=load_predictor)


@pytest.mark.parametrize("level", ["features", "slices"])
def test_the_check_over_held_out_patients(registered: Registered, level: str) -> None:
    workspace, registry, version = registered
    damaged = workspace.prepared("classification") / "frames" / "cp03.b2nd"
    content = damaged.read_bytes()
    try:
        damaged.write_bytes(content[:100])
        result = relevance_check(
            workspace, version, level, registry=registry, load_predictor=load_predictor,
            params=DeletionParams(draws=4, min_patients=3),
        )  # fmt: skip
    finally:
        damaged.write_bytes(content)
    assert result["level"] == level
    assert len(result["findings"]) == 18
    assert max(item["patients"] for item in result["findings"]) <= 3
    written = json.loads(Path(result["report"]).read_text())
    assert written["findings"] == json.loads(json.dumps(result["findings"]))
    assert len(check_table(result).split("\n")) == 18


def test_an_unknown_level_is_refused(registered: Registered) -> None:
    workspace, registry, version = registered
    with pytest.raises(ParameterError, match="features or slices"):
        relevance_check(workspace, version, "voxels", registry=registry, load_predictor=load_predictor)


@pytest.mark.parametrize("words", [[], ["cp02", "--check", "features"]])
def test_a_case_or_a_check(registered: Registered, words: list[str]) -> None:
    result = CliRunner().invoke(app, ["where-to-look", *words, "--workspace", str(registered[0].root)])
    assert isinstance(result.exception, ParameterError)
    assert "CASE or --check LEVEL" in str(result.exception)
