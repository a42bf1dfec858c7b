"""Any segmentation program as a teacher: NIfTI in, NIfTI out, in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, prod
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from components.adapters.ras_affine import geometry_from_ras
from components.adapters.unreadable import unusable
from components.errors import ParameterError, TeacherError
from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

OutputKind = Literal["file", "folder"]
_VERSION_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.05  # at the clock, the memory, and whether to stop


@dataclass(kw_only=True)
class _Measured:
    """The largest frame's voxels and the highest memory of the runs that succeeded; shared by all threads."""

    peak_mb: float = 0.0
    voxels: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, peak_mb: float, voxels: int) -> None:
        with self.lock:
            self.peak_mb, self.voxels = max(self.peak_mb, peak_mb), max(self.voxels, voxels)


@dataclass(frozen=True, kw_only=True)
class CommandTeacher:
    """A ``Teacher``; made by ``open_command``.

    Args:
        template: program and arguments; ``{input}`` and ``{output}`` stand for paths. No shell reads it.
        output: ``file`` = one label map of whole values; ``folder`` = one NIfTI mask per label,
            the file's name being the label's.
        timeout_s: after it the program and all its children are killed.
        log_folder: keeps what the program printed, one file per frame content.
        most_mb: a program that takes more, with its children, is killed; ``None`` sets no limit.
    """

    name: str
    fingerprint: str
    template: Sequence[str]
    output: OutputKind
    labels: TeacherLabels
    timeout_s: float
    log_folder: Path
    most_mb: float | None = None
    _measured: _Measured = field(default_factory=_Measured)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def memory_mb(self, geometry: Geometry) -> float:
        """The highest resident memory seen so far, scaled up for a larger frame; unknown before the first."""
        if not self._measured.voxels:
            return inf
        return self._measured.peak_mb * max(1.0, prod(geometry.shape) / self._measured.voxels)

    def stop(self) -> None:
        """Kill the programs that run in other threads; frames that they work on are refused."""
        self._stopped.set()

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        from components.adapters.nifti_writer import write_nifti_volume

        with tempfile.TemporaryDirectory(prefix="ctloop-teacher-") as folder:
            frame = Path(folder) / "frame.nii.gz"
            result = Path(folder) / ("labels.nii.gz" if self.output == "file" else "labels")
            write_nifti_volume(frame, volume)
            self._run(frame, result, self._log(volume), prod(volume.geometry.shape))
            if self.output == "file":
                return self.labels.read(_read_nifti(result, volume.geometry), volume.geometry, {})
            return self._join_masks(result, volume.geometry)

    def _log(self, volume: Volume) -> Path:
        self.log_folder.mkdir(parents=True, exist_ok=True)
        content = hashlib.sha256(np.ascontiguousarray(volume.voxels_hu).tobytes()).hexdigest()
        return self.log_folder / f"{content[:16]}.log"

    def _run(self, frame: Path, result: Path, log: Path, voxels: int) -> None:
        command = [
            part.replace("{input}", str(frame)).replace("{output}", str(result)) for part in self.template
        ]
        with log.open("wb") as stream:
            ended = _run_in_group(command, stream, self.timeout_s, self.most_mb, self._stopped)
        if ended.code == 0:  # one that failed early took less than a frame needs
            self._measured.note(ended.peak_mb, voxels)
            return
        if ended.code is not None:
            raise TeacherError(expected="exit code 0", got=str(ended.code), hint=f"its log {log.name}")
        raise {
            "time": TeacherError(
                expected=f"a result within {self.timeout_s:g} s",
                got="none; the program was stopped",
                hint=f"a longer `timeout_s`, or its log {log.name}",
            ),
            "memory": TeacherError(
                expected=f"a program that takes at most {self.most_mb or 0:.0f} MB",
                got=f"{ended.peak_mb:.0f} MB; it was stopped",
                hint="a larger `memory_mb`, or a coarser `prepare.spacing_mm`",
            ),
            "stop": TeacherError(expected="a result", got="an interruption", hint="the same command again"),
        }[ended.why]

    def _join_masks(self, folder: Path, geometry: Geometry) -> LabelMap:
        masks = sorted(folder.glob("*.nii*")) if folder.is_dir() else []
        if not masks:
            raise TeacherError(
                expected="a NIfTI mask per label", got="no mask", hint="`output: file` if it writes one map"
            )
        names = {value: path.name.split(".nii")[0] for value, path in enumerate(masks, start=1)}
        joined = np.zeros(geometry.shape, dtype=np.int32)
        for value, path in enumerate(masks, start=1):
            if (
                self.labels.value_of(names[value]) != 0
            ):  # an unmapped mask is refused below, if it is not empty
                joined[_read_nifti(path, geometry) != 0] = value
        return self.labels.read(joined, geometry, names)


