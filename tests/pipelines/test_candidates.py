"""Candidates of a retraining, with stages that train nothing and a judge that reads where each of them began."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from components.cohort.label_set import LABEL_SET_FILE
from components.cohort.split import Side, Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.errors import ParameterError
from components.registry.registry import ModelVersion
from pipelines.candidates import contest_of
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import commit_data, head, run_quietly
from pipelines.params_override import set_params
from pipelines.retrain import retrain
from pipelines.retrain_params import RetrainParams
from pipelines.validation import Score
from pipelines.workspace import Workspace
from tests.components.registry.fakes import RegistryInMemory
from tests.pipelines.test_train import sidecar
from tests.pipelines.tracked_workspace import tracked_workspace

# What a stage knows of its candidate is params.yaml; it says of itself what a training would.
TRAIN = (
    "import json, os, yaml; t = yaml.safe_load(open('pipelines/params.yaml'))['train']['classification'];"
    " os.makedirs('models/classification', exist_ok=True);"
    " json.dump({'training': {'start': t['incremental']['start'], 'steps': 40}},"
    " open('models/classification/model.json', 'w'))"
)
# The test set is evaluated as often as a line is written.
EVALUATE = "cat models/classification/model.json >> $CTLOOP_STATE/evaluated; echo >> $CTLOOP_STATE/evaluated"
PATIENTS: dict[str, Side] = {f"p-{number}": "test" if number % 6 == 0 else "train" for number in range(60)}
SPLIT = Split(seed=0, assignments=PATIENTS, batches=dict.fromkeys(PATIENTS, "one"))


class Packages(RegistryInMemory):
    def fetch(self, version: ModelVersion) -> Path:
        return self.package

    package = Path()


@dataclass
class JudgeOf:
    """Scores by where a candidate began; it keeps whom it judged by."""

    scores: dict[str, float | None]
    asked: list[set[str]] = field(default_factory=list)

    def __call__(self, workspace: Workspace, task: Task, frames: pd.DataFrame) -> Score:
        self.asked.append(set(frames["patient_id"]))
        value = self.scores[started(workspace)]
        low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
        return Score(metric="auroc/macro", value=value, low=low, high=high, patients=len(self.asked[-1]))


def started(workspace: Workspace) -> str:
    return str(
        json.loads((workspace.model("classification") / "model.json").read_text())["training"]["start"]
    )


def made(tmp_path: Path, patch: pytest.MonkeyPatch, *, champion_share: float = 0.2) -> Workspace:
    """A chest of each of the patients, whom an expert labelled."""
    workspace, store = tracked_workspace(tmp_path)
    store.close()
    root = workspace.root
    cases = [{"frame_id": f"c-{p}", "case_id": f"c-{p}", "patient_id": p, "batch": "one"} for p in PATIENTS]
    workspace.prepared("classification").mkdir(parents=True)
    pd.DataFrame(cases).to_parquet(workspace.prepared("classification") / "frames.parquet")
    workspace.split("classification").write_text(SPLIT.to_json())
    workspace.labels("classification").mkdir()
    for case in cases:
        sidecar(workspace.labels("classification"), case["case_id"], "expert")
    tree = yaml.safe_load((root / "dvc.yaml").read_text())
    tree["stages"]["train"] = {
        "matrix": {"task": ["classification"]},
        "cmd": f'python -c "{TRAIN}"',
        "params": [{"pipelines/params.yaml": ["train.classification"]}],
        "outs": ["models/classification"],
    }
    tree["stages"]["evaluate"] |= {"cmd": EVALUATE, "deps": ["models/classification"]}
    (root / "dvc.yaml").write_text(yaml.safe_dump(tree))
    params = yaml.safe_load(workspace.params.read_text())
    params["train"] = {"classification": {"incremental": {"start": "scratch"}, "plan": {"epochs": 8}}}
    params["retrain"] = {"classification": {"candidates": ["scratch", "champion"], "budget_minutes": None}}
    workspace.params.write_text(yaml.safe_dump(params))
    run_quietly(root, "git", "add", "--all")
    run_quietly(root, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "x")
    commit_data(root, "start")
    registry = Packages()
    registry.package = tmp_path / "package"
    registry.package.mkdir()
    told = {"training": {"validation_share": champion_share}}
    (registry.package / "model.json").write_text(json.dumps(told))
    (registry.package / LABEL_SET_FILE).write_text("[]")
    registry.register(MODEL_NAMES["classification"], tmp_path, package_hash="abc", tags={})
    registry.set_alias(MODEL_NAMES["classification"], "champion", 1)
    patch.setattr(Services, "registry", registry)
    return workspace


def evaluated(workspace: Workspace) -> list[str]:
    lines = (workspace.state / "evaluated").read_text().splitlines()
    return [json.loads(line)["training"]["start"] for line in lines]


@pytest.mark.parametrize(("scratch", "best"), [(0.8, "champion"), (0.95, "scratch")])
def test_the_best_on_the_validation_patients_is_evaluated_and_brought_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    scratch: float,
    best: str,
) -> None:
    workspace, judge = made(tmp_path, monkeypatch), JudgeOf({"scratch": scratch, "champion": 0.9})
    start = head(workspace.root)
    done = retrain(workspace, "classification", judge=judge)
    assert started(workspace) == best
    assert evaluated(workspace) == [best]  # the test set saw no other
    aside = set(validation_patients(SPLIT, 0.2))
    assert judge.asked == [aside, aside]
    section = yaml.safe_load(workspace.params.read_text())["train"]["classification"]
    assert section["incremental"]["start"] == best
    assert section["incremental"].get("package_sha256") == ("abc" if best == "champion" else None)
    assert section["validation_share"] == 0.2
    assert run_quietly(workspace.root, "git", "rev-list", "--count", f"{start}..HEAD").strip() == "1"
    told = json.loads((done.folder / "candidates.json").read_text())
    assert told == done.comparison.as_json()
    assert told["compared"]
    assert not told["trained_with_validation_patients"]
    assert [
        (row["start"], row["chosen"], row["steps"], row["score"]["value"]) for row in told["candidates"]
    ] == [
        ("scratch", best == "scratch", 40, scratch),
        ("champion", best == "champion", 40, 0.9),
    ]
    assert all(row["minutes"] >= 0 for row in told["candidates"])
    said = capfd.readouterr().err
    assert f"candidates (2, auroc/macro on {len(aside)} validation patients):" in said
    assert f"from {best}: {max(scratch, 0.9):.3f}" in said
    assert "trained without the validation patients" in said
    client = MlflowClient(tracking_uri=workspace.mlflow_uri)
    home = client.get_experiment_by_name("ctloop-classification/retrain")
    assert home is not None
    (run,) = client.search_runs([home.experiment_id])
    assert run.data.metrics["auroc/macro/scratch"] == scratch
    assert run.data.metrics["validation_patients"] == len(aside)
    assert (run.data.tags["challenger"], run.info.status) == (best, "FINISHED")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["candidates.json"]


def test_what_the_model_in_use_was_trained_on_chooses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, judge = made(tmp_path, monkeypatch, champion_share=0.0), JudgeOf({})
    compared = retrain(workspace, "classification", judge=judge).comparison
    assert [one.start for one in compared.candidates] == ["scratch"]
    assert "0 validation patients that no candidate knows, 8 are needed; the model in use" in compared.words()
    assert not compared.as_json()["compared"]
    assert judge.asked == []
    section = yaml.safe_load(workspace.params.read_text())["train"]["classification"]
    assert section["validation_share"] == 0.2  # so that the next ones can be compared


def test_why_candidates_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = made(tmp_path, monkeypatch, champion_share=0.1)
    services, both = Services(workspace), RetrainParams(candidates=("champion", "scratch"))
    contest = contest_of(services, workspace, "classification", replace(both, min_validation_patients=2))
    known = validation_patients(SPLIT, 0.1)  # of those set aside now, whom the champion does not know either
    assert (contest.starts, contest.patients, contest.note) == (both.candidates, len(known), "")
    assert contest.frames is not None
    assert set(contest.frames["patient_id"]) == known
    few = contest_of(services, workspace, "classification", replace(both, min_validation_patients=50))
    assert (few.starts, few.frames) == (("champion",), None)
    assert few.note.startswith(f"{len(known)} validation patients that no candidate knows, 50 are needed")
    alone = contest_of(services, workspace, "classification", RetrainParams())
    assert (alone.starts, alone.frames, alone.note) == (("scratch",), None, "")
    services.registry.set_alias(MODEL_NAMES["classification"], "champion", None)
    none = contest_of(services, workspace, "classification", both)
    assert (none.starts, none.note) == (("scratch",), "no version is in use to go on from")


def test_a_single_candidate_is_trained_on_everyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, judge = made(tmp_path, monkeypatch), JudgeOf({})
    set_params(workspace.params, {"retrain": {"classification": {"candidates": ["champion"]}}})
    told = retrain(workspace, "classification", judge=judge).comparison.as_json()
    assert (told["trained_with_validation_patients"], told["validation_share"]) == (True, 0.0)
    assert evaluated(workspace) == ["champion"]
    section = yaml.safe_load(workspace.params.read_text())["train"]["classification"]
    assert section["validation_share"] == 0.0


def test_where_nothing_can_be_judged_the_first_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = made(tmp_path, monkeypatch)
    judge = JudgeOf({"scratch": None, "champion": None})
    compared = retrain(workspace, "classification", judge=judge).comparison
    assert (compared.best.start, compared.as_json()["compared"]) == ("scratch", False)
    assert started(workspace) == "scratch"
    assert "can judge no structure or finding" in compared.words()


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": ()},
        {"candidates": ("scratch", "scratch")},
        {"budget_minutes": 0.0},
        {"validation_share": 0.0},
        {"min_validation_patients": 1},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=r"different candidates|validation_share"):
        RetrainParams(**wrong)  # type: ignore[arg-type]
