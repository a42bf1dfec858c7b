"""Training of both tasks at the smallest size: the same seed gives the same bytes, killed or not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.errors import StateError
from components.models import train_classification as classification_training
from components.models import train_segmentation as segmentation_training
from components.models.fit import native_precision
from components.models.labeled import LabeledFrame, LabeledScan, in_memory, sample_foreground
from components.models.training_plan import Augmentation, ClassificationPlan, SegmentationPlan
from components.models.whole_frame import Labeller

SEGMENTATION = SegmentationPlan(
    patch=(16, 16, 16), widths=(4, 8), batch_size=2, steps_per_epoch=2, epochs=3, fine_tune_epochs=2, seed=5
)
CLASSIFICATION = ClassificationPlan(
    shape=(6, 32, 32), widths=(4, 8), embedding=16, heads=4, window=1, batch_size=2, epochs=3, seed=5
)
FINDINGS = ("emphysema", "atelectasis")


def frames(provenances: tuple[str, ...] = ("expert", "pseudo", "pseudo")) -> list[LabeledFrame]:
    made = []
    for i, provenance in enumerate(provenances):
        labels = np.zeros((16, 16, 16), dtype=np.uint8)
        labels[4:12, 4:12, 4 + i : 12 + i] = 1
        voxels = labels.astype(np.int16) * 400 - 100
        foreground = sample_foreground(labels, np.random.default_rng(i))
        made.append(
            LabeledFrame(
                frame_id=f"f{i}",
                patient_id=f"p{i}",
                provenance=provenance,
                shape=(16, 16, 16),
                read_hu=in_memory(voxels),
                read_labels=in_memory(labels),
                foreground=foreground,
            )
        )
    return made


def scans() -> list[LabeledScan]:
    generator = np.random.default_rng(0)
    made = []
    for i in range(5):
        voxels = generator.integers(-1000, 200, (6, 32, 32)).astype(np.int16)
        findings = np.array([i % 2, np.nan if i == 1 else 1 - i % 2], dtype=np.float32)
        made.append(
            LabeledScan(
                case_id=f"c{i}",
                patient_id=f"p{i}",
                provenance="expert",
                read_hu=lambda voxels=voxels: voxels,  # type: ignore[misc]
                findings=findings,
            )
        )
    return made


class Killed(Exception):
    pass


class KillAfter:
    """An epoch callback that stops the process's work, as a signal would, once."""

    def __init__(self, epochs: int) -> None:
        self.left, self.told = epochs, []

    def __call__(self, step: str, epoch: int, loss: float) -> None:
        self.told.append((step, epoch, loss))
        self.left -= 1
        if self.left == 0:
            raise Killed


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_segmentation_killed_and_repeated_ends_the_same(tmp_path: Path) -> None:
    whole, curves, _ = segmentation_training.train_segmentation(
        frames(), 1, SEGMENTATION, checkpoints=tmp_path / "whole"
    )
    for epochs in (2, 3):
        with pytest.raises(Killed):
            segmentation_training.train_segmentation(
                frames(), 1, SEGMENTATION, checkpoints=tmp_path / "cut", on_epoch=KillAfter(epochs)
            )
    resumed, again, _ = segmentation_training.train_segmentation(
        frames(), 1, SEGMENTATION, checkpoints=tmp_path / "cut"
    )
    assert same(whole, resumed)
    assert curves == again
    assert {step: len(losses) for step, losses in curves.items()} == {"student-1": 3, "fine-tune": 2}


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    nets = [
        segmentation_training.train_segmentation(
            frames(),
            1,
            dataclasses.replace(SEGMENTATION, seed=seed, epochs=1),
            checkpoints=tmp_path / str(seed),
        )[0]
        for seed in (1, 2)
    ]
    assert not same(*nets)


def test_experts_alone_are_one_run(tmp_path: Path) -> None:
    _, curves, _ = segmentation_training.train_segmentation(
        frames(("expert", "expert")), 1, SEGMENTATION, checkpoints=tmp_path
    )
    assert {step: len(losses) for step, losses in curves.items()} == {"experts": 5}


def test_segmentation_learns_the_box(tmp_path: Path) -> None:
    plan = dataclasses.replace(
        SEGMENTATION, epochs=12, steps_per_epoch=5, learning_rate=0.02, augmentation=Augmentation(noise=0.0)
    )
    network, _, _ = segmentation_training.train_segmentation(frames(), 1, plan, checkpoints=tmp_path)
    test = frames()[0]
    labels = Labeller.of(network, plan).labels(test.read_hu((0, 0, 0), test.shape))
    truth = test.read_labels((0, 0, 0), test.shape)
    assert 2 * ((labels == 1) & (truth == 1)).sum() / ((labels == 1).sum() + truth.sum()) > 0.9


def test_classification_killed_and_repeated_ends_the_same(tmp_path: Path) -> None:
    whole, curves = classification_training.train_classification(
        scans(), CLASSIFICATION, FINDINGS, checkpoints=tmp_path / "whole"
    )
    with pytest.raises(Killed):
        classification_training.train_classification(
            scans(), CLASSIFICATION, FINDINGS, checkpoints=tmp_path / "cut", on_epoch=KillAfter(2)
        )
    resumed, again = classification_training.train_classification(
        scans(), CLASSIFICATION, FINDINGS, checkpoints=tmp_path / "cut"
    )
    assert same(whole, resumed)
    assert curves == again
    assert len(curves["classifier"]) == 3


def test_training_leaves_the_global_generator_and_standard_output_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    classification_training.train_classification(
        scans(), dataclasses.replace(CLASSIFICATION, epochs=1), FINDINGS, checkpoints=tmp_path
    )
    assert torch.equal(before, torch.get_rng_state())
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["classifier.ckpt"]


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="labelled frames"):
        segmentation_training.train_segmentation([], 1, SEGMENTATION, checkpoints=tmp_path)
    with pytest.raises(StateError, match="training scans"):
        classification_training.train_classification([], CLASSIFICATION, FINDINGS, checkpoints=tmp_path)


def test_precision_is_what_was_asked_for() -> None:
    assert native_precision("float32") == "32-true"
    assert native_precision("bfloat16") == "bf16-mixed"
    assert native_precision("auto") in ("32-true", "bf16-mixed")
