"""The cases of a prepared table, one after the other: what scorecards need of them, and nothing else in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.cohort.frames import TEXT_COLUMNS
from components.cohort.split import Split
from components.cohort.task import Task
from components.errors import StateError
from components.scorecard.case_scores import case_content, scored_columns
from components.volume.volume import Volume
from pipelines.held_out import labelled_frames
from pipelines.teacher_labels_of import TeacherLabelsOf
from pipelines.workspace import Workspace

_FEW_WORDS = (*TEXT_COLUMNS, "batch", "orientation")  # stored once per word, not once per row
_ROWS_AT_A_TIME = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedCase:
    """``frames``: its rows in phase order; ``content``: see ``components.scorecard.case_scores``."""

    case_id: str
    content: str
    frames: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedCases:
    """Those cases of ``table`` that ``chosen`` lets through; may be gone through several times.

    ``pseudo_sha256``: frame_id → the hash of its pseudo-label or ``None``; scorecards depend on that label too.
    """

    table: pa.Table
    chosen: Callable[[Sequence[Mapping[str, Any]]], bool] = lambda frames: True
    pseudo_sha256: Callable[[str], str | None] = lambda frame: None

    def __iter__(self) -> Iterator[PreparedCase]:
        for case, rows in groupby(_rows(self.table), key=itemgetter("case_id")):
            frames = [_with_label(row, self.pseudo_sha256(str(row["frame_id"]))) for row in rows]
            if self.chosen(frames):
                yield PreparedCase(case_id=str(case), content=case_content(frames), frames=frames)


def cases_of(
    frames: pd.DataFrame, pseudo_sha256: Callable[[str], str | None] = lambda frame: None
) -> PreparedCases:
    """The cases of these rows of frames.parquet."""
    columns = scored_columns(list(frames.columns))
    table = _in_order(pa.Table.from_pandas(frames[columns], preserve_index=False))
    return PreparedCases(table=table, pseudo_sha256=pseudo_sha256)


def pool_cases(
    workspace: Workspace, task: Task, *, batch: str | None = None, every: bool = False
) -> PreparedCases:
    """The pool: prepared cases of training patients of which some frame has no expert label.

    Args:
        batch: only the cases of this batch of data.
        every: held-out patients and labelled cases too.

    Raises ``StateError`` without prepared frames or a split, or for a batch that has no frames.
    """
    table = _read(workspace.prepared(task) / "frames.parquet", task)
    known = set(table["batch"].unique().to_pylist())
    if batch is not None and batch not in known:
        raise StateError(
            expected=f"prepared frames of batch {batch!r} for {task}",
            got=", ".join(sorted(known)) or "no frames",
            hint="`ctloop add` and `ctloop split`, or another batch name",
        )
    in_pool = (lambda frames: True) if every else _in_pool(workspace, task)

    def chosen(frames: Sequence[Mapping[str, Any]]) -> bool:
        return (batch is None or batch in {row["batch"] for row in frames}) and in_pool(frames)

    labels = TeacherLabelsOf.at(workspace, task)
    return PreparedCases(table=_in_order(table), chosen=chosen, pseudo_sha256=labels.sha256)


def prepared_volume(workspace: Workspace, task: Task) -> Callable[[str], Volume]:
    """frame_id → its volume on the prepared grid."""
    from components.adapters.blosc_store import load_volume

    folder = workspace.prepared(task) / "frames"
    return lambda frame: load_volume(folder / f"{frame}.b2nd")


def _with_label(row: dict[str, Any], sha256: str | None) -> dict[str, Any]:
    return row if sha256 is None else {**row, "pseudo_sha256": sha256}


def _in_pool(workspace: Workspace, task: Task) -> Callable[[Sequence[Mapping[str, Any]]], bool]:
    if not workspace.split(task).is_file():
        raise StateError(expected=f"a split of the patients for {task}", got="none", hint="`ctloop split`")
    training = frozenset(Split.from_json(workspace.split(task).read_text()).patients("train"))
    labelled = labelled_frames(workspace, task)
    name = "frame_id" if task == "segmentation" else "case_id"
    return lambda frames: (
        frames[0]["patient_id"] in training and any(row[name] not in labelled for row in frames)
    )


def _read(path: Path, task: Task) -> pa.Table:
    try:
        columns = scored_columns(pq.read_schema(path).names)
        words = [name for name in _FEW_WORDS if name in columns]
        with pq.ParquetFile(path, read_dictionary=words) as file:
            return file.read(columns=columns).unify_dictionaries()
    except FileNotFoundError:
        raise StateError(
            expected=f"prepared scans for {task}", got="none", hint="`ctloop add`, then `ctloop split`"
        ) from None


def _in_order(table: pa.Table) -> pa.Table:
    """Frames of a case one after the other, in phase order, as scorecards are."""
    order = [name for name in ("case_id", "phase_percent", "frame_id") if name in table.schema.names]
    return table.sort_by([(name, "ascending") for name in order])


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """With ``None`` for NaN: a table that came through pandas tells no difference."""
    for part in table.to_batches(max_chunksize=_ROWS_AT_A_TIME):
        for row in part.to_pylist():
            yield {name: value if value == value else None for name, value in row.items()}
