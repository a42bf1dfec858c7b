"""Two machines on one database: whoever moves a model's aliases does so alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.adapters.sql_store import SqlStore, open_store
from components.errors import BusyError, StateError
from components.operations.promote import promote
from components.operations.roll_back import roll_back
from components.registry.production import in_production, unsettled
from components.registry.registry import Alias
from pipelines.registry_lease import moving_aliases
from tests.components.adapters.databases import BOTH, empty_database
from tests.components.registry.fakes import RegistryInMemory

NAME = "ctloop-segmentation"


class SlowRegistry(RegistryInMemory):
    """Each move takes a moment; ``moving`` counts who is at it."""

    def __init__(self) -> None:
        super().__init__()
        self.moving, self.most = 0, 0

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        self.moving += 1
        self.most = max(self.most, self.moving)
        time.sleep(0.05)
        super().set_alias(name, alias, version)
        self.moving -= 1


@pytest.fixture(params=BOTH)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two connections, as of two machines."""
    for url in empty_database(request.param, tmp_path):
        first, second = open_store(url), open_store(url)
        yield first, second
        first.close()
        second.close()


def registry_with(*versions: int) -> SlowRegistry:
    registry = SlowRegistry()
    for number in versions:
        registry.register(NAME, Path(), package_hash=f"hash{number}", tags={})
    return registry


def test_the_second_waits_and_then_sees_what_the_first_did(stores: tuple[SqlStore, SqlStore]) -> None:
    registry = registry_with(1, 2)
    registry.set_alias(NAME, "challenger", 1)
    said: list[str] = []

    def promotes(store: SqlStore) -> None:
        try:
            with moving_aliases(store, NAME) as ledger:
                promote(registry, ledger, name=NAME, override="both machines decided at once")
                said.append("promoted")
        except StateError as error:
            said.append(error.got)

    machines = [threading.Thread(target=promotes, args=(store,)) for store in stores]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert sorted(said) == ["none", "promoted"]
    assert registry.most == 1
    entries = stores[0].entries()
    assert [entry.kind for entry in entries] == ["promote", "settled"]
    assert in_production(entries, NAME).version == 1


def test_who_does_not_let_go_is_named_and_a_killed_one_is_forgotten(
    stores: tuple[SqlStore, SqlStore],
) -> None:
    first, second = stores
    first.leases.take(f"registry {NAME}", "another machine", 60.0)
    with (
        pytest.raises(BusyError, match="another machine"),
        moving_aliases(second, NAME, wait_seconds=0.2),
    ):
        pass
    with moving_aliases(second, "ctloop-classification", wait_seconds=0.2):
        pass
    first.leases.renew(f"registry {NAME}", "another machine", 0.3)  # what a kill leaves
    with moving_aliases(second, NAME, wait_seconds=5.0):
        assert second.leases.holder(f"registry {NAME}") != "another machine"
    assert second.leases.holder(f"registry {NAME}") is None


def test_who_slept_too_long_enters_nothing(stores: tuple[SqlStore, SqlStore]) -> None:
    """The lease is taken away in between, as after a long sleep: the promotion it had decided does not happen."""
    first, second = stores
    registry = registry_with(1, 2)
    for number in (1, 2):
        registry.set_alias(NAME, "challenger", number)
        promote(registry, first, name=NAME, override="for this test")
    with moving_aliases(first, NAME, lease_seconds=60.0) as ledger:
        holder = first.leases.holder(f"registry {NAME}")
        assert holder is not None
        first.leases.drop(f"registry {NAME}", holder)
        assert second.leases.take(f"registry {NAME}", "another machine", 60.0)
        with pytest.raises(BusyError, match="took over"):
            roll_back(registry, ledger, name=NAME, reason="artefacts")
    champion = registry.by_alias(NAME, "champion")
    assert champion is not None
    assert champion.version == 2
    assert unsettled(second.entries(), NAME) == []
    assert second.leases.holder(f"registry {NAME}") == "another machine"
