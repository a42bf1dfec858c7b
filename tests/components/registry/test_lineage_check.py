from __future__ import annotations

from components.registry.lineage_check import ARCHIVED, lineage_gaps

WHOLE = {
    "git_commit": "abc",
    "seed": 0,
    "hashes": {"data/segmentation/labels": "x"},
    "label_set": "x",
    "training_patients": ["p1"],
    "requirements_sha256": "y",
}


def test_a_whole_lineage_lacks_nothing() -> None:
    assert lineage_gaps(WHOLE, [*ARCHIVED, "labels.json"]) == ()


def test_every_part_is_missed() -> None:
    for key in WHOLE:
        gaps = lineage_gaps({**WHOLE, key: None}, ARCHIVED)
        assert gaps == (("labels or teacher",) if key == "label_set" else (key,))


def test_pseudo_labels_are_known_by_their_teacher() -> None:
    assert lineage_gaps({**WHOLE, "label_set": None, "teacher_fingerprint": "t"}, ARCHIVED) == ()


def test_the_lock_file_and_the_parameters_belong_to_it() -> None:
    assert lineage_gaps(WHOLE, ["params.yaml"]) == ("dvc.lock",)


def test_imported_weights_name_their_source() -> None:
    assert lineage_gaps({"source": "published", "weights_sha256": "abc"}, ()) == ()
    assert lineage_gaps({"source": "published"}, ()) == ("weights_sha256",)
