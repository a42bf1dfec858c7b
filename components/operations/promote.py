"""Use case: make an accepted challenger the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import StateError
from components.operations.alias_moves import (
    AliasMove,
    Withdraw,
    finish_moves,
    leave_all,
    move_aliases,
    moved,
)
from components.operations.register_model import subject_of
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.registry import Alias, ModelVersion, Registry


def promote(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    override: str | None = None,
    by: str = "ctloop",
    limits: Mapping[str, Any] | None = None,
    withdraw: Withdraw = leave_all,
) -> AliasMove:
    """Move ``champion`` to the challenger and ``previous`` to the old champion.

    Only a challenger whose last gate accepted it, against the champion of now. ``override`` is a person's
    reason to promote all the same, unless the gate found test patients among those that trained it: no reason is good
    enough for that. The ledger keeps the reason, and ``by``, who decided. When killed half-way, call it
    again: it finishes that promotion, and begins no other. ``limits``: no person decided, these limits did, which
    the ledger keeps. ``withdraw``: to finish a rollback that was killed.

    Raises ``StateError`` when there is no challenger or its gate does not allow it.
    """
    finished = finish_moves(registry, ledger, name=name, withdraw=withdraw)
    if finished and finished[-1].payload["move"] == "promote":
        return moved(registry, finished[-1])
    challenger = registry.by_alias(name, "challenger")
    if challenger is None:
        raise StateError(
            expected=f"a challenger of {name}", got="none", hint="`ctloop register`, then `ctloop gate`"
        )
    champion = registry.by_alias(name, "champion")
    if override:
        _refuse_leak(ledger, challenger)
    reason = f"override: {override}" if override else _accepted_reason(ledger, challenger, champion)
    aliases: dict[Alias, int | None] = {"champion": challenger.version, "challenger": None}
    if champion is not None and champion.version != challenger.version:
        aliases["previous"] = champion.version
    facts = {
        "version": challenger.version,
        "package_hash": challenger.package_hash,
        "previous": champion and champion.version,
        "reason": reason,
        "override": override,
        "by": by,
        "automatic": limits is not None,
        "limits": limits and dict(limits),
    }
    settled = move_aliases(registry, ledger, kind="promote", version=challenger, aliases=aliases, facts=facts)
    return moved(registry, settled)


def last_gate(ledger: Ledger, version: ModelVersion) -> LedgerEntry | None:
    """The newest gate entry about ``version``."""
    entries = [entry for entry in ledger.entries("gate") if entry.subject == subject_of(version)]
    return entries[-1] if entries else None


def _refuse_leak(ledger: Ledger, challenger: ModelVersion) -> None:
    entry = last_gate(ledger, challenger)
    checks = entry.payload.get("checks", ()) if entry is not None else ()
    if any(check["name"] == "leak" and not check["holds"] for check in checks):
        raise StateError(
            expected="a challenger that was trained on no test patient, with or without --override",
            got="one whose training patients include test patients",
            hint="training it again without them",
        )


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
    if judged_against != (champion.package_hash if champion is not None else None):
        raise _refusal("a verdict against an earlier champion", "`ctloop gate` again")
    return str(entry.payload["reason"])


def _refusal(got: str, hint: str) -> StateError:
    return StateError(expected="a challenger that the gate accepted", got=got, hint=hint)
