"""Job: judge a past challenger again, from the data version and the packages that the ledger names.

Nothing is written to ledger or registry. Seconds and memory depend on the hour, so they are not measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cohort.task import Task
from components.errors import StateError
from components.models.prediction import Predictor
from components.operations.run_gate import Candidate, compare
from components.registry.gate_params import GateParams
from components.registry.ledger import Ledger, LedgerEntry
from components.registry.registry import ModelVersion, Registry
from components.registry.verdict import Verdict
from pipelines.gate import candidate_of, read_lineage, test_set_hash, training_patients
from pipelines.held_out import expert_frames
from pipelines.params import build
from pipelines.progress import bar
from pipelines.temporary_clone import temporary_clone
from pipelines.workspace import Workspace

_COSTS = ("latency", "memory")
_CLOSE = 1e-6  # of a score; other hardware rounds otherwise


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What a past verdict says and what it says today.

    Args:
        entry: its number in the ledger.
        commit: the data version that it was judged on.
        then, now: outcome and reason.
        differences: what is not the same, in words; none, and the past is reproduced.
    """

    entry: int
    subject: str
    commit: str
    then: str
    now: str
    patients: int
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        return not self.differences

    def words(self) -> str:
        """For a person."""
        head = f"entry {self.entry}, {self.subject}, data version {self.commit[:12]}, {self.patients} test patients"
        if self.identical:
            return f"{head}\nidentical: {self.then}"
        return "\n".join([head, f"then: {self.then}", f"now:  {self.now}", *self.differences])


def replay(
    workspace: Workspace,
    task: Task,
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    load_predictor: Callable[[Path], Predictor],
    entry: int | None = None,
) -> Replay:
    """Score both models again on the test set as it was, and judge by the parameters of then.

    Args:
        name: of the registered model.
        entry: number of a gate's verdict in the ledger; the newest of the model unless given.

    Raises ``StateError`` when there is no such entry, or a package or the data version is gone.
    """
    past = _entry(ledger, name, entry)
    context, versions = past.payload["context"], registry.versions(name)
    challenger = _version(versions, context["challenger"]["package_hash"])
    champion = context["champion"] and _version(versions, context["champion"]["package_hash"])
    folders = {v.version: registry.fetch(v) for v in (challenger, champion) if v is not None}
    lineage = read_lineage(folders[challenger.version])
    commit = str(lineage.get("git_commit") or "")
    params = build(GateParams, past.payload["parameters"], "the verdict's parameters")
    with temporary_clone(workspace, f"replay-{task}", revision=commit or None) as clone:
        frames = expert_frames(clone, task)
        verdict = compare(
            task=task,
            challenger=_candidate(challenger, folders, load_predictor),
            champion=None if champion is None else _candidate(champion, folders, load_predictor),
            frames=frames,
            training_patients=set().union(*(training_patients(folder) for folder in folders.values())),
            params=params,
            context={"test_set": test_set_hash(frames)},
            progress=bar(f"replay {task}"),
        )
    return Replay(
        entry=past.number,
        subject=past.subject,
        commit=commit,
        then=f"{past.payload['outcome']}: {past.payload['reason']}",
        now=f"{verdict.outcome}: {verdict.reason}",
        patients=len(verdict.patients),
        differences=differences(past.payload, verdict),
    )


def differences(past: Mapping[str, Any], verdict: Verdict) -> tuple[str, ...]:
    """What of a verdict, as the ledger keeps it, is not the same today; seconds and memory are left out."""
    now, found = verdict.as_json(), []
    if past["context"]["test_set"] != now["context"]["test_set"]:
        found.append("the test set is another one")
    if past["outcome"] != now["outcome"]:
        found.append(f"outcome: {past['outcome']}, now {now['outcome']}")
    scores = [{p["patient_id"]: p for p in tree["patients"]} for tree in (past, now)]
    if scores[0].keys() != scores[1].keys():
        found.append("other test patients")
    for patient in sorted(scores[0].keys() & scores[1].keys()):
        for who in ("champion", "challenger"):
            pair = [score[patient][who] for score in scores]
            if not _same(*pair):
                found.append(f"{who}'s score of {patient}: {pair[0]}, now {pair[1]}")
    checks = [{_key(check): check for check in tree["checks"]} for tree in (past, now)]
    for key in sorted(checks[0].keys() | checks[1].keys()):
        then, today = (by_key.get(key) for by_key in checks)
        if key[0] in _COSTS:
            continue
        if then is None or today is None:
            found.append(f"check {' '.join(key)}: only {'now' if then is None else 'then'}")
        elif then["holds"] != today["holds"] or not _same(then["lower"], today["lower"]):
            found.append(f"check {' '.join(key)}: {then['lower']}, now {today['lower']}")
    return tuple(found)


def _key(check: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(check["name"]), str(check["endpoint"]), str(check["stratum"]))


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _CLOSE


def _entry(ledger: Ledger, name: str, number: int | None) -> LedgerEntry:
    verdicts = [entry for entry in ledger.entries("gate") if entry.subject.rpartition("/")[0] == name]
    found = [entry for entry in verdicts if number in (None, entry.number)]
    if not found:
        raise StateError(
            expected=f"a gate's verdict about {name}" + ("" if number is None else f" in entry {number}"),
            got="none",
            hint="`ctloop ledger show --kind gate`",
        )
    return found[-1]


def _version(versions: tuple[ModelVersion, ...], package_hash: str) -> ModelVersion:
    found = next((version for version in versions if version.package_hash == package_hash), None)
    if found is None:
        raise StateError(
            expected=f"the package {package_hash[:12]} in the registry",
            got="no version of it",
            hint="restoring the registry from its backup",
        )
    return found


def _candidate(
    version: ModelVersion, folders: Mapping[int, Path], load_predictor: Callable[[Path], Predictor]
) -> Candidate:
    return candidate_of(version, folders[version.version], load_predictor, None)
