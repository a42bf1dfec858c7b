"""Whether the strategy finds more error per expert minute than chance, or chance should lead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.choice import Arm
from components.errors import ParameterError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ShadowParams:
    """Of the shadow arm.

    Args:
        share: of a batch's cases that the arm gets which does not lead; 0 switches the comparison off.
        window: the newest so many answered patients are compared.
        min_patients: of each arm; fewer leave the strategy in the lead.
        alpha: the strategy leads while it is better than chance at this one-sided level.
        permutations: of arms over patients.
    """

    share: float = 0.2
    window: int = 60
    min_patients: int = 8
    alpha: float = 0.2
    permutations: int = 1999

    def __post_init__(self) -> None:
        enough = self.min_patients >= 2 and 2 * self.min_patients <= self.window and self.permutations >= 99
        if not enough or not 0 <= self.share <= 0.5 or not 0 < self.alpha < 1:
            raise ParameterError(
                expected="0 <= share <= 0.5, 2 <= min_patients <= window / 2, 0 < alpha < 1, permutations >= 99",
                got=str(self),
                hint="the shipped section `acquisition` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True)
class ArmAnswer:
    """An answered request of an arm: the error that the expert found in the model's answer, and the minutes."""

    patient_id: str
    arm: Arm
    error: float
    minutes: float


@dataclass(frozen=True, kw_only=True)
class ArmVerdict:
    """Which arm leads, and why.

    Args:
        kind: ``pays``, ``does not pay``, or ``not enough evidence``.
        n_strategy, n_random: answered patients of each arm.
        yield_strategy, yield_random: error found per expert minute; NaN without answers.
        p_value: one-sided, of the strategy being no better than chance; NaN without a test.
    """

    kind: Literal["pays", "does not pay", "not enough evidence"]
    n_strategy: int
    n_random: int
    yield_strategy: float
    yield_random: float
    p_value: float
    alpha: float

    @property
    def leads(self) -> Arm:
        """The arm that gets the larger share."""
        return "random" if self.kind == "does not pay" else "strategy"

    def words(self) -> str:
        """One sentence for a person."""
        counts = f"{self.n_strategy} patients chosen, {self.n_random} drawn at random"
        if self.kind == "not enough evidence":
            return f"the strategy leads: too few answers to compare it with chance ({counts})"
        found = f"{self.yield_strategy:.3g} of error found per minute, at random {self.yield_random:.3g}"
        lead = (
            "the strategy leads" if self.kind == "pays" else "chance leads until the strategy is better again"
        )
        return f"{lead}: {found} ({counts}; one-sided p = {self.p_value:.3g}, level {self.alpha:g})"


def judge_arms(
    answers: Sequence[ArmAnswer], params: ShadowParams, generator: np.random.Generator
) -> ArmVerdict:
    """Compare what the arms found, over the newest answered patients.

    The yield of an arm is the sum of its errors over the sum of its minutes. Null hypothesis: arms are exchangeable
    between patients; p is the share of permutations whose difference in yield is at least the one seen
    (with the one seen among them).

    Args:
        answers: oldest first; frames of one patient are one unit.
    """
    table = _by_patient(answers).tail(params.window)
    chosen = (table["arm"] == "strategy").to_numpy(dtype=bool)
    errors, minutes = table["error"].to_numpy(np.float64), table["minutes"].to_numpy(np.float64)
    counts = (int(chosen.sum()), int((~chosen).sum()))
    yields = tuple(
        float(errors[arm].sum() / minutes[arm].sum()) if arm.any() else float("nan")
        for arm in (chosen, ~chosen)
    )
    if min(counts) < params.min_patients:
        p_value = float("nan")
    else:
        p_value = _p_value(errors, minutes, chosen, params.permutations, generator)
    return ArmVerdict(
        kind="not enough evidence"
        if np.isnan(p_value)
        else "pays"
        if p_value <= params.alpha
        else "does not pay",
        n_strategy=counts[0],
        n_random=counts[1],
        yield_strategy=yields[0],
        yield_random=yields[1],
        p_value=p_value,
        alpha=params.alpha,
    )


def _by_patient(answers: Sequence[ArmAnswer]) -> pd.DataFrame:
    """One row per patient in the order of its last answer; what is no number, or took no time, is left out."""
    told = [
        answer
        for answer in answers
        if np.isfinite(answer.error) and np.isfinite(answer.minutes) and answer.minutes > 0
    ]
    table = pd.DataFrame([vars(answer) for answer in told], columns=["patient_id", "arm", "error", "minutes"])
    table["at"] = np.arange(len(table))
    grouped = table.groupby(["patient_id", "arm"], sort=False).agg(
        error=("error", "sum"), minutes=("minutes", "sum"), at=("at", "max")
    )
    return grouped.reset_index().sort_values("at")


def _p_value(
    errors: Floats,
    minutes: Floats,
    chosen: npt.NDArray[np.bool_],
    permutations: int,
    generator: np.random.Generator,
) -> float:
    orders = np.argsort(generator.random((permutations, len(chosen))), axis=1)
    arms = np.concatenate([chosen[None], chosen[orders]]).astype(np.float64)
    gap = (arms @ errors) / (arms @ minutes) - ((1 - arms) @ errors) / ((1 - arms) @ minutes)
    return float((gap >= gap[0] - 1e-12).mean())
