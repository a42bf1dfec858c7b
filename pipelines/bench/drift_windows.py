"""Windows of ``ctloop bench drift``, drawn by patient, and what each test says of them.

Reference and window are drawn anew each time: a false-alarm rate is a promise over references, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.adapters.parquet import read_parquet
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from components.scorecard.columns import META
from components.scorecard.patients import columns_with
from pipelines.bench.drift_features import DICE
from pipelines.bench.drift_patients import MIXED, NONE, SHARES
from pipelines.bench.drift_references import reference_scores
from pipelines.progress import bar

ALPHA, PERMUTATIONS = 0.05, 399
REFERENCE_PATIENTS = 300
_PROCESSES = 2
_CHUNK = 20
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class WindowSpec:
    """``n`` patients of ``shift`` at ``grade``; ``hidden``: without acquisition metadata; ``number`` draws them."""

    n: int
    shift: str = NONE
    grade: int = 0
    hidden: bool = True
    number: int = 0
    compared: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Scorecards of one seed, by patient."""

    table: pd.DataFrame
    rows: dict[str, list[int]]
    pools: dict[tuple[str, int], Names]
    seed: int

    @staticmethod
    def of(table: pd.DataFrame, seed: int) -> Features:
        ours = table[~table["batch"].str.startswith("known")].reset_index(drop=True)
        rows = {str(name): list(index) for name, index in ours.groupby("patient_id").indices.items()}
        firsts = ours.drop_duplicates("patient_id")
        kinds = list(zip(firsts["shift"].astype(str), firsts["grade"].astype(int), strict=True))
        names = firsts["patient_id"].to_numpy(dtype=str)
        pools = {kind: names[[one == kind for one in kinds]] for kind in dict.fromkeys(kinds)}
        return Features(table=ours, rows=rows, pools=pools, seed=seed)

    def draw(self, spec: WindowSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Scorecards of reference and window, no patient in both."""
        key = [self.seed, spec.n, spec.grade, spec.number, *spec.shift.encode()]
        rng = np.random.default_rng(key)
        base = rng.permutation(self.pools[NONE, 0])
        reference, rest = base[:REFERENCE_PATIENTS], base[REFERENCE_PATIENTS:]
        changed = 0 if spec.shift == NONE else spec.n
        if spec.shift in MIXED:
            changed = round(SHARES[spec.grade - 1] * spec.n)
        pool = self.pools.get((spec.shift, 0 if spec.shift in MIXED else spec.grade), rest)
        window = np.concatenate([rng.permutation(pool)[:changed], rest[: spec.n - changed]])
        tables = (self.of_patients(reference), self.of_patients(window))
        if spec.hidden:
            hidden = columns_with(self.table, META)
            return tables[0].drop(columns=hidden), tables[1].drop(columns=hidden)
        return tables

    def of_patients(self, patients: Sequence[str] | Names) -> pd.DataFrame:
        return self.table.iloc[[row for name in patients for row in self.rows[str(name)]]]


def judge(features: Features, spec: WindowSpec) -> dict[str, Any]:
    """The verdict that production gives, with its permutations' seed of the window's own number."""
    reference, window = features.draw(spec)
    verdict = assess_drift(reference, window, _params(spec.number))
    scores = reference_scores(reference, window, spec.number) if spec.compared else {}
    return {
        **vars(spec),
        **_said(verdict),
        **scores,
        DICE: float(window.groupby("patient_id")[DICE].mean().mean()),
    }


def _params(number: int) -> DriftParams:
    return DriftParams(alpha=ALPHA, permutations=PERMUTATIONS, seed=number)


def _said(verdict: DriftVerdict) -> dict[str, Any]:
    carrier = verdict.attribution.carrier if verdict.attribution else None
    return {
        "alarmed": verdict.alarmed,
        "p": min((channel.p_holm for channel in verdict.channels), default=1.0),
        "cause": verdict.attribution.cause if verdict.attribution else "",
        "carrier": carrier.column if carrier else "",
    }


def judged(file: Path, seed: int, specs: Sequence[WindowSpec], *, name: str) -> pd.DataFrame:
    """One row per window; on two processes."""
    chunks = [specs[i : i + _CHUNK] for i in range(0, len(specs), _CHUNK)]
    with ProcessPoolExecutor(
        _PROCESSES, mp_context=get_context("spawn"), initializer=_begin, initargs=(file, seed)
    ) as processes:
        return pd.DataFrame(_collected(processes.map(_judge, chunks), len(specs), bar(name)))


def _collected(
    found: Iterator[list[dict[str, Any]]], count: int, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for chunk in found:
        rows += chunk
        progress(len(rows), count)
    return rows


_features: list[Features] = []


def _begin(file: Path, seed: int) -> None:
    _features[:] = [Features.of(read_parquet(file), seed)]


def _judge(specs: Sequence[WindowSpec]) -> list[dict[str, Any]]:
    return [judge(_features[0], spec) for spec in specs]
