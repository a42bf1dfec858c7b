"""``ctloop bench drift``: does the monitor keep its false-alarm rate, see shifts early, and say what they are?

Small heart phantoms are scored once by a network that learned from others. Windows are drawn from them by patient, and
judged by the function that production calls, at a false-alarm rate of 0.05.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.drift_claims import SeedResult, claims_of, tables_of
from pipelines.bench.drift_features import scored_patients
from pipelines.bench.drift_history import Cost, measured, write_history
from pipelines.bench.drift_patients import (
    GRADES,
    NONE,
    SEVERITY_EDGES,
    SHARES,
    SHIFTS,
    Draw,
    draw_patients,
    labelled_batches,
    of_grades,
)
from pipelines.bench.drift_quality import quality_of
from pipelines.bench.drift_windows import (
    ALPHA,
    PERMUTATIONS,
    REFERENCE_PATIENTS,
    Features,
    WindowSpec,
    judged,
)
from pipelines.progress import say


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Patients, training steps, and windows of each kind."""

    train: int = 24
    steps: int = 400
    base: int = 1200
    per_grade: int = 70
    per_mixed: int = 90
    batches: int = 24
    per_batch: int = 10
    null_windows: int = 1000
    compared_null: int = 300
    still_windows: int = 400
    shifted_windows: int = 40
    named_windows: int = 8
    histories: tuple[int, ...] = (1_000, 100_000)
    repeats: int = 3


_SIZES: dict[Size, Sizes] = {
    "small": Sizes(),
    "full": Sizes(train=60, steps=2000, base=3000, per_grade=150, per_mixed=200, shifted_windows=100),
}
WINDOW = 50
NULL_SIZES = (30, 100, 300)


def bench(request: BenchRequest) -> BenchResult:
    """Claims over all seeds."""
    from pipelines.bench.drift_figure import draw_drift

    sizes = _SIZES[request.size]
    results = [_seed(seed, sizes, request.out / f"drift-{seed}.work") for seed in request.seeds]
    tables = {
        "sizes": {
            **dataclasses.asdict(sizes), "alpha": ALPHA, "permutations": PERMUTATIONS, "window": WINDOW,
            "reference": REFERENCE_PATIENTS, "severity_edges": SEVERITY_EDGES, "shares": SHARES,
        },
        **{f"seed {seed}": tables_of(one) for seed, one in zip(request.seeds, results, strict=True)},
    }  # fmt: skip
    result = BenchResult(claims=claims_of(results), tables=tables, figure=draw_drift(results))
    for seed in request.seeds:
        shutil.rmtree(request.out / f"drift-{seed}.work", ignore_errors=True)
    return result


def patients_of(seed: int, sizes: Sizes) -> list[Draw]:
    """All that are scored: unshifted ones, those of every shift, and batches whose labels came back."""
    return [
        *draw_patients(seed, "base", NONE, sizes.base),
        *of_grades(seed, "shifted", sizes.per_grade, sizes.per_mixed),
        *labelled_batches(seed, sizes.batches, sizes.per_batch),
    ]


def windows_of(sizes: Sizes) -> dict[str, list[WindowSpec]]:
    """Unshifted ones of three sizes; shifted ones without metadata, compared; shifted ones with it, named."""
    null = [
        WindowSpec(n=n, hidden=False, number=number, compared=number < sizes.compared_null)
        for n in NULL_SIZES
        for number in range(sizes.null_windows)
    ]
    still = [WindowSpec(n=WINDOW, number=number, compared=True) for number in range(sizes.still_windows)]
    grades = [(shift, grade) for shift in SHIFTS for grade in range(1, GRADES + 1)]
    shifted = [
        WindowSpec(n=WINDOW, shift=shift, grade=grade, number=number, compared=True)
        for shift, grade in grades
        for number in range(sizes.shifted_windows)
    ]
    named = [
        WindowSpec(n=WINDOW, shift=shift, grade=grade, number=number, hidden=False)
        for shift, grade in grades
        for number in range(sizes.named_windows)
    ]
    return {"null": null, "power": [*still, *shifted], "named": named}


def _seed(seed: int, sizes: Sizes, work: Path) -> SeedResult:
    table = scored_patients(seed, patients_of(seed, sizes), work, train=sizes.train, steps=sizes.steps)
    file = next(work.glob("features-*.parquet"))
    found = {}
    for name, specs in windows_of(sizes).items():
        say(f"seed {seed}: {len(specs)} windows, {name}")
        found[name] = _kept(work / f"{name}.parquet", file, seed, specs)
    features = Features.of(table, seed)
    return SeedResult(**found, quality=quality_of(table, features), history=_history(features, seed, sizes))


def _kept(target: Path, file: Path, seed: int, specs: list[WindowSpec]) -> pd.DataFrame:
    """A bench that was killed does not judge these windows again."""
    if target.is_file() and len(kept := read_parquet(target)) == len(specs):
        return kept
    table = judged(file, seed, specs, name=target.stem)
    write_whole(target, table.to_parquet(index=False))
    return table


def _history(features: Features, seed: int, sizes: Sizes) -> list[Cost]:
    """The median of several processes, for the shortest and the longest past."""
    base = features.pools[NONE, 0]
    reference, rest = (
        features.of_patients(base[:REFERENCE_PATIENTS]),
        features.of_patients(base[REFERENCE_PATIENTS:]),
    )
    costs = []
    with tempfile.TemporaryDirectory(prefix="ctloop-bench-") as folder:
        for cases in sizes.histories:
            here = Path(folder) / str(cases)
            write_history(
                here,
                rest.drop_duplicates("case_id"),
                reference.drop_duplicates("case_id"),
                cases=cases,
                seed=seed,
            )
            runs = sorted((measured(here, cases) for _ in range(sizes.repeats)), key=lambda one: one.seconds)
            costs.append(runs[len(runs) // 2])
            say(
                f"seed {seed}: a day of {cases} cases in {costs[-1].seconds:.1f} s, {costs[-1].peak_mib:.0f} MiB"
            )
    return costs
