"""The demo's bad challenger: the same training, really run, on findings that a mistaken reader has inverted."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.split import Split
from components.cohort.task import Task
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import add_version, commit_data, repro
from pipelines.gate import gate
from pipelines.labels import import_labels
from pipelines.register import register
from pipelines.temporary_clone import temporary_clone
from pipelines.workspace import Workspace

TASK: Task = "classification"


def train_on_wrong_labels(services: Services) -> dict[str, Any]:
    """Invert every training finding, import them in a clone, train there, and meet the gate.

    The clone has a database of its own, so that no wrong answer enters the workspace's books; it registers
    in the workspace's registry, as a colleague's candidate would.
    """
    workspace, name = services.workspace, MODEL_NAMES[TASK]
    state = workspace.state / "clones" / "wrong-state"
    shutil.rmtree(state, ignore_errors=True)
    with temporary_clone(workspace, "wrong-labels", state=state) as clone:
        answers = state / "answers-in"
        answers.mkdir(parents=True)
        inverted_findings(clone).to_csv(answers / "findings.csv", index=False)
        _import(clone, answers)
        env = {"CTLOOP_STATE": str(state), "CTLOOP_MLFLOW_URI": workspace.mlflow_uri}
        ran = repro(clone.root, [f"evaluate@{TASK}"], env=env)
        commit_data(clone.root, "Wrong answers")
        version = register(clone, TASK, services.registry, services.store, name=name)
        verdict = gate(
            workspace, TASK, services.registry, services.store, name=name,
            load_predictor=services.load_predictor, challenger=version,
        )  # fmt: skip
    shutil.rmtree(state, ignore_errors=True)
    return {"ran": list(ran), "version": version.version, "outcome": verdict.outcome}


def inverted_findings(workspace: Workspace) -> pd.DataFrame:
    """A findings table of the training cases with 0 and 1 exchanged; what is unknown stays so."""
    split = Split.from_json(workspace.split(TASK).read_text())
    frames = read_parquet(workspace.prepared(TASK) / "frames.parquet")
    trained = set(frames[frames["patient_id"].isin(split.patients("train"))]["case_id"])
    known = read_parquet(workspace.labels(TASK) / "findings.parquet")
    table = known[known["case_id"].isin(trained)].reset_index(drop=True)
    findings = [str(column) for column in table.columns if column != "case_id"]
    table[findings] = (1 - table[findings]).astype("Int64")
    return table


def _import(clone: Workspace, answers: Path) -> None:
    books = Services(clone).store
    add = partial(add_version, clone.root)
    import_labels(clone, answers, books, books, "mistaken reader", add_version=add, unasked=True)
