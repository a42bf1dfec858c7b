from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.cohort.label_set import TaughtLabel, label_set_json
from components.errors import InputError
from components.registry.learning_record import learning_record

INTERVAL = {"value": 0.8, "low": 0.75, "high": 0.85, "patients": 9}


def package(folder: Path, *, metrics: Any, counted: dict[str, int] | None = None) -> Path:
    (folder / "lineage").mkdir()
    (folder / "metrics.json").write_text(json.dumps(metrics))
    model = {"training": {"labels": counted}} if counted is not None else {}
    (folder / "model.json").write_text(json.dumps(model))
    return folder


def taught(name: str, provenance: Any) -> TaughtLabel:
    return TaughtLabel(
        name=name, patient_id="p", site="s", provenance=provenance, label_sha256="a" * 64, shows=()
    )


def test_labels_are_counted_one_by_one_and_only_the_experts(tmp_path: Path) -> None:
    folder = package(
        tmp_path,
        metrics={"dice": {"mean": INTERVAL, "aorta": {**INTERVAL, "value": 0.1}}},
        counted={"expert": 99},
    )
    labels = [taught("a", "expert"), taught("b", "pseudo"), taught("c", "expert")]
    (folder / "label_set.json").write_text(label_set_json(labels))
    (folder / "lineage" / "params.yaml").write_text(
        "evaluate: {segmentation: {level: 0.9}, classification: {level: 0.5}}\n"
    )
    record = learning_record(folder, "segmentation")
    assert (record.expert_labels, record.value, record.low, record.high) == (2, 0.8, 0.75, 0.85)
    assert (record.patients, record.level) == (9, 0.9)


def test_an_older_package_only_counts_them(tmp_path: Path) -> None:
    folder = package(tmp_path, metrics={"auroc": {"macro": INTERVAL}}, counted={"pseudo": 4})
    record = learning_record(folder, "classification")
    assert (record.expert_labels, record.value, record.level) == (0, 0.8, None)


def test_what_a_package_does_not_tell_is_not_made_up(tmp_path: Path) -> None:
    record = learning_record(package(tmp_path, metrics={}), "segmentation")
    assert set(vars(record).values()) == {None}


def test_a_label_set_that_cannot_be_read(tmp_path: Path) -> None:
    folder = package(tmp_path, metrics={})
    (folder / "label_set.json").write_text("[{}]")
    with pytest.raises(InputError, match="as training writes it"):
        learning_record(folder, "segmentation")
