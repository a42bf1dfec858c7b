"""How the monitor chooses cases: the strategy that the parameters name, and what the experts' answers taught."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from components.acquisition.arm_verdict import ArmVerdict, judge_arms
from components.acquisition.choice import Strategy
from components.acquisition.cost_model import MinutesModel, fit_minutes
from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.params import AcquisitionParams
from components.acquisition.strategies import DEFAULT
from components.adapters.installed_strategies import find_strategy
from components.cohort.task import Task
from components.models.prediction import Predictor
from components.operations.acquire import Acquisition
from components.operations.monitor_window import MonitorParams
from components.registry.ledger import Ledger
from pipelines.answered_requests import answered_minutes, measured_answers
from pipelines.composition import Services
from pipelines.labelled_scorecards import labelled_scorecards
from pipelines.params import load_section
from pipelines.requests import RequestsParams
from pipelines.workspace import Workspace


def acquisition_of(workspace: Workspace, task: Task, *, strategy: str) -> Acquisition:
    """As the parameters say, before any answer: the strategy alone, the stated minutes.

    Raises ``ParameterError`` for a strategy that nobody has.
    """
    params = load_section(AcquisitionParams, workspace.params, "acquisition")
    stated = load_section(RequestsParams, workspace.params, "requests").budget_minutes[task]
    return Acquisition(
        name=strategy,
        strategy=_strategy(strategy, params),
        baseline=_strategy(params.baseline, params),
        shadow_share=params.shadow.share,
        minutes=MinutesModel(base=max(stated, 0.1)),
    )


def learned_acquisition(
    services: Services, task: Task, predictor: Predictor, model_version: str
) -> Acquisition:
    """The same with the experts' time learned, the arms judged, and the labelled patients seen by this model.

    Answers are measured once; the ledger keeps each error and, when it changes, which arm leads.
    """
    workspace, store = services.workspace, services.store
    monitored = load_section(MonitorParams, workspace.params, "monitor", task)
    params = load_section(AcquisitionParams, workspace.params, "acquisition")
    plain = acquisition_of(workspace, task, strategy=monitored.strategy)
    minutes = fit_minutes(
        answered_minutes(workspace, task, store), stated=plain.minutes.base, params=params.minutes
    )
    answers, new = measured_answers(workspace, task, store, store)
    arms = judge_arms(answers, params.shadow, np.random.default_rng(monitored.seed))
    _enter(store, task, arms, new)
    labelled = labelled_scorecards(workspace, task, predictor, model_version)
    return replace(plain, minutes=minutes, arms=arms, labelled=labelled)


def _strategy(name: str, params: AcquisitionParams) -> Strategy:
    found = find_strategy(name)
    return FailureCoverage(params=params.failure_coverage) if name == DEFAULT else found


def _enter(ledger: Ledger, task: Task, arms: ArmVerdict, new: dict[str, float]) -> None:
    """Write down what was measured, and who leads where that is new."""
    earlier = [entry.payload["kind"] for entry in ledger.entries("acquisition") if entry.subject == task]
    if not new and (earlier[-1:] or ["not enough evidence"]) == [arms.kind]:
        return
    numbers = {
        name: value if not isinstance(value, float) or math.isfinite(value) else None
        for name, value in vars(arms).items()
    }
    measured = {request: error if math.isfinite(error) else None for request, error in new.items()}
    ledger.append("acquisition", task, {**numbers, "leads": arms.leads, "answers": measured})
