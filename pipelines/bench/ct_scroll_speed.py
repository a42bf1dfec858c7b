"""Speed, memory and faithfulness of CT-Scroll at its published size, against a plain rendering of the same weights.

Plain: float32, one batch of 80 triplets, masks rebuilt at each forward (``plain_ct_scroll``). The scans are dense, so
that no air can be left out. Weights are random, with the batch-norm statistics of such scans and a last layer that
spreads the probabilities, so that a wrong answer would show.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.models.ct_scroll import PUBLISHED, CTScroll, PublishedCTScroll, from_published
from components.models.scroll_engine import choose_scroll_engine
from components.models.scroll_export import ExportNumber, convert
from pipelines.bench.plain_ct_scroll import PlainCTScroll
from pipelines.progress import say

SHAPE = (240, 480, 480)
_SHIFT = 0.449
_SPREAD = 4.0  # of the logits that the last layer makes

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """Seconds per scan and logits ``(scans, l)`` of each contender."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    logits: dict[str, list[npt.NDArray[np.float64]]] = field(default_factory=dict)

    def speed(self, name: str) -> float:
        """Median over the scans of plain's time over this one's."""
        pairs = zip(self.seconds["plain"], self.seconds[name], strict=True)
        return float(np.median([plain / ours for plain, ours in pairs]))

    def gap(self, name: str) -> float:
        """Largest change of a probability."""
        plain, ours = (_sigmoid(np.stack(self.logits[who])) for who in ("plain", name))
        return float(np.abs(plain - ours).max())

    def as_json(self) -> dict[str, Any]:
        plain = _sigmoid(np.stack(self.logits["plain"]))
        return {
            "seconds": {name: [round(s, 3) for s in values] for name, values in self.seconds.items()},
            "speed": {name: round(self.speed(name), 3) for name in self.seconds},
            "largest_probability_gap": {name: self.gap(name) for name in self.seconds},
            "probabilities_between": [round(float(plain.min()), 3), round(float(plain.max()), 3)],
            "largest_change_from_scan_to_scan": round(float(np.ptp(plain, axis=0).max()), 4),
        }


def measure_inference(seed: int, *, scans: int, shape: tuple[int, int, int] = SHAPE) -> Inference:
    """Every contender on every scan, in turn; the checkpoint goes through the file that users have."""
    plain = plain_network(seed, shape)
    with tempfile.TemporaryDirectory() as folder:
        torch.save(plain.state_dict(), Path(folder) / "ct_scroll.pth")
        ours = from_published(Path(folder) / "ct_scroll.pth")
    found = Inference()
    contenders = _contenders(plain, ours, seed, shape)
    for number in range(scans):
        image = dense_scan(1000 * seed + number, shape)
        for name, run in contenders.items():
            if number == 0 and name != "plain":
                run(image)  # compiles
            with torch.inference_mode():
                start = time.perf_counter()
                logits = run(image)
                found.seconds.setdefault(name, []).append(time.perf_counter() - start)
            found.logits.setdefault(name, []).append(logits[0].double().numpy())
            say(f"scan {number + 1} of {scans}: {name} {found.seconds[name][-1]:.2f} s")
        gc.collect()
    return found


def plain_network(seed: int, shape: tuple[int, int, int]) -> PlainCTScroll:
    """Random, with the statistics of a dense scan."""
    torch.manual_seed(seed)
    network = PlainCTScroll(PUBLISHED)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean over what follows
    with torch.no_grad():
        for number in range(2):
            few = dense_scan(1000 * seed + 500 + number, (24, *shape[1:]))
            network.train()(few[:, None])
        last = network.classifier[3]
        assert isinstance(last, nn.Linear)
        last.weight *= _SPREAD
    return network.eval()


def dense_scan(seed: int, shape: tuple[int, int, int]) -> Tensor:
    """``(1, z, x, y)`` in window units: blobs of several sizes and noise, no two slices alike, no air."""
    generator = torch.Generator().manual_seed(seed)
    scan = torch.zeros(shape)
    for side in (4, 12, 32):
        coarse = torch.rand((1, 1, side, side, side), generator=generator)
        scan += functional.interpolate(coarse, size=shape, mode="trilinear")[0, 0] / 3
    scan += 0.05 * torch.randn(shape, generator=generator)
    return (scan.clamp_(0.0, 1.0) - _SHIFT)[None]


def _contenders(
    plain: PlainCTScroll, ours: PublishedCTScroll, seed: int, shape: tuple[int, int, int]
) -> dict[str, Run]:
    """``plain``, our exact setting, and the faster ones; all take ``(1, z, x, y)``."""
    network = ours.network
    exact = choose_scroll_engine(network, shape, device=torch.device("cpu"), precision="float32")
    say(f"exact engine: {exact.name}")
    contenders: dict[str, Run] = {
        "plain": lambda image: plain(image[:, None]),
        "exact": lambda image: exact.run(image, None)[0],
    }
    numbers: tuple[ExportNumber, ...] = ("bfloat16", "int8")
    for number in numbers:
        contenders[number] = _exported(network, number, seed, shape)
    return contenders


def _exported(network: CTScroll, number: ExportNumber, seed: int, shape: tuple[int, int, int]) -> Run:
    seen = [dense_scan(1000 * seed + 700 + n, (48, *shape[1:]))[0].numpy() for n in range(2)]
    run = convert(network, shape, number, seen if number == "int8" else ()).run
    return lambda image: run(image, None)


def _sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))
