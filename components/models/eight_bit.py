"""An OpenVINO model whose convolutions multiply in 8 bits (Jacob et al. 2018, arXiv 1712.05877).

Inputs of convolutions are rounded to 256 steps between the least and the greatest value seen on a few scans, weights
to 255 steps per output channel. OpenVINO turns the FakeQuantize operations that say so into integer arithmetic.

A processor without VNNI adds two products in 16 bits, and 2 · 255 · 127 does not fit: sums saturate without a word.
There the weights take the middle half of their steps, one bit less, so that 2 · 255 · 63 fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from components.models.openvino_core import core, openvino, settings

Images = npt.NDArray[np.float32]
Range = tuple[float, float]
_STEPS = 256


def weight_bits() -> int:
    """That this machine's 8-bit sums can take: 8 with VNNI, else 7."""
    return 8 if torch.cpu._is_vnni_supported() else 7


def to_eight_bits(model: Any, images: Iterable[Images], *, threads: int, bits: int) -> None:
    """Change ``model`` in place.

    Args:
        model: ``openvino.Model`` with one input.
        bits: of the weights: 8, or 7 for machines without VNNI.
        images: what the network will see, in arrays of the input's shape; the more, the better the ranges.
        threads: for running it on them.
    """
    for convolution, span in zip(_convolutions(model), _spans(model, images, threads), strict=True):
        _round_input(convolution, span)
        _round_weights(convolution, bits)


def _convolutions(model: Any) -> list[Any]:
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]


def _spans(model: Any, images: Iterable[Images], threads: int) -> list[Range]:
    """Least and greatest value of each convolution's input over all images."""
    watched = model.clone()
    sources = [node.input_value(0) for node in _convolutions(watched)]
    ops = openvino().opset13
    shown = openvino().Model([ops.result(source) for source in sources], watched.get_parameters())
    request = core().compile_model(shown, "CPU", settings("float32", threads)).create_infer_request()
    low, high = np.full(len(sources), np.inf), np.full(len(sources), -np.inf)
    for batch in images:
        request.infer({0: batch})
        for place in range(len(sources)):
            values = request.get_output_tensor(place).data
            low[place], high[place] = min(low[place], values.min()), max(high[place], values.max())
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _round_input(convolution: Any, span: Range) -> None:
    """Without a sign where there is none (after ReLU); else symmetric, so that 0 stays 0."""
    low, high = span
    if low < 0.0:
        high = max(-low, high)
        low, high = -high, high * (_STEPS / 2 - 1) / (_STEPS / 2)
    ends = [np.float32(low), np.float32(max(high, low + 1e-6))] * 2
    _replace(convolution, 0, ends, _STEPS)


def _round_weights(convolution: Any, bits: int) -> None:
    weights = convolution.input_value(1).get_node().get_data()
    largest = np.abs(weights).reshape(len(weights), -1).max(axis=1).astype(np.float32)
    unused = np.float32(
        (_STEPS // 2 - 1) / (2 ** (bits - 1) - 1)
    )  # steps that there are over steps to be used
    largest = np.maximum(largest, np.float32(1e-12)).reshape(-1, 1, 1, 1) * unused
    _replace(convolution, 1, [-largest, largest] * 2, _STEPS - 1)


def _replace(convolution: Any, port: int, ends: list[Any], steps: int) -> None:
    ops = openvino().opset13
    rounded = ops.fake_quantize(convolution.input_value(port), *(ops.constant(end) for end in ends), steps)
    convolution.input(port).replace_source_output(rounded.output(0))
