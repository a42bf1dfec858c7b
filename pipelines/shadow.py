"""Job: name the version that runs beside the champion."""

from __future__ import annotations

from components.operations.alias_moves import Withdraw, leave_all
from components.operations.set_shadow import set_shadow
from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry


def shadow(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    version: int | None,
    reason: str,
    by: str = "ctloop",
    withdraw: Withdraw = leave_all,
) -> ModelVersion | None:
    """See ``components.operations.set_shadow``; ``version`` ``None`` removes it."""
    return set_shadow(registry, ledger, name=name, version=version, reason=reason, by=by, withdraw=withdraw)
