"""The job on a small workspace: which studies are unread, whose words order them, and what is written."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from components.adapters.parquet import read_parquet
from components.errors import ParameterError, StateError
from components.labeling.request import LabelingRequest
from components.models.package import load_predictor
from components.models.prediction import FramePrediction, Predictor
from components.volume.volume import Volume
from pipelines.evaluate import evaluate
from pipelines.monitor import report_folder as monitor_folder
from pipelines.monitor import table_hash
from pipelines.params import load_section
from pipelines.reading_list import reading_list, report_folder
from pipelines.reading_list_params import ReadingListParams
from pipelines.reading_list_text import as_text
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.operations.request_fakes import RequestsInMemory
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

TASK = "classification"
UNREAD = ("cp01", "cp02", "cp04", "cp07")
TODAY = datetime.date(2026, 3, 10)


class Site:
    """A workspace with a registered model, whose patients p01, p02, p04 and p07 are unread."""

    def __init__(self, root: Path, package: Path) -> None:
        self.workspace = Workspace(root=root / "site", state=root / "site" / ".ctloop")
        self.registry = RegistryInMemory()
        self.version = self.registry.register("ctloop-test", package, package_hash=package.name, tags={})
        self.frames = self.workspace.prepared(TASK) / "frames.parquet"
        self.store = RequestsInMemory()
        self.predicted: list[Volume] = []

    def load(self, package: Path) -> Predictor:
        """The package's predictor, which remembers how often it is asked."""
        inner, predicted = load_predictor(package), self.predicted

        class Counting:
            task, label_names = inner.task, inner.label_names

            def predict(self, volume: Volume) -> FramePrediction:
                predicted.append(volume)
                return inner.predict(volume)

        return Counting()

    def run(self, **options: Any) -> dict[str, Any]:
        return reading_list(
            self.workspace, self.version, registry=self.registry, store=self.store,
            load_predictor=self.load, **{"today": TODAY, **options},
        )  # fmt: skip

    def set(self, **values: Any) -> None:
        tree = yaml.safe_load(self.workspace.params.read_text())
        tree["reading_list"] |= values
        self.workspace.params.write_text(yaml.safe_dump(tree))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with such a workspace and its package, and the package's hash; made once, for it takes seconds."""
    root = tmp_path_factory.mktemp("template")
    workspace = make_workspace(root / "site", TASK, train=5, test=6)
    commit_with_lock(workspace, TASK)
    evaluate(workspace, TASK)
    version = register(workspace, TASK, KeepingRegistry(root / "kept"), LedgerInMemory(), name="ctloop-test")
    for case in UNREAD:
        (workspace.labels(TASK) / f"{case}.sidecar.json").unlink()
    table = workspace.prepared(TASK) / "frames.parquet"
    frames = read_parquet(table)
    frames.assign(acquired_at=[f"2026-03-{day:02d}" for day in range(1, len(frames) + 1)]).to_parquet(table)
    return root, version.package_hash


@pytest.fixture
def site(template: tuple[Path, str], tmp_path: Path) -> Site:
    shutil.copytree(template[0], tmp_path / "copy")
    return Site(tmp_path / "copy", tmp_path / "copy" / "kept" / template[1])


def test_unread_studies_are_ordered_by_what_the_model_says(site: Site) -> None:
    found = site.run()
    assert {row["case_id"] for row in found["list"]} == set(UNREAD)
    predictor = load_predictor(site.registry.fetch(site.version))
    from components.adapters.blosc_store import load_volume

    def urgency(case: str) -> float:
        volume = load_volume(site.workspace.prepared(TASK) / "frames" / f"{case}.b2nd")
        return sum(predictor.predict(volume).probabilities.values())

    expected = sorted(UNREAD, key=lambda case: -urgency(case))
    assert [row["case_id"] for row in found["list"]] == expected
    assert found["list"][0]["urgency"] == pytest.approx(urgency(expected[0]))
    assert [row["rank"] for row in found["list"]] == [1, 2, 3, 4]
    assert (found["unread"], found["not_predicted"], found["simulation"]) == (4, 0, None)


