"""What the monitor last said of each batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.registry.ledger import LedgerEntry
from pipelines.unread_studies import TASK
from pipelines.workspace import Workspace


def drift_record(workspace: Workspace, entries: Sequence[LedgerEntry], champion: str) -> list[dict[str, Any]]:
    """A row per watched batch, in the order in which they were first watched.

    With ``kind``, ``reason``, numbers of patients, ``channels`` (name, column, effect, p_holm, alarmed), ``strata``
    that grew, and whether it was ``in_use``, the version of now, that saw the batch. The report of a batch is its last
    verdict; the ledger, which keeps the first of each version, dates it.

    Args:
        entries: the ledger's drift entries.
        champion: ``NAME/VERSION``.
    """
    ours = [entry for entry in entries if entry.payload.get("task") == TASK]
    order = list(dict.fromkeys(str(entry.payload["batch"]) for entry in ours))
    prefix = f"{TASK}-"
    found = {path.parent.name.removeprefix(prefix): path for path in verdict_files(workspace)}
    names = [
        *(name for name in order if name in found),
        *(name for name in sorted(found) if name not in order),
    ]
    return [_row(found[name], name, ours, champion) for name in names]


def verdict_files(workspace: Workspace) -> list[Path]:
    """The monitor's verdict.json of each batch of the task."""
    return sorted((workspace.reports / "monitor").glob(f"{TASK}-*/verdict.json"))


def _row(path: Path, batch: str, entries: Sequence[LedgerEntry], champion: str) -> dict[str, Any]:
    content = json.loads(path.read_text())
    verdict, seen_by = content["verdict"], content["model_version"]
    dated = [e.at for e in entries if e.subject == seen_by and e.payload["batch"] == batch]
    return {
        "batch": batch,
        "model_version": seen_by,
        "in_use": seen_by == champion,
        "at": dated[-1] if dated else "",
        "alpha": verdict["alpha"],
        **{key: verdict[key] for key in ("kind", "reason", "alarmed", "n_reference", "n_window")},
        "channels": [
            {key: one[key] for key in ("name", "column", "effect", "effect_name", "p_holm", "alarmed")}
            for one in verdict["channels"]
        ],
        "strata": [
            {key: one[key] for key in ("column", "value", "share_reference", "share_window")}
            for one in verdict["strata"]
        ],
    }
