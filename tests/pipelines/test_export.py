"""A registered classifier leaves as OpenVINO models that answer as it does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from components.errors import ParameterError, StateError
from components.models.package import load_predictor
from components.models.scroll_export import read_export
from components.registry.registry import ModelVersion
from pipelines.evaluate import evaluate
from pipelines.export import export
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

Registered = tuple[Workspace, KeepingRegistry, ModelVersion]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    workspace = make_workspace(tmp_path_factory.mktemp("site"), "classification", train=3, test=3)
    commit_with_lock(workspace, "classification")
    evaluate(workspace, "classification")
    registry = KeepingRegistry(tmp_path_factory.mktemp("kept"))
    version = register(workspace, "classification", registry, LedgerInMemory(), name="ctloop-test")
    return workspace, registry, version


@pytest.mark.parametrize("number", ["float32", "int8"])
def test_the_export_says_how_near_it_is_and_is_that_near(
    registered: Registered, tmp_path: Path, number: str
) -> None:
    workspace, registry, version = registered
    said = export(workspace, version, tmp_path / "e", registry=registry, number=number, scans=2)  # type: ignore[arg-type]
    facts = json.loads((tmp_path / "e" / "export.json").read_text())
    assert said["largest"] == facts["parity"]["largest"] <= facts["parity"]["tolerance"]
    assert (said["scans"], facts["package_hash"]) == (2, version.package_hash)
    network = load_predictor(registry.fetch(version)).network
    z, y, x = facts["input"]["shape"]
    image = torch.rand(1, z, y, x)
    exported = read_export(tmp_path / "e", network).run(image, None)
    assert torch.allclose(exported.sigmoid(), network(image)[0].sigmoid(), atol=0.05)


def test_what_cannot_be_exported_is_said(registered: Registered, tmp_path: Path) -> None:
    workspace, registry, version = registered
    with pytest.raises(ParameterError, match="at least one scan"):
        export(workspace, version, tmp_path / "e", registry=registry, number="int8", scans=0)
    other = make_workspace(tmp_path / "site", "segmentation", train=2, test=2)
    commit_with_lock(other, "segmentation")
    evaluate(other, "segmentation")
    kept = KeepingRegistry(tmp_path / "kept")
    unet = register(other, "segmentation", kept, LedgerInMemory(), name="ctloop-test")
    with pytest.raises(StateError, match="a CT-Scroll, got UNet"):
        export(other, unet, tmp_path / "e", registry=kept, number="float32", scans=1)
    assert not (tmp_path / "e").exists()
