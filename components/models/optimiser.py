"""AdamW with a short warm-up and a rate that falls to nothing, for both tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch.nn import Parameter
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from components.models.training_plan import Schedule

_WARM_UP = 0.05
_POWER = 0.9  # nnU-Net (Isensee et al. 2021)


def adamw(
    parameters: Iterable[Parameter],
    *,
    rate: float,
    weight_decay: float,
    steps: int,
    schedule: Schedule = "cosine",
) -> dict[str, Any]:
    """Lightning's mapping of an optimiser and its schedule per step; no weight decay on vectors."""
    every = list(parameters)
    groups = [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = AdamW(groups, lr=rate)
    falling = LambdaLR(optimiser, lambda step: rate_factor(step, steps, schedule))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": falling, "interval": "step"}}


def rate_factor(step: int, steps: int, schedule: Schedule = "cosine") -> float:
    """Share of the peak rate at ``step``: up over the first twentieth, then down to 0.

    ``cosine``: half a cosine; ``polynomial``: (1 - t) ** 0.9.
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return 0.5 * (1.0 + math.cos(math.pi * done)) if schedule == "cosine" else float((1.0 - done) ** _POWER)
