"""Nothing leaves the hospital: every package's telemetry and update check is off, before any is imported."""

from __future__ import annotations

import os
import sys

OFF: dict[str, str] = {
    "DO_NOT_TRACK": "true",  # mlflow, evidently
    "ITERATIVE_DO_NOT_TRACK": "true",  # dvc, and evidently through iterative-telemetry
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "true",
    "DVC_STUDIO_OFFLINE": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",  # monai and lightning reach the hub through huggingface_hub
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "GIT_TERMINAL_PROMPT": "0",  # an unreachable remote is an error, not a question to nobody
}


def switch_off_telemetry() -> None:
    """Set ``OFF`` for this process and its children; call it before other imports.

    OpenVINO knows no variable for this; it works without its telemetry package, so that package is hidden.
    """
    os.environ.update(OFF)
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None makes its import fail
