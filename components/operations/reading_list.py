"""The reading list: unread studies, the one whose wait is expected to cost most first.

The urgency of a study is the sum over findings of weight × calibrated probability. Where a finding costs its weight
for each minute that it waits, this is the expected cost of one more minute; when all studies are expected to take
equally long, reading by falling urgency then makes the expected total cost of waiting the smallest of all orders
(weighted shortest processing time: Smith 1956, Naval Research Logistics Quarterly 3:59; with random reading times
Rothkopf 1966, Management Science 12:707). A sum of expectations asks for calibrated probabilities only, not for
independent findings as 1 - Π(1 - w·p) would.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.errors import InputError, ParameterError
from components.metrics.weighting import Array
from components.operations.finding_scores import PROBABILITY

Places = npt.NDArray[np.intp]
OTHERS = "*"
NOT_PREDICTED = "no prediction"
BLINDED = "placed by arrival, without what the model says: an audit request for this patient is open"
_MOST_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one finding adds to the urgency of a study: weight × probability."""

    finding: str
    probability: float
    contribution: float


@dataclass(frozen=True, kw_only=True)
class ReadingListRow:
    """One unread study.

    Args:
        rank: from 1.
        urgency: ``None`` where a probability is unknown, or the study blinded.
        findings: the three that contribute most, the largest first; those that add nothing are left out.
        reason: why the study stands before or outside of the order of urgency; empty where it stands in it.
        blinded: whether nothing of what the model says may be shown, nor told by the rank.
    """

    rank: int
    case_id: str
    urgency: float | None
    findings: tuple[Contribution, ...]
    reason: str = ""
    blinded: bool = False


def finding_weights(
    given: Mapping[str, float], findings: Sequence[str], vocabulary: Sequence[str] | None = None
) -> dict[str, float]:
    """A weight for each of ``findings``; those that ``given`` does not name have that of ``*``, or 1.

    Args:
        given: finding → weight; a weight of 0 takes a finding out.
        findings: those that the model predicts.
        vocabulary: every name that ``given`` may hold; ``findings`` unless given.

    Raises ``ParameterError`` for a name outside of the vocabulary (naming the nearest), a weight that is negative or
    not finite, and when nothing that the model predicts weighs anything.
    """
    for name, weight in given.items():
        _check_weight(name, weight, vocabulary if vocabulary is not None else findings)
    weights = {name: float(given.get(name, given.get(OTHERS, 1.0))) for name in findings}
    if not any(weights.values()):
        raise ParameterError(
            expected="a positive weight for a finding that the model predicts",
            got="none",
            hint=f"one of {', '.join(findings) or 'another model, for this one predicts no finding'}",
        )
    return weights


def urgency_of(probabilities_nk: Array, weights: Sequence[float]) -> Array:
    """``(n,)`` Σ weight × probability over k findings; NaN where a probability that weighs is unknown.

    Raises ``InputError`` for a probability outside of 0 to 1.
    """
    said = np.asarray(probabilities_nk, dtype=np.float64)
    if ((said < 0) | (said > 1)).any():
        wrong = said[(said < 0) | (said > 1)][0]
        raise InputError(expected="probabilities from 0 to 1", got=str(wrong), hint="calibrated ones")
    weight = np.asarray(weights, dtype=np.float64)
    chosen = weight > 0
    total: Array = said[:, chosen] @ weight[chosen]
    return total


