"""One loss for a batch that several processes share."""

from __future__ import annotations

from torch import Tensor, distributed


def share_of_batch(weight: Tensor) -> Tensor | float:
    """This process's weight over the processes' mean, so that their mean loss is that of the whole batch.

    Args:
        weight: by which this process's loss was divided, any shape; summed.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1.0
    own = weight.sum()
    total = own.clone()
    distributed.all_reduce(total)
    return own * distributed.get_world_size() / total.clamp_min(1e-8)
