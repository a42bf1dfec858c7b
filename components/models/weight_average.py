"""The exponential moving average of the weights, as a callback: what a training leaves in its network.

Averaging takes out the noise of the last steps (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).
"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn


class WeightAverage(Callback):  # type: ignore[misc]
    """Follows the parameters of ``network`` step by step and replaces them when the training ends.

    The average is part of the checkpoint, which keeps the followed weights beside it, so that a resumed run
    ends with the same bytes.

    Args:
        network: its parameters and the statistics of its batch norms.
        decay: of the average, per step; see ``decay_of``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay, self.steps = network, decay, 0
        self.average: dict[str, Tensor] = {}

    def on_train_start(self, *_: Any) -> None:
        own = _followed(self.network)
        kept = self.average or own
        self.average = {name: kept[name].detach().clone().to(p.device) for name, p in own.items()}

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.steps:  # a batch whose gradients wait for others
            return
        self.steps += 1
        decay = min(self.decay, self.steps / (9.0 + self.steps))  # the first weights are soon forgotten
        followed = list(_followed(self.network).values())
        torch._foreach_lerp_(list(self.average.values()), followed, 1.0 - decay)

    def on_fit_end(self, *_: Any) -> None:
        if not self.average:  # nothing was trained
            return
        with torch.no_grad():
            for name, tensor in _followed(self.network).items():
                tensor.copy_(self.average[name])

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": dict(self.average)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.average = int(state_dict["steps"]), dict(state_dict["average"])


def _followed(network: nn.Module) -> dict[str, Tensor]:
    named = [*network.named_parameters(), *network.named_buffers()]
    return {name: tensor.detach() for name, tensor in named if tensor.is_floating_point()}


def decay_of(share: float, steps: int) -> float:
    """The decay whose memory, 1 / (1 - decay) steps, is ``share`` of a training of ``steps``."""
    return 1.0 - 1.0 / max(1.0, share * steps)
