"""What ``ctloop bench drift`` compares with: Evidently's drift preset, and a single kernel test.

Both see patients, as ours does, and not frames. Larger scores are farther apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from components.drift.permutation import memberships
from components.drift.two_sample import kernel_mmd, kolmogorov_smirnov
from components.scorecard.columns import EMBEDDING, IMAGE, OUTPUT
from components.scorecard.patients import columns_with, patient_means
from components.scorecard.predicted_quality import SIGNALS

Floats = npt.NDArray[np.float64]
SHARE, ANY, MMD, MMD_ALL = "evidently_share", "evidently_column", "mmd", "mmd_all"
REFERENCES = {
    SHARE: "Evidently's preset: share of drifted columns",
    ANY: "Evidently's columns: the one that drifted most",
    MMD: "MMD of embeddings",
    MMD_ALL: "MMD of all columns",
}
_PERMUTATIONS = 399
_LEVEL, DRIFT_SHARE = 0.05, 0.5  # Evidently's defaults: of a column, and of the columns


def watched_columns(table: pd.DataFrame) -> list[str]:
    """Every number that a scorecard has, acquisition metadata aside."""
    prefixed = [column for prefix in (IMAGE, OUTPUT, EMBEDDING) for column in columns_with(table, prefix)]
    signals = [column for column in ("uncertainty", *SIGNALS) if column in table]
    return [*prefixed, *signals]


def reference_scores(reference: pd.DataFrame, window: pd.DataFrame, seed: int) -> dict[str, float]:
    """Scores of each test; of Evidently also ``evidently_alarm``, its own answer with its defaults."""
    columns = watched_columns(reference)
    pair = [patient_means(table, columns) for table in (reference, window)]
    ks = column_distances(pair[0], pair[1])
    drifted = column_p_values(pair[0], pair[1], ks) < _LEVEL
    pooled = pd.concat(pair).to_numpy(np.float64)
    rng = np.random.default_rng([seed, 1])
    members = memberships(len(pair[0]), len(pair[1]), _PERMUTATIONS, rng)
    embedding = pooled[:, [column.startswith(EMBEDDING) for column in columns]]
    share = float(drifted.mean())
    return {
        SHARE: share + 1e-6 * float(rng.random()),  # equal shares are told apart by chance
        ANY: float(ks.max()) + 1e-9 * float(rng.random()),
        MMD: _kernel_score(embedding, members),
        MMD_ALL: _kernel_score(pooled, members),
        "evidently_alarm": float(share >= DRIFT_SHARE),
        "evidently_any_column": float(drifted.any()),
    }


def column_distances(reference: pd.DataFrame, window: pd.DataFrame) -> Floats:
    """``(c,)`` Kolmogorov-Smirnov distances: with equal sizes, p-values in the opposite order."""
    members = np.repeat(np.array([[0.0, 1.0]], dtype=np.float32), [len(reference), len(window)], axis=1)
    pooled = pd.concat([reference, window])
    return np.array([kolmogorov_smirnov(pooled[c].to_numpy(np.float64), members)[0] for c in pooled])


_known: dict[tuple[int, int, int], float] = {}


def column_p_values(reference: pd.DataFrame, window: pd.DataFrame, distances_c: Floats) -> Floats:
    """``(c,)`` by scipy's exact two-sample test, as Evidently tests numbers of up to 1,000 rows.

    It depends on sizes and distance alone, so that each is worked out once.
    """
    m, n = len(reference), len(window)
    found = []
    for column, distance in zip(reference, distances_c, strict=True):
        key = (m, n, round(distance * m * n))
        if key not in _known:
            _known[key] = float(stats.ks_2samp(reference[column], window[column]).pvalue)
        found.append(_known[key])
    return np.array(found)


def _kernel_score(features_nd: Floats, members: npt.NDArray[np.float32]) -> float:
    """Standardised by the permutations, which orders windows more finely than a p-value does."""
    scale = features_nd.std(axis=0)
    standard = (features_nd - features_nd.mean(axis=0)) / np.where(scale > 1e-12, scale, np.inf)
    found = kernel_mmd(standard, members, bandwidths=(1.0,))[:, 0]
    return float((found[0] - found[1:].mean()) / found[1:].std())
