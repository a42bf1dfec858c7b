"""A labeling request as one row of a list, the same on the command line and in the web API."""

from __future__ import annotations

from typing import Any

from components.labeling.request import LabelingRequest

ROW_KEYS = (
    "id", "case_id", "frame", "reason", "measured", "threshold", "model_version", "status", "due",
    "task", "batch", "patient_id",
)  # fmt: skip


def request_row(request: LabelingRequest) -> dict[str, Any]:
    """JSON-able, with exactly ``ROW_KEYS``; ``frame`` is the frame's id, ``patient_id`` a pseudonym."""
    return {key: request.frame_id if key == "frame" else getattr(request, key) for key in ROW_KEYS}
