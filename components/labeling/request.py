"""A labeling request: an auditable order to an expert."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from components.cohort.task import Task

Status = Literal["open", "answered", "cancelled"]
Reason = Literal["audit", "uncertainty", "temporal_jump", "drift", "pseudo_jump", "acquisition"]
Arm = Literal["strategy", "random"]


@dataclass(frozen=True, kw_only=True)
class LabelingRequest:
    """Which frame, why, measured against what, by which model version, until when.

    ``measured`` and ``threshold`` are in the unit of the reason: uncertainty, temporal_jump and
    pseudo_jump in [0, 1]; drift as the p-value and its level; audit and acquisition without either (``None``).
    ``frame_id`` names the frame; for classification it is the case. ``label_set_version`` is the hash of the
    first data version that holds the answer; it comes a moment after ``answered_at``. ``arm`` says whether the
    acquisition strategy chose the frame or the random draw that it is compared with, and ``choice`` how; neither is
    shown to the expert, whose care must not depend on it.
    """

    task: Task
    case_id: str
    frame_id: str
    patient_id: str
    batch: str
    reason: Reason
    measured: float | None
    threshold: float | None
    model_version: str
    evidence: str
    budget_minutes: float
    opened_at: str
    due: str
    status: Status = "open"
    label_sha256: str | None = None
    label_set_version: str | None = None
    answered_at: str | None = None
    arm: Arm | None = None
    choice: str | None = None

    @property
    def id(self) -> str:
        """The same frame, reason, model version and evidence give the same id: asking twice opens one."""
        key = "|".join((self.task, self.frame_id, self.reason, self.model_version, self.evidence))
        return "r" + hashlib.sha256(key.encode()).hexdigest()[:15]
