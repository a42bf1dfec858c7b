"""Say in one sentence why an expert is asked."""

from __future__ import annotations

from components.labeling.request import LabelingRequest, Reason

REASON_WORDS: dict[Reason, str] = {
    "audit": "random check",
    "uncertainty": "model unsure",
    "temporal_jump": "jump between frames",
    "drift": "unfamiliar scans",
    "pseudo_jump": "teacher jumps between frames",
    "acquisition": "to learn from",
}


def why(request: LabelingRequest) -> str:
    """For example: "The model is unsure here: uncertainty 0.42, above the threshold of 0.30."."""
    measured, threshold = _number(request.measured), _number(request.threshold)
    if request.reason == "audit":
        return (
            "Drawn at random from its batch: such answers tell without bias how good the model is. "
            "They are never trained on."
        )
    if request.reason == "acquisition":
        return (
            "Chosen from its batch because an answer here should teach the model much for the time it takes."
        )
    if request.measured is None or request.threshold is None:
        return f"Asked because of {request.reason.replace('_', ' ')}; no measured value was stored."
    if request.reason == "drift":
        return (
            f"The scans of this batch differ from those the model was judged on: p = {measured}, below the "
            f"level of {threshold}. An answer here shows whether the model still holds."
        )
    if request.reason == "temporal_jump":
        return (
            f"The prediction jumps between neighbouring frames of the heartbeat: {measured}, above the "
            f"threshold of {threshold}. A heart moves smoothly, so one of the frames is probably wrong."
        )
    if request.reason == "pseudo_jump":
        return (
            f"The teacher's labels jump between neighbouring frames of the heartbeat: {measured}, above the "
            f"bound of {threshold} for frames so far apart. They are about to be trained on, and one is probably wrong."
        )
    return (
        f"The model is unsure here: uncertainty {measured} on a scale from 0 to 1, above the threshold "
        f"of {threshold}."
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
