"""From register to the page: what is in a dossier, what its hash covers, and what became of the version since."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import pipelines
from components.adapters.mlflow_registry import MlflowRegistry
from components.cohort.task import TASKS
from components.errors import ParameterError, StateError
from components.registry.change_control import within_limits
from components.registry.dossier import DossierParams, read_dossier
from components.registry.ledger import Ledger
from components.registry.package import archive_hash, package_hash
from components.registry.registry import ModelVersion, Registry
from pipelines.dossier import as_text, dossier, dossier_folder
from pipelines.package_dossier import TAG
from pipelines.params import load_section
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory

TASK, NAME = "segmentation", "ctloop-segmentation"


class Keeping(RegistryInMemory):
    """Copies the packages: ``register`` makes them in a temporary folder."""

    def __init__(self, kept: Path) -> None:
        super().__init__()
        self._kept = kept

    def register(self, name, package, *, package_hash, tags):  # type: ignore[no-untyped-def]
        if not (self._kept / package_hash).exists():
            shutil.copytree(package, self._kept / package_hash)
        return super().register(name, self._kept / package_hash, package_hash=package_hash, tags=tags)


def sidecar(frame: str, **more: Any) -> str:
    return json.dumps({"provenance": "expert", "label_sha256": frame.encode().hex().ljust(64, "0"), **more})


def interval(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "patients": 2}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """As evaluate leaves it: patients a, b train, c, d judge; no network is needed to register."""
    root = tmp_path / "site"
    workspace = Workspace(root=root, state=root / ".ctloop")
    (root / "pipelines").mkdir(parents=True)
    shutil.copy(Path(pipelines.__file__).with_name("params.yaml"), workspace.params)
    people = {"a": "train", "b": "train", "c": "test", "d": "test"}
    rows = [
        {"frame_id": f"f{p}", "case_id": f"f{p}", "patient_id": f"patient-{p}", "batch": "one", "site": "north",
         "manufacturer": "ACME", "model": "1", "kernel": "B30",
         "acquired_at": "2024-02-03", "sex": "F", "age_years": 40.0}
        for p in people
    ]  # fmt: skip
    for folder in (workspace.prepared(TASK), workspace.labels(TASK), workspace.pseudo(TASK)):
        folder.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(workspace.prepared(TASK) / "frames.parquet")
    split = {
        "seed": 0,
        "assignments": {f"patient-{p}": side for p, side in people.items()},
        "batches": {f"patient-{p}": "one" for p in people},
    }
    workspace.split(TASK).write_text(json.dumps(split))
    for p in "acd":
        path = workspace.labels(TASK) / f"f{p}.sidecar.json"
        path.write_text(sidecar(f"f{p}", annotator="reader-1", minutes=10.0, request_id=f"r{p}"))
    taught = {"provenance": "pseudo", "teacher": "heart/2", "teacher_fingerprint": "e" * 64}
    (workspace.pseudo(TASK) / "fb.sidecar.json").write_text(sidecar("fb", **taught))
    write_model(workspace, weights=b"first")
    lock = {
        "stages": {
            f"train@{TASK}": {
                "deps": [
                    {"path": f"data/{TASK}/labels", "md5": "abc.dir"},
                    {"path": "components/models", "md5": "code1.dir"},
                ]
            }
        }
    }
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    git(root, "init", "-q")
    commit(root)
    return workspace


def write_model(workspace: Workspace, *, weights: bytes, dice: float = 0.8) -> None:
    model, judged = workspace.model(TASK), workspace.evaluation(TASK)
    for folder in (model, judged):
        folder.mkdir(parents=True, exist_ok=True)
    contract = {
        "spacing_mm": [4.0, 4.0, 4.0],
        "window_hu": [-200.0, 600.0],
        "shape": [48, 48, 48],
        "shift": 0.0,
    }
    description = {
        "format": 1, "task": TASK, "input": contract, "label_names": ["aorta"], "architecture": {"classes": 2},
        "weights_sha256": "w" * 64, "training": {"labels": {"expert": 1, "pseudo": 1}, "seed": 0},
    }  # fmt: skip
    (model / "model.json").write_text(json.dumps(description))
    (model / "weights.safetensors").write_bytes(weights)
    (judged / "calibration.json").write_text(json.dumps({"thresholds": {}, "source": "none"}))
    (judged / "reference.parquet").write_bytes(b"reference")
    metrics = {
        "task": TASK, "patients": 2, "frames_failed": 0, "structures_not_drawn": [],
        "dice": {"mean": interval(dice), "aorta": interval(dice)},
        "subgroups": [{"column": "sex", "value": "F", "patients": 2, "judged": True, "dice": interval(dice)}],
    }  # fmt: skip
    workspace.metrics(TASK).write_text(json.dumps(metrics))


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(("git", *identity, *arguments), cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "dvc.lock", "pipelines")
    git(root, "commit", "-qm", "data")


def change_params(workspace: Workspace, change: Any) -> None:
    tree = yaml.safe_load(workspace.params.read_text())
    change(tree)
    workspace.params.write_text(yaml.safe_dump(tree))
    commit(workspace.root)


def registered(
    workspace: Workspace, registry: Registry, ledger: Ledger
) -> tuple[ModelVersion, dict[str, Any]]:
    version = register(workspace, TASK, registry, ledger, name=NAME)
    return version, read_dossier(registry.fetch(version))


def test_a_first_version_tells_its_data_labels_and_tests(workspace: Workspace, tmp_path: Path) -> None:
    version, found = registered(workspace, Keeping(tmp_path / "kept"), LedgerInMemory())
    assert found["identity"] == {"name": NAME, "task": TASK, "package_hash": version.package_hash}
    train = found["data"]["sides"]["train"]
    assert (train["patients"], train["groups"]["site"], train["groups"]["scanner"]) == (
        2,
        {"north": 2},
        {"ACME 1": 2},
    )
    assert found["data"]["hashes"] == {f"data/{TASK}/labels": "abc.dir"}
    labels = found["labels"]
    assert labels["sides"] == {"train": {"expert": 1, "pseudo": 1}, "test": {"expert": 2}}
    assert labels["annotators"] == [
        {"annotator": "reader-1", "test": 2, "train": 1, "minutes": 30.0, "with_minutes": 3}
    ]
    assert labels["teachers"] == [{"teacher": "heart/2", "fingerprint": "e" * 64, "labels": 1}]
    assert {(row["metric"], row["label"]) for row in found["tests"]["metrics"]} == {
        ("dice", "mean"),
        ("dice", "aorta"),
    }
    assert found["tests"]["strata"][0]["metrics"][0]["low"] == pytest.approx(0.75)
    assert found["changes"] is None
    card = found["model_card"]
    assert card["evaluation_data"]["judged_by"] == [{"annotator": "reader-1", "labels": 2}]
    assert card["metrics"]["floors"]["gate"]["floor"] == 0.5
    assert found["not_stated"] == [
        "owner",
        "intended_use",
        "intended_users",
        "out_of_scope",
        "limits",
        "risks",
    ]
    assert any("one site: north" in limit for limit in card["caveats_and_recommendations"]["found"])


def test_words_of_people_come_from_the_parameters(workspace: Workspace, tmp_path: Path) -> None:
    def state(tree: Any) -> None:
        tree["dossier"][TASK]["card"] |= {"owner": "Imaging", "intended_use": ["Volumes of adults."]}
        tree["dossier"][TASK]["risks"] = [{"risk": "Motion", "mitigation": "An expert is asked."}]

    change_params(workspace, state)
    version, found = registered(workspace, registry := Keeping(tmp_path / "kept"), LedgerInMemory())
    assert found["model_card"]["intended_use"]["primary_intended_uses"] == ["Volumes of adults."]
    assert found["risks"][0]["mitigation"] == "An expert is asked."
    page = (registry.fetch(version) / "dossier" / "index.html").read_text()
    assert "Volumes of adults." in page
    assert "An expert is asked." in page
    change_params(workspace, lambda tree: tree["dossier"][TASK]["card"].update(intended_usage=["x"]))
    with pytest.raises(ParameterError, match="intended_us"):
        register(workspace, TASK, registry, LedgerInMemory(), name=NAME)


def test_a_challenger_tells_what_changed_and_the_limits_judge_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    registry, ledger = Keeping(tmp_path / "kept"), LedgerInMemory()
    change_params(workspace, lambda tree: tree["dossier"][TASK]["change_control"].update(
        max_automatic_promotions=1, max_new_label_share=0.5, min_gate_patients=0))  # fmt: skip
    first, parent = registered(workspace, registry, ledger)
    registry.set_alias(NAME, "champion", 1)
    registry.set_alias(NAME, "challenger", None)
    (workspace.labels(TASK) / "fb.sidecar.json").write_text(sidecar("fb", annotator="reader-2"))
    write_model(workspace, weights=b"second", dice=0.85)
    second, found = registered(workspace, registry, ledger)
    changes = found["changes"]
    assert changes["parent"] == {"version": f"{NAME}/1", "package_hash": first.package_hash}
    assert changes["labels"] == {"new": {"expert": 1}, "removed": {}, "new_share": 0.5, "removed_share": 0.0}
    (mean,) = [row for row in changes["metrics"] if row["label"] == "mean"]
    assert mean["difference"] == pytest.approx(0.05)
    verdict = {
        "outcome": "accepted",
        "checks": [{"name": "superiority", "lower": 0.01}],
        "context": {
            "challenger": {"package_hash": second.package_hash},
            "champion": {"package_hash": first.package_hash},
        },
    }
    assert within_limits(found, parent, verdict=verdict, automatic_promotions=0) == ()

    change_params(workspace, lambda tree: tree["train"][TASK]["plan"].update(seed=7))
    lock = workspace.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("code1", "code2"))
    write_model(workspace, weights=b"third")
    _, third = registered(workspace, registry, ledger)
    reasons = within_limits(third, parent, verdict=verdict, automatic_promotions=0)
    assert any("train.segmentation.plan.seed" in reason for reason in reasons)
    assert any("components/models" in reason for reason in reasons)


def test_its_hash_covers_it_and_it_leaves_the_package_the_same(workspace: Workspace, tmp_path: Path) -> None:
    registry, ledger = Keeping(tmp_path / "kept"), LedgerInMemory()
    version, _ = registered(workspace, registry, ledger)
    package = registry.fetch(version)
    before = package_hash(package), archive_hash(package)
    content = (package / "dossier" / "dossier.json").read_text()
    (package / "dossier" / "dossier.json").write_text("{}")
    assert package_hash(package) == before[0]
    assert archive_hash(package) != before[1]
    (package / "dossier" / "dossier.json").write_text(content)
    registry.set_alias(NAME, "champion", 1)
    assert register(workspace, TASK, registry, ledger, name=NAME).version == 1  # beside itself it is the same
    (entry,) = ledger.entries("register")
    assert len(entry.payload["lineage"][TAG]) == 64


def test_a_tampered_dossier_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    registry = MlflowRegistry(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifacts=tmp_path / "artifacts")
    version = register(workspace, TASK, registry, LedgerInMemory(), name=NAME)
    assert read_dossier(registry.fetch(version))["identity"]["package_hash"] == version.package_hash
    shutil.rmtree(tmp_path / "packages")
    for name in ("dossier.json", "index.html"):
        (stored,) = (tmp_path / "artifacts").rglob(f"dossier/{name}")
        good = stored.read_bytes()
        stored.write_bytes(good + b" ")
        with pytest.raises(StateError, match="lineage and dossier"):
            registry.fetch(version)
        stored.write_bytes(good)
    assert registry.fetch(version).is_dir()


def test_the_job_adds_what_the_ledger_says_since(workspace: Workspace, tmp_path: Path) -> None:
    registry, ledger = Keeping(tmp_path / "kept"), LedgerInMemory()
    version, _ = registered(workspace, registry, ledger)
    ledger.append("gate", f"{NAME}/1", {"outcome": "accepted", "reason": "above the floor"})
    ledger.append("promote", f"{NAME}/1", {"reason": "above the floor", "by": "engineer"})
    ledger.append("rollback", f"{NAME}/2", {"reason": "of another", "from": 3})
    content = dossier(workspace, TASK, version, registry=registry, ledger=ledger)
    assert [entry["kind"] for entry in content["registered"]["history"]] == ["register", "gate", "promote"]
    folder = dossier_folder(workspace, TASK, version)
    assert {**json.loads((folder / "dossier.json").read_text()), "report": content["report"]} == content
    page = (folder / "index.html").read_text()
    assert "accepted: above the floor" in page
    assert "(by engineer)" in page
    assert as_text(content).startswith(f"{NAME}/1: not stated: owner")
    elsewhere = dossier(workspace, TASK, version, registry=registry, ledger=ledger, out=tmp_path / "audit")
    assert elsewhere["report"] == str(tmp_path / "audit" / "index.html")


def test_no_patient_case_or_day_is_on_the_page(workspace: Workspace, tmp_path: Path) -> None:
    version, _ = registered(workspace, registry := Keeping(tmp_path / "kept"), LedgerInMemory())
    for name in ("index.html", "dossier.json"):
        text = (registry.fetch(version) / "dossier" / name).read_text()
        assert not any(secret in text for secret in ("patient-a", '"fa"', "2024-02", str(tmp_path)))


def test_a_package_without_a_dossier_says_so(workspace: Workspace, tmp_path: Path) -> None:
    version, _ = registered(workspace, registry := Keeping(tmp_path / "kept"), LedgerInMemory())
    shutil.rmtree(registry.fetch(version) / "dossier")
    with pytest.raises(StateError, match="registered before there were any"):
        dossier(workspace, TASK, version, registry=registry, ledger=LedgerInMemory())


def test_the_shipped_section_promotes_nothing_by_itself() -> None:
    for task in TASKS:
        params = load_section(
            DossierParams, Path(pipelines.__file__).with_name("params.yaml"), "dossier", task
        )
        assert params.change_control.max_automatic_promotions == 0
