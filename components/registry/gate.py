"""The paired, per-patient test that a challenger must pass before it may become champion.

Scores are one number per test patient, higher is better, from expert labels only. The rules, in order:

1. No test patient was trained on, by either model.
2. Enough patients, and a champion that predicted every frame, else "not enough evidence", which never
   passes: a champion that fails once must not make way for a worse model.
3. Non-inferiority, overall and in each stratum that is large enough: the lower bound of the mean paired
   difference lies above ``-margin``. An intersection of tests needs no correction for their number.
4. Superiority somewhere: a lower bound above ``gain`` overall or in one stratum, each at ``alpha`` divided by
   the number of these tests (Bonferroni; for "at least one" Holm's first step is the same).

A first model has no champion to beat: its mean score must lie above an absolute floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from components.errors import InputError, ParameterError
from components.metrics.paired import mean_lower_bound
from components.metrics.weighting import Array
from components.registry.verdict import Check, CheckName, Outcome, PatientScore, Verdict

OVERALL = "all"


@dataclass(frozen=True, kw_only=True)
class GateParams:
    """How the gate judges; scores and margins share a unit.

    Args:
        margin: the largest mean loss that is taken for no loss.
        floor: what a first model's mean score (or its mean lead over ``baseline``) must exceed.
        alpha: one-sided error level.
        gain: what a superiority bound must exceed.
        min_patients: fewer test patients are not enough evidence.
        min_stratum: a smaller stratum is reported, and judged only within all.
        draws, seed: of the bootstrap.
    """

    margin: float
    floor: float
    alpha: float = 0.05
    gain: float = 0.0
    min_patients: int = 8
    min_stratum: int = 8
    draws: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 0.5 and 0 <= self.margin < 1 and self.gain >= 0 and self.draws >= 100) or (
            min(self.min_patients, self.min_stratum) < 2
        ):
            raise ParameterError(
                expected="0 < alpha < 0.5, 0 <= margin < 1, gain >= 0, draws >= 100, min_… >= 2 patients",
                got=str(self),
                hint="the shipped section `gate` of params.yaml",
            )


class _Group(NamedTuple):
    stratum: str
    values: Array


def judge(
    champion: pd.DataFrame | None,
    challenger: pd.DataFrame,
    *,
    training_patients: Collection[str],
    params: GateParams,
    unjudged_patients: Collection[str] = (),
) -> Verdict:
    """Judge ``challenger`` against ``champion``, or against the floor when there is no champion.

    Args:
        champion, challenger: one row per test patient with ``patient_id``, ``stratum``, ``score``; the same
            patients in both. ``challenger`` may hold ``baseline``, a trivial predictor's score, from which
            the floor is then measured.
        training_patients: patients that either model was trained on.
        unjudged_patients: patients with a frame on which the champion failed.

    Raises ``InputError`` when the tables do not hold the same patients once each, with finite scores.
    """
    table = _paired_table(champion, challenger)
    patients = _patient_scores(table, paired=champion is not None)
    leak = _leak_check(table, training_patients)
    evidence = _evidence_check(table, params)
    if not leak.holds:
        return _verdict("refused", _leak_reason(leak), (leak,), patients, params)
    if not evidence.holds:
        reason = f"test patients: {len(table)}, needed: {params.min_patients}"
        return _verdict("not enough evidence", reason, (leak, evidence), patients, params)
    if unjudged_patients:
        failure = _failure_check(unjudged_patients)
        return _verdict(
            "not enough evidence", _failure_reason(failure), (leak, evidence, failure), patients, params
        )
    if champion is None:
        return _judge_first(table, (leak, evidence), patients, params)
    return _judge_pair(table, (leak, evidence), patients, params)


def _judge_first(
    table: pd.DataFrame, before: tuple[Check, ...], patients: tuple[PatientScore, ...], params: GateParams
) -> Verdict:
    against_baseline = "baseline" in table
    score = table["score"] - table["baseline"] if against_baseline else table["score"]
    group = _Group(OVERALL, score.to_numpy(np.float64))
    check = _bound_check("floor", group, params.floor, params.alpha, params)
    what = "lead over the trivial predictor" if against_baseline else "score"
    relation = "exceeds" if check.holds else "does not exceed"
    reason = (
        f"first model, no champion: lower bound {check.lower:.3f} of the mean {what} "
        f"{relation} the floor {params.floor:g}"
    )
    return _verdict("accepted" if check.holds else "refused", reason, (*before, check), patients, params)


def _judge_pair(
    table: pd.DataFrame, before: tuple[Check, ...], patients: tuple[PatientScore, ...], params: GateParams
) -> Verdict:
    groups, small = _groups(table, params)
    no_worse = [_bound_check("non-inferiority", g, -params.margin, params.alpha, params) for g in groups]
    # A single stratum is the whole: testing it twice would only halve alpha.
    tested = groups[:1] if len(groups) == 2 and groups[1].values.size == len(table) else groups
    share = params.alpha / len(tested)
    better = [_bound_check("superiority", group, params.gain, share, params) for group in tested]
    checks = (*before, *no_worse, *better, *small)
    worse = [check for check in no_worse if not check.holds]
    gains = [check for check in better if check.holds]
    if worse:
        return _verdict("refused", _worse_reason(worse, params), checks, patients, params)
    if not gains:
        best = max(better, key=lambda check: check.lower if check.lower is not None else -np.inf)
        reason = f"not shown to be better: best lower bound {best.lower:+.4f} ({best.stratum})"
        return _verdict("refused", reason, checks, patients, params)
    found = ", ".join(f"{check.stratum} {check.mean:+.3f} (≥ {check.lower:+.3f})" for check in gains)
    return _verdict("accepted", f"better: {found}; nowhere worse than the margin", checks, patients, params)


def _worse_reason(worse: list[Check], params: GateParams) -> str:
    found = ", ".join(f"{check.stratum} {check.mean:+.3f} (≥ {check.lower:+.3f})" for check in worse)
    return f"may lose more than the margin {params.margin:g}: {found}"


def _groups(table: pd.DataFrame, params: GateParams) -> tuple[list[_Group], list[Check]]:
    """Overall and each stratum that is judged apart; the strata too small for it, as reports."""
    groups = [_Group(OVERALL, table["difference"].to_numpy(np.float64))]
    small = []
    for stratum, rows in table.groupby("stratum", sort=True):
        values = rows["difference"].to_numpy(np.float64)
        if values.size >= params.min_stratum:
            groups.append(_Group(str(stratum), values))
        else:
            small.append(_small_stratum(str(stratum), values, params))
    return groups, small


def _small_stratum(stratum: str, values: Array, params: GateParams) -> Check:
    return Check(
        name="non-inferiority",
        stratum=stratum,
        patients=values.size,
        mean=float(values.mean()),
        bound=-params.margin,
        holds=None,
    )


def _bound_check(name: CheckName, group: _Group, bound: float, alpha: float, params: GateParams) -> Check:
    lower = mean_lower_bound(group.values, alpha=alpha, seed=params.seed, draws=params.draws)
    return Check(
        name=name,
        stratum=group.stratum,
        patients=group.values.size,
        mean=float(group.values.mean()),
        lower=lower,
        bound=bound,
        alpha=alpha,
        holds=bool(lower > bound),
    )


def _leak_check(table: pd.DataFrame, training_patients: Collection[str]) -> Check:
    shared = set(table["patient_id"]) & set(training_patients)
    return Check(name="leak", stratum=OVERALL, patients=len(shared), bound=0.0, holds=not shared)


def _leak_reason(leak: Check) -> str:
    return f"test patients that are training patients too: {leak.patients}, allowed: 0"


def _failure_check(unjudged_patients: Collection[str]) -> Check:
    return Check(name="failure", stratum=OVERALL, patients=len(unjudged_patients), bound=0.0, holds=False)


def _failure_reason(failure: Check) -> str:
    return f"test patients on whom the champion failed: {failure.patients}, allowed: 0; gate again"


def _evidence_check(table: pd.DataFrame, params: GateParams) -> Check:
    return Check(
        name="evidence",
        stratum=OVERALL,
        patients=len(table),
        bound=float(params.min_patients),
        holds=len(table) >= params.min_patients,
    )


def _paired_table(champion: pd.DataFrame | None, challenger: pd.DataFrame) -> pd.DataFrame:
    table = _checked(challenger, "challenger").sort_values("patient_id", ignore_index=True)
    if champion is None:
        return table
    other = _checked(champion, "champion").set_index("patient_id")["score"]
    if set(other.index) != set(table["patient_id"]):
        raise InputError(
            expected="the same test patients for both models",
            got=f"{len(other)} and {len(table)} patients that differ",
            hint="scoring both models on one frozen test set",
        )
    table["champion"] = other.reindex(table["patient_id"]).to_numpy(np.float64)
    table["difference"] = table["score"] - table["champion"]
    return table


def _checked(table: pd.DataFrame, who: str) -> pd.DataFrame:
    once = not table["patient_id"].duplicated().any()
    if not once or not np.isfinite(table["score"].to_numpy(np.float64)).all():
        raise InputError(
            expected=f"one finite score per patient of the {who}",
            got="repeated patients" if not once else "scores that are not finite",
            hint="averaging the frames of a patient, and leaving out patients without an expert label",
        )
    return table.copy()


def _patient_scores(table: pd.DataFrame, *, paired: bool) -> tuple[PatientScore, ...]:
    return tuple(
        PatientScore(
            patient_id=str(row["patient_id"]),
            stratum=str(row["stratum"]),
            champion=float(row["champion"]) if paired else None,
            challenger=float(row["score"]),
        )
        for row in table.to_dict("records")
    )


def _verdict(
    outcome: Outcome,
    reason: str,
    checks: tuple[Check, ...],
    patients: tuple[PatientScore, ...],
    params: GateParams,
) -> Verdict:
    return Verdict(
        outcome=outcome,
        reason=reason,
        checks=checks,
        patients=patients,
        parameters=dataclasses.asdict(params),
    )
