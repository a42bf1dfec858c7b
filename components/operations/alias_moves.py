"""Moves of the aliases ``champion`` and ``previous``, as the ledger tells them.

Two aliases never move at once. So the ledger is written first: whatever a killed process left behind, the
last entry says what was meant, and the next call finishes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from components.operations.register_model import subject_of
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.registry import ModelVersion


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """Who is champion now and who was before; ``reason`` is why."""

    champion: ModelVersion
    previous: ModelVersion | None
    reason: str


def enter_move(
    ledger: Ledger, kind: Literal["promote", "rollback"], champion: ModelVersion, payload: Mapping[str, Any]
) -> None:
    """Write down who becomes champion, unless a killed call did so just before."""
    last = last_move(ledger, champion.name)
    if last is None or (last.kind, last.payload) != (kind, payload):
        ledger.append(kind, subject_of(champion), payload)


def last_move(ledger: Ledger, name: str) -> LedgerEntry | None:
    """The newest promotion or rollback of the model ``name``."""
    moves = _moves(ledger, name)
    return moves[-1] if moves else None


def replaced_by(ledger: Ledger, champion: ModelVersion) -> int | None:
    """The version that ``champion`` took the place of, the last time."""
    moves = [move for move in _moves(ledger, champion.name) if move.subject == subject_of(champion)]
    if not moves:
        return None
    version: int | None = moves[-1].payload["previous" if moves[-1].kind == "promote" else "from"]
    return version


def _moves(ledger: Ledger, name: str) -> list[LedgerEntry]:
    return [
        entry
        for entry in ledger.entries()
        if entry.kind in ("promote", "rollback") and entry.subject.rpartition("/")[0] == name
    ]
