from __future__ import annotations

from pathlib import Path

import pytest

from components.cohort.label_set import LABEL_SET_FILE, TaughtLabel, label_set_json
from components.errors import StateError
from components.models.fit import seeded
from components.models.package import write_model
from components.models.train_segmentation import describe
from components.models.unet import UNet
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
    keep_start(workspace, "segmentation", package, "abc")
    keep_start(workspace, "segmentation", tmp_path / "nothing there", "abc")  # kept already
    return workspace


def test_labels_that_are_the_same_are_known(kept: Workspace) -> None:
    start = load_start_model(kept, "segmentation", "abc", NAMES)
    assert start.knows([label("one"), label("two", "changed"), label("three")]) == {"one"}


def test_a_model_of_other_structures_cannot_go_on(kept: Workspace) -> None:
    with pytest.raises(StateError, match="one of left_ventricle"):
        load_start_model(kept, "segmentation", "abc", ("aorta",))


@pytest.mark.parametrize("named", [None, "another"])
def test_a_package_that_is_not_here_is_named(kept: Workspace, named: str | None) -> None:
    with pytest.raises(StateError, match="ctloop retrain"):
        load_start_model(kept, "segmentation", named, NAMES)
