"""The campaigns of ``ctloop bench acquisition``, one process each at a time; what is done stays in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from components.acquisition.params import AcquisitionParams
from components.cohort.task import Task
from pipelines.bench.acquisition_arms import arm_of
from pipelines.bench.acquisition_campaign import Campaign, Learner, run_campaign
from pipelines.bench.acquisition_pool import Pool
from pipelines.bench.acquisition_tasks import SETTINGS
from pipelines.params import load_section
from pipelines.progress import bar, write_json


@dataclass(frozen=True, kw_only=True)
class Job:
    """A campaign: draw ``draw`` of an arm on one pool of a seed; its inputs and its result lie in ``folder``."""

    folder: Path
    task: Task
    seed: int
    pool: str
    arm: str
    draw: int
    batches: tuple[int, ...]

    @property
    def result(self) -> Path:
        name = "".join(letter if letter.isalnum() else "-" for letter in self.arm)
        return self.folder / f"{self.pool}-{name}-{self.draw}.npz"


def run_jobs(jobs: Sequence[Job], *, workers: int) -> dict[Job, Campaign]:
    """All that are not done yet, in processes of one thread each: faster than one process of two at this size."""
    missing = [job for job in jobs if not job.result.is_file()]
    show = bar(f"{len(missing)} campaigns, {len(jobs) - len(missing)} done before", "campaign")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_thread) as processes:
        running = [processes.submit(run_job, job) for job in missing]
        for done, future in enumerate(as_completed(running), start=1):
            future.result()
            show(done, len(missing))
    return {job: load(job.result) for job in jobs}


def one_thread() -> None:
    """Of torch."""
    import torch

    torch.set_num_threads(1)


def run_job(job: Job) -> None:
    """One campaign; every random choice follows from the job's names."""
    learner = learner_of(job.folder, job.task, job.seed, job.pool)
    params = shipped_params()
    name = f"{job.pool} {job.arm}".encode()
    campaign = run_campaign(
        learner,
        arm_of(job.arm, learner.frames, params, job.task),
        job.batches,
        params.minutes,
        np.random.default_rng([job.seed, job.draw, *name]),
    )
    save(campaign, job.result)


@lru_cache(maxsize=1)
def learner_of(folder: Path, task: Task, seed: int, pool: str) -> Learner:
    """What the campaigns on one pool share."""
    own, test = (Pool.load(pool_file(folder, name)) for name in (pool, "test"))
    return SETTINGS[task].load(own, test, seed, folder / pool)


def pool_file(folder: Path, name: str) -> Path:
    """Where the frames of a pool lie."""
    return folder / f"{name}.pool.npz"


def shipped_params() -> AcquisitionParams:
    """Section ``acquisition`` as ctloop ships it."""
    return load_section(AcquisitionParams, Path(__file__).parents[1] / "params.yaml", "acquisition")


def save(campaign: Campaign, path: Path) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(
            file,
            labels=campaign.labels,
            minutes=campaign.minutes,
            judged=campaign.judged,
            asked=np.array(campaign.asked, dtype=str),
        )
    os.replace(part, path)


def load(path: Path) -> Campaign:
    with np.load(path, allow_pickle=False) as kept:
        return Campaign(
            labels=kept["labels"],
            minutes=kept["minutes"],
            judged=kept["judged"],
            asked=tuple(map(str, kept["asked"])),
        )


def fresh(folder: Path, settings: Mapping[str, object]) -> Path:
    """``folder``, emptied if what lies there was made with other settings."""
    import shutil

    noted, wanted = folder / "settings.json", json.loads(json.dumps(settings))
    if not noted.is_file() or json.loads(noted.read_text()) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_json(noted, wanted)
    return folder
