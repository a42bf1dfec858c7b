"""Two-sample statistics under many memberships at once.

Shapes: n pooled patients, b memberships (row 0 observed; 1 = plays the window), k categories, d features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from components.drift.permutation import Members
from components.scorecard.embedding_space import distances

Floats = npt.NDArray[np.float64]


def cramer_von_mises(values_n: Floats, members_bn: Members) -> Floats:
    """``(b,)`` n_r n_w / n^2 times the sum of squared gaps of the distribution functions over pooled values.

    Anderson (1962, "On the distribution of the two-sample Cramér-von Mises criterion", eq. 2). Missing values
    rank lowest, so that a field which vanishes counts as a shift.
    """
    gap_kb, multiplicity = _distribution_gaps(values_n, members_bn)
    n, n_window = len(values_n), float(members_bn[0].sum())
    np.square(gap_kb, out=gap_kb)
    weights = (multiplicity * (n_window * (n - n_window) / n**2)).astype(np.float32)
    return np.asarray(weights @ gap_kb, dtype=np.float64)


def kolmogorov_smirnov(values_n: Floats, members_bn: Members) -> Floats:
    """``(b,)`` largest gap of the two distribution functions, in [0, 1]; missing values rank lowest."""
    gap_kb, _ = _distribution_gaps(values_n, members_bn)
    return np.asarray(np.abs(gap_kb).max(axis=0), dtype=np.float64)


def _distribution_gaps(
    values_n: Floats, members_bn: Members
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """``(k, b)`` window minus reference distribution function at the k distinct values, and their counts."""
    values = np.where(np.isfinite(values_n), values_n, -np.inf)
    _, multiplicity = np.unique(values, return_counts=True)
    n, n_window = len(values), float(members_bn[0].sum())
    # Counts along the sorted values, read where a distinct value ends; below 2^24 they are exact in float32.
    gap = np.cumsum(members_bn.T[np.argsort(values, kind="stable")], axis=0)
    below = multiplicity.cumsum()
    if len(below) < n:
        gap = gap[below - 1]
    gap *= np.float32(1 / n_window + 1 / (n - n_window))
    gap -= (below / (n - n_window)).astype(np.float32)[:, None]
    return gap, multiplicity


def total_variation(shares_nk: Floats, members_bn: Members) -> Floats:
    """``(b,)`` half the summed absolute difference of the categories' mean shares, in [0, 1]."""
    return np.asarray(0.5 * np.abs(share_increase(shares_nk, members_bn)).sum(axis=1))


def share_increase(shares_nk: Floats, members_bn: Members) -> Floats:
    """``(b, k)`` mean share of each category in the window minus that in the reference."""
    n_window = float(members_bn[0].sum())
    inside = members_bn.astype(np.float64) @ shares_nk
    outside = shares_nk.sum(axis=0)[None] - inside
    return np.asarray(inside / n_window - outside / (len(shares_nk) - n_window))


def kernel_mmd(
    features_nd: Floats, members_bn: Members, *, bandwidths: Sequence[float] = (0.5, 1.0, 2.0)
) -> Floats:
    """``(b, len(bandwidths))`` unbiased squared maximum mean discrepancy with RBF kernels.

    Gretton et al. (2012, "A kernel two-sample test", eq. 3); each bandwidth is a multiple of the median
    pooled distance. One kernel matrix serves all memberships.
    """
    kernels = rbf_kernels(features_nd, bandwidths)
    return np.stack([unbiased_mmd(kernel, members_bn) for kernel in kernels], axis=1)


def rbf_kernels(features_nd: Floats, bandwidths: Sequence[float]) -> Iterator[Floats]:
    """``(n, n)`` each, one after the other, of widths in units of the median distance between two rows."""
    squared = distances(features_nd, features_nd) ** 2
    median = float(np.median(squared[np.triu_indices(len(squared), 1)])) or 1.0
    for factor in bandwidths:
        yield np.exp(squared * (-0.5 / (factor**2 * median)))


def mmd_distance(kernel_nn: Floats, members_bn: Members) -> Floats:
    """``(b,)`` distance of the two mean embeddings, at least 0 (Gretton et al. 2012, eq. 5): a norm, but biased."""
    weights = members_bn.astype(np.float64)
    m = float(weights[0].sum())
    weights = weights * (1 / m + 1 / (len(kernel_nn) - m)) - 1 / (len(kernel_nn) - m)
    return np.asarray(np.sqrt(np.maximum(np.einsum("bn,bn->b", weights @ kernel_nn, weights), 0.0)))


def unbiased_mmd(kernel_nn: Floats, members_bn: Members) -> Floats:
    """``(b,)`` eq. 3 there, without the kernel's diagonal."""
    # The same number off all other ones changes nothing, and leaves float32 the digits that matter.
    n_all = len(kernel_nn)
    kernel = (kernel_nn - kernel_nn.mean()).astype(np.float32)
    np.fill_diagonal(kernel, 0.0)
    m = float(members_bn[0].sum())
    n = n_all - m
    to_window = members_bn @ kernel
    within_window = np.einsum("bn,bn->b", to_window, members_bn).astype(np.float64)
    between = to_window.sum(axis=1, dtype=np.float64) - within_window
    within_reference = kernel.sum(dtype=np.float64) - within_window - 2.0 * between
    return np.asarray(
        within_window / (m * (m - 1)) + within_reference / (n * (n - 1)) - 2.0 * between / (m * n)
    )
