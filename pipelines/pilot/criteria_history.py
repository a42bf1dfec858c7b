"""Whether the acceptance criteria were set beforehand: what git says of them, against when the evidence came."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from components.errors import StateError
from components.labeling.request import LabelingRequest
from components.registry.registry import ModelVersion
from pipelines.lineage import git
from pipelines.unread_studies import TASK
from pipelines.workspace import Workspace

SECTION = "pilot_report"
Timing = Literal[
    "before the data", "before the model", "after the evaluation", "contradicted", "not committed", "unknown"
]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When some of the evidence was there, at the latest; ``at`` is empty where nothing tells."""

    what: str
    at: str


@dataclass(frozen=True, kw_only=True)
class LastChange:
    """The commit at which the criteria became what they are now, and how many commits ever changed them."""

    commit: str
    at: str
    changes: int


def set_beforehand(
    workspace: Workspace,
    version: ModelVersion,
    package: Path,
    judged: Sequence[tuple[str, str]],
    requests: Sequence[LabelingRequest],
) -> dict[str, Any]:
    """JSON-able: ``timing``, the last change of the criteria, the moments it is compared with, and the archive's word.

    Args:
        judged: (case, batch) of each study that judges the version.
        requests: of the task, for when these studies were asked about and answered.
    """
    change = last_change(workspace)
    data = data_moments(workspace, judged, requests)
    registered = Moment(what=f"version {version.version} registered", at=version.created_at)
    archived = _archived(workspace, package)
    return {
        "timing": timing(change, data, registered, archived),
        "change": change and asdict(change),
        "moments": [asdict(known) for known in (*data, registered)],
        "archived_with_the_model": archived,
    }


def timing(
    change: LastChange | None, data: Sequence[Moment], registered: Moment, archived: bool | None
) -> Timing:
    """When the criteria were last changed. An unknown moment never counts as later.

    The date of a commit is whatever its author's machine says. ``archived``, whether the parameters that were put away
    with the model hold the same criteria, contradicts a commit that claims to be older than the model.
    """
    if change is None:
        return "not committed"
    if not registered.at or not data or not all(known.at for known in data):
        return "unknown"
    changed = moment(change.at)
    if archived is False and changed < moment(registered.at):
        return "contradicted"
    if changed < min(moment(known.at) for known in data):
        return "before the data"
    return "before the model" if changed < moment(registered.at) else "after the evaluation"


def last_change(workspace: Workspace) -> LastChange | None:
    """From the history of params.yaml; ``None`` while the criteria on disk are not those of the last commit."""
    now = criteria_in(workspace.params.read_text())
    path = workspace.params.relative_to(workspace.root).as_posix()
    commits = [line.split() for line in git(workspace, "log", "--format=%H %cI", "--", path).splitlines()]
    values = [criteria_in(_shown(workspace, commit, path)) for commit, _ in commits]
    if not commits or values[0] != now:
        return None
    before = [*values[1:], None]  # before the first commit there were none
    changed = [
        commit for commit, ours, earlier in zip(commits, values, before, strict=True) if ours != earlier
    ]
    if not changed:
        return None
    commit, at = changed[0]
    return LastChange(commit=commit, at=at, changes=len(changed))


def criteria_in(text: str) -> Any:
    """What params.yaml says of the criteria; ``None`` where it says nothing, or is not readable."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    section = tree.get(SECTION) if isinstance(tree, dict) else None
    return section.get("criteria") if isinstance(section, dict) else None


def data_moments(
    workspace: Workspace, judged: Sequence[tuple[str, str]], requests: Sequence[LabelingRequest]
) -> tuple[Moment, ...]:
    """When each judged batch was there at the latest, and the first answer of an expert about a judged study."""
    committed = _batch_commits(workspace)
    moments = []
    for batch in sorted({batch for _, batch in judged}):
        known = [request.opened_at for request in requests if request.batch == batch]
        known += [committed[batch]] if batch in committed else []
        moments.append(Moment(what=f"batch {batch} there, at the latest", at=_earliest(known)))
    cases = {case for case, _ in judged}
    answered = [r.answered_at for r in requests if r.case_id in cases and r.answered_at]
    if answered:
        moments.append(Moment(what="first expert answer about a judged study", at=_earliest(answered)))
    return tuple(moments)


def _batch_commits(workspace: Workspace) -> dict[str, str]:
    """Batch → time of the first commit whose data/batches.yaml names it for the task."""
    path = workspace.batches.relative_to(workspace.root).as_posix()
    found: dict[str, str] = {}
    log = git(workspace, "log", "--reverse", "--format=%H %cI", "--", path)
    for commit, at in (line.split() for line in log.splitlines()):
        for name in _batch_names(_shown(workspace, commit, path)):
            found.setdefault(name, at)
    return found


def _batch_names(text: str) -> list[str]:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    entries = (tree.get(TASK) or ()) if isinstance(tree, Mapping) else ()
    return [str(entry["name"]) for entry in entries if isinstance(entry, Mapping) and "name" in entry]


def _shown(workspace: Workspace, commit: str, path: str) -> str:
    """Empty where the commit removed the file."""
    try:
        return git(workspace, "show", f"{commit}:./{path}")
    except StateError:
        return ""


def _archived(workspace: Workspace, package: Path) -> bool | None:
    """Whether the parameters archived with the model hold these criteria; ``None`` without an archive."""
    archive = package / "lineage" / "params.yaml"
    if not archive.is_file():
        return None
    return bool(criteria_in(archive.read_text()) == criteria_in(workspace.params.read_text()))


def _earliest(moments: Sequence[str]) -> str:
    return min(moments, key=moment, default="")


def moment(text: str) -> datetime.datetime:
    """ISO 8601; without an offset it is UTC, as in our stores."""
    read = datetime.datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=datetime.UTC)
