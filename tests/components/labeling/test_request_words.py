from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from components.labeling.request import LabelingRequest, Reason
from components.labeling.request_words import REASON_WORDS, why

REQUEST = LabelingRequest(
    task="segmentation", case_id="c", frame_id="c", patient_id="p", batch="b", reason="uncertainty",
    measured=0.4213, threshold=0.3, model_version="m/1", evidence="e", budget_minutes=30.0,
    opened_at="2026-01-01T00:00:00+00:00", due="2026-01-15",
)  # fmt: skip


def test_every_reason_has_words() -> None:
    assert set(REASON_WORDS) == set(get_args(Reason))


@pytest.mark.parametrize("reason", ["uncertainty", "temporal_jump", "drift", "pseudo_jump"])
def test_the_sentence_states_both_numbers(reason: Reason) -> None:
    sentence = why(replace(REQUEST, reason=reason))
    assert "0.421" in sentence
    assert "0.3" in sentence


def test_an_audit_has_no_numbers() -> None:
    assert "at random" in why(replace(REQUEST, reason="audit", measured=None, threshold=None))


def test_an_expert_does_not_learn_which_arm_asks() -> None:
    asked = replace(REQUEST, reason="acquisition", measured=None, threshold=None)
    sentences = {why(replace(asked, arm=arm, choice=f"by {arm}")) for arm in ("strategy", "random")}
    assert len(sentences) == 1
    assert "teach" in sentences.pop()


def test_the_same_evidence_has_the_same_id() -> None:
    assert replace(REQUEST, measured=0.9, opened_at="later").id == REQUEST.id
    assert replace(REQUEST, evidence="other").id != REQUEST.id
    assert replace(REQUEST, arm="random", choice="drawn").id == REQUEST.id
    assert len(REQUEST.id) == 16
