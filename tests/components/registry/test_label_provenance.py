"""Who made the labels, counted by side, annotator and teacher."""

from __future__ import annotations

from typing import Any

from components.cohort.labels import LabelSidecar
from components.cohort.split import Side
from components.registry.label_provenance import LabelRecord, label_provenance, training_labels


def record(name: str, side: Side, provenance: Any = "expert", **more: Any) -> LabelRecord:
    sidecar = LabelSidecar(provenance=provenance, label_sha256=name[0] * 64, **more)
    return LabelRecord(name=name, side=side, sidecar=sidecar)


RECORDS = [
    record("a", "train", annotator="reader-1", minutes=12.0, request_id="r1"),
    record("b", "train", annotator="reader-1", request_id="r2"),
    record("c", "test", annotator="reader-1", minutes=3.5),
    record("d", "test"),
    record("e", "train", "pseudo", teacher="heart/2", teacher_fingerprint="f" * 64),
    record("f", "train", "pseudo", teacher="heart/2", teacher_fingerprint="f" * 64),
]


def test_annotators_have_their_labels_and_known_minutes() -> None:
    found = label_provenance(RECORDS, label_set="abc.dir", trained_on={"expert": 2})
    assert found["annotators"] == [
        {"annotator": "not named", "test": 1, "minutes": None, "with_minutes": 0},
        {"annotator": "reader-1", "test": 1, "train": 2, "minutes": 15.5, "with_minutes": 2},
    ]
    assert found["requests_answered"] == 2
    assert (found["label_set"], found["trained_on"]) == ("abc.dir", {"expert": 2})


def test_sides_and_teachers_are_counted() -> None:
    found = label_provenance(RECORDS, label_set=None, trained_on={})
    assert found["sides"] == {"train": {"expert": 2, "pseudo": 2}, "test": {"expert": 2}}
    assert found["teachers"] == [{"teacher": "heart/2", "fingerprint": "f" * 64, "labels": 2}]


def test_training_labels_are_named_by_provenance_and_hash() -> None:
    found = training_labels(RECORDS)
    assert sorted(found) == ["a", "b", "e", "f"]
    assert found["e"] == ("pseudo", "e" * 64)
