"""``ctloop bench loop``: does everything together keep a model right through a year, for a third of the labels?

Twelve monthly batches of small heart phantoms, with three shifts, a month of wrong labels, a bad challenger and a
teacher that is recalled. Networks are really trained; experts are simulated by the truth. At the start of each month
the model in use is judged on fresh patients of that month (a composite model over time, as in Modyn: Böther et al.
2024), before anything of the month is learned.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.bench.acquisition_run import fresh
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.loop_baselines import ArmYear, everything, never, random_labels
from pipelines.bench.loop_books import Books, Shipped
from pipelines.bench.loop_claims import SeedYear, claims_of, tables_of
from pipelines.bench.loop_ours import Cycle, OurYear
from pipelines.bench.loop_replay import replayed
from pipelines.bench.loop_students import Students
from pipelines.bench.loop_year import SHIFTS, YearSize, draw_year
from pipelines.progress import write_json


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The year's patients, and training steps of the start and of every retraining."""

    year: YearSize = dataclasses.field(default_factory=YearSize)
    start_steps: int = 500
    steps: int = 300


_SIZES: dict[Size, Sizes] = {
    "small": Sizes(),
    "full": Sizes(year=YearSize(batch=100, fresh=100), start_steps=2000, steps=1200),
}


def bench(request: BenchRequest) -> BenchResult:
    """Claims over all seeds."""
    from pipelines.bench.loop_figure import draw_loop

    sizes = _SIZES[request.size]
    works = [request.out / f"loop-{seed}.work" for seed in request.seeds]
    years = [year_of(seed, sizes, work) for seed, work in zip(request.seeds, works, strict=True)]
    tables = {"sizes": dataclasses.asdict(sizes), **{f"seed {y.seed}": tables_of(y) for y in years}}
    result = BenchResult(claims=claims_of(years), tables=tables, figure=draw_loop(years))
    for work in works:
        shutil.rmtree(work, ignore_errors=True)
    return result


def year_of(seed: int, sizes: Sizes, work: Path) -> SeedYear:
    """All arms of a seed; of a killed bench those that were done are read again, and no network is trained twice."""
    fresh(work, {"seed": seed, **dataclasses.asdict(sizes)})
    shipped = Shipped.read()
    students = Students(
        year=draw_year(seed, sizes.year, work / "drawn"), folder=work / "networks",
        start_steps=sizes.start_steps, steps=sizes.steps, demanded=shipped.plausibility,
    )  # fmt: skip
    told = _kept(
        work / "ours.json",
        lambda: [
            dataclasses.asdict(cycle)
            for cycle in OurYear(students=students, shipped=shipped, books=Books.open(work / "books")).run()
        ],
    )
    ours = [cycle_of(one) for one in told]
    budget = sum(cycle.labels for cycle in ours)
    arms = {
        "never": lambda: never(students),
        "everything": lambda: everything(students, shipped.check),
        "random": lambda: random_labels(students, shipped.check, budget),
    }
    found = {
        name: ArmYear(**_kept(work / f"{name}.json", lambda run=run: dataclasses.asdict(run())))  # type: ignore[misc]
        for name, run in arms.items()
    }
    replay = _kept(
        work / "replay.json",
        lambda: replayed(students, shipped, Books.reopened(work / "books"), SHIFTS["scanner"]),
    )
    return SeedYear(seed=seed, ours=ours, replay=replay, **found)


def cycle_of(told: dict[str, Any]) -> Cycle:
    """From JSON."""
    lists: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
    }
    return Cycle(**lists)


def _kept(file: Path, run: Callable[[], Any]) -> Any:
    if not file.is_file():
        write_json(file, run())
    return json.loads(file.read_text())
