"""Scans with a bright or a striped square in one triplet of slices, and a small network that learned to call it."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import torch

from components.models.classification_predictor import Calibration, ClassificationPredictor
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.relevance import Relevance
from components.models.triplet_place import TripletGrid
from components.volume.geometry import Geometry
from components.volume.volume import Volume

FINDINGS = ("bright_square", "striped_square")
SHAPE = (24, 16, 16)
SPACING = (3.0, 4.0, 4.0)
CONFIG = CTScrollConfig(
    labels=2, widths=(8, 16), max_pool=False, embedding=16, heads=2, window=3, hidden=8,
    token_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0,
)  # fmt: skip


def scan(generator: np.random.Generator, *, slices: int, marked: dict[int, int], air: int = 0) -> Volume:
    """Noise of ``slices`` slices, the last ``air`` above the head; ``marked``: finding → first of three slices."""
    voxels = generator.normal(-400, 60, size=(slices, *SHAPE[1:]))
    voxels[slices - air :] = -1000
    for finding, first in marked.items():
        rows = slice(1, 7) if finding == 0 else slice(9, 15, 2)
        voxels[first : first + 3, rows, 2:14] = 200
    geometry = Geometry.axis_aligned((slices, *SHAPE[1:]), SPACING, (0.0, 0.0, -500.0))
    return Volume(voxels_hu=np.clip(voxels, -1000, 500).astype(np.int16), geometry=geometry)


@cache
def trained() -> ClassificationPredictor:
    """Trained in seconds; right on nearly all scans."""
    generator, threads = np.random.default_rng(0), torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network is faster without others
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CTScroll(CONFIG)
        optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
        for _ in range(150):
            present = generator.random((8, 2)) < 0.5
            scans = [
                scan(generator, slices=24, marked=places(generator, row), air=3 * int(generator.integers(7)))
                for row in present
            ]
            image = np.stack([one.voxels_hu for one in scans]).astype(np.float32)
            unit = np.clip((image + 1000) / 1200, 0, 1) - np.float32(0.449)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(torch.from_numpy(unit))[0], torch.from_numpy(present.astype(np.float32))
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.set_num_threads(threads)
    return predictor(network.eval())


def places(generator: np.random.Generator, present: np.ndarray) -> dict[int, int]:
    """A triplet of 24 slices for each finding that is present."""
    return {place: 3 * int(generator.integers(8)) for place in range(2) if present[place]}


def predictor(network: CTScroll, temperature: float = 1.0) -> ClassificationPredictor:
    description = ModelDescription(
        task="classification",
        architecture=dataclasses.asdict(network.config),
        input=InputContract(spacing_mm=SPACING, window_hu=(-1000.0, 200.0), shape=SHAPE, shift=-0.449),
        label_names=FINDINGS,
    )
    calibration = Calibration.of(FINDINGS, dict.fromkeys(FINDINGS, temperature), {})
    return ClassificationPredictor(
        network=network, description=description, device=torch.device("cpu"), calibration=calibration
    )


def additive(weights_lt: np.ndarray, relevance_lt: np.ndarray, real: np.ndarray | None = None) -> Relevance:
    """A model whose logit is the sum of the weights of what is left, minus 1; its relevance may say otherwise."""
    tokens = weights_lt.shape[1]
    real = np.ones(tokens, dtype=bool) if real is None else real

    def without(deleted: np.ndarray) -> np.ndarray:
        logits = (real & ~deleted).astype(float) @ weights_lt.T - 1.0
        return np.asarray(1 / (1 + np.exp(-logits)))

    names = tuple(f"finding_{place}" for place in range(len(weights_lt)))
    said, of_air = without(np.array([[False], [True]]).repeat(tokens, axis=1))
    grid = TripletGrid(
        geometry=Geometry.axis_aligned((3 * tokens, 4, 4), (1.0, 1.0, 1.0)),
        slices_per_token=3,
        real_slices=real.repeat(3),
    )
    return Relevance(
        findings=names, by_triplet=relevance_lt, real=real, grid=grid, without=without, without_slices=without,
        probabilities=dict(zip(names, said.tolist(), strict=True)),
        of_air=dict(zip(names, of_air.tolist(), strict=True)),
    )  # fmt: skip
