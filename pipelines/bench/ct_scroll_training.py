"""A training step of CT-Scroll at its published size: seconds, peak memory and gradients against the plain rendering.

``python -m pipelines.bench.ct_scroll_training WHO SEED Z Y X`` takes two steps in a process of its own and prints by
how many MiB its resident memory rose above what it was with network, optimiser state and scan loaded.
"""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.models.ct_scroll import PUBLISHED, CTScroll, CTScrollConfig
from components.models.native_bfloat16 import native_bfloat16
from components.models.published_weights import published_name
from pipelines.bench.ct_scroll_speed import dense_scan, plain_network
from pipelines.bench.plain_ct_scroll import PlainCTScroll
from pipelines.offline import switch_off_telemetry
from pipelines.progress import say

Who = Literal["plain", "exact", "fast"]
Shape = tuple[int, int, int]

# fast: bfloat16 where the processor has it, statistics of the starting weights, parts of a few triplets whose
# activations are computed again. exact: as published, but for keeping only what lies between the stages.
_FAST = dataclasses.replace(PUBLISHED, tokens_at_once=8, frozen_statistics=True, recompute=True)
_EXACT = dataclasses.replace(PUBLISHED, tokens_at_once=0, recompute=True)
_EXACT_WITHOUT_DROPOUT = dataclasses.replace(
    _EXACT, token_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0
)
_TARGET_EVERY = 2  # every second finding is present
GRADIENT_SHAPE = (24, 160, 160)


def step_seconds(seed: int, *, steps: int, shape: Shape) -> dict[str, list[float]]:
    """Of ``plain`` and ``fast`` in turn, in this process, after one step of ``fast`` that is not counted."""
    steppers: dict[str, Callable[[], None]] = {who: _stepper(who, seed, shape) for who in ("fast", "plain")}
    steppers["fast"]()
    seconds: dict[str, list[float]] = {who: [] for who in steppers}
    for number in range(steps):
        for who, take in steppers.items():
            start = time.perf_counter()
            take()
            seconds[who].append(time.perf_counter() - start)
            say(f"training step {number + 1} of {steps}: {who} {seconds[who][-1]:.1f} s")
    return seconds


def peak_rise_mib(who: Who, seed: int, shape: Shape) -> float:
    """Of two steps in a process of its own."""
    command = [
        sys.executable, "-m", "pipelines.bench.ct_scroll_training", who, str(seed), *map(str, shape)
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def gradient_gap(seed: int, shape: Shape = GRADIENT_SHAPE) -> float:
    """Norm of the difference of all gradients from those of the plain rendering in float64, over their norm."""
    plain = _plain(seed, shape, without_dropout=True)
    ours = _ours(plain, _EXACT_WITHOUT_DROPOUT)
    scan = dense_scan(seed, shape)
    torch.autograd.backward(_loss(ours.train()(scan)[0]))
    plain = plain.double()
    torch.autograd.backward(_loss(plain.train()(scan.double()[:, None])))
    truth = dict(plain.named_parameters())
    off, norm = 0.0, 0.0
    for name, parameter in ours.named_parameters():
        gradient = truth[published_name(name)].grad
        assert parameter.grad is not None
        assert gradient is not None
        off += float((parameter.grad.double() - gradient).square().sum())
        norm += float(gradient.square().sum())
    return math.sqrt(off / norm)


def _stepper(who: str, seed: int, shape: Shape) -> Callable[[], None]:
    plain = _plain(seed, shape)
    network: nn.Module = plain if who == "plain" else _ours(plain, _FAST if who == "fast" else _EXACT)
    half = who == "fast" and native_bfloat16(torch.device("cpu"))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-5)
    scan = dense_scan(seed, shape)

    def take() -> None:
        network.train()
        optimiser.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = network(scan[:, None]) if who == "plain" else network(scan)[0]
        torch.autograd.backward(_loss(logits.float()))
        optimiser.step()

    return take


def _plain(seed: int, shape: Shape, *, without_dropout: bool = False) -> PlainCTScroll:
    network = plain_network(seed, shape)
    if without_dropout:
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
            if isinstance(layer, nn.MultiheadAttention):
                layer.dropout = 0.0
    return network


def _ours(plain: PlainCTScroll, config: CTScrollConfig) -> CTScroll:
    """The same weights; scans come as the published one takes them, so no axis is turned."""
    network = CTScroll(dataclasses.replace(config, rows_right_left=False))
    theirs = plain.state_dict()
    network.load_state_dict({name: theirs[published_name(name)] for name in network.state_dict()})
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
    return network


def _loss(logits: Tensor) -> Tensor:
    target = torch.zeros_like(logits)
    target[:, ::_TARGET_EVERY] = 1.0
    return functional.binary_cross_entropy_with_logits(logits, target)


def _main(who: str, seed: int, shape: Shape) -> float:
    from pipelines.bench.inference_memory import Peak

    take = _stepper(who, seed, shape)
    peak = Peak()
    peak.start()
    for _ in range(2):
        take()
    return peak.rise_mib()


if __name__ == "__main__":
    switch_off_telemetry()
    z, y, x = (int(text) for text in sys.argv[3:6])
    print(json.dumps(_main(sys.argv[1], int(sys.argv[2]), (z, y, x))))