def test_the_page_and_the_result_are_written_whole(site: Site) -> None:
    found = site.run(limit=2)
    folder = report_folder(site.workspace, None)
    assert json.loads((folder / "result.json").read_text())["list"] == json.loads(json.dumps(found["list"]))
    page = (folder / "index.html").read_text()
    assert [case in page for case in (row["case_id"] for row in found["list"])] == [True, True]
    assert (len(found["list"]), found["unread"]) == (2, 4)
    assert "http://" not in page
    assert "https://" not in page
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    site.run(limit=2)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_nothing_is_predicted_twice(site: Site) -> None:
    first = site.run()
    assert len(site.predicted) == 4
    assert site.run()["list"] == first["list"]
    assert len(site.predicted) == 4
    frames = read_parquet(site.frames)
    frames.loc[frames["case_id"] == "cp02", "slice_thickness_mm"] = 1.0
    frames.to_parquet(site.frames)
    site.run()
    assert len(site.predicted) == 5


def test_what_was_predicted_before_an_interruption_is_kept(site: Site) -> None:
    class Interrupted(list):  # type: ignore[type-arg]
        def append(self, item: object) -> None:
            super().append(item)
            if len(self) == 3:
                raise KeyboardInterrupt

    site.predicted = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        site.run()
    site.predicted = []
    site.run()
    assert len(site.predicted) == 2


def monitored(site: Site, batch: str, version: str) -> pd.DataFrame:
    """What the monitor leaves of a batch: scorecards that say 0.9 of emphysema, and 0.1 of the rest."""
    frames = read_parquet(site.frames)
    chosen = frames[frames["batch"] == batch]
    names = load_predictor(site.registry.fetch(site.version)).label_names
    scored = chosen[["frame_id", "case_id"]].assign(**{f"output_{name}": 0.1 for name in names})
    folder = monitor_folder(site.workspace, TASK, batch)
    folder.mkdir(parents=True)
    scored.assign(output_emphysema=0.9).to_parquet(folder / "scorecards.parquet")
    verdict = {"model_version": version, "frames_sha256": table_hash(chosen)}
    (folder / "verdict.json").write_text(json.dumps(verdict))
    return frames


def test_scorecards_of_the_same_version_and_frames_are_taken(site: Site) -> None:
    monitored(site, "two", "ctloop-test/1")
    found = site.run(batch="two")
    assert [row["case_id"] for row in found["list"]] == ["cp01", "cp07"]
    assert found["list"][0]["findings"][0] == {
        "finding": "emphysema", "probability": 0.9, "contribution": 0.9,
    }  # fmt: skip
    assert not site.predicted
    assert Path(found["report"]).parent == report_folder(site.workspace, "two")


def test_scorecards_of_another_version_are_not_taken(site: Site) -> None:
    monitored(site, "two", "ctloop-test/7")
    site.run(batch="two")
    assert len(site.predicted) == 2


def test_scorecards_of_frames_that_were_prepared_otherwise_are_not_taken(site: Site) -> None:
    frames = monitored(site, "two", "ctloop-test/1")
    frames.assign(spacing_z_mm=2.0).to_parquet(site.frames)
    site.run(batch="two")
    assert len(site.predicted) == 2


def test_a_study_that_cannot_be_predicted_comes_first_with_its_reason(site: Site) -> None:
    (site.workspace.prepared(TASK) / "frames" / "cp04.b2nd").write_bytes(b"torn")
    found = site.run()
    assert (found["list"][0]["case_id"], found["list"][0]["urgency"]) == ("cp04", None)
    assert found["list"][0]["reason"].startswith("no prediction: expected")
    assert found["not_predicted"] == 1
    assert "cp04" in as_text(found).splitlines()[2]
    assert str(site.workspace.root) not in json.dumps(found["list"])


