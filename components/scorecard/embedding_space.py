"""A space in which distances between embeddings mean something: standardised, optionally reduced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddingSpace:
    """``(x - centre) / scale``, then ``axes``.

    Args:
        centre: ``(d,)``.
        scale: ``(d,)``, positive.
        axes: ``(d, k)`` orthonormal columns, or ``None`` for all d axes.
    """

    centre: Floats
    scale: Floats
    axes: Floats | None

    def project(self, features_nd: npt.NDArray[np.floating]) -> Floats:
        """``(n, d)`` → ``(n, k)`` or ``(n, d)``."""
        standard = (np.asarray(features_nd, dtype=np.float64) - self.centre) / self.scale
        return standard if self.axes is None else standard @ self.axes


def fit_space(features_nd: npt.NDArray[np.floating], *, components: int | None = None) -> EmbeddingSpace:
    """Standardise by column and keep the first ``components`` principal axes (``None``: all columns).

    Each variance is shrunk halfway to the mean variance: from few patients a column that hardly moves
    would otherwise rule every distance.
    """
    features = np.asarray(features_nd, dtype=np.float64)
    centre = features.mean(axis=0)
    variance = features.var(axis=0)
    shrunk = 0.5 * variance + 0.5 * variance.mean()
    scale = np.sqrt(np.where(shrunk > 0, shrunk, 1.0))
    if components is None:
        return EmbeddingSpace(centre=centre, scale=scale, axes=None)
    _, _, axes = np.linalg.svd((features - centre) / scale, full_matrices=False)
    return EmbeddingSpace(centre=centre, scale=scale, axes=axes[:components].T)


def distances(first_nd: Floats, second_md: Floats) -> Floats:
    """``(n, m)`` Euclidean distances between the rows of two tables."""
    squared = (first_nd**2).sum(1)[:, None] + (second_md**2).sum(1)[None] - 2.0 * first_nd @ second_md.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
