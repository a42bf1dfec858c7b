"""Job: the quality dossier of a registered version, as its package holds it, with what became of it since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.adapters.whole_file import write_whole
from components.cohort.task import Task
from components.operations.register_model import subject_of
from components.registry.dossier import CONTENT, PAGE, read_dossier
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.package import archive_hash
from components.registry.registry import ModelVersion, Registry
from pipelines.dossier_page import page_of
from pipelines.workspace import Workspace


def dossier(
    workspace: Workspace,
    task: Task,
    version: ModelVersion,
    *,
    registry: Registry,
    ledger: Ledger,
    out: Path | None = None,
) -> dict[str, Any]:
    """Write dossier.json and index.html to ``out``, ``dossier_folder`` unless given; their content, and ``report``.

    Raises ``StateError`` when the package is not as it was registered, or has no dossier.
    """
    package = registry.fetch(version)
    content = {**read_dossier(package), "registered": _registered(version, package, ledger)}
    folder = out if out is not None else dossier_folder(workspace, task, version)
    write_whole(folder / CONTENT, json.dumps(content, indent=1, sort_keys=True) + "\n")
    write_whole(folder / PAGE, page_of(content))
    return {**content, "report": str(folder / PAGE)}


def dossier_folder(workspace: Workspace, task: Task, version: ModelVersion) -> Path:
    """Where the page lies unless another folder is named."""
    return workspace.reports / "dossier" / f"{task}-{version.version}"


def as_text(content: Mapping[str, Any]) -> str:
    """Which version, what is not stated, and where the page lies."""
    said = content["not_stated"]
    missing = f"not stated: {', '.join(said)}" if said else "everything is stated"
    return f"{content['registered']['version']}: {missing}\nreport: {content['report']}"


def _registered(version: ModelVersion, package: Path, ledger: Ledger) -> dict[str, Any]:
    subject = subject_of(version)
    return {
        "version": subject,
        "created_at": version.created_at,
        "aliases": list(version.aliases),
        "archive_hash": archive_hash(package),
        "history": [
            {"number": entry.number, "at": entry.at, "kind": entry.kind, "what": _what(entry)}
            for entry in ledger.entries("register", "gate", "promote", "rollback", "shadow", "drift")
            if entry.subject == subject or _left(entry, version)
        ],
    }


def _left(entry: LedgerEntry, version: ModelVersion) -> bool:
    """Whether the entry is a rollback of this very version to another one."""
    same = entry.subject.rpartition("/")[0] == version.name
    return entry.kind == "rollback" and same and entry.payload.get("from") == version.version


def _what(entry: LedgerEntry) -> str:
    said = entry.payload
    if entry.kind == "gate":
        return f"{said['outcome']}: {said['reason']}"
    if entry.kind == "drift":
        return f"{said['kind']} in batch {said['batch']}"
    if entry.kind == "register":
        return f"package {str(said['package_hash'])[:12]}"
    by = f" (by {said['by']})" if said.get("by") else ""
    return f"{said.get('reason') or 'no reason given'}{by}"