def test_a_study_that_could_not_be_prepared_comes_first_with_its_reason(site: Site) -> None:
    frames = read_parquet(site.frames)
    ingested = site.workspace.ingested(TASK)
    ingested.mkdir(parents=True)
    extra = frames.head(2).assign(case_id=["x1", "x2"], frame_id=["x1", "x2"], acquired_at="")
    pd.concat([frames, extra]).to_parquet(ingested / "frames.parquet")
    refused = [{"frame_id": "x1", "what": "frame", "reason": "too large"}]
    (site.workspace.prepared(TASK) / "quarantine.json").write_text(json.dumps(refused))
    sources = [{"source": "s1", "batch": "two", "reason": "gantry tilt"}]
    (ingested / "quarantine.json").write_text(json.dumps(sources))
    found = site.run()
    assert [(row["case_id"], row["reason"]) for row in found["list"][:2]] == [
        ("x1", "no prediction: too large"), ("x2", "no prediction: not prepared yet"),
    ]  # fmt: skip
    assert any(note.startswith("1 file ") for note in found["notes"])
    assert not any("quarantined" in note for note in site.run(batch="one")["notes"])


def request(case: str) -> LabelingRequest:
    return LabelingRequest(
        task=TASK, case_id=case, frame_id=case, patient_id=case[1:], batch="two", reason="audit", measured=None,
        threshold=None, model_version="none", evidence="audit sample", budget_minutes=5.0, opened_at="", due="",
    )  # fmt: skip


def test_an_answered_study_is_read_and_an_open_request_is_named(site: Site) -> None:
    for case in ("cp01", "cp02"):
        site.store.open_request(request(case))
    site.store.mark_answered(request("cp01").id, label_sha256="0" * 64, annotator="expert", minutes=None)
    found = {row["case_id"]: row["request"] for row in site.run()["list"]}
    assert found == {"cp02": request("cp02").id, "cp04": None, "cp07": None}


def test_an_audited_study_is_listed_by_arrival_and_blinded(site: Site) -> None:
    frames = read_parquet(site.frames)
    again = frames[frames["case_id"] == "cp04"].assign(case_id="again", frame_id="again")
    pd.concat([frames, again]).to_parquet(site.frames)  # another reconstruction that was never asked for
    before = {row["case_id"]: row for row in site.run()["list"]}
    site.store.open_request(request("cp04"))
    found = site.run()
    rows = {row["case_id"]: row for row in found["list"]}
    for case in ("cp04", "again"):
        assert (rows[case]["urgency"], rows[case]["findings"], rows[case]["blinded"]) == (None, (), True)
        assert "audit request" in rows[case]["reason"]
    assert rows["cp04"]["request"] == request("cp04").id
    assert [row["case_id"] for row in found["list"]].index("cp04") == 2  # cp01 and cp02 came before
    assert (found["blinded"], found["not_predicted"], found["unread"]) == (2, 0, 5)
    assert any("2 studies belong to patients of the audit sample" in note for note in found["notes"])
    page, told = Path(found["report"]).read_text(), as_text(found)
    written = (Path(found["report"]).parent / "result.json").read_text()
    (row,) = re.findall(r"<tr>(?:(?!</tr>).)*<code>cp04</code>.*?</tr>", page, re.DOTALL)
    assert not re.search(r"\d\.\d\d", row)
    stored = next(one for one in json.loads(written)["list"] if one["case_id"] == "cp04")
    assert before["cp04"]["urgency"] > 0
    assert (stored["urgency"], stored["findings"]) == (None, [])
    assert "blinded" in page
    assert "blind" in next(line for line in told.splitlines() if "cp04" in line)


def test_a_blinded_study_is_not_even_predicted_and_other_requests_blind_nothing(site: Site) -> None:
    site.store.open_request(request("cp04"))
    site.store.open_request(
        dataclasses.replace(request("cp02"), reason="uncertainty", measured=0.9, threshold=0.5)
    )
    found = {row["case_id"]: row["blinded"] for row in site.run()["list"]}
    assert found == {"cp01": False, "cp02": False, "cp04": True, "cp07": False}
    assert len(site.predicted) == 3


