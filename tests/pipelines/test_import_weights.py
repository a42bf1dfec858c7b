"""The authors' checkpoint becomes a registered version, judged where there are held-out patients, or nothing at all."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from components.adapters.parquet import read_parquet
from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import InputError
from components.models.ct_scroll import PUBLISHED, CTScrollConfig
from components.models.package import load_predictor
from pipelines import import_weights
from pipelines.bench.plain_ct_scroll import PlainCTScroll
from pipelines.gate import gate
from pipelines.import_weights import import_ct_scroll, read_thresholds
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.judged_workspace import make_workspace
from tests.pipelines.test_judging import KeepingRegistry

NAME = "ctloop-test"
SMALL = dataclasses.replace(PUBLISHED, widths=(4, 8), embedding=8, heads=2, window=2, hidden=8)
SPOKEN = {name.replace("_", " ").capitalize(): 0.1 + 0.04 * i for i, name in enumerate(CT_RATE_FINDINGS)}


def checkpoint(path: Path, config: CTScrollConfig) -> Path:
    torch.manual_seed(0)
    torch.save(PlainCTScroll(config).state_dict(), path)
    return path


def thresholds(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published contract on a small grid, so that judging is quick."""
    whole = import_weights.published_description()
    contract = dataclasses.replace(whole.input, spacing_mm=(4.0, 4.0, 4.0), shape=(18, 16, 16))
    said = dataclasses.replace(whole, architecture=dataclasses.asdict(SMALL), input=contract)
    monkeypatch.setattr(import_weights, "published_description", lambda: said)


def test_published_weights_are_registered_where_nothing_else_is_yet(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "site", "classification", train=1, test=1)
    workspace.split("classification").unlink()
    registry, ledger = KeepingRegistry(tmp_path / "kept"), LedgerInMemory()
    file, called = (
        checkpoint(tmp_path / "a.pth", PUBLISHED),
        thresholds(tmp_path / "t.json", {"thresholds": SPOKEN}),
    )
    version = import_ct_scroll(
        workspace, file, thresholds=called, registry=registry, ledger=ledger, name=NAME
    )
    assert version.aliases == ("challenger",)
    assert len(version.tags["weights_sha256"]) == 64
    predictor = load_predictor(registry.fetch(version))
    assert predictor.label_names == CT_RATE_FINDINGS
    assert predictor.description.input.shape == (240, 480, 480)
    assert predictor.thresholds["lung_nodule"] == pytest.approx(SPOKEN["Lung nodule"])
    assert json.loads((registry.fetch(version) / "metrics.json").read_text())["patients"] == 0
    again = import_ct_scroll(workspace, file, thresholds=called, registry=registry, ledger=ledger, name=NAME)
    assert again == version
    assert len(ledger.entries("register")) == 1


@pytest.mark.usefixtures("small")
def test_it_is_judged_on_held_out_patients_and_the_gate_takes_it(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "site", "classification", train=2, test=4)
    registry, ledger = KeepingRegistry(tmp_path / "kept"), LedgerInMemory()
    file = checkpoint(tmp_path / "a.pth", SMALL)
    version = import_ct_scroll(workspace, file, thresholds=None, registry=registry, ledger=ledger, name=NAME)
    package = registry.fetch(version)
    metrics = json.loads((package / "metrics.json").read_text())
    assert (metrics["patients"], metrics["labels"]) == (4, "expert")
    assert len(read_parquet(package / "reference.parquet")) == 4
    verdict = gate(workspace, "classification", registry, ledger, name=NAME, load_predictor=load_predictor)
    assert verdict.outcome == "not enough evidence"


@pytest.mark.usefixtures("small")
def test_nothing_is_registered_when_a_part_does_not_fit(tmp_path: Path) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    make_workspace(tmp_path, "classification", train=1, test=1)
    registry, ledger = KeepingRegistry(tmp_path / "kept"), LedgerInMemory()
    good, bad = checkpoint(tmp_path / "a.pth", SMALL), tmp_path / "b.pth"
    bad.write_bytes(b"torn")
    few = thresholds(tmp_path / "t.json", {"thresholds": {"Lung nodule": 0.4}})
    for file, called in ((bad, None), (good, few)):
        with pytest.raises(InputError):
            import_ct_scroll(workspace, file, thresholds=called, registry=registry, ledger=ledger, name=NAME)
    assert registry.versions(NAME) == ()
    assert ledger.entries("register") == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "cannot be read"),
        ({"thresholds": {**SPOKEN, "Lung nodule": "high"}}, "cannot be read"),
        ({"thresholds": {**SPOKEN, "Lung nodule": 1.5}}, "1.5 for lung_nodule"),
        ({"thresholds": {**SPOKEN, "Lung  nodule": 0.5}}, "a label twice"),
        ({"thresholds": {**SPOKEN, "Broken rib": 0.5}}, "the unknown 'broken_rib'"),
        ({"thresholds": {k: v for k, v in SPOKEN.items() if k != "Emphysema"}}, "nothing for emphysema"),
    ],
)
def test_thresholds_that_do_not_fit_are_named(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_thresholds(thresholds(tmp_path / "t.json", content))
