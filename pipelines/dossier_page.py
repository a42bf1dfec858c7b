"""A dossier as a page that a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.dossier_changes import changes_chapter, limits_chapter
from pipelines.pilot.document import (
    Block,
    Bullets,
    Callout,
    Cell,
    Document,
    Facts,
    Section,
    Subtitle,
    Table,
    Words,
    row,
)
from pipelines.pilot.phrases import date, value_cell, words
from pipelines.render import number, render

Content = Mapping[str, Any]
_SHOWN = (
    "dice",
    "hd95_mm",
    "surface_dice",
    "volume_error_relative",
    "auroc",
    "sensitivity",
    "specificity",
    "ece",
)
_MEANS = ("mean", "macro")
_SIDES = {"train": "trained on", "test": "held out"}


def page_of(content: Content) -> str:
    """HTML of dossier.json, or of what ``ctloop dossier`` makes of it, which knows the version and its history."""
    return render("pilot.html", document=document_of(content))


def document_of(content: Content) -> Document:
    identity, card = content["identity"], content["model_card"]
    registered = content.get("registered")
    called = registered["version"] if registered else identity["name"]
    title = {"segmentation": "Segmentation of cardiac CT", "classification": "Findings in chest CT"}
    history = (_history_chapter(registered),) if registered else ()
    return Document(
        title=f"Quality dossier: {title[identity['task']]}",
        eyebrow=f"ctloop dossier · {called} · package {identity['package_hash'][:12]}",
        lead="Model card, data, labels, tests, changes, risks and what retraining may change by itself, as they were "
        "when the model was registered. Patients and annotators are pseudonyms, and only counted here.",
        sections=(
            _card_chapter(content),
            _details_chapter(card),
            _data_chapter(content["data"]),
            _labels_chapter(content["labels"]),
            _tests_chapter(content),
            changes_chapter(content["changes"]),
            _risks_chapter(content["risks"]),
            limits_chapter(content["change_control"]),
            *history,
        ),
        foot=f"ctloop dossier · {called}, package {identity['package_hash']} · not a medical device",
    )


def _card_chapter(content: Content) -> Section:
    card = content["model_card"]
    use, caveats = card["intended_use"], card["caveats_and_recommendations"]
    missing = content["not_stated"]
    blocks: list[Block] = []
    if missing:
        blocks.append(
            Callout(
                title="Not stated by whoever is responsible",
                text=f"{', '.join(map(words, missing))}: section dossier of pipelines/params.yaml, before the model "
                "is registered.",
                tone="wait",
            )
        )
    blocks.append(
        Facts(
            items=(
                ("patients who judged it", str(content["tests"]["patients"])),
                ("patients it learned from", _known(card["training_data"]["patients"])),
                ("labels it learned from", _counts(card["training_data"]["labels"])),
                ("owner", card["model_details"]["owner"] or "not stated"),
            )
        )
    )
    for heading, stated in (
        ("Intended use", use["primary_intended_uses"]),
        ("Intended users", use["primary_intended_users"]),
        ("Out of scope", use["out_of_scope_use_cases"]),
        ("Known limits", caveats["stated"]),
        ("Limits that its own numbers show", caveats["found"]),
        ("Ethical considerations", card["ethical_considerations"]),
    ):
        blocks += [Subtitle(text=heading), *_listed(stated)]
    return Section(title="Model card", blocks=tuple(blocks))


def _details_chapter(card: Content) -> Section:
    details = card["model_details"]
    contract = details["input"] or {}
    shown = {
        "license": details["license"] or "not stated",
        "parent": details["parent"] or "none",
        "code": details["git_commit"] or "not known",
        "seed": _known(details["seed"]),
        "weights (sha256)": details["weights_sha256"],
        "came from": details["source"] or "the stages of this workspace",
        "expects": _contract(contract),
        "answers": ", ".join(map(words, details["label_names"] or ())),
    }
    return Section(title="The model", blocks=(_pairs("what", "value", shown), *_thresholds(card["metrics"])))


def _thresholds(metrics: Content) -> Iterator[Block]:
    """None for label maps."""
    if thresholds := metrics["decision_thresholds"]:
        called = ", ".join(f"{words(name)} {value:.2f}" for name, value in sorted(thresholds.items()))
        text = f"A finding is called from a probability of: {called}. From: {metrics['thresholds_from']}."
        yield Words(text=text, note=True)


def _data_chapter(data: Content) -> Section:
    if not data["sides"]:
        return Section(title="Data", blocks=(Words(text="Whose scans it learned from is not known here."),))
    rows = [
        row(what, *(_side_value(data["sides"][side], what) for side in _SIDES))
        for what in ("patients", "cases", "frames", "years")
    ]
    blocks: list[Block] = [
        Table(head=("", *_SIDES.values()), rows=tuple(rows), numeric=frozenset({1, 2}), widths=(2, 1, 1)),
        Subtitle(text="Patients of each group"),
        _groups(data["sides"]),
        Subtitle(text="Hashes of the data"),
        _pairs("path", "hash", data["hashes"]),
    ]
    return Section(title="Data", blocks=tuple(blocks))


def _groups(sides: Content) -> Table:
    rows = []
    for name in sides["train"]["groups"]:
        counts = [sides[side]["groups"][name] for side in _SIDES]
        for value in sorted({*counts[0], *counts[1]}):
            rows.append(row(name, value, *(str(count.get(value, 0)) for count in counts)))
    return Table(
        head=("group", "", *_SIDES.values()), rows=tuple(rows), numeric=frozenset({2, 3}), widths=(1, 2, 1, 1)
    )


def _labels_chapter(labels: Content) -> Section:
    blocks: list[Block] = [
        Facts(
            items=(
                ("training counted", _counts(labels["trained_on"])),
                ("label set", str(labels["label_set"] or "not known")[:12]),
                ("labels that judge", _counts(labels["sides"]["test"])),
                ("requests answered", str(labels["requests_answered"])),
            )
        ),
        Subtitle(text="Annotators"),
    ]
    if labels["annotators"]:
        rows = [
            row(
                one["annotator"],
                str(one.get("train", 0)),
                str(one.get("test", 0)),
                number(one["minutes"]),
                str(one["with_minutes"]),
            )
            for one in labels["annotators"]
        ]
        blocks.append(
            Table(
                head=("pseudonym or role", "trained on", "held out", "minutes", "labels that state them"),
                rows=tuple(rows),
                numeric=frozenset({1, 2, 3, 4}),
                widths=(2, 1, 1, 1, 1.5),
            )
        )
    else:
        blocks.append(Words(text="No expert's label is among them."))
    blocks += [Subtitle(text="Teachers"), *_teachers(labels["teachers"])]
    return Section(title="Labels", blocks=tuple(blocks))


def _teachers(teachers: Sequence[Content]) -> Iterator[Block]:
    if not teachers:
        yield Words(text="None: no label was made by a model or taken from a neighbouring frame.")
        return
    yield Table(
        head=("teacher and version", "fingerprint", "labels"),
        rows=tuple(
            row(one["teacher"], str(one["fingerprint"] or "–")[:16], str(one["labels"])) for one in teachers
        ),
        numeric=frozenset({2}),
        widths=(2, 2, 1),
    )


def _tests_chapter(content: Content) -> Section:
    tests, metrics = content["tests"], content["model_card"]["metrics"]
    gate = metrics["floors"]["gate"]
    blocks: list[Block] = [
        Words(
            text=f"{tests['patients']} held-out patients, by labels of experts only. Intervals hold "
            f"{100 * metrics['level']:.0f} %, {metrics['variation']}, {metrics['draws']} draws. The gate asks of a "
            f"challenger to lose at most {gate['margin']:g} on any stratum, and of a first model to exceed "
            f"{gate['floor']:g}, with at least {gate['min_patients']} patients."
        ),
        _results(tests["metrics"]),
    ]
    if tests["strata"]:
        blocks += [Subtitle(text="Each stratum apart"), _strata(tests["strata"])]
    else:
        blocks.append(Words(text="Nothing known of the test patients divides them into strata."))
    blocks.append(
        Words(text="Every further metric is in dossier.json and in the page of evaluate.", note=True)
    )
    return Section(title="Test evidence", blocks=tuple(blocks))


def _results(rows: Sequence[Content]) -> Block:
    shown = [one for one in rows if one["metric"] in _SHOWN]
    if not shown:
        return Words(text="No metric could be computed.")
    names = [name for name in _SHOWN if any(one["metric"] == name for one in shown)]
    labels = sorted(dict.fromkeys(one["label"] for one in shown), key=lambda label: label not in _MEANS)
    found = {(one["metric"], one["label"]): one for one in shown}
    return Table(
        head=("", *map(words, names)),
        rows=tuple(
            row(words(label), *(value_cell(found.get((name, label)), digits=3) for name in names))
            for label in labels
        ),
        numeric=frozenset(range(1, len(names) + 1)),
        widths=(2, *[1.4] * len(names)),
    )


def _strata(strata: Sequence[Content]) -> Table:
    names = [
        name
        for name in _SHOWN
        if any(
            one["metric"] == name and one["label"] in _MEANS for group in strata for one in group["metrics"]
        )
    ]
    return Table(
        head=("stratum", "", "patients", *map(words, names)),
        rows=tuple(
            row(group["stratum"], group["value"], str(group["patients"]), *_stratum(group, names))
            for group in strata
        ),
        numeric=frozenset(range(2, 3 + len(names))),
        widths=(1.4, 2, 1, *[1.4] * len(names)),
    )


def _stratum(group: Content, names: Sequence[str]) -> list[Cell]:
    found = {one["metric"]: one for one in group["metrics"] if one["label"] in _MEANS}
    if not group["judged"]:
        return [Cell(text="too few") for _ in names]
    return [value_cell(found.get(name), digits=3) for name in names]


def _risks_chapter(risks: Sequence[Content]) -> Section:
    if not risks:
        text = "Nobody stated a risk. That does not mean that there is none."
        return Section(title="Risks", blocks=(Callout(title="No risk is stated", text=text, tone="wait"),))
    return Section(
        title="Risks",
        blocks=(
            Table(
                head=("risk", "severity", "mitigation", "what remains"),
                rows=tuple(
                    row(one["risk"], one["severity"] or "–", one["mitigation"], one["residual"] or "–")
                    for one in risks
                ),
                widths=(2, 1, 2, 1.5),
            ),
        ),
    )


def _history_chapter(registered: Content) -> Section:
    rows = tuple(row(date(one["at"]), one["kind"], one["what"]) for one in registered["history"])
    return Section(
        title="Since it was registered",
        blocks=(
            Facts(
                items=(
                    ("registered", date(registered["created_at"])),
                    ("is now", ", ".join(registered["aliases"]) or "no alias"),
                    ("archive", registered["archive_hash"][:12]),
                )
            ),
            Table(head=("when", "entry of the ledger", "what it says"), rows=rows, widths=(1.2, 1, 4)),
        ),
    )


def _side_value(side: Content, what: str) -> str:
    value = side[what]
    if what != "years":
        return str(value)
    return "not known" if value is None else " to ".join(dict.fromkeys(value))


def _contract(contract: Content) -> str:
    if not contract:
        return "not known"
    spacing = " × ".join(f"{mm:g}" for mm in contract["spacing_mm"])
    low, high = contract["window_hu"]
    shape = " × ".join(map(str, contract["shape"]))
    return (
        f"any CT grid, resampled to {spacing} mm (z, y, x); {low:g} to {high:g} HU; {shape} voxels at a time"
    )


def _pairs(first: str, second: str, values: Mapping[str, Any]) -> Table:
    rows = tuple(row(name, str(value)) for name, value in values.items())
    return Table(head=(first, second), rows=rows, widths=(1, 3))


def _listed(sentences: Sequence[str]) -> Iterator[Block]:
    yield Bullets(items=tuple(sentences)) if sentences else Words(text="Not stated.", note=True)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none known"


def _known(value: Any) -> str:
    return "not known" if value is None else str(value)
