"""Moves of aliases that a killed process had only entered in the ledger are finished before anything else runs."""

from __future__ import annotations

from components.errors import StateError
from components.operations.alias_moves import finish_moves
from components.registry.production import unsettled
from pipelines.composition import MODEL_NAMES, Services
from pipelines.progress import say
from pipelines.registry_lease import moving_aliases
from pipelines.withdraw import withdrawing


def finish_interrupted(services: Services) -> list[str]:
    """Finish them and say so, one sentence each; where the registry cannot be had, say that and go on.

    The registry, which is slow to open, is opened only if there is something to finish. The caller holds the
    workspace's lease.
    """
    entries = services.store.entries("promote", "rollback", "shadow", "settled")
    told: list[str] = []
    for task, name in MODEL_NAMES.items():
        waiting = {entry.number: entry for entry in unsettled(entries, name)}
        if not waiting:
            continue
        try:
            with moving_aliases(services.store, name) as ledger:
                done = finish_moves(
                    services.registry, ledger, name=name, withdraw=withdrawing(services, task)
                )
        except StateError as error:
            told.append(f"{len(waiting)} interrupted moves of {name} are still to be finished: {error}")
            continue
        for entry in done:
            begun = waiting[entry.payload["entry"]]
            told.append(f"finished the {begun.kind} of {begun.subject} that was interrupted at {begun.at}")
    for sentence in told:
        say(f"ctloop: {sentence}")
    return told
