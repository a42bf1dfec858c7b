"""The drift verdict of a window of patients against the reference that travels with the model.

The reference is the scorecards of held-out patients: on the patients it was trained on a model is too sure of
itself, and every window would look drifted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import comb
from typing import Literal

import numpy as np
import pandas as pd

from components.drift.attribution import Attribution, attribute
from components.drift.channels import CHANNELS, WEIGHTS, ChannelStatistics
from components.drift.effect import effect_interval
from components.drift.holm import holm_adjusted, holm_levels
from components.drift.permutation import Combined, Members, combine, critical_value, memberships
from components.drift.strata import Stratum, alarmed_strata
from components.errors import ParameterError
from components.scorecard.ejection_fraction import with_ejection_fraction

_WEIGHT = sum(WEIGHTS.get(name, 1.0) for name in CHANNELS)
Kind = Literal["drift", "no drift", "not enough evidence"]


@dataclass(frozen=True, kw_only=True)
class DriftParams:
    """When to speak of drift.

    Args:
        alpha: family-wise false-alarm rate of one verdict, over all channels.
        min_patients: fewer patients than this in reference or window are not enough evidence.
        permutations: resamples of patients behind every p-value.
        persist_k, persist_m: an alarm counts once k of the last m windows (this one included) raised one.
        seed: of the permutations.
    """

    alpha: float = 0.01
    min_patients: int = 8
    permutations: int = 1999
    persist_k: int = 1
    persist_m: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or not 1 <= self.persist_k <= self.persist_m or self.min_patients < 2:
            raise ParameterError(
                expected="0 < alpha < 1, 1 <= persist_k <= persist_m and min_patients >= 2",
                got=f"alpha {self.alpha}, {self.persist_k} of {self.persist_m}, {self.min_patients} patients",
                hint="the shipped section `monitor` of params.yaml",
            )
        if (self.permutations + 1) * self.alpha < _WEIGHT:
            raise ParameterError(
                expected=f"at least {int(np.ceil(_WEIGHT / self.alpha)) - 1} permutations",
                got=str(self.permutations),
                hint="more permutations: fewer can never reach alpha over all channels",
            )


@dataclass(frozen=True, kw_only=True)
class ChannelVerdict:
    """One channel: is the window farther from the reference than permuted patients are?

    Args:
        name: metadata, image, embeddings, outputs, uncertainty, feedback or joint.
        column: the one that moved most, a single one before all together; ``columns`` is how many were compared.
        statistic: largest standardised distance over the columns; alarmed when above ``threshold``.
        effect: observed distance of ``column``, named by ``effect_name``, with its interval of 95 %.
        p_value, level: permutation p-value and the level at which Holm's procedure judges it.
        p_holm: adjusted p-value, to be compared with alpha.
        moved: what makes the alarm, each with a p-value of at most ``level``: single columns first, farthest first.
    """

    name: str
    column: str
    columns: int
    statistic: float
    threshold: float
    effect: float
    effect_low: float
    effect_high: float
    effect_name: str
    p_value: float
    level: float
    p_holm: float
    alarmed: bool
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DriftVerdict:
    """What the window shows; ``reason`` says it in a sentence, ``strata`` where the change sits.

    ``attribution`` is ``None`` without an alarm.
    """

    kind: Kind
    reason: str
    alarmed: bool
    n_reference: int
    n_window: int
    alpha: float
    permutations: int
    channels: tuple[ChannelVerdict, ...] = ()
    strata: tuple[Stratum, ...] = field(default=())
    attribution: Attribution | None = None


def assess_drift(
    reference: pd.DataFrame,
    window: pd.DataFrame,
    params: DriftParams,
    *,
    history: Sequence[bool] = (),
) -> DriftVerdict:
    """Compare window and reference by patient, channel by channel.

    Null of every channel: reference and window patients are exchangeable; the p-values are exact then.
    Patients of the window that are also in the reference are left out of the window.

    Args:
        reference: scorecards of held-out patients (one row per frame).
        window: scorecards of the patients seen lately.
        params: see ``DriftParams``.
        history: whether earlier windows of the same model version raised an alarm, oldest first.
    """
    fresh = window[~window["patient_id"].isin(set(reference["patient_id"]))]
    n_reference, n_window = reference["patient_id"].nunique(), fresh["patient_id"].nunique()
    short = _too_few(n_reference, n_window, params)
    if short:
        return _verdict("not enough evidence", short, n_reference, n_window, params)
    pooled = with_ejection_fraction(_pooled(reference, fresh))
    generator = np.random.default_rng(params.seed)
    members_bn = memberships(n_reference, n_window, params.permutations, generator)
    statistics = {name: channel(pooled, members_bn) for name, channel in CHANNELS.items()}
    channels = judge_channels(statistics, params.alpha)
    verdict = _weigh(channels, pooled, members_bn, params, history)
    if not verdict.alarmed:
        return verdict
    moved = {name: _moved(found) for name, found in statistics.items() if found is not None}
    alarmed = [channel.name for channel in channels if channel.alarmed]
    return replace(verdict, attribution=attribute(moved, alarmed, pooled, verdict.strata))


def _moved(found: ChannelStatistics) -> dict[str, float]:
    return dict(
        zip(found.columns, combine(found.statistics_bc, found.families).observed.tolist(), strict=True)
    )


def judge_channels(
    statistics: Mapping[str, ChannelStatistics | None], alpha: float
) -> tuple[ChannelVerdict, ...]:
    """Combine each channel's columns and correct over the channels by Holm's procedure."""
    present = {name: found for name, found in statistics.items() if found is not None}
    combined = [combine(found.statistics_bc, found.families) for found in present.values()]
    p_values = [one.p_value for one in combined]
    weights = [WEIGHTS.get(name, 1.0) for name in present]
    levels, adjusted = holm_levels(p_values, alpha, weights), holm_adjusted(p_values, weights)
    rows = zip(present.items(), combined, levels, adjusted, strict=True)
    return tuple(
        _channel(name, found, one, level, p_holm, alpha) for (name, found), one, level, p_holm in rows
    )


def _channel(
    name: str, found: ChannelStatistics, one: Combined, level: float, p_holm: float, alpha: float
) -> ChannelVerdict:
    farthest = sorted(range(len(found.columns)), key=lambda i: (found.is_whole(i), -one.observed[i]))
    moved = [i for i in farthest if p_holm <= alpha and one.p_columns[i] <= level]
    column = moved[0] if moved else one.column  # a column says more to people than that all together moved
    effect, effect_low, effect_high = effect_interval(found.distances[column]())
    return ChannelVerdict(
        name=name,
        column=found.columns[column],
        columns=len(found.columns),
        statistic=one.statistic,
        threshold=critical_value(one.null, level),
        effect=effect,
        effect_low=effect_low,
        effect_high=effect_high,
        effect_name=found.effect_names[column],
        p_value=one.p_value,
        level=level,
        p_holm=p_holm,
        alarmed=p_holm <= alpha,
        moved=tuple(found.columns[i] for i in moved),
    )


def _too_few(n_reference: int, n_window: int, params: DriftParams) -> str:
    if min(n_reference, n_window) < params.min_patients:
        return (
            f"{n_window} window and {n_reference} reference patients; "
            f"at least {params.min_patients} of each are needed"
        )
    smallest = 1 / comb(n_reference + n_window, n_window)
    if smallest > params.alpha / _WEIGHT:
        return (
            f"{n_window} against {n_reference} patients cannot reach p < {smallest:.2g}, whatever they show"
        )
    return ""


def _pooled(reference: pd.DataFrame, window: pd.DataFrame) -> pd.DataFrame:
    # Sorted patient ids must put the reference first, as row 0 of the memberships does.
    return pd.concat(
        [
            reference.assign(patient_id="0" + reference["patient_id"].astype(str)),
            window.assign(patient_id="1" + window["patient_id"].astype(str)),
        ],
        ignore_index=True,
        join="inner",
    )


def _weigh(
    channels: tuple[ChannelVerdict, ...],
    pooled: pd.DataFrame,
    members_bn: Members,
    params: DriftParams,
    history: Sequence[bool],
) -> DriftVerdict:
    n_window = int(members_bn[0].sum())
    counts = (members_bn.shape[1] - n_window, n_window, params)
    if not channels:
        return _verdict("not enough evidence", "no column differs between any two patients", *counts)
    names = ", ".join(channel.name for channel in channels if channel.alarmed)
    if not names:
        return _verdict("no drift", "no channel differs from permuted patients", *counts, channels=channels)
    strata = alarmed_strata(pooled, members_bn, alpha=params.alpha)
    alarms = 1 + sum(tuple(history)[::-1][: params.persist_m - 1])
    if alarms < params.persist_k:
        waiting = f"{names} differ, in {alarms} of the {params.persist_k} windows that make a drift"
        return _verdict("not enough evidence", waiting, *counts, channels=channels, strata=strata)
    return _verdict("drift", f"{names} differ from the reference", *counts, channels=channels, strata=strata)


def _verdict(
    kind: Kind,
    reason: str,
    n_reference: int,
    n_window: int,
    params: DriftParams,
    channels: tuple[ChannelVerdict, ...] = (),
    strata: tuple[Stratum, ...] = (),
) -> DriftVerdict:
    return DriftVerdict(
        kind=kind,
        reason=reason,
        alarmed=any(channel.alarmed for channel in channels),
        n_reference=n_reference,
        n_window=n_window,
        alpha=params.alpha,
        permutations=params.permutations,
        channels=channels,
        strata=strata,
    )
