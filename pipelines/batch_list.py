"""Which batches a workspace has (data/batches.yaml, in git) and where they came from (state, not in git)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from components.adapters.whole_file import write_whole
from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of one task: its name, the hash of all that it holds, and how many scan files that is."""

    name: str
    digest: str
    files: int


@dataclass(frozen=True, kw_only=True)
class BatchList:
    """data/batches.yaml: the batches of each task in the order they were added."""

    pseudonym_key: str
    batches: Mapping[Task, tuple[Batch, ...]]

    def named(self, task: Task, name: str) -> Batch | None:
        """The batch of ``task`` with this name."""
        return next((batch for batch in self.batches[task] if batch.name == name), None)

    def checked(self, fingerprint: str) -> BatchList:
        """Itself, if its pseudonyms were made with the key of ``fingerprint``; else ``StateError``."""
        if self.pseudonym_key not in ("", fingerprint):
            raise StateError(
                expected=f"the pseudonym key with fingerprint {self.pseudonym_key}",
                got=f"one with {fingerprint}",
                hint="the first batch's key, in CTLOOP_PSEUDONYM_KEY or the state folder",
            )
        return self


@dataclass(frozen=True, kw_only=True)
class Source:
    """Folder and cases table (``None``: there is none) that a batch is read from; ``state``-only."""

    root: Path = field(repr=False)
    cases: Path | None = field(repr=False)


def read_batches(workspace: Workspace) -> BatchList:
    """The list, empty before the first ``ctloop add``."""
    try:
        tree = (yaml.safe_load(workspace.batches.read_text()) if workspace.batches.exists() else {}) or {}
        batches = {task: tuple(Batch(**entry) for entry in tree.get(task) or ()) for task in TASKS}
        return BatchList(pseudonym_key=tree.get("pseudonym_key", ""), batches=batches)
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise StateError(
            expected="data/batches.yaml as `ctloop add` wrote it",
            got=f"something else ({type(error).__name__})",
            hint="`git checkout -- data/batches.yaml`, then `ctloop add` of what came since",
        ) from error


def write_batches(workspace: Workspace, listed: BatchList) -> None:
    """Atomically, and only when it says something new, so that DVC sees no change."""
    tree = {"pseudonym_key": listed.pseudonym_key}
    text = yaml.safe_dump(
        tree | {task: [asdict(batch) for batch in listed.batches[task]] for task in TASKS}, sort_keys=False
    )
    if not workspace.batches.exists() or workspace.batches.read_text() != text:
        write_whole(workspace.batches, text, mode=0o644)


def source_of(workspace: Workspace, task: Task, name: str) -> Source:
    """Where the batch is read from; ``StateError`` when this machine does not know, or it is gone."""
    entry = _sources(workspace).get(name, {}).get(task)
    if entry is None or not Path(entry["source"] or "").is_dir():
        raise StateError(
            expected=f"the scans of batch {name!r}",
            got="a folder that is gone" if entry else "no record of their folder on this machine",
            hint=f"`ctloop add --name {name} --source DIR`, or `dvc pull` for what was ingested elsewhere",
        )
    return Source(root=Path(entry["source"] or ""), cases=Path(entry["cases"]) if entry["cases"] else None)


def record_source(workspace: Workspace, task: Task, name: str, source: Source) -> None:
    """Remember where a batch lies; the file is readable by its owner alone, since paths may name people."""
    sources = _sources(workspace)
    entry = {"source": str(source.root), "cases": str(source.cases) if source.cases else None}
    sources.setdefault(name, {})[task] = entry
    write_whole(workspace.sources, json.dumps(sources, indent=1, sort_keys=True) + "\n", mode=0o600)


def _sources(workspace: Workspace) -> dict[str, dict[str, dict[str, str | None]]]:
    if not workspace.sources.exists():
        return {}
    try:
        tree: dict[str, dict[str, dict[str, str | None]]] = json.loads(workspace.sources.read_text())
    except ValueError as error:
        raise StateError(
            expected=f"{workspace.sources.name} in the state folder as `ctloop add` wrote it",
            got="something else",
            hint="removing it, then `ctloop add` of each batch again",
        ) from error
    return tree
