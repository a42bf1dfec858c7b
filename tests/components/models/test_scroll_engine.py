"""However CT-Scroll is executed, it says what the network says."""

from __future__ import annotations

import logging

import pytest
import torch

from components.models import parity, scroll_engine
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.native_bfloat16 import native_bfloat16
from components.models.scroll_engine import OpenVinoBackbone, choose_scroll_engine

CPU = torch.device("cpu")


def network(*, rows_right_left: bool = False) -> CTScroll:
    config = CTScrollConfig(
        labels=5, widths=(8, 16), embedding=16, heads=4, window=2, hidden=8, rows_right_left=rows_right_left
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CTScroll(config).eval()


def scans() -> torch.Tensor:
    """Two of seven triplets of 32 × 48, air at both ends of the second."""
    x = torch.rand((2, 21, 32, 48), generator=torch.Generator().manual_seed(1)) - 0.449
    x[1, :6], x[1, 18:] = -0.449, -0.449
    return x


@torch.inference_mode()
@pytest.mark.parametrize("rows_right_left", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_openvino_says_what_torch_says(rows_right_left: bool, padded: bool) -> None:
    plain = network(rows_right_left=rows_right_left)
    compiled = OpenVinoBackbone.convert(plain, (32, 48), "float32")
    valid = torch.ones(2, 7, dtype=torch.bool)
    valid[1, :2] = valid[1, 6:] = False
    for _ in range(2):
        answer, expected = (run(scans(), valid if padded else None) for run in (compiled.answer, plain))
        torch.testing.assert_close(answer, expected, atol=1e-4, rtol=0)


def test_small_scans_stay_in_torch_and_large_ones_do_not() -> None:
    assert choose_scroll_engine(network(), (48, 64, 64), device=CPU).name == "torch float32"
    engine = choose_scroll_engine(network(), (240, 80, 80), device=CPU)
    assert engine.name == (
        "openvino bfloat16" if native_bfloat16(torch.device("cpu")) else "openvino float32"
    )


def test_an_engine_that_says_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(plain: CTScroll, plane: tuple[int, int], precision: scroll_engine.Number) -> OpenVinoBackbone:
        other = network()
        torch.nn.init.normal_(other.classifier[3].bias)
        return whole(other, plane, precision)

    whole = OpenVinoBackbone.convert
    monkeypatch.setattr(OpenVinoBackbone, "convert", staticmethod(wrong))
    parity.tell.cache_clear()
    with caplog.at_level(logging.WARNING):
        engine = choose_scroll_engine(network(), (240, 80, 80), device=CPU, precision="float32")
    assert engine.name == "torch float32"
    assert "moves probabilities by" in caplog.text
