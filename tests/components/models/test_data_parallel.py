"""Two processes that share each batch end where one process ends, and only the first of them writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.errors import ParameterError, StateError
from components.models.fit import NumberedEpochs, batches, fit, seeded
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.patches import PatchDataset
from components.models.segmentation import SegmentationModule
from components.models.training_plan import Recipe, SegmentationPlan
from components.models.unet import UNet

PLAN = SegmentationPlan(
    patch=(16, 16, 16), widths=(4, 8), batch_size=4, devices=2, seed=5, recipe=Recipe(ema=0.3)
)


def frames(count: int = 5) -> list[LabeledFrame]:
    made = []
    for i in range(count):
        labels = np.zeros((20, 20, 20), dtype=np.uint8)
        labels[4:12, 4:12, 2 + i : 12 + i] = 1
        made.append(
            LabeledFrame(
                frame_id=f"f{i}",
                patient_id=f"p{i}",
                provenance="expert" if i % 2 else "pseudo",  # other weights in either process
                shape=(20, 20, 20),
                read_hu=in_memory(labels.astype(np.int16) * 400 - 100),
                read_labels=in_memory(labels),
                foreground=sample_foreground(labels, np.random.default_rng(i)),
            )
        )
    return made


def train(folder: Path, *, devices: int, stop_after: int | None = None, told: list | None = None):
    plan = dataclasses.replace(PLAN, devices=devices)
    network = seeded(lambda: UNet(plan.network(1)), 0)
    data = PatchDataset(frames(), plan, expert_share=None, length=12)
    losses = fit(
        SegmentationModule(network, rate=0.01, weight_decay=0.0, steps=9, recipe=plan.recipe),
        batches(data, batch_size=plan.batch_size),
        name="boxes",
        epochs=3,
        seed=0,
        checkpoint=folder / "boxes.ckpt",
        precision="float32",
        devices=devices,
        stop_after=stop_after,
        on_epoch=None if told is None else lambda *epoch: told.append(epoch),
        progress=None,
    )
    return torch.cat([p.detach().flatten() for p in network.parameters()]), losses


def test_the_parts_of_every_batch_make_the_batch() -> None:
    parts = [NumberedEpochs(14, batch=2, part=part, parts=3) for part in range(3)]
    for part in parts:
        part.set_epoch(2)
    steps = [list(zip(*[iter(part)] * 2, strict=True)) for part in parts]
    assert [len(part) for part in parts] == [4, 4, 4]
    assert [sorted(sum(step, ())) for step in zip(*steps, strict=True)] == [
        list(range(28, 34)),
        list(range(34, 40)),
    ]


def test_a_batch_that_does_not_divide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="share the batch"):
        dataclasses.replace(PLAN, devices=3)
    network = UNet(PLAN.network(1))
    module = SegmentationModule(network, rate=0.01, weight_decay=0.0, steps=3)
    loader = batches(PatchDataset(frames(), PLAN, expert_share=None, length=3), batch_size=3)
    with pytest.raises(ParameterError, match="2 devices can share"):
        fit(module, loader, name="x", epochs=1, seed=0, checkpoint=tmp_path / "x", devices=2)


@pytest.mark.slow
def test_two_processes_end_where_one_ends_and_resume_bit_by_bit(tmp_path: Path) -> None:
    told: list[tuple[str, int, float]] = []
    one, losses = train(tmp_path / "one", devices=1)
    two, again = train(tmp_path / "two", devices=2, told=told)
    assert torch.allclose(one, two, atol=2e-4)
    assert again == pytest.approx(losses, abs=1e-4)
    assert told == [("boxes", epoch, loss) for epoch, loss in enumerate(again)]
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["boxes.ckpt"]
    train(tmp_path / "cut", devices=2, stop_after=1)
    resumed, _ = train(tmp_path / "cut", devices=2)
    assert torch.equal(resumed, two)


class Broken(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> torch.Tensor:
        raise OSError("a disk that is gone")


@pytest.mark.slow
def test_a_failing_process_ends_all_with_a_sentence(tmp_path: Path) -> None:
    module = SegmentationModule(UNet(PLAN.network(1)), rate=0.01, weight_decay=0.0, steps=3)
    with pytest.raises(StateError, match="a disk that is gone"):
        fit(
            module, batches(Broken(), batch_size=2), name="x", epochs=1, seed=0,
            checkpoint=tmp_path / "x", devices=2, progress=None,
        )  # fmt: skip
