"""Use case: return to the champion before."""

from __future__ import annotations

from components.errors import StateError
from components.operations.alias_moves import (
    AliasMove,
    Withdraw,
    finish_moves,
    leave_all,
    move_aliases,
    moved,
)
from components.registry.ledger import Ledger
from components.registry.registry import Registry


def roll_back(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    reason: str,
    by: str = "ctloop",
    withdraw: Withdraw = leave_all,
) -> AliasMove:
    """Swap ``champion`` and ``previous``; rolling back twice ends where it began.

    ``reason`` goes into the ledger, and ``by``, who decided. ``withdraw`` then takes back what the withdrawn
    version asked and taught. When killed half-way, call it again: it finishes that swap, and begins no other.

    Raises ``StateError`` when there is no champion or none before it.
    """
    finished = finish_moves(registry, ledger, name=name, withdraw=withdraw)
    if finished and finished[-1].payload["move"] == "rollback":
        return moved(registry, finished[-1])
    champion, before = registry.by_alias(name, "champion"), registry.by_alias(name, "previous")
    if champion is None or before is None or before.version == champion.version:
        raise StateError(
            expected=f"a champion of {name} and one before it",
            got="no champion" if champion is None else "no earlier one",
            hint="`ctloop promote` with a challenger",
        )
    facts = {
        "version": before.version,
        "package_hash": before.package_hash,
        "from": champion.version,
        "reason": reason,
        "by": by,
    }
    settled = move_aliases(
        registry, ledger, kind="rollback", version=before, facts=facts, withdraw=withdraw,
        aliases={"champion": before.version, "previous": champion.version},
    )  # fmt: skip
    return moved(registry, settled)
