"""A label that jumps is measured around the cycle and opens a request, for nobody who is audited."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.blosc_store import save_label_map, save_volume
from components.adapters.sql_store import open_store
from components.cohort.labels import LabelSidecar
from components.labeling.request_words import why
from components.scorecard.temporal import JumpBound
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.composition import Services
from pipelines.pseudo_jumps import frames_to_ask_about, measure_jumps
from pipelines.pseudo_manifest import Manifest
from pipelines.turn import ask_about_jumps
from pipelines.workspace import Workspace

GRID = Geometry.axis_aligned((4, 4, 20), (2.0, 2.0, 2.0))
BOUND = JumpBound(still=0.1, per_percent=0.01, widest_gap=40.0)
SECTIONS = """
requests: {frames_per_case: 1, budget_minutes: {segmentation: 30.0, classification: 5.0}, due_days: 14}
labels: {structures: [heart]}
pseudo_label:
  segmentation: {teacher: rule, jump_cases: 2}
  classification: {teacher: none}
"""


def bar(start: int) -> LabelMap:
    """Ten voxels long: moved by k of them, Dice is 1 - k / 10."""
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[..., start : start + 10] = 1
    return LabelMap(labels=labels, geometry=GRID, names={1: "heart"})


def manifest_of(folder: Path, frames: dict[str, int | None]) -> Manifest:
    """``None`` stands for an implausible frame."""
    manifest = Manifest(teacher="t", fingerprint="f" * 64, labelled={}, refused={})
    for frame, start in frames.items():
        if start is None:
            manifest.implausible[frame] = {"reasons": ["x"]}
        else:
            manifest.labelled[frame] = {}
            save_label_map(folder / f"{frame}.b2nd", bar(start))
    return manifest


def test_jumps_go_around_the_cycle_in_phase_order(tmp_path: Path) -> None:
    frames = {"c__phase-070": 1, "c__phase-000": 0, "c__phase-035": 4}  # not in order
    jumps = measure_jumps(tmp_path, manifest_of(tmp_path, frames), BOUND)
    # Dice 0-35: 0.6, 35-70: 0.7, 70-0: 0.9; distances 35, 35, 30
    assert {frame: jump["measured"] for frame, jump in jumps.items()} == pytest.approx(
        {"c__phase-000": 1 - 0.75, "c__phase-035": 1 - 0.65, "c__phase-070": 1 - 0.8}
    )
    assert jumps["c__phase-000"]["bound"] == pytest.approx(0.1 + 0.01 * 32.5)
    assert jumps["c__phase-035"]["bound"] == pytest.approx(0.1 + 0.01 * 35)


def test_frames_with_a_missing_phase_between_are_not_compared(tmp_path: Path) -> None:
    frames = {"c__phase-000": 0, "c__phase-010": 9, "c__phase-060": 0}
    jumps = measure_jumps(tmp_path, manifest_of(tmp_path, frames), BOUND)
    assert jumps["c__phase-000"]["measured"] == pytest.approx(
        (0.9 + 0.0) / 2
    )  # neighbours at 10 and, by 40, at 60
    assert jumps["c__phase-010"]["measured"] == pytest.approx(0.9)
    assert jumps["c__phase-060"]["measured"] == pytest.approx(0.0)


def test_an_implausible_frame_is_nobodys_neighbour(tmp_path: Path) -> None:
    frames = {"c__phase-000": 0, "c__phase-020": None, "c__phase-040": 9, "c__phase-060": 9}
    jumps = measure_jumps(tmp_path, manifest_of(tmp_path, frames), BOUND)
    assert sorted(jumps) == ["c__phase-000", "c__phase-040", "c__phase-060"]
    assert jumps["c__phase-040"]["measured"] == 0.0


@pytest.mark.parametrize("frames", [{"c": 0}, {"c__phase-000": 0}, {"c__phase-000": 0, "d__phase-010": 9}])
def test_single_frames_do_not_jump(tmp_path: Path, frames: dict[str, int | None]) -> None:
    assert measure_jumps(tmp_path, manifest_of(tmp_path, frames), BOUND) == {}


def test_two_frames_are_neighbours_the_short_way(tmp_path: Path) -> None:
    jumps = measure_jumps(tmp_path, manifest_of(tmp_path, {"c__phase-000": 0, "c__phase-090": 3}), BOUND)
    assert {jump["measured"] for jump in jumps.values()} == {0.3}
    assert {jump["bound"] for jump in jumps.values()} == {0.2}


def table(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"frame_id": frame, "case_id": frame.split("__")[0], "patient_id": patient, "batch": "one"}
            for frame, patient in rows
        ]
    )


def test_the_worst_come_first_within_the_budget() -> None:
    jumps = {
        "a__phase-000": 0.5,
        "a__phase-010": 0.6,
        "b__phase-000": 0.9,
        "c__phase-000": 0.4,
        "d__phase-000": 0.2,
    }
    manifest = Manifest(teacher="t", fingerprint="f" * 64, labelled={}, refused={})
    manifest.jumps = {frame: {"measured": jump, "bound": 0.3} for frame, jump in jumps.items()}
    frames = table(*((frame, f"p{frame[0]}") for frame in jumps))

    def asked(most: int, per_case: int, *excluded: str) -> list[str]:
        found = frames_to_ask_about(
            manifest, frames, excluded_patients=excluded, frames_per_case=per_case, most_cases=most
        )
        return [candidate["frame_id"] for candidate in found]

    assert asked(9, 9) == ["b__phase-000", "a__phase-010", "a__phase-000", "c__phase-000"]
    assert asked(2, 1) == ["b__phase-000", "a__phase-010"]
    assert asked(9, 9, "pb", "pa") == ["c__phase-000"]
    assert asked(0, 9) == []


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Two jumping patients, one of them audited."""
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    workspace.params.parent.mkdir(parents=True)
    workspace.params.write_text(SECTIONS)
    folder = workspace.pseudo("segmentation")
    frames: dict[str, int | None] = {
        f"{case}__phase-{phase:03d}": start
        for case in "ab"
        for phase, start in ((0, 0), (30, 9), (60, 0), (90, 0))
    }
    manifest = manifest_of(folder, frames)
    manifest.jumps = measure_jumps(folder, manifest, BOUND)
    manifest.write(folder)
    workspace.prepared("segmentation").mkdir(parents=True)
    table(*((frame, f"p{frame[0]}") for frame in frames)).to_parquet(
        workspace.prepared("segmentation") / "frames.parquet"
    )
    for frame in frames:
        voxels = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape)
        save_volume(
            workspace.ingested("segmentation") / "volumes" / f"{frame}.b2nd",
            Volume(voxels_hu=voxels, geometry=GRID),
        )
    split = {"seed": 0, "assignments": {"pa": "train", "pb": "test"}, "batches": {"pa": "one", "pb": "one"}}
    workspace.split("segmentation").write_text(json.dumps(split))
    workspace.state.mkdir()
    made = Services(workspace)
    vars(made)["store"] = open_store(workspace.database_url)
    return made


