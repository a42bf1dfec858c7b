"""``ctloop bench pool``: whether scoring a pool stays linear in time and flat in memory, and what a kill costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from components.adapters.parquet import read_parquet
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.claims import Claim
from pipelines.bench.pool_data import SIDE, TASK, Pool, draw_pool, write_network
from pipelines.bench.pool_run import VERSION, Ran, run_score
from pipelines.keep_scores import ScoreParams, store_of
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Pools of ``counts`` frames, each scored ``repeats`` times; kills happen in that of ``killed`` frames."""

    counts: tuple[int, ...]
    repeats: tuple[int, ...]
    killed: int
    kills: int = 3


_SIZES: Mapping[Size, _Sizes] = {
    "small": _Sizes(counts=(100, 1_000, 10_000), repeats=(5, 3, 1), killed=1_000),
    "full": _Sizes(counts=(1_000, 10_000, 100_000), repeats=(3, 1, 1), killed=10_000),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """Of one seed.

    Args:
        runs: frames of the pool → runs without a kill.
        looked: predictions of each process of the killed pool, in the order in which they ran.
        lost: of each killed process, those that it had not stored.
        part_cases: cases that are stored at a time, each of one frame.
        doubled: what was found twice, missing, or other than without a kill.
    """

    runs: Mapping[int, Sequence[Ran]]
    looked: Sequence[int]
    lost: Sequence[int]
    killed: int
    part_cases: int
    doubled: Sequence[str]

    def seconds(self) -> dict[int, float]:
        return {count: float(np.median([run.seconds for run in runs])) for count, runs in self.runs.items()}

    def peak_mib(self) -> dict[int, float]:
        return {count: float(np.median([run.peak_mib for run in runs])) for count, runs in self.runs.items()}

    def time_slope(self) -> float:
        """Least squares of log seconds over log frames."""
        seconds = self.seconds()
        return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])

    def rss_growth(self) -> float:
        """Peak memory of the largest pool over that of the smallest."""
        peaks = self.peak_mib()
        return peaks[max(peaks)] / peaks[min(peaks)]

    def rework(self) -> float:
        """Frames that were predicted again after a kill, at most, in batches; NaN if they do not add up."""
        again = sum(self.looked) - self.killed
        return max(self.lost) / self.part_cases if again == sum(self.lost) else float("nan")

    def largest_slope(self) -> float:
        """Between the two largest pools alone, where nothing that a run costs once hides what a frame costs."""
        (few, fast), (many, slow) = sorted(self.seconds().items())[-2:]
        return float(np.log(slow / fast) / np.log(many / few))


def bench(request: BenchRequest) -> BenchResult:
    """Pools of three sizes in processes of their own, and one that is killed three times on its way."""
    sizes = _SIZES[request.size]
    measured: dict[int, Measured] = {}
    for seed in request.seeds:
        with tempfile.TemporaryDirectory(prefix="ctloop-bench-") as folder:
            measured[seed] = measure(Path(folder), seed, sizes)
    return BenchResult(
        claims=claims(list(measured.values())),
        tables={"said": _said(sizes), **{f"seed {seed}": _table(one) for seed, one in measured.items()}},
        figure=_draw(list(measured.values())),
    )


def claims(measured: Sequence[Measured]) -> list[Claim]:
    """Of the worst seed."""
    sound = not any(one.doubled for one in measured)
    return [
        Claim(id="time_slope", measured=max(one.time_slope() for one in measured), relation="<=", bound=1.05),
        Claim(id="rss_growth", measured=max(one.rss_growth() for one in measured), relation="<=", bound=1.1),
        Claim(
            id="rework_after_kill", measured=max(one.rework() for one in measured), relation="<=", bound=1.0
        ),
        Claim(id="nothing_doubled", measured=float(sound), relation=">=", bound=1.0),
    ]


def measure(folder: Path, seed: int, sizes: _Sizes) -> Measured:
    """Everything of one seed, in ``folder``."""
    say(f"seed {seed}: drawing {max(sizes.counts)} frames")
    pool = draw_pool(folder / "frames", seed=seed, count=max(sizes.counts))
    package = folder / "package"
    write_network(package, seed=seed)
    runs: dict[int, list[Ran]] = {count: [] for count in sizes.counts}
    doubled: list[str] = []
    for turn in range(max(sizes.repeats)):  # the sizes in turn: a busy minute of the machine hits them all
        for count, repeats in zip(sizes.counts, sizes.repeats, strict=True):
            if turn < repeats:
                here = pool.workspace(folder / f"{count}-{turn}", count)
                runs[count].append(run_score(here, package, folder / f"{count}-{turn}.log"))
                doubled += faults(here, count)
                say(f"seed {seed}: {count} frames in {runs[count][-1].seconds:.1f} s")
    whole = Workspace(root=folder / f"{sizes.killed}-0", state=folder / f"{sizes.killed}-0" / ".ctloop")
    looked, lost, faulty = _with_kills(folder, pool, package, whole, seed, sizes)
    part_cases = load_section(ScoreParams, whole.params, "score").part_cases
    return Measured(
        runs=runs,
        looked=looked,
        lost=lost,
        killed=sizes.killed,
        part_cases=part_cases,
        doubled=[*doubled, *faulty],
    )


