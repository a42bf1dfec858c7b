"""The strategies by the name that params.yaml uses."""

from __future__ import annotations

from typing import Literal

from components.acquisition.choice import Strategy
from components.acquisition.coverage import coverage
from components.acquisition.most_uncertain import most_uncertain
from components.acquisition.random_patients import random_patients

StrategyName = Literal["coverage", "most_uncertain", "random"]

STRATEGIES: dict[StrategyName, Strategy] = {
    "coverage": coverage,
    "most_uncertain": most_uncertain,
    "random": random_patients,
}
