"""Use case: name the version that runs beside the champion, or none."""

from __future__ import annotations

from components.errors import StateError
from components.operations.alias_moves import Withdraw, finish_moves, leave_all, move_aliases
from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry


def set_shadow(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    version: int | None,
    reason: str,
    by: str = "ctloop",
    withdraw: Withdraw = leave_all,
) -> ModelVersion | None:
    """Move the alias ``shadow`` to ``version``, or remove it; the version that has it now.

    Raises ``StateError`` for a version that is not registered or is champion, and when there is none to remove.
    """
    finish_moves(registry, ledger, name=name, withdraw=withdraw)
    standing = registry.by_alias(name, "shadow")
    known = {found.version: found for found in registry.versions(name)}
    chosen = standing if version is None else known.get(version)
    if chosen is None or (version is not None and "champion" in chosen.aliases):
        raise StateError(
            expected=f"a shadow of {name}"
            if version is None
            else f"a version of {name} that is not champion",
            got="none" if version is None else f"{version}",
            hint=f"one of {', '.join(map(str, known)) or 'none yet: `ctloop register`'}",
        )
    if version != (standing and standing.version):
        move_aliases(
            registry, ledger, kind="shadow", version=chosen, aliases={"shadow": version},
            facts={"version": version, "package_hash": chosen.package_hash, "reason": reason, "by": by},
        )  # fmt: skip
    return registry.by_alias(name, "shadow")
