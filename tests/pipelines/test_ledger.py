"""The verbs about the ledger, over a real database and MLflow, killed and tampered with."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from components.adapters.mlflow_registry import MlflowRegistry
from components.adapters.sql_engine import connect, writing
from components.operations.promote import promote
from components.operations.register_model import register_model
from components.operations.roll_back import roll_back
from components.registry.ledger import EntryKind, LedgerEntry
from components.registry.production import unsettled
from components.registry.registry import Alias
from pipelines.cli import app
from pipelines.composition import Services
from pipelines.interrupted_moves import finish_interrupted
from pipelines.ledger import verify
from tests.components.registry.packages import make_package
from tests.pipelines.schedule.scheduled import made_services

NAME = "ctloop-segmentation"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two registered versions, of which the first is champion and the second challenger."""
    folder = tmp_path_factory.mktemp("registered") / "w"
    services = made_services(folder)
    for number in (1, 2):
        package, package_hash = make_package(
            folder / f"package-{number}", weights=f"weights {number}".encode()
        )
        register_model(
            services.registry, services.store, name=NAME, package=package, package_hash=package_hash, tags={}
        )
        if number == 1:
            promote(services.registry, services.store, name=NAME, override="the first", by="engineer")
    services.store.close()
    return folder


@pytest.fixture
def services(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """A copy of it; MLflow keeps absolute paths of artifacts, which no alias needs."""
    import shutil

    from pipelines.workspace import Workspace

    for name in ("CTLOOP_STATE", "CTLOOP_DATABASE_URL", "CTLOOP_MLFLOW_URI"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(registered, tmp_path / "w")
    return Services(Workspace.at(tmp_path / "w"))


def ctloop(services: Services, *words: str, expect: int = 0) -> str:
    done = CliRunner().invoke(app, [*words, "--workspace", str(services.workspace.root)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == expect, done.output
    return done.stdout


def aliases(services: Services) -> dict[str, int | None]:
    names: tuple[Alias, ...] = ("champion", "previous", "challenger")
    found = {name: services.registry.by_alias(NAME, name) for name in names}
    return {name: version and version.version for name, version in found.items()}


def test_a_ledger_as_it_was_written(services: Services) -> None:
    found = json.loads(ctloop(services, "ledger", "verify", "--json"))
    assert (found["holds"], found["fault"], found["disagreements"]) == (True, None, [])
    assert found["head"] == services.workspace.ledger_head.read_text().strip()
    assert ctloop(services, "ledger", "verify", "--head", found["head"])
    wrong = f"{found['entries']}:{'0' * 64}"
    ctloop(services, "ledger", "verify", "--head", wrong, expect=3)


def test_a_change_behind_its_back_is_named_with_exit_code_3(services: Services) -> None:
    engine = connect(services.workspace.database_url)
    with writing(engine) as connection:
        connection.execute(text("DROP TRIGGER ledger_no_update"))
        connection.execute(text("UPDATE ledger SET subject = 'other/1' WHERE number = 2"))
    engine.dispose()
    assert ctloop(services, "ledger", "verify", expect=3).startswith("entry 2: ")


def test_a_champion_that_was_moved_outside_is_named(services: Services) -> None:
    services.registry.set_alias(NAME, "champion", 2)
    said = ctloop(services, "ledger", "verify", expect=3)
    assert f"{NAME}: the registry's champion is version 2, the ledger's 1" in said


def test_what_was_in_production_then(services: Services) -> None:
    time.sleep(1.1)  # entries are kept to the second
    ctloop(services, "promote", "--task", "segmentation", "--override", "study 7", "--by", "engineer")
    first, second = services.store.entries("settled")
    (then,) = json.loads(
        ctloop(services, "ledger", "show", "--at", first.at, "--task", "segmentation", "--json")
    )
    assert (then["version"], then["since"], then["by"], then["override"]) == (
        1,
        first.at,
        "engineer",
        "the first",
    )
    now = ctloop(services, "ledger", "show")
    assert f"{NAME}: version 2 (" in now
    assert f"since {second.at}, by promote" in now
    assert "override: study 7" in now
    assert "ctloop-classification: nothing in production" in now
    kinds = json.loads(ctloop(services, "ledger", "show", "--kind", "promote", "--json"))
    assert [entry["payload"]["version"] for entry in kinds] == [1, 2]
    earlier = json.loads(ctloop(services, "ledger", "show", "--kind", "promote", "--at", first.at, "--json"))
    assert [entry["payload"]["version"] for entry in earlier] == [1]
    before = ctloop(services, "ledger", "show", "--at", "2020-01-01T00:00Z", "--task", "segmentation")
    assert before == f"{NAME}: nothing in production\n"


def test_a_shadow_is_set_and_taken_away(services: Services) -> None:
    words = ("shadow", "--task", "segmentation", "--reason", "watch it")
    assert ctloop(services, *words, "--version", "2") == "shadow is version 2\n"
    found = services.registry.by_alias(NAME, "shadow")
    assert found is not None
    assert found.version == 2
    assert ctloop(services, *words, "--off") == "no shadow\n"
    assert services.registry.by_alias(NAME, "shadow") is None


class Mortal:
    """Kills this very process before step ``at``, counting alias moves, entries and withdrawals."""

    def __init__(self, at: int) -> None:
        self.left = at

    def step(self) -> None:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def _die(root: Path, action: str, at: int) -> None:
    """In a process of its own."""
    from pipelines.withdraw import withdrawing
    from pipelines.workspace import Workspace

    services, life = Services(Workspace.at(root)), Mortal(at)
    registry, store = services.registry, services.store
    move, append, withdraw = registry.set_alias, store.append, withdrawing(services, "segmentation")

    def set_alias(name: str, alias: Alias, version: int | None) -> None:
        life.step()
        move(name, alias, version)

    def appended(kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry:
        life.step()
        return append(kind, subject, payload)

    def withdrawn(subject: str, reason: str) -> Mapping[str, Any]:
        life.step()
        return withdraw(subject, reason)

    vars(registry)["set_alias"], vars(store)["append"] = set_alias, appended
    if action == "promote":
        promote(registry, store, name=NAME, override="study 7", withdraw=withdrawn)
    else:
        roll_back(registry, store, name=NAME, reason="artefacts", withdraw=withdrawn)


def killed(services: Services, action: str, at: int) -> int:
    """The exit code of a process that does ``action`` and dies before step ``at``."""
    process = multiprocessing.get_context("fork").Process(
        target=_die, args=(services.workspace.root, action, at)
    )
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.slow
def test_a_promotion_killed_between_any_two_steps_of_real_stores_is_finished(services: Services) -> None:
    """Steps: enter, champion, challenger, previous, settle; the sixth does not come."""
    for at in (0, 1, 2, 3, 4, 5):
        assert killed(services, "promote", at) == (0 if at == 5 else -signal.SIGKILL)
        told = finish_interrupted(services)
        entered = 0 < at < 5
        assert len(told) == entered
        assert aliases(services) == (
            {"champion": 2, "previous": 1, "challenger": None}
            if at
            else {"champion": 1, "previous": None, "challenger": 2}
        )
        assert verify(services).holds
        assert unsettled(services.store.entries(), NAME) == []
        if at:  # as it was, for the next round
            roll_back(services.registry, services.store, name=NAME, reason="again")
            services.registry.set_alias(NAME, "challenger", 2)


@pytest.mark.slow
def test_a_rollback_killed_between_any_two_steps_of_real_stores_is_finished(services: Services) -> None:
    """Steps: enter, champion, previous, withdraw, settle; the sixth does not come."""
    promote(services.registry, services.store, name=NAME, override="study 7")
    champion = 2
    for at in (0, 1, 2, 3, 4, 5):
        before = aliases(services)
        assert killed(services, "rollback", at) == (0 if at == 5 else -signal.SIGKILL)
        assert len(finish_interrupted(services)) == (0 < at < 5)
        after = {**before, "champion": before["previous"], "previous": before["champion"]}
        assert aliases(services) == (after if at else before)
        champion = 3 - champion if at else champion
        assert aliases(services)["champion"] == champion
        assert verify(services).holds


@pytest.mark.slow
def test_a_killed_rollback_that_is_called_again_does_not_roll_back_twice(services: Services) -> None:
    promote(services.registry, services.store, name=NAME, override="study 7")
    killed(services, "rollback", 2)
    said = ctloop(services, "rollback", "--task", "segmentation", "--reason", "artefacts", "--by", "engineer")
    assert said.startswith("champion is version 1 again")
    assert "interrupted" in said
    assert aliases(services) == {"champion": 1, "previous": 2, "challenger": None}
    assert len(services.store.entries("rollback")) == 1


@pytest.mark.slow
def test_any_writing_command_finishes_it_first_and_says_so(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    killed(services, "promote", 2)
    between = verify(services)
    assert between.holds
    assert len(between.under_way) == 1
    done = CliRunner().invoke(app, ["clean-up", "--workspace", str(services.workspace.root)])
    assert done.exit_code == 0
    assert f"finished the promote of {NAME}/2 that was interrupted at" in done.output + capfd.readouterr().err
    assert aliases(services) == {"champion": 2, "previous": 1, "challenger": None}


def test_the_registry_of_this_test_is_mlflow(services: Services) -> None:
    assert isinstance(services.registry, MlflowRegistry)
