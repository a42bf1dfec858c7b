"""Who is in the pools: shares, frames and sites as they are promised, and phantoms that are theirs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.phantom.heart_variants import USUAL, VARIANTS
from pipelines.bench.acquisition_pool import (
    BROKEN,
    CONTROL,
    MAIN,
    SIDE,
    TEST,
    Composition,
    Pool,
    draw_pool,
    patients_of,
)


@pytest.mark.parametrize("seed", [0, 1, 100])
def test_the_main_pool_is_as_pools_are(seed: int) -> None:
    patients = patients_of(MAIN, seed)
    counts = Counter(patient.kind for patient in patients)
    total = len(patients)
    assert 0.60 <= counts[USUAL] / total <= 0.70
    assert 0.03 <= counts[BROKEN] / total <= 0.05
    rare = {kind: count for kind, count in counts.items() if kind not in (USUAL, BROKEN)}
    assert set(rare) == set(VARIANTS) - {USUAL}
    assert all(count >= 3 and 0.02 <= count / total <= 0.06 for count in rare.values())
    sites = Counter(patient.scanner for patient in patients)
    assert sites["reference"] > sites["reference-b"] > sites["sharp"] > 0
    frames = Counter(len(patient.phases_percent) for patient in patients)
    assert len(frames) >= 4
    assert max(frames) >= 6 * min(frames)


def test_the_control_pool_is_rich_in_rare_hearts() -> None:
    counts = Counter(patient.kind for patient in patients_of(CONTROL, 1))
    usable = sum(counts.values()) - counts[BROKEN]
    assert counts[USUAL] / usable < 0.2
    assert min(counts[kind] for kind in VARIANTS if kind != USUAL) / usable > 0.08


def test_every_kind_is_tested_on_several_patients_and_none_is_broken() -> None:
    counts = Counter(patient.kind for patient in patients_of(TEST, 1))
    assert set(counts) == set(VARIANTS)
    assert min(counts.values()) >= 5


def test_another_seed_deals_other_kinds_and_pools_share_no_patient() -> None:
    sizes = {tuple(sorted(Counter(p.kind for p in patients_of(MAIN, seed)).items())) for seed in range(4)}
    assert len(sizes) > 1
    pools = [{patient.seed for patient in patients_of(made, 1)} for made in (MAIN, CONTROL, TEST)]
    assert not pools[0] & pools[1]
    assert not pools[0] & pools[2]
    assert not pools[1] & pools[2]


def test_a_pool_is_drawn_alike_and_kept_whole(tmp_path: Path) -> None:
    tiny = Composition(name="tiny", usual=2, rare=(1,), broken=1)
    first, again = draw_pool(tiny, 5, workers=1), draw_pool(tiny, 5, workers=2)
    pd.testing.assert_frame_equal(first.frames, again.frames)
    assert np.array_equal(first.voxels, again.voxels)
    assert first.voxels.shape == (len(first.frames), SIDE, SIDE, SIDE)
    is_broken = (first.frames["kind"] == BROKEN).to_numpy()
    assert not first.labels[is_broken].any()
    assert all(len(np.unique(labels)) == 8 for labels in first.labels[~is_broken])
    first.save(tmp_path / "tiny.npz")
    loaded = Pool.load(tmp_path / "tiny.npz")
    pd.testing.assert_frame_equal(loaded.frames, first.frames)
    assert np.array_equal(loaded.voxels, first.voxels)
    assert np.array_equal(loaded.labels, first.labels)
