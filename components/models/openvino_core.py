"""OpenVINO as this project uses it: without its telemetry, and one core per process."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any, Literal

Number = Literal["float32", "bfloat16"]
_PRECISION = {"float32": "f32", "bfloat16": "bf16"}


def settings(precision: Number, threads: int) -> dict[str, Any]:
    """Of a compiled model: one answer at a time, as soon as possible."""
    return {
        "INFERENCE_PRECISION_HINT": _PRECISION[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # cores belong to others too
    }


def openvino() -> Any:
    """Without the package through which it reports to its maker; it works without."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


@functools.cache
def core() -> Any:
    """One for the life of the process.

    Its CPU plugin (2026.4) gives the thread that loads it a signal stack, and frees that when it goes; a second
    plugin then puts the freed one back, and the next signal that Python handles (a child that ends) kills the
    process without a word.
    """
    return openvino().Core()
