"""The chain that makes the ledger tamper-evident, as in Haber & Stornetta, J. Cryptology 3 (1991) 99-111.

    sha256(n) = SHA-256( canonical({"previous": sha256(n - 1), "number": n, "entry": entry(n)}) ) in hexadecimal
    entry(n) = {"kind": …, "subject": …, "payload": …, "at": …},    sha256(0) = 64 zeros
    canonical(v) = json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

``canonical`` is the idea of RFC 8785 with three differences: keys are sorted by code point, other characters
than ASCII are escaped, and a number is written as Python's ``repr`` (the shortest that reads back the same).

Whoever can write the database can also compute a new chain. So a head, the number and hash of some entry, is
noted elsewhere: it must be found again, which also shows a tail that was cut off.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ParameterError
from components.registry.ledger import EntryKind, LedgerEntry
from components.registry.verdict import finite

GENESIS = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Head:
    """An entry by number and hash; number 0 is the empty ledger."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


EMPTY = Head(number=0, sha256=GENESIS)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The first entry that is not as it was written, and what is wrong."""

    number: int
    what: str


@dataclass(frozen=True, kw_only=True)
class ChainReport:
    """``head`` is the last sound entry; ``fault`` is ``None`` when all are."""

    head: Head
    fault: Fault | None


def sealed(previous: Head, kind: EntryKind, subject: str, payload: Mapping[str, Any], at: str) -> LedgerEntry:
    """The entry after ``previous``; its payload as JSON gives it back, numbers that are not finite as null."""
    plain: dict[str, Any] = json.loads(canonical(finite(dict(payload))))
    number = previous.number + 1
    sha256 = entry_sha256(previous.sha256, number, kind, subject, plain, at)
    return LedgerEntry(number=number, kind=kind, subject=subject, payload=plain, at=at, sha256=sha256)


def entry_sha256(previous: str, number: int, kind: str, subject: str, payload: Any, at: str) -> str:
    """See the formula above."""
    entry = {"kind": kind, "subject": subject, "payload": payload, "at": at}
    return hashlib.sha256(
        canonical({"previous": previous, "number": number, "entry": entry}).encode("ascii")
    ).hexdigest()


def canonical(value: Any) -> str:
    """One text per JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def head_of(entry: LedgerEntry) -> Head:
    return Head(number=entry.number, sha256=entry.sha256)


def parse_head(text: str) -> Head:
    """``42:9f86…``, as ``Head`` is printed; raises ``ParameterError``."""
    if not (found := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())):
        raise ParameterError(
            expected="a head as NUMBER:SHA256", got=repr(text), hint="what `ctloop ledger verify` printed"
        )
    return Head(number=int(found[1]), sha256=found[2])


def verify_chain(entries: Iterable[LedgerEntry], noted: Iterable[Head] = ()) -> ChainReport:
    """Recompute every hash, in the order of the numbers; stop at the first fault.

    A number that is missing was deleted, one that comes twice was inserted, and a hash that differs means that
    the entry was edited, inserted or moved, or its predecessor was. ``noted`` heads must be found again: one
    behind the end means that the tail was cut off, another hash that the chain was computed anew.
    """
    wanted: dict[int, set[str]] = {}
    for note in noted:
        wanted.setdefault(note.number, set()).add(note.sha256)
    head = EMPTY
    for entry in entries:
        if (what := _wrong(entry, head)) is not None:
            return ChainReport(head=head, fault=Fault(number=min(entry.number, head.number + 1), what=what))
        head = head_of(entry)
        if wanted.get(head.number, set()) - {head.sha256}:
            what = "its hash is not the one that was noted: the chain was computed anew up to here"
            return ChainReport(head=head, fault=Fault(number=head.number, what=what))
    if (last := max(wanted, default=0)) > head.number:
        what = f"missing: entries up to {last} were noted, the ledger ends at {head.number}"
        return ChainReport(head=head, fault=Fault(number=head.number + 1, what=what))
    return ChainReport(head=head, fault=None)


def _wrong(entry: LedgerEntry, before: Head) -> str | None:
    if entry.number > before.number + 1:
        return f"missing: after {before.number} comes {entry.number}"
    if entry.number <= before.number:
        return f"a number out of order: after {before.number} comes {entry.number}"
    try:
        found = entry_sha256(before.sha256, entry.number, entry.kind, entry.subject, entry.payload, entry.at)
    except (ValueError, TypeError):
        return "its content is no JSON"
    return None if found == entry.sha256 else "its content, its place or what it follows was changed"
