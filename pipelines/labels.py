"""Job: take a folder of experts' answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.adapters.answer_files import LABEL_MAP_ENDINGS, read_findings_table
from components.cohort.task import Task
from components.errors import InputError
from components.labeling.findings_answer import KEY_COLUMNS, check_columns, check_minutes
from components.labeling.request_store import RequestStore
from components.operations.accept_answer import Answerer
from components.registry.ledger import Ledger
from pipelines.answer_door import AddVersion, AnswerDoor, publish_answers, publish_task, publish_waiting
from pipelines.composition import Services
from pipelines.workspace import Workspace

_PACKED = {"image.nii.gz", "pre-annotation.nii.gz", "request.json", "README.txt"}


@dataclass(kw_only=True)
class ImportReport:
    """What became of each file (of a table: each row, as ``findings.csv:2``).

    ``label_set_version`` holds the hash of each task's new data version.
    """

    accepted: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    label_set_version: dict[Task, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"accepted  {item}" for item in self.accepted]
        lines += [f"refused   {item}: {reason}" for item, reason in self.refused]
        lines += [
            f"new data version of the {task} answers: {version}"
            for task, version in self.label_set_version.items()
        ]
        return "\n".join(lines) or "nothing to import: no label map and no table in this folder"


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """``versions``: task → hash of its new data version; ``missing``: answered requests without a label file."""

    versions: Mapping[Task, str]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            f"new data version of the {task} answers: {version}" for task, version in self.versions.items()
        ]
        lines += [
            f"the answer to {request} is not in the answers folder; try `dvc checkout`"
            for request in self.missing
        ]
        return "\n".join(lines) or "every accepted answer is in a data version"


def reconcile_labels(services: Services) -> Reconciled:
    """Make a data version of the answers that have none yet, and name the answered requests without a label file."""
    versions = publish_waiting(services)
    missing = [
        request.id
        for request in services.store.requests(status="answered")
        if not (services.workspace.answers(request.task) / f"{request.frame_id}.sidecar.json").is_file()
    ]
    return Reconciled(versions=versions, missing=tuple(missing))


def import_labels(
    workspace: Workspace,
    folder: Path,
    store: RequestStore,
    ledger: Ledger,
    annotator: str,
    *,
    add_version: AddVersion,
    minutes: float | None = None,
    unasked: bool = False,
) -> ImportReport:
    """Accept or refuse every answer in ``folder``, then make a data version of the accepted ones.

    A label map answers the request or frame that it is named after (``ID.nii.gz``, ``FRAME.seg.nrrd``, or
    ``ID/answer.nii.gz``); a CSV names its cases in a column. One bad file never stops the folder.
    Interrupted, it is simply called again.

    Args:
        annotator: role or pseudonym of the person.
        add_version: adds a folder to DVC and returns its hash.
        minutes: working time per answer; a table may state its own.
        unasked: also take answers that no request asked for, and replacements of earlier answers.
    """
    if not folder.is_dir():
        raise InputError(
            expected="a folder of answers", got=folder.name, hint="the folder that holds the files"
        )
    minutes = check_minutes(None if minutes is None else str(minutes))
    report = ImportReport()
    door = AnswerDoor(workspace=workspace, store=store)
    tasks: set[Task] = set()
    for item, task, reason in _take_all(
        door, folder, Answerer(annotator=annotator, minutes=minutes, unasked=unasked)
    ):
        if reason is None:
            report.accepted.append(item)
            tasks.add(task)
        else:
            report.refused.append((item, reason))
    report.label_set_version |= publish_answers(
        workspace, store=store, ledger=ledger, add_version=add_version
    )
    for task in sorted(tasks - set(report.label_set_version)):
        report.label_set_version[task] = publish_task(
            workspace, task, [], store=store, ledger=ledger, add_version=add_version
        )
    return report


def _take_all(door: AnswerDoor, folder: Path, by: Answerer) -> Iterator[tuple[str, Task, str | None]]:
    """(name, task, reason of the refusal or ``None``) of each answer, in the order of names."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        item = path.relative_to(folder).as_posix()
        packed = path.name in _PACKED and (path.parent / "request.json").exists()
        if packed or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.name.lower().endswith(".csv"):
            yield from (
                (f"{item}{line}", "classification", reason) for line, reason in _take_table(door, path, by)
            )
        else:
            yield item, "segmentation", _take_label_map(door, path, by)


def _take_label_map(door: AnswerDoor, path: Path, by: Answerer) -> str | None:
    ending = next((ending for ending in LABEL_MAP_ENDINGS if path.name.lower().endswith(ending)), "")
    stem = path.name[: len(path.name) - len(ending)]
    try:
        if not ending:
            raise InputError(
                expected="a file ending in " + ", ".join((*LABEL_MAP_ENDINGS, ".csv")),
                got=path.name,
                hint="NIfTI",
            )
        door.label_map(path.parent.name if stem == "answer" else stem, path, by)
    except InputError as error:
        return str(error)
    return None


def _take_table(door: AnswerDoor, path: Path, by: Answerer) -> Iterator[tuple[str, str | None]]:
    try:
        columns, rows = read_findings_table(path)
        check_columns(columns, door.finding_names)
        if not rows:
            raise InputError(expected="a row per answer", got="a header alone", hint="saving the table again")
    except InputError as error:
        yield "", str(error)
        return
    for number, row in enumerate(rows, start=2):
        try:
            minutes = check_minutes(row.get("minutes"))
            door.findings(_name(row, door), row, by if minutes is None else replace(by, minutes=minutes))
        except InputError as error:
            yield f":{number}", str(error)
        else:
            yield f":{number}", None


def _name(row: Mapping[str, str], door: AnswerDoor) -> str:
    """The request that a row answers, else its case; both only where they are about the same case."""
    case, request = (row.get(key, "").strip() for key in KEY_COLUMNS)
    asked = door.find(request, "classification") if case and request else None
    if asked is not None and asked.case_id != case:
        raise InputError(
            expected=f"case_id {asked.case_id}, which {request} asks about",
            got=repr(case),
            hint="correcting the row",
        )
    return request or case
