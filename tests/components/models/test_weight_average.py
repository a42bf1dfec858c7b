"""The average follows its formula, survives a kill bit by bit, and is what training leaves behind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.models.fit import batches, fit, seeded
from components.models.segmentation import SegmentationModule
from components.models.training_plan import Recipe
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.models.weight_average import WeightAverage, decay_of

CONFIG = UNetConfig(classes=2, widths=(4, 8), heads=2)


class Boxes:
    """Sample ``number``: noise with a bright box that is class 1."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        target = np.zeros((16, 16, 16), dtype=np.int64)
        target[4:12, 4:12, number % 4 : 8 + number % 4] = 1
        noise = np.random.default_rng(number).normal(0, 0.1, target.shape)
        image = torch.from_numpy((target + noise).astype(np.float32))[None]
        return image, torch.from_numpy(target), torch.ones(2)


def train(checkpoint: Path, *, ema: float, stop_after: int | None = None) -> UNet:
    network = seeded(lambda: UNet(CONFIG), 0)
    module = SegmentationModule(network, rate=0.01, weight_decay=0.0, steps=8, recipe=Recipe(ema=ema))
    fit(
        module,
        batches(Boxes(), batch_size=2),
        name="boxes",
        epochs=4,
        seed=0,
        checkpoint=checkpoint,
        precision="float32",
        stop_after=stop_after,
        progress=None,
    )
    return network


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_the_average_is_the_recursive_one() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    callback = WeightAverage(network, decay=0.5)
    values, expected = (3.0, 7.0, -1.0, 4.0, 5.0), 0.0
    with torch.no_grad():
        network.weight.fill_(0.0)
        callback.on_train_start()
        for step, value in enumerate(values, 1):
            network.weight.fill_(value)
            callback.on_train_batch_end(SimpleNamespace(global_step=step))
            callback.on_train_batch_end(SimpleNamespace(global_step=step))  # gradients that wait
            decay = min(0.5, step / (9 + step))
            expected = decay * expected + (1 - decay) * value
    callback.on_fit_end()
    assert network.weight.item() == pytest.approx(expected)


def test_decay_remembers_a_share_of_the_steps() -> None:
    assert decay_of(0.1, 1000) == pytest.approx(0.99)
    assert decay_of(0.1, 5) == 0.0


def test_the_network_ends_with_the_average_and_the_checkpoint_keeps_both(tmp_path: Path) -> None:
    followed, averaged = train(tmp_path / "off.ckpt", ema=0.0), train(tmp_path / "on.ckpt", ema=0.5)
    assert not torch.equal(weights(followed), weights(averaged))
    kept = torch.load(tmp_path / "on.ckpt", weights_only=True)
    raw = {k.removeprefix("network."): v for k, v in kept["state_dict"].items() if k.startswith("network.")}
    assert all(torch.equal(v, followed.state_dict()[k]) for k, v in raw.items())
    mean = kept["callbacks"]["WeightAverage"]["average"]
    assert all(torch.equal(v, averaged.state_dict()[k]) for k, v in mean.items())


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    whole = train(tmp_path / "whole.ckpt", ema=0.5)
    train(tmp_path / "cut.ckpt", ema=0.5, stop_after=stop_after)
    assert torch.equal(weights(whole), weights(train(tmp_path / "cut.ckpt", ema=0.5)))
