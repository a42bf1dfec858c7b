"""What differs between a package and its parent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from components.registry.change_log import (
    Snapshot,
    change_log,
    code_hashes,
    differences,
    label_changes,
    shaping_parameters,
    snapshot_of,
)

PARAMS = """
split: {seed: 0, audit_share: 0.2}
train:
  segmentation: {plan: {seed: 1, window_hu: [-200, 600]}}
  classification: {plan: {seed: 2}}
scheduler: {time_zone: UTC}
"""
PLAIN = Snapshot(
    parameters={"a": 1}, code={"components/models": "x"}, contract={"task": "segmentation"}, thresholds={},
    hashes={"data/labels": "1"}, labels={"f1": ("expert", "1"), "f2": ("pseudo", "2")},
    patients={"train": frozenset("ab"), "test": frozenset("c")},
    groups={"site": frozenset({"north"}), "scanner": frozenset()},
    metrics=({"metric": "dice", "label": "mean", "value": 0.7, "low": 0.6, "high": 0.8, "patients": 9},),
)  # fmt: skip
PARENT = {"version": "ctloop-test/1", "package_hash": "abc"}


def test_nothing_changed_says_so() -> None:
    log = change_log(PLAIN, PLAIN, PARENT)
    assert log["parent"] == PARENT
    assert [log[part] for part in ("parameters", "code", "contract", "thresholds", "data")] == [[]] * 5
    assert log["labels"] == {"new": {}, "removed": {}, "new_share": 0.0, "removed_share": 0.0}
    assert log["metrics"][0]["difference"] == 0.0


def test_each_difference_has_both_values() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": None}) == [
        {"path": "a", "before": 1, "after": None},
        {"path": "b", "before": 2, "after": 3},
        {"path": "c", "before": None, "after": None},
    ]


def test_labels_are_new_when_they_are_others_than_before() -> None:
    before = {"f1": ("expert", "1"), "f2": ("pseudo", "2"), "f3": ("pseudo", "3"), "f4": ("expert", "4")}
    after = {"f1": ("expert", "9"), "f2": ("pseudo", "2"), "f3": ("expert", "3"), "f5": ("pseudo", "5")}
    assert label_changes(before, after) == {
        "new": {"expert": 2, "pseudo": 1},
        "removed": {"expert": 1},
        "new_share": 0.75,
        "removed_share": 0.25,
    }
    assert label_changes(None, after)["new_share"] is None


def test_patients_and_groups_move() -> None:
    after = replace(
        PLAIN,
        patients={"train": frozenset("abd"), "test": frozenset()},
        groups={"site": frozenset({"south"}), "scanner": frozenset()},
    )
    log = change_log(after, PLAIN, PARENT)
    assert log["patients"] == {"train": {"added": 1, "removed": 0}, "test": {"added": 0, "removed": 1}}
    assert log["sites"] == {"added": ["south"], "removed": ["north"]}
    unknown = replace(PLAIN, patients={"train": None, "test": None})
    assert change_log(PLAIN, unknown, PARENT)["patients"]["test"]["removed"] is None


def test_parameters_are_those_that_shape_this_task() -> None:
    assert shaping_parameters(PARAMS, "segmentation") == {
        "split.seed": 0,
        "split.audit_share": 0.2,
        "train.segmentation.plan.seed": 1,
        "train.segmentation.plan.window_hu": [-200, 600],
    }
    assert shaping_parameters("", "segmentation") == {}


def test_code_is_what_the_stages_of_the_task_read() -> None:
    lock: dict[str, Any] = {
        "stages": {
            "train@segmentation": {
                "deps": [{"path": "components/models", "md5": "1.dir"}, {"path": "data/x", "md5": "2"}]
            },
            "evaluate@segmentation": {"deps": [{"path": "components/models", "md5": "3.dir"}]},
            "train@classification": {"deps": [{"path": "pipelines/train.py", "md5": "4"}]},
        }
    }
    assert code_hashes(lock, "segmentation") == {"components/models": "1.dir and 3.dir"}
    assert code_hashes({}, "segmentation") == {}


def test_a_snapshot_is_read_from_a_package_and_an_older_one_tells_less(tmp_path: Path) -> None:
    lineage = tmp_path / "lineage"
    lineage.mkdir()
    (tmp_path / "model.json").write_text(json.dumps({"task": "segmentation", "input": {"shift": 0.0}}))
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "calibration.json").write_text(json.dumps({"thresholds": {"emphysema": 0.4}}))
    (lineage / "lineage.json").write_text(json.dumps({"hashes": {"data/x": "1"}, "training_patients": ["a"]}))
    old = snapshot_of(tmp_path, None)
    assert (old.labels, old.patients["test"], old.parameters, old.groups["site"]) == (
        None,
        None,
        {},
        frozenset(),
    )
    (lineage / "params.yaml").write_text(PARAMS)
    (lineage / "dvc.lock").write_text(yaml.safe_dump({"stages": {}}))
    (lineage / "training_labels.json").write_text(json.dumps({"f1": ["expert", "1"]}))
    data = {"sides": {"train": {"groups": {"site": {"north": 1}, "scanner": {}}}}}
    found = snapshot_of(tmp_path, data)
    assert found.labels == {"f1": ("expert", "1")}
    assert found.patients == {"train": frozenset({"a"}), "test": None}
    assert found.groups["site"] == {"north"}
    assert found.thresholds == {"emphysema": 0.4}
    assert found.contract["input.shift"] == 0.0
    assert found.parameters["split.seed"] == 0
