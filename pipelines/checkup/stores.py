"""What the doctor checks in the stores: database, MLflow, and the champions' packages.

A store that does not exist yet is no fault and is not made here: looking must not change anything.
"""

from __future__ import annotations

from components.adapters.mlflow_store import sqlite_file
from components.cohort.task import TASKS, Task
from pipelines.checkup.check import Check, CheckOf
from pipelines.composition import MODEL_NAMES, Services
from pipelines.workspace import Workspace


def database(workspace: Workspace) -> Check:
    """Answers a query on the newest schema (opening it migrates)."""
    if _not_made_yet(workspace.database_url):
        return _later("database")
    jobs = Services(workspace).store.jobs()
    last = f", the last: {jobs[-1].kind}, {jobs[-1].status}, of {jobs[-1].started}" if jobs else ""
    found = f"reachable and migrated, {len(jobs)} job runs{last}"
    return Check(name="database", ok=True, found=found, fix="nothing")


def mlflow_store(workspace: Workspace) -> Check:
    """Answers a query for the models."""
    if _not_made_yet(workspace.mlflow_uri):
        return _later("mlflow store")
    registry = Services(workspace).registry
    counts = [f"{len(registry.versions(name))} × {name}" for name in MODEL_NAMES.values()]
    return Check(name="mlflow store", ok=True, found=", ".join(counts), fix="nothing")


def champions(workspace: Workspace) -> Check:
    """Each champion's package is there and its content has the registered hash."""
    if _not_made_yet(workspace.mlflow_uri):
        return _later("champions")
    found = [_champion(workspace, task) for task in TASKS]
    return Check(name="champions", ok=True, found=", ".join(found), fix="nothing")


def _champion(workspace: Workspace, task: Task) -> str:
    registry = Services(workspace).registry
    version = registry.by_alias(MODEL_NAMES[task], "champion")
    if version is None:
        return f"{task}: none yet"
    registry.fetch(version)  # raises when the hash does not match
    return f"{task}: version {version.version}, hash verified"


def _not_made_yet(url: str) -> bool:
    file = sqlite_file(url)
    return file is not None and not file.is_file()


def _later(name: str) -> Check:
    return Check(name=name, ok=True, found="none yet; made when first needed", fix="nothing")


STORE_CHECKS: tuple[CheckOf, ...] = (database, mlflow_store, champions)
