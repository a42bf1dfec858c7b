"""How a person names a registered model: by version, by a moving alias, or by the run that made it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.errors import ParameterError

_NAME = r"(?P<name>[A-Za-z0-9_.-]+)"
_FORMS = (
    re.compile(rf"(?:models:/)?{_NAME}@(?P<alias>[A-Za-z0-9_-]+)"),
    re.compile(rf"(?:models:/)?{_NAME}/(?P<version>\d+)"),
    re.compile(r"runs:/(?P<run_id>[0-9a-f]{32})(?:/.*)?"),
)


@dataclass(frozen=True, kw_only=True)
class ModelReference:
    """Exactly one of ``alias``, ``version`` (both with a ``name``) and ``run_id`` is set."""

    name: str | None = None
    alias: str | None = None
    version: int | None = None
    run_id: str | None = None


def parse_model_reference(text: str) -> ModelReference:
    """``models:/NAME@ALIAS``, ``models:/NAME/3``, both also without ``models:/``, or ``runs:/RUN/…``.

    Raises ``ParameterError`` for anything else.
    """
    for form in _FORMS:
        if found := form.fullmatch(text.strip()):
            values = found.groupdict()
            version = values.pop("version", None)
            return ModelReference(**values, version=int(version) if version is not None else None)
    raise ParameterError(
        expected="models:/NAME@ALIAS, models:/NAME/VERSION, NAME@ALIAS or runs:/RUN_ID/model",
        got=repr(text),
        hint="models:/ctloop-segmentation@champion",
    )
