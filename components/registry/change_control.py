"""What retraining may change by itself: limits that were set before, and what of a challenger lies outside them.

The idea is the predetermined change control plan of a learning device: 21 U.S.C. 360e-4 (FD&C Act section 515C) and
the FDA's guidance "Marketing Submission Recommendations for a Predetermined Change Control Plan" (2024), whose
"description of modifications" and "modification protocol" are ``ChangeLimits``. A version is approved with its limits,
so that those of the version in use count, never those that a challenger brings along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from components.cohort.labels import Provenance
from components.errors import ParameterError
from components.registry.verdict import finite

Dossier = Mapping[str, Any]
"""The content of dossier.json, see ``components.registry.dossier``."""


@dataclass(frozen=True, kw_only=True)
class ChangeLimits:
    """Unless they say more, nothing is promoted without a person.

    Args:
        max_automatic_promotions: in a row, since a person last promoted a version.
        parameters: of params.yaml, as dotted paths in which ``*`` stands for anything, that may change.
        code: whether the code of the stages and the pinned packages may change.
        provenances: that added or changed training labels may have.
        max_new_label_share: of the challenger's training labels, those that the parent had not, or had otherwise.
        max_removed_label_share: of the parent's training labels, those that the challenger has no more.
        new_sites, new_scanners: whether training may see sites or scanner models that the parent had not seen.
        min_gate_gain: what the best lower bound of a superiority that the gate found must reach.
        min_gate_patients: test patients whom the gate must have judged.
        floors: held-out metric (``dice/mean``) → what the lower end of its interval must reach.
    """

    max_automatic_promotions: int = 0
    parameters: tuple[str, ...] = ()
    code: bool = False
    provenances: tuple[Provenance, ...] = ("expert",)
    max_new_label_share: float = 0.0
    max_removed_label_share: float = 0.0
    new_sites: bool = False
    new_scanners: bool = False
    min_gate_gain: float = 0.0
    min_gate_patients: int = 0
    floors: dict[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = (self.max_new_label_share, self.max_removed_label_share)
        if not all(0.0 <= share <= 1.0 for share in shares) or (
            min(self.max_automatic_promotions, self.min_gate_patients) < 0 or self.min_gate_gain < 0
        ):
            raise ParameterError(
                expected="shares in [0, 1], and numbers of 0 and more, in change_control",
                got=str((*shares, self.max_automatic_promotions, self.min_gate_patients, self.min_gate_gain)),
                hint="the shipped section `dossier` of params.yaml",
            )

    def as_json(self) -> dict[str, Any]:
        """JSON-able, as it stands in a dossier."""
        content: dict[str, Any] = finite(dataclasses.asdict(self))
        return content

    @staticmethod
    def from_json(tree: Mapping[str, Any]) -> ChangeLimits:
        """What ``as_json`` wrote; a key that is missing has its default, an unknown one raises ``TypeError``."""
        lists = {key: tuple(value) for key, value in tree.items() if isinstance(value, list)}
        return ChangeLimits(**{**tree, **lists})


def within_limits(
    challenger: Dossier,
    parent: Dossier | None,
    *,
    verdict: Mapping[str, Any],
    automatic_promotions: int,
) -> tuple[str, ...]:
    """Why ``challenger`` must not be promoted without a person; empty when it may be.

    Args:
        challenger: the dossier of the version that is to be promoted.
        parent: the dossier of the version in use, whose limits count; ``None`` without one.
        verdict: of the gate about these two, ``Verdict.as_json()``, as the ledger keeps it.
        automatic_promotions: in a row before this one, since a person last promoted a version.
    """
    if parent is None:
        return ("no version is in use whose limits a person approved",)
    limits = ChangeLimits.from_json(parent["change_control"])
    changes = challenger["changes"]
    told_from = None if changes is None else changes["parent"]["package_hash"]
    if told_from != parent["identity"]["package_hash"]:
        return ("its change log does not start from the version in use",)
    return (
        *_promotions(limits, automatic_promotions),
        *_plan(challenger, parent),
        *_parameters(limits, changes),
        *_code(limits, changes),
        *_contract(changes),
        *_labels(limits, changes["labels"]),
        *_population(limits, changes),
        *_verdict(limits, verdict, challenger, parent),
        *_floors(limits, challenger),
    )


def _promotions(limits: ChangeLimits, before: int) -> Iterator[str]:
    allowed = limits.max_automatic_promotions
    if allowed == 0:
        yield "its parent's limits allow no promotion without a person"
    elif before >= allowed:
        yield f"automatic promotions in a row: {before} before it, allowed: {allowed}"


def _plan(challenger: Dossier, parent: Dossier) -> Iterator[str]:
    if challenger["change_control"] != parent["change_control"]:
        yield "its limits are not those that its parent was approved with"


def _parameters(limits: ChangeLimits, changes: Mapping[str, Any]) -> Iterator[str]:
    paths = [change["path"] for change in changes["parameters"]]
    outside = [path for path in paths if not any(fnmatchcase(path, known) for known in limits.parameters)]
    if outside:
        yield f"parameters that must not change by themselves: {_some(outside)}"


def _code(limits: ChangeLimits, changes: Mapping[str, Any]) -> Iterator[str]:
    if not limits.code and (paths := [change["path"] for change in changes["code"]]):
        yield f"code that must not change by itself: {_some(paths)}"


def _contract(changes: Mapping[str, Any]) -> Iterator[str]:
    """What users and the gate rely on: no limit allows another input, other outputs or a lost test patient."""
    if paths := [change["path"] for change in changes["contract"]]:
        yield f"the model's contract: {_some(paths)}"
    if (lost := changes["patients"]["test"]["removed"]) != 0:
        yield f"test patients that are no test patients any more: {'unknown' if lost is None else lost}"


def _labels(limits: ChangeLimits, labels: Mapping[str, Any]) -> Iterator[str]:
    if others := sorted(set(labels["new"]) - set(limits.provenances)):
        yield f"new training labels of provenance {_some(others)}, allowed: {_some(limits.provenances) or 'none'}"
    for name, allowed in (
        ("new", limits.max_new_label_share),
        ("removed", limits.max_removed_label_share),
    ):
        share = labels[f"{name}_share"]
        if share is None or share > allowed:
            said = "unknown" if share is None else f"{share:.3f}"
            yield f"share of {name} training labels: {said}, allowed: {allowed:g}"


def _population(limits: ChangeLimits, changes: Mapping[str, Any]) -> Iterator[str]:
    for what, allowed in (("sites", limits.new_sites), ("scanners", limits.new_scanners)):
        if not allowed and (added := changes[what]["added"]):
            yield f"training {what} that its parent had not seen: {_some(added)}"


def _verdict(
    limits: ChangeLimits, verdict: Mapping[str, Any], challenger: Dossier, parent: Dossier
) -> Iterator[str]:
    context = verdict.get("context") or {}
    judged = [(context.get(who) or {}).get("package_hash") for who in ("challenger", "champion")]
    if judged != [dossier["identity"]["package_hash"] for dossier in (challenger, parent)]:
        yield "the gate's verdict is not about these two versions"
        return
    if verdict.get("outcome") != "accepted":
        yield f"the gate's verdict: {verdict.get('outcome')}"
    patients = len(verdict.get("patients") or ())
    if patients < limits.min_gate_patients:
        yield f"test patients judged by the gate: {patients}, needed: {limits.min_gate_patients}"
    gains = [
        check.get("lower") for check in verdict.get("checks") or () if check.get("name") == "superiority"
    ]
    best = max((gain for gain in gains if gain is not None), default=None)
    if best is None or best < limits.min_gate_gain:
        said = "none" if best is None else f"{best:.4f}"
        yield f"best lower bound of a superiority: {said}, needed: {limits.min_gate_gain:g}"


def _floors(limits: ChangeLimits, challenger: Dossier) -> Iterator[str]:
    measured = {f"{row['metric']}/{row['label']}": row["low"] for row in challenger["tests"]["metrics"]}
    for name, floor in sorted(limits.floors.items()):
        low = measured.get(name)
        if low is None or low < floor:
            said = "not measured" if low is None else f"{low:.3f}"
            yield f"lower end of {name}: {said}, needed: {floor:g}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
