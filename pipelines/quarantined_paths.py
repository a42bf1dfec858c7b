"""Which file each quarantined source is: in the state folder, for its owner alone, since paths may name people."""

from __future__ import annotations

import json
from collections.abc import Mapping

from components.adapters.whole_file import write_whole
from pipelines.workspace import Workspace


def record_quarantined(workspace: Workspace, paths: Mapping[str, str]) -> None:
    """Add ``paths``, pseudonym → path, to what is known; nothing is written when there are none."""
    if paths:
        known = quarantined_paths(workspace) | dict(paths)
        write_whole(workspace.quarantined, json.dumps(known, indent=1, sort_keys=True) + "\n", mode=0o600)


def quarantined_paths(workspace: Workspace) -> dict[str, str]:
    """Pseudonym → path of every source that was ever quarantined on this machine."""
    if not workspace.quarantined.exists():
        return {}
    known: dict[str, str] = json.loads(workspace.quarantined.read_text())
    return known
