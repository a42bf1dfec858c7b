"""The sidecar of a label: who says so, since when, and of which bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from components.errors import InputError
from components.volume.volume import LabelMap

Provenance = Literal["expert", "pseudo", "propagated"]
Findings = Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class LabelSidecar:
    """What a label file says about itself.

    Args:
        provenance: a person (``expert``), a model (``pseudo``) or a neighbouring frame (``propagated``).
        label_sha256: of the label as it was given (``label_map_sha256``, ``findings_sha256``); a label
            that was resampled keeps the hash of its original.
        annotator: pseudonym or role of the person.
        teacher, teacher_fingerprint: name and content hash of the model that wrote a pseudo-label.
        orientation: what rising (x, y, z) of the frame were taken for when the teacher saw it, where that is
            not what they state (``components.volume.turned``).
        plausibility: score of a pseudo-label in [0, 1] (``components.scorecard.plausibility``).
        model_version: ``NAME/VERSION`` that made the pre-annotation or asked for the label.
        request_id: the labeling request that it answers.
        minutes: working time of the person.
        created_at: ISO time; left out where outputs must be reproducible.
    """

    provenance: Provenance
    label_sha256: str
    annotator: str | None = None
    teacher: str | None = None
    teacher_fingerprint: str | None = None
    orientation: str | None = None
    plausibility: float | None = None
    model_version: str | None = None
    request_id: str | None = None
    minutes: float | None = None
    created_at: str | None = None

    def __post_init__(self) -> None:
        if self.provenance not in get_args(Provenance):
            raise _broken(f"a provenance of {', '.join(get_args(Provenance))}", repr(self.provenance))
        if len(self.label_sha256) != 64:
            raise _broken("label_sha256 of 64 hex digits", repr(self.label_sha256))
        if self.provenance == "pseudo" and not self.teacher_fingerprint:
            raise _broken("the teacher_fingerprint of a pseudo-label", "none")

    def to_json(self) -> str:
        """Sorted JSON without the fields that are unknown; equal sidecars give equal text."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(known, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> LabelSidecar:
        """Strict: ``InputError`` for unknown or missing keys and wrong types."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise _broken("JSON", str(error)) from error
        if not isinstance(values, dict):
            raise _broken("a JSON object", type(values).__name__)
        _check_fields(values)
        return LabelSidecar(**values)


def allowed(sidecar: LabelSidecar, provenances: Collection[str]) -> bool:
    """Whether a run whose parameters name ``provenances`` may read this label."""
    return sidecar.provenance in provenances


def label_map_sha256(label_map: LabelMap) -> str:
    """Hash of the voxels, their grid and their names: the same label in any file format."""
    meta = {
        "affine": label_map.geometry.affine.tolist(),
        "shape": label_map.labels.shape,
        "names": {str(value): label_map.names[value] for value in sorted(label_map.names)},
    }
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    digest.update(label_map.labels.tobytes())
    return digest.hexdigest()


def findings_sha256(findings: Findings) -> str:
    """Hash of a finding → 0, 1 or ``None`` (unknown) mapping."""
    return hashlib.sha256(json.dumps(dict(findings), sort_keys=True).encode()).hexdigest()


def _check_fields(values: Mapping[str, Any]) -> None:
    known = {field.name for field in fields(LabelSidecar)}
    if unknown := sorted(set(values) - known):
        raise _broken(f"the keys {', '.join(sorted(known))}", f"{unknown[0]!r}")
    for key in ("provenance", "label_sha256"):
        if key not in values:
            raise _broken(f"the key {key!r}", "nothing")
    for key, value in values.items():
        kinds = (int, float) if key in ("minutes", "plausibility") else (str,)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise _broken(f"{key} as {kinds[-1].__name__}", repr(value))


def _broken(expected: str, got: str) -> InputError:
    return InputError(expected=f"a label sidecar with {expected}", got=got, hint="importing the label again")
