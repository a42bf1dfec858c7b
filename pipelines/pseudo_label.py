"""Stage: the teacher labels every prepared frame of the training patients.

Only new work is done: a frame is skipped while the same teacher labelled the same voxels. A pseudo-label
dies with its teacher. A frame that the teacher cannot label is counted and named, and the batch goes on. Label
maps come back on the grid of the prepared frame, which training reads: native for the teacher, who is given
that frame and nothing coarser. What is not plausible is kept apart with its reasons, and nothing trains on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from components.adapters.parquet import read_parquet
from components.cohort.frame_id import case_of
from components.cohort.split import Split
from components.cohort.task import Task
from components.errors import InputError, ParameterError
from components.models.teacher import Teacher
from components.models.teacher_labels import TeacherLabels
from components.volume.turned import AS_STATED
from pipelines.frame_labels import FrameLabels, Outcome
from pipelines.frame_pool import each
from pipelines.label_names import structure_names
from pipelines.memory_budget import memory_budget
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.pseudo_jumps import measure_jumps
from pipelines.pseudo_manifest import Manifest, forget_others
from pipelines.pseudo_params import Demands, PseudoLabelParams
from pipelines.stage_command import run_stage
from pipelines.teachers import open_teacher
from pipelines.workspace import Workspace

_SAVE_EVERY_S = 2.0
_OWN_PROCESS = "command"


def pseudo_label(workspace: Workspace, task: Task) -> None:
    """Write ``data/TASK/pseudo``: a label map and sidecar per frame, and the manifest."""
    params = load_section(PseudoLabelParams, workspace.params, "pseudo_label", task)
    if task == "classification" and params.teacher != "none":
        raise ParameterError(
            expected="teacher: none for classification",
            got=params.teacher,
            hint="expert findings: a teacher writes label maps",
        )
    teacher, folder = open_teacher(params, workspace), workspace.pseudo(task)
    manifest = Manifest.empty()
    if teacher is not None:
        frames = _frames_to_label(workspace, task, label_test=params.label_test)
        worker = _worker(teacher, params, folder, structure_names(workspace))
        manifest = label_with(worker, frames, parallel=_parallel(params))
        manifest.jumps = measure_jumps(folder, manifest, params.jumps)
    forget_others(folder, manifest)
    manifest.write(folder)
    _report(manifest)


def label_frames(teacher: Teacher, frames: Iterable[Path], folder: Path) -> Manifest:
    """Label each ``FRAME.b2nd`` one by one without judging; what an earlier run of this teacher did is kept."""
    return label_with(FrameLabels(teacher=teacher, folder=folder), list(frames), parallel=1)


def label_with(worker: FrameLabels, frames: Sequence[Path], *, parallel: int) -> Manifest:
    """Label all frames as their axes state, then show those that failed in other orientations.

    The outcome does not depend on ``parallel``: frames are independent at first, and in the search the frames
    of a case are taken one after the other. The manifest is written every few seconds, so that a killed run
    continues where it stood.
    """
    earlier = Manifest.read(worker.folder, worker.teacher)
    book = _Book(worker.folder, Manifest.empty(worker.teacher), earlier)
    stop = getattr(worker.teacher, "stop", lambda: None)
    outcomes: dict[str, Outcome] = {}
    for outcome in each(
        lambda path: worker.first(path, earlier), frames, parallel=parallel, title="pseudo-label", unit="frame",
        stop=stop,
    ):  # fmt: skip
        outcomes[outcome.frame] = outcome
        book.note(outcome)
    if worker.demands is None or not worker.demands.orientations:
        return book.manifest
    cases = [case for case in _cases(frames) if any(_failed(outcomes[path.stem]) for path in case)]
    for case_outcomes in each(
        lambda case: _search_case(worker, case, outcomes), cases, parallel=parallel, title="orientations",
        unit="case", stop=stop,
    ):  # fmt: skip
        for outcome in case_outcomes:
            book.note(outcome)
    return book.manifest


class _Book:
    """The manifest as it grows; frames that are still ahead keep their entries of the earlier run on disk."""

    def __init__(self, folder: Path, manifest: Manifest, earlier: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._earlier = earlier
        self._saved = time.monotonic()

    def note(self, outcome: Outcome) -> None:
        outcome.into(self.manifest)
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            self._on_the_way().write(self.folder)
            self._saved = time.monotonic()

    def _on_the_way(self) -> Manifest:
        """Both, the newer first."""
        now, before = self.manifest, self._earlier
        known = {*now.labelled, *now.implausible, *now.refused}
        return Manifest(
            teacher=now.teacher,
            fingerprint=now.fingerprint,
            labelled={f: e for f, e in before.labelled.items() if f not in known} | now.labelled,
            implausible={f: e for f, e in before.implausible.items() if f not in known} | now.implausible,
            refused={f: r for f, r in before.refused.items() if f not in known} | now.refused,
            nowhere={f: e for f, e in before.nowhere.items() if f not in known} | now.nowhere,
        )


def _search_case(worker: FrameLabels, case: Sequence[Path], outcomes: Mapping[str, Outcome]) -> list[Outcome]:
    """The frames of one case that failed, in phase order; what is found on one is tried first on the next."""
    found = [_orientation(outcomes[path.stem]) for path in case]
    changed = []
    for index, path in enumerate(case):
        outcome = outcomes[path.stem]
        if not _failed(outcome):
            continue
        near = sorted(range(len(case)), key=lambda other: (abs(other - index), other))
        hints = dict.fromkeys(code for other in near if (code := found[other]) not in (None, AS_STATED))
        outcome = worker.turned(path, outcome, [str(code) for code in hints])
        found[index] = _orientation(outcome)
        changed.append(outcome)
    return changed


def _orientation(outcome: Outcome) -> str | None:
    return outcome.labelled.get("orientation") if outcome.labelled else None


def _failed(outcome: Outcome) -> bool:
    """Empty, or implausible and not searched yet."""
    return outcome.empty or (outcome.implausible is not None and not outcome.implausible["searched"])


def _cases(frames: Sequence[Path]) -> list[list[Path]]:
    """Frames by case, in phase order: names sort by case, then by the phase's three digits."""
    cases: dict[str, list[Path]] = {}
    for path in sorted(frames):
        cases.setdefault(case_of(path.stem), []).append(path)
    return list(cases.values())


