"""One at a time moves a model's aliases, among all processes and machines that share the database.

The lease in the workspace's folder (``pipelines.lease``) knows this machine's clone alone. This one is in the database:
from the check that allows a move to the entry that settles it nobody else decides about the same model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from components.errors import BusyError
from components.registry.ledger import EntryKind, Ledger, LedgerEntry
from pipelines.schedule.heartbeat import Heartbeat, Leases, holder_name

_LEASE_SECONDS = 4.0  # so long a killed process keeps others waiting
_WAIT_SECONDS, _LOOK_SECONDS = 12.0, 0.1


class LeasedLedger(Ledger, Protocol):
    """A ledger whose database keeps leases too."""

    @property
    def leases(self) -> Leases: ...


@contextmanager
def moving_aliases(
    store: LeasedLedger,
    name: str,
    *,
    lease_seconds: float = _LEASE_SECONDS,
    wait_seconds: float = _WAIT_SECONDS,
) -> Iterator[Ledger]:
    """The ledger to move aliases of the model ``name`` with; it takes no entry once another may be at it.

    Waits for another process, which takes a moment, or for the lease of a killed one to run out. Raises ``BusyError``
    after ``wait_seconds``.
    """
    lease, holder = lease_name(name), holder_name()
    deadline = time.monotonic() + wait_seconds
    while not store.leases.take(lease, holder, lease_seconds):
        if time.monotonic() > deadline:
            raise _busy(name, store.leases.holder(lease))
        time.sleep(_LOOK_SECONDS)
    beat = Heartbeat(store.leases, lease, holder, lease_seconds)
    beat.start()
    try:
        yield _Fenced(store, name, lambda: store.leases.renew(lease, holder, lease_seconds))
    finally:
        beat.stop()
        store.leases.drop(lease, holder)


def lease_name(name: str) -> str:
    """Of the lease under which aliases of the model ``name`` move."""
    return f"registry {name}"


@dataclass(frozen=True)
class _Fenced:
    """Implements ``Ledger``. A process that slept longer than its lease, and lost it, can enter nothing more."""

    ledger: Ledger
    name: str
    renew: Callable[[], bool]

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry:
        if not self.renew():
            raise _busy(self.name, "the process that took over")
        return self.ledger.append(kind, subject, payload)

    def entries(self, *kinds: EntryKind) -> tuple[LedgerEntry, ...]:
        return self.ledger.entries(*kinds)


def _busy(name: str, holder: str | None) -> BusyError:
    return BusyError(
        expected=f"nobody else to move the aliases of {name}",
        got=holder or "one who has just ended",
        hint="again in a moment",
    )
