"""A variant is the plan with one change, and the control of pretraining sees as many triplets."""

from __future__ import annotations

import dataclasses

import pytest

from components.errors import ParameterError
from components.models.training_plan import BackbonePretraining, ClassificationPlan
from pipelines.compared_variants import VARIANTS, epochs_alike, looks_at_pool, variant

PLAN = ClassificationPlan(shape=(48, 64, 64), epochs=14)
WITH = dataclasses.replace(PLAN, pretraining=BackbonePretraining(epochs=5, triplets=8))


def changed(name: str, plan: ClassificationPlan = PLAN) -> dict[str, object]:
    """What differs from ``plan``."""
    made = variant(name)(plan, 2.5)
    return {key: value for key, value in vars(made).items() if value != getattr(plan, key)}


def test_variants_are_single_changes() -> None:
    assert changed("ct-scroll") == {}
    assert changed("average-pooling") == {"depth": 0}
    assert changed("window-7") == {"window": 7}
    assert changed("self-supervised-30") == {"pretraining": BackbonePretraining(epochs=30)}
    assert changed("equal-cost-3") == {"epochs": 14 + 8}


def test_where_the_plan_pretrains_its_control_and_the_3d_rival_do_not() -> None:
    off = dataclasses.replace(WITH.pretraining, epochs=0)
    assert changed("self-supervised-0", WITH) == {"pretraining": off}
    assert changed("equal-cost-2", WITH) == {"pretraining": off, "epochs": 14 + 5}
    assert changed("inflated-cnn", WITH)["network"] == "inflated-cnn"


def test_an_epoch_of_pretraining_is_counted_in_triplets() -> None:
    """300 patients of 8 triplets seen twice are 4800; 60 of 16 tokens are 960."""
    assert epochs_alike(PLAN, teaching=60, pool=300) == 5.0


def test_only_pretraining_looks_at_the_pool() -> None:
    assert [name for name in (*VARIANTS, "window-3", "self-supervised-2", "equal-cost-2") if looks_at_pool(name)] == [
        "self-supervised-2", "equal-cost-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong", ["window-0", "pooling", "window-", "equal-cost-0", "self-supervised", "window-3x"]
)
def test_what_is_no_variant_is_refused(wrong: str) -> None:
    with pytest.raises(ParameterError, match="window-N, self-supervised-N, equal-cost-N"):
        variant(wrong)
