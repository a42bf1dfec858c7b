"""The strategies that come with ctloop, by the name that params.yaml uses."""

from __future__ import annotations

from components.acquisition.bald import bald
from components.acquisition.choice import Strategy
from components.acquisition.clasp_pe import clasp_pe
from components.acquisition.core_set import core_set
from components.acquisition.entropy import entropy
from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.foreground_random import foreground_random
from components.acquisition.most_uncertain import most_uncertain
from components.acquisition.pairwise_dice import pairwise_dice
from components.acquisition.power_bald import power_bald
from components.acquisition.prevalence_random import prevalence_random
from components.acquisition.random_patients import random_patients
from components.acquisition.temporal import temporal
from components.acquisition.typical_clusters import typical_clusters

DEFAULT = "failure_coverage"

STRATEGIES: dict[str, Strategy] = {
    DEFAULT: FailureCoverage(),
    "random": random_patients,
    "foreground_random": foreground_random,
    "prevalence_random": prevalence_random,
    "most_uncertain": most_uncertain,
    "entropy": entropy,
    "bald": bald,
    "power_bald": power_bald,
    "clasp_pe": clasp_pe,
    "pairwise_dice": pairwise_dice,
    "core_set": core_set,
    "typical_clusters": typical_clusters,
    "temporal": temporal,
}
