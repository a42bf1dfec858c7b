"""What the model would change about reading, and what its labels have cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.figures.canvas import on_both_papers, png
from pipelines.figures.positives_read import draw_positives_read
from pipelines.pilot.document import (
    Block,
    Bullets,
    Callout,
    Facts,
    Picture,
    Section,
    Subtitle,
    Table,
    Tone,
    Words,
    row,
)
from pipelines.pilot.phrases import range_cells, tag, value_cell, value_words
from pipelines.render import number

Content = Mapping[str, Any]
_SETTINGS = {"backlog": "backlog, all wait at the start", "queue": "queue, studies arrive"}
_WAITS = {
    "wait_positive": "mean wait, with a finding",
    "wait_negative": "mean wait, without",
    "read_100": "until the last with a finding is read",
    "longest_positive": "longest wait, with a finding",
}
_HOURS_TONES: Mapping[str, Tone] = {"hours are saved": "good", "hours are lost": "bad"}


def hours_chapter(content: Content) -> Section:
    return Section(
        title="Hours, under stated assumptions",
        blocks=(
            Words(
                text="Computed, not observed: nobody has read with this model. It holds if its assumptions do."
            ),
            Subtitle(text="Hours of reading a year"),
            *_hours(content["hours"]),
            Subtitle(text="Time until a study with a finding is read"),
            *_queue(content["queue"]),
        ),
    )


def cost_chapter(content: Content) -> Section:
    labels = content["labels"]
    return Section(
        title="Cost of an accepted label",
        blocks=(
            Facts(
                items=(
                    ("requests opened", str(labels["opened"])),
                    ("labels accepted", str(labels["accepted"])),
                    ("answers replaced", str(labels["replaced"])),
                    ("requests cancelled", str(labels["cancelled"])),
                    ("still open", str(labels["open"])),
                )
            ),
            *_spent(labels),
            Words(text=_refused(labels), note=True),
        ),
    )


def _hours(hours: Content | None) -> Iterator[Block]:
    if hours is None:
        yield Callout(
            title="No assumptions were stated: no hours are computed",
            text="They stand in pilot_report.hours of pipelines/params.yaml: studies a year, and minutes for a study "
            "today, for a flagged one and for one that is not.",
            tone="wait",
        )
        return
    saved, missed = hours["saved_hours"], hours["missed_studies"]
    low, central, high = range_cells(saved)
    lost, expected, most = range_cells(missed)
    yield Callout(
        title=hours["verdict"][0].upper() + hours["verdict"][1:],
        text=f"Saved: {central} hours a year ({low} to {high}). Studies a year with a finding that would not be "
        f"flagged: {expected} ({lost} to {most}).",
        tone=_HOURS_TONES.get(hours["verdict"], "wait"),
    )
    yield _assumptions(hours)
    yield Words(
        text="Saved = studies × (minutes today − flagged share × minutes flagged − unflagged share × minutes "
        "unflagged) / 60. The ends are the least and the most over every combination of the ends above, so that they "
        "hold for any of them; how likely an assumption is, nobody knows. If one end is 0 or less, no saving is shown. "
        "A study that is not flagged is still read here: its minutes are assumed, and that nobody overlooks more in "
        "fewer minutes is assumed too.",
        note=True,
    )


def _assumptions(hours: Content) -> Table:
    given = hours["assumptions"]
    stated = "assumed" if given["prevalence"] else "measured"
    flagged = "from sensitivity, specificity and the share assumed" if given["prevalence"] else "measured"
    rows = (
        ("studies a year", given["studies_per_year"], 1.0, "assumed"),
        ("minutes for a study today", given["minutes_per_study"], 1.0, "assumed"),
        ("minutes for a flagged study", given["minutes_flagged"], 1.0, "assumed"),
        ("minutes for an unflagged study", given["minutes_unflagged"], 1.0, "assumed"),
        ("studies with a finding, %", hours["prevalence"], 100.0, stated),
        ("studies flagged, %", hours["flagged"], 100.0, flagged),
        ("hours saved a year", hours["saved_hours"], 1.0, "computed"),
        ("studies a year with a finding, not flagged", hours["missed_studies"], 1.0, "computed"),
    )
    return Table(
        head=("", "low", "central", "high", "where from"),
        rows=tuple(row(name, *range_cells(item, factor), source) for name, item, factor, source in rows),
        numeric=frozenset({1, 2, 3}),
        widths=(4.2, 1.3, 1.3, 1.3, 3),
    )


def _queue(queue: Content) -> Iterator[Block]:
    simulation = queue["simulation"]
    if simulation is None:
        yield Callout(title="Nothing can be simulated", text=queue["missing"], tone="wait")
        return
    yield Words(
        text=f"Held-out studies ({simulation['studies']}: {simulation['positive']} with a finding, "
        f"{simulation['negative']} without, {simulation['unknown']} unknown) read in the order of the reading list, "
        "against first in, first out. No order makes readers faster: what some studies gain, others pay."
    )
    yield _waits(simulation)
    figure = draw_positives_read(simulation)
    width, _ = figure.get_size_inches()
    paper = png(figure, dpi=200)
    light, dark = on_both_papers(figure)
    yield Picture(
        paper=paper,
        light=light,
        dark=dark,
        alt="Studies with a finding read over hours of reading, in three orders",
        caption="A backlog of the held-out studies: expected number with a finding read. Bands: resampled patients.",
        width_inches=float(width),
    )
    yield Bullets(items=tuple(simulation["assumptions"]))


def _waits(simulation: Content) -> Table:
    rows = [
        row(
            title,
            words_of_setting,
            value_cell(part["orders"]["urgency"][metric], digits=0),
            value_cell(part["orders"]["fifo"][metric], digits=0),
            value_cell(part["difference"][metric], digits=0),
            tag(part["difference"][metric]["verdict"]),
        )
        for setting, words_of_setting in _SETTINGS.items()
        for part in (simulation[setting],)
        for metric, title in _WAITS.items()
        if metric in part["difference"]
    ]
    return Table(
        head=("minutes", "setting", "by urgency", "first in, first out", "difference", "verdict"),
        rows=tuple(rows),
        numeric=frozenset({2, 3, 4}),
        widths=(2.9, 2.4, 1.7, 1.7, 1.9, 2),
    )


def _spent(labels: Content) -> Iterator[Block]:
    if not labels["with_minutes"]:
        yield Callout(
            title="No accepted answer states its minutes: there is no cost",
            text=f"{labels['without_minutes']} accepted answers have none. A table of answers may have a column "
            "minutes, and `ctloop labels import --minutes` states them for a folder.",
            tone="wait",
        )
        return
    budget = labels["budget_minutes_per_label"]
    asked = f" ({number(budget)} were asked for)" if budget is not None else ""
    text = (
        f"Minutes for an accepted label: {value_words(labels['minutes_per_label'], digits=1)}{asked}; "
        f"{number(labels['minutes'])} minutes in all."
    )
    if labels["currency"]:
        money, currency = value_words(labels["cost_per_label"], digits=2), labels["currency"]
        text += (
            f" At {labels['cost_per_minute']:g} {currency} a minute: {money} {currency} for a label, "
            f"{labels['cost']:,.2f} {currency} in all."
        )
    else:
        text += (
            " What a minute costs stands in pilot_report.cost, and is not set: minutes are all that is known."
        )
    yield Words(text=text)
    yield Words(
        text=f"From the {labels['with_minutes']} accepted labels whose minutes are known; of "
        f"{labels['without_minutes']} they are not. Minutes of a replaced answer count for the label that replaced it. "
        "Intervals over patients. Answers to requests only; labels that came with the scans have no cost here.",
        note=True,
    )


def _refused(labels: Content) -> str:
    return (
        "A refused answer changes nothing and is not kept, so that its minutes are in no number above. Of "
        f"{labels['imports']} imports by `ctloop labels import`, of both tasks, {labels['imports_with_refusals']} "
        f"refused some answer; {labels['unasked']} accepted labels were asked for by no request."
    )
