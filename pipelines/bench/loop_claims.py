"""What ``ctloop bench loop`` claims of its years, as the issue words it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.bench.claims import Claim
from pipelines.bench.loop_baselines import ArmYear
from pipelines.bench.loop_ours import Cycle
from pipelines.bench.loop_year import SHIFTS

BAD_FROM = 0.02  # Dice that a challenger loses on the month's fresh patients and is bad by
RENEWED = 2  # months after a shift from which on an alarm is a false one


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedYear:
    """Of one seed: our year, the arms it is compared with, and what a replay found different."""

    seed: int
    ours: Sequence[Cycle]
    never: ArmYear
    random: ArmYear
    everything: ArmYear
    replay: Sequence[str]

    @property
    def score(self) -> float:
        return float(np.mean([cycle.score for cycle in self.ours]))

    def gain(self, arm: ArmYear) -> float:
        """Of ours, in mean composite score."""
        return self.score - float(np.mean(arm.scores))

    @property
    def label_share(self) -> float:
        return sum(cycle.labels for cycle in self.ours) / sum(self.everything.labels)

    @property
    def bad_promoted(self) -> int:
        """The challenger that is bad by design, and any whose fresh patients are worse off, promoted all the same."""
        return sum(
            bool(gate["promoted"]) and (gate["kind"] == "bad" or gate["truly"] < cycle.score - BAD_FROM)
            for cycle in self.ours
            for gate in cycle.gates
        )

    @property
    def caught(self) -> float:
        wrong = sum(cycle.wrong for cycle in self.ours)
        return sum(cycle.caught for cycle in self.ours) / wrong if wrong else float("nan")

    @property
    def delays(self) -> dict[str, int]:
        """Shift → batches from its first to the first alarm; one that is never seen counts to the year's end."""
        alarmed = [cycle.month for cycle in self.ours if cycle.alarmed]
        last = len(self.ours) + 1
        return {
            name: min((month for month in alarmed if month >= start), default=last) - start
            for name, start in SHIFTS.items()
        }

    @property
    def false_alarms(self) -> int:
        """Alarms in months before the first shift, and later than the month after a shift."""
        excused = {start + i for start in SHIFTS.values() for i in range(RENEWED)}
        return sum(cycle.alarmed and cycle.month not in excused for cycle in self.ours)


def claims_of(years: Sequence[SeedYear]) -> list[Claim]:
    """Means over seeds of scores and shares; the worst seed of counts."""

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    return [
        Claim(id="gain_vs_never", measured=mean([y.gain(y.never) for y in years]), relation=">", bound=0.02),
        Claim(
            id="gain_vs_random_same_budget", measured=mean([y.gain(y.random) for y in years]),
            relation=">", bound=0.0,
        ),
        Claim(
            id="gap_to_everything", measured=mean([-y.gain(y.everything) for y in years]),
            relation="<=", bound=0.01,
        ),
        Claim(
            id="label_share_of_everything", measured=mean([y.label_share for y in years]),
            relation="<=", bound=0.33,
        ),
        Claim(
            id="bad_challengers_promoted", measured=max(y.bad_promoted for y in years), relation="<=", bound=0
        ),
        Claim(id="wrong_labels_caught", measured=min(y.caught for y in years), relation=">=", bound=0.9),
        Claim(
            id="detection_delay_batches", measured=max(max(y.delays.values()) for y in years),
            relation="<=", bound=1,
        ),
        Claim(id="false_alarms", measured=max(y.false_alarms for y in years), relation="<=", bound=1),
        Claim(
            id="replay_identical", measured=float(not any(y.replay for y in years)), relation=">=", bound=1
        ),
    ]  # fmt: skip


def tables_of(year: SeedYear) -> dict[str, Any]:
    """JSON-able."""
    arms = {name: asdict(getattr(year, name)) for name in ("never", "random", "everything")}
    return {
        "ours": [asdict(cycle) for cycle in year.ours],
        **arms,
        "mean_score": {
            "ours": year.score,
            **{name: float(np.mean(arm["scores"])) for name, arm in arms.items()},
        },
        "delays": year.delays,
        "false_alarms": year.false_alarms,
        "replay_differences": list(year.replay),
    }
