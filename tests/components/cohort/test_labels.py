import json

import numpy as np
import pytest

from components.cohort.labels import LabelSidecar, allowed, findings_sha256, label_map_sha256
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

SHA = "a" * 64


def test_json_round_trip_leaves_out_what_is_unknown():
    sidecar = LabelSidecar(provenance="expert", label_sha256=SHA, annotator="r1", minutes=3.5)
    assert LabelSidecar.from_json(sidecar.to_json()) == sidecar
    assert json.loads(sidecar.to_json()) == {
        "annotator": "r1", "label_sha256": SHA, "minutes": 3.5, "provenance": "expert",
    }  # fmt: skip


def test_a_pseudo_label_says_how_it_was_seen_and_judged():
    sidecar = LabelSidecar(
        provenance="pseudo", label_sha256=SHA, teacher_fingerprint=SHA, orientation="RAS", plausibility=0.93
    )
    assert LabelSidecar.from_json(sidecar.to_json()) == sidecar


BROKEN = [
    ("{", "JSON"),
    ("[]", "JSON object"),
    (f'{{"label_sha256": "{SHA}"}}', "'provenance'"),
    ('{"provenance": "expert"}', "'label_sha256'"),
    (f'{{"provenance": "expert", "label_sha256": "{SHA}", "by": "x"}}', "'by'"),
    (f'{{"provenance": "guess", "label_sha256": "{SHA}"}}', "'guess'"),
    (f'{{"provenance": "expert", "label_sha256": "{SHA}", "minutes": "3"}}', "minutes"),
    (f'{{"provenance": "expert", "label_sha256": "{SHA}", "annotator": 3}}', "annotator"),
    (f'{{"provenance": "expert", "label_sha256": "{SHA}", "plausibility": "high"}}', "plausibility"),
    (f'{{"provenance": "expert", "label_sha256": "{SHA}", "orientation": 1}}', "orientation"),
    ('{"provenance": "expert", "label_sha256": "abc"}', "64 hex"),
    (f'{{"provenance": "pseudo", "label_sha256": "{SHA}"}}', "teacher_fingerprint"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_reading_is_strict(text, words):
    with pytest.raises(InputError, match=words):
        LabelSidecar.from_json(text)


def test_training_reads_only_allowed_provenances():
    expert = LabelSidecar(provenance="expert", label_sha256=SHA)
    assert allowed(expert, ("expert", "pseudo"))
    assert not allowed(expert, ("pseudo",))


def test_hashes_see_voxels_grid_names_and_unknowns():
    grid = Geometry.axis_aligned((2, 2, 2), (1.0, 1.0, 1.0))
    labels = np.zeros((2, 2, 2), np.uint8)
    base = LabelMap(labels=labels, geometry=grid, names={1: "a", 2: "b"})
    same = LabelMap(labels=labels.copy(), geometry=grid, names={2: "b", 1: "a"})
    other = LabelMap(labels=labels, geometry=grid, names={1: "a", 2: "c"})
    assert label_map_sha256(base) == label_map_sha256(same) != label_map_sha256(other)
    assert findings_sha256({"a": 1, "b": None}) == findings_sha256({"b": None, "a": 1})
    assert findings_sha256({"a": 0}) != findings_sha256({"a": None})
