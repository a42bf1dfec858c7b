"""Use case: return to the champion before."""

from __future__ import annotations

from components.errors import StateError
from components.operations.promote import AliasMove
from components.operations.register_model import subject_of
from components.registry.ledger import Ledger
from components.registry.registry import Registry


def roll_back(registry: Registry, ledger: Ledger, *, name: str, reason: str) -> AliasMove:
    """Swap ``champion`` and ``previous``; rolling back twice ends where it began.

    ``reason`` goes into the ledger. Raises ``StateError`` when there is no champion or none before it.
    """
    champion, previous = registry.by_alias(name, "champion"), registry.by_alias(name, "previous")
    if champion is None or previous is None or champion.version == previous.version:
        raise StateError(
            expected=f"a champion of {name} and one before it",
            got="no champion" if champion is None else "no earlier one",
            hint="`ctloop promote` with a challenger",
        )
    # Champion first: a process killed in between leaves the wanted champion in use.
    registry.set_alias(name, "champion", previous.version)
    registry.set_alias(name, "previous", champion.version)
    payload = {
        "version": previous.version,
        "package_hash": previous.package_hash,
        "from": champion.version,
        "reason": reason,
    }
    ledger.append("rollback", subject_of(previous), payload)
    now, before = registry.by_alias(name, "champion"), registry.by_alias(name, "previous")
    assert now is not None
    return AliasMove(champion=now, previous=before, reason=reason)
