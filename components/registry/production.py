"""What was in production at a moment, why and since when, as the ledger tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeGuard

from components.errors import ParameterError
from components.registry.ledger import LedgerEntry

Move = Literal["promote", "rollback", "shadow"]


@dataclass(frozen=True, kw_only=True)
class InProduction:
    """The champion of one model at a moment.

    Args:
        version, package_hash: ``None`` when nothing was in production.
        since: when the registry's alias had moved to it.
        how: ``promote`` or ``rollback``, by the ledger's ``entry``.
        reason, by: why, and the role or pseudonym of who decided; ``override``: promoted without a pass for it.
        previous: the version that it took the place of.
        under_way: number of a promotion or rollback that was entered and not settled at that moment: a killed
            process had perhaps moved the alias already.
        drift: the last drift verdict about this version at that moment.
    """

    name: str
    version: int | None = None
    package_hash: str | None = None
    since: str | None = None
    how: str | None = None
    entry: int | None = None
    reason: str | None = None
    by: str | None = None
    override: str | None = None
    previous: int | None = None
    under_way: int | None = None
    drift: Mapping[str, Any] | None = None


def in_production(entries: Iterable[LedgerEntry], name: str, at: datetime | None = None) -> InProduction:
    """The champion of the model ``name`` at ``at`` (with a time zone), or after the last entry."""
    known = [e for e in entries if at is None or datetime.fromisoformat(e.at) <= at]
    moves = [e for e in known if e.kind in ("promote", "rollback") and _of(e, name)]
    pending = {e.number for e in unsettled(known, name)}
    done = [move for move in moves if move.number not in pending]
    under_way = next((move.number for move in moves if move.number in pending), None)
    if not done:
        return InProduction(name=name, under_way=under_way)
    last = done[-1]
    settled = {e.payload["entry"]: e.at for e in reversed(known) if e.kind == "settled"}
    drift = [e for e in known if e.kind == "drift" and e.subject == last.subject]
    return InProduction(
        name=name,
        version=int(last.payload["version"]),
        package_hash=last.payload["package_hash"],
        since=settled.get(last.number, last.at),
        how=last.kind,
        entry=last.number,
        reason=last.payload["reason"],
        by=last.payload.get("by"),
        override=last.payload.get("override"),
        previous=last.payload["previous" if last.kind == "promote" else "from"],
        under_way=under_way,
        drift={"at": drift[-1].at, **drift[-1].payload} if drift else None,
    )


def unsettled(entries: Iterable[LedgerEntry], name: str) -> list[LedgerEntry]:
    """Moves of the model ``name`` that were entered and not settled, oldest first.

    An entry that names no aliases is of a ctloop that settled nothing, and counts as carried out.
    """
    known = list(entries)
    settled = {entry.payload["entry"] for entry in known if entry.kind == "settled"}
    return [
        entry
        for entry in known
        if entry.kind in ("promote", "rollback", "shadow")
        and _of(entry, name)
        and "aliases" in entry.payload
        and entry.number not in settled
    ]


def withdrawn(moves: Sequence[LedgerEntry], name: str) -> dict[int, str]:
    """Versions that were rolled back and not made champion since → why."""
    out: dict[int, str] = {}
    for move in moves:
        if move.kind in ("promote", "rollback") and _of(move, name):
            out.pop(int(move.payload["version"]), None)
            if move.kind == "rollback":
                out[int(move.payload["from"])] = str(move.payload["reason"])
    return out


def moment(text: str) -> datetime:
    """An ISO 8601 date and time with its time zone; raises ``ParameterError``."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if not _zoned(at):
        raise ParameterError(
            expected="a date and time with its time zone, as ISO 8601",
            got=repr(text),
            hint="2026-03-01T12:00+01:00, or 2026-03-01T11:00Z",
        )
    return at


def _zoned(at: datetime | None) -> TypeGuard[datetime]:
    return at is not None and at.tzinfo is not None


def _of(entry: LedgerEntry, name: str) -> bool:
    return entry.subject.rpartition("/")[0] == name
