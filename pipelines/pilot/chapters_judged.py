"""The verdict on the criteria, and what the model says of each finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.figures.canvas import on_both_papers, png
from pipelines.figures.finding_calls import draw_finding_calls
from pipelines.pilot.document import (
    Block,
    Bullets,
    Callout,
    Cell,
    Facts,
    Picture,
    Section,
    Table,
    Tone,
    Words,
    row,
)
from pipelines.pilot.phrases import date, share, share_cell, tag, value_cell, words

Content = Mapping[str, Any]
_TITLES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "workload": "share flagged",
    "macro_auroc": "macro AUROC",
    "max_calibration_error": "macro calibration error",
    "max_external_drop": "loss of macro AUROC there",
}
_IN_PERCENT = ("sensitivity", "specificity", "workload")
_VERDICTS: Mapping[str, tuple[str, Tone]] = {
    "met": ("All criteria are met", "good"),
    "not met": ("Not all criteria are met", "bad"),
    "not enough evidence": ("Not enough evidence to say that the criteria are met", "wait"),
}
_WORTHLESS = ("after the evaluation", "contradicted", "not committed")
_TIMINGS: Mapping[str, tuple[str, str, Tone]] = {
    "before the data": (
        "The criteria were set beforehand",
        "The commit that last changed them is older than all of the evidence.",
        "good",
    ),
    "before the model": (
        "The criteria were set after judged patients had come in, before the model was registered",
        "Whoever set them could have known the patients, not what this version says of them.",
        "wait",
    ),
    "after the evaluation": (
        "THE CRITERIA WERE CHANGED AFTER THE EVALUATION",
        "Whoever set them could have known what this model reaches. A verdict by such criteria shows nothing: judge a "
        "version on patients who came after them.",
        "bad",
    ),
    "contradicted": (
        "THE COMMIT AND THE MODEL'S ARCHIVE CONTRADICT EACH OTHER",
        "The commit says that the criteria are older than the model, but the parameters put away when the model was "
        "registered do not hold them. Nobody can rely on their having been set beforehand.",
        "bad",
    ),
    "not committed": (
        "THE CRITERIA ARE NOT COMMITTED",
        "Those on disk are not those of the last commit: nobody can tell when they were set. Commit "
        "pipelines/params.yaml, and judge a version on patients who come after.",
        "bad",
    ),
    "unknown": (
        "It cannot be told whether the criteria were set beforehand",
        "The time of some of the evidence is not known.",
        "wait",
    ),
}


def verdict_chapter(content: Content) -> Section:
    verdict = content["verdict"]
    if verdict["outcome"] is None:
        none = Callout(
            title="No criteria were set beforehand: this report gives no verdict",
            text="What a model must show stands in pilot_report.criteria of pipelines/params.yaml, committed before "
            "the patients that judge it come in.",
            tone="wait",
        )
        return Section(title="Verdict", blocks=(none, _facts(content)))
    title, tone = _VERDICTS[verdict["outcome"]]
    if verdict["set_beforehand"]["timing"] in _WORTHLESS:
        title, tone = f"{title}, and they were not set beforehand", "bad"
    sum_of = [one["outcome"] for one in verdict["criteria"]]
    counted = ", ".join(f"{sum_of.count(outcome)} {outcome}" for outcome in _VERDICTS if outcome in sum_of)
    return Section(
        title="Verdict",
        blocks=(
            Callout(title=title, text=f"Of {len(sum_of)} criteria: {counted}.", tone=tone),
            *_timing(verdict["set_beforehand"]),
            _facts(content),
            _criteria(verdict["criteria"]),
            Words(text=_rule(verdict["judged_by"], content["model"]["level"]), note=True),
        ),
    )


def findings_chapter(content: Content) -> Section:
    calls = content["findings"]
    picture = draw_finding_calls(calls, _bounds(content["verdict"]["criteria"]))
    width, _ = picture.get_size_inches()
    paper = png(picture, dpi=200)
    light, dark = on_both_papers(picture)
    return Section(
        title="Sensitivity and workload of each finding",
        blocks=(
            _calls(calls, content["any"]),
            Words(
                text="With, without: held-out patients, of whom an expert said so. Flagged: the share of all studies "
                "whose probability reaches the threshold; this is the workload. PPV and NPV hold for the mix of these "
                "patients only: where a finding is rarer, PPV is lower. Any: a study with, or flagged for, one or "
                f"more of the findings above. Thresholds come from: {content['model']['thresholds_from']}. Each "
                "interval is the wider, end by end, of a bootstrap over patients and of Wilson's for as many patients; "
                "the page of evaluate has the bootstrap alone, which has no width where all are right.",
                note=True,
            ),
            Picture(
                paper=paper,
                light=light,
                dark=dark,
                alt="Sensitivity, specificity and share flagged of each finding, with intervals",
                caption="Dots: measured; lines: intervals; upright bars: what was asked, where anything was.",
                width_inches=float(width),
            ),
            *_not_judged(content["findings_not_judged"]),
        ),
    )


def _facts(content: Content) -> Facts:
    model = content["model"]
    return Facts(
        items=(
            ("patients judged", str(model["patients"])),
            ("findings judged", f"{len(content['findings'])} of {len(model['predicted'])}"),
            ("macro AUROC", value_cell(model["auroc"], digits=3).text),
            ("studies flagged", share(content["any"]["workload"]["value"])),
            ("scans failed", str(model["frames_failed"])),
        )
    )


def _timing(found: Content) -> Iterator[Block]:
    title, text, tone = _TIMINGS[found["timing"]]
    yield Callout(title=title, text=text, tone=tone)
    change = found["change"]
    lines = [
        f"criteria last changed: commit {change['commit'][:12]}, {date(change['at'])} (changed in "
        f"{change['changes']} commit{'s' if change['changes'] != 1 else ''} in all)"
        if change
        else "criteria last changed: not in any commit"
    ]
    lines += [f"{moment['what']}: {date(moment['at'])}" for moment in found["moments"]]
    archived = found["archived_with_the_model"]
    lines.append(
        "parameters archived with the model: "
        + {True: "hold the same criteria", False: "hold other criteria, or none", None: "none"}[archived]
    )
    yield Bullets(items=tuple(lines))
    yield Words(
        text="Times in UTC, of the commits and stores, as the machines that wrote them said.",
        note=True,
    )


def _criteria(criteria: Any) -> Table:
    return Table(
        head=("about", "criterion", "asked", "measured", "patients", "outcome"),
        rows=tuple(
            row(
                words(one["about"]),
                _TITLES[one["criterion"]],
                f"{'≥' if one['at_least'] else '≤'} {_bound(one)}",
                _measured(one),
                f"{one['patients']} of {one['needed']} needed"
                if one["patients"] < one["needed"]
                else str(one["patients"]),
                tag(one["outcome"]),
            )
            for one in criteria
        ),
        numeric=frozenset({2, 3, 4}),
        widths=(3.4, 2.4, 1.2, 1.7, 1.5, 2.3),
    )


def _measured(one: Content) -> Cell:
    if one["criterion"] in _IN_PERCENT:
        return share_cell(one["measured"])
    return value_cell(one["measured"], digits=3)


def _bound(one: Content) -> str:
    return f"{100 * one['bound']:.4g} %" if one["criterion"] in _IN_PERCENT else f"{one['bound']:.3g}"


def _rule(judged_by: str, level: float) -> str:
    tail = f"an error of {100 * (1 - level) / 2:.3g} % on that side"
    rules = {
        "interval": "A criterion is met when the conservative end of its interval meets it (the lower end of what must "
        f"be high, the upper end of what must be low; {tail}), not met when the other end fails it too, and else there "
        "is not enough evidence.",
        "value": "By choice in params.yaml a criterion is met when the value meets it; the interval is shown and does "
        "not judge: chance alone may have met it.",
    }
    return (
        f"{rules[judged_by]} With fewer patients than needed there is not enough evidence. Patients: with the finding "
        "for a sensitivity, without it for a specificity, in all for the rest. All criteria must be met, so that none "
        "is corrected for their number."
    )


def _bounds(criteria: Any) -> dict[tuple[str, str], float]:
    return {(one["about"], one["criterion"]): one["bound"] for one in criteria}


def _calls(calls: Content, whole: Content) -> Table:
    return Table(
        head=(
            "finding",
            "with",
            "without",
            "flagged from",
            "sensitivity",
            "specificity",
            "PPV",
            "NPV",
            "flagged",
        ),
        rows=tuple(
            row(
                words(name),
                str(one["positives"]),
                str(one["negatives"]),
                "any" if one is whole else f"{one['threshold']:.2f}",
                *(
                    share_cell(one[metric])
                    for metric in ("sensitivity", "specificity", "ppv", "npv", "workload")
                ),
            )
            for name, one in {**calls, "any": whole}.items()
        ),
        numeric=frozenset(range(1, 9)),
        widths=(2.8, 0.9, 1.3, 1.45, 1.75, 1.75, 1.7, 1.7, 1.7),
    )


def _not_judged(findings: Content) -> Iterator[Block]:
    if findings:
        listed = ", ".join(f"{words(name)} ({count['positives']} with)" for name, count in findings.items())
        yield Words(
            text=f"Nothing can be said of {listed}: too few held-out patients have them, or have them not."
        )
