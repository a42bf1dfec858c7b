"""How much a segmentation jumps between neighbouring frames of the cardiac cycle.

A frozen mask scores a perfect 0, so the jump calls an expert; it never selects a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from components.volume.label_counts import label_counts
from components.volume.volume import LabelMap


def neighbour_dice(first: LabelMap | None, second: LabelMap | None) -> float:
    """Mean Dice over the structures present in at least one of two frames on one grid.

    NaN when nothing can be compared: a frame is missing, the grids differ in shape, or both maps are empty.
    """
    if first is None or second is None or first.labels.shape != second.labels.shape:
        return float("nan")
    values = np.array(sorted(set(first.names) | set(second.names)), dtype=np.intp)
    sizes = label_counts(first.labels) + label_counts(second.labels)
    shared = label_counts(first.labels[first.labels == second.labels])
    present = values[sizes[values] > 0]
    return float(np.mean(2.0 * shared[present] / sizes[present])) if present.size else float("nan")


def temporal_jumps(pair_dice: Sequence[float]) -> npt.NDArray[np.float64]:
    """1 - mean Dice of each frame to its two neighbours in the cycle.

    Args:
        pair_dice: ``(n,)``, entry i compares frames i and i + 1, the last entry frame n - 1 and frame 0
            (for two frames both entries are the same pair). NaN pairs are left out of the mean.

    Returns:
        ``(n,)`` in [0, 1]; NaN where no neighbour could be compared.
    """
    after = np.asarray(pair_dice, dtype=np.float64)
    pairs = np.stack([after, np.roll(after, 1)])
    known = np.isfinite(pairs)
    count = known.sum(axis=0)
    mean = np.where(known, pairs, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, 1.0 - mean, np.nan)


class CycleJumps:
    """Temporal jumps of one case from its frames in phase order, holding only the first and the last map."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pair_dice: list[float] = []
        self._first: LabelMap | None = None
        self._last: LabelMap | None = None

    def add(self, frame_id: str, labels: LabelMap | None) -> None:
        """The next frame; ``None`` for one without a label map, which then is nobody's neighbour."""
        if self._names:
            self._pair_dice.append(neighbour_dice(self._last, labels))
        else:
            self._first = labels
        self._names.append(frame_id)
        self._last = labels

    def close(self) -> dict[str, float]:
        """frame_id → temporal jump; NaN for a single frame."""
        if len(self._names) < 2:
            return dict.fromkeys(self._names, float("nan"))
        cycle = [*self._pair_dice, neighbour_dice(self._last, self._first)]
        jumps = temporal_jumps(cycle)
        return {name: float(jump) for name, jump in zip(self._names, jumps, strict=True)}
