"""What the stores know of expert answers: accepted, replaced, refused, and their minutes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from components.adapters.sql_store import SqlStore
from components.cohort.labels import LabelSidecar
from components.operations.evaluation import IntervalParams
from components.operations.label_cost import AnswerGiven, CostParams, label_cost
from pipelines.unread_studies import TASK
from pipelines.workspace import Workspace

_ACCEPTED = {"answer": False, "replace_answer": True}
IMPORTS = "labels import"


def labels_spent(
    workspace: Workspace, store: SqlStore, cost: CostParams | None, intervals: IntervalParams
) -> dict[str, Any]:
    """``label_cost`` of the task, and how many imports refused something.

    A refused answer changes nothing and is not kept, so that its minutes are unknown; only that an import refused
    some, of either task, is.
    """
    requests = store.requests(task=TASK)
    ours = [request.id for request in requests if request.status == "answered"]
    sidecars = (path.read_text() for path in sorted(workspace.answers(TASK).glob("*.sidecar.json")))
    given = [LabelSidecar.from_json(text) for text in sidecars]
    answers = _answers(store, ours, {one.request_id: one.minutes for one in given if one.request_id})
    unasked = [sidecar.minutes for sidecar in given if sidecar.request_id is None]
    imports = [job.status for job in store.jobs(IMPORTS)]
    return {
        **label_cost(requests, answers, unasked, cost, intervals),
        "imports": len(imports),
        "imports_with_refusals": imports.count("refused"),
    }


def _answers(
    store: SqlStore, ours: Collection[str], of_the_last: Mapping[str, float | None]
) -> list[AnswerGiven]:
    """Every accepted answer to these requests.

    Of the last one its sidecar knows the minutes: the same answer given again, with its minutes, is no new one.
    """
    lines = [line for line in store.audit_log() if line.action in _ACCEPTED and line.subject in ours]
    last = {line.subject: place for place, line in enumerate(lines)}
    return [
        AnswerGiven(
            request_id=line.subject,
            minutes=(of_the_last.get(line.subject) if place == last[line.subject] else None)
            or line.detail.get("minutes"),
            replaces=_ACCEPTED[line.action],
        )
        for place, line in enumerate(lines)
    ]
