"""The benchmarks: every number that we state, measured again on the user's machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    name: Annotated[
        str, typer.Argument(help="self-training, training, inference, ct-scroll, pool or acquisition")
    ],
    seed: Annotated[str, typer.Option(help="one, or several with commas")] = "0",
    size: Annotated[str, typer.Option(help="small: 2 cores, up to 20 minutes a seed; full: a GPU")] = "small",
    out: Annotated[
        Path | None, typer.Option(help="for NAME.json and NAME.png; .ctloop/bench unless given")
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", help="segmentation or classification, of acquisition only")
    ] = None,
) -> None:
    """Measure what we claim. Prints one JSON object; exit code 1 unless every claim holds.

    Examples: `ctloop bench inference`; `ctloop bench self-training --seed 1,2,3 --out /tmp/bench`;
    `ctloop bench acquisition --task classification`
    """
    from pipelines.bench.bench import BenchRequest, run_bench, size_of
    from pipelines.bench.registry import load_bench, seeds_of, task_of

    root = Path(__file__).resolve().parents[2]
    run, chosen = load_bench(name), task_of(name, task)
    request = BenchRequest(
        seeds=seeds_of(seed), size=size_of(size), out=out or root / ".ctloop" / "bench", task=chosen
    )
    if not run_bench(name if task is None else f"{name}-{chosen}", run, request, root=root):
        raise typer.Exit(1)
