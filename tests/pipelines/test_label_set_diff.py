"""What is new about the labels, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_label_map, save_label_map
from components.adapters.parquet import read_parquet
from components.cohort.label_set import LABEL_SET_FILE, label_set_json
from components.cohort.labels import LabelSidecar
from components.cohort.split import Split
from components.cohort.validation import validation_patients
from components.errors import StateError
from pipelines.composition import MODEL_NAMES, Services
from pipelines.label_set_diff import coming_diff
from pipelines.params_override import set_params
from pipelines.training_set import segmentation_set
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory
from tests.pipelines.judged_workspace import make_workspace

NAME = MODEL_NAMES["segmentation"]


def sidecar(provenance: str, digit: str) -> LabelSidecar:
    teacher = "t" if provenance == "pseudo" else None
    return LabelSidecar(provenance=provenance, label_sha256=digit * 64, teacher_fingerprint=teacher)  # type: ignore[arg-type]


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """A teacher labelled every frame; the champion learned from that, and from an expert's label of p00."""
    workspace = make_workspace(tmp_path / "w", "segmentation", train=3, test=1, phases=1)
    folder, pseudo = workspace.labels("segmentation"), workspace.pseudo("segmentation")
    pseudo.mkdir(parents=True)
    for file in folder.glob("*.b2nd"):
        save_label_map(pseudo / file.name, load_label_map(file))
        (pseudo / f"{file.stem}.sidecar.json").write_text(sidecar("pseudo", "e").to_json())
        if "p00" not in file.name:
            file.with_name(f"{file.stem}.sidecar.json").unlink()
    given = workspace.ingested("segmentation") / "labels"
    given.mkdir(parents=True)
    for file in folder.glob("cp00*"):
        (given / file.name).write_bytes(file.read_bytes())
    table = workspace.prepared("segmentation") / "frames.parquet"
    frames = read_parquet(table)
    frames.assign(sha256=frames["frame_id"], shape_z=16, shape_y=16, shape_x=16).to_parquet(table)
    services = Services(workspace)
    vars(services).update(registry=RegistryInMemory(), store=LedgerInMemory())
    return services


def make_champion(services: Services, folder: Path) -> None:
    services.registry.register(NAME, folder, package_hash="h", tags={})
    services.registry.set_alias(NAME, "champion", 1)


def answer(workspace: Workspace, frame: str) -> None:
    drawn = load_label_map(workspace.pseudo("segmentation") / f"{frame}.b2nd")
    AnswerFolder(workspace.answers("segmentation")).put_label_map(frame, drawn, sidecar("expert", "f"))


def test_without_a_champion_every_label_is_new_and_none_of_held_out_patients(services: Services) -> None:
    found = coming_diff(services, "segmentation").as_json()
    assert found["added"]["provenance"] == {"expert": 1, "pseudo": 2}
    assert found["added"]["patients"] == 3
    assert len(found["added"]["shows"]) == 7
    assert "no champion" in found["note"]


def test_validation_patients_of_the_coming_retraining_are_not_among_them(services: Services) -> None:
    workspace = services.workspace
    several = {"candidates": ["scratch", "champion"], "validation_share": 0.7}
    set_params(workspace.params, {"retrain": {"segmentation": several}})
    split = Split.from_json(workspace.split("segmentation").read_text())
    aside = validation_patients(split, 0.7)
    assert 0 < len(aside) < 3
    assert coming_diff(services, "segmentation").as_json()["added"]["patients"] == 3 - len(aside)


def test_an_answer_takes_the_place_of_the_teachers_label(services: Services, tmp_path: Path) -> None:
    workspace = services.workspace
    trained = segmentation_set(workspace, ("expert", "pseudo"), seed=0, cache_mb=1)
    package = tmp_path / "package"
    package.mkdir()
    (package / LABEL_SET_FILE).write_text(label_set_json(trained.labels))
    make_champion(services, package)
    assert coming_diff(services, "segmentation").kept == 3

    answer(workspace, "cp01__phase-000")
    found = coming_diff(services, "segmentation")
    assert (found.kept, found.added, found.removed) == (2, (), ())
    ((before, after),) = found.replaced
    assert (before.provenance, after.provenance, after.name) == ("pseudo", "expert", "cp01__phase-000")
    assert after.shows == before.shows
    assert found.note == f"against {NAME}/1"


def test_of_an_older_package_only_experts_labels_are_compared(services: Services, tmp_path: Path) -> None:
    lineage = tmp_path / "package" / "lineage"
    lineage.mkdir(parents=True)
    known = json.loads(sidecar("expert", "0").to_json())
    manifest = {"cp00__phase-000": known, "cp03__phase-000": known}
    (lineage / "labels.json").write_text(json.dumps(manifest))
    (lineage / "lineage.json").write_text(json.dumps({"training_patients": ["p00"]}))
    make_champion(services, tmp_path / "package")
    answer(services.workspace, "cp02__phase-000")
    found = coming_diff(services, "segmentation")
    assert [label.name for label in found.added] == ["cp02__phase-000"]
    assert (found.kept, found.removed, found.replaced) == (1, (), ())
    assert "experts' labels only" in found.note


def test_without_a_split_it_says_what_to_do(tmp_path: Path) -> None:
    services = Services(Workspace(root=tmp_path, state=tmp_path))
    with pytest.raises(StateError, match="ctloop split"):
        coming_diff(services, "segmentation")
