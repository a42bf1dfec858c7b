"""A pilot report at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.pilot.phrases import words

_TIMINGS = {
    "before the data": "set before the evidence",
    "before the model": "set after judged patients had come in",
    "after the evaluation": "CHANGED AFTER THE EVALUATION",
    "contradicted": "CONTRADICTED BY THE MODEL'S ARCHIVE",
    "not committed": "NOT COMMITTED",
    "unknown": "set at an unknown time",
}


def as_text(content: Mapping[str, Any]) -> str:
    """The verdict with whatever is not met, the hours, how many uses are ruled out, and where the files lie."""
    verdict, hours = content["verdict"], content["hours"]
    lines = [
        f"pilot report on {content['model']['version']}, {content['model']['patients']} held-out patients"
    ]
    if verdict["outcome"] is None:
        lines.append("no criteria were set beforehand: no verdict")
    else:
        lines.append(
            f"verdict: {verdict['outcome']}; criteria {_TIMINGS[verdict['set_beforehand']['timing']]}"
        )
        lines += [
            f"  {words(one['about'])}, {words(one['criterion'])}: {one['outcome']}"
            for one in verdict["criteria"]
            if one["outcome"] != "met"
        ]
    lines.append(f"hours (computed): {hours['verdict'] if hours else 'no assumptions stated'}")
    lines.append(f"must not be used for: {len(content['not_for'])} lines")
    page = Path(content["report"])
    return "\n".join([*lines, f"report: {page}", f"PDF: {page.with_name('pilot.pdf')}"])
