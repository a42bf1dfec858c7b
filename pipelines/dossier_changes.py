"""The chapters of a dossier about change: what differs from the parent, and what may change without a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.pilot.document import Block, Cell, Section, Subtitle, Table, Words, row
from pipelines.pilot.phrases import value_cell, words

Content = Mapping[str, Any]
_HEADINGS = {
    "parameters": "Parameters",
    "contract": "Contract: what it expects and answers",
    "thresholds": "Thresholds",
    "code": "Code of the stages, by hash",
    "data": "Data, by hash",
}
_LONGEST = 60


def changes_chapter(changes: Content | None) -> Section:
    """Only headings under which something changed."""
    title = "Changes against the parent"
    if changes is None:
        return Section(title=title, blocks=(Words(text="It has no parent: nothing was in use before."),))
    blocks: list[Block] = [
        Words(
            text=f"The parent is {changes['parent']['version']}, package {changes['parent']['package_hash'][:12]}."
        ),
        _numbers(changes),
    ]
    for part, heading in _HEADINGS.items():
        if changes[part]:
            blocks += [Subtitle(text=heading), _differences(changes[part])]
    if not any(changes[part] for part in ("parameters", "contract", "code")):
        blocks.append(Words(text="No parameter, no code and nothing of its contract changed."))
    if changes["metrics"]:
        blocks += [Subtitle(text="Metrics, mean over all labels"), _metrics(changes["metrics"])]
        note = (
            "Each on its own held-out patients, which need not be the same: the gate compares on equal ones."
        )
        blocks.append(Words(text=note, note=True))
    return Section(title=title, blocks=tuple(blocks))


def limits_chapter(limits: Content) -> Section:
    """Predetermined limits of change."""
    rows = tuple(row(words(name), _value(value)) for name, value in limits.items())
    most = limits["max_automatic_promotions"]
    said = (
        "Every promotion needs a person."
        if most == 0
        else f"Up to {most} versions in a row may be promoted without a person, each within all of these limits."
    )
    return Section(
        title="What retraining may change by itself",
        blocks=(
            Words(text=f"{said} The limits of the version in use count, never those of its challenger."),
            Table(head=("limit", "value"), rows=rows, widths=(2, 3)),
        ),
    )


def _numbers(changes: Content) -> Table:
    labels, patients = changes["labels"], changes["patients"]
    unknown = labels["new_share"] is None
    rows = [
        row(
            "training labels",
            *("not known" if unknown else _kinds(labels[end]) for end in ("new", "removed")),
        ),
        row("training patients", *(_number(patients["train"][end]) for end in ("added", "removed"))),
        row("test patients", *(_number(patients["test"][end]) for end in ("added", "removed"))),
        *(
            row(
                f"training {what}", *(", ".join(changes[what][end]) or "none" for end in ("added", "removed"))
            )
            for what in ("sites", "scanners")
        ),
    ]
    return Table(head=("", "added or changed", "removed"), rows=tuple(rows), widths=(1.5, 2, 2))


def _differences(rows: Sequence[Content]) -> Table:
    return Table(
        head=("what", "before", "now"),
        rows=tuple(row(one["path"], _value(one["before"]), _value(one["after"])) for one in rows),
        widths=(2, 2, 2),
    )


def _metrics(rows: Sequence[Content]) -> Table:
    shown = [one for one in rows if one["label"] in ("mean", "macro")]
    return Table(
        head=("metric", "before", "now", "difference"),
        rows=tuple(
            row(
                words(one["metric"]),
                value_cell(one["before"], digits=3),
                value_cell(one["after"], digits=3),
                Cell(
                    text="–" if one["difference"] is None else f"{one['difference']:+.3f}".replace("-", "−")
                ),
            )
            for one in shown
        ),
        numeric=frozenset({1, 2, 3}),
        widths=(2, 1.5, 1.5, 1),
    )


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "none"


def _number(value: int | None) -> str:
    return "not known" if value is None else str(value)


def _value(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{key}: {item}" for key, item in value.items())
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