def test_when_all_is_read_the_list_is_empty(site: Site) -> None:
    for case in UNREAD:
        site.store.open_request(request(case))
        site.store.mark_answered(request(case).id, label_sha256="0" * 64, annotator="expert", minutes=None)
    found = site.run()
    assert (found["list"], found["unread"]) == ([], 0)
    assert "Nothing is unread" in Path(found["report"]).read_text()
    assert as_text(found).startswith("0 unread studies")
    assert not site.predicted


def test_weights_change_the_order_and_are_shown(site: Site) -> None:
    site.set(weights={"*": 0.0, "lung_nodule": 4.0})
    found = site.run()
    said = [row["findings"][0] for row in found["list"]]
    assert [one["finding"] for one in said] == ["lung_nodule"] * 4
    assert [row["urgency"] for row in found["list"]] == pytest.approx(
        [4 * one["probability"] for one in said]
    )
    assert "× 4" in as_text(found)
    assert "× 4" in Path(found["report"]).read_text()


def test_an_old_study_comes_before_the_urgent_ones(site: Site) -> None:
    site.set(queue={"longest_wait_minutes": 7 * 1440.0})
    found = site.run()
    assert [(row["case_id"], row["reason"]) for row in found["list"][:1]] == [
        ("cp01", "waits since 2026-03-02")
    ]
    assert all(row["reason"] == "" for row in found["list"][1:])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": {"lung_nodul": 1.0}}, "got 'lung_nodul', try 'lung_nodule'"),
        ({"weights": {"emphysema": -1.0}}, "weights of 0 or more"),
        ({"weights": {"*": 0.0}}, "a positive weight"),
        ({"sensitivity": 1.5}, "sensitivity"),
        ({"reading": {"minutes": 0.0}}, "minutes > 0"),
        ({"queue": {"load": -1.0}}, "load"),
        ({"wieghts": {}}, "'weights'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(site: Site, values: dict[str, Any], message: str) -> None:
    site.set(**values)
    with pytest.raises(ParameterError, match=message):
        site.run()
    assert not site.predicted


def test_an_unknown_batch_is_named_with_the_known_ones(site: Site) -> None:
    with pytest.raises(StateError, match="got one, two"):
        site.run(batch="three")


def test_without_prepared_scans_there_is_no_list(site: Site) -> None:
    site.frames.unlink()
    with pytest.raises(StateError, match="prepared scans for classification"):
        site.run()


def test_the_simulation_is_of_the_held_out_studies_of_the_package(site: Site) -> None:
    found = site.run(simulate=True)
    simulation = found["simulation"]
    assert (simulation["studies"], simulation["patients"]) == (6, 6)
    assert simulation["positive"] + simulation["negative"] + simulation["unknown"] == 6
    page = Path(found["report"]).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "What was assumed" in page
    assert "too narrow to be trusted" in page
    assert "against first in, first out" in as_text(found)


def test_a_package_without_judged_studies_cannot_be_simulated(site: Site) -> None:
    package = site.registry.fetch(site.version)
    table = read_parquet(package / "per_patient.parquet")
    table.head(0).to_parquet(package / "per_patient.parquet")
    with pytest.raises(StateError, match="held-out studies"):
        site.run(simulate=True)
    (package / "per_patient.parquet").unlink()
    with pytest.raises(StateError, match="held-out studies"):
        site.run(simulate=True)


def test_the_shipped_parameters_are_valid() -> None:
    shipped = Path(__file__).parents[2] / "pipelines" / "params.yaml"
    params = load_section(ReadingListParams, shipped, "reading_list")
    assert params.weights == {"*": 1.0}
    assert params.simulation.queue.longest_wait_minutes is None
