"""The section `pilot_report` of params.yaml: what a department asks of a model, and what it assumes."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ParameterError
from components.operations.acceptance_criteria import AcceptanceCriteria
from components.operations.label_cost import CostParams
from components.operations.reading_hours import HoursParams


@dataclass(frozen=True, kw_only=True)
class PilotParams:
    """Args:
    criteria: that the model must meet; ``None``: none were set, and the report gives no verdict.
    hours: assumptions about reading; ``None``: no hours are computed.
    cost: of an expert's minute; ``None``: labels cost minutes.
    min_positives: patients with a finding below which the report warns of using the model for it.
    not_for: what the model must not be used for that no number tells, a sentence each.
    """

    criteria: AcceptanceCriteria | None = None
    hours: HoursParams | None = None
    cost: CostParams | None = None
    min_positives: int = 10
    not_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.min_positives < 1 or not all(line.strip() for line in self.not_for):
            raise ParameterError(
                expected="min_positives >= 1, and sentences in not_for",
                got=f"{self.min_positives} and {list(self.not_for)}",
                hint="the shipped section `pilot_report` of params.yaml",
            )
