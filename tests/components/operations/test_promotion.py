"""register, promote, roll back: how the aliases move and what the ledger keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.errors import StateError
from components.operations.alias_moves import AliasMove, finish_moves
from components.operations.promote import promote
from components.operations.register_model import register_model
from components.operations.roll_back import roll_back
from components.operations.set_shadow import set_shadow
from components.registry.ledger import EntryKind, LedgerEntry
from components.registry.production import unsettled
from components.registry.registry import Alias, ModelVersion
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory

NAME = "ctloop-segmentation"


class Killed(Exception):
    pass


class Life:
    """The process dies instead of taking a step, once ``steps_left`` were taken."""

    steps_left = 1_000

    def step(self) -> None:
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1


class MortalRegistry(RegistryInMemory):
    def __init__(self, life: Life) -> None:
        super().__init__()
        self.life = life

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        self.life.step()
        super().set_alias(name, alias, version)


class MortalLedger(LedgerInMemory):
    def __init__(self, life: Life) -> None:
        super().__init__()
        self.life = life

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry:
        self.life.step()
        return super().append(kind, subject, payload)


class Desk:
    """A registry and a ledger, and short ways to use them."""

    def __init__(self) -> None:
        self.life = Life()
        self.registry, self.ledger = MortalRegistry(self.life), MortalLedger(self.life)
        self.withdrawn: list[tuple[str, str]] = []

    def killed(self, action: Callable[[], object], *, after_steps: int) -> None:
        self.life.steps_left = after_steps
        with pytest.raises(Killed):
            action()
        self.life.steps_left = 1_000

    def withdraw(self, subject: str, reason: str) -> Mapping[str, Any]:
        self.life.step()
        self.withdrawn.append((subject, reason))
        return {"requests_superseded": 2}

    def roll_back(self, reason: str = "artefacts at night") -> AliasMove:
        return roll_back(self.registry, self.ledger, name=NAME, reason=reason, withdraw=self.withdraw)

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
        return promote(
            self.registry, self.ledger, name=NAME, override=override, withdraw=self.withdraw
        ).champion.version

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


PROMOTION_STEPS = range(1, 5)  # entered; then champion, challenger, previous moved; then it would be settled
ROLLBACK_STEPS = range(1, 5)  # entered; then champion, previous moved; what it asked and taught taken back


@pytest.mark.parametrize("steps", PROMOTION_STEPS)
def test_a_promotion_killed_between_any_two_steps_is_finished_by_the_next(steps: int) -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_steps=steps)
    assert unsettled(desk.ledger.entries(), NAME)
    assert desk.promote() == 3
    assert desk.champion_and_previous() == (3, 2)
    assert desk.at("challenger") is None
    assert desk.decisions() == [("promote", "1"), ("promote", "2"), ("promote", "3")]
    assert desk.ledger.entries("settled")[-1].payload["interrupted"]
    assert not unsettled(desk.ledger.entries(), NAME)


def test_a_promotion_killed_before_its_first_step_did_not_happen() -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_steps=0)
    assert desk.champion_and_previous() == (2, 1)
    assert desk.decisions() == [("promote", "1"), ("promote", "2")]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_first_promotion_killed_half_way_is_finished_by_the_next(steps: int) -> None:
    desk = Desk()
    desk.gate(desk.register("aaa"), accepted=True)
    desk.killed(desk.promote, after_steps=steps)
    assert desk.promote() == 1
    assert desk.champion_and_previous() == (1, None)
    assert desk.decisions() == [("promote", "1")]


@pytest.mark.parametrize("steps", PROMOTION_STEPS)
def test_after_a_killed_promotion_one_can_roll_back_too(steps: int) -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_steps=steps)
    desk.roll_back()
    assert desk.champion_and_previous() == (2, 3)
    assert desk.at("challenger") is None


@pytest.mark.parametrize("steps", ROLLBACK_STEPS)
def test_a_rollback_killed_between_any_two_steps_is_finished_by_the_next(steps: int) -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    desk.killed(desk.roll_back, after_steps=steps)
    desk.roll_back()
    assert desk.champion_and_previous() == (1, 2)
    assert desk.decisions() == [("promote", "1"), ("promote", "2"), ("rollback", "1")]
    assert desk.withdrawn[-1] == (f"{NAME}/2", "artefacts at night")
    desk.roll_back("false alarm")
    assert desk.champion_and_previous() == (2, 1)


@pytest.mark.parametrize("steps", ROLLBACK_STEPS)
def test_after_a_killed_rollback_one_can_promote(steps: int) -> None:
    desk = with_third_challenger()
    desk.killed(desk.roll_back, after_steps=steps)
    assert desk.promote(override="the better one") == 3
    assert desk.champion_and_previous() == (3, 1)
    assert desk.withdrawn[-1] == (f"{NAME}/2", "artefacts at night")


def test_a_finished_move_is_not_finished_again() -> None:
    desk = with_third_challenger()
    desk.killed(desk.promote, after_steps=2)
    (settled,) = finish_moves(desk.registry, desk.ledger, name=NAME)
    assert settled.payload["entry"] == desk.ledger.entries("promote")[-1].number
    assert finish_moves(desk.registry, desk.ledger, name=NAME) == ()


def test_a_killed_move_of_another_model_changes_nothing() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    payload = {"version": 1, "previous": None, "reason": "", "aliases": {"champion": 1}}
    desk.ledger.append("promote", "ctloop-classification/1", payload)
    assert finish_moves(desk.registry, desk.ledger, name=NAME) == ()
    desk.roll_back()
    assert desk.champion_and_previous() == (1, 2)


def test_a_shadow_runs_beside_the_champion() -> None:
    desk = with_third_challenger()
    found = set_shadow(desk.registry, desk.ledger, name=NAME, version=3, reason="watch it", by="engineer")
    assert found is not None
    assert found.aliases == ("challenger", "shadow")
    entry = desk.ledger.entries("shadow")[-1]
    assert (entry.subject, entry.payload["by"]) == (f"{NAME}/3", "engineer")
    set_shadow(desk.registry, desk.ledger, name=NAME, version=3, reason="again")
    assert len(desk.ledger.entries("shadow")) == 1
    assert set_shadow(desk.registry, desk.ledger, name=NAME, version=None, reason="seen enough") is None
    assert desk.at("shadow") is None
    assert not unsettled(desk.ledger.entries(), NAME)


@pytest.mark.parametrize(("version", "words"), [(2, "not champion"), (9, "not champion"), (None, "a shadow")])
def test_not_every_version_can_be_shadow(version: int | None, words: str) -> None:
    desk = with_third_challenger()
    with pytest.raises(StateError, match=words):
        set_shadow(desk.registry, desk.ledger, name=NAME, version=version, reason="x")


def test_rolling_back_swaps_and_twice_is_nothing() -> None:
    desk = Desk()
    desk.turn("aaa")
    desk.turn("bbb")
    move = desk.roll_back()
    assert move.withdrawn == {"requests_superseded": 2}
    assert desk.withdrawn == [(f"{NAME}/2", "artefacts at night")]
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


def test_no_reason_overrides_a_leak() -> None:
    desk = Desk()
    version = desk.register("aaa")
    payload = {"accepted": False, "checks": [{"name": "leak", "holds": False}]}
    desk.ledger.append("gate", f"{NAME}/{version.version}", payload)
    with pytest.raises(StateError, match="trained on no test patient"):
        desk.promote(override="the chief says so")
    assert desk.at("champion") is None
