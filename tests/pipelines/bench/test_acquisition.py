"""The acquisition bench from end to end on a handful of patients, killed and gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.cohort.task import TASKS
from components.errors import ParameterError
from pipelines.bench import acquisition, acquisition_hearts, acquisition_run
from pipelines.bench.acquisition import BATCHES, setup
from pipelines.bench.acquisition_arms import ARMS
from pipelines.bench.acquisition_pool import Composition, Pool, draw_pool
from pipelines.bench.acquisition_run import Job, fresh, load, pool_file, run_job
from pipelines.bench.acquisition_tasks import SETTINGS, chest_metrics, heart_metrics
from pipelines.bench.registry import task_of

TINY = Composition(name="main", usual=6, rare=(1, 1), broken=1, frames=((1, 0.7), (2, 0.3)))


def test_a_task_is_for_the_bench_that_has_one() -> None:
    assert task_of("acquisition", None) == "segmentation"
    assert task_of("acquisition", "classification") == "classification"
    with pytest.raises(ParameterError, match="a task"):
        task_of("acquisition", "detection")
    with pytest.raises(ParameterError, match="no --task for the benchmark pool"):
        task_of("pool", "segmentation")


@pytest.mark.parametrize("task", TASKS)
def test_pools_hold_more_patients_than_a_campaign_asks_about(task: str) -> None:
    setting = SETTINGS[task]  # type: ignore[index]
    assert [made.name for made in setting.pools] == ["main", "control"]
    for batches in BATCHES.values():
        assert len(batches) >= 6
        assert all(sum(batches) < (made.usual + sum(made.rare)) / 2 for made in setting.pools)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny pool with its start."""
    for name, steps in {"TEACHER_STEPS": 15, "START_STEPS": 2, "TUNE_STEPS": 2}.items():
        monkeypatch.setattr(
            acquisition_hearts, name, steps
        )  # a teacher that finds hearts, the rest barely begun
    for name, broken in {"main": 1, "test": 0, "taught": 0}.items():
        draw_pool(dataclasses.replace(TINY, name=name, broken=broken), 1).save(pool_file(tmp_path, name))
    acquisition._prepare(1, "segmentation", tmp_path, "main")
    acquisition_run.learner_of.cache_clear()
    return tmp_path


def test_every_arm_runs_its_campaign_and_it_is_kept(folder: Path) -> None:
    jobs = [
        Job(folder=folder, task="segmentation", seed=1, pool="main", arm=arm, draw=0, batches=(2, 2))
        for arm in ARMS
    ]
    for job in jobs:
        run_job(job)
    assert len({job.result for job in jobs}) == len(jobs)
    campaigns = {job.arm: [load(job.result)] for job in jobs}
    arena = acquisition.arena_of("segmentation", folder, "main", campaigns)
    once = arena.weights(0, 0)
    curves = [arena.curve(arm, "modes", once)[0] for arm in ARMS]
    assert all(curve.shape == (3,) and np.isfinite(curve).all() for curve in curves)
    assert len({curve[0] for curve in curves}) == 1  # the same start
    assert all(len(set(one.asked)) == 4 for (one,) in campaigns.values())
    assert not set(campaigns["oracle"][0].asked) & arena.broken
    before = campaigns["ours"][0]
    run_job(jobs[0])
    assert np.array_equal(load(jobs[0].result).judged, before.judged)
    assert load(jobs[0].result).asked == before.asked


def test_prevalence_counts_patients_and_no_broken_ones() -> None:
    pool = draw_pool(TINY, 1)
    dice = np.where(pool.frames["kind"] == "usual", 1.0, 0.0)[None]
    weights = np.ones((1, len(pool.frames)))
    found = heart_metrics(pool, pool)["prevalence"]
    assert found(dice, weights)[0, 0] == pytest.approx(6 / 8)


def test_chest_metrics_weigh_findings_by_patients() -> None:
    frames = draw_pool(TINY, 1).frames.iloc[:4].reset_index(drop=True)
    frames["patient_id"], frames["kind"] = ["a", "a", "b", "c"], "usual"
    findings = np.zeros((4, 8), np.uint8)
    findings[:3, 0] = 1  # two of three patients
    findings[3, 1] = 1  # one of three
    findings[0, 2:], findings[0, :2] = 1, (1, 0)
    pool = Pool(frames=frames, voxels=np.zeros((4, 1, 1, 1), np.int16), labels=findings)
    judged = np.full((1, 4, 8), 0.5)
    judged[0, :, 0] = findings[:, 0]  # a perfect first finding, all else a coin
    score = chest_metrics(pool, pool)["prevalence"](judged, np.ones((1, 4)))[0, 0]
    shares = np.array([2 / 3, 1 / 3, *[1 / 3] * 6])
    assert score == pytest.approx((1.0 * shares[0] + 0.5 * shares[1:].sum()) / shares.sum())


def test_results_of_other_settings_are_not_gone_on_with(tmp_path: Path) -> None:
    kept = fresh(tmp_path / "work", setup("segmentation", (3, 3))) / "main-ours-0.npz"
    kept.touch()
    fresh(tmp_path / "work", setup("segmentation", (3, 3)))
    assert kept.is_file()
    fresh(tmp_path / "work", setup("segmentation", (3, 4)))
    assert not kept.is_file()
