"""How far a structure's predicted volume is from the expert's."""

from __future__ import annotations

from collections.abc import Mapping


def volume_error_ml(predicted_ml: Mapping[str, float], expert_ml: Mapping[str, float]) -> dict[str, float]:
    """Predicted - expert volume of each structure that the expert names, ml; positive = too large.

    A structure that the model does not know has the volume 0.
    """
    return {name: predicted_ml.get(name, 0.0) - volume for name, volume in expert_ml.items()}


def relative_volume_error(
    predicted_ml: Mapping[str, float], expert_ml: Mapping[str, float]
) -> dict[str, float]:
    """The same over the expert's volume, as a fraction; NaN where the expert saw nothing."""
    errors = volume_error_ml(predicted_ml, expert_ml)
    return {name: errors[name] / volume if volume > 0 else float("nan") for name, volume in expert_ml.items()}
