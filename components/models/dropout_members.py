"""Members of a classifier at no cost: its last layer seen through fixed dropout masks.

The published CT-Scroll trains its last layer with dropout 0.5; at inference the same masks, drawn once, give members
whose disagreement is the Monte Carlo dropout estimate (Gal & Ghahramani 2016) of the last stage. They read the pooled
token that the one pass leaves, add no parameter, and leave the answer itself as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MEMBERS = 32


def dropout_members(classifier: nn.Sequential, pooled_d: Tensor, *, members: int = MEMBERS) -> Tensor:
    """Logits ``(m, l)`` of the members for one pooled token ``(d,)``.

    Args:
        classifier: Linear, ReLU, Dropout, Linear, in evaluation mode.
    """
    first, activation, dropout, last = classifier
    assert isinstance(dropout, nn.Dropout)
    hidden = activation(first(pooled_d))
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand((members, len(hidden)), generator=generator) >= dropout.p
    scale = kept.to(hidden) / (1.0 - dropout.p)
    logits: Tensor = last(hidden * scale)
    return logits
