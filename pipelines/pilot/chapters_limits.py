"""What drifted, what the model must not be used for, and what all of this rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.pilot.document import Block, Callout, Cell, Section, Subtitle, Table, Words, row
from pipelines.pilot.phrases import date, share, tag, words
from pipelines.render import measured, number

Content = Mapping[str, Any]


def drift_chapter(content: Content) -> Section:
    return Section(title="What drifted", blocks=tuple(_drift(content["drift"], content["model"]["version"])))


def not_for_chapter(content: Content) -> Section:
    lines = content["not_for"]
    return Section(
        title="What the model must not be used for",
        blocks=(
            Table(
                head=("not for", "because"),
                rows=tuple(row(Cell(text=line["what"]), line["why"]) for line in lines),
                widths=(4, 5),
            ),
            Words(
                text="Derived from what was judged, from the criteria and from the monitor, and from not_for of "
                "params.yaml. What is not listed is not thereby allowed.",
                note=True,
            ),
        ),
    )


def inputs_chapter(content: Content) -> Section:
    return Section(
        title="What this report rests on",
        blocks=(
            Table(
                head=("what", "name", "sha256 or commit", "time"),
                rows=tuple(
                    row(one["what"], one["name"], one["identity"][:16] or "–", date(one["at"]))
                    for one in content["inputs"]
                ),
                widths=(1.6, 4.6, 2.4, 2.2),
            ),
            Words(
                text="Times in UTC. Whole hashes and all numbers are in pilot.json beside this report. Requests "
                f"and answers are those of the workspace's database. Report {content['id']}: page, PDF and pilot.json "
                "name the same.",
                note=True,
            ),
        ),
    )


def _drift(rows: list[Content], version: str) -> Iterator[Block]:
    if not rows:
        yield Callout(
            title="No batch was watched",
            text="`ctloop monitor --task classification --batch NAME` compares a batch with the patients that judged "
            "the model.",
            tone="wait",
        )
        return
    if not any(one["in_use"] for one in rows):
        yield Callout(
            title="No batch was watched with the version in use",
            text=f"All verdicts below are of earlier versions; {version} has not been compared with any new batch.",
            tone="wait",
        )
    yield Table(
        head=("batch", "seen by", "when", "patients", "verdict", "why"),
        rows=tuple(
            row(
                one["batch"],
                one["model_version"],
                date(one["at"]),
                Cell(text=str(one["n_window"]), soft=f"against {one['n_reference']}"),
                tag(one["kind"]),
                one["reason"],
            )
            for one in rows
        ),
        numeric=frozenset({3}),
        widths=(1.1, 2.4, 2.1, 1.3, 1.7, 2.9),
    )
    watched = [one for one in rows if one["channels"]]
    if watched:
        yield Subtitle(text="Channel by channel")
        yield _channels(watched)
        yield Words(
            text="p: by permutation of patients, corrected over the channels (Holm); below "
            f"{number(watched[0]['alpha'])} it is an alarm. Moved most: the column whose distance grew most, and that "
            "distance.",
            note=True,
        )
    grown = [(one, stratum) for one in rows for stratum in one["strata"]]
    if grown:
        yield Subtitle(text="What there is more of")
        yield Table(
            head=("batch", "of", "value", "share when judged", "share in the batch"),
            rows=tuple(
                row(
                    one["batch"],
                    words(stratum["column"]),
                    str(stratum["value"]),
                    share(stratum["share_reference"]),
                    share(stratum["share_window"]),
                )
                for one, stratum in grown
            ),
            numeric=frozenset({3, 4}),
            widths=(1.5, 2, 3, 2, 2),
        )


def _channels(rows: list[Content]) -> Table:
    return Table(
        head=("batch", "channel", "moved most", "distance", "p", "alarm"),
        rows=tuple(
            row(
                one["batch"],
                channel["name"],
                measured(channel["column"]),
                Cell(text=number(channel["effect"]), soft=words(channel["effect_name"])),
                number(channel["p_holm"]),
                Cell(text="alarm", tone="bad") if channel["alarmed"] else Cell(text="no", tone="good"),
            )
            for one in rows
            for channel in one["channels"]
        ),
        numeric=frozenset({3, 4}),
        widths=(1.5, 1.8, 3.2, 2.4, 1.2, 1.2),
    )
