"""One set against the next, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from components.cohort.label_set import TaughtLabel, diff_label_sets, label_set_json, read_label_set
from components.errors import InputError


def label(name: str, **changes: Any) -> TaughtLabel:
    values = {
        "name": name, "patient_id": f"p-{name}", "site": "north", "provenance": "pseudo",
        "label_sha256": "a" * 64, "shows": ("aorta",),
    }  # fmt: skip
    return TaughtLabel(**{**values, **changes})


def test_each_label_is_added_removed_replaced_or_kept() -> None:
    before = [label("a"), label("b"), label("c"), label("d", provenance="expert")]
    after = [
        label("b"),
        label("c", provenance="expert", label_sha256="b" * 64, shows=("aorta", "left_ventricle")),
        label("d", provenance="expert", label_sha256="c" * 64),
        label("e", provenance="expert", site="", patient_id="p-b"),
    ]
    diff = diff_label_sets(before, after, note="against m/1")
    found = diff.as_json()
    assert found["names"] == {"added": ["e"], "removed": ["a"], "replaced": ["c", "d"]}
    assert found["kept"] == 1
    assert found["added"] == {
        "labels": 1, "patients": 1, "provenance": {"expert": 1}, "shows": {"aorta": 1}, "site": {"unknown site": 1},
    }  # fmt: skip
    assert found["replaced"]["shows"] == {"aorta": 2, "left_ventricle": 1}
    assert found["replaced_from"] == {"expert by expert": 1, "pseudo by expert": 1}
    for words in ("1 kept, 1 added, 1 removed, 2 replaced", "added, by provenance: 1 expert", "against m/1"):
        assert words in diff.words()


def test_equal_sets_differ_in_nothing_and_are_written_alike() -> None:
    labels = [label("b"), label("a")]
    text = label_set_json(labels)
    assert text == label_set_json(labels[::-1])
    assert read_label_set(text) == (label("a"), label("b"))
    diff = diff_label_sets(labels, read_label_set(text))
    assert (diff.kept, diff.added, diff.removed, diff.replaced) == (2, (), (), ())
    assert read_label_set(label_set_json([])) == ()
    with pytest.raises(InputError, match="training again"):
        read_label_set('[{"name": "a"}]')
