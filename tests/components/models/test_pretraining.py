"""The encoder learns to paint what was hidden, is resumed bit by bit, and starts the segmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.errors import StateError
from components.models.fit import seeded
from components.models.labeled import LabeledFrame, in_memory
from components.models.pretraining import hidden_blocks, painting_loss, pretrain_encoder, unlabelled
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet

PLAN = SegmentationPlan(
    patch=(16, 16, 16), widths=(4, 8), batch_size=2, steps_per_epoch=4, pretrain_epochs=3, learning_rate=0.01
)


def pool() -> list[LabeledFrame]:
    z, y, x = np.meshgrid(*[np.arange(24)] * 3, indexing="ij")
    frames = []
    for i in range(3):
        hu = (300 * np.sin((z + y + x) / (4 + i)) + 200).astype(np.int16)
        frames.append(unlabelled(f"f{i}", f"p{i}", (24, 24, 24), in_memory(hu)))
    return frames


class Killed(Exception):
    pass


def test_it_learns_and_a_killed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    losses: list[float] = []
    whole = pretrain_encoder(
        pool(), PLAN, checkpoints=tmp_path / "whole", on_epoch=lambda _n, _e, loss: losses.append(loss)
    )
    assert losses[-1] < losses[0]

    def kill(_name: str, epoch: int, _loss: float) -> None:
        if epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        pretrain_encoder(pool(), PLAN, checkpoints=tmp_path / "cut", on_epoch=kill)
    resumed = pretrain_encoder(pool(), PLAN, checkpoints=tmp_path / "cut")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_its_weights_are_the_segmenters_encoder(tmp_path: Path) -> None:
    weights = pretrain_encoder(pool(), PLAN, checkpoints=tmp_path)
    network = seeded(lambda: UNet(PLAN.network(7)), 1)
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert unexpected == []
    assert {name.split(".")[0] for name in missing} == {"lift", "merge", "heads"}
    assert torch.equal(network.bottleneck.weight, weights["bottleneck.weight"])


def test_three_in_five_blocks_are_hidden_whole() -> None:
    hidden = seeded(lambda: hidden_blocks(torch.zeros(2, 1, 16, 40, 32)), 0)
    assert hidden.shape == (2, 1, 16, 40, 32)
    assert hidden.float().mean(dim=(1, 2, 3, 4)).tolist() == pytest.approx([0.6, 0.6])
    blocks = hidden.float().unfold(2, 8, 8).unfold(3, 8, 8).unfold(4, 8, 8)
    assert set(blocks.mean(dim=(-1, -2, -3)).unique().tolist()) == {0.0, 1.0}


def test_the_loss_looks_at_hidden_voxels_only() -> None:
    image, hidden = torch.rand(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8, dtype=torch.bool)
    hidden[..., :4] = True
    painted = image.clone()
    painted[..., 4:] += 9.0
    assert painting_loss(painted, image, hidden).item() == 0.0
    painted[..., :4] -= 0.25
    assert painting_loss(painted, image, hidden).item() == pytest.approx(0.25, abs=1e-6)
    halved = torch.nn.functional.avg_pool3d(image, 2)
    assert painting_loss(halved, image, hidden).item() == pytest.approx(0.0, abs=1e-6)


def test_nothing_to_look_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="frames to pretrain on"):
        pretrain_encoder([], PLAN, checkpoints=tmp_path)
