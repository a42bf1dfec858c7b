"""Job: return to the champion before."""

from __future__ import annotations

from components.operations.alias_moves import AliasMove, Withdraw, leave_all
from components.operations.roll_back import roll_back
from components.registry.ledger import Ledger
from components.registry.registry import Registry


def rollback(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    reason: str,
    by: str = "ctloop",
    withdraw: Withdraw = leave_all,
) -> AliasMove:
    """See ``components.operations.roll_back``; ``reason`` goes into the ledger."""
    return roll_back(registry, ledger, name=name, reason=reason, by=by, withdraw=withdraw)
