"""What differs between the tasks of ``ctloop bench acquisition``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.cohort.task import Task
from pipelines.bench import acquisition_chest_pool as chest_pool
from pipelines.bench import acquisition_pool as heart_pool
from pipelines.bench.acquisition_campaign import Learner
from pipelines.bench.acquisition_chests import Chests, mean_auroc
from pipelines.bench.acquisition_curves import Metric, mean_by_mode
from pipelines.bench.acquisition_hearts import Hearts
from pipelines.bench.acquisition_pool import BROKEN, Composition, Draw, Pool


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Of one task.

    Args:
        pools: where labels are asked for.
        test, taught: who judges, and from whom the teacher learned.
        prepare: (pool, taught, seed, folder) leaves in ``folder`` what ``load`` needs.
        load: (pool, test, seed, folder) → the learner.
        metrics: (pool, test) → ``modes`` and ``prevalence``.
    """

    pools: tuple[Composition, ...]
    test: Composition
    taught: Composition
    draw: Draw
    prepare: Callable[[Pool, Pool, int, Path], None]
    load: Callable[[Pool, Pool, int, Path], Learner]
    metrics: Callable[[Pool, Pool], Mapping[str, Metric]]


def heart_metrics(pool: Pool, test: Pool) -> dict[str, Metric]:
    """Mean Dice: kinds count alike, or as the pool's patients that can be labelled have them."""
    kinds = test.frames["kind"].to_numpy(dtype=str)
    patients = pool.frames[pool.frames["kind"] != BROKEN].drop_duplicates("patient_id")["kind"]
    shares = {str(kind): float(share) for kind, share in patients.value_counts(normalize=True).items()}
    return {
        "modes": mean_by_mode(kinds, dict.fromkeys(np.unique(kinds).tolist(), 1.0)),
        "prevalence": mean_by_mode(kinds, shares),
    }


def chest_metrics(pool: Pool, test: Pool) -> dict[str, Metric]:
    """AUROC: findings count alike, or as often as patients of the pool have them."""
    first = (~pool.frames.duplicated("patient_id") & (pool.frames["kind"] != BROKEN)).to_numpy()
    shares = dict(zip(chest_pool.FINDINGS, pool.labels[first].mean(axis=0).tolist(), strict=True))
    return {
        "modes": mean_auroc(test.labels, dict.fromkeys(chest_pool.FINDINGS, 1.0)),
        "prevalence": mean_auroc(test.labels, shares),
    }


SETTINGS: dict[Task, Setting] = {
    "segmentation": Setting(
        pools=(heart_pool.MAIN, heart_pool.CONTROL),
        test=heart_pool.TEST,
        taught=heart_pool.TAUGHT,
        draw=heart_pool.draw_heart,
        prepare=Hearts.prepare,
        load=Hearts.load,
        metrics=heart_metrics,
    ),
    "classification": Setting(
        pools=(chest_pool.MAIN, chest_pool.CONTROL),
        test=chest_pool.TEST,
        taught=chest_pool.TAUGHT,
        draw=chest_pool.draw_chest,
        prepare=Chests.prepare,
        load=Chests.load,
        metrics=chest_metrics,
    ),
}
