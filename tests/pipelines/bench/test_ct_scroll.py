"""The contenders of the CT-Scroll benchmark have the same weights and see the same scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.models.ct_scroll import PUBLISHED
from pipelines.bench import ct_scroll, ct_scroll_learning, ct_scroll_real, ct_scroll_speed, ct_scroll_training
from pipelines.bench.ct_scroll_learning import Learned, Patients

SMALL = (24, 64, 64)


def test_every_contender_answers_the_same_question() -> None:
    found = ct_scroll_speed.measure_inference(0, scans=2, shape=SMALL)
    assert set(found.seconds) == {"plain", "exact", "bfloat16", "int8"}
    assert found.gap("plain") == 0.0
    assert found.gap("exact") < 1e-4
    assert 0.0 < found.gap("bfloat16") < 0.05
    assert 0.0 < found.gap("int8") < 0.1
    low, high = found.as_json()["probabilities_between"]
    assert high - low > 0.2
    assert found.as_json()["largest_change_from_scan_to_scan"] > 1e-3


def test_dense_scans_have_no_air_and_no_two_alike() -> None:
    one, two = (ct_scroll_speed.dense_scan(seed, SMALL)[0] for seed in (1, 2))
    assert one.flatten(1).std(dim=1).min() > 0.02
    assert not torch.equal(one, two)
    assert torch.equal(one, ct_scroll_speed.dense_scan(1, SMALL)[0])
    assert -0.449 <= float(one.min()) < float(one.max()) <= 0.551 + 1e-6


def test_gradients_are_compared_with_those_of_float64() -> None:
    assert 0.0 < ct_scroll_training.gradient_gap(0, (24, 96, 96)) < 1e-3


def test_the_published_size_is_what_is_timed() -> None:
    network = ct_scroll_speed.plain_network(0, SMALL)
    assert sum(p.numel() for p in network.parameters()) == 16_239_058
    assert PUBLISHED.widths == (64, 128, 256, 512)


def learned(said: np.ndarray) -> Learned:
    findings = (np.arange(40)[:, None] % np.arange(2, 9) == 0).astype(np.float32)
    patients = Patients(voxels=[], findings=findings)
    both = {"ct-scroll": said(findings), "average-pooling": np.zeros_like(findings, dtype=np.float64)}
    return Learned(internal=patients, external=patients, inside=both, outside=both, networks={})


def test_claims_follow_from_what_the_networks_say() -> None:
    perfect = learned(lambda truth: 8.0 * truth.astype(np.float64) - 4.0)
    table = ct_scroll._judged(0, perfect)
    assert table["ct-scroll"]["internal"]["macro"]["value"] == 1.0
    assert table["average-pooling"]["internal"]["macro"]["value"] == 0.5
    assert table["difference_on_spread_findings"]["low"] == 0.5
    urgent = perfect.internal.findings[:, -2:].max(axis=1).sum()
    assert ct_scroll._reading_gain(perfect) == pytest.approx(ct_scroll._reading_gain(perfect, oracle=True))
    assert ct_scroll._reading_gain(perfect) > 0.9 * len(perfect.internal.findings) / urgent * 0.8
    nothing = learned(lambda truth: np.zeros(truth.shape))
    assert ct_scroll._reading_gain(nothing) == pytest.approx(1.0)


def test_patients_of_the_bench_are_drawn_by_number_and_scanner() -> None:
    first = ct_scroll_learning._draw((3, "reference"))
    assert first[0].shape == ct_scroll_learning.SHAPE
    assert first[1].shape == (len(ct_scroll_learning.FINDINGS),)
    assert np.array_equal(ct_scroll_learning._draw((3, "reference"))[0], first[0])
    assert not np.array_equal(ct_scroll_learning._draw((3, "sharp"))[0], first[0])


def test_without_real_scans_the_tables_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", str(tmp_path)):
        monkeypatch.setenv("CTLOOP_REALDATA", value)
        assert ct_scroll_real.real_inputs(tmp_path)["shown"] is False
