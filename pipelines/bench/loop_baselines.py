"""The arms that ``ctloop bench loop`` is compared with: never retrain, random labels, everything labelled.

They retrain every month and put the new model into use, with the same start, steps, teachers and readers as ours. An
answer that the checks of the file refuse is drawn again; nothing else is checked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.errors import InputError
from components.labeling.answer_check import AnswerCheck
from pipelines.bench.acquisition_pool import GRID
from pipelines.bench.loop_answers import first_answer, second_answer
from pipelines.bench.loop_students import Lesson, Students, composite, expert_lesson
from pipelines.bench.loop_year import batch_name
from pipelines.progress import say


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmYear:
    """Of each month: the score of the model in use, and the answers that experts gave."""

    scores: tuple[float, ...]
    labels: tuple[int, ...]


def never(students: Students) -> ArmYear:
    """The start, all year."""
    fresh = students.year.fresh
    scores = tuple(composite(students.start, fresh[month]) for month in sorted(fresh))
    return ArmYear(scores=scores, labels=(0,) * len(scores))


def everything(students: Students, check: AnswerCheck) -> ArmYear:
    """Every frame of every month."""
    year = students.year
    return _monthly(students, check, "everything", {m: year.rows(batch_name(m)) for m in sorted(year.fresh)})


def random_labels(students: Students, check: AnswerCheck, budget: int) -> ArmYear:
    """``budget`` frames over the year, as many each month, of as many random patients as there are."""
    year, chosen = students.year, {}
    months = sorted(year.fresh)
    shares = np.diff(np.round(np.linspace(0, budget, len(months) + 1)).astype(int))
    for month, share in zip(months, shares, strict=True):
        rng = np.random.default_rng([year.seed, month, *b"random labels"])
        rows = rng.permutation(year.rows(batch_name(month)))
        turn = year.frames.iloc[rows].groupby("patient_id", sort=False).cumcount().to_numpy()
        chosen[month] = rows[np.argsort(turn, kind="stable")][: int(share)].tolist()
    return _monthly(students, check, "random", chosen)


def _monthly(students: Students, check: AnswerCheck, name: str, chosen: dict[int, list[int]]) -> ArmYear:
    answered: dict[int, Lesson] = dict(students.first_lessons)
    model, scores, labels = students.start, [], []
    for month, rows in chosen.items():
        scores.append(composite(model, students.year.fresh[month]))
        say(f"{name}, month {month}: {scores[-1]:.3f}")
        labels.append(len(rows))
        for row in rows:
            answered[row] = expert_lesson(_answer(students, check, row))
        model = students.learn({**students.pseudo(month, answered), **answered})
    return ArmYear(scores=tuple(scores), labels=tuple(labels))


def _answer(students: Students, check: AnswerCheck, row: int) -> np.ndarray:
    try:
        return check.label_map(first_answer(students.year, row), GRID).labels
    except InputError:
        return check.label_map(second_answer(students.year, row), GRID).labels
