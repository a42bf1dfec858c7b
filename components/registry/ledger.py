"""The port to the record of what was decided, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

EntryKind = Literal["register", "gate", "promote", "rollback", "label_set", "drift", "acquisition"]


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One decision; ``subject`` is what it is about (``ctloop-segmentation/3``), ``payload`` is JSON-able."""

    kind: EntryKind
    subject: str
    payload: Mapping[str, Any]
    at: str


class Ledger(Protocol):
    """Append-only."""

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> None: ...

    def entries(self, kind: EntryKind | None = None) -> tuple[LedgerEntry, ...]: ...
