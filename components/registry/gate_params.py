"""Section ``gate`` of params.yaml: what a challenger must show, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class GateLimits:
    """What a challenger may cost beside the champion; ``None`` = no limit.

    Args:
        calibration: rise of the calibration error, in the unit of a probability or a Dice.
        roughness, latency, memory: temporal roughness, seconds per frame and peak memory, as multiples of the
            champion's.
        roughness_slack, latency_slack_s, memory_slack_mb: more than the champion's by this much is always allowed, so
            that a multiple of almost nothing refuses nobody.
    """

    calibration: float | None = 0.1
    roughness: float | None = 1.5
    latency: float | None = 1.5
    memory: float | None = 1.5
    roughness_slack: float = 0.01
    latency_slack_s: float = 0.25
    memory_slack_mb: float = 128.0

    def __post_init__(self) -> None:
        ratios = [value for value in (self.roughness, self.latency, self.memory) if value is not None]
        slacks = (self.roughness_slack, self.latency_slack_s, self.memory_slack_mb, self.calibration or 0.0)
        if min(slacks) < 0 or min(ratios, default=1.0) < 1:
            raise ParameterError(
                expected="multiples of at least 1, and slacks of 0 and more, in gate.limits",
                got=str(self),
                hint="the shipped section `gate` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True)
class GateParams:
    """How the gate judges; scores and ``margin`` share a unit.

    Args:
        margin: the largest mean loss that is taken for no loss, of all patients and of each stratum.
        part_margin: the same for one structure (Dice) or one finding (AUROC) of all patients.
        ranking_margin: the same for the mean AUROC over findings.
        floor: what a first model's mean score (or its mean lead over ``baseline``) must exceed.
        alpha: one-sided error level.
        gain: what a superiority bound must exceed.
        min_patients: fewer test patients are not enough evidence.
        min_stratum: a smaller stratum is reported, and judged only within all; so is a structure that fewer patients
            have.
        min_class: patients with and without a finding, below which its AUROC is reported and not judged.
        required_strata: without ``min_stratum`` patients of each of these there is not enough evidence.
        limits: of cost.
        draws, seed: of the bootstrap.
    """

    margin: float
    floor: float
    part_margin: float = 0.1
    ranking_margin: float = 0.05
    alpha: float = 0.05
    gain: float = 0.0
    min_patients: int = 8
    min_stratum: int = 8
    min_class: int = 10
    required_strata: tuple[str, ...] = ()
    limits: GateLimits = field(default_factory=GateLimits)
    draws: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        margins = (self.margin, self.part_margin, self.ranking_margin)
        if (
            not (0 < self.alpha < 0.5 and self.gain >= 0 and self.draws >= 100)
            or not all(0 <= margin < 1 for margin in margins)
            or min(self.min_patients, self.min_stratum, self.min_class) < 2
        ):
            raise ParameterError(
                expected="0 < alpha < 0.5, 0 <= margins < 1, gain >= 0, draws >= 100, min_… >= 2 patients",
                got=str(self),
                hint="the shipped section `gate` of params.yaml",
            )
