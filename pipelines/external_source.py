"""Scans of another site beside the workspace: read and prepared in a place of their own, which then goes away."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.adapters.whole_file import write_whole
from components.cohort.pseudonym import key_fingerprint
from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines.batch_list import BatchList, Source, read_batches, record_source, write_batches
from pipelines.batch_source import hashes, open_source, source_at
from pipelines.ingest import ingest
from pipelines.label_names import finding_names
from pipelines.prepare import prepare
from pipelines.pseudonym_key import pseudonym_key
from pipelines.quarantined_paths import quarantined_paths, record_quarantined
from pipelines.workspace import Workspace

_SCRATCH = "external-"


@contextmanager
def prepared_beside(
    workspace: Workspace, task: Task, source: Path, cases: Path | None
) -> Iterator[tuple[Workspace, str]]:
    """A workspace with the prepared frames and expert labels of ``source``, and the hash of all that it read.

    It has the parameters and the pseudonym key of ``workspace``, so that a patient has the same pseudonym in both,
    and is removed at the end: nothing of it can enter a training.
    """
    place = source_at(source, cases)
    workspace.state.mkdir(parents=True, exist_ok=True)
    for left in workspace.state.glob(
        f"{_SCRATCH}*"
    ):  # of a run that was killed; the lease allows one at a time
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=workspace.state, prefix=_SCRATCH) as scratch:
        beside = Workspace(root=Path(scratch), state=Path(scratch) / ".ctloop")
        beside.params.parent.mkdir()
        shutil.copyfile(workspace.params, beside.params)
        digest = _list(workspace, beside, task, place)
        ingest(beside, task)
        record_quarantined(
            workspace, quarantined_paths(beside)
        )  # for the owner, who knows only pseudonyms else
        prepare(beside, task)
        yield beside, digest


def _list(workspace: Workspace, beside: Workspace, task: Task, place: Source) -> str:
    """What `ctloop add` does for a batch, in the scratch place."""
    listed = read_batches(workspace)
    key = pseudonym_key(workspace, may_create=not listed.pseudonym_key)
    listed.checked(key_fingerprint(key))
    write_whole(beside.pseudonym_key, key.decode() + "\n", mode=0o600)
    files = open_source(place, finding_names(beside))
    sha256 = hashes(place.root)
    names = files.batch_names(task, "external")
    batches = tuple(files.batch(task, name, sha256) for name in names)
    if not batches:
        raise StateError(expected=f"scans for {task}", got="none", hint="another folder, or its cases.csv")
    for batch in batches:
        record_source(beside, task, batch.name, place)
    write_batches(
        beside,
        BatchList(pseudonym_key=key_fingerprint(key), batches=dict.fromkeys(TASKS, ()) | {task: batches}),
    )
    return files.digest(sha256)
