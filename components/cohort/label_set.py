"""The labels that a model is trained on, one line each, and what is new about the next set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from components.cohort.labels import Provenance
from components.errors import InputError

LABEL_SET_FILE = "label_set.json"


@dataclass(frozen=True, kw_only=True)
class TaughtLabel:
    """One label that training reads.

    Args:
        name: of the frame (segmentation) or case (classification).
        label_sha256: of the label as it was given, see ``LabelSidecar``.
        shows: structures that are drawn, or findings that are present, in the order of their names.
    """

    name: str
    patient_id: str
    site: str
    provenance: Provenance
    label_sha256: str
    shows: tuple[str, ...]

    def same_label(self, other: TaughtLabel) -> bool:
        return (self.provenance, self.label_sha256) == (other.provenance, other.label_sha256)


@dataclass(frozen=True, kw_only=True)
class LabelSetDiff:
    """From one label set to the next.

    Args:
        added, removed: labels of names that only one of the sets has.
        replaced: (before, after) of names whose label is another one now.
        kept: number of labels that are the same in both.
        note: what a reader must know of the sets.
    """

    added: tuple[TaughtLabel, ...]
    removed: tuple[TaughtLabel, ...]
    replaced: tuple[tuple[TaughtLabel, TaughtLabel], ...]
    kept: int
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Counts by provenance, structure or finding, and site; patients; and the names."""
        after = [label for _, label in self.replaced]
        parts = {"added": self.added, "removed": self.removed, "replaced": after}
        return {
            "kept": self.kept,
            **{name: _counts(labels) for name, labels in parts.items()},
            "replaced_from": dict(sorted(Counter(_change(*pair) for pair in self.replaced).items())),
            "names": {name: sorted(label.name for label in labels) for name, labels in parts.items()},
            "note": self.note,
        }

    def words(self) -> str:
        """A table for a person."""
        after = [label for _, label in self.replaced]
        parts = {"added": self.added, "removed": self.removed, "replaced": after}
        lines = [f"labels: {self.kept} kept, " + ", ".join(f"{len(v)} {k}" for k, v in parts.items())]
        for name, labels in parts.items():
            counts = _counts(labels)
            lines += [
                f"  {name}, by {key}: {', '.join(f'{n} {what}' for what, n in counts[key].items())}"
                for key in _KEYS
                if counts[key]
            ]
            if labels:
                lines.append(f"  {name}, patients: {counts['patients']}")
        changes = Counter(_change(*pair) for pair in self.replaced)
        lines += [f"  replaced: {n} {change}" for change, n in sorted(changes.items())]
        return "\n".join([*lines, *([self.note] if self.note else [])])


def diff_label_sets(
    before: Iterable[TaughtLabel], after: Iterable[TaughtLabel], *, note: str = ""
) -> LabelSetDiff:
    """By name, each part in the order of the names."""
    old, new = ({label.name: label for label in labels} for labels in (before, after))
    both = sorted(old.keys() & new.keys())
    return LabelSetDiff(
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        replaced=tuple((old[name], new[name]) for name in both if not old[name].same_label(new[name])),
        kept=sum(old[name].same_label(new[name]) for name in both),
        note=note,
    )


def label_set_json(labels: Iterable[TaughtLabel]) -> str:
    """A line per label, in the order of the names: equal sets give equal text."""
    rows = [json.dumps(asdict(label), sort_keys=True) for label in sorted(labels, key=lambda one: one.name)]
    return "[\n" + ",\n".join(rows) + "\n]\n"


def read_label_set(text: str) -> tuple[TaughtLabel, ...]:
    """Raises ``InputError`` for anything that ``label_set_json`` does not write."""
    try:
        return tuple(TaughtLabel(**{**row, "shows": tuple(row["shows"])}) for row in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            expected=f"{LABEL_SET_FILE} as training writes it", got=str(error), hint="training again"
        ) from error


_KEYS: dict[str, Callable[[TaughtLabel], Sequence[str]]] = {
    "provenance": lambda label: (label.provenance,),
    "shows": lambda label: label.shows,
    "site": lambda label: (label.site or "unknown site",),
}


def _counts(labels: Sequence[TaughtLabel]) -> dict[str, Any]:
    by = {
        key: dict(sorted(Counter(what for label in labels for what in of(label)).items()))
        for key, of in _KEYS.items()
    }
    return {"labels": len(labels), "patients": len({label.patient_id for label in labels}), **by}


def _change(before: TaughtLabel, after: TaughtLabel) -> str:
    return f"{before.provenance} by {after.provenance}"
