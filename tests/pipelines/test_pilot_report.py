"""The job on a small workspace: what is in the report, where it comes from, and what it never says."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.adapters.parquet import read_parquet
from components.adapters.sql_store import SqlStore, open_store
from components.errors import ParameterError, StateError
from components.operations.finding_scores import FindingScores, finding_metrics
from pipelines.evaluate import evaluate
from pipelines.evaluate_params import EvaluateParams
from pipelines.params import load_section
from pipelines.pilot.evidence import champion_evidence
from pipelines.pilot.summary import as_text
from pipelines.pilot_report import FILES, pilot_report, report_folder
from pipelines.register import register
from pipelines.workspace import Workspace
from tests.components.registry.fakes import LedgerInMemory, RegistryInMemory
from tests.pipelines.judged_workspace import commit_with_lock, make_workspace
from tests.pipelines.test_judging import KeepingRegistry

TASK = "classification"
TODAY = datetime.date(2026, 3, 10)


class Site:
    """A workspace whose champion twelve held-out patients judged."""

    def __init__(self, root: Path, package: Path) -> None:
        self.workspace = Workspace(root=root / "site", state=root / "site" / ".ctloop")
        self.registry = RegistryInMemory()
        self.registry.register("ctloop-classification", package, package_hash=package.name, tags={})
        self.registry.set_alias("ctloop-classification", "champion", 1)
        self.workspace.state.mkdir()
        self.store: SqlStore = open_store(self.workspace.database_url)
        self.set(draws=60, where="evaluate")

    def set(self, *, where: str = "pilot_report", **values: Any) -> None:
        tree = yaml.safe_load(self.workspace.params.read_text())
        section = tree[where][TASK] if where == "evaluate" else tree[where]
        section |= values
        tree["reading_list"]["queue"] |= {"studies": 20, "streams": 5}
        self.workspace.params.write_text(yaml.safe_dump(tree))

    def run(self, **options: Any) -> dict[str, Any]:
        return pilot_report(
            self.workspace, registry=self.registry, store=self.store, **{"today": TODAY, **options}
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("pilot")
    workspace = make_workspace(root / "site", TASK, train=5, test=12)
    commit_with_lock(workspace, TASK)
    evaluate(workspace, TASK)
    name = "ctloop-classification"
    version = register(workspace, TASK, KeepingRegistry(root / "kept"), LedgerInMemory(), name=name)
    shutil.rmtree(workspace.state, ignore_errors=True)
    return root, version.package_hash


@pytest.fixture
def site(template: tuple[Path, str], tmp_path: Path) -> Any:
    shutil.copytree(template[0], tmp_path / "copy")
    site = Site(tmp_path / "copy", tmp_path / "copy" / "kept" / template[1])
    yield site
    site.store.close()


def test_without_criteria_there_is_no_verdict_and_without_assumptions_no_hours(site: Site) -> None:
    found = site.run()
    assert (found["verdict"]["outcome"], found["verdict"]["criteria"], found["hours"]) == (None, [], None)
    page = (report_folder(site.workspace) / "index.html").read_text()
    assert "No criteria were set beforehand" in page
    assert "No assumptions were stated" in page
    assert "No batch was watched" in page
    assert "No accepted answer states its minutes" in page
    assert "no verdict" in as_text(found)


def test_the_three_files_are_of_one_report(site: Site) -> None:
    found = site.run()
    folder = report_folder(site.workspace)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    data = json.loads((folder / "pilot.json").read_text())
    assert {**data, "report": found["report"]} == found
    assert found["id"] in (folder / "index.html").read_text()
    assert (folder / "pilot.pdf").read_bytes().startswith(b"%PDF-")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    site.run()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_another_folder_keeps_what_lies_there(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    site.run(out=out)
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "mine.txt"])


def test_no_person_case_or_path_is_in_it(site: Site) -> None:
    site.run()
    folder = report_folder(site.workspace)
    frames = read_parquet(site.workspace.prepared(TASK) / "frames.parquet")
    secret = {str(value) for key in ("patient_id", "case_id") for value in frames[key]} | {
        str(site.workspace.root)
    }
    for name in ("pilot.json", "index.html"):
        text = (folder / name).read_text()
        words = set(text.replace('"', " ").replace("<", " ").replace(">", " ").split())
        assert not secret & words
        assert str(site.workspace.root) not in text


def test_values_are_those_of_the_evaluation(site: Site) -> None:
    found = site.run()
    evidence = champion_evidence(site.registry, "ctloop-classification")
    assert found["model"]["auroc"] == evidence.metrics["auroc"]["macro"]
    assert found["model"]["judged_who_trained"] == 0
    intervals = load_section(EvaluateParams, site.workspace.params, "evaluate", TASK).intervals
    scores = FindingScores.of(evidence.table, evidence.predicted, evidence.calibration["thresholds"]).judged()
    again = finding_metrics(scores, intervals, ("sensitivity", "specificity"))
    for metric, values in again.items():
        for name in scores.findings:
            assert found["findings"][name][metric]["value"] == values[name]["value"]


def test_criteria_that_are_not_committed_are_shouted_about(site: Site) -> None:
    site.set(criteria={"min_patients": 5, "macro_auroc": 0.0, "findings": {"*": {"sensitivity": 0.0}}})
    found = site.run()
    assert found["verdict"]["set_beforehand"]["timing"] == "not committed"
    page = (report_folder(site.workspace) / "index.html").read_text()
    assert "THE CRITERIA ARE NOT COMMITTED" in page
    assert "NOT COMMITTED" in as_text(found)


def test_criteria_of_a_finding_that_nobody_predicts_are_refused(site: Site) -> None:
    site.set(criteria={"findings": {"plague": {"sensitivity": 0.9}}})
    with pytest.raises(ParameterError, match="criteria for findings that the model predicts, got plague"):
        site.run()


def test_hours_follow_the_stated_assumptions(site: Site) -> None:
    def sure(value: float) -> dict[str, float]:
        return {"low": value, "central": value, "high": value}

    site.set(
        hours={
            "studies_per_year": sure(600), "minutes_per_study": sure(10), "minutes_flagged": sure(9),
            "minutes_unflagged": sure(9),
        },
    )  # fmt: skip
    found = site.run()["hours"]
    assert found["saved_hours"] == pytest.approx({"low": 10.0, "central": 10.0, "high": 10.0})
    assert found["verdict"] == "hours are saved"


def test_every_file_is_listed_by_its_hash(site: Site) -> None:
    found = {one["name"]: one["identity"] for one in site.run()["inputs"]}
    assert {"per_patient.parquet", "metrics.json", "weights.safetensors", "pipelines/params.yaml"} <= set(
        found
    )
    assert found["ctloop-classification/1"] == site.registry.versions("ctloop-classification")[0].package_hash
    import hashlib

    frames = site.workspace.prepared(TASK) / "frames.parquet"
    name = frames.relative_to(site.workspace.root).as_posix()
    assert found[name] == hashlib.sha256(frames.read_bytes()).hexdigest()


def test_without_a_champion_it_says_what_to_run(site: Site) -> None:
    site.registry.set_alias("ctloop-classification", "champion", None)
    with pytest.raises(StateError, match=r"a champion of ctloop-classification, got none, try `ctloop loop`"):
        site.run()


def test_without_judged_patients_it_says_what_to_run(site: Site) -> None:
    package = site.registry.fetch(site.registry.versions("ctloop-classification")[0])
    read_parquet(package / "per_patient.parquet").head(0).to_parquet(package / "per_patient.parquet")
    with pytest.raises(StateError, match=r"an evaluation of ctloop-classification/1.*dvc repro"):
        site.run()
