"""What is said of a version that was judged before."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from components.operations.promote import promote
from components.operations.roll_back import roll_back
from pipelines import turn
from pipelines.composition import MODEL_NAMES, Services
from pipelines.turn import judge_and_promote, unseen_batches
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory

NAME = MODEL_NAMES["segmentation"]


class TrainedAgain:
    """Two versions, of which the second became champion; whichever is trained next is one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.registry, self.ledger = RegistryInMemory(), LedgerInMemory()
        self.services = Services(Workspace(root=folder, state=folder))
        vars(self.services).update(registry=self.registry, store=self.ledger)
        patch.setattr(turn, "register", lambda *_, **__: self.registry.versions(NAME)[self.trained - 1])
        self.trained = 2
        for number in (1, 2):
            self.registry.register(NAME, folder, package_hash=f"hash{number}", tags={})
            self.registry.set_alias(NAME, "challenger", number)
            promote(self.registry, self.ledger, name=NAME, override="for this test")

    def said(self) -> str:
        judged = judge_and_promote(self.services, "segmentation")
        assert judged.verdict is None
        assert not judged.promoted
        return judged.note


def test_the_champion_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = TrainedAgain(monkeypatch, tmp_path)
    assert made.said() == "version 2 is in use, nothing new to judge"


def test_a_version_that_was_rolled_back_is_not_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TrainedAgain(monkeypatch, tmp_path)
    roll_back(made.registry, made.ledger, name=NAME, reason="artefacts")
    assert made.said() == "version 2 was rolled back, version 1 is in use"


def test_a_version_that_was_replaced_is_not_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = TrainedAgain(monkeypatch, tmp_path)
    made.trained = 1
    assert made.said() == "version 1 was replaced, version 2 is in use"


def test_batches_are_seen_by_each_model_in_use_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = TrainedAgain(monkeypatch, tmp_path)
    workspace = made.services.workspace
    assert unseen_batches(made.services, "classification") == []
    batches = [{"name": name, "digest": "d", "files": 1} for name in ("first", "second", "third", "ahead")]
    tree = {"pseudonym_key": "", "segmentation": batches, "classification": []}
    workspace.batches.parent.mkdir()
    workspace.batches.write_text(yaml.safe_dump(tree))
    workspace.prepared("segmentation").mkdir(parents=True)
    prepared = pd.DataFrame({"batch": ["first", "second", "third"]})
    prepared.to_parquet(workspace.prepared("segmentation") / "frames.parquet")
    assert unseen_batches(made.services, "segmentation") == ["second", "third"]
    made.ledger.append("drift", f"{NAME}/2", {"batch": "second", "alarmed": False})
    assert unseen_batches(made.services, "segmentation") == ["third"]
    roll_back(made.registry, made.ledger, name=NAME, reason="artefacts")
    assert unseen_batches(made.services, "segmentation") == ["second", "third"]
