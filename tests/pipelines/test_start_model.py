from __future__ import annotations

from pathlib import Path

import pytest

from components.cohort.label_set import LABEL_SET_FILE, TaughtLabel, label_set_json
from components.errors import StateError
from components.models.fit import seeded
from components.models.package import write_model
from components.models.train_segmentation import describe
from components.models.unet import UNet
from components.registry.package import LINEAGE, package_hash
from pipelines.start_model import keep_start, load_start_model
from pipelines.workspace import Workspace
from tests.components.models.test_train_segmentation import PLAN

NAMES = ("left_ventricle",)


def label(name: str, sha256: str = "a") -> TaughtLabel:
    return TaughtLabel(
        name=name, patient_id="p", site="s", provenance="expert", label_sha256=sha256, shows=NAMES
    )


@pytest.fixture
def kept(tmp_path: Path) -> Workspace:
    workspace, package = Workspace(root=tmp_path, state=tmp_path / "state"), tmp_path / "package"
    network = seeded(lambda: UNet(PLAN.network(1)), 1)
    write_model(package, network, describe(network, PLAN, NAMES, (4.0, 4.0, 4.0)))
    (package / LABEL_SET_FILE).write_text(label_set_json([label("one"), label("two")]))
    (package / LINEAGE).mkdir()
    (package / LINEAGE / "lineage.json").write_text("{}")  # of no package's hash
    keep_start(workspace, "segmentation", package, package_hash(package))
    keep_start(workspace, "segmentation", tmp_path / "nothing there", package_hash(package))  # kept already
    return workspace


def pinned(tmp_path: Path) -> str:
    return package_hash(tmp_path / "package")


def test_labels_that_are_the_same_are_known(kept: Workspace, tmp_path: Path) -> None:
    start = load_start_model(kept, "segmentation", pinned(tmp_path), NAMES)
    assert start.validation_share == 0.0
    assert start.knows([label("one"), label("two", "changed"), label("three")]) == {"one"}


def test_a_model_of_other_structures_cannot_go_on(kept: Workspace, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="one of left_ventricle"):
        load_start_model(kept, "segmentation", pinned(tmp_path), ("aorta",))


def test_only_the_package_that_the_parameters_pin_goes_on(kept: Workspace, tmp_path: Path) -> None:
    sha256 = pinned(tmp_path)
    copy = kept.state / "starts" / f"segmentation-{sha256}" / LABEL_SET_FILE
    copy.write_text(label_set_json([label("one"), label("two"), label("three")]))
    with pytest.raises(StateError, match=f"expected the segmentation package {sha256[:12]} to go on from"):
        load_start_model(kept, "segmentation", sha256, NAMES)
    keep_start(kept, "segmentation", tmp_path / "package", sha256)  # a damaged copy is made again
    assert len(load_start_model(kept, "segmentation", sha256, NAMES).labels) == 2


@pytest.mark.parametrize("named", [None, "another"])
def test_a_package_that_is_not_here_is_named(kept: Workspace, named: str | None) -> None:
    with pytest.raises(StateError, match="ctloop retrain"):
        load_start_model(kept, "segmentation", named, NAMES)
