"""What is claimed of our strategy, over all seeds, and the tables beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.bench.acquisition_curves import Arena, budget_to_reach
from pipelines.bench.acquisition_pool import CONTROL_POOL, MAIN_POOL
from pipelines.bench.claims import Claim

Floats = npt.NDArray[np.float64]
OURS, RANDOM, ORACLE = "ours", "random", "oracle"
DRAWS = 2000
Seed = Mapping[str, Arena]  # MAIN_POOL and CONTROL_POOL


def claims_of(seeds: Sequence[Seed]) -> list[Claim]:
    """In the order in which they are stated."""
    modes = [gain_draws(seed[MAIN_POOL], "modes", number) for number, seed in enumerate(seeds)]
    means = [float(draws[0]) for draws in modes]
    prevalence = [_gain(seed[MAIN_POOL], RANDOM, "prevalence") for seed in seeds]
    control = [
        _gain(seed[CONTROL_POOL], RANDOM, metric) for seed in seeds for metric in ("modes", "prevalence")
    ]
    return [
        Claim(id="aubc_gain_modes", measured=float(np.mean(means)), relation=">=", bound=0.02),
        Claim(id="aubc_gain_modes_lower_95", measured=lower_end(modes), relation=">", bound=0.01),
        Claim(id="aubc_gain_modes_worst_seed", measured=min(means), relation=">", bound=0.0),
        Claim(id="aubc_gain_prevalence", measured=float(np.mean(prevalence)), relation=">=", bound=0.0),
        Claim(
            id="label_ratio_modes",
            measured=float(np.mean([label_ratio(seed[MAIN_POOL], "modes") for seed in seeds])),
            relation="<=",
            bound=0.4,
        ),
        Claim(id="aubc_vs_best_other_modes", measured=against_best_other(seeds), relation=">=", bound=0.0),
        Claim(id="control_pool_gain", measured=float(np.mean(control)), relation=">=", bound=-0.005),
        Claim(id="garbage_share_of_choices", measured=garbage_share(seeds, OURS), relation="<=", bound=0.02),
    ]


def gain_draws(arena: Arena, metric: str, seed: int, *, by: str = "labels") -> Floats:
    """``(1 + b,)`` area of ours less that of the mean random draw: measured, then bootstrapped."""
    weights = arena.weights(DRAWS, seed)
    return arena.aubc(OURS, metric, weights, by=by) - arena.aubc(RANDOM, metric, weights, by=by)


def lower_end(gains: Sequence[Floats]) -> float:
    """Lower end of the 95 % interval of the mean gain: seeds are drawn, then the test patients of each."""
    generator = np.random.default_rng(0)
    table = np.stack([draws[1:] for draws in gains])
    drawn = generator.integers(len(table), size=(len(table), table.shape[1]))
    columns = [generator.permuted(np.arange(table.shape[1])) for _ in range(len(table))]
    picked = np.stack([table[own, column] for own, column in zip(drawn, columns, strict=True)])
    return float(np.quantile(picked.mean(axis=0), 0.025))


def label_ratio(arena: Arena, metric: str) -> float:
    """Labels with which ours reaches the random arm's last score, over random's; infinite if never."""
    once = arena.weights(0, 0)
    goal = float(arena.curve(RANDOM, metric, once)[0, -1])
    labels = arena.campaigns[OURS][0].labels
    reached = budget_to_reach(labels, arena.curve(OURS, metric, once)[0], goal)
    return reached / float(arena.campaigns[RANDOM][0].labels[-1])


def against_best_other(seeds: Sequence[Seed]) -> float:
    """Mean area of ours less that of the best arm, by its mean over the seeds, that is no oracle."""
    others = [arm for arm in seeds[0][MAIN_POOL].campaigns if arm not in (OURS, ORACLE)]
    return min(float(np.mean([_gain(seed[MAIN_POOL], arm, "modes") for seed in seeds])) for arm in others)


def garbage_share(seeds: Sequence[Seed], arm: str) -> float:
    """Of all frames that the arm asked about, in every pool, the share that nobody could use."""
    asked = [
        frame in arena.broken
        for seed in seeds for arena in seed.values() for one in arena.campaigns[arm] for frame in one.asked
    ]  # fmt: skip
    return float(np.mean(asked))


def arms_table(seeds: Sequence[Seed]) -> list[dict[str, Any]]:
    """One row per pool and arm: areas, gains over random on each budget, and what it asked for."""
    rows = []
    for pool in seeds[0]:
        for arm in seeds[0][pool].campaigns:
            arenas = [seed[pool] for seed in seeds]
            row: dict[str, Any] = {"pool": pool, "arm": arm}
            for metric in ("modes", "prevalence"):
                areas = [float(arena.aubc(arm, metric, arena.weights(0, 0))[0]) for arena in arenas]
                row |= {
                    f"aubc_{metric}": round(float(np.mean(areas)), 4),
                    f"gain_{metric}_per_seed": [
                        round(_gain(arena, RANDOM, metric, arm), 4) for arena in arenas
                    ],
                    f"gain_{metric}_by_minutes": round(
                        float(np.mean([_gain(arena, RANDOM, metric, arm, by="minutes") for arena in arenas])),
                        4,
                    ),
                }
            row["garbage_share"] = round(garbage_share([{pool: arena} for arena in arenas], arm), 4)
            row["minutes"] = round(
                float(np.mean([one.minutes[-1] for arena in arenas for one in arena.campaigns[arm]])), 1
            )
            rows.append(row)
    return rows


def curves_table(seeds: Sequence[Seed]) -> dict[str, Any]:
    """Pool → arm → the mean curve over seeds."""
    return {
        pool: {
            arm: {
                metric: np.mean(
                    [seed[pool].curve(arm, metric, seed[pool].weights(0, 0))[0] for seed in seeds], axis=0
                )
                .round(4)
                .tolist()
                for metric in ("modes", "prevalence")
            }
            for arm in seeds[0][pool].campaigns
        }
        for pool in seeds[0]
    }


def _gain(arena: Arena, other: str, metric: str, arm: str = OURS, *, by: str = "labels") -> float:
    once = arena.weights(0, 0)
    return float((arena.aubc(arm, metric, once, by=by) - arena.aubc(other, metric, once, by=by))[0])
