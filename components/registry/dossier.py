"""The quality dossier of a package: what an auditor asks about a model, fixed when it is registered.

    dossier/dossier.json  identity, model card, data, labels, tests, changes against the parent, risks, limits of change
    dossier/index.html    the same as a page

Its terms are those of ISO 14971 (risk, risk control), IEC 62304 (change control) and the model card's paper. The
archive hash of the package covers both files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.errors import StateError
from components.registry.change_control import ChangeLimits
from components.registry.evidence import metric_rows, stratum_rows
from components.registry.gate_params import GateParams
from components.registry.model_card import CardFacts, CardWords, PackageFiles, model_card, not_stated
from components.registry.package import DOSSIER
from components.registry.verdict import finite

FORMAT = 1
CONTENT, PAGE = "dossier.json", "index.html"


@dataclass(frozen=True, kw_only=True)
class Risk:
    """A risk, what is done about it, and what remains; words of people."""

    risk: str
    mitigation: str
    severity: str = ""
    residual: str = ""


@dataclass(frozen=True, kw_only=True)
class DossierParams:
    """Section ``dossier`` of params.yaml, one part for each task: what only people can state."""

    card: CardWords = field(default_factory=CardWords)
    risks: tuple[Risk, ...] = ()
    change_control: ChangeLimits = field(default_factory=ChangeLimits)


@dataclass(frozen=True, kw_only=True, eq=False)
class DossierFacts:
    """What a dossier is made of.

    Args:
        identity: ``name``, ``task``, ``package_hash`` of the package.
        files: of the package.
        data, labels: see ``data_provenance`` and ``label_provenance``.
        changes: see ``change_log``; ``None`` without a parent.
        gate: what a challenger must show.
        intervals: ``draws`` and ``level`` of the bootstrap.
    """

    identity: Mapping[str, Any]
    files: PackageFiles
    data: Mapping[str, Any]
    labels: Mapping[str, Any]
    changes: Mapping[str, Any] | None
    gate: GateParams
    intervals: Mapping[str, Any]


def dossier_of(facts: DossierFacts, params: DossierParams) -> dict[str, Any]:
    """The content of dossier.json."""
    tests = {
        "patients": facts.files.metrics.get("patients", 0),
        "metrics": metric_rows(facts.files.metrics),
        "strata": stratum_rows(facts.files.metrics),
    }
    floors = {"gate": asdict(facts.gate), "metrics": dict(params.change_control.floors)}
    card = model_card(
        CardFacts(
            files=facts.files, data=facts.data, labels=facts.labels, tests=tests, floors=floors,
            intervals=facts.intervals,
        ),
        params.card,
    )  # fmt: skip
    content: dict[str, Any] = finite(
        {
            "format": FORMAT,
            "identity": dict(facts.identity),
            "model_card": card,
            "not_stated": [*not_stated(params.card), *([] if params.risks else ["risks"])],
            "data": dict(facts.data),
            "labels": dict(facts.labels),
            "tests": tests,
            "changes": facts.changes,
            "risks": [asdict(risk) for risk in params.risks],
            "change_control": params.change_control.as_json(),
        }
    )
    return content


def read_dossier(package: Path) -> dict[str, Any]:
    """dossier.json of a fetched package; ``StateError`` when it has none, or one of another format."""
    path = package / DOSSIER / CONTENT
    content: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if content.get("format") != FORMAT:
        raise StateError(
            expected=f"a package with a dossier of format {FORMAT}",
            got=f"format {content['format']}" if content else "none: it was registered before there were any",
            hint="a version that was trained and registered since",
        )
    return content
