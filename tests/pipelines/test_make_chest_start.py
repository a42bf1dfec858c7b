"""The shipped starting weights are what their facts say: small, of patients of their own, good where they claim."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.models.classifiers import build_classifier
from components.models.starting_weights import load_start
from components.models.train_classification import classifier_config
from components.phantom.chest import FINDINGS_DRAWN
from pipelines.phantoms import _patient
from pipelines.teacher.make_chest_start import FILE, FIRST_SEED, TRAINED, draw, judge, shipped_plan

FACTS = json.loads(FILE.with_suffix(".json").read_text())
LEARNED = [name for name, score in FACTS["auroc"].items() if score > 0.9]


def test_it_is_small_and_states_what_it_learned() -> None:
    assert FILE.stat().st_size < 3_000_000
    assert set(FACTS["auroc"]) == set(FINDINGS_DRAWN)
    assert len(LEARNED) >= 4


def test_its_patients_are_none_that_a_batch_draws() -> None:
    assert FACTS["first_seed"] == FIRST_SEED > 2**32 > _patient(10**6, 1, ["reference"])[0]


@pytest.mark.slow
def test_phantoms_are_still_those_that_it_was_made_from() -> None:
    """A changed phantom calls for new weights: ``python -m pipelines.teacher.make_chest_start``."""
    plan = shipped_plan()
    network = build_classifier(classifier_config(plan, len(FINDINGS_DRAWN)))
    load_start(FILE, network, FINDINGS_DRAWN)
    measured = judge(network, plan, [draw(TRAINED + number) for number in range(40)])
    claimed = FACTS["auroc"]
    difference = np.mean([measured[name] - claimed[name] for name in LEARNED])
    assert difference == pytest.approx(0.0, abs=0.05)
