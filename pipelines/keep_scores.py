"""Score cases into a store, a part at a time, so that a kill costs one part at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from components.adapters.score_store import ScoreStore, StoreIndex
from components.cohort.task import Task
from components.errors import ParameterError
from components.models.prediction import FramePrediction, Predictor
from components.operations.scoring import PseudoLabel, Scored, reason_of, score_case, scorecard_table
from components.registry.registry import ModelVersion
from components.scorecard.case_scores import CaseScores
from components.volume.volume import Volume
from pipelines.lease import lease_unless_held
from pipelines.params import load_section
from pipelines.prepared_cases import PreparedCase, cases_of
from pipelines.teacher_labels_of import TeacherLabelsOf
from pipelines.workspace import Workspace

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ScoreParams:
    """Section ``score`` of params.yaml: a part is stored after so many cases or minutes, whichever comes first."""

    part_cases: int = 64
    part_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.part_cases < 1 or self.part_minutes <= 0:
            raise ParameterError(
                expected="part_cases of 1 or more, part_minutes above 0", got=str(self), hint="64 and 5.0"
            )


@dataclass
class Tally:
    """What was scored; ``failed``: case_id → why a frame of it has no scorecard."""

    cases: int = 0
    frames: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def store_of(workspace: Workspace, task: Task, version: ModelVersion) -> ScoreStore:
    """The scores of a registered version."""
    return ScoreStore(workspace.scores(task, version.version, version.package_hash))


def keep_scores(
    predictor: Predictor,
    cases: Iterable[PreparedCase],
    load: Callable[[str], Volume],
    keep: Callable[[Sequence[CaseScores]], None],
    params: ScoreParams,
    *,
    pseudo: PseudoLabel | None = None,
    seen: Callable[[int], None],
) -> Tally:
    """Score ``cases`` and hand them to ``keep``, a part at a time; also what is finished when a person interrupts.

    Args:
        pseudo: see ``components.operations.scoring.score_cases``.
        seen: called after each frame with how many there were.
    """
    tally = Tally()
    part: list[CaseScores] = []
    started = time.monotonic()
    try:
        for case in cases:
            part.append(_score(predictor, case, load, pseudo, tally, seen))
            if len(part) >= params.part_cases or time.monotonic() - started > 60.0 * params.part_minutes:
                keep(part)
                part, started = [], time.monotonic()
    except KeyboardInterrupt:
        if part:
            keep(part)
        raise
    if part:
        keep(part)
    return tally


def scores_of(
    workspace: Workspace,
    task: Task,
    version: ModelVersion,
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    *,
    progress: Progress | None = None,
) -> Scored:
    """Scorecards of all ``frames``, rows of frames.parquet: stored ones, and those that are made and stored now.

    A case with failures is tried again. While ``ctloop score`` fills the same store, what is missing is made and
    not stored.
    """
    store, params = store_of(workspace, task, version), load_section(ScoreParams, workspace.params, "score")
    labels = TeacherLabelsOf.at(workspace, task)
    cases = list(cases_of(frames, labels.sha256))
    with lease_unless_held(store.lease, "ctloop score") as ours:
        index = store.index()
        rest = [case for case in cases if not holds(index, case, retry=True)]
        made: list[CaseScores] = []
        keep_scores(
            predictor, rest, load, store.add if ours else made.extend, params,
            pseudo=labels.load, seen=_towards(sum(len(case.frames) for case in rest), progress),
        )  # fmt: skip
        if ours:
            store.compact()
        index = store.index()
        stored = store.read([case.case_id for case in cases if holds(index, case)])
    return _together(stored, made), _failures(index, cases, made)


def holds(index: StoreIndex, case: PreparedCase, *, retry: bool = False) -> bool:
    """Whether the store has scores of the case as it is now; with ``retry`` not of one with failures."""
    if index.contents.get(case.case_id) != case.content:
        return False
    return not (retry and case.case_id in index.failed_cases)


def _together(stored: pd.DataFrame, made: Sequence[CaseScores]) -> pd.DataFrame:
    rows = [row for case in made for row in case.rows]
    tables = [table for table in (stored, scorecard_table(rows)) if not table.empty]
    if not tables:
        return scorecard_table([])
    return pd.concat(tables).sort_values("case_id", kind="stable", ignore_index=True)


def _failures(index: StoreIndex, cases: Sequence[PreparedCase], made: Sequence[CaseScores]) -> dict[str, str]:
    asked = {case.case_id for case in cases if holds(index, case)}
    known = {failure.frame_id: failure.reason for failure in index.failures if failure.case_id in asked}
    return known | {frame: reason for case in made for frame, reason in case.failures.items()}


def _towards(total: int, progress: Progress | None) -> Callable[[int], None]:
    return (lambda done: None) if progress is None else (lambda done: progress(done, total))


def _score(
    predictor: Predictor,
    case: PreparedCase,
    load: Callable[[str], Volume],
    pseudo: PseudoLabel | None,
    tally: Tally,
    seen: Callable[[int], None],
) -> CaseScores:
    failures: dict[str, str] = {}

    def see(name: str, answer: FramePrediction | Exception) -> None:
        if isinstance(answer, Exception):
            failures[name] = reason_of(answer)
        tally.frames += 1
        seen(tally.frames)

    rows = score_case(predictor, _with_nan(case.frames), load, see=see, pseudo=pseudo)
    tally.cases += 1
    if failures:
        tally.failed[case.case_id] = next(iter(failures.values()))
    return CaseScores(case_id=case.case_id, content=case.content, rows=rows, failures=failures)


def _with_nan(frames: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As pandas reads the table: an unknown number is NaN."""
    return [{name: float("nan") if value is None else value for name, value in row.items()} for row in frames]
