"""Judging and turning in the stage: what is implausible is kept apart, what lies differently is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.adapters.blosc_store import load_label_map, save_volume
from components.cohort.labels import LabelSidecar
from components.errors import EmptyPrediction, TeacherError
from components.scorecard.plausibility import Plausibility
from components.volume.geometry import Geometry
from components.volume.turned import Turned
from components.volume.volume import LabelMap, Volume
from pipelines.frame_labels import FrameLabels
from pipelines.memory_budget import MemoryBudget
from pipelines.pseudo_label import label_with
from pipelines.pseudo_manifest import Manifest, forget_others
from pipelines.pseudo_params import Demands

GRID = Geometry.axis_aligned((6, 8, 10), (4.0, 4.0, 4.0))
NAMES = {1: "head", 2: "tail"}
HEAD_UP = Demands(
    plausibility=Plausibility(
        volume_ml={"head": (0.1, 9.0), "tail": (0.05, 9.0)}, sides=(("head", "superior", "tail"),)
    ),
    orientations=("RAS", "LAI", "RPI", "LPI"),
)


class Painter:
    """Brightest = head, dimmer = tail. Of an upside-down animal it sees nothing, if ``picky``."""

    name, fingerprint = "painter", "f" * 64

    def __init__(self, picky: bool = False) -> None:
        self.picky, self.calls = picky, 0

    def label(self, volume: Volume) -> LabelMap:
        self.calls += 1
        labels = np.select([volume.voxels_hu == 200, volume.voxels_hu == 100], [1, 2], 0).astype(np.uint8)
        height = [np.argwhere(labels == value)[:, 0].mean() for value in (1, 2) if (labels == value).any()]
        if not height or (self.picky and height[0] < height[-1]):
            raise EmptyPrediction(expected="an animal", got="none", hint="light")
        return LabelMap(labels=labels, geometry=volume.geometry, names=NAMES)

    def memory_mb(self, geometry: Geometry) -> float:
        return 10.0


def animal(tail: int = 2) -> Volume:
    """Head up; the tail has ``tail`` voxels."""
    hu = np.full(GRID.shape, -500, dtype=np.int16)
    hu[4, 2:4, 3:6] = 200
    hu[1, 2, 3 : 3 + tail] = 100
    return Volume(voxels_hu=hu, geometry=GRID)


def frames(folder: Path, **codes: str) -> list[Path]:
    """``NAME = ORIENTATION``: the animal as a wrong header would show it; ``x`` for one without a tail."""
    paths = []
    for name, code in codes.items():
        volume = animal(0) if code == "x" else Turned(code).show(animal())
        save_volume(folder / f"{name}.b2nd", volume)
        paths.append(folder / f"{name}.b2nd")
    return paths


def run(
    teacher: Painter, paths: list[Path], folder: Path, demands: Demands = HEAD_UP, parallel: int = 1
) -> Manifest:
    worker = FrameLabels(teacher=teacher, folder=folder, demands=demands, budget=MemoryBudget(100.0))
    manifest = label_with(worker, paths, parallel=parallel)
    forget_others(folder, manifest)
    manifest.write(folder)
    return manifest


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sidecar(folder: Path, frame: str) -> LabelSidecar:
    return LabelSidecar.from_json((folder / f"{frame}.sidecar.json").read_text())


def test_plausible_frames_say_their_score_and_no_orientation(tmp_path: Path) -> None:
    teacher, out = Painter(), tmp_path / "pseudo"
    manifest = run(teacher, frames(tmp_path, a="LPS"), out)
    assert manifest.labelled["a"]["orientation"] == "LPS"
    assert teacher.calls == 1
    assert (sidecar(out, "a").orientation, sidecar(out, "a").plausibility) == (None, 1.0)


@pytest.mark.parametrize("picky", [False, True])
@pytest.mark.parametrize("code", ["LAI", "RPI", "LPI"])
def test_a_frame_that_lies_differently_is_turned_and_comes_back(
    tmp_path: Path, code: str, picky: bool
) -> None:
    out = tmp_path / "pseudo"
    (path,) = frames(tmp_path, a=code)
    manifest = run(Painter(picky), [path], out)
    found = sidecar(out, "a")
    assert found.orientation == manifest.labelled["a"]["orientation"]
    assert found.orientation is not None
    assert found.orientation[2] == "I"
    label_map = load_label_map(out / "a.b2nd")
    hu = Turned(code).show(animal()).voxels_hu
    assert np.array_equal(label_map.labels, np.select([hu == 200, hu == 100], [1, 2], 0))
    assert label_map.geometry.matches(Turned(code).show(animal()).geometry)
    assert list(manifest.labelled) == ["a"]


def test_what_was_found_on_a_frame_is_tried_first_on_its_neighbours(tmp_path: Path) -> None:
    names = {f"c__phase-{phase:03d}": "LPI" for phase in range(0, 100, 10)}
    teacher = Painter()
    demands = replace(HEAD_UP, orientations=("RAS", "RPS", "LAS", "RPI"))
    manifest = run(teacher, frames(tmp_path, **names), tmp_path / "pseudo", demands)
    assert {entry["orientation"] for entry in manifest.labelled.values()} == {"RPI"}
    assert teacher.calls == 10 + 4 + 9  # as stated; a full search; then one look each


def test_hints_do_not_cross_cases(tmp_path: Path) -> None:
    demands = replace(HEAD_UP, orientations=("RPI", "LAI"))
    teacher = Painter()
    run(teacher, frames(tmp_path, a="RPI", b="RPI"), tmp_path / "pseudo", demands)
    assert teacher.calls == 2 + 2 * 2


def test_implausible_labels_are_kept_apart_with_their_reasons(tmp_path: Path) -> None:
    out = tmp_path / "pseudo"
    manifest = run(Painter(), frames(tmp_path, good="LPS", bad="x"), out)
    assert list(manifest.labelled) == ["good"]
    assert manifest.implausible["bad"]["reasons"] == ["volume of tail: expected 0.05 to 9 ml, got 0.0 ml"]
    assert sorted(content(out)) == sorted(
        [
            "good.b2nd",
            "good.sidecar.json",
            "implausible/bad.b2nd",
            "implausible/bad.sidecar.json",
            "manifest.json",
        ]
    )
    assert sidecar(out / "implausible", "bad").provenance == "pseudo"


@pytest.mark.parametrize("parallel", [2, 4])
def test_bytes_do_not_depend_on_parallelism(tmp_path: Path, parallel: int) -> None:
    names = {f"{case}__phase-{phase:03d}": code for case, code in zip("abcd", ("LPS", "LPI", "x", "RPI"), strict=True)
             for phase in (0, 35, 70)}  # fmt: skip
    paths = frames(tmp_path, **names)
    run(Painter(), paths, tmp_path / "one")
    run(Painter(), paths, tmp_path / "many", parallel=parallel)
    assert content(tmp_path / "one") == content(tmp_path / "many")


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    paths, out, teacher = frames(tmp_path, a="LPS", b="LPI", c="x"), tmp_path / "pseudo", Painter()
    run(teacher, paths, out)
    before, calls = content(out), teacher.calls
    run(teacher, paths, out)
    assert teacher.calls == calls
    assert content(out) == before


def test_other_demands_judge_again_without_the_teacher(tmp_path: Path) -> None:
    paths, out, teacher = frames(tmp_path, a="LPS", b="x"), tmp_path / "pseudo", Painter()
    run(teacher, paths, out, replace(HEAD_UP, orientations=()))
    milder = Demands(plausibility=Plausibility(volume_ml={"head": (0.1, 9.0)}))
    manifest = run(teacher, paths, out, milder)
    assert teacher.calls == 2
    assert sorted(manifest.labelled) == ["a", "b"]
    assert not (out / "implausible").exists()
    stricter = Demands(plausibility=Plausibility(volume_ml={"head": (5.0, 9.0)}))
    manifest = run(teacher, paths, out, stricter)
    assert teacher.calls == 2
    assert sorted(manifest.implausible) == ["a", "b"]
    assert not list(out.glob("*.b2nd"))


def test_a_turned_label_is_made_anew_under_other_demands(tmp_path: Path) -> None:
    paths, out, teacher = frames(tmp_path, a="RPI"), tmp_path / "pseudo", Painter()
    run(teacher, paths, out)
    manifest = run(teacher, paths, out, replace(HEAD_UP, plausibility=Plausibility()))
    assert manifest.labelled["a"]["orientation"] == "LPS"


def test_a_search_that_was_killed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.pseudo_label._SAVE_EVERY_S", 0.0)
    paths, out = frames(tmp_path, a="LPI", b="LPI", c="x"), tmp_path / "pseudo"
    run(Painter(), paths, tmp_path / "whole")

    class Killed(Painter):
        def label(self, volume: Volume) -> LabelMap:
            if self.calls == 3 + 4 + 1:  # in the search of b
                raise KeyboardInterrupt
            return super().label(volume)

    with pytest.raises(KeyboardInterrupt):
        run(Killed(), paths, out)
    teacher = Painter()
    run(teacher, paths, out)
    assert teacher.calls == 4 + 4  # the searches of b and c; nothing of a, and no first look again
    assert content(out) == content(tmp_path / "whole")


class Fragile(Painter):
    """Crashes in some of its calls."""

    def __init__(self, crashes: range) -> None:
        super().__init__()
        self.crashes = crashes

    def label(self, volume: Volume) -> LabelMap:
        if self.calls in self.crashes:
            self.calls += 1
            raise TeacherError(expected="exit code 0", got="9", hint="its log")
        return super().label(volume)


def test_a_crash_in_the_search_leaves_what_there_was_and_is_tried_again(tmp_path: Path) -> None:
    paths, out = frames(tmp_path, a="x"), tmp_path / "pseudo"
    manifest = run(Fragile(range(1, 99)), paths, out)
    assert list(manifest.implausible) == ["a"]
    assert not manifest.implausible["a"]["searched"]
    assert [words.partition(":")[0] for words in manifest.implausible["a"]["failures"]] == [
        f"as {code}" for code in HEAD_UP.orientations
    ]
    teacher = Painter()
    manifest = run(teacher, paths, out)
    assert teacher.calls == len(HEAD_UP.orientations)
    assert manifest.implausible["a"]["searched"]
    assert manifest.implausible["a"]["failures"] == []


@pytest.mark.parametrize("crash", [1, 2, 4])
def test_a_crash_in_one_orientation_costs_no_other(tmp_path: Path, crash: int) -> None:
    """RAS, LAI, RPI and LPI are shown in this order; the animal lies as RPI, which LAI and LPI show, too."""
    manifest = run(Fragile(range(crash, crash + 1)), frames(tmp_path, a="RPI"), tmp_path / "pseudo")
    assert manifest.labelled["a"]["orientation"][2] == "I"


@pytest.mark.parametrize("name", ["a.b2nd", "a.sidecar.json", "implausible/b.b2nd"])
def test_a_damaged_label_is_made_again(tmp_path: Path, name: str) -> None:
    paths, out = frames(tmp_path, a="LPS", b="x"), tmp_path / "pseudo"
    before = run(Painter(), paths, out)
    whole = content(out)
    (out / name).write_bytes(whole[name][: len(whole[name]) // 2])
    teacher = Painter()
    assert run(teacher, paths, out) == before
    assert teacher.calls == (1 if name.startswith("a") else 1 + len(HEAD_UP.orientations))
    assert content(out) == whole


def test_an_empty_frame_stays_refused_when_no_orientation_helps(tmp_path: Path) -> None:
    hu = np.full(GRID.shape, -500, dtype=np.int16)
    hu[0, 0, 0] = 0
    save_volume(tmp_path / "a.b2nd", Volume(voxels_hu=hu, geometry=GRID))
    teacher = Painter()
    manifest = run(teacher, [tmp_path / "a.b2nd"], tmp_path / "pseudo")
    assert "expected an animal" in manifest.refused["a"]
    assert teacher.calls == 1 + len(HEAD_UP.orientations)
    again = run(teacher, [tmp_path / "a.b2nd"], tmp_path / "pseudo")  # it need not look again
    assert again == manifest
    assert teacher.calls == 1 + len(HEAD_UP.orientations)
    fewer = replace(HEAD_UP, orientations=("RPI",))
    run(teacher, [tmp_path / "a.b2nd"], tmp_path / "pseudo", fewer)
    assert teacher.calls == 1 + len(HEAD_UP.orientations) + 2


def test_a_constant_frame_and_one_too_large_are_refused(tmp_path: Path) -> None:
    save_volume(
        tmp_path / "flat.b2nd", Volume(voxels_hu=np.full(GRID.shape, 7, dtype=np.int16), geometry=GRID)
    )
    paths = [tmp_path / "flat.b2nd", *frames(tmp_path, good="LPS")]
    manifest = run(Painter(), paths, tmp_path / "pseudo")
    assert "the constant 7 HU" in manifest.refused["flat"]
    assert list(manifest.labelled) == ["good"]
    worker = FrameLabels(
        teacher=Painter(),
        folder=tmp_path / "p",
        demands=HEAD_UP,
        budget=MemoryBudget(5.0),
        refuse_above_mb=5.0,
    )
    assert "at most 5 MB" in label_with(worker, paths, parallel=1).refused["good"]


def test_out_of_memory_is_a_refused_frame(tmp_path: Path) -> None:
    class Greedy(Painter):
        def label(self, volume: Volume) -> LabelMap:
            raise MemoryError

    manifest = run(Greedy(), frames(tmp_path, a="LPS"), tmp_path / "pseudo")
    assert "failed allocation" in manifest.refused["a"]


def test_manifests_of_earlier_versions_are_read(tmp_path: Path) -> None:
    old = {"teacher": "painter", "fingerprint": "f" * 64, "labelled": {}, "refused": {"a": "dark"}}
    (tmp_path / "manifest.json").write_text(json.dumps(old))
    assert Manifest.read(tmp_path, Painter()).implausible == {}
