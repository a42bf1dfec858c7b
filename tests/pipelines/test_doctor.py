"""The doctor says what to fix, changes nothing, and finishes whatever is broken."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.cohort.pseudonym import key_fingerprint
from pipelines.batch_list import Batch, BatchList, Source, record_source, write_batches
from pipelines.checkup import machine, parameters, stores
from pipelines.checkup.check import Check
from pipelines.doctor import doctor
from pipelines.offline import OFF
from pipelines.workspace import Workspace

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("CTLOOP_PSEUDONYM_KEY", "CTLOOP_DATABASE_URL", "CTLOOP_MLFLOW_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in OFF.items():
        monkeypatch.setenv(name, value)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in (".dvc/config", "dvc.yaml", "requirements.lock", "pipelines/params.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "pipelines" / "teacher", tmp_path / "pipelines" / "teacher")
    return Workspace(root=tmp_path.resolve(), state=tmp_path.resolve() / ".ctloop")


def made_with(workspace: Workspace, key: str) -> None:
    batch = Batch(name="one", digest="d" * 64, files=1)
    batches = {"segmentation": (batch,), "classification": ()}
    write_batches(workspace, BatchList(pseudonym_key=key_fingerprint(key.encode()), batches=batches))


def store_key(workspace: Workspace, mode: int) -> None:
    workspace.state.mkdir(exist_ok=True)
    workspace.pseudonym_key.write_text(KEY)
    workspace.pseudonym_key.chmod(mode)


def test_every_check_has_a_verdict_and_a_fix_and_nothing_is_made(workspace: Workspace) -> None:
    before = sorted(workspace.root.rglob("*"))
    findings = doctor(workspace)
    assert {finding.name for finding in findings} >= {
        "python", "packages", "disk", "memory", "git clone", "dvc", "dvc telemetry", "telemetry",
        "pseudonym key", "batches", "ports", "parameters", "teacher", "strategy", "database",
        "mlflow store", "champions",
    }  # fmt: skip
    assert all(finding.found and finding.fix for finding in findings)
    assert sorted(workspace.root.rglob("*")) == before


def test_nothing_escapes_from_an_empty_folder(tmp_path: Path) -> None:
    def explodes() -> Check:
        raise OSError("no such thing")

    findings = doctor(Workspace(root=tmp_path, state=tmp_path / "s"), extra_checks=(explodes,))
    by_name = {finding.name: finding for finding in findings}
    assert not by_name["git clone"].ok
    assert not by_name["packages"].ok
    assert by_name["explodes"] == Check(
        name="explodes", ok=False, found="OSError: no such thing", fix=by_name["explodes"].fix
    )


def test_differing_and_missing_packages_are_named(workspace: Workspace) -> None:
    (workspace.root / "requirements.lock").write_text("numpy==1.0\nno-such-package==2.0\npytest==0\n# x==1\n")
    finding = machine.packages(workspace)
    assert not finding.ok
    assert "locked 1.0" in finding.found
    assert "no-such-package missing" in finding.found


def test_local_version_tags_do_not_count(workspace: Workspace) -> None:
    (workspace.root / "requirements.lock").write_text("torch==2.13.0\n")
    assert machine.packages(workspace).ok


def test_folder_inside_another_clone_is_no_workspace(workspace: Workspace) -> None:
    assert machine.git_clone(workspace).ok
    inner = Workspace(root=workspace.root / "pipelines", state=workspace.state)
    assert not machine.git_clone(inner).ok


def test_dvc_telemetry_must_be_off_in_the_file(workspace: Workspace) -> None:
    assert machine.dvc_telemetry(workspace).ok
    (workspace.root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    finding = machine.dvc_telemetry(workspace)
    assert not finding.ok
    assert finding.fix == "dvc config core.check_update false"


def test_unset_telemetry_variable_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    assert "MLFLOW_DISABLE_TELEMETRY" in machine.telemetry(workspace).found


def verdict(workspace: Workspace, name: str) -> Check:
    return next(finding for finding in doctor(workspace) if finding.name == name)


def test_pseudonym_key_is_judged(workspace: Workspace) -> None:
    assert machine.pseudonym_key(workspace).ok
    made_with(workspace, KEY)
    assert machine.pseudonym_key(workspace).found == "lost"
    store_key(workspace, 0o600)
    assert machine.pseudonym_key(workspace).ok


@pytest.mark.parametrize(("key", "mode"), [(KEY, 0o644), ("another key, of enough length", 0o600)])
def test_open_or_foreign_pseudonym_key_is_a_fault(workspace: Workspace, key: str, mode: int) -> None:
    made_with(workspace, key)
    store_key(workspace, mode)
    assert not verdict(workspace, "pseudonym key").ok


def test_lost_scans_are_named_by_batch_only(workspace: Workspace) -> None:
    made_with(workspace, KEY)
    assert machine.batches(workspace).found == "no scans for segmentation/one"
    scans = workspace.root / "Doe^Jane"
    scans.mkdir()
    record_source(workspace, "segmentation", "one", Source(root=scans, cases=None))
    assert machine.batches(workspace).ok
    scans.rmdir()
    finding = machine.batches(workspace)
    assert not finding.ok
    assert "Doe" not in json.dumps([finding.found, finding.fix])


def test_port_in_use_is_seen(workspace: Workspace) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        workspace.params.write_text(f"serve: {{port: {busy.getsockname()[1]}}}\n")
        assert not machine.ports(workspace).ok


def test_wrong_parameter_is_named(workspace: Workspace) -> None:
    workspace.params.write_text("split: {audit_shar: 0.2}\nserv: {}\n")
    finding = parameters.parameters(workspace)
    assert not finding.ok
    assert "'audit_share'" in finding.found
    assert "'serv'" in finding.found


def test_teacher_with_changed_content_is_a_fault(workspace: Workspace) -> None:
    shipped = workspace.params.read_text()
    workspace.params.write_text(shipped.replace("teacher: none", "teacher: bundle", 1))
    assert parameters.teacher(workspace).ok
    (workspace.root / "pipelines" / "teacher" / "human_heart_ct" / "docs" / "README.md").write_text("changed")
    assert not parameters.teacher(workspace).ok


def test_teachers_without_what_they_need_are_faults(workspace: Workspace) -> None:
    shipped = workspace.params.read_text()

    def found(section: str) -> tuple[bool, str]:
        workspace.params.write_text(shipped.replace("    teacher: none\n", section, 1))
        check = parameters.teacher(workspace)
        return check.ok, check.found

    named = "    teacher: registry\n"
    assert found(named) == (False, ": not resolved yet")
    shipped = shipped.replace('resolved_sha256: ""', f"resolved_sha256: {'ab' * 32}").replace(
        "resolved_version: 0", "resolved_version: 3"
    )
    assert found(named) == (True, ": version 3, abababababab")
    assert found("    teacher: rule\n") == (False, "no rules")
    assert found("    teacher: rule\n    rules: {lungs: {window_hu: [-1000, -400]}}\n") == (
        True,
        "rules for lungs",
    )


def test_a_zipped_bundle_is_trusted_by_the_hash_of_its_file(workspace: Workspace) -> None:
    packed = workspace.root / "bundle.zip"
    packed.write_bytes(b"whatever is in it")
    digest = hashlib.sha256(b"whatever is in it").hexdigest()
    text = workspace.params.read_text().replace("    teacher: none\n", "    teacher: bundle\n", 1)
    text = text.replace("bundle: pipelines/teacher/human_heart_ct", "bundle: bundle.zip")
    workspace.params.write_text(text)
    assert digest in parameters.teacher(workspace).fix
    workspace.params.write_text(re.sub("trusted_sha256: [0-9a-f]+", f"trusted_sha256: {digest}", text))
    assert parameters.teacher(workspace).ok


def test_broken_database_is_a_fault(workspace: Workspace) -> None:
    assert stores.database(workspace).ok
    workspace.state.mkdir()
    (workspace.state / "ctloop.db").write_text("not a database" * 100)
    assert not verdict(workspace, "database").ok


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_each_section_is_read_as_the_class_of_its_task(task: str) -> None:
    cls = parameters._params_of("train", task)
    assert cls is not None
    assert cls.__name__.lower() == f"{task}trainparams"


def test_the_shipped_parameters_parse() -> None:
    root = Path(__file__).parents[2]
    finding = parameters.parameters(Workspace(root=root, state=root / ".ctloop"))
    assert finding.ok, finding.found


def test_a_strategy_that_nobody_has_is_a_fault(workspace: Workspace) -> None:
    assert parameters.strategy(workspace).found == "failure_coverage"
    shipped = workspace.params.read_text()
    workspace.params.write_text(shipped.replace("strategy: failure_coverage", "strategy: coverage", 1))
    assert "failure_coverage, random" in parameters.strategy(workspace).found
    workspace.params.write_text(shipped.replace("baseline: random", "baseline: nothing", 1))
    assert not parameters.strategy(workspace).ok
