"""register, promote, roll back: how the aliases move and what the ledger keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import StateError
from components.operations.promote import promote
from components.operations.register_model import register_model
from components.operations.roll_back import roll_back
from components.registry.registry import Alias, ModelVersion
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory

NAME = "ctloop-segmentation"


class Desk:
    """A registry and a ledger, and short ways to use them."""

    def __init__(self) -> None:
        self.registry, self.ledger = RegistryInMemory(), LedgerInMemory()

    def register(self, package_hash: str) -> ModelVersion:
        return register_model(
            self.registry,
            self.ledger,
            name=NAME,
            package=Path(package_hash),
            package_hash=package_hash,
            tags={"git_commit": "c"},
        )

    def gate(self, version: ModelVersion, *, accepted: bool) -> None:
        champion = self.registry.by_alias(NAME, "champion")
        context = {
            "challenger": {"package_hash": version.package_hash},
            "champion": champion and {"package_hash": champion.package_hash},
        }
        payload = {
            "accepted": accepted,
            "outcome": "accepted" if accepted else "refused",
            "reason": "because",
            "context": context,
        }
        self.ledger.append("gate", f"{NAME}/{version.version}", payload)

    def promote(self, override: str | None = None) -> int:
        return promote(self.registry, self.ledger, name=NAME, override=override).champion.version

    def at(self, alias: Alias) -> int | None:
        found = self.registry.by_alias(NAME, alias)
        return found.version if found else None

    def turn(self, package_hash: str) -> None:
        self.gate(self.register(package_hash), accepted=True)
        self.promote()


def test_registering_makes_a_challenger_once() -> None:
    desk = Desk()
    first, again = desk.register("aaa"), desk.register("aaa")
    assert first == again
    assert first.aliases == ("challenger",)
    assert len(desk.ledger.entries("register")) == 1


def test_a_champion_does_not_become_challenger_again() -> None:
    desk = Desk()
    desk.turn("aaa")
    assert desk.register("aaa").aliases == ("champion",)
    desk.turn("bbb")
    assert desk.register("aaa").aliases == ("previous",)


def test_promotion_moves_three_aliases() -> None:
    desk = Desk()
    desk.turn("aaa")
    assert (desk.at("champion"), desk.at("previous"), desk.at("challenger")) == (1, None, None)
    desk.turn("bbb")
    assert (desk.at("champion"), desk.at("previous"), desk.at("challenger")) == (2, 1, None)
    entry = desk.ledger.entries("promote")[-1]
    assert entry.subject == f"{NAME}/2"
    assert entry.payload["previous"] == 1


def test_only_an_accepted_challenger_is_promoted() -> None:
    desk = Desk()
    with pytest.raises(StateError, match="challenger"):
        desk.promote()
    version = desk.register("aaa")
    with pytest.raises(StateError, match="no gate"):
        desk.promote()
    desk.gate(version, accepted=True)
    desk.gate(version, accepted=False)
    with pytest.raises(StateError, match="refused: because"):
        desk.promote()
    assert desk.at("champion") is None


def test_a_person_may_override_and_the_ledger_says_so() -> None:
    desk = Desk()
    desk.register("aaa")
    assert desk.promote(override="study protocol 7") == 1
    assert desk.ledger.entries("promote")[-1].payload["override"] == "study protocol 7"


def test_a_verdict_against_an_earlier_champion_is_stale() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.gate(desk.register("bbb"), accepted=True)
    desk.turn("ccc")
    desk.registry.set_alias(NAME, "challenger", 2)
    with pytest.raises(StateError, match="earlier champion"):
        desk.promote()


def test_a_promotion_killed_half_way_is_finished_by_the_next() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.gate(desk.register("bbb"), accepted=True)
    desk.registry.set_alias(NAME, "previous", 1)
    desk.registry.set_alias(NAME, "champion", 2)  # killed here
    assert desk.promote() == 2
    assert (desk.at("champion"), desk.at("previous"), desk.at("challenger")) == (2, 1, None)


def test_rolling_back_swaps_and_twice_is_nothing() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    move = roll_back(desk.registry, desk.ledger, name=NAME, reason="artefacts at night")
    assert (move.champion.version, move.previous and move.previous.version) == (1, 2)
    assert desk.ledger.entries("rollback")[-1].payload["reason"] == "artefacts at night"
    roll_back(desk.registry, desk.ledger, name=NAME, reason="false alarm")
    assert (desk.at("champion"), desk.at("previous")) == (2, 1)


def test_there_must_be_something_to_roll_back_to() -> None:
    desk = Desk()
    with pytest.raises(StateError, match="no champion"):
        roll_back(desk.registry, desk.ledger, name=NAME, reason="x")
    desk.turn("aaa")
    with pytest.raises(StateError, match="no earlier one"):
        roll_back(desk.registry, desk.ledger, name=NAME, reason="x")
