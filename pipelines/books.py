"""What the registry, the ledger and the request store say of a task, as rows for reports and summaries."""

from __future__ import annotations

from typing import Any

import yaml

from components.cohort.split import Side
from components.cohort.task import Task
from components.registry.ledger import LedgerEntry
from pipelines.composition import MODEL_NAMES, Services
from pipelines.held_out import frames_of, labelled_frames


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
    """Requests of the task by status; expert labels, asked for or given with the scans, by what they do."""
    statuses = [request.status for request in services.store.requests(task=task)]
    return {
        "opened": len(statuses),
        "answered": statuses.count("answered"),
        "open": statuses.count("open"),
        "labels_to_judge": _expert_labels(services, task, "test"),
        "labels_to_teach": _expert_labels(services, task, "train"),
    }


def _expert_labels(services: Services, task: Task, side: Side) -> int:
    """Frames (classification: cases) of the patients on this side that have an expert label."""
    unit = "frame_id" if task == "segmentation" else "case_id"
    ours = set(frames_of(services.workspace, task, side)[unit])
    return len(ours & labelled_frames(services.workspace, task))


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
