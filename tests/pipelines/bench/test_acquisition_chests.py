"""Chests: who has what, what the small classifier says against the library, and AUROC against scikit-learn."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from components.models.judge_scans import probabilities
from components.models.labeled import LabeledScan
from components.phantom.heart_variants import USUAL
from pipelines.bench import acquisition_chests
from pipelines.bench.acquisition_chest_pool import COMMON, FINDINGS, MAIN, RARE, SHAPE, draw_chest
from pipelines.bench.acquisition_chests import PLAN, Chests, mean_auroc, new_network, say
from pipelines.bench.acquisition_pool import BROKEN, Composition, Pool, draw_pool, patients_of

TINY = Composition(
    name="tiny", usual=2, rare=(1, 1), broken=1, rare_kinds=RARE[:2], frames=((1, 0.5), (2, 0.5))
)


@cache
def pool() -> Pool:
    return draw_pool(TINY, 3, draw=draw_chest)


def test_the_main_pool_is_as_pools_are() -> None:
    counts = Counter(patient.kind for patient in patients_of(MAIN, 1))
    total = sum(counts.values())
    assert 0.60 <= counts[USUAL] / total <= 0.70
    assert 0.03 <= counts[BROKEN] / total <= 0.05
    assert all(counts[name] >= 3 and 0.02 <= counts[name] / total <= 0.06 for name in RARE)


def test_a_patient_has_its_own_rare_finding_alone_in_every_reconstruction() -> None:
    frames, rare = pool().frames, pool().labels[:, len(COMMON) :]
    assert pool().voxels.shape == (len(frames), *SHAPE)
    for kind, findings in zip(frames["kind"], rare, strict=True):
        assert [name for name, there in zip(RARE, findings, strict=True) if there] == (
            [kind] if kind in RARE else []
        )
    for _, rows in frames.groupby("patient_id").indices.items():
        assert (pool().labels[rows] == pool().labels[rows[0]]).all()
        assert len({bytes(pool().voxels[row]) for row in rows}) == len(rows)


def test_mean_auroc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (40, len(FINDINGS))).astype(np.uint8)
    judged = rng.random((3, 40, len(FINDINGS)))
    shares = {name: float(i + 1) for i, name in enumerate(FINDINGS)}
    weights = np.stack([np.ones(40), rng.integers(0, 4, 40).astype(float)])
    expected = [
        [
            np.average(
                [roc_auc_score(truth[:, k], step[:, k], sample_weight=weight) for k in range(len(FINDINGS))],
                weights=list(shares.values()),
            )
            for step in judged
        ]
        for weight in weights
    ]
    assert mean_auroc(truth, shares)(judged, weights) == pytest.approx(np.array(expected))


def test_what_is_said_is_what_the_library_says() -> None:
    network = new_network(0).eval()
    scans = [
        LabeledScan(
            case_id=str(i), patient_id=str(i), provenance="expert", read_hu=lambda i=i: pool().voxels[i],
            findings=np.zeros(len(FINDINGS), np.float32),
        )
        for i in range(3)
    ]  # fmt: skip
    assert say(network, pool().voxels[:3])[0] == pytest.approx(probabilities(network, scans, PLAN), abs=1e-5)


@pytest.fixture
def chests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chests:
    for name in ("TEACHER_STEPS", "START_STEPS", "TUNE_STEPS"):
        monkeypatch.setattr(acquisition_chests, name, 2)
    Chests.prepare(pool(), pool(), 7, tmp_path)
    return Chests.load(pool(), pool(), 7, tmp_path)


def test_chests_are_scored_taught_and_judged(chests: Chests) -> None:
    model = chests.start()
    cards, judged = chests.cards(model), chests.judge(model)
    two = np.stack([judged, 1 - judged])
    assert cards["predictive_entropy"].to_numpy() == pytest.approx(
        entropy(two, axis=0).mean(axis=1), rel=1e-6
    )
    assert cards["output_emphysema"].to_numpy() == pytest.approx(judged[:, FINDINGS.index("emphysema")])
    assert {"image_noise_hu", "embedding_000", "class_score_emphysema"} <= set(cards)
    taught, again = chests.learn([0, 1]), chests.learn([0, 1])
    states = [list(network.state_dict().values()) for network in (taught, again, model)]
    assert all(torch.equal(a, b) for a, b in zip(states[0], states[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0], states[2], strict=True))
    assert chests.learn([]) is model


def test_a_broken_scan_takes_a_minute_and_cannot_be_used(chests: Chests) -> None:
    rows = list(range(len(chests.frames)))
    drawn = [chests.answered(rows, chests.start(), np.random.default_rng(seed)) for seed in range(30)]
    sound = np.array(drawn[0][1])
    assert np.array_equal(sound, (chests.frames["kind"] != BROKEN).to_numpy())
    minutes = np.mean([minutes for minutes, _ in drawn], axis=0)
    assert minutes[~sound] == pytest.approx(1.0, rel=0.1)
    assert minutes[sound].min() > 1.5
