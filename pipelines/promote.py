"""Job: make the accepted challenger the champion."""

from __future__ import annotations

from components.operations.alias_moves import AliasMove, Withdraw, leave_all
from components.operations.promote import promote as move_to_challenger
from components.registry.ledger import Ledger
from components.registry.registry import Registry


def promote(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    override: str | None = None,
    by: str = "ctloop",
    withdraw: Withdraw = leave_all,
) -> AliasMove:
    """See ``components.operations.promote``; ``override`` is a person's reason to promote without a pass."""
    return move_to_challenger(registry, ledger, name=name, override=override, by=by, withdraw=withdraw)
