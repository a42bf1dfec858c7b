"""Candidates of a retraining, with stages that write what each of them would score."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from components.errors import ParameterError
from components.registry.registry import ModelVersion
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import commit_data, run_quietly
from pipelines.retrain import retrain
from pipelines.retrain_params import RetrainParams
from pipelines.workspace import Workspace
from tests.components.registry.fakes import RegistryInMemory
from tests.pipelines.tracked_workspace import tracked_workspace

# What a stage knows of its candidate is params.yaml; AUROC 0.8 from scratch, 0.9 going on.
TRAIN = (
    "import json, yaml; t = yaml.safe_load(open('pipelines/params.yaml'))['train']['classification'];"
    " s = t['incremental']['start']; open('models/seen', 'w').write(s);"
    " v = {'scratch': SCRATCH, 'champion': 0.9}[s];"
    " json.dump({'auroc': {'macro': {'value': v, 'low': v - 0.1, 'high': v + 0.1, 'patients': 20}}},"
    " open('models/metrics.json', 'w'))"
)


class Packages(RegistryInMemory):
    def fetch(self, version: ModelVersion) -> Path:
        return self.package

    package = Path()


def made(tmp_path: Path, patch: pytest.MonkeyPatch, *, scratch: float, champion: bool = True) -> Workspace:
    workspace, store = tracked_workspace(tmp_path)
    store.close()
    root = workspace.root
    tree = yaml.safe_load((root / "dvc.yaml").read_text())
    tree["stages"]["train"] = {
        "matrix": {"task": ["classification"]},
        "cmd": f'python -c "{TRAIN}"'.replace("SCRATCH", str(scratch)),
        "params": [{"pipelines/params.yaml": ["train.classification"]}],
        "outs": ["models/seen", {"models/metrics.json": {"cache": False}}],
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump(tree))
    params = yaml.safe_load(workspace.params.read_text())
    params["train"] = {"classification": {"incremental": {"start": "scratch"}, "plan": {"epochs": 8}}}
    params["retrain"] = {"classification": {"candidates": ["scratch", "champion"], "budget_minutes": None}}
    workspace.params.write_text(yaml.safe_dump(params))
    run_quietly(root, "git", "add", "--all")
    run_quietly(root, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "x")
    commit_data(root, "start")
    registry = Packages()
    registry.package = tmp_path / "package"
    registry.package.mkdir()
    if champion:
        registry.register(MODEL_NAMES["classification"], tmp_path, package_hash="abc", tags={})
        registry.set_alias(MODEL_NAMES["classification"], "champion", 1)
    patch.setattr(Services, "registry", registry)
    patch.setattr(Workspace, "metrics", lambda self, task: self.root / "models" / "metrics.json")
    return workspace


@pytest.mark.parametrize(("scratch", "best"), [(0.8, "champion"), (0.95, "scratch")])
def test_the_best_candidate_is_brought_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    scratch: float,
    best: str,
) -> None:
    workspace = made(tmp_path, monkeypatch, scratch=scratch)
    done = retrain(workspace, "classification")
    assert (workspace.root / "models" / "seen").read_text() == best
    begun = yaml.safe_load(workspace.params.read_text())["train"]["classification"]["incremental"]
    assert begun["start"] == best
    assert begun.get("package_sha256") == ("abc" if best == "champion" else None)
    rows = json.loads((done.folder / "candidates.json").read_text())
    assert {row["start"]: row["chosen"] for row in rows} == {
        "scratch": best == "scratch",
        "champion": best == "champion",
    }
    said = capfd.readouterr().err
    assert "candidates, auroc/macro on 20 held-out patients:" in said
    assert f"from {best}: {max(scratch, 0.9):.3f}" in said
    assert "← the challenger" in said


def test_without_a_version_in_use_only_scratch_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = made(tmp_path, monkeypatch, scratch=0.5, champion=False)
    (only,) = retrain(workspace, "classification").candidates
    assert (only.start, only.value, only.patients) == ("scratch", 0.5, 20)


@pytest.mark.parametrize(
    "wrong", [{"candidates": ()}, {"candidates": ("scratch", "scratch")}, {"budget_minutes": 0.0}]
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match="different candidates"):
        RetrainParams(**wrong)  # type: ignore[arg-type]
