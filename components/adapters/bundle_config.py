"""A MONAI bundle's inference configuration, in whichever of its customary forms.

Public bundles differ: the network is ``network`` or ``network_def``, transforms stand in a section of their
own or behind a reference, the checkpoint loader stands alone or among the handlers. The evaluator names its
parts, so its references are followed first (model-zoo ``wholeBody_ct_segmentation``, ``vista3d``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.errors import TeacherError

_READS_OR_WRITES_FILES = frozenset(
    {"LoadImaged", "LoadImageD", "LoadImageDict", "SaveImaged", "SaveImageD", "SaveImageDict"}
    | {"CopyFilenamesd", "WriteFileMappingd"}
)
_CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
_WEIGHTS = ("model.safetensors", "model.pt")
Config = dict[str, Any]


def read_configs(folder: Path) -> tuple[Config, Config]:
    """``(inference, metadata)``; ``TeacherError`` when one is missing or unreadable."""
    configs = folder / "configs"
    found = [configs / name for name in _CONFIGS if (configs / name).is_file()]
    if not found or not (configs / "metadata.json").is_file():
        raise TeacherError(
            expected="configs/inference.json (or .yaml) and configs/metadata.json",
            got=", ".join(sorted(path.name for path in configs.glob("*"))) or "no configs",
            hint="a complete MONAI bundle",
        )
    import yaml

    try:
        config = yaml.safe_load(found[0].read_text())
        metadata = json.loads((configs / "metadata.json").read_text())
    except (ValueError, yaml.YAMLError) as error:
        raise TeacherError(
            expected="readable bundle configs", got=str(error), hint="the bundle as it was published"
        ) from error
    if not isinstance(config, dict) or not isinstance(metadata, dict):
        raise TeacherError(expected="configs that hold mappings", got="something else", hint="its publisher")
    return config, metadata


def in_memory(node: Any) -> Any:
    """The configuration without the transforms that read or write files, wherever they are listed."""
    if isinstance(node, dict):
        return {key: in_memory(value) for key, value in node.items()}
    if isinstance(node, list):
        return [in_memory(item) for item in node if _target(item) not in _READS_OR_WRITES_FILES]
    return node


def part_id(config: Config, part: str, *names: str) -> str:
    """Where the evaluator's ``part`` is defined: what it refers to, else the first of ``names`` there is.

    Raises ``TeacherError`` when the configuration has none of them.
    """
    for _, node in walk(config):
        if _target(node).endswith("Evaluator") and _is_reference(node.get(part)):
            return str(node[part])[1:].strip().replace("::", "#")
    for name in names:
        if name in config:
            return name
    raise TeacherError(
        expected=f"{part} in the bundle's inference configuration ({', '.join(names)})",
        got=", ".join(config),
        hint="a bundle for segmentation with MONAI's SupervisedEvaluator",
    )


def preprocessing_id(config: Config) -> str:
    """Where the transforms of the evaluator's data set are defined."""
    for _, node in walk(config):
        if _target(node).endswith("Dataset") and _is_reference(node.get("transform")):
            return str(node["transform"])[1:].strip().replace("::", "#")
    return part_id(config, "preprocessing", "preprocessing", "pre_transforms", "preprocessing_transforms")


def prompts_by_label(config: Config) -> bool:
    """Whether the evaluator asks its network for labels one by one, as VISTA3D does."""
    return any("everything_labels" in (node.get("hyper_kwargs") or {}) for _, node in walk(config))


def channel_names(metadata: Mapping[str, Any]) -> dict[int, str]:
    """The bundle's label value → its name; ``{}`` when the metadata does not say."""
    outputs: dict[str, Any] = next(iter(data_format(metadata, "outputs").values()), {})
    return {int(value): str(name) for value, name in outputs.get("channel_def", {}).items()}


def data_format(metadata: Mapping[str, Any], side: str) -> dict[str, Any]:
    return dict(metadata.get("network_data_format", {}).get(side, {}))


def image_key(config: Config, metadata: Mapping[str, Any]) -> str:
    """The key that the transforms read the frame from."""
    stated = config.get("image_key")
    if isinstance(stated, str) and not stated.startswith(("@", "$", "%")):
        return stated
    return next(iter(data_format(metadata, "inputs")), "image")


def weights_file(parser: Any, config: Config, folder: Path) -> tuple[Path, Sequence[str]]:
    """What the bundle's checkpoint loader names, else the usual file; and the keys of its content to try."""
    named, keys = [], []
    for where, node in walk(config):
        if _target(node).endswith("CheckpointLoader") and "load_path" in node:
            named.append(Path(parser.get_parsed_content(f"{where}#load_path")))
            keys += [str(key) for key in node.get("load_dict") or {}]
    models = folder / "models"
    alone = [path for path in models.glob("*") if path.suffix in (".pt", ".pth", ".safetensors")]
    candidates = [*named, *(models / name for name in _WEIGHTS), *(alone if len(alone) == 1 else [])]
    for path in candidates:
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path, keys
    raise TeacherError(
        expected=f"weights inside the bundle ({', '.join(path.name for path in candidates)})",
        got="none of them",
        hint="downloading the bundle with its weights",
    )


def walk(node: Any, where: str = "") -> Iterator[tuple[str, Config]]:
    """Every mapping below ``node`` with its id in MONAI's notation, ``handlers#0``."""
    if isinstance(node, dict):
        yield where, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from walk(value, f"{where}#{key}" if where else str(key))


def _target(node: Any) -> str:
    return str(node.get("_target_", "")).split(".")[-1] if isinstance(node, dict) else ""


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("@")
