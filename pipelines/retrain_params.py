"""Section ``retrain`` of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ParameterError
from components.models.training_plan import Start


@dataclass(frozen=True, kw_only=True)
class RetrainParams:
    """How a retraining looks for its challenger.

    Args:
        candidates: each is trained, and the best on held-out patients becomes the challenger; its gate is then as
            strict as for so many tries.
        budget_minutes: for the training of all of them, on this machine; ``None`` = as the plan says.
    """

    candidates: tuple[Start, ...] = ("scratch",)
    budget_minutes: float | None = None

    def __post_init__(self) -> None:
        once = len(set(self.candidates)) == len(self.candidates)
        if not self.candidates or not once or (self.budget_minutes is not None and self.budget_minutes <= 0):
            raise ParameterError(
                expected="one or more different candidates, and a budget_minutes above 0 or null",
                got=str(self),
                hint="the shipped section `retrain` of params.yaml",
            )
