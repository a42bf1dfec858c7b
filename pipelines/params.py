"""params.yaml → one frozen dataclass per stage, strictly.

The file has a section per stage or job; a section that differs between the tasks holds one mapping per task.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml

from components.cohort.task import TASKS, Task
from components.errors import ParameterError

T = TypeVar("T")


def load_section(cls: type[T], path: Path, section: str, task: Task | None = None) -> T:
    """Read ``section`` (its ``task`` part when it has one) of ``path`` as a ``cls``.

    Raises ``ParameterError`` for unknown keys (naming the nearest known one), missing keys and wrong types.
    """
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(
            expected=f"readable parameters at {path.name}",
            got=" ".join(str(error).split()),
            hint="`ctloop doctor`",
        ) from error
    if not isinstance(tree, dict) or section not in tree:
        raise ParameterError(
            expected=f"a section {section!r} in {path.name}",
            got=", ".join(tree) if isinstance(tree, dict) else type(tree).__name__,
            hint="restoring it from the shipped pipelines/params.yaml",
        )
    values = tree[section]
    if isinstance(values, dict) and task is not None and task in values and set(values) <= set(TASKS):
        section, values = f"{section}.{task}", values[task]
    return build(cls, values, section)


def build(cls: type[T], values: Any, where: str) -> T:
    """Make a frozen dataclass from a mapping; see ``load_section``."""
    if not isinstance(values, dict):
        raise ParameterError(expected=f"a mapping at {where}", got=repr(values), hint="`key: value` lines")
    known = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise ParameterError(
                expected=f"a known key in {where}",
                got=f"{key!r}",
                hint=f"{near[0]!r}" if near else "removing it",
            )
    kwargs = {key: _convert(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    for name, field in known.items():
        no_default = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name not in kwargs and no_default:
            raise ParameterError(
                expected=f"{where}.{name}", got="nothing", hint=f"adding `{name}:` to {where}"
            )
    return cls(**kwargs)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where)
    if origin is typing.Literal:
        return _expect(value in args, value, where, f"one of {', '.join(map(repr, args))}")
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(arg for arg in args if arg is not type(None)), value, where)
    if origin is tuple:
        _expect(isinstance(value, list), value, where, "a list")
        inner = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        _expect(len(inner) == len(value), value, where, f"{len(inner)} values")
        return tuple(
            _convert(kind, item, f"{where}[{i}]")
            for i, (kind, item) in enumerate(zip(inner, value, strict=True))
        )
    if origin is dict:
        _expect(isinstance(value, dict), value, where, "a mapping")
        return {_convert(args[0], k, where): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(_expect(is_number and math.isfinite(value), value, where, "a number"))
    if hint is int:
        return _expect(isinstance(value, int) and not isinstance(value, bool), value, where, "a whole number")
    if hint in (str, bool):
        return _expect(isinstance(value, hint), value, where, hint.__name__)
    return value


def _expect(holds: bool, value: Any, where: str, what: str) -> Any:
    if not holds:
        raise ParameterError(expected=f"{what} at {where}", got=repr(value), hint="correcting params.yaml")
    return value
