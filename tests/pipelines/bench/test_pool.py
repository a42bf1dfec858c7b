"""The parts of ``ctloop bench pool``: its numbers on closed forms, and a small pool that is really killed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from components.adapters.blosc_store import load_volume
from components.adapters.parquet import read_parquet
from components.cohort.frames import validate_frames
from pipelines.bench import pool
from pipelines.bench.pool import Measured, claims, faults, measure
from pipelines.bench.pool_data import SIDE, TASK, draw_pool
from pipelines.bench.pool_run import VERSION, Ran
from pipelines.keep_scores import store_of


def measured(
    seconds: Callable[[int], float],
    *,
    growth: float = 1.0,
    lost: Sequence[int] = (0,),
    doubled: Sequence[str] = (),
) -> Measured:
    def run(count: int) -> Ran:
        peak = 500 * (growth if count == 10_000 else 1)
        return Ran(looked=count, seconds=seconds(count), peak_mib=peak, scored=count)

    runs = {count: [run(count)] for count in (100, 1_000, 10_000)}
    looked = [100 + gone for gone in lost] + [1_000 - 100 * len(lost)]
    return Measured(runs=runs, looked=looked, lost=lost, killed=1_000, part_cases=64, doubled=doubled)


@pytest.mark.parametrize("power", [1.0, 1.2, 2.0])
def test_the_slope_is_the_power_of_time(power: float) -> None:
    one = measured(lambda count: 0.01 * count**power)
    assert one.time_slope() == pytest.approx(power)
    assert one.largest_slope() == pytest.approx(power)


def test_what_a_run_costs_once_hides_no_slope_between_the_largest() -> None:
    one = measured(lambda count: 1 + 1e-6 * count**2)
    assert one.time_slope() < 1.05 < one.largest_slope()


def test_claims_are_of_the_worst_seed() -> None:
    good = measured(lambda count: 0.01 * count, growth=1.02, lost=(3, 60))
    assert all(claim.holds for claim in claims([good]))
    bad = measured(lambda count: count**1.1, growth=1.2, lost=(3, 65), doubled=["7 rows of 6 frames, of 6"])
    assert not any(claim.holds for claim in claims([good, bad]))
    said = {claim.id: claim.measured for claim in claims([good, bad])}
    assert said == pytest.approx(
        {"time_slope": 1.1, "rss_growth": 1.2, "rework_after_kill": 65 / 64, "nothing_doubled": 0.0}
    )


def test_predictions_that_do_not_add_up_hold_no_claim() -> None:
    one = measured(lambda count: count, lost=(3,))
    wrong = Measured(**{**vars(one), "looked": [103, 950]})
    assert math.isnan(wrong.rework())
    assert not {claim.id: claim for claim in claims([wrong])}["rework_after_kill"].holds


def test_every_frame_of_the_pool_is_another_scan_on_one_grid(tmp_path: Path) -> None:
    drawn = draw_pool(tmp_path / "frames", seed=0, count=10)
    here = drawn.workspace(tmp_path / "w", 9)
    volumes = [load_volume(here.prepared(TASK) / "frames" / f"c{number:06d}.b2nd") for number in range(9)]
    assert {volume.geometry.shape for volume in volumes} == {(SIDE, SIDE, SIDE)}
    assert len({volume.voxels_hu.tobytes() for volume in volumes}) == 9
    same_heart = np.corrcoef(volumes[0].voxels_hu.ravel(), volumes[8].voxels_hu.ravel())[0, 1]
    assert 0.9 < same_heart < 1.0
    validate_frames(read_parquet(here.prepared(TASK) / "frames.parquet"), extra=True)


@pytest.mark.slow
def test_a_small_pool_is_killed_and_loses_nothing(tmp_path: Path) -> None:
    sizes = pool._Sizes(counts=(70, 140), repeats=(1, 1), killed=140, kills=1)
    one = measure(tmp_path, 0, sizes)
    assert not one.doubled
    assert len(one.looked) == 2
    assert 0 <= one.rework() <= 1
    assert all(run.peak_mib > 100 and run.seconds > 0 for runs in one.runs.values() for run in runs)
    here = pool.Workspace(root=tmp_path / "70-0", state=tmp_path / "70-0" / ".ctloop")
    folder = store_of(here, TASK, VERSION).folder
    first = sorted(folder.glob("part-*.parquet"))[0]
    first.with_name("part-00000099.parquet").write_bytes(first.read_bytes())
    assert faults(here, 70) == ["134 rows in the files, of 70"]
    first.unlink()
    first.with_name("part-00000099.parquet").unlink()
    assert faults(here, 70) == ["6 rows of 6 frames, of 70", "6 rows in the files, of 70"]


def test_the_picture_is_drawn() -> None:
    figure = pool._draw([measured(lambda count: 0.01 * count, lost=(3, 60))])
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "frames in the pool",
        "frames in the pool",
        "predictions",
    ]
