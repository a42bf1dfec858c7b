"""AdamW with a short warm-up and a cosine down to nothing, for both tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch.nn import Parameter
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

_WARM_UP = 0.05


def adamw_cosine(
    parameters: Iterable[Parameter], *, rate: float, weight_decay: float, steps: int
) -> dict[str, Any]:
    """Lightning's mapping of an optimiser and its schedule per step; no weight decay on vectors."""
    every = list(parameters)
    groups = [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = AdamW(groups, lr=rate)
    schedule = LambdaLR(optimiser, lambda step: cosine_factor(step, steps))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def cosine_factor(step: int, steps: int) -> float:
    """Share of the peak rate at ``step``: up over the first twentieth, then half a cosine to 0."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))
