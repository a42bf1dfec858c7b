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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from components.adapters.ras_affine import geometry_from_ras
from components.errors import GeometryError, ParameterError, TeacherError
from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

OutputKind = Literal["file", "folder"]
_VERSION_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class CommandTeacher:
    """A ``Teacher``; made by ``open_command``.

    Args:
        template: program and arguments; ``{input}`` and ``{output}`` stand for paths. No shell reads it.
        output: ``file`` = one label map of whole values; ``folder`` = one NIfTI mask per label,
            the file's name being the label's.
        timeout_s: after it the program and all its children are killed.
        log_folder: keeps what the program printed, one file per frame content.
    """

    name: str
    fingerprint: str
    template: Sequence[str]
    output: OutputKind
    labels: TeacherLabels
    timeout_s: float
    log_folder: Path

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        from components.adapters.nifti_writer import write_nifti_volume

        with tempfile.TemporaryDirectory(prefix="ctloop-teacher-") as folder:
            frame = Path(folder) / "frame.nii.gz"
            result = Path(folder) / ("labels.nii.gz" if self.output == "file" else "labels")
            write_nifti_volume(frame, volume)
            self._run(frame, result, self._log(volume))
            if self.output == "file":
                return self.labels.read(_read_nifti(result, volume.geometry), volume.geometry, {})
            return self._join_masks(result, volume.geometry)

    def _log(self, volume: Volume) -> Path:
        self.log_folder.mkdir(parents=True, exist_ok=True)
        content = hashlib.sha256(np.ascontiguousarray(volume.voxels_hu).tobytes()).hexdigest()
        return self.log_folder / f"{content[:16]}.log"

    def _run(self, frame: Path, result: Path, log: Path) -> None:
        command = [
            part.replace("{input}", str(frame)).replace("{output}", str(result)) for part in self.template
        ]
        with log.open("wb") as stream:
            code = _run_in_group(command, stream, self.timeout_s)
        if code is None:
            raise TeacherError(
                expected=f"a result within {self.timeout_s:g} s",
                got="none; the program was stopped",
                hint=f"a longer `timeout_s`, or its log {log.name}",
            )
        if code != 0:
            raise TeacherError(expected="exit code 0", got=str(code), hint=f"its log {log.name}")

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
) -> CommandTeacher:
    """Check the template and take the fingerprint of the program.

    The fingerprint covers the template, the labels and the program's version: what ``version_command``
    prints, else the content of the executable.

    Raises ``ParameterError`` for a template without ``{input}`` or ``{output}``, ``TeacherError`` when the
    program is not there.
    """
    for mark in ("{input}", "{output}"):
        if not any(mark in part for part in template):
            raise ParameterError(
                expected=f"{mark} in the teacher's command",
                got=" ".join(template) or "no command",
                hint="adding it",
            )
    program = shutil.which(template[0])
    if program is None:
        raise TeacherError(
            expected="a teacher program",
            got=f"no {template[0]!r} on PATH",
            hint="installing it, or its full path",
        )
    version = _version(version_command) if version_command else _file_sha256(Path(program))
    settings = [list(template), output, dict(labels.to_structure), list(labels.structures), version]
    return CommandTeacher(
        name=Path(template[0]).name,
        fingerprint=hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest(),
        template=tuple(template),
        output=output,
        labels=labels,
        timeout_s=timeout_s,
        log_folder=log_folder,
    )


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
    return hashlib.sha256(done.stdout).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _run_in_group(command: Sequence[str], log: IO[bytes], timeout_s: float) -> int | None:
    """Exit code, or ``None`` after the time limit; no child outlives this call."""
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
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_nifti(path: Path, geometry: Geometry) -> npt.NDArray[Any]:
    """``(z, y, x)`` values, checked to lie on ``geometry``."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    if not path.is_file():
        raise TeacherError(expected="a result from the teacher", got="no file", hint="the teacher's log")
    try:
        image = nibabel.load(path)
        values: npt.NDArray[Any] = np.asanyarray(image.dataobj)
        grid = geometry_from_ras(values.shape, image.affine)
    except (OSError, EOFError, ValueError, GeometryError, ImageFileError) as error:
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
