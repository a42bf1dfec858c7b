"""Use case: return to the champion before."""

from __future__ import annotations

from components.errors import StateError
from components.operations.alias_moves import AliasMove, enter_move, last_move, replaced_by
from components.operations.register_model import subject_of
from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry


def roll_back(registry: Registry, ledger: Ledger, *, name: str, reason: str) -> AliasMove:
    """Swap ``champion`` and ``previous``; rolling back twice ends where it began.

    ``reason`` goes into the ledger. When killed half-way, call it again: it finishes the swap.

    Raises ``StateError`` when there is no champion or none before it.
    """
    champion = registry.by_alias(name, "champion")
    before = _before(registry, ledger, champion) if champion is not None else None
    if champion is None or before is None:
        raise StateError(
            expected=f"a champion of {name} and one before it",
            got="no champion" if champion is None else "no earlier one",
            hint="`ctloop promote` with a challenger",
        )
    last = last_move(ledger, name)
    if last and last.kind == "rollback" and last.subject == subject_of(champion) and _is_previous(champion):
        # An earlier call was killed after its first move: ``before`` is the version that had to leave.
        registry.set_alias(name, "previous", before.version)
        return _moved(registry, name, str(last.payload["reason"]))
    payload = {
        "version": before.version,
        "package_hash": before.package_hash,
        "from": champion.version,
        "reason": reason,
    }
    enter_move(ledger, "rollback", before, payload)
    if "challenger" in champion.aliases:  # its promotion was killed before its end
        registry.set_alias(name, "challenger", None)
    # Champion first: a process killed in between leaves the wanted champion in use.
    registry.set_alias(name, "champion", before.version)
    registry.set_alias(name, "previous", champion.version)
    return _moved(registry, name, reason)


def _before(registry: Registry, ledger: Ledger, champion: ModelVersion) -> ModelVersion | None:
    """``previous``; where a killed process left that alias on the champion itself, what the ledger says."""
    if not _is_previous(champion):
        return registry.by_alias(champion.name, "previous")
    version = replaced_by(ledger, champion)
    return next((known for known in registry.versions(champion.name) if known.version == version), None)


def _is_previous(champion: ModelVersion) -> bool:
    return "previous" in champion.aliases


def _moved(registry: Registry, name: str, reason: str) -> AliasMove:
    champion = registry.by_alias(name, "champion")
    assert champion is not None
    return AliasMove(champion=champion, previous=registry.by_alias(name, "previous"), reason=reason)
