"""Job: make the accepted challenger the champion."""

from __future__ import annotations

from components.operations.alias_moves import AliasMove
from components.operations.promote import promote as move_aliases
from components.registry.ledger import Ledger
from components.registry.registry import Registry


def promote(registry: Registry, ledger: Ledger, *, name: str, override: str | None = None) -> AliasMove:
    """See ``components.operations.promote``; ``override`` is a person's reason to promote without a pass."""
    return move_aliases(registry, ledger, name=name, override=override)
