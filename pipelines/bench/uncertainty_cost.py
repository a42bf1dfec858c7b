"""What the signals cost: whole answers of our predictor over those of a plain pass, in turn, at the same precision.

The claim is of a network and a scan of the size that ``bench inference`` times: full resolution, 6.8 million
parameters, windows of 64³. It is not trained, which changes no multiplication; and it is unsure of every voxel, so that
the signals are computed everywhere, at their most expensive. The table holds the bench's own small network too, whose
pass is so short that its last layer and the signals weigh more.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.cohort.structures import HEART_STRUCTURES
from components.models.fit import seeded
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.sliding_window import blend, hard
from components.models.train_segmentation import describe
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.models.window_grid import WindowGrid
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.slabs import labels_in_slabs, resample_in_slabs
from components.volume.volume import LabelMap, Volume
from components.volume.window import window_to_unit

ROUNDS = 7
LARGE = SegmentationPlan(patch=(64, 64, 64), widths=(16, 32, 64, 128, 256), stem_stride=1)
SCAN = (112, 112, 112)


def cost_of_a_large_pass() -> dict[str, Any]:
    """See the module."""
    ours, single = (_untrained(dataclasses.replace(LARGE, heads=heads)) for heads in (LARGE.heads, 1))
    hu = np.random.default_rng(0).integers(-200, 600, SCAN, dtype=np.int16)
    scan = Volume(voxels_hu=hu, geometry=Geometry.axis_aligned(SCAN, (2.0, 2.0, 2.0)))
    return cost_in_plain_passes(ours, single, [scan])


def _untrained(plan: SegmentationPlan) -> SegmentationPredictor:
    network = seeded(lambda: UNet(plan.network(len(HEART_STRUCTURES))), plan.seed).eval()
    return SegmentationPredictor(
        network=network,
        description=describe(network, plan, HEART_STRUCTURES, (2.0, 2.0, 2.0)),
        device=torch.device("cpu"),
    )


def cost_in_plain_passes(
    ours: SegmentationPredictor, single: SegmentationPredictor, volumes: Sequence[Volume]
) -> dict[str, Any]:
    """Medians of seconds, and the median of the ratios of each round."""
    contenders: dict[str, Callable[[Volume], object]] = {
        "plain": lambda volume: plain_labels(single, volume),
        "ours": ours.predict,
    }
    for answer in contenders.values():
        answer(volumes[0])  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS):
        for name, answer in contenders.items():
            start = time.perf_counter()
            answer(volumes[number % len(volumes)])
            seconds[name].append(time.perf_counter() - start)
    return {
        "ratio": float(np.median(np.divide(seconds["ours"], seconds["plain"]))),
        "milliseconds": {name: round(1000 * float(np.median(s)), 1) for name, s in seconds.items()},
        "engines": {"plain": single.engine.name, "ours": ours.engine.name},
    }


@torch.inference_mode()
def plain_labels(predictor: SegmentationPredictor, volume: Volume) -> LabelMap:
    """The label map on the native grid that one network gives, and nothing else: no signal, no embedding."""
    contract = predictor.description.input
    stride = UNetConfig(**predictor.description.architecture).stride
    grid = canonical_geometry(volume.geometry, contract.spacing_mm)
    prepared = resample_in_slabs(volume, grid)

    def read(box: tuple[slice, slice, slice]) -> Tensor:
        return torch.from_numpy(window_to_unit(prepared.voxels_hu[box], *contract.window_hu))

    windows = WindowGrid.over(grid.shape, patch=contract.shape, stride=stride)
    slabs = blend(predictor.engine.run, read, windows, scores=len(predictor.label_names) + 1, members=0)
    labels = np.concatenate([hard(slab.sums).numpy() for slab in slabs])
    names = dict(enumerate(predictor.label_names, start=1))
    return labels_in_slabs(LabelMap(labels=labels, geometry=grid, names=names), volume.geometry)
