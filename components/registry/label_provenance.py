"""Who made the labels that trained a model and judge it: people by pseudonym, with their minutes, and teachers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from components.cohort.labels import LabelSidecar
from components.cohort.split import Side

UNNAMED = "not named"


@dataclass(frozen=True, kw_only=True)
class LabelRecord:
    """The label of a frame (classification: of a case) of one side of the split."""

    name: str
    side: Side
    sidecar: LabelSidecar


def label_provenance(
    records: Sequence[LabelRecord], *, label_set: str | None, trained_on: Mapping[str, int]
) -> dict[str, Any]:
    """JSON-able.

    Args:
        records: the labels that training may read, and those of held-out patients.
        label_set: hash of the labels as the training stage read them.
        trained_on: provenance → number of labels, as the training counted them.
    """
    sides = {side: [r.sidecar for r in records if r.side == side] for side in get_args(Side)}
    return {
        "label_set": label_set,
        "trained_on": dict(trained_on),
        "sides": {side: _counts(s.provenance for s in sidecars) for side, sidecars in sides.items()},
        "annotators": _annotators(records),
        "teachers": _teachers(records),
        "requests_answered": len({r.sidecar.request_id for r in records if r.sidecar.request_id}),
    }


def training_labels(records: Iterable[LabelRecord]) -> dict[str, tuple[str, str]]:
    """Name → provenance and hash of each label that training may read."""
    read = [record for record in records if record.side == "train"]
    return {r.name: (r.sidecar.provenance, r.sidecar.label_sha256) for r in read}


def _annotators(records: Sequence[LabelRecord]) -> list[dict[str, Any]]:
    """Per pseudonym or role: labels of both sides, and the minutes of those that state them."""
    of: dict[str, list[LabelRecord]] = {}
    for record in records:
        if record.sidecar.provenance == "expert":
            of.setdefault(record.sidecar.annotator or UNNAMED, []).append(record)
    return [
        {
            "annotator": name,
            **_counts(record.side for record in theirs),
            **_minutes([record.sidecar.minutes for record in theirs]),
        }
        for name, theirs in sorted(of.items())
    ]


def _minutes(stated: Sequence[float | None]) -> dict[str, Any]:
    known = [minutes for minutes in stated if minutes is not None]
    return {"minutes": round(sum(known), 1) if known else None, "with_minutes": len(known)}


def _teachers(records: Sequence[LabelRecord]) -> list[dict[str, Any]]:
    """A teacher's name holds its version: ``ctloop-segmentation/3``."""
    taught = Counter(
        (r.sidecar.teacher or UNNAMED, r.sidecar.teacher_fingerprint)
        for r in records
        if r.sidecar.provenance != "expert"
    )
    return [
        {"teacher": teacher, "fingerprint": fingerprint, "labels": number}
        for (teacher, fingerprint), number in sorted(taught.items(), key=str)
    ]


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
