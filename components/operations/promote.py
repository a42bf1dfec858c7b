"""Use case: make an accepted challenger the champion."""

from __future__ import annotations

from components.errors import StateError
from components.operations.alias_moves import AliasMove, enter_move
from components.operations.register_model import subject_of
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.registry import ModelVersion, Registry


def promote(registry: Registry, ledger: Ledger, *, name: str, override: str | None = None) -> AliasMove:
    """Move ``champion`` to the challenger and ``previous`` to the old champion.

    Only a challenger whose last gate accepted it, against the champion of now. ``override`` is a person's
    reason to promote all the same; the ledger keeps it. When killed half-way, call it again: the ledger is
    written first, and the challenger loses its alias last.

    Raises ``StateError`` when there is no challenger or its gate does not allow it.
    """
    challenger = registry.by_alias(name, "challenger")
    if challenger is None:
        raise StateError(
            expected=f"a challenger of {name}", got="none", hint="`ctloop register`, then `ctloop gate`"
        )
    champion = registry.by_alias(name, "champion")
    reason = f"override: {override}" if override else _accepted_reason(ledger, challenger, champion)
    # A promotion killed after its moves finds the challenger in the champion's place.
    in_place = champion is not None and champion.version == challenger.version
    previous = registry.by_alias(name, "previous") if in_place else champion
    payload = {
        "version": challenger.version,
        "package_hash": challenger.package_hash,
        "previous": previous and previous.version,
        "reason": reason,
        "override": override,
    }
    enter_move(ledger, "promote", challenger, payload)
    if previous is not None:
        registry.set_alias(name, "previous", previous.version)
    registry.set_alias(name, "champion", challenger.version)
    registry.set_alias(name, "challenger", None)
    return AliasMove(
        champion=_now(registry, name), previous=registry.by_alias(name, "previous"), reason=reason
    )


def last_gate(ledger: Ledger, version: ModelVersion) -> LedgerEntry | None:
    """The newest gate entry about ``version``."""
    entries = [entry for entry in ledger.entries("gate") if entry.subject == subject_of(version)]
    return entries[-1] if entries else None


def _accepted_reason(ledger: Ledger, challenger: ModelVersion, champion: ModelVersion | None) -> str:
    entry = last_gate(ledger, challenger)
    if entry is None:
        raise _refusal("no gate about it", "`ctloop gate` first")
    if not entry.payload["accepted"]:
        raise _refusal(
            f"{entry.payload['outcome']}: {entry.payload['reason']}", "a better model, or --override REASON"
        )
    context = entry.payload["context"]
    if context["challenger"]["package_hash"] != challenger.package_hash:
        raise _refusal("a verdict about another package", "`ctloop gate` again")
    judged_against = (context["champion"] or {}).get("package_hash")
    # A promotion killed after moving the champion alias finds the challenger there already.
    now = champion.package_hash if champion is not None else None
    if now not in (judged_against, challenger.package_hash):
        raise _refusal("a verdict against an earlier champion", "`ctloop gate` again")
    return str(entry.payload["reason"])


def _refusal(got: str, hint: str) -> StateError:
    return StateError(expected="a challenger that the gate accepted", got=got, hint=hint)


def _now(registry: Registry, name: str) -> ModelVersion:
    champion = registry.by_alias(name, "champion")
    assert champion is not None
    return champion
