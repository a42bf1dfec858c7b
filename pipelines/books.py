"""What the registry, the ledger and the request store say of a task, as rows for reports and summaries."""

from __future__ import annotations

from typing import Any

import yaml

from components.cohort.task import Task
from components.registry.ledger import LedgerEntry
from pipelines.composition import MODEL_NAMES, Services


def gate_rows(services: Services, task: Task) -> list[dict[str, Any]]:
    """Every verdict with its per-patient scores, oldest first; one that was only repeated counts once."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in _about(services, task, services.store.entries("gate")):
        context = entry.payload["context"]
        champion = context["champion"]
        key = (entry.subject, champion and champion["package_hash"], context["test_set"])
        rows[key] = {"task": task, "challenger": entry.subject, **entry.payload}
    return list(rows.values())


def promotions(services: Services, task: Task) -> list[int]:
    """The champions in their order, by version; the last one is in use."""
    entries = [e for e in services.store.entries() if e.kind in ("promote", "rollback")]
    versions = [int(entry.payload["version"]) for entry in _about(services, task, entries)]
    return [v for i, v in enumerate(versions) if i == 0 or versions[i - 1] != v]


def drift_rows(services: Services, task: Task) -> list[dict[str, Any]]:
    """Every drift verdict, with the model version that saw the batch."""
    entries = services.store.entries("drift")
    return [{"model_version": e.subject, **e.payload} for e in entries if e.payload["task"] == task]


def label_counts(services: Services, task: Task) -> dict[str, int]:
    """Requests of the task by status, answers by whether they judge (audit) or teach, minutes of expert time."""
    requests = services.store.requests(task=task)
    answered = [request for request in requests if request.status == "answered"]
    audit = sum(request.reason == "audit" for request in answered)
    return {
        "opened": len(requests),
        "answered": len(answered),
        "open": sum(request.status == "open" for request in requests),
        "labels_to_judge": audit,
        "labels_to_teach": len(answered) - audit,
    }


def data_hashes(services: Services, task: Task) -> dict[str, str]:
    """Path → content hash of the task's data and model, as dvc.lock and the answers' pointer have them."""
    root = services.workspace.root
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    outs = [
        out for name, stage in stages.items() if name.endswith(f"@{task}") for out in stage.get("outs", ())
    ]
    pointer = services.workspace.answers(task).with_name("answers.dvc")
    answers = yaml.safe_load(pointer.read_text())["outs"] if pointer.exists() else []
    named = {str(out["path"]): str(out["md5"]) for out in outs}
    return dict(sorted(named.items())) | {f"data/{task}/answers": str(out["md5"]) for out in answers}


def _about(services: Services, task: Task, entries: Any) -> list[LedgerEntry]:
    return [entry for entry in entries if entry.subject.startswith(MODEL_NAMES[task] + "/")]
