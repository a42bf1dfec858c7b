"""More memory and time never give a smaller plan, and what is promised is kept."""

from __future__ import annotations

import dataclasses

import pytest

from components.errors import ParameterError
from components.models.fingerprint import Fingerprint
from components.models.planner import Budget, peak_gb, plan_training, suited_spacing, total_steps, window_of
from components.models.step_cost import sizes_of
from components.models.training_plan import SegmentationPlan

HEART = Fingerprint(
    frames=200,
    patients=40,
    spacing_mm=(2.0, 2.0, 2.0),
    shape=(80, 100, 100),
    extent=(60, 70, 75),
    structure_ml={1: 90.0, 2: 80.0, 7: 30.0},
    foreground_hu=(-20.0, 210.0, 480.0),
)
BUDGET = Budget(memory_gb=8.0, hours=4.0, operations_per_second=2e11, mixed=True)


@pytest.mark.parametrize("memory_gb", [1.0, 2.0, 4.0, 16.0])
@pytest.mark.parametrize("hours", [0.05, 1.0, 20.0])
def test_a_plan_stays_within_its_budget(memory_gb: float, hours: float) -> None:
    budget = dataclasses.replace(BUDGET, memory_gb=memory_gb, hours=hours)
    planned = plan_training(HEART, budget, SegmentationPlan())
    assert planned.peak_gb == peak_gb(planned.plan, 7, mixed=True) <= memory_gb
    assert planned.step_seconds == sizes_of(planned.plan, 7).operations / 2e11
    assert planned.steps == total_steps(planned.plan)
    assert planned.steps * planned.step_seconds <= hours * 3600
    planned.plan.network(7).check_patch(planned.plan.patch)


def test_more_memory_gives_a_larger_patch_or_batch() -> None:
    plans = [
        plan_training(HEART, dataclasses.replace(BUDGET, memory_gb=gb, hours=1e4), SegmentationPlan()).plan
        for gb in (1.5, 3.0, 6.0)
    ]
    work = [sizes_of(plan, 7).activations for plan in plans]
    assert work == sorted(work)
    assert work[0] < work[2]


def test_more_time_gives_a_wider_network_before_more_steps() -> None:
    short, long = (
        plan_training(HEART, dataclasses.replace(BUDGET, hours=hours), SegmentationPlan())
        for hours in (0.3, 100.0)
    )
    assert long.plan.widths[0] / long.plan.stem_stride > short.plan.widths[0] / short.plan.stem_stride
    assert long.steps >= 2000


def test_a_slow_machine_gets_the_cheapest_network() -> None:
    slow = dataclasses.replace(BUDGET, operations_per_second=1e9, hours=0.1)
    planned = plan_training(HEART, slow, SegmentationPlan())
    assert (planned.plan.widths[0], planned.plan.stem_stride) == (16, 2)
    assert planned.steps >= 1


def test_what_is_not_planned_stays() -> None:
    base = SegmentationPlan(seed=3, rounds=2, heads=2, expert_share=0.4)
    plan = plan_training(HEART, BUDGET, base).plan
    assert (plan.seed, plan.rounds, plan.heads, plan.expert_share) == (3, 2, 2, 0.4)
    assert plan.fine_tune_epochs >= 1


def test_devices_share_the_batch_and_each_has_the_memory() -> None:
    tight = dataclasses.replace(BUDGET, memory_gb=2.0, hours=1e4)
    one = plan_training(HEART, tight, SegmentationPlan()).plan
    two = plan_training(HEART, tight, SegmentationPlan(batch_size=2, devices=2)).plan
    assert two.patch == one.patch
    assert two.batch_size == 2 * one.batch_size


def test_the_time_of_a_step_is_that_of_all_devices() -> None:
    found = plan_training(HEART, BUDGET, SegmentationPlan(batch_size=2, devices=2))
    operations = sizes_of(found.plan, 7).operations
    assert found.step_seconds == pytest.approx(operations / (2 * BUDGET.operations_per_second))
    assert found.steps * found.step_seconds <= BUDGET.hours * 3600


def test_too_little_memory_is_said() -> None:
    with pytest.raises(ParameterError, match="memory for the smallest network"):
        plan_training(HEART, dataclasses.replace(BUDGET, memory_gb=0.1), SegmentationPlan())


def test_the_window_holds_the_structures_with_a_margin() -> None:
    assert window_of(HEART) == (-70.0, 530.0)


def test_the_spacing_follows_the_box_of_the_structures() -> None:
    assert suited_spacing(HEART, (96, 96, 96)) == HEART.spacing_mm  # three quarters filled
    assert suited_spacing(HEART, (48, 48, 48)) == pytest.approx((3.9, 3.9, 3.9))
    small = dataclasses.replace(HEART, extent=(20, 24, 24))
    assert suited_spacing(small, (96, 96, 96)) == pytest.approx((0.6, 0.6, 0.6))
