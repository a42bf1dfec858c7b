"""The benchmarks by name; each is imported when it runs."""

from __future__ import annotations

import difflib
from importlib import import_module

from components.cohort.task import TASKS, Task
from components.errors import ParameterError
from pipelines.bench.bench import Bench

# name → module of pipelines.bench, whose function ``bench`` is called
BENCHES: dict[str, str] = {
    "self-training": "self_training",
    "training": "training",
    "inference": "inference",
    "ct-scroll": "ct_scroll",
    "pool": "pool",
    "uncertainty": "uncertainty",
    "acquisition": "acquisition",
    "gate": "gate",
    "drift": "drift",
    "loop": "loop",
}
OF_BOTH_TASKS = ("acquisition",)


def load_bench(name: str) -> Bench:
    """The benchmark of this name; ``ParameterError`` for another."""
    if name not in BENCHES:
        near = difflib.get_close_matches(name, BENCHES, n=1, cutoff=0.0)
        raise ParameterError(
            expected=f"a benchmark among {', '.join(BENCHES)}",
            got=repr(name),
            hint=near[0] if near else "none yet",
        )
    bench: Bench = import_module(f"pipelines.bench.{BENCHES[name]}").bench
    return bench


def task_of(name: str, task: str | None) -> Task:
    """The task that a benchmark of both is asked for, segmentation unless given; ``ParameterError`` for others."""
    if task is None:
        return "segmentation"
    if name not in OF_BOTH_TASKS:
        raise ParameterError(
            expected=f"no --task for the benchmark {name}",
            got=repr(task),
            hint=f"{', '.join(OF_BOTH_TASKS)} takes one",
        )
    for known in TASKS:
        if task == known:
            return known
    raise ParameterError(expected="a task", got=repr(task), hint=" or ".join(TASKS))


def seeds_of(text: str) -> tuple[int, ...]:
    """``"1,2,3"`` → (1, 2, 3); ``ParameterError`` for anything else."""
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ParameterError(expected="different seeds of 0 or more", got=repr(text), hint="--seed 1,2,3")
    return seeds
