"""Where the window's patients lie among the reference, in the model's embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.scorecard.columns import EMBEDDING
from components.scorecard.embedding_space import fit_space
from components.scorecard.patients import columns_with, patient_means
from pipelines.figures.drift_canvas import INK, REFERENCE, WINDOW, canvas, plain, png


def drift_map(reference: pd.DataFrame, window: pd.DataFrame) -> bytes:
    """PNG: reference and window patients on the first two principal axes of both."""
    figure = canvas(5.2, 4.2)
    axes = plain(figure.subplots())
    parts = [_means(table, reference, window) for table in (reference, window)]
    pooled = np.concatenate(parts)
    if len(pooled) >= 3 and pooled.shape[1] >= 2:
        space = fit_space(pooled, components=2)
        for part, colour, marker, name in zip(
            parts, (REFERENCE, WINDOW), "os", ("reference", "window"), strict=True
        ):
            points = space.project(part)
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=26,
                c=colour,
                marker=marker,
                alpha=0.75,
                linewidths=0,
                label=name,
            )
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="best")
    else:
        axes.text(0.5, 0.5, "too few patients for a map", ha="center", color=INK, transform=axes.transAxes)
    axes.set_xlabel("first principal axis")
    axes.set_ylabel("second principal axis")
    return png(figure)


def _means(table: pd.DataFrame, reference: pd.DataFrame, window: pd.DataFrame) -> npt.NDArray[np.float64]:
    shared = [column for column in columns_with(window, EMBEDDING) if column in reference]
    means = patient_means(table, shared).to_numpy(dtype=np.float64) if shared else np.empty((0, 0))
    return means[np.isfinite(means).all(axis=1)] if means.size else np.empty((0, len(shared)))
