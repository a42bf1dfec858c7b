"""How soon studies are read that all wait in one backlog, in a given order; expectations in closed form.

An order is a key per study: larger is read earlier, equal keys in the order of arrival, which is random. Positions
are counted in studies; one study of the backlog takes one unit. Weights as in ``components.metrics.weighting``: a
study with weight 2 stands in the backlog twice, so that the formulas hold for each bootstrap sample. A constant
key is first in, first out, of a random arrival order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.metrics.weighting import Array, ratio


def mean_wait(key: Array, share: Array, weight: Array | None = None) -> Array:
    """Mean number of studies read before a study, over the studies counted by ``share``: ``(...)``.

    A group of g studies with equal keys after b others waits for b + (g - 1) / 2 on average.

    Args:
        key: ``(n,)``.
        share: ``(n,)`` non-negative, how much each study counts; NaN counts nothing.
        weight: ``(..., n)``.
    """
    groups, order = _groups(key)
    weight = _ordered(weight, order)
    size = _sums(weight, groups)
    counted = _sums(weight * _known(share)[order], groups)
    before = np.cumsum(size, axis=-1) - size
    total = (counted * (before + (size - 1.0) / 2.0)).sum(axis=-1)
    return ratio(total, counted.sum(axis=-1))


def studies_until(key: Array, positive: Array, share: float, weight: Array | None = None) -> Array:
    """Expected number of studies read until ``share`` of the positive ones are: ``(...)``; NaN without a positive.

    In a random arrangement of g studies, the j-th of p positive ones stands at position j (g + 1) / (p + 1) on
    average (the mean of an order statistic without replacement).

    Args:
        key: ``(n,)``.
        positive: ``(n,)`` 0 or 1; NaN counts as 0: the study takes its time, and is none that was looked for.
        share: in (0, 1], of the positive studies, rounded up to whole ones.
        weight: ``(..., n)`` whole numbers.
    """
    groups, order = _groups(key)
    weight = _ordered(weight, order)
    size = _sums(weight, groups)
    found = _sums(weight * _known(positive)[order], groups)
    reached = np.cumsum(found, axis=-1)
    wanted = np.ceil(share * reached[..., -1:] - 1e-9)
    at = (reached >= wanted).argmax(axis=-1)[..., None]

    def there(values: Array) -> Array:
        picked: Array = np.take_along_axis(values, at, axis=-1)[..., 0]
        return picked

    rank = wanted[..., 0] - (there(reached) - there(found))
    before = there(np.cumsum(size, axis=-1) - size)
    position = before + rank * ratio(there(size) + 1.0, there(found) + 1.0)
    return np.where(wanted[..., 0] > 0, position, np.nan)


def _groups(key: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where each group of equal keys begins in the order, and the order: largest key first."""
    key = np.asarray(key, dtype=np.float64)
    order = np.argsort(-key, kind="stable")
    ordered = key[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return np.flatnonzero(new), order


def _ordered(weight: Array | None, order: npt.NDArray[np.intp]) -> Array:
    return np.ones(len(order)) if weight is None else np.asarray(weight, dtype=np.float64)[..., order]


def _known(values: Array) -> Array:
    known: Array = np.nan_to_num(np.asarray(values, dtype=np.float64))
    return known


def _sums(values: Array, starts: npt.NDArray[np.intp]) -> Array:
    sums: Array = np.add.reduceat(values, starts, axis=-1)
    return sums
