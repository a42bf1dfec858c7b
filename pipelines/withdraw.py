"""What a withdrawn model version asked and taught is taken back: its open requests and its pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.cohort.task import Task
from components.errors import StateError
from components.labeling.request_store import RequestStore
from components.operations.alias_moves import Withdraw
from pipelines.composition import Services
from pipelines.pseudo_manifest import Manifest, forget_others, read_manifest
from pipelines.workspace import Workspace


def withdrawing(services: Services, task: Task) -> Withdraw:
    """For versions of the model of ``task``; how many requests and pseudo-labels it took back."""

    def withdraw(subject: str, reason: str) -> Mapping[str, Any]:
        return {
            "requests_superseded": supersede_requests(services.store, task, subject, reason),
            "pseudo_labels_retired": retire_pseudo_labels(services.workspace, task, subject),
        }

    return withdraw


def supersede_requests(store: RequestStore, task: Task, subject: str, reason: str) -> int:
    """Cancel the open requests that the version ``subject`` made; those of the audit sample are nobody's."""
    ours = [found for found in store.requests(status="open", task=task) if found.model_version == subject]
    superseded = 0
    for request in ours:
        try:
            store.cancel_request(request.id, because=f"superseded: {subject} was rolled back: {reason}")
        except StateError:
            continue  # answered this very moment: the expert's label stays
        superseded += 1
    return superseded


def retire_pseudo_labels(workspace: Workspace, task: Task, subject: str) -> int:
    """Remove the workspace's pseudo-labels if the version ``subject`` taught them; how many there were.

    DVC's cache keeps them, so no teacher that was rolled back is taken again, see ``resolve_teacher``.
    """
    folder = workspace.pseudo(task)
    manifest = read_manifest(folder)
    if manifest is None or manifest.teacher is None or manifest.teacher.split(",")[0] != subject:
        return 0
    empty = Manifest.empty()
    empty.write(folder)  # first: a label that no manifest names is nobody's
    forget_others(folder, empty)
    return len(manifest.labelled) + len(manifest.implausible)
