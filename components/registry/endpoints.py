"""What two models are compared on: differences of each patient, challenger - champion, higher is better."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.metrics.paired import mean_lower_bound, shared_level
from components.metrics.weighting import Array

SCORE = "score"


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """One comparison on one group of patients.

    Args:
        name: ``score``, or ``dice/aorta``, ``auroc/emphysema``, ``auroc/macro``.
        stratum: the group.
        differences: patient → difference; of a metric of many patients together its pseudo-values, see
            ``components.metrics.pseudo_values``.
        margin: the largest mean loss that is taken for none.
        judged: whether enough patients tell.
        may_win: whether a gain here alone makes a challenger better.
        degrees: of freedom, where they are fewer than the patients less one, see ``mean_bounds``.
    """

    name: str
    stratum: str
    differences: Mapping[str, float]
    margin: float
    judged: bool
    may_win: bool = False
    degrees: int | None = None

    @property
    def mean(self) -> float:
        return float(np.mean(self._values)) if self.differences else float("nan")

    def lower(self, alpha: float, *, seed: int, draws: int) -> float:
        """One-sided lower bound of the mean at level ``1 - alpha``, see ``mean_lower_bound``."""
        return mean_lower_bound(self._values, alpha=alpha, seed=seed, draws=draws, degrees=self.degrees)

    @property
    def _values(self) -> Array:
        return np.array([self.differences[patient] for patient in sorted(self.differences)], dtype=np.float64)


def level_of_each(
    endpoints: Sequence[Endpoint], patients: Collection[str], *, alpha: float, seed: int, draws: int
) -> float:
    """At which each of them is tested so that any of them holds by chance with probability ``alpha``."""
    names = sorted(patients)
    columns = [[endpoint.differences.get(name, np.nan) for name in names] for endpoint in endpoints]
    return shared_level(np.array(columns, dtype=np.float64).T, alpha=alpha, seed=seed, draws=draws)
