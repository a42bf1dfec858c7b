"""Moves of registry aliases, as one transaction over the registry and the ledger.

Two databases never commit at once. So what is meant is entered in the ledger first, with every alias and where
it goes; then the aliases move; then an entry ``settled`` says that they have. Whatever moment a process is
killed at, ``finish_moves`` repeats the entered moves, each of which may be repeated, and settles them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.operations.register_model import subject_of
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.production import Move, unsettled
from components.registry.registry import Alias, ModelVersion, Registry

Withdraw = Callable[[str, str], Mapping[str, Any]]
"""(``ctloop-segmentation/3``, why) → what was done about all that a withdrawn version asked and taught, as JSON.

It may be called again for the same version.
"""


def leave_all(subject: str, reason: str) -> Mapping[str, Any]:
    """A ``Withdraw`` for a registry without requests and labels."""
    return {}


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """Who is champion now and who was before, and why.

    ``interrupted``: an earlier call, killed half-way, had decided it; this one only finished it. ``withdrawn``:
    what became of the requests and labels of a version that was rolled back.
    """

    champion: ModelVersion
    previous: ModelVersion | None
    reason: str
    interrupted: bool = False
    withdrawn: Mapping[str, Any]


def move_aliases(
    registry: Registry,
    ledger: Ledger,
    *,
    kind: Move,
    version: ModelVersion,
    aliases: Mapping[Alias, int | None],
    facts: Mapping[str, Any],
    withdraw: Withdraw = leave_all,
) -> LedgerEntry:
    """Enter ``kind`` about ``version``, move ``aliases`` (``None`` removes one), settle; the settling entry."""
    entry = ledger.append(kind, subject_of(version), {**facts, "aliases": dict(aliases)})
    return _carry_out(registry, ledger, entry, withdraw, interrupted=False)


def finish_moves(
    registry: Registry, ledger: Ledger, *, name: str, withdraw: Withdraw = leave_all
) -> tuple[LedgerEntry, ...]:
    """Carry out the moves of the model ``name`` that a killed process had only entered; their settling entries."""
    return tuple(
        _carry_out(registry, ledger, entry, withdraw, interrupted=True)
        for entry in unsettled(ledger.entries("promote", "rollback", "shadow", "settled"), name)
    )


def moved(registry: Registry, settled: LedgerEntry) -> AliasMove:
    """How it stands after a promotion or rollback."""
    name = settled.subject.rpartition("/")[0]
    champion = registry.by_alias(name, "champion")
    assert champion is not None, "it was just set"
    return AliasMove(
        champion=champion,
        previous=registry.by_alias(name, "previous"),
        reason=str(settled.payload["reason"]),
        interrupted=bool(settled.payload["interrupted"]),
        withdrawn=settled.payload["withdrawn"],
    )


def _carry_out(
    registry: Registry, ledger: Ledger, entry: LedgerEntry, withdraw: Withdraw, *, interrupted: bool
) -> LedgerEntry:
    name, reason = entry.subject.rpartition("/")[0], str(entry.payload["reason"])
    for alias, version in entry.payload["aliases"].items():
        registry.set_alias(name, alias, version)
    withdrawn = withdraw(f"{name}/{entry.payload['from']}", reason) if entry.kind == "rollback" else {}
    facts = {"entry": entry.number, "move": entry.kind, "reason": reason, "interrupted": interrupted}
    return ledger.append("settled", entry.subject, {**facts, "withdrawn": dict(withdrawn)})
