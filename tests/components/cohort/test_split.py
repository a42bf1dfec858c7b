import math

import pandas as pd
import pytest

from components.cohort.split import Split, assign
from components.errors import InputError, ParameterError


def frames(*batches):
    """(name, patients) pairs; two frames per patient."""
    rows = [(p, name) for name, patients in batches for p in patients for _ in range(2)]
    return pd.DataFrame(rows, columns=["patient_id", "batch"])


def patients(prefix, n):
    return [f"{prefix}{i}" for i in range(n)]


FIRST = ("one", patients("a", 17))
SECOND = ("two", patients("b", 9))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5])
def test_each_batch_gives_its_share_rounded_up(share):
    split = assign(frames(FIRST, SECOND), None, audit_share=share, seed=0)
    for name, members in (FIRST, SECOND):
        test = [p for p in split.patients("test") if split.batches[p] == name]
        assert len(test) == math.ceil(share * len(members))
    assert set(split.assignments) == {*FIRST[1], *SECOND[1]}


def test_nobody_moves_when_batches_are_added():
    before = assign(frames(FIRST), None, audit_share=0.2, seed=3)
    after = assign(frames(FIRST, SECOND), before, audit_share=0.2, seed=99)
    at_once = assign(frames(FIRST, SECOND), None, audit_share=0.2, seed=3)
    assert {p: after.assignments[p] for p in FIRST[1]} == dict(before.assignments)
    assert after == at_once
    assert after.seed == 3


def test_a_patient_seen_again_keeps_side_and_first_batch():
    before = assign(frames(FIRST), None, audit_share=0.5, seed=0)
    again = ("two", [*patients("a", 5), "new"])
    after = assign(frames(FIRST, again), before, audit_share=0.5, seed=0)
    assert all(after.assignments[p] == before.assignments[p] for p in FIRST[1])
    assert after.batches["a0"] == "one"
    assert after.batches["new"] == "two"


def test_a_late_patient_of_an_old_batch_does_not_inflate_its_audit_sample():
    before = assign(frames(("one", patients("a", 10))), None, audit_share=0.2, seed=0)
    after = assign(frames(("one", [*patients("a", 10), "late"])), before, audit_share=0.15, seed=0)
    assert after.assignments["late"] == "train"


def test_patients_that_vanish_are_remembered():
    before = assign(frames(FIRST), None, audit_share=0.2, seed=0)
    after = assign(frames(("one", ["a3"])), before, audit_share=0.2, seed=0)
    assert after == before


def test_row_order_within_a_batch_does_not_matter_but_the_seed_does():
    table = frames(FIRST)
    one = assign(table, None, audit_share=0.3, seed=1)
    assert dict(assign(table[::-1], None, audit_share=0.3, seed=1).assignments) == dict(one.assignments)
    draws = {tuple(assign(table, None, audit_share=0.3, seed=s).patients("test")) for s in range(10)}
    assert len(draws) > 5


def test_every_patient_is_drawn_about_equally_often():
    table = frames(("one", patients("a", 10)))
    counts = pd.Series(0, index=patients("a", 10))
    for seed in range(400):
        counts[list(assign(table, None, audit_share=0.2, seed=seed).patients("test"))] += 1
    assert counts.between(45, 120).all()  # binomial(400, 0.2): mean 80, sd 8


def test_the_only_patient_of_all_trains():
    first = assign(frames(("one", ["only"])), None, audit_share=0.2, seed=0)
    assert first.assignments == {"only": "train"}
    second = assign(frames(("one", ["only"]), ("two", ["next"])), first, audit_share=0.2, seed=0)
    assert second.assignments == {"only": "train", "next": "test"}


def test_no_frames_give_no_patients():
    assert assign(frames(), None, audit_share=0.2, seed=0).assignments == {}


def test_json_round_trip_is_sorted_and_strict():
    split = assign(frames(FIRST), None, audit_share=0.2, seed=0)
    assert Split.from_json(split.to_json()) == split
    assert split.to_json() == assign(frames(FIRST)[::-1].iloc[::1], None, audit_share=0.2, seed=0).to_json()
    for broken in ("{", "[]", "{}", split.to_json().replace('"test"', '"exam"')):
        with pytest.raises(InputError, match=r"split\.json"):
            Split.from_json(broken)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ParameterError, match="audit_share"):
        assign(frames(FIRST), None, audit_share=1.0, seed=0)
