"""A weighted facility location, and its greedy choice with lazy gains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CHUNK = 256


class Cover:
    """How near the counted patients are to what was taken, and what taking one more would give.

    Args:
        closeness: ``(n, m)`` distance from candidate to counted patient, in any increasing unit.
        near: ``(m,)`` distance of each counted patient to the nearest one taken so far, in the same unit.
        value: ``(m,)`` what a unit of distance is worth there.
        minutes: ``(n,)`` cost of each candidate.
    """

    def __init__(self, *, closeness: Floats, near: Floats, value: Floats, minutes: Floats) -> None:
        self._closeness, self._near = closeness, near.copy()
        self._value, self._minutes = value, minutes
        self._bound = self._all_gains()

    def valued(self, value: Floats) -> Cover:
        """The same patients, of other value."""
        return Cover(closeness=self._closeness, near=self._near, value=value, minutes=self._minutes)

    def gain(self, candidate: int) -> float:
        """Value times distance that taking the candidate would take away."""
        return float((self._value * np.maximum(self._near - self._closeness[candidate], 0.0)).sum())

    def best(self, left: npt.NDArray[np.bool_]) -> tuple[int, float]:
        """The candidate of highest gain per minute, and the share of what is left that it takes away.

        A gain never grows, so one that beats the bounds of all others is the highest (Minoux 1978).
        """
        fresh = np.zeros(len(left), dtype=bool)
        while True:
            rate = np.where(left, self._bound, -1.0) / self._minutes
            best = int(rate.argmax())
            if fresh[best]:
                break
            self._bound[best], fresh[best] = self.gain(best), True
        total = float((self._value * self._near).sum())
        return best, self._bound[best] / total if total > 0 else 0.0

    def _all_gains(self) -> Floats:
        """``(n,)`` ``gain`` of every candidate, a few hundred at a time."""
        parts = [
            np.maximum(self._near - self._closeness[start : start + _CHUNK], 0.0) @ self._value
            for start in range(0, len(self._closeness), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def take(self, candidate: int) -> None:
        """From now on the candidate counts as taken."""
        self._near = np.minimum(self._near, self._closeness[candidate])
