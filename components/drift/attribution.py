"""What carries a drift, what kind of change it is, and what to do about it.

A change of the scans (protocol, scanner, reconstruction) moves what physics decides: metadata, noise, sharpness, field
of view, brightness. A change of the patients moves what anatomy decides: volumes, ejection fraction, findings, how much
lung and body there is. Each moves some of the other too, so that the side whose column moved farthest, in standard
deviations under permutation, is named, and what voxels show must move farther for it than what headers say. A model
that got worse while neither moved shows in returned labels alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from components.drift.strata import STRATUM_COLUMNS, Stratum
from components.scorecard.columns import IMAGE, LABEL_SET, META, OUTPUT, QUALITY
from components.scorecard.ejection_fraction import EJECTION_FRACTION, with_ejection_fraction
from components.scorecard.patients import is_numeric, patient_means

Cause = Literal["acquisition", "population", "model", "unclear"]
Action = Literal["fix the protocol", "ask for labels", "nothing"]
_ANATOMY = (OUTPUT, EJECTION_FRACTION, LABEL_SET, f"{IMAGE}body_fraction", f"{IMAGE}air_fraction")
_PHYSICS = (META, IMAGE)
_MARGIN = 1.2  # so much farther must voxels move than anatomy, to speak of the scans
_INPUTS = ("metadata", "image", "embeddings", "outputs")


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A column that moved; with ``value`` the shares of patients who have it, else the medians over patients."""

    column: str
    value: str | None
    reference: float
    window: float

    def words(self) -> str:
        name = self.column.removeprefix(META).removeprefix(IMAGE).removeprefix(OUTPUT).replace("_", " ")
        if self.value is not None:
            return f"{name} {self.value} ({self.reference:.0%} → {self.window:.0%} of the patients)"
        return f"{name} ({self.reference:.3g} → {self.window:.3g})"


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Args:
    cause: ``unclear`` where no column of either side moved.
    carrier: of the cause, the farthest one; metadata before voxels where both moved.
    declined: returned labels, or the quality foretold, say that the model does worse here.
    actions: for people, the first one first.
    acquisition, population: the farthest column of each side, in standard deviations under permutation; of the
        scans' side, what voxels show counts less than what headers say.
    """

    cause: Cause
    carrier: Carrier | None
    declined: bool
    actions: tuple[Action, ...]
    acquisition: float
    population: float

    def words(self) -> str:
        """A sentence or two for a person."""
        kind = {
            "acquisition": "The scans changed", "population": "The patients changed",
            "model": "Neither scans nor patients changed, but the model does worse on returned labels",
            "unclear": "What changed cannot be told",
        }[self.cause]  # fmt: skip
        where = f": {self.carrier.words()}" if self.carrier is not None else ""
        worse = " The model does worse here." if self.declined and self.cause != "model" else ""
        return f"{kind}{where}.{worse} To do: {', '.join(self.actions)}."


def attribute(
    moved: Mapping[str, Mapping[str, float]],
    alarmed: Sequence[str],
    pooled: pd.DataFrame,
    strata: Sequence[Stratum],
) -> Attribution:
    """Name cause and carrier of an alarm.

    Args:
        moved: channel → column → how far it moved, in standard deviations under permutation.
        alarmed: channels with an alarm.
        pooled: scorecards of reference and window, whose patients are named ``0…`` and ``1…``.
        strata: metadata values that grew, largest growth first.
    """
    pooled = with_ejection_fraction(pooled)
    columns = {column: far for name in _INPUTS for column, far in moved.get(name, {}).items()}
    anatomy = {column: far for column, far in columns.items() if column.startswith(_ANATOMY)}
    physics = {
        column: far
        for column, far in columns.items()
        if column.startswith(_PHYSICS) and column not in anatomy
    }
    strongest = [_strength(physics), max(anatomy.values(), default=0.0)]
    cause = _cause(alarmed, strongest[0], strongest[1])
    declined = "feedback" in alarmed or ("uncertainty" in alarmed and _foretold_worse(pooled))
    return Attribution(
        cause=cause, carrier=_carrier(cause, physics, anatomy, pooled, strata), declined=declined,
        actions=_actions(cause, declined), acquisition=strongest[0], population=strongest[1],
    )  # fmt: skip


def _strength(physics: Mapping[str, float]) -> float:
    """Of the scans' side: other patients change no header, but other hearts do change brightness."""
    return max(
        (far if column.startswith(META) else far / _MARGIN for column, far in physics.items()), default=0.0
    )


def _cause(alarmed: Sequence[str], physics: float, anatomy: float) -> Cause:
    if not set(alarmed) & set(_INPUTS):
        # All views together name no side; but when they moved, more than the model changed.
        return "model" if "feedback" in alarmed and "joint" not in alarmed else "unclear"
    if max(physics, anatomy) <= 0:
        return "unclear"
    return "acquisition" if physics >= anatomy else "population"


def _actions(cause: Cause, declined: bool) -> tuple[Action, ...]:
    if cause == "acquisition":
        return ("fix the protocol", "ask for labels") if declined else ("fix the protocol",)
    return ("ask for labels",)


def _foretold_worse(pooled: pd.DataFrame) -> bool:
    column, sign = (QUALITY, 1.0) if QUALITY in pooled else ("uncertainty", -1.0)
    means = patient_means(pooled, [column])[column]
    inside = means.index.astype(str).str.startswith("1")
    return bool(sign * means[inside].mean() < sign * means[~inside].mean())


def _carrier(
    cause: Cause,
    physics: Mapping[str, float],
    anatomy: Mapping[str, float],
    pooled: pd.DataFrame,
    strata: Sequence[Stratum],
) -> Carrier | None:
    side = {"acquisition": physics, "population": anatomy}.get(cause, {})
    metadata = {column: far for column, far in side.items() if column.startswith(META)}
    # What the headers say explains what the voxels show, unless it moved much less.
    if metadata and max(metadata.values()) < 0.5 * max(side.values()):
        metadata = {}
    ranked = sorted((metadata or side).items(), key=lambda item: (-round(item[1], 1), _order(item[0])))
    return _described(ranked[0][0], pooled, strata) if ranked else None


def _order(column: str) -> int:
    """A new site says more than its kernel."""
    name = column.removeprefix(META)
    return STRATUM_COLUMNS.index(name) if name in STRATUM_COLUMNS else len(STRATUM_COLUMNS)


def _described(column: str, pooled: pd.DataFrame, strata: Sequence[Stratum]) -> Carrier:
    for stratum in strata:
        if column in (META + stratum.column, stratum.column):
            return Carrier(
                column=column,
                value=stratum.value,
                reference=stratum.share_reference,
                window=stratum.share_window,
            )
    if not is_numeric(pooled, column):
        return Carrier(column=column, value=None, reference=float("nan"), window=float("nan"))
    values = patient_means(pooled, [column])[column]
    inside = values.index.astype(str).str.startswith("1")
    return Carrier(
        column=column,
        value=None,
        reference=float(np.nanmedian(values[~inside])),
        window=float(np.nanmedian(values[inside])),
    )
