"""How well a confidence finds failures: the risk that is left when the least sure cases go to a person.

Area under the risk–coverage curve (AURC), as Zenk et al. (MedIA 2025) and Jaeger et al. (ICLR 2023) use it. It falls
both when the risk is low and when the confidence ranks it well.
"""

from __future__ import annotations

import numpy as np

from components.metrics.weighting import Array


def risk_coverage(risk: Array, confidence: Array, weight: Array | None = None) -> tuple[Array, Array]:
    """Coverage and selective risk ``(..., levels)`` when all cases at or above each confidence are kept.

    Args:
        risk, confidence: ``(n,)``.
        weight: ``(..., n)``, what each case counts; 1 unless given.

    Levels go from the highest confidence to the lowest; equal confidences are one level.
    """
    weight = np.ones(len(risk)) if weight is None else weight
    levels, index = np.unique(-np.asarray(confidence, dtype=np.float64), return_inverse=True)
    member = (index[:, None] == np.arange(len(levels))).astype(np.float64)
    kept = np.cumsum(weight @ member, axis=-1)
    lost = np.cumsum((weight * risk) @ member, axis=-1)
    coverage = kept / kept[..., -1:]
    return coverage, np.divide(lost, kept, out=np.zeros_like(lost), where=kept > 0)


def aurc(risk: Array, confidence: Array, weight: Array | None = None) -> Array:
    """``(...)``: the selective risk, averaged over coverage: 0 is best, the mean risk is what no confidence gives."""
    coverage, selective = risk_coverage(risk, confidence, weight)
    step = np.diff(coverage, axis=-1, prepend=0.0)
    return np.asarray((selective * step).sum(axis=-1))
