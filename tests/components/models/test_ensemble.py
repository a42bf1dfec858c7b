from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from components.models.ensemble import (
    Ensemble,
    ensemble_predictor,
    monte_carlo_dropout,
    with_dropout,
)
from components.models.sliding_window import WindowScores
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from tests.components.models.intensity_network import intensity_predictor
from tests.components.models.test_segmentation_predictor import scan

CONFIG = UNetConfig(classes=3, widths=(4, 8), heads=1)
WINDOW = torch.rand((1, 1, 16, 16, 16), generator=torch.Generator().manual_seed(1))


def network(seed: int = 0) -> UNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet(CONFIG).eval()


def alone(seed: int) -> WindowScores:
    with torch.inference_mode():
        logits, embedding = network(seed)(WINDOW)
    none = torch.zeros((0, 16, 16, 16), dtype=torch.uint8)
    return WindowScores(scores=logits[0, 0].softmax(dim=0), members=none, embedding=embedding[0])


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    single = [alone(seed) for seed in range(5)]
    joined = Ensemble(members=[lambda _, one=one: one for one in single])(WINDOW)
    shares = np.stack([one.scores.numpy() for one in single])
    np.testing.assert_allclose(joined.scores.numpy(), shares.mean(axis=0), atol=1e-6)
    assert np.array_equal(joined.members.numpy(), shares.argmax(axis=1))
    assert joined.entropy is not None
    np.testing.assert_allclose(joined.entropy.numpy(), stats.entropy(shares, axis=1).mean(axis=0), atol=1e-5)


def test_dropout_leaves_the_weights_and_the_plain_answer() -> None:
    plain, changed = network(), with_dropout(network(), 0.3)
    assert list(changed.state_dict()) == list(plain.state_dict())
    assert sum(isinstance(m, torch.nn.Dropout3d) for m in changed.modules()) == 5  # two per level, one merge
    with torch.inference_mode():
        assert torch.equal(plain(WINDOW)[0], changed.eval()(WINDOW)[0])


@torch.inference_mode()
def test_passes_differ_and_repeat_themselves() -> None:
    members = monte_carlo_dropout(with_dropout(network(), 0.5), 4)
    first, again = members(WINDOW), members(WINDOW)
    assert torch.equal(first.scores, again.scores)
    answers = [run(WINDOW).scores for run in members.members]
    assert all(not torch.equal(answers[0], other) for other in answers[1:])
    assert not torch.equal(first.scores, alone(0).scores)


@torch.inference_mode()
def test_without_a_rate_every_pass_is_the_network() -> None:
    joined = monte_carlo_dropout(with_dropout(network(), 0.0), 3)(WINDOW)
    torch.testing.assert_close(joined.scores, alone(0).scores)


def test_a_predictor_of_an_ensemble_measures_what_one_with_heads_does() -> None:
    one = intensity_predictor(heads=1)
    joined = ensemble_predictor(one, Ensemble(members=[one.engine.run] * 3)).predict(scan(0))
    heads = intensity_predictor(heads=3).predict(scan(0))
    assert joined.labels is not None
    assert heads.labels is not None
    assert np.array_equal(joined.labels.labels, heads.labels.labels)
    assert dict(joined.signals) == pytest.approx(dict(heads.signals), abs=1e-5)
    assert dataclasses.asdict(one.description)["architecture"]["heads"] == 1
