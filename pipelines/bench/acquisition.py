"""``ctloop bench acquisition``: which labels to ask for, against foreground-aware random and others.

Every arm spends the same number of labels on the same pools; after each batch the model starts anew from the student of
a poor teacher and takes the same number of steps. The areas under the budget curves are compared.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from components.cohort.task import Task
from pipelines.bench.acquisition_arms import arms_on
from pipelines.bench.acquisition_campaign import Campaign
from pipelines.bench.acquisition_claims import arms_table, claims_of, curves_table
from pipelines.bench.acquisition_curves import Arena
from pipelines.bench.acquisition_figure import draw_acquisition
from pipelines.bench.acquisition_pool import BROKEN, Pool, draw_pool
from pipelines.bench.acquisition_run import Job, fresh, one_thread, pool_file, run_jobs, shipped_params
from pipelines.bench.acquisition_tasks import SETTINGS
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.progress import say

BATCHES: dict[Size, tuple[int, ...]] = {"small": (4, 4, 5, 6, 6, 8), "full": (3,) * 11}
WORKERS = 2


def bench(request: BenchRequest) -> BenchResult:
    """All arms on the pools of every seed; a killed benchmark goes on where it stood."""
    task, batches = request.task, BATCHES[request.size]
    folders = [request.out / f"acquisition-{task}-{seed}.work" for seed in request.seeds]
    seeds = [
        run_seed(seed, task, batches, folder) for seed, folder in zip(request.seeds, folders, strict=True)
    ]
    result = BenchResult(
        claims=claims_of(seeds),
        tables={"setup": setup(task, batches), "arms": arms_table(seeds), "curves": curves_table(seeds)},
        figure=draw_acquisition(seeds),
    )
    for folder in folders:
        shutil.rmtree(folder)
    return result


def setup(task: Task, batches: Sequence[int]) -> dict[str, Any]:
    """All that a campaign's result depends on but its seed and the code."""
    setting = SETTINGS[task]
    return {
        "task": task,
        "batches": list(batches),
        "pools": [dataclasses.asdict(made) for made in (*setting.pools, setting.test, setting.taught)],
        "acquisition": dataclasses.asdict(shipped_params()),
    }


def run_seed(seed: int, task: Task, batches: tuple[int, ...], folder: Path) -> dict[str, Arena]:
    """Pool → its campaigns."""
    fresh(folder, setup(task, batches))
    prepare(seed, task, folder)
    names = [made.name for made in SETTINGS[task].pools]
    jobs = [
        Job(folder=folder, task=task, seed=seed, pool=pool, arm=arm, draw=draw, batches=batches)
        for pool in names
        for arm, draws in arms_on(pool).items()
        for draw in range(draws)
    ]
    say(f"seed {seed}: {len(jobs)} campaigns of {len(batches)} batches")
    done = run_jobs(jobs, workers=WORKERS)
    return {
        pool: arena_of(
            task,
            folder,
            pool,
            {arm: [done[job] for job in jobs if (job.pool, job.arm) == (pool, arm)] for arm in arms_on(pool)},
        )
        for pool in names
    }


def prepare(seed: int, task: Task, folder: Path) -> None:
    """Draw the patients, train the teacher and the start of both pools; what is there is kept."""
    setting = SETTINGS[task]
    for made in (*setting.pools, setting.test, setting.taught):
        path = pool_file(folder, made.name)
        if not path.is_file():
            draw_pool(made, seed, draw=setting.draw, workers=WORKERS).save(path)
    missing = [
        made.name for made in setting.pools if not (folder / made.name / "start.safetensors").is_file()
    ]
    if missing:
        say(f"seed {seed}: training teacher and start for {' and '.join(missing)}")
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=one_thread) as processes:
        for future in [processes.submit(_prepare, seed, task, folder, name) for name in missing]:
            future.result()


def _prepare(seed: int, task: Task, folder: Path, name: str) -> None:
    pool, taught = (Pool.load(pool_file(folder, one)) for one in (name, "taught"))
    SETTINGS[task].prepare(pool, taught, seed, folder / name)


def arena_of(task: Task, folder: Path, name: str, campaigns: Mapping[str, Sequence[Campaign]]) -> Arena:
    """What was measured on a pool, ready to be compared."""
    pool, test = (Pool.load(pool_file(folder, one)) for one in (name, "test"))
    unusable = pool.frames["kind"] == BROKEN
    return Arena(
        campaigns=campaigns,
        strata=test.frames["kind"].to_numpy(dtype=str),
        metrics=SETTINGS[task].metrics(pool, test),
        broken=frozenset(pool.frames.loc[unusable, "frame_id"].astype(str)),
    )
