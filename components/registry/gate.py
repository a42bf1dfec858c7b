"""The paired, per-patient test that a challenger must pass before it may become champion.

Scores are from expert labels only, higher is better. The rules, in order; the first that fails decides:

1. No test patient was trained on, by either model. Nothing overrides this.
2. The challenger's lineage is complete.
3. Enough patients, of each stratum that is required too, and a champion that predicted every frame, else "not enough
   evidence", which never passes: a champion that fails once must not make way for a worse model.
4. Non-inferiority, overall, in each stratum, and for each structure or finding, where enough patients tell: the lower
   bound of the difference lies above ``-margin``. All must hold, so each is tested at ``alpha`` and the error of the
   whole is at most ``alpha``: an intersection-union test (Berger 1982, Technometrics 24:295).
5. It costs no more than the limits allow: calibration, temporal roughness, latency, memory.
6. Superiority somewhere: a lower bound above ``gain`` overall, in one stratum or of the mean AUROC. One is enough, so
   they share ``alpha``, by the min-P test of Westfall & Young (1993): see ``components.metrics.paired.shared_level``.

A first model has no champion to beat: its mean score must lie above an absolute floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from components.registry.endpoints import SCORE, Endpoint, level_of_each
from components.registry.gate_limits import Traits, limit_checks
from components.registry.gate_params import GateParams
from components.registry.gate_table import paired_table, patient_scores
from components.registry.verdict import OVERALL, Check, CheckName, Outcome, Verdict


def judge(
    champion: pd.DataFrame | None,
    challenger: pd.DataFrame,
    *,
    training_patients: Collection[str],
    params: GateParams,
    unjudged_patients: Collection[str] = (),
    endpoints: Sequence[Endpoint] = (),
    traits: tuple[Traits, Traits] | None = None,
    lineage_gaps: Collection[str] = (),
) -> Verdict:
    """Judge ``challenger`` against ``champion``, or against the floor when there is no champion.

    Args:
        champion, challenger: one row per test patient with ``patient_id``, ``stratum``, ``score``; the same
            patients in both. ``challenger`` may hold ``baseline``, a trivial predictor's score, from which
            the floor is then measured.
        training_patients: patients that either model was trained on.
        unjudged_patients: patients with a frame on which the champion failed.
        endpoints: structures or findings, beside the score.
        traits: of champion and challenger; ``None`` without a champion.
        lineage_gaps: what the challenger's lineage lacks.

    Raises ``InputError`` when the tables do not hold the same patients once each, with finite scores.
    """
    table = paired_table(champion, challenger)
    before = _conditions(table, training_patients, lineage_gaps, unjudged_patients, params)
    stopped = next((check for check in before if not check.holds), None)
    if stopped is not None:
        outcome: Outcome = "refused" if stopped.name in ("leak", "lineage") else "not enough evidence"
        reached = before[: before.index(stopped) + 1]
        return _verdict(outcome, _stop_reason(stopped), reached, table, params)
    if champion is None:
        return _judge_first(table, before, params)
    costs = limit_checks(*traits, params.limits) if traits is not None else ()
    return _judge_pair(table, before, (*_scores(table, params), *endpoints), costs, params)


def _conditions(
    table: pd.DataFrame,
    training_patients: Collection[str],
    lineage_gaps: Collection[str],
    unjudged_patients: Collection[str],
    params: GateParams,
) -> tuple[Check, ...]:
    """What must hold before anything is compared."""
    shared = set(table["patient_id"]) & set(training_patients)
    strata = table["stratum"].astype(str).value_counts()
    counts = [
        (OVERALL, len(table), params.min_patients),
        *((name, int(strata.get(name, 0)), params.min_stratum) for name in params.required_strata),
    ]
    return (
        Check(name="leak", stratum=OVERALL, patients=len(shared), bound=0.0, holds=not shared),
        Check(
            name="lineage", stratum=OVERALL, patients=0, holds=not lineage_gaps, missing=tuple(lineage_gaps)
        ),
        *(
            Check(name="evidence", stratum=name, patients=count, bound=float(least), holds=count >= least)
            for name, count, least in counts
        ),
        *(
            [Check(name="failure", stratum=OVERALL, patients=len(unjudged_patients), bound=0.0, holds=False)]
            if unjudged_patients
            else []
        ),
    )


def _stop_reason(check: Check) -> str:
    if check.name == "leak":
        return f"test patients that are training patients too: {check.patients}, allowed: 0"
    if check.name == "lineage":
        return f"its lineage is not complete, it lacks: {', '.join(check.missing)}"
    if check.name == "failure":
        return f"test patients on whom the champion failed: {check.patients}, allowed: 0; gate again"
    where = "" if check.stratum == OVERALL else f" of stratum {check.stratum}"
    return f"test patients{where}: {check.patients}, needed: {check.bound:.0f}"


def _judge_first(table: pd.DataFrame, before: tuple[Check, ...], params: GateParams) -> Verdict:
    against_baseline = "baseline" in table
    lead = table["score"] - table["baseline"] if against_baseline else table["score"]
    endpoint = _of_score(OVERALL, table.assign(lead=lead), "lead", params, enough=2)
    check = _bound_check("floor", endpoint, params.floor, params.alpha, params)
    what = "lead over the trivial predictor" if against_baseline else "score"
    relation = "exceeds" if check.holds else "does not exceed"
    reason = (
        f"first model, no champion: lower bound {check.lower:.3f} of the mean {what} "
        f"{relation} the floor {params.floor:g}"
    )
    return _verdict("accepted" if check.holds else "refused", reason, (*before, check), table, params)


def _judge_pair(
    table: pd.DataFrame,
    before: tuple[Check, ...],
    endpoints: Sequence[Endpoint],
    costs: tuple[Check, ...],
    params: GateParams,
) -> Verdict:
    no_worse = [_bound_check("non-inferiority", e, -e.margin, params.alpha, params) for e in endpoints]
    winners = [e for e in endpoints if e.may_win and e.judged]
    level = level_of_each(
        winners, set(table["patient_id"]), alpha=params.alpha, seed=params.seed, draws=params.draws
    )
    better = [_bound_check("superiority", e, params.gain, level, params) for e in winners]
    checks = (*before, *no_worse, *costs, *better)
    worse = [check for check in no_worse if check.holds is False]
    dear = [check for check in costs if check.holds is False]
    gains = [check for check in better if check.holds]
    if worse:
        found = ", ".join(f"{_told(check)}, margin {-(check.bound or 0.0):g}" for check in worse)
        return _verdict("refused", f"may lose more than the margin: {found}", checks, table, params)
    if dear:
        found = ", ".join(f"{check.name} {check.mean:.4g}, allowed {check.bound:.4g}" for check in dear)
        return _verdict("refused", f"costs more than the limits allow: {found}", checks, table, params)
    if not gains:
        best = max(better, key=lambda check: check.lower if check.lower is not None else -np.inf)
        reason = f"not shown to be better: best lower bound {best.lower:+.4f} ({_where(best)})"
        return _verdict("refused", reason, checks, table, params)
    found = ", ".join(map(_told, gains))
    return _verdict("accepted", f"better: {found}; nowhere worse than the margin", checks, table, params)


def _told(check: Check) -> str:
    return f"{_where(check)} {check.mean:+.3f} (≥ {check.lower:+.3f})"


def _where(check: Check) -> str:
    return check.stratum if check.endpoint == SCORE else check.endpoint


def _scores(table: pd.DataFrame, params: GateParams) -> list[Endpoint]:
    """Overall and each stratum; a single stratum is the whole, and testing it twice would only cost power."""
    strata = list(table.groupby("stratum", sort=True))
    apart = [
        _of_score(str(name), rows, "difference", params, enough=params.min_stratum, may_win=len(strata) > 1)
        for name, rows in strata
    ]
    return [_of_score(OVERALL, table, "difference", params, enough=2), *apart]


def _of_score(
    stratum: str, table: pd.DataFrame, column: str, params: GateParams, *, enough: int, may_win: bool = True
) -> Endpoint:
    values = dict(zip(table["patient_id"].astype(str), table[column].astype(float), strict=True))
    return Endpoint(
        name=SCORE, stratum=stratum, differences=values, margin=params.margin, judged=len(values) >= enough,
        may_win=may_win,
    )  # fmt: skip


def _bound_check(
    name: CheckName, endpoint: Endpoint, bound: float, alpha: float, params: GateParams
) -> Check:
    """``holds`` is ``None`` where too few patients tell."""
    lower = endpoint.lower(alpha, seed=params.seed, draws=params.draws) if endpoint.judged else None
    return Check(
        name=name,
        endpoint=endpoint.name,
        stratum=endpoint.stratum,
        patients=len(endpoint.differences),
        mean=endpoint.mean,
        lower=lower,
        bound=bound,
        alpha=None if lower is None else alpha,
        holds=None if lower is None else bool(lower > bound),
    )


def _verdict(
    outcome: Outcome, reason: str, checks: tuple[Check, ...], table: pd.DataFrame, params: GateParams
) -> Verdict:
    return Verdict(
        outcome=outcome,
        reason=reason,
        checks=checks,
        patients=patient_scores(table),
        parameters=dataclasses.asdict(params),
    )
