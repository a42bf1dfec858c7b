from __future__ import annotations

import logging
import subprocess
import sys

import pytest
import torch

from components.models import engine as engines
from components.models import parity
from components.models.engine import choose_engine
from components.models.native_bfloat16 import native_bfloat16
from components.models.openvino_engine import OpenVinoSegmenter
from components.models.unet import UNet
from components.models.unet_config import UNetConfig

CPU = torch.device("cpu")
CONFIG = UNetConfig(classes=4, widths=(8, 16), heads=2)


def network(config: UNetConfig = CONFIG) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = UNet(config).eval()
        for head in made.heads:
            torch.nn.init.zeros_(head[-1].bias)
        return made


def window(side: int = 16) -> torch.Tensor:
    return torch.rand((1, 1, side, side, side), generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_openvino_says_what_torch_says_in_every_window_size() -> None:
    ours = network()
    compiled = OpenVinoSegmenter.convert(ours, stride=CONFIG.stride, precision="float32")
    for side in (8, 16, 24, 16):
        x = window(side)
        logits, embedding = ours(x)
        answer = compiled(x)
        torch.testing.assert_close(answer.scores, logits.softmax(dim=2).mean(dim=1)[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(answer.embedding, embedding[0], atol=1e-3, rtol=0)
        assert (answer.members == logits.argmax(dim=2)[0]).float().mean() > 0.999
        assert answer.members.dtype == torch.uint8


@torch.inference_mode()
def test_openvino_repeats_itself_byte_for_byte() -> None:
    compiled = OpenVinoSegmenter.convert(network(), stride=CONFIG.stride, precision="float32")
    again = OpenVinoSegmenter.convert(network(), stride=CONFIG.stride, precision="float32")
    first = compiled(window()).scores.clone()
    assert torch.equal(first, compiled(window()).scores)
    assert torch.equal(first, again(window()).scores)


FORGOTTEN = """
import faulthandler, gc, signal, subprocess, sys
import torch
from components.models.openvino_engine import OpenVinoSegmenter
from components.models.unet import UNet
from components.models.unet_config import UNetConfig

def used():
    network = UNet(UNetConfig(classes=3, widths=(8, 16))).eval()
    segmenter = OpenVinoSegmenter.convert(network, stride=4, precision="float32")
    segmenter(torch.rand(1, 1, 8, 8, 8))
    return segmenter

faulthandler.enable()
signal.signal(signal.SIGCHLD, lambda *_: print("a child ended"))
first, second = used(), used()
del first
gc.collect()
del second
gc.collect()
subprocess.run([sys.executable, "-c", "pass"])
"""


def test_a_process_that_forgot_its_segmenters_still_takes_signals() -> None:
    done = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a child ended\n"), done.stderr


def test_telemetry_stays_hidden() -> None:
    OpenVinoSegmenter.convert(network(), stride=CONFIG.stride, precision="float32")
    assert sys.modules.get("openvino_telemetry") is None


def test_small_networks_stay_in_plain_torch() -> None:
    small = network()
    assert sum(p.numel() for p in small.parameters()) < 100_000
    assert choose_engine(small, stride=4, device=CPU).name == "torch float32"
    assert choose_engine(small, stride=4, device=CPU, precision="float32").name == "openvino float32"


def test_auto_takes_what_the_hardware_computes_in() -> None:
    config = UNetConfig(classes=3, widths=(32, 64))
    expected = "bfloat16" if native_bfloat16(torch.device("cpu")) else "float32"
    assert choose_engine(network(config), stride=4, device=CPU).name == f"openvino {expected}"


@pytest.mark.parametrize(
    ("precision", "left"), [("float32", "torch float32"), ("bfloat16", "torch bfloat16")]
)
def test_without_openvino_torch_runs_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, precision: engines.Precision, left: str
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    parity.tell.cache_clear()
    with caplog.at_level(logging.WARNING):
        chosen = [choose_engine(network(), stride=4, device=CPU, precision=precision) for _ in range(2)]
    assert [engine.name for engine in chosen] == [left, left]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"openvino {precision} is not used"
    ]


def test_an_engine_that_says_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = network()
    with torch.no_grad():
        other.heads[0][-1].bias[1] += 3.0
    wrong = OpenVinoSegmenter.convert(other, stride=4, precision="float32")
    monkeypatch.setattr(OpenVinoSegmenter, "convert", lambda *_, **__: wrong)
    parity.tell.cache_clear()
    assert choose_engine(network(), stride=4, device=CPU, precision="float32").name == "torch float32"
    assert "moves probabilities" in caplog.text


@torch.inference_mode()
def test_bfloat16_stays_near_float32() -> None:
    x, plain = window(), choose_engine(network(), stride=4, device=CPU)
    half = choose_engine(network(), stride=4, device=CPU, precision="bfloat16")
    assert half.name.endswith("bfloat16")
    assert float((plain.run(x).scores - half.run(x).scores).abs().max()) < 0.1