def now() -> datetime.datetime:
    return datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_requests_state_the_jump_and_its_bound(services: Services) -> None:
    (opened,) = ask_about_jumps(services, "segmentation", now=now)
    assert (opened.frame_id, opened.reason, opened.patient_id) == ("a__phase-030", "pseudo_jump", "pa")
    assert (opened.measured, opened.threshold) == (0.9, 0.4)
    assert "0.9, above the bound of 0.4" in why(opened)
    assert (services.workspace.exports / opened.id / "pre-annotation.nii.gz").exists()
    assert services.store.requests(status="open", task="segmentation") == (opened,)
    services.store.close()


def test_nobody_is_asked_twice_nor_after_an_expert_answered(services: Services) -> None:
    ask_about_jumps(services, "segmentation", now=now)
    assert ask_about_jumps(services, "segmentation", now=now) == ()
    labels = services.workspace.labels("segmentation")
    labels.mkdir(parents=True)
    save_label_map(labels / "a__phase-030.b2nd", bar(0))
    (labels / "a__phase-030.sidecar.json").write_text(
        LabelSidecar(provenance="expert", label_sha256="0" * 64).to_json()
    )
    manifest = json.loads((services.workspace.pseudo("segmentation") / "manifest.json").read_text())
    manifest["fingerprint"] = "e" * 64  # another teacher, the same jump
    (services.workspace.pseudo("segmentation") / "manifest.json").write_text(json.dumps(manifest))
    assert ask_about_jumps(services, "segmentation", now=now) == ()
    services.store.close()


def test_without_a_teacher_nobody_is_asked(services: Services) -> None:
    assert ask_about_jumps(services, "classification", now=now) == ()
    services.store.close()
