"""Holm's step-down correction over the channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def holm_levels(
    p_values: Sequence[float], alpha: float, weights: Sequence[float] | None = None
) -> tuple[float, ...]:
    """The level at which each p-value is judged (Holm 1979), in the given order.

    alpha times the hypothesis' share of the weights not yet spent on smaller p-values per weight (Holm 1979, section
    4); all weigh the same unless given: alpha / (m - rank).
    """
    weights = weights or [1.0] * len(p_values)
    levels = [0.0] * len(p_values)
    for i, left in _steps(p_values, weights):
        levels[i] = alpha * weights[i] / left
    return tuple(levels)


def holm_adjusted(p_values: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, ...]:
    """Adjusted p-values: a channel is alarmed when its adjusted p-value is at most alpha."""
    weights = weights or [1.0] * len(p_values)
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for i, left in _steps(p_values, weights):
        running = max(running, min(1.0, p_values[i] * left / weights[i]))
        adjusted[i] = running
    return tuple(adjusted)


def _steps(p_values: Sequence[float], weights: Sequence[float]) -> Iterator[tuple[int, float]]:
    """Each index, smallest p-value per weight first, and the weights that are left at that step, its own included."""
    left = float(sum(weights))
    for i in sorted(range(len(p_values)), key=lambda i: p_values[i] / weights[i]):
        yield i, left
        left -= weights[i]
