"""Use case: promote an accepted challenger without a person, where its parent's dossier allows that.

The limits are those that a person approved with the version in use, see ``components.registry.change_control``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.errors import StateError
from components.operations.alias_moves import Withdraw, leave_all
from components.operations.promote import last_gate, promote
from components.operations.register_model import subject_of
from components.registry.change_control import within_limits
from components.registry.dossier import read_dossier
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.registry import ModelVersion, Registry


def promote_within_limits(
    registry: Registry, ledger: Ledger, *, name: str, withdraw: Withdraw = leave_all
) -> tuple[str, ...]:
    """Promote the challenger if nothing speaks against it; else why a person must decide.

    The ledger's entry of the promotion keeps the limits, and the version whose they are.

    Raises ``StateError`` when there is no challenger, or a package is not as it was registered.
    """
    challenger, champion = registry.by_alias(name, "challenger"), registry.by_alias(name, "champion")
    if challenger is None:
        raise StateError(expected=f"a challenger of {name}", got="none", hint="`ctloop register`")
    reasons, limits = _judged(registry, ledger, challenger, champion)
    if not reasons:
        promote(registry, ledger, name=name, limits=limits, withdraw=withdraw)
    return reasons


def automatic_promotions(entries: Sequence[LedgerEntry], name: str) -> int:
    """How many of the model's last promotions no person decided; ``entries`` of kind ``promote``."""
    count = 0
    for entry in reversed([e for e in entries if e.subject.rpartition("/")[0] == name]):
        if not entry.payload.get("automatic"):
            break
        count += 1
    return count


def _judged(
    registry: Registry, ledger: Ledger, challenger: ModelVersion, champion: ModelVersion | None
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Why a person must decide, and whose limits say so."""
    if champion is None:
        return ("no version is in use whose limits a person approved",), {}
    gate = last_gate(ledger, challenger)
    if gate is None:
        return (f"no gate about {subject_of(challenger)}",), {}
    try:
        dossiers = [read_dossier(registry.fetch(version)) for version in (challenger, champion)]
    except StateError as error:
        return (f"a dossier cannot be read: {error.got}",), {}
    before = automatic_promotions(ledger.entries("promote"), challenger.name)
    reasons = within_limits(*dossiers, verdict=gate.payload, automatic_promotions=before)
    return reasons, {
        "of": subject_of(champion),
        "package_hash": champion.package_hash,
        "automatic_promotions_before": before,
        "change_control": dossiers[1]["change_control"],
    }
