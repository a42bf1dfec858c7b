"""The two ways from a scan to a mask that are compared: ours, and MONAI's sliding window at its best."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from components.models.openvino_core import Number
from components.volume.volume import Volume
from components.volume.window import window_to_unit
from pipelines.bench.inference_network import Trained

Mask = npt.NDArray[np.uint8]
OVERLAP = 0.25
PRECISIONS: tuple[Number, ...] = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class MonaiSettings:
    """What MONAI is given: whichever was fastest on one batch of windows."""

    channels_last: bool
    batch: int


def monai_masks(trained: Trained, precision: Number, settings: MonaiSettings) -> Callable[[Volume], Mask]:
    """``sliding_window_inference`` with the same weights, windows, overlap, blending and threads."""
    from monai.inferers import sliding_window_inference

    run = _forward(trained, precision, settings)
    contract = trained.description.input

    def mask(volume: Volume) -> Mask:
        unit = window_to_unit(volume.voxels_hu, *contract.window_hu)
        with torch.inference_mode():
            scores = sliding_window_inference(
                torch.from_numpy(unit)[None, None], contract.shape, settings.batch, run,
                overlap=OVERLAP, mode="gaussian",
            )  # fmt: skip
            best: Mask = scores[0].max(dim=0).indices.to(torch.uint8).numpy()
        return best

    return mask


def our_masks(trained: Trained, precision: Number) -> Callable[[Volume], Mask]:
    """``SegmentationPredictor.predict``, resampling and volumes included."""
    predictor = trained.predictor(precision)

    def mask(volume: Volume) -> Mask:
        labels = predictor.predict(volume).labels
        assert labels is not None
        return labels.labels

    return mask


def best_monai(trained: Trained, precision: Number) -> tuple[MonaiSettings, dict[str, float]]:
    """The fastest of memory format and windows per batch, and seconds per window of each."""
    seconds: dict[MonaiSettings, float] = {}
    for channels_last in (False, True):
        for batch in (1, 2, 4):
            settings = MonaiSettings(channels_last=channels_last, batch=batch)
            windows = torch.rand(
                (batch, 1, *trained.description.input.shape), generator=torch.Generator().manual_seed(0)
            )
            run = _forward(trained, precision, settings)
            with torch.inference_mode():
                seconds[settings] = min(_timed(lambda: run(windows)) for _ in range(2)) / batch  # noqa: B023
    named = {
        f"{'channels last' if s.channels_last else 'contiguous'}, {s.batch} per batch": round(v, 3)
        for s, v in seconds.items()
    }
    return min(seconds, key=seconds.__getitem__), named


def _forward(
    trained: Trained, precision: Number, settings: MonaiSettings
) -> Callable[[torch.Tensor], torch.Tensor]:
    layout = torch.channels_last_3d if settings.channels_last else torch.contiguous_format
    network = trained.copy()
    network.to(memory_format=layout)  # type: ignore[call-overload]

    def run(windows: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(windows.contiguous(memory_format=layout))[0]
        scores: torch.Tensor = logits.float().softmax(dim=2).mean(dim=1)
        return scores

    return run


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
