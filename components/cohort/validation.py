"""Training patients who are set aside to choose between models, before the frozen test set sees the chosen one."""

from __future__ import annotations

import hashlib
import hmac

from components.cohort.split import Split
from components.errors import ParameterError

_RANGE = 2**256


def validation_patients(split: Split, share: float) -> frozenset[str]:
    """Those of the training patients whose HMAC-SHA256, keyed with the split's seed, lies in the lowest ``share``.

    Each patient's hash decides alone: with more patients nobody changes sides, and the patients of a smaller share
    are among those of a larger one. None is of the audit sample.

    Raises ``ParameterError`` unless ``share`` is in [0, 1).
    """
    if not 0.0 <= share < 1.0:
        raise ParameterError(expected="validation_share in [0, 1)", got=str(share), hint="0.2")
    return frozenset(patient for patient in split.patients("train") if _place(patient, split.seed) < share)


def _place(patient: str, seed: int) -> float:
    """In [0, 1). The key is another than the split's own, so that the two draws have nothing in common."""
    digest = hmac.new(f"validation {seed}".encode(), patient.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest, "big") / _RANGE