def open_command(
    template: Sequence[str],
    *,
    labels: TeacherLabels,
    log_folder: Path,
    output: OutputKind = "file",
    timeout_s: float = 600.0,
    version_command: Sequence[str] = (),
    pinned_sha256: str = "",
    most_mb: float | None = None,
) -> CommandTeacher:
    """Check the template and take the fingerprint of the program.

    The fingerprint covers the template, the labels and the program's version (``program_sha256``).

    Args:
        pinned_sha256: the only version that may run; empty for any.

    Raises ``ParameterError`` for a template without ``{input}`` or ``{output}``, ``TeacherError`` when the
    program is not there, or in another version than the pinned one.
    """
    if timeout_s <= 0:
        raise ParameterError(
            expected="a time limit above 0 s", got=f"{timeout_s:g}", hint="command_timeout_s: 600"
        )
    for mark in ("{input}", "{output}"):
        if not any(mark in part for part in template):
            raise ParameterError(
                expected=f"{mark} in the teacher's command",
                got=" ".join(template) or "no command",
                hint="adding it",
            )
    version = program_sha256(template, version_command)
    if pinned_sha256 not in ("", version):
        raise TeacherError(
            expected=f"the teacher program of version {pinned_sha256[:12]}, as pinned in params.yaml",
            got=version[:12],
            hint="`ctloop pseudo-label`, which pins the one that is there",
        )
    settings = [list(template), output, dict(labels.to_structure), list(labels.structures), version]
    return CommandTeacher(
        name=Path(template[0]).name,
        fingerprint=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        template=tuple(template),
        output=output,
        labels=labels,
        timeout_s=timeout_s,
        log_folder=log_folder,
        most_mb=most_mb,
    )


def program_sha256(template: Sequence[str], version_command: Sequence[str] = ()) -> str:
    """sha256 of what ``version_command`` prints, else of the program's file.

    What it prints to standard error counts only if it prints nothing to standard output.
    Raises ``TeacherError`` when the program is not there, or ``version_command`` fails or prints nothing.
    """
    program = shutil.which(template[0]) if template else None
    if program is None:
        raise TeacherError(
            expected="a teacher program",
            got=f"no {template[0]!r} on PATH" if template else "no command",
            hint="installing it, or its full path",
        )
    return _version(version_command) if version_command else _file_sha256(Path(program))


def _version(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            list(command),
            capture_output=True,
            check=True,
            timeout=_VERSION_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise TeacherError(
            expected="the teacher's version", got=str(error), hint="correcting `version_command`"
        ) from error
    printed = (
        done.stdout if done.stdout.strip() else done.stderr
    )  # warnings, with their times, are no version
    if not printed.strip():
        raise TeacherError(
            expected="the teacher's version", got="nothing printed", hint="correcting `version_command`"
        )
    return hashlib.sha256(printed).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """``code`` is ``None`` for a program that was killed; then ``why`` says for what."""

    code: int | None
    peak_mb: float
    why: Literal["", "time", "memory", "stop"] = ""


def _run_in_group(
    command: Sequence[str], log: IO[bytes], timeout_s: float, most_mb: float | None, stopped: threading.Event
) -> _Ended:
    """Run to the end or to the first limit; no child outlives this call."""
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise TeacherError(
            expected="a teacher program that starts", got=str(error), hint="running it by hand"
        ) from error
    try:
        return _watched(process, time.monotonic() + timeout_s, most_mb, stopped)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _watched(
    process: subprocess.Popen[bytes], until: float, most_mb: float | None, stopped: threading.Event
) -> _Ended:
    peak_mb = 0.0
    while True:
        peak_mb = max(peak_mb, _resident_mb(process.pid))
        try:
            return _Ended(code=process.wait(_LOOK_EVERY_S), peak_mb=peak_mb)
        except subprocess.TimeoutExpired:
            pass
        if most_mb is not None and peak_mb > most_mb:
            return _Ended(code=None, peak_mb=peak_mb, why="memory")
        if time.monotonic() > until:
            return _Ended(code=None, peak_mb=peak_mb, why="time")
        if stopped.is_set():
            return _Ended(code=None, peak_mb=peak_mb, why="stop")


def _resident_mb(pid: int) -> float:
    """Of a process and its children; pages that they share count once for each, so it is never too little."""
    import psutil

    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss
    return total / 1e6


def _read_nifti(path: Path, geometry: Geometry) -> npt.NDArray[Any]:
    """``(z, y, x)`` values, checked to lie on ``geometry``."""
    import nibabel

    if not path.is_file():
        raise TeacherError(expected="a result from the teacher", got="no file", hint="the teacher's log")
    try:
        image = nibabel.load(path)
        values: npt.NDArray[Any] = np.asanyarray(image.dataobj)
        grid = geometry_from_ras(values.shape, image.affine)
    except unusable() as error:
        raise TeacherError(
            expected="a readable 3D NIfTI", got=f"{type(error).__name__}: {error}", hint="the teacher's log"
        ) from error
    if not grid.matches(geometry, tolerance_mm=0.1):
        raise TeacherError(
            expected=f"the frame's grid {geometry.shape} at {_mm(geometry)} mm, {geometry.orientation}",
            got=f"{grid.shape} at {_mm(grid)} mm, {grid.orientation}",
            hint="a teacher that returns its result on the native grid",
        )
    return values.transpose(2, 1, 0)


def _mm(geometry: Geometry) -> str:
    return "×".join(f"{size:.4g}" for size in geometry.spacing_mm)
