"""How a segmenter is executed: chosen once per predictor, the fastest way that gives the network's answer.

Measured on 2 Zen-4 cores with AVX-512 bf16, a window of 48³ of the demo's network: torch float32 75 ms, torch
bfloat16 25 ms, OpenVINO float32 16 ms, OpenVINO bfloat16 11 ms; converting takes 1 s, paid back after 20 windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from components.models.native_bfloat16 import native_bfloat16
from components.models.openvino_core import Number
from components.models.openvino_engine import OpenVinoSegmenter, mean_entropy
from components.models.parity import first_that_agrees
from components.models.sliding_window import WindowScores, hard
from components.models.training_plan import Precision

Run = Callable[[Tensor], WindowScores]

# Largest change of any class's probability in the probe. bfloat16 keeps 8 bits: logits of 10 move by 0.04.
TOLERANCE: dict[Number, float] = {"float32": 1e-3, "bfloat16": 0.1}
_SMALL_PARAMETERS = 100_000  # below, a window takes less than a conversion could ever win back


@dataclass(frozen=True, kw_only=True, eq=False)
class Engine:
    """A network ready to run.

    Args:
        name: what runs, for logs and tables.
        run: ``(1, 1, z, y, x)`` float32 on the network's device → mean probabilities of the members, their own
            labels and an embedding; valid until the next call.
    """

    name: str
    run: Run


def choose_engine(
    network: nn.Module, *, stride: int, device: torch.device, precision: Precision = "auto"
) -> Engine:
    """The first engine that agrees with plain torch on a probe window.

    OpenVINO on a processor, torch on a GPU; bfloat16 only where the hardware computes in it or ``precision``
    asks for it. Networks of fewer than 100,000 parameters stay in plain torch. The choice follows from the
    network, the machine and ``precision`` alone: equal inputs give equal bytes from the first window on.
    """
    plain = Engine(name="torch float32", run=partial(_torch, network, None))
    half = native_bfloat16(device) if precision == "auto" else precision == "bfloat16"
    number: Number = "bfloat16" if half else "float32"
    if precision == "auto" and sum(p.numel() for p in network.parameters()) < _SMALL_PARAMETERS:
        return plain
    probe = _probe(stride, device)
    candidates = (
        (name, partial(_built, name, build)) for name, build in _candidates(network, stride, device, number)
    )
    return first_that_agrees(plain, candidates, partial(_change, probe, plain), TOLERANCE[number])


def _built(name: str, build: Callable[[], Run]) -> Engine:
    return Engine(name=name, run=build())


def _candidates(
    network: nn.Module, stride: int, device: torch.device, number: Number
) -> Iterator[tuple[str, Callable[[], Run]]]:
    if device.type == "cpu":
        yield (
            f"openvino {number}",
            lambda: OpenVinoSegmenter.convert(network, stride=stride, precision=number),
        )
    if number == "bfloat16":
        yield "torch bfloat16", lambda: partial(_torch, network, torch.bfloat16)


def _torch(network: nn.Module, half: torch.dtype | None, x_bczyx: Tensor) -> WindowScores:
    with torch.autocast(x_bczyx.device.type, dtype=half, enabled=half is not None):
        logits_bmkzyx, embedding = network(x_bczyx)
    scores_mkzyx = logits_bmkzyx[0].float().softmax(dim=1)
    several = len(scores_mkzyx) > 1
    own = [hard(scores) for scores in scores_mkzyx] if several else []
    none = torch.zeros((0, *x_bczyx.shape[2:]), dtype=torch.uint8, device=x_bczyx.device)
    return WindowScores(
        scores=scores_mkzyx.mean(dim=0) if several else scores_mkzyx[0],
        members=torch.stack(own) if several else none,
        embedding=embedding[0].float(),
        entropy=mean_entropy(logits_bmkzyx.float(), scores_mkzyx[None])[0] if several else None,
    )


def _probe(stride: int, device: torch.device) -> Tensor:
    """A window of soft blobs in [0, 1]; white noise alone would not reach the deep levels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 4, 4, 4, generator=generator)
    side = 2 * stride
    return nn.functional.interpolate(coarse, size=(side, side, side), mode="trilinear").to(device)


@torch.inference_mode()
def _change(probe: Tensor, plain: Engine, other: Engine) -> float:
    difference = (plain.run(probe).scores - other.run(probe).scores).abs().max()
    return float(difference) if torch.isfinite(difference) else float("inf")
