"""Section ``acquisition`` of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.acquisition.arm_verdict import ShadowParams
from components.acquisition.cost_model import CostParams
from components.acquisition.failure_coverage import CoverageParams


@dataclass(frozen=True, kw_only=True)
class AcquisitionParams:
    """How cases are chosen, beyond the strategy's name (``monitor.strategy``).

    Args:
        failure_coverage: of the strategy of that name.
        minutes: of the model of the experts' time.
        baseline: the strategy of the random arm.
        shadow: how the strategy and the random arm share a batch.
    """

    failure_coverage: CoverageParams = field(default_factory=CoverageParams)
    minutes: CostParams = field(default_factory=CostParams)
    baseline: str = "random"
    shadow: ShadowParams = field(default_factory=ShadowParams)
