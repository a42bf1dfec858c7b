"""A segmenter compiled by OpenVINO for this processor; windows of every size share one conversion.

The network is traced once, on two small images, so that no shortcut for single ones is traced, and compiled for
each window size when that size first comes. Compiling takes about 0.1 s and the conversion 0.5 to 1 s (2 Zen-4
cores), so nothing is cached on disk.
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from components.models.openvino_core import Number, core, openvino, settings
from components.models.sliding_window import WindowScores

_KEPT_SIZES = 4  # compiled models hold buffers of their own


class _Judged(nn.Module):
    """Logits to what is kept of them: in the compiled graph this costs a quarter of what torch takes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_bczyx: Tensor) -> tuple[Tensor, ...]:
        logits_bmkzyx, embedding = self.network(x_bczyx)
        scores_bmkzyx = logits_bmkzyx.softmax(dim=2)
        if logits_bmkzyx.shape[1] == 1:  # one member has nobody to disagree with
            return scores_bmkzyx[:, 0], logits_bmkzyx[:, :0, 0].to(torch.uint8), embedding
        return (
            scores_bmkzyx.mean(dim=1),
            logits_bmkzyx.argmax(dim=2).to(torch.uint8),
            embedding,
            mean_entropy(logits_bmkzyx, scores_bmkzyx),
        )


def mean_entropy(logits_bmkzyx: Tensor, scores_bmkzyx: Tensor) -> Tensor:
    """The mean over members of H(softmax(logits)) in nats, ``(b, z, y, x)``.

    With z* the largest logit, H = Σ p (z* - z) - log p*: one logarithm for each voxel instead of one for each class,
    and no difference of large numbers.
    """
    largest = logits_bmkzyx.amax(dim=2, keepdim=True)
    below = (scores_bmkzyx * (largest - logits_bmkzyx)).sum(dim=2)
    return (below - scores_bmkzyx.amax(dim=2).log()).mean(dim=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenVinoSegmenter:
    """``(1, 1, z, y, x)`` float32 → ``WindowScores``, in buffers that the thread's next call overwrites."""

    model: Any
    precision: Number
    threads: int
    _compiled: OrderedDict[tuple[int, ...], Any] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _own: threading.local = field(default_factory=threading.local)

    @staticmethod
    def convert(network: nn.Module, *, stride: int, precision: Number) -> OpenVinoSegmenter:
        """Trace ``network``; whatever OpenVINO raises where it is missing or cannot."""
        ov = openvino()
        side = 2 * stride
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of branches that are traced one way, as is intended
            model = ov.convert_model(
                _Judged(network).eval(),
                example_input=torch.rand(2, 1, side, side, side),
                input=[-1, 1, -1, -1, -1],
            )
        return OpenVinoSegmenter(model=model, precision=precision, threads=torch.get_num_threads())

    def __call__(self, x_bczyx: Tensor) -> WindowScores:
        request = self._request(tuple(x_bczyx.shape))
        request.infer({0: x_bczyx.contiguous().numpy()}, share_inputs=True, share_outputs=True)
        scores, members, embedding, *entropy = (
            torch.from_numpy(request.get_output_tensor(i).data[0]) for i in range(len(request.output_tensors))
        )
        return WindowScores(
            scores=scores, members=members, embedding=embedding, entropy=entropy[0] if entropy else None
        )

    def _request(self, shape: tuple[int, ...]) -> Any:
        """This thread's; a request of one thread must not be used by another."""
        compiled = self._compile(shape)
        if getattr(self._own, "compiled", None) is not compiled:
            self._own.compiled, self._own.request = compiled, compiled.create_infer_request()
        return self._own.request

    def _compile(self, shape: tuple[int, ...]) -> Any:
        with self._lock:
            if shape not in self._compiled:
                self.model.reshape(list(shape))
                self._compiled[shape] = core().compile_model(
                    self.model, "CPU", settings(self.precision, self.threads)
                )
                while len(self._compiled) > _KEPT_SIZES:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
