"""``ctloop bench gate``: how often the gate lets a worse model pass, and a better one.

The least favourable challengers: far better wherever they may be, and worse by exactly the margin in one stratum, one
structure or one finding. Each trial draws a test set and is judged by the gate of production with its shipped
parameters. Beside them, small networks that were really trained, see ``pipelines.bench.gate_networks``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from components.cohort.task import TASKS, Task
from components.registry.gate_params import GateParams
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.claims import Claim
from pipelines.bench.gate_trials import FINDINGS, NEW, OLD, Scenario, passed
from pipelines.params import load_section
from pipelines.progress import bar

PATIENTS, FEW = 40, 20
USEFUL_GAIN, FAR_BETTER = 0.02, 0.12
_AT_A_TIME = 50
_TRIALS: dict[Size, tuple[int, int]] = {"small": (5000, 500), "full": (10_000, 2000)}  # worse, better


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Of the trials of all seeds."""

    scenario: Scenario
    trials: int
    passed: int

    @property
    def rate(self) -> float:
        return self.passed / self.trials

    @property
    def upper_95(self) -> float:
        """One-sided (Clopper & Pearson 1934)."""
        if self.passed == self.trials:
            return 1.0
        return float(stats.beta.ppf(0.95, self.passed + 1, self.trials - self.passed))

    def row(self) -> dict[str, Any]:
        told = {key: value for key, value in asdict(self.scenario).items() if value != {}}
        return {
            **told,
            "trials": self.trials,
            "passed": round(self.rate, 4),
            "upper_95": round(self.upper_95, 4),
        }


def bench(request: BenchRequest) -> BenchResult:
    """Claims over all seeds."""
    from pipelines.bench.gate_figure import draw_gate
    from pipelines.bench.gate_networks import judge_networks

    params = shipped_params()
    worse, better = worse_by_the_margin(params), usefully_better()
    rates = {
        **_rates(worse, request.seeds, _TRIALS[request.size][0]),
        **_rates(better, request.seeds, _TRIALS[request.size][1]),
    }
    networks = [judge_networks(seed, params["segmentation"], request.out) for seed in request.seeds]
    wrong = [rates[scenario.name] for scenario in worse]
    power = [rates[scenario.name] for scenario in better if scenario.patients == PATIENTS]
    claims = [
        Claim(id="type_one_error", measured=max(r.upper_95 for r in wrong), relation="<=", bound=0.06),
        Claim(id="power_at_useful_gain", measured=min(r.rate for r in power), relation=">=", bound=0.8),
        *(
            Claim(id=name, measured=float(all(found[name] for found in networks)), relation=">=", bound=1.0)
            for name in ("leak_refused", "small_n_refused", "forgetting_refused")
        ),
    ]
    tables = {
        "parameters": {task: asdict(params[task]) for task in TASKS},
        "worse_by_the_margin": [r.row() for r in wrong],
        "better": [rates[scenario.name].row() for scenario in better],
        "networks": [found["rows"] for found in networks],
    }
    return BenchResult(claims=claims, tables=tables, figure=draw_gate(list(rates.values()), networks))


def shipped_params() -> dict[Task, GateParams]:
    """Section ``gate`` as ctloop ships it."""
    path = Path(__file__).parents[1] / "params.yaml"
    return {task: load_section(GateParams, path, "gate", task) for task in TASKS}


def worse_by_the_margin(params: dict[Task, GateParams]) -> tuple[Scenario, ...]:
    """Challengers that must not pass, as hard to tell as there are."""
    heart, chest = params["segmentation"], params["classification"]
    return (
        Scenario(
            name="old stratum worse", task="segmentation", patients=PATIENTS, gain=FAR_BETTER,
            gains={OLD: -heart.margin},
        ),
        Scenario(
            name="old stratum worse, few patients", task="segmentation", patients=FEW, gain=FAR_BETTER,
            gains={OLD: -heart.margin},
        ),
        Scenario(
            name="one structure worse", task="segmentation", patients=PATIENTS, gain=FAR_BETTER,
            gains={"aorta": -heart.part_margin},
        ),
        Scenario(
            name="one finding worse", task="classification", patients=PATIENTS, gain=0.1,
            gains={FINDINGS[-1]: -chest.part_margin},  # which half of the patients have
        ),
        Scenario(name="all worse", task="segmentation", patients=PATIENTS, gain=-heart.margin),
    )  # fmt: skip


def usefully_better() -> tuple[Scenario, ...]:
    """Challengers that should pass; how many patients that takes."""
    return (
        Scenario(name="Dice +0.02, 40 patients", task="segmentation", patients=PATIENTS, gain=USEFUL_GAIN),
        Scenario(name="AUROC +0.02, 40 patients", task="classification", patients=PATIENTS, gain=USEFUL_GAIN),
        Scenario(name="Dice +0.02, 20 patients", task="segmentation", patients=FEW, gain=USEFUL_GAIN),
        Scenario(name="AUROC +0.02, 160 patients", task="classification", patients=4 * PATIENTS, gain=USEFUL_GAIN),
        Scenario(name="AUROC +0.05, 40 patients", task="classification", patients=PATIENTS, gain=0.05),
        Scenario(
            name="new stratum repaired, Dice +0.05", task="segmentation", patients=PATIENTS, gain=0.0, gains={NEW: 0.05}
        ),
    )  # fmt: skip


def _rates(scenarios: Sequence[Scenario], seeds: Sequence[int], trials: int) -> dict[str, Rate]:
    """By name, of ``trials`` that the seeds share; in processes of one thread each."""
    params, per_seed = shipped_params(), -(-trials // len(seeds))
    chunks = [range(start, min(start + _AT_A_TIME, per_seed)) for start in range(0, per_seed, _AT_A_TIME)]
    jobs = [(s, params[s.task], seed, chunk) for s in scenarios for seed in seeds for chunk in chunks]
    counts = {scenario.name: [0, 0] for scenario in scenarios}
    show = bar("judging simulated challengers", "chunk")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        running = {processes.submit(passed, *job): job[0].name for job in jobs}
        for done, future in enumerate(as_completed(running), start=1):
            found = future.result()
            counts[running[future]][0] += len(found)
            counts[running[future]][1] += int(np.sum(found))
            show(done, len(jobs))
    return {s.name: Rate(scenario=s, trials=counts[s.name][0], passed=counts[s.name][1]) for s in scenarios}
