"""What a trained network says of a whole frame, against the plain forward pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.whole_frame import Labeller
from components.volume.window import window_to_unit


def plan(heads: int, widths: tuple[int, ...], side: int = 16) -> SegmentationPlan:
    return SegmentationPlan(window_hu=(-200.0, 600.0), patch=(side,) * 3, widths=widths, heads=heads)


def network(of: SegmentationPlan) -> UNet:
    torch.manual_seed(0)
    return UNet(of.network(2))


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("widths", [(4, 8), (16, 32, 64)])
def test_a_frame_that_fits_is_what_the_network_says_of_it(heads: int, widths: tuple[int, ...]) -> None:
    chosen = plan(heads, widths)
    student = network(chosen)
    voxels = np.random.default_rng(0).integers(-300, 700, (16, 16, 16)).astype(np.int16)
    said = Labeller.of(student, chosen).say(voxels)
    with torch.inference_mode():
        image = torch.from_numpy(window_to_unit(voxels, *chosen.window_hu))[None, None]
        scores = student(image)[0][0].softmax(dim=1).numpy()
    mean = scores.mean(axis=0)
    margin = np.sort(mean, axis=0)[-1] - np.sort(mean, axis=0)[-2]
    sure = margin > 0.05  # an engine of another number format may differ where two classes are equal
    assert sure.mean() > 0.3
    assert np.array_equal(said.labels[sure], mean.argmax(axis=0)[sure])
    assert np.allclose(said.confidence, mean.max(axis=0), atol=0.03)
    assert said.members.shape == (heads, 16, 16, 16)
    assert (said.members == scores.argmax(axis=1)).mean() > 0.97


@pytest.mark.parametrize("shape", [(3, 4, 2), (4, 5, 4), (9, 1, 1), (40, 20, 17)])
def test_frames_of_any_size(shape: tuple[int, int, int]) -> None:
    chosen = plan(3, (4, 8))
    said = Labeller.of(network(chosen), chosen).say(np.zeros(shape, np.int16))
    assert said.labels.shape == said.confidence.shape == said.members.shape[1:] == shape
