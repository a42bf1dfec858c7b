"""Who trains and who is held out: by patient, stored, and never moved."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from components.errors import InputError, ParameterError

Side = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Side and first batch of every patient seen so far; ``test`` is the audit sample."""

    seed: int
    assignments: Mapping[str, Side]
    batches: Mapping[str, str]

    def patients(self, side: Side) -> tuple[str, ...]:
        """The patients of one side, sorted."""
        return tuple(sorted(p for p, s in self.assignments.items() if s == side))

    def to_json(self) -> str:
        """Sorted JSON, the content of split.json."""
        tree = {"seed": self.seed, "assignments": dict(self.assignments), "batches": dict(self.batches)}
        return json.dumps(tree, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> Split:
        """``InputError`` when the text is not a split."""
        try:
            tree = json.loads(text)
            split = Split(seed=tree["seed"], assignments=tree["assignments"], batches=tree["batches"])
            sound = set(split.assignments) == set(split.batches)
            sound &= set(split.assignments.values()) <= set(get_args(Side))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _broken(type(error).__name__) from error
        if not sound:
            raise _broken("patients without a batch, or a side that is neither train nor test")
        return split


def assign(frames: pd.DataFrame, previous: Split | None, *, audit_share: float, seed: int) -> Split:
    """Give every new patient of ``frames`` a side.

    Of each batch, in its order of appearance, the patients first seen there are ranked by a hash keyed
    with ``seed``, and the first become the audit sample until it holds ``ceil(audit_share · n)`` of the
    batch's ``n`` patients. Patients of ``previous`` keep their side and its seed is kept too. Where
    training would hold nobody at all, one patient stays in training.

    Args:
        frames: needs the columns ``patient_id`` and ``batch``.
        previous: the split so far; ``None`` for the first one.
        audit_share: in [0, 1).
        seed: of the ranking; ignored after the first split.
    """
    if not 0.0 <= audit_share < 1.0:
        raise ParameterError(expected="audit_share in [0, 1)", got=str(audit_share), hint="0.2")
    seed = previous.seed if previous else seed
    sides: dict[str, Side] = dict(previous.assignments) if previous else {}
    batches = dict(previous.batches) if previous else {}
    for batch, newcomers in _newcomers(frames, batches).items():
        members = [p for p, first in batches.items() if first == batch]
        audited = sum(sides[p] == "test" for p in members)
        wanted = max(0, math.ceil(audit_share * (len(members) + len(newcomers))) - audited)
        for rank, patient in enumerate(_ranked(newcomers, seed)):
            sides[patient] = "test" if rank < wanted else "train"
            batches[patient] = batch
        if newcomers and "train" not in sides.values():
            sides[_ranked(newcomers, seed)[-1]] = "train"
    return Split(seed=seed, assignments=sides, batches=batches)


def _newcomers(frames: pd.DataFrame, known: Mapping[str, str]) -> dict[str, list[str]]:
    """Batch → patients first seen there, both in order of appearance; a batch may have none."""
    firsts = frames.drop_duplicates("patient_id")[["patient_id", "batch"]]
    found: dict[str, list[str]] = {str(batch): [] for batch in frames["batch"].unique()}
    for patient, batch in firsts.itertuples(index=False):
        if patient not in known:
            found[str(batch)].append(str(patient))
    return found


def _ranked(patients: Sequence[str], seed: int) -> list[str]:
    def key(patient: str) -> str:
        return hmac.new(str(seed).encode(), patient.encode(), hashlib.sha256).hexdigest()

    return sorted(patients, key=key)


def _broken(got: str) -> InputError:
    return InputError(
        expected="split.json with seed, assignments and batches",
        got=got,
        hint="restoring it from git: it must never be made anew",
    )
