"""Expert minutes, and what they buy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError

if TYPE_CHECKING:
    from components.acquisition.choice import Choice


@dataclass(frozen=True, kw_only=True, eq=False)
class Budget:
    """What may be spent on a batch.

    Args:
        minutes: of experts' time.
        cases: at most so many; ``None`` leaves it to the minutes.
        case_minutes: case → minutes that its answer is expected to take, all frames asked for together.
        usual_minutes: of a case without an entry.
        progress: share of the labelling campaign that is behind us, in [0, 1]; some strategies explore first.
    """

    minutes: float = math.inf
    cases: int | None = None
    case_minutes: Mapping[str, float] = field(default_factory=dict)
    usual_minutes: float = 1.0
    progress: float = 0.0

    def __post_init__(self) -> None:
        costs = [self.usual_minutes, *self.case_minutes.values()]
        if math.isnan(self.minutes) or min(costs) <= 0 or not 0 <= self.progress <= 1:
            raise ParameterError(
                expected="a budget in minutes, positive minutes per case, 0 <= progress <= 1",
                got=f"{self.minutes:g} minutes, {min(costs):g} for the cheapest case, progress {self.progress:g}",
                hint="monitor.budget_minutes and requests.budget_minutes in params.yaml",
            )

    def cost(self, case_id: str) -> float:
        """Minutes that an answer about the case is expected to take."""
        return float(self.case_minutes.get(case_id, self.usual_minutes))

    def number_of_cases(self, case_ids: Iterable[str]) -> int:
        """How many of these cases it buys at their median cost."""
        costs = [self.cost(case) for case in case_ids]
        if not costs:
            return 0
        bought = min(self.minutes / float(np.median(costs)) + 1e-9, float(len(costs)))
        return max(0, min(int(bought), len(costs) if self.cases is None else self.cases))

    def without(self, chosen: Iterable[Choice]) -> Budget:
        """What is left after ``chosen``."""
        spent = list(chosen)
        cases = None if self.cases is None else max(0, self.cases - len(spent))
        return replace(
            self, minutes=max(0.0, self.minutes - sum(choice.minutes for choice in spent)), cases=cases
        )


class Spending:
    """A budget while it is spent: a case that no longer fits is passed over, a cheaper one may still fit."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._minutes, self._cases = budget, 0.0, 0

    def affords(self, case_id: str) -> bool:
        """Whether the case still fits."""
        room = self._budget.cases is None or self._cases < self._budget.cases
        return room and self._minutes + self._budget.cost(case_id) <= self._budget.minutes * (1 + 1e-9)

    def which(self, case_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """``(n,)`` ``affords`` of each."""
        return np.array([self.affords(case) for case in case_ids], dtype=bool)

    def pay(self, case_id: str) -> float:
        """Spend the case's minutes, which are returned."""
        minutes = self._budget.cost(case_id)
        self._minutes, self._cases = self._minutes + minutes, self._cases + 1
        return minutes


def spend(budget: Budget, ranked: Iterable[Choice]) -> tuple[Choice, ...]:
    """Of choices in order, those that the budget affords, with their minutes."""
    spending, bought = Spending(budget), []
    for choice in ranked:
        if spending.affords(choice.case_id):
            bought.append(replace(choice, minutes=spending.pay(choice.case_id)))
    return tuple(bought)
