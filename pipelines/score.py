"""Job: scorecards of the pool by one registered version; killed at any moment, it goes on where it stood."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from components.adapters.score_store import StoreIndex
from components.cohort.task import Task
from components.errors import ParameterError
from components.models.prediction import Predictor
from components.operations.register_model import subject_of
from components.registry.registry import ModelVersion
from pipelines.keep_scores import ScoreParams, Tally, holds, keep_scores, store_of
from pipelines.lease import lease
from pipelines.params import load_section
from pipelines.prepared_cases import PreparedCase, PreparedCases, pool_cases, prepared_volume
from pipelines.progress import bar, say, write_json
from pipelines.teacher_labels_of import TeacherLabelsOf
from pipelines.workspace import Workspace


def score(
    workspace: Workspace,
    task: Task,
    version: ModelVersion,
    *,
    load_predictor: Callable[[], Predictor],
    batch: str | None = None,
    every: bool = False,
    limit: int | None = None,
    retry: bool = False,
) -> dict[str, Any]:
    """Store the scorecards of every case of the pool that has none by this version; what was done, as JSON.

    The scores are Parquet files in ``.ctloop/scores/TASK/VERSION``, to be read with
    ``components.adapters.score_store.ScoreStore``; quarantine.json there names the frames that have none, and why.

    Args:
        version: of a model for ``task``.
        load_predictor: the version's predictor; called only if something is to be scored.
        batch, every: which cases, see ``pool_cases``.
        limit: score at most so many cases now.
        retry: those in quarantine too.

    Raises ``StateError`` when another process scores with this version.
    """
    store, params = store_of(workspace, task, version), load_section(ScoreParams, workspace.params, "score")
    started = time.monotonic()
    with lease(store.lease, "ctloop score"):
        pool = pool_cases(workspace, task, batch=batch, every=every)
        index = store.index()
        rest = _Rest(pool=pool, index=index, retry=retry, limit=limit)
        found = _survey(rest)
        say(
            f"score {task}: {found.now} of {found.pool} cases by {subject_of(version)}; {found.known} known before"
        )
        tally = Tally()
        if found.now:
            predictor = _of_task(load_predictor(), task, version)
            show = bar(f"score {task}")
            tally = keep_scores(
                predictor, rest, prepared_volume(workspace, task), store.add, params,
                pseudo=TeacherLabelsOf.at(workspace, task).load, seen=lambda done: show(done, found.frames),
            )  # fmt: skip
        store.compact()
        failures = store.index().failures
        write_json(store.folder / "quarantine.json", [vars(failure) for failure in failures])
    return {
        "task": task,
        "model": subject_of(version),
        "package_hash": version.package_hash,
        "cases": found.pool,
        "known": found.known,
        "scored": tally.cases,
        "frames": tally.frames,
        "left": found.pool - found.known - tally.cases,
        "quarantined_now": tally.failed,
        "quarantined": len({failure.case_id for failure in failures}),
        "seconds": round(time.monotonic() - started, 1),
        "scores": str(store.folder),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rest:
    """The cases that are to be scored now; gone through twice, to count them and to score them."""

    pool: PreparedCases
    index: StoreIndex
    retry: bool
    limit: int | None

    def __iter__(self) -> Iterator[PreparedCase]:
        return islice(
            (case for case in self.pool if not holds(self.index, case, retry=self.retry)), self.limit
        )


@dataclass(frozen=True, kw_only=True)
class _Survey:
    """Cases of the pool, those whose scores are known, those to score now and their frames."""

    pool: int
    known: int
    now: int
    frames: int


def _survey(rest: _Rest) -> _Survey:
    pool = known = 0
    for case in rest.pool:
        pool += 1
        known += holds(rest.index, case, retry=rest.retry)
    now = [len(case.frames) for case in rest]
    return _Survey(pool=pool, known=known, now=len(now), frames=sum(now))


def _of_task(predictor: Predictor, task: Task, version: ModelVersion) -> Predictor:
    if predictor.task != task:
        raise ParameterError(
            expected=f"a model for {task}",
            got=f"{subject_of(version)}, which is for {predictor.task}",
            hint=f"--task {predictor.task}",
        )
    return predictor