def _worker(
    teacher: Teacher, params: PseudoLabelParams, folder: Path, structures: Sequence[str]
) -> FrameLabels:
    reachable = TeacherLabels(to_structure=params.labels, structures=structures).reachable
    return FrameLabels(
        teacher=teacher,
        folder=folder,
        demands=Demands(
            plausibility=params.plausibility.only(reachable),
            orientations=params.orientations,
            margin=params.turn_margin,
        ),
        budget=memory_budget(params.memory_mb),
        refuse_above_mb=params.memory_mb or None if params.teacher != _OWN_PROCESS else None,
    )


def _parallel(params: PseudoLabelParams) -> int:
    """A network in this process is shared, so its frames come one by one."""
    return params.parallel if params.teacher in (_OWN_PROCESS, "rule") else 1


def _frames_to_label(workspace: Workspace, task: Task, *, label_test: bool) -> list[Path]:
    """Prepared frames, sorted; those of test patients only if asked for."""
    prepared = workspace.prepared(task)
    table = read_parquet(prepared / "frames.parquet", ["frame_id", "patient_id"])
    try:
        split = Split.from_json(workspace.split(task).read_text())
    except OSError as error:
        raise InputError(expected="split.json", got="no such file", hint="`ctloop split`") from error
    held_out = set() if label_test else set(split.patients("test"))
    pairs = zip(table["frame_id"], table["patient_id"], strict=True)
    return sorted(
        prepared / "frames" / f"{frame}.b2nd" for frame, patient in pairs if patient not in held_out
    )


def _report(manifest: Manifest) -> None:
    if manifest.teacher is None:
        say("pseudo-label: no teacher for this task, nothing to do")
        return
    say(
        f"pseudo-label: {len(manifest.labelled)} frames by {manifest.teacher}, "
        f"{len(manifest.implausible)} implausible, {len(manifest.refused)} refused"
    )
    turned = [entry.get("orientation", AS_STATED) for entry in manifest.labelled.values()]
    for code in sorted(set(turned) - {AS_STATED}):
        say(f"  {turned.count(code)} frames labelled as {code}: their axes state {AS_STATED}")
    for frame, entry in list(manifest.implausible.items())[:5]:
        say(f"  implausible {frame}: {'; '.join(entry['reasons'])}")
    for frame, reason in list(manifest.refused.items())[:5]:
        say(f"  refused {frame}: {reason}")
    if above := [frame for frame, jump in manifest.jumps.items() if jump["measured"] > jump["bound"]]:
        say(f"  {len(above)} frames jump from their neighbours, {above[0]} the first")


if __name__ == "__main__":
    run_stage(pseudo_label)
