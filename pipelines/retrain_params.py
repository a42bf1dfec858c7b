"""Section ``retrain`` of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ParameterError
from components.models.training_plan import Start


@dataclass(frozen=True, kw_only=True)
class RetrainParams:
    """How a retraining looks for its challenger.

    Args:
        candidates: each is trained, and the best on the validation patients becomes the challenger.
        validation_share: of the training patients, who choose among several candidates and train none of them.
        min_validation_patients: with fewer to judge all candidates, the first is trained and not compared.
        budget_minutes: for the training of all of them, on this machine; ``None`` = as the plan says.
    """

    candidates: tuple[Start, ...] = ("scratch",)
    validation_share: float = 0.2
    min_validation_patients: int = 8
    budget_minutes: float | None = None

    def __post_init__(self) -> None:
        once = len(set(self.candidates)) == len(self.candidates)
        if not self.candidates or not once or (self.budget_minutes is not None and self.budget_minutes <= 0):
            raise ParameterError(
                expected="one or more different candidates, and a budget_minutes above 0 or null",
                got=str(self),
                hint="the shipped section `retrain` of params.yaml",
            )
        if not 0.0 < self.validation_share < 1.0 or self.min_validation_patients < 2:
            raise ParameterError(
                expected="a validation_share between 0 and 1, and 2 or more min_validation_patients",
                got=f"{self.validation_share:g} and {self.min_validation_patients}",
                hint="the shipped section `retrain` of params.yaml",
            )

    @property
    def share(self) -> float:
        """Of the training patients, who are set aside: nobody for a single candidate."""
        return self.validation_share if len(self.candidates) > 1 else 0.0
