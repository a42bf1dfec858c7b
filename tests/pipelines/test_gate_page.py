from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.registry.gate import judge
from components.registry.gate_limits import Traits
from components.registry.gate_params import GateParams
from components.registry.verdict import Verdict
from pipelines.gate_page import gate_page, write_gate_page

CONTEXT = {
    "challenger": {"name": "ctloop-segmentation/2", "package_hash": "c2"},
    "champion": {"name": "ctloop-segmentation/1", "package_hash": "c1"},
    "frames": 40,
    "test_set": "t",
}


def verdict(**extra: Any) -> Verdict:
    generator = np.random.default_rng(0)
    strata = ["first"] * 12 + ["<second>"] * 3
    before = pd.DataFrame(
        {
            "patient_id": [f"p{i:02d}" for i in range(15)],
            "stratum": strata,
            "score": generator.uniform(0.6, 0.8, 15),
        }
    )
    after = before.assign(score=before["score"] + generator.normal(0.05, 0.02, 15))
    found = judge(
        before, after, training_patients=[], params=GateParams(margin=0.05, floor=0.5, draws=200), **extra
    )
    return dataclasses.replace(found, context=CONTEXT)


def test_the_page_says_what_was_decided_and_why(tmp_path: Path) -> None:
    found = verdict(traits=(Traits(seconds=1.0), Traits(seconds=9.0)))
    page = write_gate_page(tmp_path / "gate", found, "segmentation")
    text = page.read_text()
    assert "Refused" in text
    assert "Costs more than the limits allow: latency 9, allowed 1.5" in text
    assert "seconds per frame" in text
    assert text.count("data:image/png") == 4  # two pictures, on light and on dark paper
    assert json.loads((tmp_path / "gate" / "verdict.json").read_text()) == found.as_json()


def test_those_who_lose_most_come_first() -> None:
    found = verdict()
    text = gate_page(found.as_json(), "segmentation")
    names = re.findall(r"<code>(p\d\d)</code>", text)
    lost = sorted(found.patients, key=lambda p: p.challenger - (p.champion or 0.0))
    assert names == [patient.patient_id for patient in lost[:10]]


def test_a_page_needs_nothing_from_elsewhere_and_escapes_what_it_shows() -> None:
    text = gate_page(verdict().as_json(), "segmentation")
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<second>" not in text
    assert "&lt;second&gt;" in text
    assert "not judged" in text  # three patients are too few


def test_a_verdict_that_compared_nothing_has_a_page_too() -> None:
    text = gate_page(verdict(lineage_gaps=("seed",)).as_json(), "segmentation")
    assert "it lacks seed" in text
    assert "<img" not in text
