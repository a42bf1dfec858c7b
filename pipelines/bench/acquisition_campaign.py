"""One labelling campaign of ``ctloop bench acquisition``: an arm asks, experts answer, the model learns, and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.acquisition.budget import Budget
from components.acquisition.choice import Strategy
from components.acquisition.cost_model import CostParams, case_minutes, fit_minutes
from components.acquisition.embeddings import Embeddings
from components.acquisition.frames_of_case import frames_of_case
from components.acquisition.scorecards import Scorecards

Floats = npt.NDArray[np.float64]
STATED_MINUTES = 15.0


class Learner(Protocol):
    """A pool, and the model that learns from it.

    ``frames`` holds the pool's frames, one row each, with ``frame_id``, ``case_id``, ``patient_id``; a row is a frame's
    place in it.
    """

    @property
    def frames(self) -> pd.DataFrame: ...

    def cards(self, model: Any) -> pd.DataFrame:
        """Scorecards of all frames in the order of ``frames``; ``None``: what the pseudo-labels alone say."""
        ...

    def start(self) -> Any:
        """The model before any expert was asked."""
        ...

    def learn(self, rows: Sequence[int]) -> Any:
        """The start after learning from the experts' answers about these frames; equal steps for any of them."""
        ...

    def answered(
        self, rows: Sequence[int], model: Any, generator: np.random.Generator
    ) -> tuple[Floats, list[bool]]:
        """Minutes that the experts took, given the ``model``'s proposal, and whether the frame could be labelled."""
        ...

    def judge(self, model: Any) -> Floats:
        """``(patients, …)`` what the model says of the test patients, or how well."""
        ...


class Arm(Protocol):
    """Who asks: rows of frames within ``Budget.cases``."""

    @property
    def looks(self) -> bool:
        """Whether it needs scorecards by the model in use."""
        ...

    def ask(
        self, pool: pd.DataFrame, labelled: pd.DataFrame, budget: Budget, rng: np.random.Generator
    ) -> list[str]:
        """frame_ids, of patients of the ``pool``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A ``Strategy`` as it is in production: patients, then the frame that the model is least sure of."""

    strategy: Strategy
    looks: bool = True

    def ask(
        self, pool: pd.DataFrame, labelled: pd.DataFrame, budget: Budget, rng: np.random.Generator
    ) -> list[str]:
        cards = Scorecards(pool=pool, labelled=labelled)
        chosen = self.strategy(cards, Embeddings.of(cards), budget, rng)
        cases = pool.groupby("case_id")
        return [frames_of_case(cases.get_group(choice.case_id), 1)[0] for choice in chosen]


@dataclass(frozen=True, kw_only=True)
class FrameRandom:
    """Frames uniformly, whoever they belong to: what nobody should do, and papers compare with."""

    looks: bool = False

    def ask(
        self, pool: pd.DataFrame, labelled: pd.DataFrame, budget: Budget, rng: np.random.Generator
    ) -> list[str]:
        names = np.sort(pool["frame_id"].to_numpy(dtype=str))
        return [str(name) for name in rng.permutation(names)[: budget.cases]]


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """Knows the kind of each patient: turn by turn one of the kind with the fewest labels, the commoner first."""

    kinds: pd.Series[str]  # patient_id → kind
    useless: str
    looks: bool = False

    def ask(
        self, pool: pd.DataFrame, labelled: pd.DataFrame, budget: Budget, rng: np.random.Generator
    ) -> list[str]:
        order = rng.permutation(np.array(sorted(pool["patient_id"].unique()), dtype=object))
        left = [str(name) for name in order if self.kinds[name] != self.useless]
        common = self.kinds.value_counts()
        counts = self.kinds[labelled["patient_id"].unique()].value_counts().to_dict()
        asked: list[str] = []
        while left and len(asked) < (budget.cases or 0):
            patient = min(left, key=lambda name: (counts.get(self.kinds[name], 0), -common[self.kinds[name]]))
            left.remove(patient)
            counts[self.kinds[patient]] = counts.get(self.kinds[patient], 0) + 1
            asked.append(
                str(rng.choice(np.sort(pool.loc[pool["patient_id"] == patient, "frame_id"].to_numpy(str))))
            )
        return asked


@dataclass(frozen=True, kw_only=True, eq=False)
class Campaign:
    """What an arm got for its budget; s steps, the first before any label.

    Args:
        labels: ``(s,)`` frames that experts were asked about, garbage included.
        minutes: ``(s,)`` that they have spent.
        judged: ``(s, patients, …)``, see ``Learner.judge``.
        asked: frame_ids, in order.
    """

    labels: Floats
    minutes: Floats
    judged: Floats
    asked: tuple[str, ...]


def run_campaign(
    learner: Learner, arm: Arm, batches: Sequence[int], costs: CostParams, rng: np.random.Generator
) -> Campaign:
    """Ask in ``batches``; after each the model starts anew from the same start with all labels so far."""
    row_of = {str(name): row for row, name in enumerate(learner.frames["frame_id"])}
    asked: list[int] = []
    usable: list[int] = []
    answers: list[pd.DataFrame] = []
    model = learner.start()
    spent, judged = [0.0], [learner.judge(model)]
    for size in batches:
        cards = learner.cards(model if arm.looks else None)
        budget = _budget(cards, answers, size, costs, len(asked) / sum(batches))
        found = arm.ask(*_split(cards, asked, usable, by_frame=isinstance(arm, FrameRandom)), budget, rng)
        rows = [row_of[name] for name in found]
        minutes, sound = learner.answered(rows, model, rng)
        answers.append(cards.iloc[rows].assign(minutes=minutes))
        asked += rows
        usable += [row for row, fine in zip(rows, sound, strict=True) if fine]
        model = learner.learn(usable)
        spent.append(spent[-1] + float(minutes.sum()))
        judged.append(learner.judge(model))
    return Campaign(
        labels=np.cumsum([0.0, *(len(part) for part in answers)]),
        minutes=np.array(spent),
        judged=np.stack(judged),
        asked=tuple(str(learner.frames["frame_id"].iloc[row]) for row in asked),
    )


def _budget(
    cards: pd.DataFrame, answers: Sequence[pd.DataFrame], cases: int, costs: CostParams, progress: float
) -> Budget:
    """So many cases, with the minutes that the answers so far let one expect."""
    told = pd.concat(answers) if answers else pd.DataFrame({"minutes": []})
    model = fit_minutes(told, stated=STATED_MINUTES, params=costs)
    return Budget(cases=cases, case_minutes=case_minutes(cards, model, 1), progress=progress)


def _split(
    cards: pd.DataFrame, asked: Sequence[int], usable: Sequence[int], *, by_frame: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frames that may be asked about, and those of labelled patients: a patient is asked about once."""
    done = cards["patient_id"].isin(cards["patient_id"].iloc[list(asked)])
    if by_frame:
        done = pd.Series(np.isin(np.arange(len(cards)), list(asked)), index=cards.index)
    return cards[~done], cards[cards["patient_id"].isin(cards["patient_id"].iloc[list(usable)])]
