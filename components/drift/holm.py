"""Holm's step-down correction over the channels."""

from __future__ import annotations

from collections.abc import Sequence


def holm_levels(p_values: Sequence[float], alpha: float) -> tuple[float, ...]:
    """The level alpha / (m - rank) at which each p-value is judged (Holm 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    levels = dict(zip(order, (alpha / (len(order) - rank) for rank in range(len(order))), strict=True))
    return tuple(levels[i] for i in range(len(p_values)))


def holm_adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values: a channel is alarmed when its adjusted p-value is at most alpha."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [1.0] * len(order)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = running
    return tuple(adjusted)
