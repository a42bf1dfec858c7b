"""Whether what the champion promises of its own answers still holds; the ledger keeps each new verdict."""

from __future__ import annotations

from components.cohort.task import Task
from components.drift.coverage import CoverageVerdict, judge_coverage
from components.operations.monitor_window import MonitorParams
from components.operations.register_model import subject_of
from pipelines.composition import MODEL_NAMES, Services
from pipelines.params import load_section
from pipelines.returned_labels import promises_of, returned_labels


def check_coverage(services: Services, task: Task) -> CoverageVerdict | None:
    """By the returned labels of patients that neither taught nor judged the champion; ``None`` without a champion.

    Answers that were judged before cost nothing. A verdict that rests on the same answers as the last one is not
    entered again.
    """
    champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    if champion is None:
        return None
    params = load_section(MonitorParams, services.workspace.params, "monitor", task).coverage
    returned = returned_labels(services, task, champion)
    verdict = judge_coverage(promises_of(returned, chosen_too=params.answers == "all"), params)
    facts = {"task": task, "answers": params.answers, **verdict.as_json()}
    earlier = [e.payload for e in services.store.entries("coverage") if e.subject == subject_of(champion)]
    if verdict.promises and dict(earlier[-1] if earlier else {}) != facts:
        services.store.append("coverage", subject_of(champion), facts)
    return verdict
