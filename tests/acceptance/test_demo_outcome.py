"""What `make demo` left behind, read back from its stores. Run after it: `pytest -m acceptance`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines.books import data_hashes, drift_rows, gate_rows, promotions
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import repro, run_quietly
from pipelines.replay import replay
from pipelines.requests import list_requests
from pipelines.workspace import Workspace
from tests.acceptance.identifiers import files_with

DEMO = Path(__file__).parents[2] / ".ctloop" / "demo"
PATIENT = re.compile(rb"(porcine|chest)-[0-9]+-[0-9]{4}")
pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CTLOOP_STATE", "CTLOOP_DATABASE_URL", "CTLOOP_MLFLOW_URI"):
            patch.delenv(name, raising=False)
        yield Services(Workspace.at(DEMO))


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DEMO / "report" / "summary.json").read_text())
    return content


@pytest.mark.parametrize("task", TASKS)
def test_registry_has_champion_previous_and_lineage(services: Services, task: Task) -> None:
    champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    previous = services.registry.by_alias(MODEL_NAMES[task], "previous")
    assert champion is not None
    assert previous is not None
    assert champion.version > previous.version
    assert champion.tags["parent"] == f"{MODEL_NAMES[task]}/{previous.version}"
    assert champion.tags["label_set"] != previous.tags["label_set"]
    known = run_quietly(DEMO, "git", "log", "--format=%H", "--all").split()
    assert champion.tags["git_commit"] in known
    assert champion.tags[f"hash.models/{task}"] == data_hashes(services, task)[f"models/{task}"]


@pytest.mark.parametrize("task", TASKS)
def test_gates_in_the_ledger_are_those_of_the_summary(
    services: Services, summary: dict[str, Any], task: Task
) -> None:
    rows = json.loads(json.dumps(gate_rows(services, task)))
    assert rows == [gate for gate in summary["gates"] if gate["task"] == task]
    assert (
        promotions(services, task)[-1]
        == next(r for r in summary["table"] if r["task"] == task)["champion_after"]
    )
    for gate in rows:
        paired = [p["challenger"] - p["champion"] for p in gate["patients"] if p["champion"] is not None]
        overall = [c for c in gate["checks"] if c["name"] == "non-inferiority" and c["stratum"] == "all"]
        assert not overall or overall[0]["mean"] == pytest.approx(sum(paired) / len(paired))


@pytest.mark.parametrize("task", TASKS)
def test_no_test_patient_was_trained_on(services: Services, task: Task) -> None:
    champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    assert champion is not None
    lineage = json.loads((services.registry.fetch(champion) / "lineage" / "lineage.json").read_text())
    judged = {patient["patient_id"] for gate in gate_rows(services, task) for patient in gate["patients"]}
    assert judged
    assert not judged & set(lineage["training_patients"])


def test_bad_challengers_were_refused(summary: dict[str, Any]) -> None:
    assert summary["bad_challengers"] == {"wrong labels": "refused", "champion against itself": "refused"}


@pytest.mark.parametrize("task", TASKS)
def test_drift_is_seen_where_it_is(services: Services, task: Task) -> None:
    kinds = {row["batch"]: row["kind"] for row in drift_rows(services, task)}
    assert kinds == {"one": "no drift", "two": "drift"}


def test_audit_and_drift_opened_requests_and_all_were_answered(
    services: Services, summary: dict[str, Any]
) -> None:
    rows = list_requests(services.store)
    assert len(rows) == len(summary["requests"])
    assert {"audit", "drift"} <= {row["reason"] for row in rows}
    assert {row["status"] for row in rows} == {"answered"}
    assert all(request.label_set_version for request in services.store.requests())


def test_dag_has_every_stage_of_both_tasks() -> None:
    dag = run_quietly(DEMO, sys.executable, "-m", "dvc", "dag", "--mermaid")
    for stage in ("ingest", "prepare", "split", "pseudo_label", "train", "evaluate"):
        for task in TASKS:
            assert f"{stage}@{task}" in dag


def test_nothing_changed_so_nothing_runs() -> None:
    assert repro(DEMO, ["evaluate@segmentation", "evaluate@classification"]) == ()


def test_no_identifier_left_the_batches() -> None:
    """Only the drawn scans, and the answers of experts who saw them, know the patients by name."""
    assert files_with(PATIENT, DEMO, but=(".ctloop/batches", ".ctloop/answers-in", ".git", "tests")) == []
    history = run_quietly(DEMO, "git", "log", "--all", "--patch", "--format=fuller", "--", ".", ":!tests")
    assert not PATIENT.search(history.encode())


def test_the_demo_fits_a_small_machine(summary: dict[str, Any]) -> None:
    assert summary["peak_memory_mib"] <= 6144


@pytest.mark.parametrize("task", TASKS)
def test_every_past_verdict_is_reproduced_from_its_data_version(services: Services, task: Task) -> None:
    """But for the wrong labels, which were trained in a clone that is gone: then it says so."""
    name = MODEL_NAMES[task]
    known = run_quietly(DEMO, "git", "log", "--format=%H", "--all").split()
    commits = {f"{name}/{v.version}": v.tags["git_commit"] for v in services.registry.versions(name)}
    entries = [e for e in services.store.entries("gate") if e.subject in commits]
    kept = [entry for entry in entries if commits[entry.subject] in known]
    for lost in (entry for entry in entries if entry not in kept):
        with pytest.raises(StateError, match="in this workspace"):
            replay(
                services.workspace, task, services.registry, services.store, name=name,
                load_predictor=services.load_predictor, entry=lost.number,
            )  # fmt: skip
    told = [
        replay(
            services.workspace, task, services.registry, services.store, name=name,
            load_predictor=services.load_predictor, entry=entry.number,
        )
        for entry in (kept[0], kept[-1])
    ]  # fmt: skip
    assert [found.differences for found in told] == [(), ()]
