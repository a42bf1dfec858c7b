"""A random arm beside the strategy: what the strategy must beat to go on leading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.acquisition.budget import Budget
from components.acquisition.choice import Arm, Choice, Strategy
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards


def choose_with_shadow(
    strategy: Strategy,
    baseline: Strategy,
    *,
    leads: Arm,
    share: float,
    scorecards: Scorecards,
    embeddings: Embeddings,
    budget: Budget,
    generator: np.random.Generator,
) -> tuple[Choice, ...]:
    """The choices of both arms; the one that leads gets all cases but ``share``, which is rounded by chance.

    The random arm draws first and from the whole pool, so that it stays a fair sample of it; the strategy
    chooses among the others with the minutes that are left.
    """
    random_share = share if leads == "strategy" else 1.0 - share
    cases = budget.number_of_cases(scorecards.pool["case_id"].unique())
    number = int(cases * random_share + generator.random())
    drawn: tuple[Choice, ...] = ()
    if number:
        found = baseline(scorecards, embeddings, replace(budget, cases=number), generator)
        drawn = tuple(replace(choice, arm="random") for choice in found)
    taken = {choice.patient_id for choice in drawn}
    rest = replace(scorecards, pool=scorecards.pool[~scorecards.pool["patient_id"].isin(taken)])
    return strategy(rest, embeddings, budget.without(drawn), generator) + drawn
