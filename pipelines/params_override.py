"""Put chosen values over params.yaml, keeping its comments."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.errors import ParameterError


def override_params(path: Path, values: Path) -> bool:
    """Merge the YAML mapping at ``values`` into the parameters at ``path``; whether anything changed.

    Only keys that exist may be set: ``ParameterError`` names the nearest one.
    """
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)  # as the shipped file has it
    try:
        tree, wanted = yaml.load(path.read_text()), YAML(typ="safe").load(values.read_text())
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise ParameterError(
            expected=f"readable parameters in {path.name} and {values.name}",
            got=" ".join(str(error).split()),
            hint="correcting the file",
        ) from error
    if not isinstance(wanted, dict):
        raise ParameterError(
            expected=f"a mapping in {values.name}", got=type(wanted).__name__, hint="`stage: {…}`"
        )
    if not _merge(tree, wanted, values.name):
        return False
    with path.open("w") as file:
        yaml.dump(tree, file)
    return True


def _merge(tree: Any, wanted: dict[str, Any], where: str) -> bool:
    changed = False
    for key, value in wanted.items():
        if key not in tree:
            near = difflib.get_close_matches(str(key), map(str, tree), n=1, cutoff=0.0)
            raise ParameterError(
                expected=f"a known key in {where}", got=repr(key), hint=repr(near[0]) if near else "none"
            )
        if isinstance(value, dict) and isinstance(tree[key], dict):
            changed |= _merge(tree[key], value, f"{where}.{key}")
        elif tree[key] != value:
            if isinstance(value, list) and isinstance(tree[key], list):
                tree[key][:] = value  # in place, so that it stays on one line if it was
            else:
                tree[key] = value
            changed = True
    return changed
