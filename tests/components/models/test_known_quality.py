from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from components.errors import StateError
from components.models.known_quality import QUALITY_FILE, KnownQuality, known_quality
from components.scorecard.conformal_sets import AnswerBound, ConformalSets
from components.scorecard.predicted_quality import fit_quality


def learned() -> KnownQuality:
    entropies = np.linspace(0.05, 0.6, 12).tolist()
    fit = fit_quality(
        [[{"predictive_entropy": value}] for value in entropies],
        [1.0 - value for value in entropies],
        [f"p{i}" for i in range(12)],
    )
    sets = ConformalSets(bounds={"nodule": (AnswerBound(bound=0.4, n=20), AnswerBound(bound=1.0, n=3))})
    return KnownQuality(quality=fit, sets=sets, words="learned")


def test_it_survives_the_file(tmp_path: Path) -> None:
    before = learned()
    (tmp_path / QUALITY_FILE).write_text(json.dumps(before.as_json(), allow_nan=False))
    after = known_quality(tmp_path)
    case = [{"predictive_entropy": 0.3}]
    assert before.quality is not None
    assert after.quality is not None
    assert after.quality.estimate(case) == before.quality.estimate(case)
    assert (after.sets, after.words) == (before.sets, "learned")


def test_packages_without_it_foretell_nothing(tmp_path: Path) -> None:
    assert (known_quality(tmp_path).quality, known_quality(tmp_path).words) == (None, "")
    (tmp_path / QUALITY_FILE).write_text(json.dumps(KnownQuality(words="too few").as_json()))
    assert (known_quality(tmp_path).quality, known_quality(tmp_path).sets) == (None, None)


@pytest.mark.parametrize("text", ["[]", "{}", "rubbish", '{"predicted_quality": {"signals": []}}'])
def test_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / QUALITY_FILE).write_text(text)
    with pytest.raises(StateError, match="running evaluate again"):
        known_quality(tmp_path)
