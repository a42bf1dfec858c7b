"""What was in production when, over a history told by hand."""

from __future__ import annotations

from datetime import datetime

import pytest

from components.errors import ParameterError
from components.operations.alias_moves import finish_moves
from components.registry.ledger import LedgerEntry
from components.registry.production import in_production, moment, unsettled, withdrawn
from tests.components.operations.test_promotion import NAME, Desk


def at(entry: LedgerEntry) -> datetime:
    return datetime.fromisoformat(entry.at)


def a_history() -> Desk:
    """1, then 2, then a drift of 2, then 1 again."""
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.ledger.append(
        "drift", f"{NAME}/2", {"task": "segmentation", "kind": "drift", "alarmed": True, "batch": "n"}
    )
    desk.roll_back()
    return desk


def test_each_moment_has_its_champion() -> None:
    ledger = a_history().ledger
    first, second = (entry for entry in ledger.entries("settled") if entry.payload["move"] == "promote")
    back = ledger.entries("settled")[-1]
    drift = ledger.entries("drift")[-1]
    entries = ledger.entries()
    assert in_production(entries, NAME, at(entries[0])).version is None
    assert in_production(entries, NAME, at(first)).version == 1
    then = in_production(entries, NAME, at(drift))
    assert (then.version, then.previous, then.since, then.how) == (2, 1, second.at, "promote")
    assert then.reason == "because"
    assert then.drift is not None
    assert (then.drift["alarmed"], then.drift["at"]) == (True, drift.at)
    now = in_production(entries, NAME)
    assert (now.version, now.previous, now.since, now.how, now.reason) == (
        1, 2, back.at, "rollback", "artefacts at night",
    )  # fmt: skip
    assert now.drift is None
    assert in_production(entries, "ctloop-classification").version is None


def test_a_move_that_is_not_settled_is_under_way() -> None:
    desk = a_history()
    desk.killed(desk.roll_back, after_steps=2)
    entered = desk.ledger.entries("rollback")[-1]
    between = in_production(desk.ledger.entries(), NAME)
    assert (between.version, between.under_way) == (1, entered.number)
    assert [entry.number for entry in unsettled(desk.ledger.entries(), NAME)] == [entered.number]
    finish_moves(desk.registry, desk.ledger, name=NAME)
    after = in_production(desk.ledger.entries(), NAME)
    assert (after.version, after.under_way) == (2, None)
    assert in_production(desk.ledger.entries(), NAME, at(entered)) == between


def test_an_entry_of_a_ctloop_that_settled_nothing_counts_as_carried_out() -> None:
    ledger = Desk().ledger
    facts = {"version": 4, "package_hash": "h", "previous": None, "reason": "r", "override": None}
    entry = ledger.append("promote", f"{NAME}/4", facts)
    found = in_production(ledger.entries(), NAME)
    assert (found.version, found.since, found.by, found.under_way) == (4, entry.at, None, None)


def test_a_withdrawn_version_comes_back_when_it_is_promoted_again() -> None:
    desk = a_history()
    assert withdrawn(desk.ledger.entries(), NAME) == {2: "artefacts at night"}
    desk.roll_back("false alarm")
    assert withdrawn(desk.ledger.entries(), NAME) == {1: "false alarm"}


def test_a_moment_needs_its_time_zone() -> None:
    assert moment("2026-03-01T12:00+01:00") == moment("2026-03-01T11:00Z")
    for text in ("2026-03-01T12:00", "2026-03-01", "yesterday", ""):
        with pytest.raises(ParameterError, match="time zone"):
            moment(text)