def _with_kills(
    folder: Path, pool: Pool, package: Path, whole: Workspace, seed: int, sizes: _Sizes
) -> tuple[list[int], list[int], list[str]]:
    """Predictions of each process; those that each kill lost; what differs from the same pool without a kill."""
    here = pool.workspace(folder / "killed", sizes.killed)
    share = sizes.killed // (sizes.kills + 1)
    moments = np.random.default_rng([seed, sizes.killed]).integers(share // 2, share, sizes.kills)
    looked, lost, stored = [], [], 0
    for number, moment in enumerate([*moments.tolist(), 0]):
        ran = run_score(here, package, folder / f"killed-{number}.log", kill_at=moment)
        looked.append(ran.looked)
        before, stored = stored, len(_scores(here))
        if moment:
            lost.append(ran.looked - (stored - before))
        say(f"seed {seed}: {'killed after' if moment else 'ended with'} {ran.looked} predictions")
    doubled = faults(here, sizes.killed)
    if not _scores(here).equals(_scores(whole)):
        doubled.append("scores after a kill that differ from those without")
    again = run_score(here, package, folder / "again.log")
    if again.looked or again.scored:
        doubled.append(f"{again.looked} frames of a finished pool predicted again")
    return looked, lost, doubled


def faults(workspace: Workspace, count: int) -> list[str]:
    """What is not there exactly once, for a reader of the store and for one of its files."""
    names = _scores(workspace)["frame_id"]
    folder = store_of(workspace, TASK, VERSION).folder
    rows = sum(len(read_parquet(path, columns=["case_id"])) for path in folder.glob("part-*.parquet"))
    found = []
    if len(names) != count or not names.is_unique:
        found.append(f"{len(names)} rows of {names.nunique()} frames, of {count}")
    if rows != count:
        found.append(f"{rows} rows in the files, of {count}")
    return found


def _scores(workspace: Workspace) -> pd.DataFrame:
    return store_of(workspace, TASK, VERSION).read()


def _said(sizes: _Sizes) -> dict[str, Any]:
    return {
        "frames": f"{SIDE}³, prepared, one per case; eight phantom hearts, each frame with noise of its own",
        "network": "a U-Net of three members, drawn weights, on one thread of torch",
        "seconds": "of the whole job but the first prediction; median of the repeats "
        + ", ".join(
            f"{count}: {repeats}" for count, repeats in zip(sizes.counts, sizes.repeats, strict=True)
        ),
        "rss_growth": f"peak resident memory of the process at {max(sizes.counts)} frames "
        f"over {min(sizes.counts)} frames",
        "rework_after_kill": f"{sizes.kills} SIGKILLs in a pool of {sizes.killed}; the most that one lost, in batches",
        "nothing_doubled": "every frame once, after kills bit by bit as without, and nothing scored when run again",
        "machine": "may have been busy with other work",
    }


def _table(one: Measured) -> dict[str, Any]:
    return {
        "seconds": {str(count): round(value, 2) for count, value in one.seconds().items()},
        "frames_per_second": {str(count): round(count / value, 1) for count, value in one.seconds().items()},
        "slope_of_the_two_largest": round(one.largest_slope(), 4),
        "peak_mib": {str(count): round(value, 1) for count, value in one.peak_mib().items()},
        "predictions_of_each_process": list(one.looked),
        "lost_to_each_kill": list(one.lost),
        "batch": one.part_cases,
        "doubled": list(one.doubled),
    }


def _draw(measured: Sequence[Measured]) -> Figure:
    from pipelines.figures.canvas import COLOURS, new_figure

    figure = new_figure(11.0, 3.6)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.86, bottom=0.17, wspace=0.32)
    left, middle, right = figure.subplots(1, 3)
    for one in measured:
        seconds, peaks = one.seconds(), one.peak_mib()
        left.loglog(list(seconds), list(seconds.values()), "o-", color=COLOURS[0])
        middle.semilogx(list(peaks), list(peaks.values()), "o-", color=COLOURS[0])
        for count, runs in one.runs.items():
            left.loglog([count] * len(runs), [run.seconds for run in runs], ".", color=COLOURS[5])
            middle.semilogx([count] * len(runs), [run.peak_mib for run in runs], ".", color=COLOURS[5])
    slope = max(one.time_slope() for one in measured)
    left.set_title(f"seconds, slope {slope:.3f}", fontsize=10)
    middle.set_title("peak memory, MiB", fontsize=10)
    middle.set_ylim(0, 1.25 * max(max(one.peak_mib().values()) for one in measured))
    for axes in (left, middle):
        axes.set_xlabel("frames in the pool")
        axes.grid(alpha=0.3)
    _draw_kills(right, measured[0])
    return figure


def _draw_kills(axes: Any, one: Measured) -> None:
    """One bar per process: what it predicted, and of that what was lost with the kill."""
    from pipelines.figures.canvas import COLOURS

    names = [f"killed {number + 1}" for number in range(len(one.looked) - 1)] + ["to the end"]
    lost = [*one.lost, 0]
    kept = [looked - gone for looked, gone in zip(one.looked, lost, strict=True)]
    axes.barh(names, kept, color=COLOURS[2], label="kept")
    axes.barh(names, lost, left=kept, color=COLOURS[1], label="lost, predicted again")
    axes.invert_yaxis()
    axes.set_xlabel("predictions")
    axes.set_title(f"a pool of {one.killed}, in batches of {one.part_cases}", fontsize=10)
    axes.legend(fontsize=8)
