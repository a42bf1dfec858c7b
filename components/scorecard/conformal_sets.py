"""Per finding the answers that cannot be ruled out: split conformal prediction within each answer.

An answer y is in the set when 1 - p_y is at most the ceil((n_y + 1) level)-th smallest of the judged patients who have
the answer y (label-conditional conformal prediction, Vovk 2012; Sadinle et al. 2019). A new exchangeable patient's
true answer is then in the set with probability at least ``level``, among those with the finding and those without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
_WORDS = {
    (True, False): "absent",
    (False, True): "present",
    (True, True): "either",
    (False, False): "neither",
}


@dataclass(frozen=True, kw_only=True)
class AnswerBound:
    """The largest 1 - p with which an answer stays in the set, from ``n`` patients; 1 where n allows no bound."""

    bound: float
    n: int


@dataclass(frozen=True, kw_only=True)
class ConformalSets:
    """``bounds``: finding → (of ``absent``, of ``present``)."""

    bounds: Mapping[str, tuple[AnswerBound, AnswerBound]]
    level: float = LEVEL

    def words(self, probabilities: Mapping[str, float]) -> dict[str, str]:
        """Finding → ``absent``, ``present``, ``either`` or, where both can be ruled out, ``neither``."""
        return {
            name: _WORDS[p <= absent.bound, 1.0 - p <= present.bound]
            for name, (absent, present) in self.bounds.items()
            if (p := probabilities.get(name)) is not None
        }

    def as_json(self) -> dict[str, object]:
        """Bounds and how many patients each rests on."""
        named = {
            name: {
                word: {"bound": side.bound, "n": side.n}
                for word, side in zip(("absent", "present"), sides, strict=True)
            }
            for name, sides in self.bounds.items()
        }
        return {"level": self.level, "findings": named}

    @staticmethod
    def of_json(tree: Mapping[str, object]) -> ConformalSets:
        """``KeyError``, ``TypeError``, ``ValueError`` or ``AttributeError`` for anything else."""
        findings: Mapping[str, Mapping[str, Mapping[str, float]]] = tree["findings"]  # type: ignore[assignment]
        sides = {
            name: tuple(
                AnswerBound(bound=float(answers[word]["bound"]), n=int(answers[word]["n"]))
                for word in ("absent", "present")
            )
            for name, answers in findings.items()
        }
        return ConformalSets(bounds=sides, level=float(tree["level"]))  # type: ignore[arg-type]


def fit_sets(
    findings: Sequence[str],
    truth_nk: Floats,
    probability_nk: Floats,
    patients: Sequence[str],
    *,
    level: float = LEVEL,
) -> ConformalSets:
    """From judged cases; of several cases of a patient with the same answer, the least fitting one counts.

    Args:
        truth_nk: ``(cases, findings)`` of 0, 1 or NaN (unknown).
        probability_nk: the same shape, calibrated, of patients that the model was not trained on.
        patients: ``(cases,)``.
    """
    names = np.asarray(patients, dtype=str)
    bounds = {}
    for k, finding in enumerate(findings):
        truth, p = truth_nk[:, k], probability_nk[:, k]
        bounds[finding] = (
            _bound(p[truth == 0], names[truth == 0], level),
            _bound(1.0 - p[truth == 1], names[truth == 1], level),
        )
    return ConformalSets(bounds=bounds, level=level)


def _bound(misfit: Floats, patients: npt.NDArray[np.str_], level: float) -> AnswerBound:
    worst = np.sort([float(misfit[patients == name].max()) for name in np.unique(patients)])
    rank = int(np.ceil((len(worst) + 1) * level - 1e-9))
    return AnswerBound(bound=float(worst[rank - 1]) if rank <= len(worst) else 1.0, n=len(worst))
