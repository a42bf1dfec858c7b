"""register, promote, roll back: how the aliases move and what the ledger keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from components.errors import StateError
from components.operations.promote import promote
from components.operations.register_model import register_model
from components.operations.roll_back import roll_back
from components.registry.registry import Alias, ModelVersion
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory

NAME = "ctloop-segmentation"


class Killed(Exception):
    pass


class MortalRegistry(RegistryInMemory):
    """Its process dies instead of moving an alias, once ``moves_left`` were made."""

    moves_left = 1_000

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        if self.moves_left == 0:
            raise Killed
        self.moves_left -= 1
        super().set_alias(name, alias, version)


class Desk:
    """A registry and a ledger, and short ways to use them."""

    def __init__(self) -> None:
        self.registry, self.ledger = MortalRegistry(), LedgerInMemory()

    def killed(self, action: Callable[[], object], *, after_moves: int) -> None:
        self.registry.moves_left = after_moves
        with pytest.raises(Killed):
            action()
        self.registry.moves_left = 1_000

    def roll_back(self, reason: str = "artefacts at night") -> None:
        roll_back(self.registry, self.ledger, name=NAME, reason=reason)

    def decisions(self) -> list[tuple[str, str]]:
        entries = [entry for entry in self.ledger.entries() if entry.kind in ("promote", "rollback")]
        return [(entry.kind, entry.subject.removeprefix(f"{NAME}/")) for entry in entries]

    def champion_and_previous(self) -> tuple[int | None, int | None]:
        return self.at("champion"), self.at("previous")

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


def with_third_challenger() -> Desk:
    """Champion 2, previous 1, and 3 that the gate accepted."""
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.gate(desk.register("ccc"), accepted=True)
    return desk


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_promotion_killed_half_way_is_finished_by_the_next(moves: int) -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_moves=moves)
    assert desk.promote() == 3
    assert desk.champion_and_previous() == (3, 2)
    assert desk.at("challenger") is None
    assert desk.decisions() == [("promote", "1"), ("promote", "2"), ("promote", "3")]


@pytest.mark.parametrize("moves", [0, 1])
def test_a_first_promotion_killed_half_way_is_finished_by_the_next(moves: int) -> None:
    desk = Desk()
    desk.gate(desk.register("aaa"), accepted=True)
    desk.killed(desk.promote, after_moves=moves)
    assert desk.promote() == 1
    assert desk.champion_and_previous() == (1, None)
    assert desk.decisions() == [("promote", "1")]


def test_registering_a_champion_whose_promotion_was_killed_last_finishes_it() -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_moves=2)
    assert desk.register("ccc").aliases == ("champion",)


@pytest.mark.parametrize(("moves", "expected"), [(0, (1, 2)), (1, (1, 2)), (2, (2, 3))])
def test_after_a_killed_promotion_one_can_roll_back_too(moves: int, expected: tuple[int, int]) -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_moves=moves)
    desk.roll_back()
    assert desk.champion_and_previous() == expected
    assert desk.at("challenger") == (None if moves == 2 else 3)


@pytest.mark.parametrize("moves", [0, 1])
def test_a_rollback_killed_half_way_is_finished_by_the_next(moves: int) -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.killed(desk.roll_back, after_moves=moves)
    desk.roll_back()
    assert desk.champion_and_previous() == (1, 2)
    assert desk.decisions() == [("promote", "1"), ("promote", "2"), ("rollback", "1")]
    desk.roll_back("false alarm")
    assert desk.champion_and_previous() == (2, 1)


def test_another_rollback_killed_half_way_is_finished_too() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.roll_back()
    desk.killed(desk.roll_back, after_moves=1)
    desk.roll_back()
    assert desk.champion_and_previous() == (2, 1)


@pytest.mark.parametrize("moves", [0, 1])
def test_after_a_killed_rollback_one_can_promote(moves: int) -> None:
    desk = with_third_challenger()
    desk.killed(desk.roll_back, after_moves=moves)
    assert desk.promote(override="the better one") == 3
    assert desk.champion_and_previous() == (3, 2 if moves == 0 else 1)


def test_a_killed_move_of_another_model_changes_nothing() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.killed(desk.roll_back, after_moves=1)
    payload = {"version": 1, "package_hash": "x", "previous": None, "reason": "", "override": None}
    desk.ledger.append("promote", "ctloop-classification/1", payload)
    desk.roll_back()
    assert desk.champion_and_previous() == (1, 2)


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
