"""The port to the record of what was decided, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

EntryKind = Literal[
    "register",
    "gate",
    "promote",
    "rollback",
    "shadow",
    "settled",
    "answer",
    "reread",
    "label_set",
    "drift",
    "coverage",
    "acquisition",
]


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One decision.

    Args:
        number: its place, 1, 2, … without gaps.
        kind: what was decided. ``promote``, ``rollback`` and ``shadow`` say what is meant to happen in the
            registry, ``settled`` that it has. ``reread`` holds two readers' answers against each other.
        subject: what it is about (``ctloop-segmentation/3``, a request's id, a task).
        payload: JSON-able.
        at: ISO 8601 in UTC.
        sha256: of it and all before it, see ``components.registry.chain``.
    """

    number: int
    kind: EntryKind
    subject: str
    payload: Mapping[str, Any]
    at: str
    sha256: str


class Ledger(Protocol):
    """Append-only; each entry seals all before it."""

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry: ...

    def entries(self, *kinds: EntryKind) -> tuple[LedgerEntry, ...]:
        """Those of ``kinds``, all unless given, in the order of writing."""
        ...
