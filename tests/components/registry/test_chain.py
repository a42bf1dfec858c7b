"""The chain against an independent recomputation, and every single change of every entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.errors import ParameterError
from components.registry.chain import (
    EMPTY,
    Head,
    canonical,
    head_of,
    parse_head,
    sealed,
    verify_chain,
)
from components.registry.ledger import LedgerEntry


def a_chain(length: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for number in range(length):
        before = head_of(entries[-1]) if entries else EMPTY
        at = f"2026-01-01T00:00:{number:02d}+00:00"
        entries.append(sealed(before, "gate", f"m/{number}", {"b": number, "a": 0.5}, at))
    return entries


def test_the_hash_is_the_one_of_the_docstring() -> None:
    first, second = a_chain(2)
    text = (
        '{"entry":{"at":"2026-01-01T00:00:01+00:00","kind":"gate","payload":{"a":0.5,"b":1},"subject":"m/1"},'
        f'"number":2,"previous":"{first.sha256}"}}'
    )
    assert second.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert '"previous":"' + "0" * 64 in canonical({"previous": EMPTY.sha256})


@pytest.mark.parametrize(
    "value", [{"ä": "\u0000\ud800", "a": [1, 1.0, 1e300, 5e-324, -0.0, True, None, 2**70]}, "", [], {"": {}}]
)
def test_the_canonical_text_reads_back_as_the_same_value(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    assert text.isascii()


def test_a_payload_is_kept_as_json_gives_it_back() -> None:
    entry = sealed(EMPTY, "gate", "m/1", {"pair": (1, 2), "p": float("nan"), "by": {3: "x"}}, "t")
    assert entry.payload == {"pair": [1, 2], "p": None, "by": {"3": "x"}}
    assert verify_chain([entry]).fault is None


def test_a_sound_chain_has_no_fault_and_names_its_head() -> None:
    entries = a_chain(5)
    assert verify_chain(entries) == verify_chain(iter(entries), [head_of(entries[2]), EMPTY])
    assert verify_chain(entries).head == head_of(entries[-1])
    assert verify_chain([]).head == EMPTY


CHANGES: dict[str, Callable[[LedgerEntry], LedgerEntry]] = {
    "subject": lambda entry: replace(entry, subject="m/x"),
    "kind": lambda entry: replace(entry, kind="promote"),
    "payload": lambda entry: replace(entry, payload={**entry.payload, "a": 0.25}),
    "type of a number": lambda entry: replace(
        entry, payload={**entry.payload, "b": float(entry.payload["b"])}
    ),
    "time": lambda entry: replace(entry, at=entry.at.replace("2026", "2025")),
    "hash": lambda entry: replace(entry, sha256=entry.sha256[::-1]),
    "unreadable": lambda entry: replace(entry, payload=float("nan")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("place", range(4))
def test_an_edit_is_found_where_it_is(place: int, change: Callable[[LedgerEntry], LedgerEntry]) -> None:
    entries = a_chain(4)
    entries[place] = change(entries[place])
    fault = verify_chain(entries).fault
    assert fault is not None
    assert fault.number == place + 1


@pytest.mark.parametrize("place", range(3))
def test_a_deletion_is_found_with_and_without_new_numbers(place: int) -> None:
    entries = a_chain(4)
    del entries[place]
    fault = verify_chain(entries).fault
    assert fault is not None
    assert (fault.number, fault.what.split(":")[0]) == (place + 1, "missing")
    renumbered = [replace(entry, number=number) for number, entry in enumerate(entries, 1)]
    fault = verify_chain(renumbered).fault
    assert fault is not None
    assert fault.number == place + 1


@pytest.mark.parametrize("place", range(3))
def test_two_that_change_places_are_found(place: int) -> None:
    entries = a_chain(4)
    first, second = entries[place : place + 2]
    entries[place : place + 2] = replace(second, number=first.number), replace(first, number=second.number)
    fault = verify_chain(entries).fault
    assert fault is not None
    assert fault.number == place + 1


def test_an_insertion_is_found() -> None:
    entries = a_chain(4)
    forged = sealed(head_of(entries[1]), "promote", "m/9", {}, entries[2].at)
    later = [replace(entry, number=entry.number + 1) for entry in entries[2:]]
    fault = verify_chain([*entries[:2], forged, *later]).fault
    assert fault is not None
    assert fault.number == 4  # the forged one is sealed well; what follows it does not


def test_a_tail_that_was_cut_off_is_found_by_a_noted_head() -> None:
    entries = a_chain(4)
    assert verify_chain(entries[:2]).fault is None
    fault = verify_chain(entries[:2], [head_of(entries[3])]).fault
    assert fault is not None
    assert fault.number == 3
    assert "up to 4 were noted" in fault.what


def test_a_chain_that_was_computed_anew_is_found_by_a_noted_head() -> None:
    anew: list[LedgerEntry] = []
    for entry in a_chain(4):
        subject = "m/forged" if entry.number == 2 else entry.subject
        before = head_of(anew[-1]) if anew else EMPTY
        anew.append(sealed(before, entry.kind, subject, entry.payload, entry.at))
    assert verify_chain(anew).fault is None
    fault = verify_chain(anew, [head_of(a_chain(4)[2])]).fault
    assert fault is not None
    assert (fault.number, "computed anew" in fault.what) == (3, True)


def test_of_two_heads_with_one_number_both_count() -> None:
    entries = a_chain(3)
    forged = Head(number=3, sha256="1" * 64)
    for noted in ([forged, head_of(entries[2])], [head_of(entries[2]), forged]):
        fault = verify_chain(entries, noted).fault
        assert fault is not None
        assert fault.number == 3


def test_a_head_is_read_as_it_is_printed() -> None:
    head = Head(number=42, sha256="ab" * 32)
    assert parse_head(f" {head}\n") == head
    for text in ("42", "x:" + "a" * 64, "1:" + "A" * 64, "", "1:" + "a" * 63):
        with pytest.raises(ParameterError, match="NUMBER:SHA256"):
            parse_head(text)
