"""An external program: its result is checked, its end is certain."""

from __future__ import annotations

import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from components.adapters.command_teacher import CommandTeacher, OutputKind, open_command, program_sha256
from components.errors import ParameterError, TeacherError
from components.models.teacher_labels import TeacherLabels
from tests.components.adapters.teacher_frames import HEART, flipped_frame

HEADER = """
import sys, os, nibabel, numpy as np
image = nibabel.load(sys.argv[1])
data = np.asarray(image.dataobj)
"""
SAVE = "nibabel.save(nibabel.Nifti1Image({what}.astype(np.uint8), {affine}), {path})\n"
THRESHOLD = SAVE.format(what="(data > 0)", affine="image.affine", path="sys.argv[2]")
FLOATS = "nibabel.save(nibabel.Nifti1Image(({what}).astype(np.float32), image.affine), sys.argv[2])\n"
COLOUR = (
    "rgb = np.zeros(data.shape, dtype=[('R', 'u1'), ('G', 'u1'), ('B', 'u1')])\n"
    "nibabel.save(nibabel.Nifti1Image(rgb, image.affine), sys.argv[2])\n"
)
ONE = TeacherLabels(to_structure={"1": "heart"}, structures=("heart",))


def teacher_of(
    tmp_path: Path,
    body: str,
    *,
    output: OutputKind = "file",
    labels: TeacherLabels = ONE,
    timeout_s: float = 30,
) -> CommandTeacher:
    script = tmp_path / "teacher.py"
    script.write_text(HEADER + body)
    return open_command(
        [sys.executable, str(script), "{input}", "{output}"],
        labels=labels,
        log_folder=tmp_path / "logs",
        output=output,
        timeout_s=timeout_s,
    )


def test_result_lies_on_the_native_grid(tmp_path: Path) -> None:
    frame = flipped_frame()
    label_map = teacher_of(tmp_path, "print('hello')\n" + THRESHOLD).label(frame)
    assert np.array_equal(label_map.labels, frame.voxels_hu > 0)
    assert [log.read_text() for log in (tmp_path / "logs").glob("*.log")] == ["hello\n"]


def test_folder_of_masks_is_joined(tmp_path: Path) -> None:
    save = SAVE.format(what="(data > 0)", affine="image.affine", path="sys.argv[2] + '/heart.nii.gz'")
    unwanted = SAVE.format(what="(data < 0)", affine="image.affine", path="sys.argv[2] + '/lung.nii.gz'")
    labels = TeacherLabels(to_structure={"heart": "heart", "lung": "background"}, structures=("heart",))
    teacher = teacher_of(
        tmp_path, "os.mkdir(sys.argv[2])\n" + save + unwanted, output="folder", labels=labels
    )
    frame = flipped_frame()
    assert np.array_equal(teacher.label(frame).labels, frame.voxels_hu > 0)


