"""model.json: what a package's weights are, what they want to see and what they answer. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.cohort.task import TASKS, Task
from components.errors import ParameterError, StateError
from components.scorecard.temporal_smoothing import TemporalSmoothing

FORMAT, DESCRIPTION = 1, "model.json"


@dataclass(frozen=True, kw_only=True)
class InputContract:
    """What a network sees of a volume.

    Args:
        spacing_mm: of the LPS grid, along (z, y, x).
        window_hu: clipped to this range and scaled to [0, 1].
        shift: added after that (CT-Scroll: -0.449).
        shape: voxels along (z, y, x); segmentation: the largest window of the sliding window;
            classification: the centre crop, padded with air.
        temporal: how frames of a cine listen to their neighbours; off unless it is asked for.
    """

    spacing_mm: tuple[float, float, float]
    window_hu: tuple[float, float]
    shape: tuple[int, int, int]
    shift: float = 0.0
    temporal: TemporalSmoothing = field(default_factory=TemporalSmoothing)


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """Everything about a package but its weights.

    Args:
        task: of the model.
        architecture: the fields of ``UNetConfig`` or ``CTScrollConfig``.
        input: contract of the network's input.
        label_names: structures (value i + 1) or findings, in the order of the outputs.
        training: what the training says about itself (label-set hash, seed, final losses …).
    """

    task: Task
    architecture: Mapping[str, Any]
    input: InputContract
    label_names: tuple[str, ...]
    training: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self, weights_sha256: str) -> str:
        """Sorted JSON; equal descriptions give equal text."""
        tree = {"format": FORMAT, "weights_sha256": weights_sha256, **asdict(self)}
        return json.dumps(tree, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> tuple[ModelDescription, str]:
        """The description and the sha256 of its weights; ``StateError`` when the text is something else."""
        try:
            tree = json.loads(text)
            if tree["format"] != FORMAT or tree["task"] not in TASKS:
                raise ValueError(f"format {tree['format']!r} and task {tree['task']!r}")
            description = ModelDescription(
                task=tree["task"],
                architecture={key: _tuples(value) for key, value in tree["architecture"].items()},
                input=_contract(tree["input"]),
                label_names=tuple(tree["label_names"]),
                training=tree["training"],
            )
            return description, str(tree["weights_sha256"])
        except (ValueError, KeyError, TypeError, AttributeError, ParameterError) as error:
            raise StateError(
                expected=f"model.json of format {FORMAT}",
                got=str(error) or type(error).__name__,
                hint="training the model again with this version",
            ) from error


def training_facts(folder: Path) -> Mapping[str, Any]:
    """``training`` of the model.json in ``folder``; empty where there is no such file."""
    path = folder / DESCRIPTION
    facts: Mapping[str, Any] = json.loads(path.read_text()).get("training", {}) if path.is_file() else {}
    return facts


def _contract(tree: Mapping[str, Any]) -> InputContract:
    """Packages of before temporal smoothing have none."""
    plain = {key: _tuples(value) for key, value in tree.items() if key != "temporal"}
    return InputContract(**plain, temporal=TemporalSmoothing(**tree.get("temporal", {})))


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
