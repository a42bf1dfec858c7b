"""The shipped bundle on hearts whose headers are wrong: the search finds how they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.adapters.blosc_store import load_label_map, save_volume
from components.metrics.overlap import dice_per_structure
from components.phantom.body import Species
from components.phantom.cardiac import cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.turned import Turned
from components.volume.volume import LabelMap, Volume
from pipelines.params import load_section
from pipelines.pseudo_label import _worker, label_with
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.teachers import open_teacher
from pipelines.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("species", "code"), [("porcine", "RAS"), ("porcine", "RPS"), ("human", "LAI")])
def test_the_shipped_teacher_recovers(tmp_path: Path, species: Species, code: str) -> None:
    case = cardiac_case(
        seed=1901, species=species, scanner=SCANNERS["reference-b"], phases_percent=(0.0, 35.0),
        shape=(48, 48, 48), spacing_mm=(4.0, 4.0, 4.0),
    )  # fmt: skip
    truth, paths = {}, []
    for frame in case.frames:
        name = f"c__phase-{int(frame.phase_percent):03d}"
        shown = Turned(code).show(frame.volume)
        as_hu = Volume(voxels_hu=frame.labels.labels.astype(np.int16), geometry=frame.labels.geometry)
        labels = Turned(code).show(as_hu).voxels_hu.astype(np.uint8)
        truth[name] = LabelMap(labels=labels, geometry=shown.geometry, names=frame.labels.names)
        save_volume(tmp_path / f"{name}.b2nd", shown)
        paths.append(tmp_path / f"{name}.b2nd")
    workspace = Workspace(root=ROOT, state=tmp_path / "state")
    shipped = load_section(PseudoLabelParams, workspace.params, "pseudo_label", "segmentation")
    params = PseudoLabelParams(**{**vars(shipped), "teacher": "bundle"})
    teacher = open_teacher(params, workspace)
    assert teacher is not None
    before = teacher.label(Turned(code).show(case.frames[0].volume))
    structures = tuple(case.frames[0].labels.names.values())
    manifest = label_with(_worker(teacher, params, tmp_path / "pseudo", structures), paths, parallel=1)
    assert {entry["orientation"] for entry in manifest.labelled.values()} == {code}  # each undoes itself
    assert set(manifest.labelled) == set(truth)
    for name, expected in truth.items():
        found = load_label_map(tmp_path / "pseudo" / f"{name}.b2nd")
        assert mean_dice(found, expected) > mean_dice(before, truth["c__phase-000"]) + 0.2


def mean_dice(found: LabelMap, expected: LabelMap) -> float:
    return float(np.nanmean(list(dice_per_structure(found, expected).values())))
