"""Promotion without a person, by the limits of the version in use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.errors import StateError
from components.operations.promote import promote
from components.operations.promote_within_limits import automatic_promotions, promote_within_limits
from components.registry.dossier import CONTENT, FORMAT
from components.registry.package import DOSSIER
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory
from tests.components.registry.test_change_control import dossier, verdict

NAME = "ctloop-segmentation"


class Registered(RegistryInMemory):
    """Fetches the package of a version from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def fetch(self, version):  # type: ignore[no-untyped-def]
        return self.folder / version.package_hash


def made(tmp_path: Path, packages: tuple[str, ...] = ("old", "new")) -> tuple[Registered, LedgerInMemory]:
    """The first package in use, by a person; the others wait, the second of them as challenger."""
    registry, ledger, parent = Registered(tmp_path), LedgerInMemory(), None
    for package in packages:
        folder = tmp_path / package / DOSSIER
        folder.mkdir(parents=True)
        (folder / CONTENT).write_text(json.dumps({"format": FORMAT, **dossier(package, parent=parent)}))
        registry.register(NAME, folder.parent, package_hash=package, tags={})
        parent = package
    registry.set_alias(NAME, "challenger", 1)
    promote(registry, ledger, name=NAME, override="for this test", by="a person")
    challenge(registry, ledger, 2, packages[0], packages[1])
    return registry, ledger


def challenge(registry: Registered, ledger: LedgerInMemory, number: int, champion: str, package: str) -> None:
    registry.set_alias(NAME, "challenger", number)
    context = {"challenger": {"package_hash": package}, "champion": {"package_hash": champion}}
    said = {**verdict(context=context), "accepted": True, "reason": "better"}
    ledger.append("gate", f"{NAME}/{number}", said)


def test_within_the_limits_it_is_promoted_and_the_ledger_says_that_nobody_decided(tmp_path: Path) -> None:
    registry, ledger = made(tmp_path)
    assert promote_within_limits(registry, ledger, name=NAME) == ()
    champion = registry.by_alias(NAME, "champion")
    assert champion is not None
    assert champion.version == 2
    first, second = ledger.entries("promote")
    assert (first.payload["automatic"], first.payload["by"]) == (False, "a person")
    assert (second.payload["automatic"], second.payload["override"]) == (True, None)


def test_the_ledger_keeps_the_limits_that_it_was_judged_by(tmp_path: Path) -> None:
    registry, ledger = made(tmp_path)
    approved = json.loads((tmp_path / "old" / DOSSIER / CONTENT).read_text())["change_control"]
    promote_within_limits(registry, ledger, name=NAME)
    first, second = ledger.entries("promote")
    assert first.payload["limits"] is None
    assert second.payload["limits"] == {
        "of": f"{NAME}/1",
        "package_hash": "old",
        "automatic_promotions_before": 0,
        "change_control": approved,
    }
    assert approved["max_automatic_promotions"] > 0


def test_outside_the_limits_it_waits_and_says_why(tmp_path: Path) -> None:
    registry, ledger = made(tmp_path)
    path = tmp_path / "new" / DOSSIER / CONTENT
    changed = json.loads(path.read_text())
    changed["changes"]["sites"]["added"] = ["elsewhere"]
    path.write_text(json.dumps(changed))
    (reason,) = promote_within_limits(registry, ledger, name=NAME)
    assert reason == "training sites that its parent had not seen: elsewhere"
    assert len(ledger.entries("promote")) == 1


def test_a_person_must_look_after_so_many_in_a_row(tmp_path: Path) -> None:
    packages = ("old", "b", "c", "d", "e")
    registry, ledger = made(tmp_path, packages)
    assert promote_within_limits(registry, ledger, name=NAME) == ()
    for number in (3, 4):
        challenge(registry, ledger, number, packages[number - 2], packages[number - 1])
        assert promote_within_limits(registry, ledger, name=NAME) == ()
    assert automatic_promotions(ledger.entries("promote"), NAME) == 3
    assert automatic_promotions(ledger.entries("promote"), "another") == 0
    challenge(registry, ledger, 5, "d", "e")
    (reason,) = promote_within_limits(registry, ledger, name=NAME)
    assert reason == "automatic promotions in a row: 3 before it, allowed: 3"


def test_without_a_dossier_or_a_gate_a_person_decides(tmp_path: Path) -> None:
    registry, ledger = made(tmp_path)
    (tmp_path / "old" / DOSSIER / CONTENT).unlink()
    (reason,) = promote_within_limits(registry, ledger, name=NAME)
    assert reason == "a dossier cannot be read: none: it was registered before there were any"
    (reason,) = promote_within_limits(registry, LedgerInMemory(), name=NAME)
    assert reason == f"no gate about {NAME}/2"


def test_a_first_model_waits_for_a_person(tmp_path: Path) -> None:
    registry = Registered(tmp_path)
    with pytest.raises(StateError, match="a challenger"):
        promote_within_limits(registry, LedgerInMemory(), name=NAME)
    registry.register(NAME, tmp_path, package_hash="x", tags={})
    registry.set_alias(NAME, "challenger", 1)
    (reason,) = promote_within_limits(registry, LedgerInMemory(), name=NAME)
    assert reason == "no version is in use whose limits a person approved"
