"""The chapters of a pilot report from its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.pilot.chapters_judged import findings_chapter, verdict_chapter
from pipelines.pilot.chapters_limits import drift_chapter, inputs_chapter, not_for_chapter
from pipelines.pilot.chapters_work import cost_chapter, hours_chapter
from pipelines.pilot.document import Document

Content = Mapping[str, Any]


def document_of(content: Content) -> Document:
    """Args:
    content: of pilot.json.
    """
    model = content["model"]
    return Document(
        title="Pilot report: findings in chest CT",
        eyebrow=f"ctloop pilot-report · model {model['version']} · {content['written']}",
        lead=f"What a department needs to decide about this model. It was judged on {model['patients']} held-out "
        f"patients ({model['studies']} studies) with an expert's findings, {_trained(model['judged_who_trained'])}. "
        f"Intervals hold {100 * model['level']:.0f} %. Every patient counts once. No person is named: all numbers are "
        "of groups.",
        sections=(
            verdict_chapter(content),
            findings_chapter(content),
            hours_chapter(content),
            cost_chapter(content),
            drift_chapter(content),
            not_for_chapter(content),
            inputs_chapter(content),
        ),
        foot=f"ctloop pilot report {content['id']} · model {model['version']}, package "
        f"{model['package_hash'][:12]} · written {content['written']} · not a medical device",
    )


def _trained(who: int | None) -> str:
    if who is None:
        return "and the package does not name those who trained it"
    return f"of whom {who or 'none'} trained it"
