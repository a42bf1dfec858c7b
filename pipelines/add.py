"""Job: tell the workspace of new scans; nothing is read but their bytes.

``data/batches.yaml`` names the batch and the hash of all that it holds. A batch never changes: other content
is another batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.cohort.cases_cells import is_name
from components.cohort.pseudonym import key_fingerprint
from components.cohort.task import TASKS, Task
from components.errors import InputError, StateError
from pipelines.batch_list import Batch, BatchList, read_batches, record_source, write_batches
from pipelines.batch_source import SourceFiles, hashes, open_source, source_at
from pipelines.dvc_commands import add_version
from pipelines.label_names import finding_names, structure_names
from pipelines.pseudonym_key import pseudonym_key
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class AddReport:
    """What was added.

    Args:
        added: (task, batch, scan files) that are new.
        unchanged: (task, batch, scan files) that the workspace already had.
        unmapped: scan files that no row of the cases table names; each is a patient of its own.
        ignored: files that are no scans.
    """

    added: tuple[tuple[Task, str, int], ...]
    unchanged: tuple[tuple[Task, str, int], ...]
    unmapped: int
    ignored: int

    def __str__(self) -> str:
        lines = [f"added      {task} batch {name!r}: {files} files" for task, name, files in self.added]
        lines += [f"had already {task} batch {name!r}: {files} files" for task, name, files in self.unchanged]
        if self.unmapped:
            lines.append(f"{self.unmapped} files are not in the cases table: each is a patient of its own")
        if self.ignored:
            lines.append(f"{self.ignored} files are no scans (tables, texts, pictures, label maps)")
        return "\n".join(lines)


def add(
    workspace: Workspace,
    *,
    source: Path,
    cases: Path | None = None,
    name: str | None = None,
    tasks: Sequence[Task] = TASKS,
) -> AddReport:
    """Record the scans below ``source`` as batches; safe to repeat.

    Args:
        workspace: gets the batches.
        source: a folder; it is read again by ``ingest`` and never changed.
        cases: its cases table; ``source/cases.csv`` unless given, if there is one.
        name: with a batch column: the one batch to add; without: the name of the batch (``batch-`` and
            the start of its scans' hash unless given: a folder's own name may name people).
        tasks: that may use the scans; a task column narrows them further.

    ``InputError`` for a name that is none, a source without scans or a table that does not fit;
    ``StateError`` when a batch of this name holds something else.
    """
    _check_name(name)
    place = source_at(source, cases)
    if workspace.root.is_relative_to(place.root):
        raise InputError(
            expected="a folder of scans", got="one that holds this workspace", hint="--source DIR"
        )
    files = open_source(place, finding_names(workspace))
    _check_structures(files, structure_names(workspace))
    earlier = read_batches(workspace)
    fingerprint = key_fingerprint(pseudonym_key(workspace, may_create=not earlier.pseudonym_key))
    listed = replace(earlier.checked(fingerprint), pseudonym_key=fingerprint)
    sha256 = hashes(place.root)
    found = _batches(files, name or f"batch-{files.digest(sha256)[:8]}", tasks, only=name)
    added: list[tuple[Task, str, int]] = []
    unchanged: list[tuple[Task, str, int]] = []
    for task, batch in [(task, files.batch(task, batch, sha256)) for task, batch in found]:
        new = _is_new(listed, task, batch)
        if new:
            listed = _with(listed, task, batch)
        (added if new else unchanged).append((task, batch.name, batch.files))
        record_source(workspace, task, batch.name, place)
    write_batches(workspace, listed)
    _start_answers(workspace)
    return AddReport(
        added=tuple(added),
        unchanged=tuple(unchanged),
        unmapped=len(files.unmapped) if files.table else 0,
        ignored=files.ignored,
    )


def _check_name(name: str | None) -> None:
    if name is not None and not is_name(name):
        raise InputError(
            expected="a batch name of letters, digits, . _ -, at most 64 of them, a letter or digit first",
            got="other characters, or more",
            hint="a name that names nobody, e.g. --name april-2",
        )


def _check_structures(files: SourceFiles, known: Sequence[str]) -> None:
    """A misspelt structure would be taught as background."""
    for row in files.table.rows if files.table else ():
        for name in row.label_values.values():
            if name not in known:
                raise InputError(
                    expected=f"structures of params.yaml (cases.csv, row {row.line}, column 'label_values')",
                    got=repr(name),
                    hint=f"{', '.join(known)}; leave out what is background",
                )


def _start_answers(workspace: Workspace) -> None:
    """DVC needs each task's folder of answers before the first answer."""
    for folder in map(workspace.answers, TASKS):
        if not folder.with_name("answers.dvc").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".keep").touch()
            add_version(workspace.root, folder)


def _batches(
    files: SourceFiles, default: str, tasks: Sequence[Task], *, only: str | None
) -> list[tuple[Task, str]]:
    divided = files.table is not None and files.table.has_batches
    found = [(task, name) for task in tasks for name in files.batch_names(task, default)]
    chosen = [(task, name) for task, name in found if not (divided and only) or name == only]
    if not chosen:
        raise InputError(
            expected=f"scans for {' or '.join(tasks)}" + (f" in batch {only!r}" if only else ""),
            got=f"batches {', '.join(sorted({name for _, name in found}))}" if found else "none",
            hint="another folder, or the columns task and batch of the cases table",
        )
    return chosen


def _is_new(listed: BatchList, task: Task, batch: Batch) -> bool:
    known = listed.named(task, batch.name)
    if known is not None and known.digest != batch.digest:
        raise StateError(
            expected=f"the {task} batch {batch.name!r} as it was added ({known.files} files)",
            got=f"other content ({batch.files} files)",
            hint="adding the new scans under a new name: a batch never changes",
        )
    return known is None


def _with(listed: BatchList, task: Task, batch: Batch) -> BatchList:
    return replace(listed, batches={**listed.batches, task: (*listed.batches[task], batch)})
