"""When criteria were set, in a repository with dated commits."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from components.labeling.request import LabelingRequest
from components.registry.registry import ModelVersion
from pipelines.pilot.criteria_history import data_moments, last_change, set_beforehand
from pipelines.workspace import Workspace

CRITERIA = {"macro_auroc": 0.8}
VERSION = ModelVersion(
    name="ctloop-classification", version=1, package_hash="0" * 64, run_id="r", aliases=("champion",), tags={},
    created_at="2026-02-01T12:00:00+00:00",
)  # fmt: skip
JUDGED = [("c1", "one"), ("c2", "one")]
ASKED = LabelingRequest(
    task="classification", case_id="c1", frame_id="c1", patient_id="p", batch="one", reason="audit", measured=None,
    threshold=None, model_version="none", evidence="audit sample", budget_minutes=5.0,
    opened_at="2026-01-20T10:00:00+00:00", due="", status="answered", answered_at="2026-01-21T10:00:00+00:00",
)  # fmt: skip


class Repository:
    """A workspace whose parameters and batches are committed on stated days of 2026."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root=root, state=root / ".ctloop")
        (root / "pipelines").mkdir()
        self.package = root / "package"
        self._git("init", "-q")

    def write(self, criteria: object, other: int = 0) -> None:
        content = {"pilot_report": {"criteria": criteria}, "other": other}
        self.workspace.params.write_text(yaml.safe_dump(content))

    def add_batch(self, name: str) -> None:
        self.workspace.batches.parent.mkdir(exist_ok=True)
        self.workspace.batches.write_text(yaml.safe_dump({"classification": [{"name": name}]}))

    def commit(self, day: str) -> str:
        self._git("add", "--all", when=f"2026-{day}T12:00:00+00:00")
        self._git("commit", "-qm", day, when=f"2026-{day}T12:00:00+00:00")
        return self._git("rev-parse", "HEAD").strip()

    def timing(self) -> str:
        found = set_beforehand(self.workspace, VERSION, self.package, JUDGED, [ASKED])
        return str(found["timing"])

    def _git(self, *words: str, when: str = "") -> str:
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when} if when else {}
        command = ("git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words)
        done = subprocess.run(
            command,
            cwd=self.workspace.root,
            env={**os.environ, **dates},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_the_last_change_is_of_the_criteria_not_of_the_file(repository: Repository) -> None:
    repository.write(None)
    repository.commit("01-01")
    repository.write(CRITERIA)
    commit = repository.commit("01-02")
    repository.write(CRITERIA, other=1)
    repository.commit("01-03")
    found = last_change(repository.workspace)
    assert found is not None
    assert (found.commit, found.at[:10], found.changes) == (commit, "2026-01-02", 1)


def test_criteria_that_came_back_count_as_changed_again(repository: Repository) -> None:
    for day, value in (("01-01", CRITERIA), ("01-02", {"macro_auroc": 0.6}), ("01-03", CRITERIA)):
        repository.write(value)
        repository.commit(day)
    found = last_change(repository.workspace)
    assert found is not None
    assert (found.at[:10], found.changes) == ("2026-01-03", 3)


@pytest.mark.parametrize(
    ("day", "timing"),
    [("01-10", "before the data"), ("01-25", "before the model"), ("02-10", "after the evaluation")],
)
def test_the_commit_is_compared_with_data_and_model(repository: Repository, day: str, timing: str) -> None:
    repository.write(CRITERIA)
    repository.commit(day)
    assert repository.timing() == timing


def test_what_is_not_committed_was_not_set_beforehand(repository: Repository) -> None:
    repository.write({"macro_auroc": 0.9})
    repository.commit("01-01")
    repository.write(CRITERIA)
    assert repository.timing() == "not committed"


def test_a_batch_is_there_when_it_is_committed_or_asked_about(repository: Repository) -> None:
    repository.write(CRITERIA)
    repository.add_batch("one")
    repository.commit("01-15")
    found = data_moments(repository.workspace, JUDGED, [ASKED])
    assert [(moment.what, moment.at[:10]) for moment in found] == [
        ("batch one there, at the latest", "2026-01-15"),
        ("first expert answer about a judged study", "2026-01-21"),
    ]
    early = dataclasses.replace(ASKED, opened_at="2026-01-14T10:00:00+00:00")
    assert data_moments(repository.workspace, JUDGED, [early])[0].at == early.opened_at


def test_a_batch_of_unknown_time_makes_the_timing_unknown(repository: Repository) -> None:
    repository.write(CRITERIA)
    repository.commit("01-10")
    found = set_beforehand(repository.workspace, VERSION, repository.package, [("c9", "two")], [])
    assert found["timing"] == "unknown"


def test_the_archive_of_the_model_bears_witness(repository: Repository) -> None:
    repository.write(CRITERIA)
    repository.commit("01-10")

    def archived() -> object:
        return set_beforehand(repository.workspace, VERSION, repository.package, JUDGED, [])[
            "archived_with_the_model"
        ]

    assert archived() is None
    (repository.package / "lineage").mkdir(parents=True)
    (repository.package / "lineage" / "params.yaml").write_text(repository.workspace.params.read_text())
    assert archived() is True
    repository.write({"macro_auroc": 0.1})
    assert archived() is False


def test_a_commit_that_the_archive_contradicts_proves_nothing(repository: Repository) -> None:
    repository.write({"macro_auroc": 0.9})
    (repository.package / "lineage").mkdir(parents=True)
    (repository.package / "lineage" / "params.yaml").write_text(repository.workspace.params.read_text())
    repository.write(CRITERIA)
    repository.commit("01-10")
    assert repository.timing() == "contradicted"
