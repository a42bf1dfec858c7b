"""Simulated test sets for ``ctloop bench gate``: two models' scores on the same patients, with a known difference.

Segmentation: a patient's Dice of five structures, two frames each; the difference of two models has a part that a
patient's structures share, one of its own, and heavy tails (Student's t with 5 degrees of freedom), together 0.03 of a
patient's mean Dice: as much as successive students of ``ctloop bench acquisition`` differ. Classification:
each finding's logit is that of a binormal model, so that probabilities mean what they say and its AUROC is
Phi(d / sqrt 2) (Green & Swets 1966); two models see a patient through correlated noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.cohort.findings import CT_RATE_FINDINGS
from components.cohort.task import Task
from components.operations.expert_frames import ExpertFrame, FrameScore, patient_table
from components.operations.gate_endpoints import endpoints_of
from components.registry.gate import judge
from components.registry.gate_params import GateParams
from components.registry.verdict import Verdict
from components.volume.volume import Volume

Floats = npt.NDArray[np.float64]
STRUCTURES = ("left_ventricle", "myocardium", "right_ventricle", "left_atrium", "aorta")
FINDINGS = CT_RATE_FINDINGS
OLD, NEW = "old", "new"
NEW_SHARE, FRAMES = 0.4, 2
DICE, DICE_SPREAD = 0.8, 0.06
SHARED_SPREAD, OWN_SPREAD, TAILS = 0.028, 0.035, 5
AUROC, CORRELATION = 0.85, 0.9
PREVALENCES = np.linspace(0.1, 0.5, len(FINDINGS))


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How a challenger differs from its champion.

    Args:
        gain: of a structure's Dice or a finding's AUROC.
        gains: the same by stratum, or by structure or finding, where it is another.
    """

    name: str
    task: Task
    patients: int
    gain: float
    gains: dict[str, float] = field(default_factory=dict)

    def of(self, part: str, stratum: str) -> float:
        return self.gains.get(part, self.gains.get(stratum, self.gain))


def verdict_of(scenario: Scenario, params: GateParams, rng: np.random.Generator) -> Verdict:
    """One drawn test set, judged as production judges."""
    new = round(NEW_SHARE * scenario.patients)
    strata = [OLD] * (scenario.patients - new) + [NEW] * new
    draw = _segmentation if scenario.task == "segmentation" else _classification
    frames, champion, challenger = draw(scenario, strata, rng)
    return judge(
        patient_table(scenario.task, frames, champion),
        patient_table(scenario.task, frames, challenger),
        training_patients=(),
        params=params,
        endpoints=endpoints_of(scenario.task, frames, champion, challenger, params),
    )


Drawn = tuple[list[ExpertFrame], list[FrameScore], list[FrameScore]]


def _segmentation(scenario: Scenario, strata: Sequence[str], rng: np.random.Generator) -> Drawn:
    shape = (len(strata), FRAMES, len(STRUCTURES))
    before = DICE + DICE_SPREAD * (rng.standard_normal((shape[0], 1, 1)) + 0.5 * rng.standard_normal(shape))
    unit = 1.0 / np.sqrt(TAILS / (TAILS - 2.0))
    shared = SHARED_SPREAD * unit * rng.standard_t(TAILS, (shape[0], 1, 1))
    own = OWN_SPREAD * unit * rng.standard_t(TAILS, shape)
    gain = np.array([[scenario.of(part, stratum) for part in STRUCTURES] for stratum in strata])[:, None]
    after = before + gain + shared + own
    frames = [_frame(i, stratum, None) for i, stratum in enumerate(strata) for _ in range(FRAMES)]
    tables: list[list[FrameScore]] = [
        [dict(zip(STRUCTURES, row.tolist(), strict=True)) for row in values.reshape(-1, len(STRUCTURES))]
        for values in (before, after)
    ]
    return frames, tables[0], tables[1]


def _classification(scenario: Scenario, strata: Sequence[str], rng: np.random.Generator) -> Drawn:
    shape = (len(strata), len(FINDINGS))
    truth = _with_both(rng.random(shape) < PREVALENCES)
    common, own_before, own_after = rng.standard_normal((3, *shape))
    tables: list[list[FrameScore]] = []
    for own, gains in ((own_before, False), (own_after, True)):
        auroc = AUROC + np.array(
            [[scenario.of(part, stratum) if gains else 0.0 for part in FINDINGS] for stratum in strata]
        )
        distance = np.sqrt(2.0) * stats.norm.ppf(auroc)
        seen = distance * truth + np.sqrt(CORRELATION) * common + np.sqrt(1.0 - CORRELATION) * own
        logit = np.log(PREVALENCES / (1.0 - PREVALENCES)) + distance * (seen - distance / 2.0)
        said = 1.0 / (1.0 + np.exp(-logit))
        tables.append([dict(zip(FINDINGS, row.tolist(), strict=True)) for row in said])
    frames = [
        _frame(i, stratum, dict(zip(FINDINGS, truth[i].astype(float).tolist(), strict=True)))
        for i, stratum in enumerate(strata)
    ]
    return frames, tables[0], tables[1]


def _with_both(truth_nk: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """At least one patient with and one without each finding."""
    truth_nk[0], truth_nk[1] = True, False
    return truth_nk


def _frame(number: int, stratum: str, findings: dict[str, float] | None) -> ExpertFrame:
    return ExpertFrame(
        frame_id=f"frame-{number:04d}",
        patient_id=f"patient-{number:04d}",
        stratum=stratum,
        fingerprint=str(number),
        volume=_never,
        expert=lambda: findings or {},
    )


def _never() -> Volume:
    raise RuntimeError("the scores of a simulated frame are drawn, nothing is read")


def passed(scenario: Scenario, params: GateParams, seed: int, trials: Sequence[int]) -> list[bool]:
    """Whether the challenger passed, of each of these trials."""
    return [
        verdict_of(scenario, params, np.random.default_rng([seed, trial, *scenario.name.encode()])).accepted
        for trial in trials
    ]
