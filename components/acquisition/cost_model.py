"""What an expert's answer will take, in minutes, learned from the answers that came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.frames_of_case import frames_of_case
from components.errors import ParameterError
from components.scorecard.columns import OUTPUT
from components.scorecard.patients import columns_with

Floats = npt.NDArray[np.float64]

_HUBER = (
    1.345  # residuals beyond so many robust standard deviations lose weight (Huber 1981, 95 % efficiency)
)
_MAD_TO_SD = 1.4826
_LEAST_MINUTES = 0.1


@dataclass(frozen=True, kw_only=True)
class CostParams:
    """Of ``fit_minutes``.

    Args:
        min_answers: fewer leave the stated minutes in place.
        min_answers_line: fewer give one median for every frame, more a line in what the frame shows.
        most_answers: the newest so many count, since readers get faster.
        level: of the interval.
    """

    min_answers: int = 5
    min_answers_line: int = 20
    most_answers: int = 200
    level: float = 0.8

    def __post_init__(self) -> None:
        ordered = 2 <= self.min_answers <= self.min_answers_line <= self.most_answers
        if not ordered or not 0 < self.level < 1:
            raise ParameterError(
                expected="2 <= min_answers <= min_answers_line <= most_answers, 0 < level < 1",
                got=str(self),
                hint="the shipped section `acquisition` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True)
class MinutesModel:
    """Minutes for a frame: ``base``, plus ``per_unit`` of each feature it has, at least a part of the usual.

    Args:
        n: answers that it was fitted to; 0 where the stated minutes stand.
        half_width: of the interval; ``None`` where nothing was fitted.
    """

    base: float
    per_unit: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    least: float = _LEAST_MINUTES
    n: int = 0
    half_width: float | None = None

    def minutes(self, frames: pd.DataFrame) -> Floats:
        """``(n,)`` of each row of scorecards; a feature that a frame lacks is taken as usual."""
        total = np.full(len(frames), self.base)
        if self.per_unit:
            shown = features(frames)
            for name, slope in self.per_unit.items():
                total += slope * shown[name].fillna(self.usual[name]).to_numpy(dtype=np.float64)
        return np.asarray(np.maximum(total, self.least))

    def interval(self, frames: pd.DataFrame) -> tuple[Floats, Floats] | None:
        """Between which minutes a new answer should lie, at the level that was asked for."""
        if self.half_width is None:
            return None
        middle = self.minutes(frames)
        return np.maximum(middle - self.half_width, 0.0), middle + self.half_width

    def words(self) -> str:
        """For example "28 minutes a frame ± 9, from 31 answers"."""
        if self.n == 0:
            return f"{self.base:g} minutes a frame as stated, no answers to learn from"
        middle = self.base + sum(slope * self.usual[name] for name, slope in self.per_unit.items())
        width = "" if self.half_width is None else f" ± {self.half_width:.2g}"
        return f"{middle:.3g} minutes a frame{width}, from {self.n} answers"


def features(frames: pd.DataFrame) -> pd.DataFrame:
    """What makes a frame long to draw: ``structures`` it shows, and ``foreground_root`` = foreground_ml ** (2/3).

    A surface is drawn, not a volume, so minutes should grow with the power 2/3 of the volume.
    """
    volumes = [name for name in columns_with(frames, OUTPUT) if name.endswith("_ml")]
    nothing = pd.Series(np.nan, index=frames.index)
    count = (frames[volumes] > 0).sum(axis=1).astype(np.float64) if volumes else nothing
    inside = (
        frames["foreground_ml"]
        if "foreground_ml" in frames
        else frames[volumes].sum(axis=1)
        if volumes
        else nothing
    )
    return pd.DataFrame({"structures": count, "foreground_root": inside.clip(lower=0.0) ** (2 / 3)})


def fit_minutes(answers: pd.DataFrame, *, stated: float, params: CostParams) -> MinutesModel:
    """A model of the minutes of a frame.

    Few answers: the stated minutes. More: their median. Still more: a line by Huber's robust regression, whose slopes
    cannot be negative. The interval is a jackknife: each answer is predicted by a model that has not seen it, and
    the quantile of those errors is its half width.

    Args:
        answers: one row per answered frame, oldest first: ``minutes``, and the scorecard's columns where known.
        stated: minutes of a frame in the parameters.
    """
    told = answers[answers["minutes"] > 0] if len(answers) else answers
    told = told.tail(params.most_answers)
    if len(told) < params.min_answers:
        return MinutesModel(base=stated)
    shown, minutes = features(told), told["minutes"].to_numpy(dtype=np.float64)
    useful = [str(name) for name in shown if shown[name].notna().any() and shown[name].nunique() > 1]
    if len(told) < params.min_answers_line or not useful:
        useful = []
    usual = {name: float(shown[name].median()) for name in useful}
    design = np.column_stack([np.ones(len(told)), *(shown[name].fillna(usual[name]) for name in useful)])
    found = robust_line(design, minutes)
    return MinutesModel(
        base=float(found[0]),
        per_unit={name: float(slope) for name, slope in zip(useful, found[1:], strict=True)},
        usual=usual,
        least=max(_LEAST_MINUTES, 0.2 * float(np.median(minutes))),
        n=len(told),
        half_width=_jackknife(design, minutes, params.level),
    )


def robust_line(design_nk: Floats, minutes_n: Floats) -> Floats:
    """``(k,)`` coefficients; the first column is 1. One column: the median. Slopes are not negative."""
    from scipy.optimize import nnls

    found = np.zeros(design_nk.shape[1])
    found[0] = np.median(minutes_n)
    if design_nk.shape[1] == 1:
        return found
    # nnls bounds every coefficient: base = plus - minus leaves the first one free
    scale = np.concatenate([[1.0], np.maximum(np.abs(design_nk[:, 1:]).mean(axis=0), 1e-12)])
    wide = np.column_stack([design_nk / scale, -design_nk[:, 0]])
    for _ in range(30):
        off = np.abs(minutes_n - design_nk @ found)
        bound = _HUBER * max(_MAD_TO_SD * float(np.median(off)), 1e-6)
        root = np.sqrt(np.minimum(1.0, bound / np.maximum(off, 1e-12)))
        solved, _ = nnls(wide * root[:, None], minutes_n * root)
        new = solved[:-1] / scale
        new[0] -= solved[-1]
        if np.allclose(new, found, rtol=1e-6, atol=1e-9):
            break
        found = new
    return found


def case_minutes(
    pool: pd.DataFrame, model: MinutesModel, frames_per_case: int, *, one_answer: bool = False
) -> dict[str, float]:
    """case → minutes of the frames that an expert would be asked about (``one_answer``: of the case as a whole)."""
    result = {}
    for case, frames in pool.groupby("case_id", sort=True):
        asked = frames[frames["frame_id"].isin(frames_of_case(frames, 1 if one_answer else frames_per_case))]
        result[str(case)] = float(model.minutes(asked).sum())
    return result


def _jackknife(design_nk: Floats, minutes_n: Floats, level: float) -> float:
    n = len(minutes_n)
    off = [
        abs(minutes_n[i] - design_nk[i] @ robust_line(np.delete(design_nk, i, 0), np.delete(minutes_n, i)))
        for i in range(n)
    ]
    rank = min(int(np.ceil((n + 1) * level - 1e-9)), n)
    return float(np.sort(off)[rank - 1])