# in the middle of a compressed stream, and in the header's code of the data type
CUT = """
import gzip
raw = bytearray(gzip.open(sys.argv[2]).read())
raw[70:72] = b"\\xff\\x7f"
gzip.open(sys.argv[2], "wb").write(raw)
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "no file"),
        ("sys.exit(3)", "got 3"),
        ("open(sys.argv[2], 'w').write('x')", "readable 3D NIfTI"),
        (
            SAVE.format(what="(data > 0)", affine="image.affine", path="sys.argv[2]") + CUT,
            "readable 3D NIfTI",
        ),
        (SAVE.format(what="(data > 0)", affine="np.eye(4)", path="sys.argv[2]"), "frame's grid"),
        (SAVE.format(what="(data > 0)[1:]", affine="image.affine", path="sys.argv[2]"), "frame's grid"),
        (
            SAVE.format(what="np.stack([data, data], -1)", affine="image.affine", path="sys.argv[2]"),
            "3D NIfTI",
        ),
        (SAVE.format(what="(5 * (data > 0))", affine="image.affine", path="sys.argv[2]"), "got 5"),
        (SAVE.format(what="(data > 9999)", affine="image.affine", path="sys.argv[2]"), "empty prediction"),
        (FLOATS.format(what="np.where(data > 0, 0.5, 0)"), "whole label values, got 0.5"),
        (FLOATS.format(what="np.where(data > 0, np.nan, 0)"), "whole label values, got nan"),
        (FLOATS.format(what="np.where(data > 0, -1, 0)"), "got -1"),
        (COLOUR, "one number per voxel"),
        ("os.mkdir(sys.argv[2])", "no file"),
        ("os.kill(os.getpid(), 9)", "got -9"),
    ],
)
def test_unusable_results_are_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(TeacherError, match=message):
        teacher_of(tmp_path, body + "\n").label(flipped_frame())


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="no mask"):
        teacher_of(tmp_path, "os.mkdir(sys.argv[2])\n", output="folder").label(flipped_frame())


def test_time_limit_ends_the_whole_process_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "child.pid"
    script = tmp_path / "slow.sh"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {pid_file}\nwait\n")
    teacher = open_command(
        ["/bin/sh", str(script), "{input}", "{output}"], labels=HEART, log_folder=tmp_path, timeout_s=0.5
    )
    started = time.monotonic()
    with pytest.raises(TeacherError, match="stopped"):
        teacher.label(flipped_frame())
    assert time.monotonic() - started < 10
    assert not _runs(int(pid_file.read_text()))


def _runs(pid: int) -> bool:
    """A killed child may stay a zombie until its new parent collects it."""
    state = Path(f"/proc/{pid}/stat")
    for _ in range(50):
        try:
            if state.read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return False
        except (FileNotFoundError, ProcessLookupError):
            return False
        time.sleep(0.02)
    return True


def test_whole_numbers_as_floats_are_labels(tmp_path: Path) -> None:
    frame = flipped_frame()
    label_map = teacher_of(tmp_path, FLOATS.format(what="data > 0")).label(frame)
    assert np.array_equal(label_map.labels, frame.voxels_hu > 0)


def test_log_is_kept_of_a_program_that_fails(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="its log") as raised:
        teacher_of(tmp_path, "print('out of luck', flush=True); sys.exit(1)\n").label(flipped_frame())
    (log,) = (tmp_path / "logs").iterdir()
    assert log.name in str(raised.value)
    assert log.read_text() == "out of luck\n"


def program(
    tmp_path: Path, body: str, *, most_mb: float | None = None, timeout_s: float = 30
) -> CommandTeacher:
    """Without libraries, so that what it takes is what it says."""
    script = tmp_path / "program.py"
    script.write_text("import sys, time, shutil, os\n" + body)
    return open_command(
        [sys.executable, "-S", str(script), "{input}", "{output}"],
        labels=ONE, log_folder=tmp_path / "logs", timeout_s=timeout_s, most_mb=most_mb,
    )  # fmt: skip


def test_memory_is_measured_and_scaled_up_for_larger_frames(tmp_path: Path) -> None:
    teacher = teacher_of(tmp_path, "import time; x = bytearray(150_000_000); time.sleep(0.5)\n" + THRESHOLD)
    frame = flipped_frame()
    assert teacher.memory_mb(frame.geometry) == math.inf
    teacher.label(frame)
    measured = teacher.memory_mb(frame.geometry)
    assert 150 < measured < 600
    assert teacher.memory_mb(flipped_frame((9, 12, 28)).geometry) == pytest.approx(2 * measured)
    assert teacher.memory_mb(flipped_frame((9, 12, 7)).geometry) == measured


def test_memory_is_not_learned_from_a_run_that_failed(tmp_path: Path) -> None:
    teacher = program(tmp_path, "sys.exit(3)\n")
    frame = flipped_frame()
    with pytest.raises(TeacherError, match="got 3"):
        teacher.label(frame)
    assert teacher.memory_mb(frame.geometry) == math.inf


def test_a_program_above_the_memory_bound_is_stopped(tmp_path: Path) -> None:
    teacher = program(tmp_path, "x = bytearray(300_000_000); time.sleep(30)\n", most_mb=200)
    started = time.monotonic()
    with pytest.raises(TeacherError, match=r"at most 200 MB, got [23]\d\d MB"):
        teacher.label(flipped_frame())
    assert time.monotonic() - started < 15


def test_stop_ends_programs_in_other_threads(tmp_path: Path) -> None:
    teacher = program(tmp_path, "time.sleep(60)\n")
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(teacher.label, flipped_frame()) for _ in range(2)]
        time.sleep(0.3)
        teacher.stop()
        for one in running:
            with pytest.raises(TeacherError, match="an interruption"):
                one.result(timeout=10)


def test_frames_are_labelled_by_processes_at_the_same_time(tmp_path: Path) -> None:
    """Each program waits until the other has started: one after the other they would time out."""
    meet = tmp_path / "meet"
    meet.mkdir()
    wait = (
        f"open(os.path.join({str(meet)!r}, str(os.getpid())), 'w').close()\n"
        f"while len(os.listdir({str(meet)!r})) < 2: time.sleep(0.01)\n"
        f"sys.exit(7)\n"
    )
    teacher = program(tmp_path, wait, timeout_s=20)
    with ThreadPoolExecutor(2) as pool:
        for done in [
            pool.submit(teacher.label, flipped_frame(shape)) for shape in ((9, 12, 14), (9, 12, 15))
        ]:
            with pytest.raises(TeacherError, match="got 7"):
                done.result()


def test_temporary_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    teacher_of(tmp_path, THRESHOLD).label(flipped_frame())
    assert list(folder.iterdir()) == []


def test_shell_characters_are_plain_text(tmp_path: Path) -> None:
    script = tmp_path / "echo.sh"
    script.write_text("#!/bin/sh\nprintf '%s' \"$3\"\nexit 1\n")
    text = "$(touch " + str(tmp_path / "ran") + "); {x}"
    teacher = open_command(
        ["/bin/sh", str(script), "{input}", "{output}", text], labels=HEART, log_folder=tmp_path / "logs"
    )
    with pytest.raises(TeacherError, match="got 1"):
        teacher.label(flipped_frame())
    assert [log.read_text() for log in (tmp_path / "logs").iterdir()] == [text]
    assert not (tmp_path / "ran").exists()


def test_template_and_program_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="output"):
        open_command(["sh", "{input}"], labels=HEART, log_folder=tmp_path)
    with pytest.raises(ParameterError, match="above 0 s"):
        open_command(["sh", "{input}", "{output}"], labels=HEART, log_folder=tmp_path, timeout_s=0)
    with pytest.raises(TeacherError, match="no-such-program"):
        open_command(["no-such-program", "{input}", "{output}"], labels=HEART, log_folder=tmp_path)


def test_fingerprint_follows_template_and_version(tmp_path: Path) -> None:
    def fingerprint(*template: str, version: tuple[str, ...] = ()) -> str:
        teacher = open_command(
            ["sh", *template, "{input}", "{output}"],
            labels=HEART,
            log_folder=tmp_path,
            version_command=version,
        )
        return teacher.fingerprint

    found = {
        fingerprint(),
        fingerprint("-x"),
        fingerprint(version=("echo", "1")),
        fingerprint(version=("echo", "2")),
    }
    assert len(found) == 4
    assert fingerprint() in found


def test_a_version_may_be_printed_to_standard_error_and_must_be_printed() -> None:
    def version(script: str) -> str:
        return program_sha256(["sh"], ("sh", "-c", script))

    assert version("echo 1 >&2") == version("echo 1") == version("echo 1; date >&2")
    assert version("echo 2 >&2") != version("echo 1 >&2")
    with pytest.raises(TeacherError, match="nothing printed"):
        version("true")
    with pytest.raises(TeacherError, match="no command"):
        program_sha256([])


def test_only_the_pinned_version_runs(tmp_path: Path) -> None:
    def opened(pinned: str) -> CommandTeacher:
        return open_command(
            ["sh", "{input}", "{output}"], labels=HEART, log_folder=tmp_path, pinned_sha256=pinned
        )

    assert opened(program_sha256(["sh"])).fingerprint == opened("").fingerprint
    with pytest.raises(TeacherError, match="ctloop pseudo-label"):
        opened("0" * 64)
