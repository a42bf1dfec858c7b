"""Prevalence-stratified random: the baseline for findings, where plain chance hardly meets a rare one.

A patient's stratum is the rarest finding that the model gives it, or none. Each stratum is drawn in proportion to
a power of its size: between equal and proportional shares (power allocation, Bankier 1988, American Statistician 42).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.budget import Budget, spend
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards
from components.errors import InputError
from components.scorecard.columns import OUTPUT
from components.scorecard.patients import columns_with

POWER = 0.5
"""Of a stratum's size; 1 keeps the pool's prevalences, 0 draws all strata equally often. Our choice."""

PRESENT = 0.5
"""Probability from which on a patient counts as having a finding."""


def prevalence_random(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """A stratum ∝ (patients in it) ** POWER among those not yet empty, then one of its patients uniformly."""
    if scorecards.pool.empty:
        return ()
    strata = rarest_findings(scorecards.pool)
    weights = strata.value_counts().astype(np.float64) ** POWER
    left = {
        str(name): [str(patient) for patient in generator.permutation(group.index.to_numpy(dtype=object))]
        for name, group in strata.groupby(strata, sort=True)
    }
    chosen = []
    while left:
        names = sorted(left)
        shares = weights[names].to_numpy(dtype=np.float64)
        name = str(generator.choice(names, p=shares / shares.sum()))
        patient = left[name].pop()
        left = {stratum: patients for stratum, patients in left.items() if patients}
        chosen.append(
            Choice(
                case_id=str(generator.choice(scorecards.cases(patient))),
                patient_id=patient,
                score=0.0,
                reason=f"drawn at random among patients with {name.replace('_', ' ')}",
                minutes=0.0,
            )
        )
    return spend(budget, chosen)


def rarest_findings(pool: pd.DataFrame) -> pd.Series[str]:
    """patient_id, sorted → the rarest finding in the pool that the patient has, else ``no finding``."""
    findings = [name for name in columns_with(pool, OUTPUT) if not name.endswith("_ml")]
    if not findings:
        raise InputError(
            expected="scorecards with probabilities of findings, which the strategy 'prevalence_random' counts",
            got="none",
            hint="foreground_random for segmentation",
        )
    has = pool.groupby("patient_id", sort=True)[findings].max() >= PRESENT
    has.index = has.index.astype(str)
    rarest_first = has.sum().sort_values(kind="stable").index
    stratum = pd.Series("no finding", index=has.index)
    for finding in reversed(list(rarest_first)):
        stratum[has[finding]] = finding.removeprefix(OUTPUT)
    return stratum
