"""``ctloop bench acquisition``: which labels to ask for, against foreground-aware random and others.

Every arm spends the same number of labels on the same pools; after each batch the model starts anew from the student of
a poor teacher and takes the same number of steps. The areas under the budget curves are compared.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from components.cohort.task import Task
from pipelines.bench import acquisition_pool as pools
from pipelines.bench.acquisition_arms import DRAWS
from pipelines.bench.acquisition_claims import arms_table, claims_of, curves_table
from pipelines.bench.acquisition_curves import Arena, mean_by_mode
from pipelines.bench.acquisition_figure import draw_acquisition
from pipelines.bench.acquisition_hearts import Hearts, is_broken
from pipelines.bench.acquisition_pool import Composition, Pool, draw_pool
from pipelines.bench.acquisition_run import Job, fresh, one_thread, run_jobs
from pipelines.bench.bench import BenchRequest, BenchResult
from pipelines.progress import say

BATCHES = (3, 3, 4, 4, 5, 6, 8)
COMPOSITIONS: Mapping[str, Composition] = {"main": pools.MAIN, "control": pools.CONTROL}
WORKERS = 2


def bench(request: BenchRequest) -> BenchResult:
    """All arms on both pools of every seed; a killed benchmark goes on where it stood."""
    folders = {seed: request.out / f"acquisition-{request.task}-{seed}.work" for seed in request.seeds}
    seeds = [run_seed(seed, request.task, folder) for seed, folder in folders.items()]
    result = BenchResult(
        claims=claims_of(seeds),
        tables={
            "setup": {
                "task": request.task, "batches": BATCHES,
                "pools": {name: vars(made) for name, made in COMPOSITIONS.items()},
            },
            "arms": arms_table(seeds),
            "curves": curves_table(seeds),
        },
        figure=draw_acquisition(seeds),
    )  # fmt: skip
    for folder in folders.values():
        shutil.rmtree(folder)
    return result


def run_seed(seed: int, task: Task, folder: Path) -> dict[str, Arena]:
    """Pool → its campaigns."""
    prepare(seed, folder)
    jobs = [
        Job(folder=folder, task=task, seed=seed, pool=pool, arm=arm, draw=draw, batches=BATCHES)
        for pool in COMPOSITIONS
        for arm, draws in DRAWS.items()
        for draw in range(draws)
    ]
    say(f"seed {seed}: {len(jobs)} campaigns of {len(BATCHES)} batches")
    done = run_jobs(jobs, workers=WORKERS)
    return {
        pool: arena_of(
            Pool.load(folder / f"{pool}.pool.npz").frames,
            Pool.load(folder / "test.pool.npz").frames,
            {arm: [done[job] for job in jobs if (job.pool, job.arm) == (pool, arm)] for arm in DRAWS},
        )
        for pool in COMPOSITIONS
    }


def prepare(seed: int, folder: Path) -> None:
    """Draw the patients, train the teacher and the start of both pools; what is there is kept."""
    fresh(folder, {"batches": BATCHES, "seed": seed})
    for composition in (*COMPOSITIONS.values(), pools.TEST, pools.TAUGHT):
        path = folder / f"{composition.name}.pool.npz"
        if not path.is_file():
            draw_pool(composition, seed, workers=WORKERS).save(path)
    missing = [name for name in COMPOSITIONS if not (folder / name / "start.safetensors").is_file()]
    say(f"seed {seed}: training teacher and start for {len(missing)} pools")
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=one_thread) as processes:
        for future in [processes.submit(_prepare, folder, name, seed) for name in missing]:
            future.result()


def _prepare(folder: Path, name: str, seed: int) -> None:
    pool, taught = (Pool.load(folder / f"{one}.pool.npz") for one in (name, "taught"))
    Hearts.prepare(pool, taught, seed, folder / name)


def arena_of(frames: pd.DataFrame, test: pd.DataFrame, campaigns: Mapping[str, list]) -> Arena:
    """Modes count alike, or as the pool's patients that can be labelled have them."""
    kinds = test["kind"].to_numpy(dtype=str)
    patients = frames[~is_broken(frames)].drop_duplicates("patient_id")["kind"]
    prevalence = {str(kind): float(share) for kind, share in patients.value_counts(normalize=True).items()}
    return Arena(
        campaigns=campaigns,
        strata=kinds,
        metrics={
            "modes": mean_by_mode(kinds, dict.fromkeys(np.unique(kinds).tolist(), 1.0)),
            "prevalence": mean_by_mode(kinds, prevalence),
        },
        broken=frozenset(frames.loc[is_broken(frames), "frame_id"].astype(str)),
    )
