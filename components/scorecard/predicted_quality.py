"""How good a model's answer on a case will be: an estimate learned from judged cases, with a conformal interval.

A ridge regression of logit(quality) on the case's signals, standardised, its penalty chosen by leave-one-out within the
fit (PRESS, Allen 1974), and an interval by CV+ (Barber et al. 2021,
"Predictive inference with the jackknife+", section 3): no case is judged by a fit that saw its patient, and a patient
counts once, whatever the number of their cases (Lee, Barber & Willett 2023). With patients exchangeable, new ones
included, the interval holds the truth with probability at least 2 level - 1, and in practice about ``level``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
# Column → whether it is a share in (0, 1), taken on the logit scale; others are positive, taken on a log scale.
SIGNALS: Mapping[str, bool] = {
    "expected_dice": True,
    "pairwise_dice_disagreement": True,
    "predictive_entropy": False,
    "mutual_information": False,
    "boundary_entropy": False,
    "temporal_jump": True,
    "margin": True,
    "least_margin": True,
}
_PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)  # of the squared weights, in units of one patient
_FOLDS = 20
_EDGE = 0.005  # no case is taken for better or worse than this


@dataclass(frozen=True, kw_only=True)
class QualityEstimate:
    """Of a case's mean Dice (classification: 1 - error probability), with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictedQuality:
    """A fitted estimate.

    Args:
        signals: columns that it needs, d of them.
        centre, scale: ``(d,)`` of the signals on their scales.
        weights: ``(d + 1,)``, the intercept last, of all cases.
        fold_weights: ``(f, d + 1)``, each without the patients of one fold.
        fold: ``(n,)`` the fold of each judged case.
        residual: ``(n,)`` |logit(quality) - estimate of the fit without its fold|.
        share: ``(n,)`` what each case counts; a patient's cases together 1.
        patients: their number; ``level``: of the interval.
    """

    signals: tuple[str, ...]
    centre: Floats
    scale: Floats
    weights: Floats
    fold_weights: Floats
    fold: npt.NDArray[np.intp]
    residual: Floats
    share: Floats
    patients: int
    level: float

    def estimate(self, frames: Sequence[Mapping[str, Any]]) -> QualityEstimate | None:
        """Of one case from the scorecard rows of its frames; ``None`` where a signal was not measured."""
        raw = case_signals(frames, self.signals)
        if not np.isfinite(raw).all():
            return None
        x = np.append((_scaled(raw[None], self.signals)[0] - self.centre) / self.scale, 1.0)
        by_fold = (self.fold_weights @ x)[self.fold]
        tail = (1.0 - self.level) * (self.patients + 1)
        low = _weighted_order(by_fold - self.residual, self.share, tail)
        high = -_weighted_order(-by_fold - self.residual, self.share, tail)
        value = min(max(float(self.weights @ x), low), high)
        edge = float(_logit(np.array(0.0))) + 1e-6  # what lies beyond was not told apart
        return QualityEstimate(
            value=_sigmoid(value),
            low=0.0 if low <= edge else _sigmoid(low),
            high=1.0 if high >= -edge else _sigmoid(high),
        )

    def left_out(self, number: int, frames: Sequence[Mapping[str, Any]]) -> float:
        """Of the ``number``-th judged case by the fit that saw none of its patient: as a new case would be foretold."""
        raw = case_signals(frames, self.signals)
        x = np.append((_scaled(raw[None], self.signals)[0] - self.centre) / self.scale, 1.0)
        return _sigmoid(float(self.fold_weights[self.fold[number]] @ x))

    def as_json(self) -> dict[str, Any]:
        """Equal fits give equal text."""
        tree = dataclasses.asdict(self)
        return {key: _plain(value) for key, value in tree.items()}

    @staticmethod
    def of_json(tree: Mapping[str, Any]) -> PredictedQuality:
        """``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        fit = PredictedQuality(
            signals=tuple(map(str, tree["signals"])),
            fold=np.array(tree["fold"], dtype=np.intp),
            patients=int(tree["patients"]),
            level=float(tree["level"]),
            **{name: np.array(tree[name], dtype=np.float64) for name in _ARRAYS},
        )
        width, cases = len(fit.signals) + 1, len(fit.fold)
        shapes = (fit.weights.shape, fit.fold_weights.shape[1:], fit.residual.shape, fit.share.shape)
        if shapes != ((width,), (width,), (cases,), (cases,)) or fit.fold.max() >= len(fit.fold_weights):
            raise ValueError(f"shapes {shapes} of {width - 1} signals and {cases} cases")
        return fit


_ARRAYS = ("centre", "scale", "weights", "fold_weights", "residual", "share")


def least_patients(level: float = LEVEL) -> int:
    """Below this number of patients no finite interval of ``level`` exists: (1 - level)(n + 1) must reach 1."""
    return int(np.ceil(1.0 / (1.0 - level) - 1.0 - 1e-9))


def case_signals(frames: Sequence[Mapping[str, Any]], signals: Sequence[str]) -> Floats:
    """``(d,)``: means over the frames that have the signal; NaN where none has."""
    table = np.array([[float(row.get(name, np.nan)) for name in signals] for row in frames])
    known = np.isfinite(table)
    total = np.where(known, table, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def measured_signals(cases: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[str, ...]:
    """Those of ``SIGNALS`` that every case has and in which some differ."""
    table = np.stack([case_signals(frames, list(SIGNALS)) for frames in cases])
    usable = np.isfinite(table).all(axis=0) & (np.ptp(np.nan_to_num(table), axis=0) > 0)
    return tuple(name for name, use in zip(SIGNALS, usable, strict=True) if use)


def fit_quality(
    cases: Sequence[Sequence[Mapping[str, Any]]],
    quality: Sequence[float],
    patients: Sequence[str],
    *,
    level: float = LEVEL,
) -> PredictedQuality | None:
    """Learn from judged cases.

    Args:
        cases: of each, the scorecard rows of its judged frames.
        quality: ``(n,)`` in [0, 1], what the judged frames scored.
        patients: ``(n,)``.

    Returns:
        ``None`` with fewer than ``least_patients(level)`` patients, or without a signal that all cases have.
    """
    names, index, sizes = np.unique(np.asarray(patients, dtype=str), return_inverse=True, return_counts=True)
    signals = measured_signals(cases) if len(cases) else ()
    if len(names) < least_patients(level) or not signals:
        return None
    x = _scaled(np.stack([case_signals(frames, signals) for frames in cases]), signals)
    y, share = _logit(np.asarray(quality, dtype=np.float64)), 1.0 / sizes[index]
    centre = np.average(x, axis=0, weights=share)
    scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=share))
    x = np.column_stack([(x - centre) / scale, np.ones(len(x))])
    fold = (np.arange(len(names)) % min(_FOLDS, len(names)))[index]
    parts = [_ridge(x[fold != k], y[fold != k], share[fold != k]) for k in range(int(fold.max()) + 1)]
    fold_weights = np.stack(parts)
    return PredictedQuality(
        signals=signals, centre=centre, scale=scale, weights=_ridge(x, y, share), fold_weights=fold_weights,
        fold=fold, residual=np.abs(y - np.einsum("nd,nd->n", x, fold_weights[fold])), share=share,
        patients=len(names), level=level,
    )  # fmt: skip


def _ridge(x_nd: Floats, y_n: Floats, share_n: Floats) -> Floats:
    """Least squares with weights and the penalty of the least leave-one-out error; the intercept, last, is free."""
    fits = [_penalised(x_nd, y_n, share_n, penalty) for penalty in _PENALTIES]
    return min(fits, key=lambda fit: fit[1])[0]


def _penalised(x_nd: Floats, y_n: Floats, share_n: Floats, penalty: float) -> tuple[Floats, float]:
    """Weights, and the weighted sum of squares of the residuals of each case in a fit without it.

    Taken away a case changes the fit by residual / (1 - leverage), exactly.
    """
    held = np.append(np.full(x_nd.shape[1] - 1, penalty), 1e-9)
    weighted = x_nd * share_n[:, None]
    solved = np.linalg.solve(weighted.T @ x_nd + np.diag(held), weighted.T)
    weights = np.asarray(solved @ y_n)
    leverage = np.einsum("nd,dn->n", x_nd, solved)
    return weights, float(share_n @ ((y_n - x_nd @ weights) / (1.0 - leverage)) ** 2)


def _weighted_order(values: Floats, share: Floats, rank: float) -> float:
    """The smallest value up to which the shares reach floor(``rank``): with shares of 1 an order statistic.

    The shares of a patient's cases may reach it in between, and then the value is lower, never higher.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(share[order]) >= np.floor(rank + 1e-9) - 1e-9
    return float(values[order][np.argmax(reached)])


def _scaled(raw_nd: Floats, signals: Sequence[str]) -> Floats:
    columns = [
        _logit(column) if SIGNALS[name] else np.log(np.maximum(column, 1e-4))
        for name, column in zip(signals, raw_nd.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def _logit(share: Floats) -> Floats:
    inside = np.clip(share, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _sigmoid(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-value)))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
