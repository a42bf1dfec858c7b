"""Typicality clustering: for a cold start (Hacohen et al., ICML 2022, "Active learning on a budget", TPC-RP)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.acquisition.budget import Budget, Spending
from components.acquisition.choice import Choice
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards
from components.scorecard.embedding_space import distances

Floats = npt.NDArray[np.float64]

MOST_CLUSTERS = 500
NEIGHBOURS = 20


def typical_clusters(
    scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
) -> tuple[Choice, ...]:
    """k-means into as many clusters as there will be labels; of each without a label the most typical patient.

    The largest cluster with the fewest labels is next. The authors leave clusters of fewer than five out; here they
    come last, since a small pool has no others.
    """
    patients = list(scorecards.patients())
    if not patients:
        return ()
    cases = [str(generator.choice(scorecards.cases(patient))) for patient in patients]
    points = embeddings.rows(patients)
    labelled = len(embeddings.labelled_md)
    wanted = min(labelled + max(1, budget.number_of_cases(cases)), MOST_CLUSTERS)
    cluster = clusters(np.concatenate([points, embeddings.labelled_md]), wanted, generator)
    typical = typicality(points, cluster[: len(points)])
    return _by_cluster(patients, cases, cluster, typical, budget)


def clusters(points_nd: Floats, number: int, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    """``(n,)`` cluster of each point, by k-means; fewer than ``number`` where points coincide."""
    from sklearn.cluster import KMeans

    distinct = len(np.unique(points_nd, axis=0)) if points_nd.shape[1] else 1
    if min(number, distinct) == 1:
        return np.zeros(len(points_nd), dtype=np.intp)
    means = KMeans(n_clusters=min(number, distinct), n_init=3, random_state=int(generator.integers(2**31)))
    return np.asarray(means.fit_predict(points_nd), dtype=np.intp)


def typicality(points_nd: Floats, cluster_n: npt.NDArray[np.intp]) -> Floats:
    """``(n,)`` 1 / mean distance to the nearest 20 of the same cluster (eq. 2); 0 for a point alone."""
    result = np.zeros(len(points_nd))
    for name in np.unique(cluster_n):
        inside = np.flatnonzero(cluster_n == name)
        gaps = np.sort(distances(points_nd[inside], points_nd[inside]), axis=1)[:, 1 : 1 + NEIGHBOURS]
        if gaps.shape[1]:
            result[inside] = 1.0 / np.maximum(gaps.mean(axis=1), 1e-12)
    return result


def _by_cluster(
    patients: list[str], cases: list[str], cluster: npt.NDArray[np.intp], typical: Floats, budget: Budget
) -> tuple[Choice, ...]:
    own = cluster[: len(patients)]
    labels = np.bincount(cluster[len(patients) :], minlength=int(cluster.max()) + 1)
    spending, chosen = Spending(budget), []
    left = np.ones(len(patients), dtype=bool)
    while (left := left & spending.which(cases)).any():
        sizes = np.bincount(own, minlength=len(labels))
        name = min(set(own[left]), key=lambda c: (labels[c], sizes[c] < 5, -sizes[c], c))
        best = int(np.where(left & (own == name), typical, -1.0).argmax())
        left[best] = False
        labels[name] += 1
        chosen.append(
            Choice(
                case_id=cases[best],
                patient_id=patients[best],
                score=float(typical[best]),
                reason=f"most typical of a cluster of {sizes[name]} patients",
                minutes=spending.pay(cases[best]),
            )
        )
    return tuple(chosen)
