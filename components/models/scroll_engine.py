"""How CT-Scroll is executed at inference: its backbone by the fastest runtime that gives the network's answer.

The backbone is nearly all of the work; attention over a few dozen tokens stays in torch. ``choose_scroll_engine``
checks each candidate against plain torch on a probe and takes the first that agrees, so the choice follows from
the network, the machine and the precision alone.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from components.models.ct_scroll import CTScroll
from components.models.native_bfloat16 import native_bfloat16
from components.models.openvino_core import Number, core, openvino, settings
from components.models.parity import first_that_agrees
from components.models.slice_features import each_once
from components.models.training_plan import Precision

Run = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]

# Largest change of any finding's probability in the probe.
TOLERANCE: dict[Number, float] = {"float32": 1e-4, "bfloat16": 5e-3}
AT_ONCE = 4  # triplets per pass: fastest on 2 Zen-4 cores, and 0.2 GB at 480 × 480
_SMALL_VOXELS = 1_000_000  # of a scan; below, it takes less than a conversion could ever win back
_PROBE_TRIPLETS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class ScrollEngine:
    """A network ready to run.

    Args:
        name: what runs, for logs and tables.
        run: image ``(b, z, y, x)`` in window units and valid tokens ``(b, t)`` → logits ``(b, l)``, embedding.
    """

    name: str
    run: Run


def choose_scroll_engine(
    network: CTScroll, shape: tuple[int, int, int], *, device: torch.device, precision: Precision = "auto"
) -> ScrollEngine:
    """The first engine that agrees with plain torch.

    Args:
        network: in evaluation mode, on ``device``.
        shape: of its input, voxels along (z, y, x); small ones stay in plain torch.
        precision: ``auto`` takes bfloat16 where the hardware computes in it.
    """
    plain = ScrollEngine(name="torch float32", run=network)
    z, y, x = shape
    if precision == "auto" and z * y * x < _SMALL_VOXELS:
        return plain
    half = native_bfloat16(device) if precision == "auto" else precision == "bfloat16"
    number: Number = "bfloat16" if half else "float32"
    probe = _probe(network.config.slices_per_token, (y, x), device)
    candidates = (
        (name, partial(_built, name, build)) for name, build in _candidates(network, (y, x), device, number)
    )
    return first_that_agrees(plain, candidates, partial(_change, probe, plain), TOLERANCE[number])


def _built(name: str, build: Callable[[], Run]) -> ScrollEngine:
    return ScrollEngine(name=name, run=build())


def _candidates(
    network: CTScroll, plane: tuple[int, int], device: torch.device, number: Number
) -> Iterator[tuple[str, Callable[[], Run]]]:
    if device.type == "cpu":
        yield f"openvino {number}", lambda: OpenVinoBackbone.convert(network, plane, number).answer
    if number == "bfloat16":
        yield "torch bfloat16", lambda: partial(_in_bfloat16, network)


def _in_bfloat16(network: CTScroll, x_bzyx: Tensor, valid_bt: Tensor | None = None) -> tuple[Tensor, Tensor]:
    with torch.autocast(x_bzyx.device.type, dtype=torch.bfloat16):
        logits, embedding = network(x_bzyx, valid_bt)
    return logits.float(), embedding.float()


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenVinoBackbone:
    """The backbone with its pooling, compiled by OpenVINO for ``AT_ONCE`` triplets of one size."""

    network: CTScroll
    compiled: Any
    _own: threading.local = field(default_factory=threading.local)

    @staticmethod
    def convert(network: CTScroll, plane: tuple[int, int], precision: Number) -> OpenVinoBackbone:
        """Trace and compile; whatever OpenVINO raises where it is missing or cannot."""
        return OpenVinoBackbone.of(network, traced_backbone(network, plane), precision)

    @staticmethod
    def of(network: CTScroll, model: Any, precision: Number) -> OpenVinoBackbone:
        """Compile an ``openvino.Model`` that takes the place of the network's backbone."""
        compiled = core().compile_model(model, "CPU", settings(precision, torch.get_num_threads()))
        return OpenVinoBackbone(network=network, compiled=compiled)

    def answer(self, x_bzyx: Tensor, valid_bt: Tensor | None = None) -> tuple[Tensor, Tensor]:
        pooled_nf = self.pooled(x_bzyx)
        return self.network.judge(pooled_nf.reshape(len(x_bzyx), -1, pooled_nf.shape[1]), valid_bt)

    def pooled(self, x_bzyx: Tensor) -> Tensor:
        """Features ``(b · t, f)`` of all triplets."""
        return each_once(self._run, self.network.triplets(x_bzyx), AT_ONCE)

    def _run(self, images: Tensor) -> Tensor:
        """Copied out of the request, which this thread's next call overwrites."""
        if not hasattr(self._own, "request"):
            self._own.request = self.compiled.create_infer_request()
        request, n = self._own.request, len(images)
        whole = images if n == AT_ONCE else torch.cat([images, images[-1:].expand(AT_ONCE - n, -1, -1, -1)])
        request.infer({0: whole.contiguous().numpy()}, share_inputs=True, share_outputs=True)
        return torch.from_numpy(request.get_output_tensor(0).data[:n].copy())


def traced_backbone(network: CTScroll, plane: tuple[int, int]) -> Any:
    """``openvino.Model``: ``AT_ONCE`` triplets ``(n, slices, h, w)`` of a scan whose slices are ``plane`` (y, x) →
    pooled features ``(n, f)``.
    """
    height, width = reversed(plane) if network.config.rows_right_left else plane
    shape = (AT_ONCE, network.config.slices_per_token, height, width)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of branches that are traced one way, as is intended
        return openvino().convert_model(
            _Pooled(network.features).eval(), example_input=torch.rand(shape), input=list(shape)
        )


class _Pooled(nn.Module):
    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images_nchw: Tensor) -> Tensor:
        pooled: Tensor = self.features(images_nchw).mean(dim=(2, 3))
        return pooled


def _probe(slices: int, plane: tuple[int, int], device: torch.device) -> Tensor:
    """Soft blobs in the range of a chest window, and one triplet of air."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, _PROBE_TRIPLETS * slices, 8, 8, generator=generator)
    size = (_PROBE_TRIPLETS * slices, *plane)
    blobs = nn.functional.interpolate(coarse, size=size, mode="trilinear")[0] - 0.449
    return torch.cat([blobs, torch.full((1, slices, *plane), -0.449)], dim=1).to(device)


@torch.inference_mode()
def _change(probe: Tensor, plain: ScrollEngine, other: ScrollEngine) -> float:
    answers = [engine.run(probe, None)[0].sigmoid() for engine in (plain, other)]
    difference = (answers[0] - answers[1]).abs().max()
    return float(difference) if torch.isfinite(difference) else float("inf")
