"""Stage: the teacher labels every prepared frame of the training patients.

Only new work is done: a frame is skipped while the same teacher labelled the same voxels. A pseudo-label
dies with its teacher. A frame that the teacher cannot label is counted and named, and the batch goes on.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.adapters.blosc_store import load_volume, save_label_map
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar, label_map_sha256
from components.cohort.split import Split
from components.cohort.task import Task
from components.errors import InputError, ParameterError, TeacherError
from components.models.teacher import Teacher
from components.models.teacher_labels import TeacherLabels
from pipelines.label_names import structure_names
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.pseudo_manifest import Manifest, forget_others, label_files
from pipelines.stage_command import run_stage
from pipelines.workspace import Workspace

_SAVE_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class PseudoLabelParams:
    """Section ``pseudo_label`` of params.yaml, one per task.

    Args:
        teacher: ``bundle`` = a MONAI bundle folder, ``command`` = an external program, ``none``.
        bundle: the bundle's folder, relative to the workspace.
        trusted_sha256: content hash of the bundle whose code may run (`ctloop doctor` shows it).
        command: program and arguments with ``{input}`` and ``{output}``.
        command_output: ``file`` = one label map, ``folder`` = one mask per label.
        command_timeout_s: per frame.
        version_command: prints the program's version, which becomes part of the fingerprint.
        labels: the teacher's label name or value → structure (or ``background``; ``"*"`` = every other).
        label_test: also label the frames of test patients, which no training reads.
        threads: CPU threads of the bundle; 0 leaves torch's choice.
    """

    teacher: Literal["bundle", "command", "none"]
    bundle: str = "pipelines/teacher/human_heart_ct"
    trusted_sha256: str = ""
    command: tuple[str, ...] = ()
    command_output: Literal["file", "folder"] = "file"
    command_timeout_s: float = 600.0
    version_command: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    label_test: bool = False
    threads: int = 0


def pseudo_label(workspace: Workspace, task: Task) -> None:
    """Write ``data/TASK/pseudo``: a label map and sidecar per frame, and the manifest."""
    params = load_section(PseudoLabelParams, workspace.params, "pseudo_label", task)
    if task == "classification" and params.teacher != "none":
        raise ParameterError(
            expected="teacher: none for classification",
            got=params.teacher,
            hint="expert findings: a teacher writes label maps",
        )
    teacher = open_teacher(params, workspace)
    frames = _frames_to_label(workspace, task, label_test=params.label_test) if teacher else []
    manifest = label_frames(teacher, frames, workspace.pseudo(task)) if teacher else Manifest.empty()
    forget_others(workspace.pseudo(task), manifest)
    manifest.write(workspace.pseudo(task))
    _report(manifest)


def open_teacher(params: PseudoLabelParams, workspace: Workspace) -> Teacher | None:
    """Build the teacher that the parameters name; torch and MONAI are imported only for a bundle."""
    if params.teacher == "none":
        return None
    labels = TeacherLabels(to_structure=params.labels, structures=structure_names(workspace))
    if params.teacher == "bundle":
        from components.adapters.monai_bundle import open_bundle

        return open_bundle(
            workspace.root / params.bundle,
            trusted_sha256=params.trusted_sha256,
            labels=labels,
            threads=params.threads or None,
        )
    from components.adapters.command_teacher import open_command

    return open_command(
        params.command,
        labels=labels,
        log_folder=workspace.state / "teacher-logs",
        output=params.command_output,
        timeout_s=params.command_timeout_s,
        version_command=params.version_command,
    )


def label_frames(teacher: Teacher, frames: Iterable[Path], folder: Path) -> Manifest:
    """Label each ``FRAME.b2nd``; what an earlier run of this teacher did is kept.

    The manifest is written every few seconds, so that a killed run continues where it stood.
    """
    earlier, manifest = Manifest.read(folder, teacher), Manifest.empty(teacher)
    saved = time.monotonic()
    for path in _progress(list(frames)):
        frame, frame_sha256 = path.stem, hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            if not _is_done(folder, frame, frame_sha256, earlier):
                earlier.labelled[frame] = {
                    "frame_sha256": frame_sha256,
                    "label_sha256": _label_one(teacher, path, folder),
                }
            manifest.labelled[frame] = earlier.labelled[frame]
        except (InputError, TeacherError) as error:
            earlier.labelled.pop(frame, None)
            manifest.refused[frame] = str(error)
        if time.monotonic() - saved > _SAVE_EVERY_S:
            # frames that are still ahead keep their entries of the earlier run
            earlier.write(folder)
            saved = time.monotonic()
    return manifest


def _is_done(folder: Path, frame: str, frame_sha256: str, earlier: Manifest) -> bool:
    entry = earlier.labelled.get(frame, {})
    present = all(path.is_file() for path in label_files(folder, frame))
    return present and entry.get("frame_sha256") == frame_sha256


def _label_one(teacher: Teacher, path: Path, folder: Path) -> str:
    label_map = teacher.label(load_volume(path))
    label_file, sidecar_file = label_files(folder, path.stem)
    sidecar = LabelSidecar(
        provenance="pseudo",
        label_sha256=label_map_sha256(label_map),
        teacher=teacher.name,
        teacher_fingerprint=teacher.fingerprint,
    )
    save_label_map(label_file, label_map)
    write_whole(sidecar_file, sidecar.to_json())
    return sidecar.label_sha256


def _frames_to_label(workspace: Workspace, task: Task, *, label_test: bool) -> list[Path]:
    """Prepared frames, sorted; those of test patients only if asked for."""
    from pyarrow.parquet import read_table

    prepared = workspace.prepared(task)
    table = read_table(prepared / "frames.parquet", columns=["frame_id", "patient_id"])
    try:
        split = Split.from_json(workspace.split(task).read_text())
    except OSError as error:
        raise InputError(expected="split.json", got="no such file", hint="`ctloop split`") from error
    held_out = set() if label_test else set(split.patients("test"))
    rows: Mapping[str, list[Any]] = table.to_pydict()
    pairs = zip(rows["frame_id"], rows["patient_id"], strict=True)
    return sorted(
        prepared / "frames" / f"{frame}.b2nd" for frame, patient in pairs if patient not in held_out
    )


def _progress(frames: list[Path]) -> Iterator[Path]:
    from tqdm import tqdm

    yield from tqdm(frames, desc="pseudo-label", unit="frame", file=sys.stderr, mininterval=1.0)


def _report(manifest: Manifest) -> None:
    if manifest.teacher is None:
        say("pseudo-label: no teacher for this task, nothing to do")
        return
    done, refused = len(manifest.labelled), len(manifest.refused)
    say(f"pseudo-label: {done} frames by {manifest.teacher}, {refused} refused")
    for frame, reason in list(manifest.refused.items())[:5]:
        say(f"  {frame}: {reason}")


if __name__ == "__main__":
    run_stage(pseudo_label)
