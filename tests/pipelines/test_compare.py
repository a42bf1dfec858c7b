"""Variants of the classifier are trained alike and judged on patients who trained none of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning")

from components.adapters.parquet import read_parquet
from components.errors import StateError
from components.models.labeled import LabeledScan
from components.operations.evaluation import IntervalParams
from pipelines import compare as module
from pipelines.compare import Judged, compare, divided, lines_of, table_of
from pipelines.params_override import set_params
from pipelines.workspace import Workspace
from tests.pipelines.judged_workspace import make_workspace

PARAMS = IntervalParams(seed=0, draws=200, level=0.95)
FINDINGS = ("a", "b")


def scan(case: int, patient: str) -> LabeledScan:
    findings = np.array([case % 2, (case // 2) % 2], dtype=np.float32)
    return LabeledScan(
        case_id=str(case), patient_id=patient, provenance="expert", read_hu=lambda: np.zeros((3, 4, 4), np.int16),
        findings=findings,
    )  # fmt: skip


def test_judges_are_a_quarter_of_the_patients_with_all_their_scans() -> None:
    scans = [scan(n, f"p{n // 2}") for n in range(40)]
    teaching, judging = divided(scans)
    patients = {s.patient_id for s in judging}
    assert len(patients) == 5
    assert not patients & {s.patient_id for s in teaching}
    assert len(teaching) + len(judging) == 40
    assert divided(list(reversed(scans)))[1][0].patient_id in patients
    with pytest.raises(StateError, match="at least 8 training patients"):
        divided(scans[:8])


def test_the_table_compares_by_patient_and_over_seeds() -> None:
    scans = [scan(n, f"p{n}") for n in range(24)]
    truth = np.stack([s.findings for s in scans]).astype(np.float64)
    right, wrong, nothing = 0.1 + 0.8 * truth, 0.9 - 0.8 * truth, np.full(truth.shape, 0.5)
    judged = {
        "ct-scroll": Judged(probabilities=[right, right], seconds=[1.0, 3.0], parameters=10),
        "average-pooling": Judged(probabilities=[nothing, wrong], seconds=[1.0, 1.0], parameters=5),
    }
    ours, other = table_of(judged, scans, FINDINGS, PARAMS)
    assert ours["auroc"]["value"] == 1.0
    assert ours["auroc_difference"]["value"] == 0.0
    assert ours["training_seconds"] == 2.0
    assert other["auroc"]["value"] == 0.25
    assert other["auroc_by_seed"] == [0.5, 0.0]
    assert other["auroc_difference"] == {"value": -0.75, "low": -0.75, "high": -0.75, "patients": 24}
    assert other["brier"]["value"] > ours["brier"]["value"]
    lines = lines_of([ours, other])
    assert "reference" in lines[1]
    assert "-0.750 (-0.750 to -0.750)" in lines[2]
    assert len(lines) == 3
    assert "--epochs" in lines_of([other])[-1]  # nobody beats chance


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = make_workspace(tmp_path_factory.mktemp("site"), "classification", train=32, test=2)
    table = made.prepared("classification") / "frames.parquet"
    frames = read_parquet(table)
    shape = dict.fromkeys(("shape_z", "shape_y", "shape_x"), 16)
    frames.assign(sha256=[f"{place:064x}" for place in range(len(frames))], **shape).to_parquet(table)
    small = {"shape": [6, 32, 32], "widths": [8, 16], "embedding": 16, "heads": 2, "window": 1, "epochs": 1}
    set_params(made.params, {"train": {"classification": {"plan": small}}})
    return made


def test_one_run_holds_the_table_and_a_killed_one_goes_on(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    real = module._trained

    def counted(plan, *args):  # type: ignore[no-untyped-def]
        trained.append(f"{plan.network}-{plan.depth}-{plan.seed}")
        if len(trained) == 3:
            raise KeyboardInterrupt
        return real(plan, *args)

    monkeypatch.setattr(module, "_trained", counted)
    with pytest.raises(KeyboardInterrupt):
        compare(workspace, ["average-pooling"], [1, 2])
    result = compare(workspace, ["average-pooling"], [1, 2])
    assert trained == [
        "ct-scroll-1-1", "ct-scroll-1-2", "ct-scroll-0-1", "ct-scroll-0-1", "ct-scroll-0-2"
    ]  # fmt: skip
    assert [row["variant"] for row in result["table"]] == ["ct-scroll", "average-pooling"]
    assert result["table"][1]["parameters"] < result["table"][0]["parameters"]
    assert Path(result["report"]).read_bytes()[:4] == b"\x89PNG"
    assert not list((workspace.state / "compare").iterdir())

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=workspace.mlflow_uri)
    experiment = client.get_experiment_by_name("ctloop-classification/compare")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert sorted(run.info.status for run in parents) == ["FAILED", "FINISHED"]
    finished = next(run for run in parents if run.info.status == "FINISHED")
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == finished.info.run_id]
    assert len(nested) == 4
    assert "auroc/average-pooling" in finished.data.metrics


def test_the_rival_in_3d_is_trained_too(workspace: Workspace) -> None:
    result = compare(workspace, ["inflated-cnn"], [1])
    assert [row["variant"] for row in result["table"]] == ["ct-scroll", "inflated-cnn"]


def test_pretraining_and_its_control_are_judged_in_the_same_table(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlabelled = {"cp00", "cp01", "cp02", "cp03"}
    for case in unlabelled:
        (workspace.labels("classification") / f"{case}.sidecar.json").unlink()
    seen: list[tuple[int, int, set[str], set[str]]] = []
    real = module._trained

    def watched(plan, teaching, pool, judging, *args):  # type: ignore[no-untyped-def]
        shown = {scan.case_id for scan in (*teaching, *pool)}
        seen.append((plan.pretraining.epochs, plan.epochs, shown, {scan.case_id for scan in judging}))
        return real(plan, teaching, pool, judging, *args)

    monkeypatch.setattr(module, "_trained", watched)
    result = compare(workspace, ["self-supervised-1", "equal-cost-1"], [1])
    ours, pretrained, longer = result["table"]
    assert [row["variant"] for row in result["table"]] == ["ct-scroll", "self-supervised-1", "equal-cost-1"]
    assert ours["parameters"] == pretrained["parameters"] == longer["parameters"]
    assert pretrained["auroc"]["value"] != ours["auroc"]["value"]
    # 21 patients teach, 25 are pretrained on: 25 · 2 · 8 triplets are those of 10 epochs of 21 · 2
    assert [(pre, epochs) for pre, epochs, _, _ in seen] == [(0, 1), (1, 1), (0, 11)]
    for _, _, shown, judging in seen:
        assert not shown & judging
        assert unlabelled <= shown
        assert not {"cp32", "cp33"} & (shown | judging)  # held out
