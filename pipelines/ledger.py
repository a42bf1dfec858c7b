"""Job: read the ledger: is it as it was written, what was in production, what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from components.cohort.task import Task
from components.registry.chain import Fault, Head
from components.registry.ledger import EntryKind, LedgerEntry
from components.registry.production import InProduction, in_production, unsettled
from pipelines.composition import MODEL_NAMES, Services

_MOVES: tuple[EntryKind, ...] = ("promote", "rollback", "shadow", "settled")


@dataclass(frozen=True, kw_only=True)
class LedgerCheck:
    """What ``ctloop ledger verify`` found.

    Args:
        entries, head: how many are sound, and the last of these as ``NUMBER:SHA256``.
        fault: the first entry that is not as it was written.
        disagreements: models whose champion in the registry is not the ledger's.
        under_way: moves that were entered and not settled: at work now, or left by a killed process, whose work
            the next command that writes finishes.
    """

    entries: int
    head: str
    fault: Fault | None
    disagreements: tuple[str, ...]
    under_way: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return self.fault is None and not self.disagreements

    def __str__(self) -> str:
        if self.fault is not None:
            lines = [f"entry {self.fault.number}: {self.fault.what}", f"sound up to {self.head}"]
        else:
            lines = [
                f"{self.entries} entries, none changed",
                f"head {self.head} (note it elsewhere; --head checks it)",
            ]
        return "\n".join([*lines, *self.disagreements, *self.under_way])


def verify(services: Services, noted: Sequence[Head] = ()) -> LedgerCheck:
    """Check the chain, its heads, and that the registry's champions are the ledger's."""
    report = services.store.verify(tuple(noted))
    entries = services.store.entries(*_MOVES)
    disagreements: list[str] = []
    waiting: list[str] = []
    for name in MODEL_NAMES.values():
        pending = unsettled(entries, name)
        waiting += [f"entry {e.number}: the {e.kind} of {e.subject} is not settled yet" for e in pending]
        told = in_production(entries, name).version
        if pending or not any(e.subject.rpartition("/")[0] == name for e in entries):
            continue
        champion = services.registry.by_alias(name, "champion")
        found = champion.version if champion is not None else None
        if found != told:
            disagreements.append(f"{name}: the registry's champion is version {found}, the ledger's {told}")
    return LedgerCheck(
        entries=report.head.number,
        head=str(report.head),
        fault=report.fault,
        disagreements=tuple(disagreements),
        under_way=tuple(waiting),
    )


def production(services: Services, tasks: Sequence[Task], at: datetime | None = None) -> list[InProduction]:
    """What was in production at ``at``, one answer per task; now unless given."""
    entries = services.store.entries(*_MOVES, "drift")
    return [in_production(entries, MODEL_NAMES[task], at) for task in tasks]


def decisions(services: Services, kind: EntryKind, at: datetime | None = None) -> list[LedgerEntry]:
    """Entries of one kind up to ``at``, oldest first."""
    found = services.store.entries(kind)
    return [entry for entry in found if at is None or datetime.fromisoformat(entry.at) <= at]


def production_text(answers: Sequence[InProduction]) -> str:
    """For a person."""
    return "\n".join(_sentence(answer) for answer in answers)


def decisions_text(entries: Sequence[LedgerEntry]) -> str:
    """For a person: number, time, subject, and why or how it ended."""
    return "\n".join(f"{e.number}  {e.at}  {e.kind}  {e.subject}{_gist(e)}" for e in entries) or "none"


def production_rows(answers: Sequence[InProduction]) -> list[dict[str, object]]:
    """JSON-able."""
    return [asdict(answer) for answer in answers]


def _gist(entry: LedgerEntry) -> str:
    words = [
        str(entry.payload[key]) for key in ("outcome", "reason", "version", "kind") if entry.payload.get(key)
    ]
    by = entry.payload.get("by") or entry.payload.get("annotator")
    return f"  {': '.join(words)}{f', by {by}' if by else ''}"


def _sentence(answer: InProduction) -> str:
    if answer.version is None:
        line = f"{answer.name}: nothing in production"
    else:
        line = (
            f"{answer.name}: version {answer.version} ({str(answer.package_hash)[:12]}) since {answer.since}, "
            f"by {answer.how} (entry {answer.entry}{f', {answer.by}' if answer.by else ''}) "
            f"in place of {answer.previous or 'nothing'}: {answer.reason}"
        )
    if answer.drift is not None:
        line += f"\n  drift verdict in force: {answer.drift['kind']} on {answer.drift['batch']}, {answer.drift['at']}"
    if answer.under_way is not None:
        line += f"\n  entry {answer.under_way} was under way"
    return line