def reading_list(studies: pd.DataFrame, weights: Mapping[str, float]) -> tuple[ReadingListRow, ...]:
    """The studies in the order in which to read them.

    A study with an unknown probability has no urgency that could be compared: it comes before all others, with its
    reason, so that a failure never lets a study sink. Then come those that have waited too long, the earliest first.
    Equal urgencies are read in the order of arrival, and of
    equal arrivals in the order of the table.

    A blinded study has the rank that it would have first in, first out, and nothing that the model says of it is in its
    row: whoever labels an audit sample after a look at the model's probability judges the model by itself.

    Args:
        studies: a row per study with ``case_id``, ``arrival`` (anything that sorts), a column ``probability_FINDING``
            for each weight (NaN = unknown), and perhaps ``reason``: why there is no prediction, ``overdue``: why
            it has waited too long, empty where it has not, and ``blinded``: whether it is.
        weights: finding → weight, see ``finding_weights``.

    Raises ``InputError`` for a missing column, a case that stands there twice, or an impossible probability.
    """
    _check_columns(studies, weights)
    findings = list(weights)
    said = np.asarray(studies[[f"{PROBABILITY}{name}" for name in findings]], dtype=np.float64)
    blinded = studies["blinded"].to_numpy(bool) if "blinded" in studies else np.zeros(len(studies), bool)
    said = np.where(blinded[:, None], np.nan, said)
    urgency = urgency_of(said, list(weights.values()))
    arrival = pd.Series(studies["arrival"]).rank(method="dense").to_numpy()
    failed, overdue = _texts(studies, "reason"), _texts(studies, "overdue")
    place = np.where(np.isnan(urgency), 0, np.where([bool(text) for text in overdue], 1, 2))
    order = np.lexsort((arrival, np.where(place == 2, -urgency, 0.0), place))
    order = _by_arrival(order, np.argsort(arrival, kind="stable"), blinded)
    cases = studies["case_id"].astype(str).tolist()
    return tuple(
        ReadingListRow(
            rank=rank,
            case_id=cases[i],
            urgency=None if np.isnan(urgency[i]) else float(urgency[i]),
            findings=_contributions(said[i], weights),
            reason=BLINDED
            if blinded[i]
            else (_reason(said[i], weights, failed[i]) if np.isnan(urgency[i]) else overdue[i]),
            blinded=bool(blinded[i]),
        )
        for rank, i in enumerate(order.tolist(), start=1)
    )


def _by_arrival(order: Places, first_in: Places, blinded: npt.NDArray[np.bool_]) -> Places:
    """``order`` with the blinded studies taken out and put where they are in ``first_in``."""
    kept = np.empty_like(order)
    theirs = blinded[first_in]
    kept[theirs], kept[~theirs] = first_in[theirs], order[~blinded[order]]
    return kept


def _texts(studies: pd.DataFrame, column: str) -> list[str]:
    return studies[column].fillna("").astype(str).tolist() if column in studies else [""] * len(studies)


def _contributions(said: Array, weights: Mapping[str, float]) -> tuple[Contribution, ...]:
    found = [
        Contribution(finding=name, probability=float(p), contribution=weight * float(p))
        for (name, weight), p in zip(weights.items(), said, strict=True)
        if weight * p > 0
    ]
    return tuple(sorted(found, key=lambda one: -one.contribution)[:_MOST_SHOWN])


def _reason(said: Array, weights: Mapping[str, float], reason: str) -> str:
    weighing = {name: p for (name, weight), p in zip(weights.items(), said, strict=True) if weight > 0}
    unknown = [name for name, p in weighing.items() if np.isnan(p)]
    what = NOT_PREDICTED if len(unknown) == len(weighing) else f"no probability of {', '.join(unknown)}"
    return f"{what}: {reason}" if reason else what


def _check_weight(name: str, weight: float, vocabulary: Sequence[str]) -> None:
    if name != OTHERS and name not in vocabulary:
        near = difflib.get_close_matches(name, vocabulary, n=1, cutoff=0.0)
        raise ParameterError(
            expected="weights of known findings",
            got=repr(name),
            hint=repr(near[0]) if near else "removing it",
        )
    if not (np.isfinite(weight) and weight >= 0):
        raise ParameterError(
            expected=f"a weight of {name} that is 0 or more", got=str(weight), hint="0, which takes it out"
        )


def _check_columns(studies: pd.DataFrame, weights: Mapping[str, float]) -> None:
    needed = ["case_id", "arrival", *(f"{PROBABILITY}{name}" for name in weights)]
    missing = [name for name in needed if name not in studies]
    if missing:
        raise InputError(
            expected="a table of studies with " + ", ".join(missing),
            got=", ".join(map(str, studies.columns)) or "no column",
            hint="a model that predicts these findings, or other weights",
        )
    twice = studies["case_id"][studies["case_id"].duplicated()]
    if len(twice):
        raise InputError(expected="each case once", got=f"{twice.iloc[0]} twice", hint="one row per case")
