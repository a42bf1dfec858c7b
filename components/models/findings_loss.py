"""Binary cross-entropy over findings that may be unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional


def findings_loss(logits_bl: Tensor, findings_bl: Tensor, weight_b: Tensor, positive_l: Tensor) -> Tensor:
    """Weighted mean binary cross-entropy over the known findings; 0 when none is known.

    Args:
        logits_bl: one per finding.
        findings_bl: 0, 1 or NaN (unknown: no loss, no gradient).
        weight_b: per scan, by provenance.
        positive_l: weight of a finding's positives.
    """
    known_bl = torch.isfinite(findings_bl)
    target_bl = torch.where(known_bl, findings_bl, 0.0)
    loss_bl = functional.binary_cross_entropy_with_logits(
        logits_bl, target_bl, pos_weight=positive_l, reduction="none"
    )
    weight_bl = known_bl * weight_b[:, None]
    return (loss_bl * weight_bl).sum() / weight_bl.sum().clamp_min(1e-8)


def positive_weights(
    findings_nl: npt.NDArray[np.float32], patients: Sequence[str], cap: float
) -> npt.NDArray[np.float32]:
    """``(l,)`` negatives / positives among the known, within [1, cap]; 1 where a finding has no positive.

    Counted as training shows them: a patient's scans together count once, see ``ScanDataset``.

    Args:
        findings_nl: of each scan; NaN = unknown.
        patients: ``(n,)`` whose scans they are.
        cap: largest weight.
    """
    _, index, scans = np.unique(np.asarray(list(patients)), return_inverse=True, return_counts=True)
    share_n1 = (1.0 / scans[index])[:, None]
    positives = np.nansum(share_n1 * findings_nl, axis=0)
    negatives = (share_n1 * np.isfinite(findings_nl)).sum(axis=0) - positives
    ratio = negatives / np.where(positives > 0, positives, 1.0)
    return np.where(positives > 0, np.clip(ratio, 1.0, max(cap, 1.0)), 1.0).astype(np.float32)
