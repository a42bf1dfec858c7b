"""Stage: scans of every batch as one chunked file per frame, on the scanner's own grid.

A batch that is already in is not read again; a killed run goes on where it stood. What cannot be used is
quarantined with its reason and counted, and the batch goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.frames import empty_frames, validate_frames
from components.cohort.pseudonym import key_fingerprint
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from pipelines.batch_list import Batch, read_batches, source_of
from pipelines.batch_source import hashes, open_source
from pipelines.ingest_batch import BatchReader
from pipelines.ingest_journal import IngestJournal, Outcome
from pipelines.label_names import finding_names, structure_names
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.pseudonym_key import pseudonym_key
from pipelines.quarantined_paths import record_quarantined
from pipelines.stage_command import run_stage
from pipelines.workspace import Workspace

Outcomes = Mapping[str, tuple[Outcome, ...]]
"""Batch → what became of its frames."""

_FORMAT = 4  # raised when the same scans would give other files


@dataclass(frozen=True, kw_only=True)
class IngestParams:
    """Section ``ingest`` of params.yaml.

    Args:
        min_slices: a frame with fewer voxels along any axis is quarantined.
    """

    min_slices: int = 8

    def __post_init__(self) -> None:
        if self.min_slices < 1:
            raise ParameterError(expected="min_slices of 1 or more", got=str(self.min_slices), hint="8")


def ingest(workspace: Workspace, task: Task) -> None:
    """Write ``data/TASK/ingested`` for the batches that ``data/batches.yaml`` lists.

    ``StateError`` when the pseudonym key is not the batches' own, or a batch that must be read is gone
    or changed.
    """
    folder = workspace.ingested(task)
    listed = read_batches(workspace)
    key = pseudonym_key(workspace, may_create=not listed.pseudonym_key)
    listed.checked(key_fingerprint(key))
    earlier, stamps = _earlier(folder), dict[str, str]()
    outcomes: dict[str, tuple[Outcome, ...]] = {}
    for batch in listed.batches[task]:
        stamp = _stamp(workspace, task, batch, key)
        stamps[batch.name] = stamp
        fresh = all(earlier.stamps.get(name) == stamps[name] for name in stamps)
        known = {row["frame_id"]: row for row in _rows(outcomes)}
        outcomes[batch.name] = (
            earlier.outcomes(batch.name) if fresh else _read(workspace, task, batch, stamp, key, known)
        )
    _write(folder, outcomes, stamps)
    for batch in listed.batches[task]:
        _journal(workspace, task, batch, stamps[batch.name]).close()
    _report(task, outcomes)


@dataclass(frozen=True, kw_only=True)
class _Earlier:
    """What an earlier run left, as far as its files are there."""

    frames: pd.DataFrame
    quarantine: tuple[dict[str, str], ...]
    stamps: Mapping[str, str]

    def outcomes(self, batch: str) -> tuple[Outcome, ...]:
        rows = self.frames[self.frames["batch"] == batch].to_dict("records")
        reasons = tuple(item for item in self.quarantine if item["batch"] == batch)
        taken = tuple(Outcome(row={str(name): value for name, value in row.items()}) for row in rows)
        return (*taken, Outcome(row=None, quarantine=reasons))


def _earlier(folder: Path) -> _Earlier:
    """Nothing, when any of its parts is missing: then every batch is read again."""
    try:
        frames = read_parquet(folder / "frames.parquet")
        quarantine = json.loads((folder / "quarantine.json").read_text())
        stamps = json.loads((folder / "batches.json").read_text())
    except (OSError, ValueError):
        return _Earlier(frames=empty_frames(), quarantine=(), stamps={})
    there = {path.stem for path in (folder / "volumes").glob("*.b2nd")}
    lost = set(frames.loc[~frames["frame_id"].isin(there), "batch"])
    return _Earlier(
        frames=frames,
        quarantine=tuple(quarantine),
        stamps={name: stamp for name, stamp in stamps.items() if name not in lost},
    )


def _read(
    workspace: Workspace,
    task: Task,
    batch: Batch,
    stamp: str,
    key: bytes,
    known: dict[str, Mapping[str, Any]],
) -> tuple[Outcome, ...]:
    source, findings = source_of(workspace, task, batch.name), finding_names(workspace)
    files = open_source(source, findings)
    now = files.batch(task, batch.name, hashes(source.root))
    if now.digest != batch.digest:
        raise StateError(
            expected=f"the scans and table of batch {batch.name!r} as they were added",
            got=f"other content ({now.files} files)",
            hint="restoring them, or adding the new ones under a new name",
        )
    reader = BatchReader(
        root=source.root,
        folder=workspace.ingested(task),
        task=task,
        batch=batch.name,
        key=key,
        min_slices=load_section(IngestParams, workspace.params, "ingest", task).min_slices,
        structures=structure_names(workspace),
        findings=findings,
        known=known,
    )
    outcomes = reader.read(files.units(task, batch.name), _journal(workspace, task, batch, stamp))
    record_quarantined(workspace, reader.quarantined)
    return outcomes


def _write(folder: Path, outcomes: Outcomes, stamps: Mapping[str, str]) -> None:
    """The tables last; then files that no row names are removed."""
    rows = _rows(outcomes)
    frames = validate_frames(pd.DataFrame(rows) if rows else empty_frames())
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("volumes", "labels"):
        (folder / name).mkdir(exist_ok=True)
    write_whole(folder / "frames.parquet", frames.to_parquet(index=False))
    write_json(folder / "quarantine.json", _quarantine(outcomes))
    write_json(folder / "batches.json", dict(stamps))
    names = set(frames["frame_id"]) | set(frames["case_id"])
    for path in (*(folder / "volumes").iterdir(), *(folder / "labels").iterdir()):
        if path.name.split(".b2nd")[0].removesuffix(".json").removesuffix(".sidecar") not in names:
            path.unlink()


def _stamp(workspace: Workspace, task: Task, batch: Batch, key: bytes) -> str:
    """Hash of all that decides what the batch becomes."""
    params = load_section(IngestParams, workspace.params, "ingest", task)
    labels = structure_names(workspace) if task == "segmentation" else finding_names(workspace)
    content = [_FORMAT, batch.digest, params.min_slices, key_fingerprint(key), labels]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _journal(workspace: Workspace, task: Task, batch: Batch, stamp: str) -> IngestJournal:
    return IngestJournal(path=workspace.state / "ingest" / task / f"{stamp[:16]}.jsonl")


def _rows(outcomes: Outcomes) -> list[Mapping[str, Any]]:
    """Batch by batch, in each by name: a run that was killed and went on ends with the same table."""
    taken = ([o.row for o in batch if o.row is not None] for batch in outcomes.values())
    return [row for rows in taken for row in sorted(rows, key=lambda row: str(row["frame_id"]))]


def _quarantine(outcomes: Outcomes) -> list[dict[str, str]]:
    reasons = ([dict(item) for o in batch for item in o.quarantine] for batch in outcomes.values())
    return [item for items in reasons for item in sorted(items, key=lambda item: sorted(item.items()))]


def _report(task: Task, outcomes: Outcomes) -> None:
    rows = _rows(outcomes)
    patients = len({row["patient_id"] for row in rows})
    turned_away = _quarantine(outcomes)
    say(f"ingest {task}: {len(rows)} frames of {patients} patients, {len(turned_away)} quarantined")
    for item in turned_away:
        say(f"  quarantined {item['source']} ({item['batch']}): {item['reason']}")
    if turned_away:
        say("  which files these are: quarantined.json in the state folder, readable by its owner alone")


if __name__ == "__main__":
    run_stage(ingest)
