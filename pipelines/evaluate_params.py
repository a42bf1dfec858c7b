"""The section `evaluate` of params.yaml: how every verb that judges a model computes its intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.errors import ParameterError
from components.metrics.thresholding import ThresholdRule
from components.operations.evaluation import IntervalParams
from components.operations.segmentation_frames import SURFACE_TOLERANCE_MM


@dataclass(frozen=True, kw_only=True)
class EvaluateParams:
    """Intervals come from ``draws`` resamples of patients with ``seed``, at ``level``.

    ``calibration_cases``: at most so many training cases set temperatures and thresholds (classification).
    ``threshold_rule``, ``threshold_target``: when a finding is called present, see ``chosen_threshold``.
    ``min_subgroup_patients``: a smaller subgroup is named and not judged.
    ``error_cases``: shown per finding, of the surest false alarms and of the surest misses (classification).
    ``surface_tolerance_mm``: structure (``*``: every other) → how far apart surfaces may lie and still agree.
    """

    seed: int
    draws: int
    level: float
    calibration_cases: int
    threshold_rule: ThresholdRule = "f1"
    threshold_target: float = 0.9
    min_subgroup_patients: int = 2
    error_cases: int = 2
    surface_tolerance_mm: dict[str, float] = field(default_factory=lambda: dict(SURFACE_TOLERANCE_MM))

    def __post_init__(self) -> None:
        tolerances = all(value >= 0 for value in self.surface_tolerance_mm.values())
        shares = 0 < self.level < 1 and 0 < self.threshold_target <= 1
        counts = min(self.calibration_cases, self.error_cases) >= 0 and self.min_subgroup_patients >= 1
        if not (self.draws >= 1 and shares and counts and tolerances):
            raise ParameterError(
                expected="draws and min_subgroup_patients >= 1, 0 < level < 1, 0 < threshold_target <= 1, "
                "calibration_cases, error_cases and tolerances >= 0",
                got=str(self),
                hint="the shipped section `evaluate` of params.yaml",
            )

    @property
    def intervals(self) -> IntervalParams:
        return IntervalParams(seed=self.seed, draws=self.draws, level=self.level)
