"""What is claimed of the drift monitor, and the tables behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.bench.claims import Claim, Relation
from pipelines.bench.drift_history import Cost
from pipelines.bench.drift_patients import GRADES, NONE, SHIFTS
from pipelines.bench.drift_references import REFERENCES

Floats = npt.NDArray[np.float64]
POWER = 0.8  # a shift is detected from the grade on at which so many of the windows raise an alarm
# Shift → cause, and what may be named as its carrier (how its column begins).
TRUTH: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "kernel": ("acquisition", ("meta_kernel",)),
    "dose": ("acquisition", ("image_noise",)),
    "slice thickness": ("acquisition", ("meta_slice_thickness",)),
    "contrast timing": (
        "acquisition",
        ("image_hu", "image_soft_fraction", "image_bone_fraction", "image_sharpness"),
    ),
    "scanner": ("acquisition", ("meta_site", "meta_manufacturer", "meta_model")),
    "species": ("population", ("output_", "ejection_fraction_", "image_body_fraction", "image_air_fraction")),
    "field of view": ("acquisition", ("meta_spacing", "image_fov")),
    "prevalence": (
        "population",
        ("output_left_ventricle", "output_myocardium", "ejection_fraction_left_ventricle"),
    ),
    "anatomy": ("population", ("output_", "ejection_fraction_")),
    "motion": ("acquisition", ("image_sharpness", "image_noise_correlation", "image_slice_discontinuity")),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Quality:
    """Of windows: ``estimated``, ``measured``, ``low``, ``high`` mean Dice; coverage of cases in exchangeable ones."""

    windows: pd.DataFrame
    case_coverage: float
    level: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedResult:
    """One seed.

    Args:
        null: unshifted windows, one row each, for false alarms.
        power: unshifted and shifted windows of 50 patients without metadata, with the scores of the references.
        named: shifted windows with metadata, and what their verdict names.
        history: costs of a day's verdict, by length of the past.
    """

    null: pd.DataFrame
    power: pd.DataFrame
    named: pd.DataFrame
    quality: Quality
    history: Sequence[Cost]

    def false_alarm_rate(self, n: int) -> float:
        return float(self.null.loc[self.null["n"] == n, "alarmed"].mean())

    def curves(self) -> dict[str, Floats]:
        """Test → ``(shifts, grades)`` share of windows with an alarm, each calibrated to our false-alarm rate."""
        still = self.power[self.power["shift"] == NONE]
        ours = float(still["alarmed"].mean())
        alarms = {"ours": self.power["alarmed"].astype(float)}
        for name in REFERENCES:
            alarms[name] = (self.power[name] > np.quantile(still[name], 1 - ours)).astype(float)
        return {name: self._by_grade(alarm) for name, alarm in alarms.items()}

    def _by_grade(self, alarm: pd.Series[float]) -> Floats:
        means = alarm.groupby([self.power["shift"], self.power["grade"]]).mean()
        return np.array([[means[shift, grade] for grade in range(1, GRADES + 1)] for shift in SHIFTS])

    def attributed(self) -> dict[str, float]:
        """Shift → share of the alarmed windows of its detected grades whose cause and carrier are right."""
        found = {}
        for shift, (cause, carriers) in TRUTH.items():
            rows = self.named[(self.named["shift"] == shift) & self.named["alarmed"]]
            right = (rows["cause"] == cause) & rows["carrier"].astype(str).str.startswith(carriers)
            found[shift] = float(right.mean()) if len(rows) else 0.0
        return found


def detected_from(curve_g: Floats) -> int:
    """The first grade from which on a shift is detected in ``POWER`` of the windows; one beyond the last: never."""
    below = np.flatnonzero(np.asarray(curve_g) < POWER)
    return int(below[-1]) + 2 if len(below) else 1


def claims_of(results: Sequence[SeedResult]) -> list[Claim]:
    """Rates and errors are means over seeds; counts, costs and ratios are of the worst seed."""
    mean_error = float(np.mean([_error(one.quality.windows) for one in results]))
    covered = float(np.mean([_covered(one.quality.windows) for one in results]))
    gap = abs(float(np.mean([one.quality.case_coverage for one in results])) - results[0].quality.level)
    growth = max(one.history[-1].peak_mib / one.history[0].peak_mib for one in results)
    measured: list[tuple[str, float, Relation, float]] = [
        *((f"false_alarm_rate_n{n}", float(np.mean([one.false_alarm_rate(n) for one in results])), "<=", 0.06)
          for n in (30, 100, 300)),
        ("shifts_detected_no_later_than_best_reference", float(min(_no_later(one) for one in results)), ">=", 10),
        ("attribution_right", float(min(_right(one) for one in results)), ">=", 9),
        ("estimated_dice_mae", mean_error, "<=", 0.03),
        ("estimated_dice_interval_coverage", covered, ">=", 0.85),
        ("estimated_dice_interval_coverage", covered, "<=", 0.97),
        ("conformal_coverage_gap", gap, "<=", 0.02),
        ("history_seconds_100k", max(one.history[-1].seconds for one in results), "<=", 10.0),
        ("history_memory_growth", growth, "<=", 1.2),
    ]  # fmt: skip
    return [
        Claim(id=name, measured=value, relation=relation, bound=bound)
        for name, value, relation, bound in measured
    ]


def _no_later(result: SeedResult) -> int:
    curves = result.curves()
    return sum(
        detected_from(curves["ours"][i]) <= min(detected_from(curves[name][i]) for name in REFERENCES)
        for i in range(len(SHIFTS))
    )


def _right(result: SeedResult) -> int:
    return sum(share > 0.5 for share in result.attributed().values())


def _error(windows: pd.DataFrame) -> float:
    return float((windows["estimated"] - windows["measured"]).abs().mean())


def _covered(windows: pd.DataFrame) -> float:
    return float(((windows["low"] <= windows["measured"]) & (windows["measured"] <= windows["high"])).mean())


def tables_of(result: SeedResult) -> dict[str, Any]:
    """JSON-able, of one seed."""
    curves = result.curves()
    still = result.null
    windows = result.quality.windows
    return {
        "false_alarms": {
            f"n{n}": {
                "ours": result.false_alarm_rate(n),
                "evidently_preset": float(rows["evidently_alarm"].mean()),
                "evidently_any_column": float(rows["evidently_any_column"].mean()),
                "windows": len(rows),
                "windows_of_evidently": int(rows["evidently_alarm"].notna().sum()),
            }
            for n in sorted(set(still["n"].astype(int)))
            for rows in (still[still["n"] == n],)
        },
        "false_alarm_rate_of_the_power_study": float(
            result.power.loc[result.power["shift"] == NONE, "alarmed"].mean()
        ),
        "detected_from_grade": {
            shift: {name: detected_from(curve[i]) for name, curve in curves.items()}
            for i, shift in enumerate(SHIFTS)
        },
        "alarm_rates": {
            shift: {name: curve[i].round(3).tolist() for name, curve in curves.items()}
            for i, shift in enumerate(SHIFTS)
        },
        "attribution": {shift: round(share, 3) for shift, share in result.attributed().items()},
        "named": {
            str(shift): rows.loc[rows["alarmed"], ["cause", "carrier"]].value_counts().head(4).reset_index()
            .astype(str).to_dict("records")
            for shift, rows in result.named.groupby("shift")
        },
        "quality": {
            str(shift): {
                "measured": round(float(rows["measured"].mean()), 4),
                "estimated": round(float(rows["estimated"].mean()), 4),
                "mean_absolute_error": round(_error(rows), 4),
                "interval_coverage": round(_covered(rows), 3),
            }
            for shift, rows in windows.groupby("shift")
        },
        "case_interval_coverage": round(result.quality.case_coverage, 4),
        "history": [vars(cost) for cost in result.history],
    }  # fmt: skip
