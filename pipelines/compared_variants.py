"""What ``compare`` may train beside the classifier as it is: each variant as a change of its plan."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from components.errors import ParameterError
from components.models.training_plan import BackbonePretraining, ClassificationPlan

REFERENCE = "ct-scroll"
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "average-pooling": {"depth": 0},
    "inflated-cnn": {"network": "inflated-cnn", "pretraining": BackbonePretraining()},
    "global-only": {"attention": ("global",)},
    "local-only": {"attention": ("below", "above")},
    "no-masks": {"window": 10**6},
}
PRETRAINED, CONTROL = "self-supervised", "equal-cost"
_SIZED = re.compile(rf"(window|{PRETRAINED}|{CONTROL})-(\d{{1,5}})")

Change = Callable[[ClassificationPlan, float], ClassificationPlan]


def variant(name: str) -> Change:
    """How a variant is made of the plan and of what an epoch of pretraining costs (see ``epochs_alike``).

    Args:
        name: among ``VARIANTS``; ``window-N`` for local sub-blocks that see N triplets to one side;
            ``self-supervised-N`` for N epochs of pretraining first; ``equal-cost-N`` for none of these, but as many
            more epochs on the findings as take the backbone through as many triplets.

    Raises ``ParameterError`` for an unknown variant.
    """
    if name in VARIANTS:
        return partial(_changed, VARIANTS[name])
    found = _SIZED.fullmatch(name)
    if found is None or int(found[2]) < (found[1] != PRETRAINED):
        raise ParameterError(
            expected=f"variants among {', '.join(VARIANTS)}, window-N, {PRETRAINED}-N, {CONTROL}-N",
            got=repr(name),
            hint="window-3",
        )
    if found[1] == "window":
        return partial(_changed, {"window": int(found[2])})
    return partial(_pretrained if found[1] == PRETRAINED else _longer, int(found[2]))


def looks_at_pool(name: str) -> bool:
    """Whether a variant, or its control, depends on the scans without findings."""
    return name.startswith((PRETRAINED, CONTROL))


def epochs_alike(plan: ClassificationPlan, teaching: int, pool: int) -> float:
    """Epochs on the findings that take the backbone through as many triplets as an epoch of pretraining.

    Args:
        teaching: patients with findings.
        pool: patients that pretraining sees, those among them.
    """
    return pool * 2 * plan.pretraining.triplets / (teaching * (plan.shape[0] // plan.slices_per_token))


def _changed(changes: dict[str, Any], plan: ClassificationPlan, _alike: float) -> ClassificationPlan:
    return dataclasses.replace(plan, **changes)


def _pretrained(epochs: int, plan: ClassificationPlan, _alike: float) -> ClassificationPlan:
    return dataclasses.replace(plan, pretraining=dataclasses.replace(plan.pretraining, epochs=epochs))


def _longer(epochs: int, plan: ClassificationPlan, alike: float) -> ClassificationPlan:
    none = dataclasses.replace(plan.pretraining, epochs=0)
    return dataclasses.replace(plan, epochs=plan.epochs + math.ceil(epochs * alike), pretraining=none)
