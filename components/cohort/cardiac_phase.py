"""Which cardiac phase a DICOM slice belongs to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from components.errors import InputError

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


@dataclass(frozen=True, kw_only=True)
class PhaseAttributes:
    """What one slice says about its phase; ``None`` where it is silent.

    Args:
        nominal_percent: Nominal Percentage of Cardiac Phase (0020,9241).
        description: Series Description (0008,103E), where vendors write ``70 %``.
        trigger_ms: Trigger Time (0018,1060), after the R peak.
        interval_ms: Nominal Interval (0018,1062) between R peaks, or 60,000 / Heart Rate (0018,1088).
        temporal_index: Temporal Position Identifier (0020,0100), from 1.
        place: where the slice lies along the stack; slices of one place are different phases.
    """

    nominal_percent: float | None
    description: str
    trigger_ms: float | None
    interval_ms: float | None
    temporal_index: int | None
    place: float


def phases(slices: Sequence[PhaseAttributes]) -> dict[float | None, list[int]]:
    """Phase in percent of the R-R interval → indices of its slices; one key ``None`` for a plain CT.

    Tried in this order: the nominal percentage, the trigger time where places repeat, the temporal
    position where places repeat, a percentage in the description. Phases lie in [0, 100); 100 stays 100 where
    0 is there too. ``InputError`` when they span more than one heart beat.
    """
    nominal = [s.nominal_percent for s in slices]
    if all(value is not None for value in nominal):
        stated = [float(value) for value in nominal if value is not None]
        different = sorted(set(stated))
        within = dict(zip(different, _within_cycle(different), strict=True))
        return _grouped([within[value] for value in stated])
    if len({s.place for s in slices}) < len(slices):
        for found in (_by_trigger(slices), _by_temporal_position(slices)):
            if found is not None:
                return found
    written = {percent_in(s.description) for s in slices}
    return {written.pop() if len(written) == 1 else None: list(range(len(slices)))}


def percent_in(description: str) -> float | None:
    """``70.0`` for ``CTA 70 % B26f``; ``None`` without exactly one percentage up to 100."""
    found = [float(text) for text in _PERCENT.findall(description) if float(text) <= 100.0]
    return found[0] % 100.0 if len(found) == 1 else None


def without_percent(description: str) -> str:
    """The description that the phases of one reconstruction share."""
    return _PERCENT.sub("%", description)


def _by_trigger(slices: Sequence[PhaseAttributes]) -> dict[float | None, list[int]] | None:
    """Rank at each place: trigger times jitter from place to place, their order does not."""
    if any(s.trigger_ms is None for s in slices):
        return None
    times = [float(s.trigger_ms or 0.0) for s in slices]
    at_place: dict[float, list[int]] = defaultdict(list)
    for index in sorted(range(len(slices)), key=lambda i: times[i]):
        at_place[slices[index].place].append(index)
    counts = {len(indices) for indices in at_place.values()}
    distinct = all(len({times[i] for i in indices}) == len(indices) for indices in at_place.values())
    if len(counts) != 1 or not distinct:
        return None
    ranks = [list(rank) for rank in zip(*at_place.values(), strict=True)]
    typical = [median(times[i] for i in rank) for rank in ranks]
    cycle = _cycle_ms(slices, typical)
    percents = _within_cycle([round(100.0 * t / cycle, 3) for t in typical])
    return {percent: sorted(rank) for percent, rank in zip(percents, ranks, strict=True)}


def _within_cycle(percents: Sequence[float]) -> list[float]:
    """Rising percentages as ones in [0, 100), or up to 100 where both ends of the cycle are there.

    The far end may jitter beyond 100 by less than one.
    """
    folded = [percent % 100.0 for percent in percents]
    if _are_apart(folded, percents):
        return folded
    kept = [min(percent, 100.0) for percent in percents]
    if percents[0] >= 0.0 and percents[-1] < 101.0 and _are_apart(kept, percents):
        return kept
    raise InputError(
        expected="cardiac phases of one R-R interval, each once",
        got=f"{len(percents)} phases from {percents[0]:g} to {percents[-1]:g} %",
        hint="one series per heart beat, or the interval between R peaks that belongs to the trigger times",
    )


def _are_apart(moved: Sequence[float], percents: Sequence[float]) -> bool:
    """Whether no two became one, nor two whole percents, which name frames."""
    whole = len({round(percent) for percent in moved}) == len({round(percent) for percent in percents})
    return whole and len(set(moved)) == len(percents)


def _cycle_ms(slices: Sequence[PhaseAttributes], typical: Sequence[float]) -> float:
    """The stated R-R interval; without one, phases are taken to be evenly spaced over it."""
    stated = [s.interval_ms for s in slices if s.interval_ms]
    if stated and median(stated) > 0:
        return float(median(stated))
    return (typical[-1] - typical[0]) * len(typical) / max(len(typical) - 1, 1) or 1.0


def _by_temporal_position(slices: Sequence[PhaseAttributes]) -> dict[float | None, list[int]] | None:
    positions = sorted({s.temporal_index for s in slices if s.temporal_index is not None})
    if any(s.temporal_index is None for s in slices) or len(positions) < 2:
        return None
    percent = {position: 100.0 * rank / len(positions) for rank, position in enumerate(positions)}
    return _grouped([percent[s.temporal_index] for s in slices if s.temporal_index is not None])


def _grouped(percents: Sequence[float]) -> dict[float | None, list[int]]:
    groups: dict[float | None, list[int]] = {percent: [] for percent in sorted(set(percents))}
    for index, percent in enumerate(percents):
        groups[percent].append(index)
    return groups
