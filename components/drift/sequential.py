"""Drift of a stream, patient by patient: evidence that may be looked at after each one, as often as one likes.

Each new patient gets a conformal p-value: its rank among the calibration patients and all before it, by how strange it
is. While all are exchangeable these are independent and uniform (Vovk, Nouretdinov & Gammerman 2003, "Testing
exchangeability on-line"), and no strategy that bets against that can be expected to win; ours is the Simple Jumper
(Vovk et al. 2021, "Retrain or not retrain", algorithm 1) with a fourth, bolder bet on small p-values. By Ville's
inequality the evidence ever reaches 1 / alpha with probability at most alpha. Under ``run length`` a new bet begins
with every patient (e-detector of Shiryaev and Roberts type, Shin, Ramdas & Rinaldo 2022): then it is 1 / alpha
patients, or more, on average to a false alarm, and a long quiet past does not delay a true one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.errors import ParameterError
from components.scorecard.columns import EMBEDDING, IMAGE, OUTPUT, QUALITY
from components.scorecard.ejection_fraction import EJECTION_FRACTION, with_ejection_fraction
from components.scorecard.embedding_space import distances, fit_space
from components.scorecard.patients import columns_with, patient_means

Floats = npt.NDArray[np.float64]
_POWER = 0.4  # of the bold bet, a density like the others: kappa p^(kappa - 1) (Vovk & Wang 2021, eq. 1)
_SURROUNDINGS: Mapping[str, tuple[str, ...]] = {
    "image": (IMAGE,),
    "embeddings": (EMBEDDING,),
    "outputs": (OUTPUT, EJECTION_FRACTION),
}


@dataclass(frozen=True, kw_only=True)
class StreamParams:
    """Args:
    alpha: see the guarantee.
    guarantee: ``ever``: a false alarm, however long the stream, with probability at most alpha; ``run length``: one in
        1 / alpha patients or more, on average.
    jump: how readily the bet changes its side.
    neighbours: reference patients that strangeness measures the distance to.
    min_reference: with fewer reference patients a stream is not followed.
    seed: halves the reference, and breaks ties.
    """

    alpha: float = 0.01
    guarantee: Literal["ever", "run length"] = "ever"
    jump: float = 0.01
    neighbours: int = 5
    min_reference: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        inside = 0 < self.alpha < 1 and 0 <= self.jump < 1
        if not inside or self.neighbours < 1 or self.min_reference < 4:
            raise ParameterError(
                expected="0 < alpha < 1, 0 <= jump < 1, neighbours >= 1 and min_reference >= 4",
                got=str(self),
                hint="the shipped section `monitor` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamVerdict:
    """Evidence against exchangeability after each patient of the stream.

    Args:
        patients: of the stream, ``m`` of them, in order.
        log10_evidence: ``(m,)``, of all views together; 2 = a hundred times the stake.
        views: view → ``(m,)`` its own.
        alarm_at: index of the first patient with evidence of 1 / alpha; ``None`` without an alarm.
    """

    patients: tuple[str, ...]
    log10_evidence: Floats
    views: Mapping[str, Floats]
    alarm_at: int | None
    alpha: float
    guarantee: str

    @property
    def alarmed(self) -> bool:
        return self.alarm_at is not None

    def as_json(self) -> dict[str, Any]:
        """Curves to three decimals."""
        return {
            "patients": list(self.patients), "alarm_at": self.alarm_at, "alpha": self.alpha,
            "guarantee": self.guarantee, "log10_evidence": self.log10_evidence.round(3).tolist(),
            "views": {name: curve.round(3).tolist() for name, curve in self.views.items()},
        }  # fmt: skip


def follow_stream(
    reference: pd.DataFrame, stream: pd.DataFrame, params: StreamParams
) -> StreamVerdict | None:
    """Bet on every patient of ``stream`` in the order of their first rows.

    Half of the reference's patients, drawn by the seed, say what is familiar; the others calibrate. A view's evidence
    is a test of its own, and their mean is one of all (means of e-values are e-values, however they depend).

    Args:
        reference: scorecards of held-out patients.
        stream: scorecards of patients outside the reference, oldest first.

    Returns:
        ``None`` with fewer than ``min_reference`` reference patients, or without a view that all patients have.
    """
    order = stream["patient_id"].drop_duplicates().astype(str).tolist()
    known = np.sort(reference["patient_id"].astype(str).unique())
    if len(known) < params.min_reference:
        return None
    generator = np.random.default_rng(params.seed)
    familiar = set(generator.permutation(known)[: len(known) // 2].tolist())
    inside = reference["patient_id"].astype(str).isin(familiar)
    others = pd.concat([reference[~inside], stream], join="inner", ignore_index=True)
    views = strangeness(reference[inside], others, params.neighbours)
    if views.empty:
        return None
    calibration = [name for name in views.index if name not in set(order)]
    curves = {
        str(view): bet(
            conformal_p_values(views[view][calibration].to_numpy(), views[view][order].to_numpy(), generator),
            jump=params.jump,
            restart=params.guarantee == "run length",
        )
        for view in views
    }
    whole = np.mean(list(curves.values()), axis=0)
    reached = np.flatnonzero(whole >= 1 / params.alpha)
    return StreamVerdict(
        patients=tuple(order), log10_evidence=np.log10(whole),
        views={view: np.log10(curve) for view, curve in curves.items()},
        alarm_at=int(reached[0]) if len(reached) else None, alpha=params.alpha, guarantee=params.guarantee,
    )  # fmt: skip


def strangeness(familiar: pd.DataFrame, scorecards: pd.DataFrame, neighbours: int) -> pd.DataFrame:
    """One row per patient, one column per view: distance to the nearest familiar ones, uncertainty, quality missing."""
    familiar, scorecards = with_ejection_fraction(familiar), with_ejection_fraction(scorecards)
    found: dict[str, Floats] = {}
    for view, prefixes in _SURROUNDINGS.items():
        columns = [c for prefix in prefixes for c in columns_with(scorecards, prefix) if c in familiar]
        known, new = (patient_means(table, columns).to_numpy(np.float64) for table in (familiar, scorecards))
        if columns and np.isfinite(known).all() and np.isfinite(new).all():
            space = fit_space(known)
            gaps = np.sort(distances(space.project(new), space.project(known)), axis=1)
            found[view] = gaps[:, :neighbours].mean(axis=1)
    for view, column, sign in (("uncertainty", "uncertainty", 1.0), (QUALITY, QUALITY, -1.0)):
        if column in scorecards and scorecards[column].notna().all():
            found[view] = sign * patient_means(scorecards, [column])[column].to_numpy(np.float64)
    names = np.sort(scorecards["patient_id"].astype(str).unique())
    return pd.DataFrame(found, index=names) if found else pd.DataFrame()


def conformal_p_values(
    calibration_n: Floats, stream_m: Floats, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """``(m,)``: the rank of each among calibration and stream so far, ties broken at random; small = strange."""
    pool = np.sort(calibration_n)
    p_values = np.empty(len(stream_m))
    for i, score in enumerate(stream_m):
        low, high = np.searchsorted(pool, score, "left"), np.searchsorted(pool, score, "right")
        p_values[i] = (len(pool) - high + generator.random() * (high - low + 1)) / (len(pool) + 1)
        pool = np.insert(pool, low, score)
    return p_values


def bet(p_values: Floats, *, jump: float, restart: bool = False) -> Floats:
    """``(m,)`` capital after each p-value, from 1; with ``restart`` a stake of 1 is added before each."""
    stakes = np.zeros(4) if restart else np.full(4, 1 / 4)
    capital = np.empty(len(p_values))
    for i, p in enumerate(p_values):
        stakes = stakes + restart / 4
        stakes = (1 - jump) * stakes + jump * stakes.sum() / 4
        stakes = stakes * payoffs(float(p))
        capital[i] = stakes.sum()
    return capital


def payoffs(p: float) -> Floats:
    """``(4,)`` what a stake of 1 becomes: nothing bet, on small, on large, and boldly on small p-values."""
    return np.array([1.0, 1.5 - p, 0.5 + p, _POWER * p ** (_POWER - 1)])
