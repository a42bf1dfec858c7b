"""Who competes in ``ctloop bench acquisition``."""

from __future__ import annotations

import pandas as pd

from components.acquisition.choice import Strategy
from components.acquisition.clasp_pe import clasp_pe
from components.acquisition.core_set import core_set
from components.acquisition.entropy import entropy
from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.foreground_random import foreground_random
from components.acquisition.params import AcquisitionParams
from components.acquisition.prevalence_random import prevalence_random
from components.cohort.task import Task
from pipelines.bench.acquisition_campaign import Arm, Asking, FrameRandom, Oracle
from pipelines.bench.acquisition_pool import BROKEN, CONTROL_POOL

ARMS: dict[str, int] = {
    "ours": 1, "random": 3, "frame random (straw man)": 1, "entropy": 1, "ClaSP PE": 1, "k-center": 1, "oracle": 1,
}  # fmt: skip
"""Arm → campaigns; ``random`` knows foreground, or for findings the prevalences."""
CONTROL_ARMS = ("ours", "random")
"""Who competes on the control pool, of which nothing else is claimed."""


def arms_on(pool: str) -> dict[str, int]:
    """Arm → campaigns on the pool of this name."""
    return {arm: ARMS[arm] for arm in CONTROL_ARMS} if pool == CONTROL_POOL else ARMS


def arm_of(name: str, frames: pd.DataFrame, params: AcquisitionParams, task: Task) -> Arm:
    """The arm of this name for a pool of these ``frames``; ours as shipped, without shadow and fall-back."""
    if name == "frame random (straw man)":
        return FrameRandom()
    if name == "oracle":
        kinds = frames.drop_duplicates("patient_id").set_index("patient_id")["kind"]
        return Oracle(kinds=kinds, useless=BROKEN)
    if name == "random":
        random = foreground_random if task == "segmentation" else prevalence_random
        return Asking(strategy=random, looks=task == "classification")
    strategies: dict[str, Strategy] = {
        "ours": FailureCoverage(params=params.failure_coverage),
        "entropy": entropy,
        "ClaSP PE": clasp_pe,
        "k-center": core_set,
    }
    return Asking(strategy=strategies[name])
