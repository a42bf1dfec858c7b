"""The small segmenter: what it says against scipy and the library's Dice, and that it learns the same each time."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from components.cohort.structures import HEART_LABELS
from components.metrics.overlap import dice_per_structure
from components.models.unet import UNet
from components.volume.volume import LabelMap
from components.volume.window import window_to_unit
from pipelines.bench import acquisition_hearts
from pipelines.bench.acquisition_hearts import Hearts
from pipelines.bench.acquisition_pool import GRID, Composition, Pool, draw_pool
from pipelines.bench.acquisition_student import PLAN, labelled, mean_dice, new_network, say, segment, trained

TINY = Composition(name="tiny", usual=3, rare=(1,), broken=1, frames=((1, 0.5), (2, 0.5)))


@cache
def pool() -> Pool:
    return draw_pool(TINY, 7)


def weights(network: UNet) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_what_is_said_follows_from_the_softmax_of_the_members() -> None:
    network, voxels = new_network(0).eval(), pool().voxels[:3]
    said = say(network, voxels)
    with torch.inference_mode():
        logits, embedding = network(torch.from_numpy(window_to_unit(voxels, *PLAN.window_hu))[:, None])
    mean = logits.double().softmax(2).mean(1).numpy()
    information = entropy(mean, axis=1)
    assert said.entropy == pytest.approx(information.mean(axis=(1, 2, 3)), rel=1e-4)
    assert said.class_scores == pytest.approx((information[:, None] * mean).mean(axis=(2, 3, 4)), rel=1e-4)
    assert said.class_scores.sum(axis=1) == pytest.approx(said.entropy, rel=1e-4)
    assert (said.labels == mean.argmax(axis=1)).mean() > 0.999
    assert np.array_equal(said.labels, segment(network, voxels))
    assert np.array_equal(said.members, logits.argmax(2).numpy())
    assert said.embedding == pytest.approx(embedding.numpy(), rel=1e-4, abs=1e-5)


def test_mean_dice_is_that_of_the_library() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 6, (2, 4, *GRID.shape)).astype(np.uint8)
    maps = [[LabelMap(labels=m, geometry=GRID, names=HEART_LABELS) for m in some] for some in (first, second)]
    expected = [np.nanmean(list(dice_per_structure(a, b).values())) for a, b in zip(*maps, strict=True)]
    assert mean_dice(first, second) == pytest.approx(expected)
    assert np.isnan(mean_dice(np.zeros_like(first), np.zeros_like(first))).all()


def test_training_goes_the_same_way_twice_and_leaves_its_start_alone() -> None:
    start, frames = new_network(0), labelled(pool(), range(len(pool().frames)), "expert")
    before = [tensor.clone() for tensor in weights(start)]
    plan = dataclasses.replace(PLAN, seed=3)
    first, again = (trained(start, frames, plan, steps=2, rate=0.01) for _ in range(2))
    other = trained(start, frames, dataclasses.replace(plan, seed=4), steps=2, rate=0.01)
    assert all(torch.equal(a, b) for a, b in zip(weights(start), before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(again), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights(first), weights(other), strict=True))


def test_training_on_a_heart_finds_it() -> None:
    row = int(np.flatnonzero(pool().labels.any(axis=(1, 2, 3)))[0])
    learned = trained(new_network(0), labelled(pool(), [row], "expert"), PLAN, steps=40, rate=0.02)
    truth = pool().labels[row][None]
    # against one label for all that is not background: structures are told apart
    lump = np.where(truth > 0, 5, 0).astype(np.uint8)
    assert mean_dice(segment(learned, pool().voxels[row][None]), truth)[0] > 2 * mean_dice(lump, truth)[0]


def test_a_broken_scan_has_nothing_to_learn_from() -> None:
    frames = labelled(pool(), range(len(pool().frames)), "expert")
    known = pool().frames.set_index("frame_id")["kind"]
    assert all(known[frame.frame_id] != "broken" for frame in frames)
    assert len(frames) == (pool().frames["kind"] != "broken").sum()


@pytest.fixture
def hearts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hearts:
    for name, steps in {"TEACHER_STEPS": 15, "START_STEPS": 2, "TUNE_STEPS": 2}.items():
        monkeypatch.setattr(
            acquisition_hearts, name, steps
        )  # a teacher that finds hearts, the rest barely begun
    Hearts.prepare(pool(), pool(), 7, tmp_path)
    return Hearts.load(pool(), pool(), 7, tmp_path)


def test_hearts_are_scored_taught_and_judged(hearts: Hearts) -> None:
    model = hearts.start()
    cards = hearts.cards(model)
    assert cards["frame_id"].tolist() == hearts.frames["frame_id"].tolist()
    told = (
        "uncertainty", "pairwise_dice_disagreement", "predictive_entropy", "class_score_aorta", "output_aorta_ml",
        "image_noise_hu", "embedding_000", "student_teacher_dice", "foreground_ml",
    )  # fmt: skip
    assert set(told) <= set(cards)
    assert "embedding_000" not in hearts.cards(None)
    assert hearts.judge(model).shape == (len(hearts.frames),)
    assert weights(hearts.learn([]))[0] is weights(model)[0] or hearts.learn([]) is model
    assert not torch.equal(weights(hearts.learn([0, 1]))[0], weights(model)[0])


def test_minutes_grow_with_the_surface_and_broken_scans_are_soon_put_away(hearts: Hearts) -> None:
    rows = list(range(len(hearts.frames)))
    drawn = [hearts.answered(rows, hearts.start(), np.random.default_rng(seed)) for seed in range(30)]
    sound = np.array(drawn[0][1])
    assert np.array_equal(sound, (hearts.frames["kind"] != "broken").to_numpy())
    minutes = np.mean([minutes for minutes, _ in drawn], axis=0)
    assert minutes[~sound] == pytest.approx(2.0, rel=0.1)
    assert minutes[sound].min() > 8
