"""Put chosen values over params.yaml, keeping its comments."""

from __future__ import annotations

import difflib
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from components.adapters.whole_file import write_whole
from components.errors import ParameterError


def override_params(path: Path, values: Path) -> bool:
    """Merge the YAML mapping at ``values`` into the parameters at ``path``; whether anything changed.

    Only keys that exist may be set: ``ParameterError`` names the nearest one.
    """
    try:
        wanted = YAML(typ="safe").load(values.read_text())
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise _unreadable(values, error) from error
    if not isinstance(wanted, dict):
        raise ParameterError(
            expected=f"a mapping in {values.name}", got=type(wanted).__name__, hint="`stage: {…}`"
        )
    return set_params(path, wanted, where=values.name)


def set_params(
    path: Path, wanted: Mapping[str, Any], *, where: str = "the values", new_keys: Collection[str] = ()
) -> bool:
    """Put ``wanted`` over the parameters at ``path``; whether anything changed.

    Args:
        where: what ``wanted`` comes from, for errors.
        new_keys: those that parameters of an earlier version of ctloop may lack.
    """
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)  # as the shipped file has it
    try:
        tree = yaml.load(path.read_text())
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise _unreadable(path, error) from error
    if not _merge(tree, wanted, where, new_keys):
        return False
    text = io.StringIO()
    yaml.dump(tree, text)
    write_whole(path, text.getvalue())
    return True


def _unreadable(path: Path, error: Exception) -> ParameterError:
    return ParameterError(
        expected=f"readable parameters in {path.name}",
        got=" ".join(str(error).split()),
        hint="correcting the file",
    )


def _merge(tree: Any, wanted: Mapping[str, Any], where: str, new_keys: Collection[str]) -> bool:
    changed = False
    for key, value in wanted.items():
        if key not in tree and key not in new_keys:
            near = difflib.get_close_matches(str(key), map(str, tree), n=1, cutoff=0.0)
            raise ParameterError(
                expected=f"a known key in {where}", got=repr(key), hint=repr(near[0]) if near else "none"
            )
        now = tree.get(key)
        if isinstance(value, dict) and isinstance(now, dict):
            changed |= _merge(now, value, f"{where}.{key}", new_keys)
        elif key not in tree or now != value:
            if isinstance(value, list) and isinstance(now, list):
                now[:] = value  # in place, so that it stays on one line if it was
            else:
                tree[key] = value
            changed = True
    return changed
