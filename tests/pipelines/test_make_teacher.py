"""The shipped teacher is what its metrics say: trusted, small, good on its own domain and not on the other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.adapters.bundle_content import bundle_sha256
from components.phantom.body import Species
from pipelines.teacher.make_teacher import FIRST_SEED, FOLDER, dice_by_structure, patients

ROOT = Path(__file__).parents[2]
METRICS = json.loads((FOLDER / "metrics.json").read_text())


def test_shipped_bundle_is_trusted_and_small() -> None:
    section = yaml.safe_load((ROOT / "pipelines" / "params.yaml").read_text())["pseudo_label"]["segmentation"]
    assert section["trusted_sha256"] == bundle_sha256(FOLDER)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 3_000_000


def test_recorded_dice_shows_the_domain_gap() -> None:
    assert METRICS["dice"]["mean_human"] >= 0.85
    assert METRICS["dice"]["mean_porcine"] < METRICS["dice"]["mean_human"] - 0.05


def test_patients_are_disjoint_from_each_other_and_from_the_demos() -> None:
    drawn = patients()
    assert len({*drawn.train, *drawn.held_out}) == len(drawn.train) + len(drawn.held_out)
    assert min(*drawn.train, *drawn.held_out) >= FIRST_SEED


@pytest.mark.slow
@pytest.mark.parametrize("species", ["human", "porcine"])
def test_phantoms_are_still_those_that_the_metrics_were_taken_on(species: Species) -> None:
    """A changed phantom calls for a new teacher: ``python -m pipelines.teacher.make_teacher``."""
    measured = np.mean(list(dice_by_structure(FOLDER, species, patients().held_out[:2]).values()))
    assert measured == pytest.approx(METRICS["dice"][f"mean_{species}"], abs=0.06)
