"""A teacher named by an alias is pinned before DVC runs, and the stage uses what is pinned."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import yaml

from components.adapters.mlflow_registry import MlflowRegistry
from components.errors import ParameterError, StateError
from components.models.description import InputContract, ModelDescription
from components.models.package import write_model
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.registry.package import assemble_package
from pipelines.composition import Services
from pipelines.pseudo_label import pseudo_label
from pipelines.resolve_teacher import resolve_teacher
from pipelines.workspace import Workspace
from tests.components.registry.packages import write_parts
from tests.pipelines.test_pseudo_label import workspace_of

NAME = "ctloop-segmentation"
SECTION = f"""
# a comment that stays
pseudo_label:
  segmentation:
    teacher: registry
    model: "models:/{NAME}@champion"  # who teaches
    resolved_version: 0
    resolved_sha256: ""
    labels: {{heart: heart}}
    threads: 1
  classification: {{teacher: none}}
labels: {{structures: [heart]}}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose registry holds two untrained models, the first the champion."""
    state = tmp_path_factory.mktemp("state")
    registry = MlflowRegistry(uri=f"sqlite:///{state / 'mlflow.db'}", artifacts=state / "mlartifacts")
    for seed in (1, 2):
        package, digest = package_of(state / f"made-{seed}", seed)
        registry.register(NAME, package, package_hash=digest, tags={})
    registry.set_alias(NAME, "champion", 1)
    return state


def package_of(folder: Path, seed: int) -> tuple[Path, str]:
    torch.manual_seed(seed)
    config = UNetConfig(classes=2, widths=(4, 8))
    description = ModelDescription(
        task="segmentation",
        architecture=dataclasses.asdict(config),
        input=InputContract(spacing_mm=(4.0, 4.0, 4.0), window_hu=(-200.0, 600.0), shape=(16, 16, 16)),
        label_names=("heart",),
    )
    parts = write_parts(folder / "parts")
    write_model(parts["model"], UNet(config), description)
    return folder / "package", assemble_package(folder / "package", lineage={}, **parts)


@pytest.fixture
def workspace(tmp_path: Path, store: Path) -> Workspace:
    return Workspace(root=workspace_of(tmp_path / "w", SECTION).root, state=store)


def registry_of(workspace: Workspace) -> MlflowRegistry:
    return MlflowRegistry(uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts)


def pinned(workspace: Workspace) -> dict[str, object]:
    section = yaml.safe_load(workspace.params.read_text())["pseudo_label"]["segmentation"]
    return {key: section[key] for key in ("resolved_version", "resolved_sha256")}


def test_the_name_is_pinned_once(workspace: Workspace) -> None:
    champion = registry_of(workspace).by_alias(NAME, "champion")
    assert champion is not None
    assert resolve_teacher(workspace)
    assert pinned(workspace) == {"resolved_version": 1, "resolved_sha256": champion.package_hash}
    assert "# a comment that stays" in workspace.params.read_text()
    text = workspace.params.read_text()
    assert not resolve_teacher(workspace)
    assert workspace.params.read_text() == text


def test_an_alias_that_moved_changes_what_dvc_sees(workspace: Workspace) -> None:
    resolve_teacher(workspace)
    before = pinned(workspace)
    registry_of(workspace).set_alias(NAME, "champion", 2)
    try:
        assert resolve_teacher(workspace)
    finally:
        registry_of(workspace).set_alias(NAME, "champion", 1)
    assert pinned(workspace)["resolved_version"] == 2
    assert pinned(workspace)["resolved_sha256"] != before["resolved_sha256"]


def test_the_stage_runs_what_is_pinned_wherever_the_alias_points(workspace: Workspace) -> None:
    resolve_teacher(workspace)
    registry_of(workspace).set_alias(NAME, "champion", 2)
    try:
        pseudo_label(workspace, "segmentation")
    finally:
        registry_of(workspace).set_alias(NAME, "champion", 1)
    manifest = json.loads((workspace.pseudo("segmentation") / "manifest.json").read_text())
    assert manifest["teacher"] == f"{NAME}/1"
    assert len(manifest["labelled"]) + len(manifest["refused"]) == 1  # untrained, it may find nothing


def test_the_stage_refuses_a_name_that_nobody_resolved(workspace: Workspace) -> None:
    with pytest.raises(ParameterError, match=r"resolved_sha256.*ctloop pseudo-label"):
        pseudo_label(workspace, "segmentation")


def test_a_name_that_stands_for_nothing_is_refused(workspace: Workspace) -> None:
    workspace.params.write_text(SECTION.replace("@champion", "@nobody"))
    with pytest.raises(StateError, match="nothing of this name"):
        resolve_teacher(workspace)


def test_parameters_of_an_earlier_version_get_the_keys(workspace: Workspace) -> None:
    older = [line for line in SECTION.splitlines() if "resolved_" not in line]
    workspace.params.write_text("\n".join(older) + "\n")
    assert resolve_teacher(workspace)
    assert pinned(workspace)["resolved_version"] == 1


def test_a_task_is_not_stopped_by_the_teacher_of_the_other(workspace: Workspace) -> None:
    workspace.params.write_text(SECTION.replace("@champion", "@nobody"))
    assert not resolve_teacher(workspace, ("classification",))


def test_a_program_is_pinned_by_its_version(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    def section(program: str, version: str) -> str:
        command = f'[{program}, "{{input}}", "{{output}}"]'
        return (
            f"pseudo_label:\n  segmentation:\n    teacher: command\n    command: {command}\n"
            f"    version_command: [echo, '{version}']\n    resolved_sha256: \"\"\n"
            "  classification: {teacher: none}\n"
        )

    found = []
    for version in ("1.0", "2.0"):
        workspace.params.write_text(section("sh", version))
        assert resolve_teacher(workspace)
        assert not resolve_teacher(workspace)
        found.append(
            yaml.safe_load(workspace.params.read_text())["pseudo_label"]["segmentation"]["resolved_sha256"]
        )
    assert len({*found, ""}) == 3
    workspace.params.write_text(section("no-such-program", "1.0"))
    assert not resolve_teacher(workspace)
    assert "no 'no-such-program' on PATH" in capsys.readouterr().err


def test_other_teachers_are_left_alone(workspace: Workspace) -> None:
    workspace.params.write_text("pseudo_label: {teacher: none}\n")
    assert not resolve_teacher(workspace)


def test_a_version_that_was_rolled_back_teaches_no_more(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTLOOP_DATABASE_URL", f"sqlite:///{tmp_path / 'own.db'}")
    ledger = Services(workspace).store
    before = {"version": 2, "package_hash": "h", "from": 1, "reason": "artefacts"}
    ledger.append("rollback", f"{NAME}/2", before)
    with pytest.raises(StateError, match="rolled back: artefacts"):
        resolve_teacher(workspace)
    ledger.append(
        "promote", f"{NAME}/1", {"version": 1, "package_hash": "h", "previous": 2, "reason": "again"}
    )
    assert resolve_teacher(workspace)
    ledger.close()
