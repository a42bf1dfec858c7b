"""The default: the batch that should take away most of the error that is left in the pool, per expert minute.

The error of a patient is taken to grow with a power of its distance to the nearest labelled patient, up to a distance
from which on nothing is known of it. A batch is worth the error that it takes away, over all patients:

    F(S) = sum over i of  value_i · (d(i, L)^p - d(i, L ∪ S)^p),   d at most the reach

which is submodular: greedy choice comes near the best batch (Nemhauser, Wolsey, Fisher 1978), and old gains bound new
ones, so that few are computed anew (Minoux 1978). With p = 1 it is k-median; as p grows, k-center (Sener and
Savarese 2018). ``value_i`` is

    predicted error (mixed with 1) · need of its classes (mixed with 1) · density^(alpha - 1)

With alpha = 1 a mode of the pool weighs what it holds (prevalence), with alpha = 0 all modes weigh the same. Every
third choice is a typical one, which looks at mass alone. Broken scans neither count nor are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from components.acquisition.broken_scans import GuardParams, broken_scans
from components.acquisition.budget import Budget, Spending
from components.acquisition.choice import Choice
from components.acquisition.class_balance import class_need
from components.acquisition.embeddings import Embeddings, nearest_labelled
from components.acquisition.greedy_cover import Cover
from components.acquisition.predicted_error import predicted_error
from components.acquisition.scorecards import Scorecards, worst_case
from components.errors import ParameterError
from components.scorecard.embedding_space import distances

Floats = npt.NDArray[np.float64]

_MOST_COUNTED = 1000  # patients over which gains are summed; all may be chosen
_NEIGHBOURS = 5  # the distance to the fifth nearest is the width of the density's kernel
_REACH = 1.5  # of the median distance between two patients


@dataclass(frozen=True, kw_only=True)
class CoverageParams:
    """Of ``FailureCoverage``.

    Args:
        alpha: 1 covers the pool as its patients occur, 0 every mode alike.
        power: of the distance; 1 = k-median, large = k-center.
        typical_every: so many choices one covers mass, whatever the predicted error; 0 = none does.
        failure: how much predicted error counts; 0 not, 1 in proportion.
        balance: how much rarely labelled classes count; 0 not, 1 in proportion.
        guard: which scans count as broken; ``None`` none.
    """

    alpha: float = 1.0
    power: float = 2.0
    typical_every: int = 3
    failure: float = 1.0
    balance: float = 0.25
    guard: GuardParams | None = field(default_factory=GuardParams)

    def __post_init__(self) -> None:
        shares = (self.alpha, self.failure, self.balance)
        if min(shares) < 0 or max(shares) > 1 or self.power <= 0 or self.typical_every < 0:
            raise ParameterError(
                expected="alpha, failure, balance from 0 to 1, power > 0, typical_every >= 0",
                got=str(self),
                hint="the shipped section `acquisition` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pool:
    """Patients that may be chosen, in random order, so that equal ones do not fall to the alphabet."""

    patients: list[str]
    cases: list[str]
    points: Floats
    error: Floats
    need: Floats
    rarest: list[str]
    note: str


@dataclass(frozen=True, kw_only=True)
class FailureCoverage:
    """See the module; a ``Strategy``."""

    params: CoverageParams = field(default_factory=CoverageParams)

    def __call__(
        self, scorecards: Scorecards, embeddings: Embeddings, budget: Budget, generator: np.random.Generator
    ) -> tuple[Choice, ...]:
        """Greedy by gain per minute; without embeddings all patients are equally far apart."""
        pool = self._pool(scorecards, embeddings, generator)
        if not pool.patients:
            return ()
        counted = np.sort(generator.permutation(len(pool.patients))[:_MOST_COUNTED])
        apart = _apart(pool.points, counted)
        reach = _REACH * _median_apart(apart)
        near = np.minimum(nearest_labelled(pool.points[counted], embeddings.labelled_md), reach)
        if pool.points.shape[1] == 0:
            near = np.full(len(counted), reach)
        density = _density(apart[counted])
        closeness = np.minimum(apart, reach, out=apart) ** self.params.power
        mass = density ** (self.params.alpha - 1.0) * pool.error[counted] * pool.need[counted]
        minutes = np.array([budget.cost(case) for case in pool.cases])
        modes = Cover(closeness=closeness, near=near**self.params.power, value=mass, minutes=minutes)
        typical = modes.valued(pool.need[counted])
        return self._batch(
            pool, budget, modes, typical, nearest_labelled(pool.points, embeddings.labelled_md)
        )

    def _batch(
        self, pool: _Pool, budget: Budget, modes: Cover, typical: Cover, far: Floats
    ) -> tuple[Choice, ...]:
        spending, chosen = Spending(budget), []
        left = np.ones(len(pool.patients), dtype=bool)
        turn = 0
        while (left := left & spending.which(pool.cases)).any():
            every = self.params.typical_every
            is_typical = every > 0 and turn % every == every - 1
            best, share = (typical if is_typical else modes).best(left)
            for cover in (modes, typical):
                cover.take(best)
            left[best] = False
            turn += 1
            minutes = spending.pay(pool.cases[best])
            reason = _reason(pool, best, share, minutes, is_typical=is_typical, far=float(far[best]))
            chosen.append(
                Choice(
                    case_id=pool.cases[best],
                    patient_id=pool.patients[best],
                    score=share / minutes,
                    reason=reason,
                    minutes=minutes,
                )
            )
        return tuple(chosen)

    def _pool(self, scorecards: Scorecards, embeddings: Embeddings, generator: np.random.Generator) -> _Pool:
        guard = self.params.guard
        broken = broken_scans(scorecards, embeddings, guard) if guard else {}
        sound = [patient for patient in scorecards.patients() if patient not in broken]
        patients = [str(patient) for patient in generator.permutation(np.array(sound, dtype=object))]
        if not patients:
            return _Pool(
                patients=[], cases=[], points=np.zeros((0, 0)), error=np.zeros(0), need=np.zeros(0), rarest=[], note=""
            )  # fmt: skip
        own = scorecards.pool[scorecards.pool["patient_id"].isin(set(patients))]
        error = predicted_error(own)
        worst = worst_case(error.relative).loc[patients]
        need = class_need(Scorecards(pool=own, labelled=scorecards.labelled)).loc[patients]
        return _Pool(
            patients=patients,
            cases=[str(case) for case in worst["case_id"]],
            points=embeddings.rows(patients),
            error=_mixed(worst["value"].to_numpy(np.float64), self.params.failure),
            need=_mixed(need["need"].to_numpy(np.float64), self.params.balance),
            rarest=[str(name) for name in need["rarest"]],
            note=_note(error.missing, embeddings),
        )


def _mixed(relative: Floats, share: float) -> Floats:
    return (1.0 - share) + share * relative


def _apart(points_nd: Floats, counted: npt.NDArray[np.intp]) -> Floats:
    """``(n, m)`` from each patient to each counted one; where nothing is known, all are equally far apart."""
    if points_nd.shape[1] == 0:
        return np.asarray(np.arange(len(points_nd))[:, None] != counted[None], dtype=np.float64)
    gaps = distances(points_nd, points_nd[counted])
    # the square of a difference, expanded, leaves twins at a small distance
    return np.where(gaps < 1e-6 * max(float(gaps.max()), 1e-12), 0.0, gaps)


def _median_apart(apart: Floats) -> float:
    positive = apart[apart > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def _density(apart_mm: Floats) -> Floats:
    """``(m,)`` patients near each one, itself included: a sum of Gaussian kernels as wide as the usual spacing."""
    near = np.sort(apart_mm, axis=1)[:, min(_NEIGHBOURS, len(apart_mm) - 1)]
    width = float(np.median(near)) or _median_apart(apart_mm)
    return np.asarray(np.exp(-0.5 * (apart_mm / width) ** 2).sum(axis=1))


def _note(missing: tuple[str, ...], embeddings: Embeddings) -> str:
    lacking = [*missing[:1], *(["embeddings"] if embeddings.points_nd.shape[1] == 0 else [])]
    return f"; without {', '.join(lacking)}" if lacking else ""


def _reason(pool: _Pool, best: int, share: float, minutes: float, *, is_typical: bool, far: float) -> str:
    what = "typical, takes away" if is_typical else "takes away"
    known = f", {far:.2f} from the nearest label" if np.isfinite(far) and pool.points.shape[1] else ""
    rare = f", shows {pool.rarest[best].replace('_', ' ')}" if pool.need[best] > 1.05 else ""
    return (
        f"{what} {share:.1%} of the modelled error{known}, "
        f"predicted error {pool.error[best]:.2f} of the mean{rare}, "
        f"about {minutes:.0f} minutes{pool.note}"
    )
