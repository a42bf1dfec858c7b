"""How smoothly a volume curve runs through the cardiac cycle.

Smoothness alone proves nothing: a frozen mask has a roughness of 0, and is wrong in every frame but one. These
numbers are read beside the accuracy on expert frames and beside the expert's own curve; they never select a model.

A curve is ``(n,)`` ml at n even steps of one cycle, in the order of the phases; NaN = the frame is missing or could
not be predicted. The cycle is closed: the last frame is followed by the first. Differences with a missing
neighbour are left out. Volumes are divided by the curve's ``scale_ml``, so that all numbers have no unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from components.metrics.cardiac_cycle import Series

# A structure that changes by less than this share of its mean volume has no stroke of its own (aorta,
# myocardium): its noise must not be measured by itself. Our choice; the four chambers lie well above it.
SMALLEST_STROKE = 0.2
# Steps smaller than this share of the scale count as none.
_NEGLIGIBLE = 0.01


def cycle_of(phases_percent: Sequence[float], values: Sequence[float] | Series) -> Series:
    """``values`` in the order of their phases, with NaN where the cycle has a gap: ``(n,)``, n >= their number.

    The step is the median distance between neighbouring phases; a frame belongs to the nearest multiple of it
    after the first phase. 100 % is the next cycle's 0 and is left out where 0 is there. Phases without an even step
    (two frames at one place, or the step does not divide the cycle) give an empty series: there are no
    second differences to be had from them.

    Args:
        phases_percent: ``(m,)`` of the R-R interval, in any order.
        values: ``(m,)``, one per phase.
    """
    order = np.argsort(phases_percent, kind="stable")
    phase, value = np.asarray(phases_percent, np.float64)[order], np.asarray(values, np.float64)[order]
    if phase.size and phase[-1] - phase[0] >= 100.0:
        phase, value = phase[:-1], value[:-1]
    if phase.size < 2:
        return value
    series = np.full(_steps_per_cycle(phase), np.nan)
    if series.size:
        series[_places(phase, series.size)] = value
    return series


def _steps_per_cycle(phase: Series) -> int:
    """Number of even steps in 100 % on which these rising phases lie, each on its own; 0 when there is none."""
    step = float(np.median(np.diff(phase)))
    if not (np.isfinite(phase).all() and step > 0):
        return 0
    count = round(100.0 / step)
    places = _places(phase, count)
    # A quarter of a step is jitter; more means that the phases are not even.
    jitter = np.abs((phase - phase[0]) * count / 100.0 - places).max()
    own = np.unique(places).size == phase.size and places[-1] < count
    return count if own and jitter <= 0.25 else 0


def _places(phase: Series, count: int) -> npt.NDArray[np.intp]:
    return np.asarray(np.round((phase - phase[0]) * count / 100.0), dtype=np.intp)


def scale_ml(curve_ml: Series) -> float:
    """What a curve's differences are divided by: its stroke volume (largest - smallest), at least a fifth of its mean.

    The floor holds for structures without a stroke, such as the aorta. NaN without a volume above 0.
    """
    known = curve_ml[np.isfinite(curve_ml)]
    if not known.size or known.max() <= 0:
        return float("nan")
    return float(max(known.max() - known.min(), SMALLEST_STROKE * known.mean()))


def temporal_roughness(curve_ml: Series) -> float:
    """sqrt(mean over i of (v[i+1] - 2 v[i] + v[i-1])²) / ``scale_ml``, indices modulo n: second-difference energy.

    For a sine over n frames √2 sin²(π/n), up to the extremes that the frames miss; for one spike on a constant
    curve √(6/n). 0 for a curve that does not move, which proves nothing. NaN below three frames, for an empty
    structure, or where gaps leave no frame between two neighbours.

    The stroke is the curve's own: a curve that jumps has a larger one, which makes its roughness an understatement,
    and a curve that is flattened gains nothing from it.
    """
    if curve_ml.size < 3:
        return float("nan")
    second = np.roll(curve_ml, -1) - 2.0 * curve_ml + np.roll(curve_ml, 1)
    known = second[np.isfinite(second)]
    return float(np.sqrt(np.mean(known**2)) / scale_ml(curve_ml)) if known.size else float("nan")


def total_variation(curve_ml: Series) -> float:
    """Sum of all steps' sizes over the closed cycle / ``scale_ml``.

    2 for any curve that falls once and rises once by its stroke; what lies above 2 is wavering. NaN when the cycle
    has a gap, since a missing step would look like smoothness.
    """
    steps = _steps(curve_ml)
    whole = steps.size > 1 and bool(np.isfinite(steps).all())
    return float(np.abs(steps).sum() / scale_ml(curve_ml)) if whole else float("nan")


def largest_jump(curve_ml: Series) -> float:
    """The largest step between neighbouring frames / ``scale_ml``; for a sine over n frames at most sin(π/n)."""
    known = _known(np.abs(_steps(curve_ml)))
    return float(known.max() / scale_ml(curve_ml)) if known.size else float("nan")


def closure(curve_ml: Series) -> float:
    """Size of the step from the last frame to the first / root mean square of the other steps.

    Near 1 where the cycle closes as smoothly as it runs; large where the ends do not meet. Other steps below 1 % of
    ``scale_ml`` count as 1 %. NaN when either end is missing.
    """
    steps = _steps(curve_ml)
    others = _known(steps[:-1])
    scale = scale_ml(curve_ml)
    if not others.size or not np.isfinite(steps[-1]) or not np.isfinite(scale):
        return float("nan")
    return float(abs(steps[-1]) / max(np.sqrt(np.mean(others**2)), _NEGLIGIBLE * scale))


def variation_coefficient(curve_ml: Series) -> float:
    """Standard deviation / mean of the volumes: how constant a volume is that should be, the myocardium's.

    Muscle hardly changes its volume over the cycle; a few percent are normal. NaN below two frames.
    """
    known = _known(curve_ml)
    return float(known.std() / known.mean()) if known.size > 1 and known.mean() > 0 else float("nan")


def mean_roughness(curves_ml: Mapping[str, Series]) -> float:
    """Mean ``temporal_roughness`` over the structures for which it is defined; NaN for none.

    For a ratio of student and teacher, take it over the same structures of the same cines.
    """
    known = _known(np.array([temporal_roughness(curve) for curve in curves_ml.values()]))
    return float(known.mean()) if known.size else float("nan")


def _steps(curve_ml: Series) -> Series:
    """``(n,)``: each frame to the next, the last to the first; empty below three frames."""
    return np.roll(curve_ml, -1) - curve_ml if curve_ml.size > 2 else np.empty(0)


def _known(values: Series) -> Series:
    return values[np.isfinite(values)]
