"""Registered models answer as MLflow's own tools call them, in processes of their own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from components.adapters.mlflow_registry import MlflowRegistry
from components.cohort.task import Task
from components.registry.package import assemble_package
from tests.components.adapters.synthetic_dicom import write_series
from tests.components.adapters.test_scan_door import zipped
from tests.components.registry.packages import write_parts
from tests.pipelines.judged_workspace import make_workspace

CODE = Path(__file__).parents[3]


def register(folder: Path, task: Task) -> dict[str, str]:
    """A champion with random weights, and the environment in which MLflow finds and may serve it."""
    workspace = make_workspace(folder / "workspace", task, train=1, test=0, phases=1)
    parts = write_parts(folder / "parts") | {"model": workspace.model(task)}
    digest = assemble_package(folder / "package", lineage={"training_patients": []}, **parts)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    registry = MlflowRegistry(uri=uri, artifacts=folder / "artifacts")
    registry.register(f"ctloop-{task}", folder / "package", package_hash=digest, tags={})
    registry.set_alias(f"ctloop-{task}", "champion", 1)
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),  # as activated
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(CODE),
        "CTLOOP_SERVE_ROOTS": str(folder / "in"),
        "CTLOOP_SERVE_OUT": str(folder / "out"),
    }


def predict(
    folder: Path, environment: dict[str, str], task: Task, asked: str, *more: str
) -> subprocess.CompletedProcess[str]:
    (folder / "asked").write_text(asked)
    command = ("models", "predict", "-m", f"models:/ctloop-{task}@champion", "--env-manager", "local")
    files = ("-i", str(folder / "asked"), "-o", str(folder / "answer.json"), *more)
    return subprocess.run(
        (sys.executable, "-m", "mlflow", *command, *files),
        env=environment, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def answers(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "answer.json").read_text())["predictions"]
    return found


def write_nifti(path: Path) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-4.0, -4.0, 4.0, 1.0])
    voxels = np.random.default_rng(0).integers(-200, 400, size=(16, 18, 20)).astype(np.int16)
    scan = nibabel.Nifti1Image(voxels, affine)
    scan.set_sform(affine, code=1)
    nibabel.save(scan, path)
    return affine


@pytest.mark.slow
def test_mlflow_models_predict_draws_a_label_map(tmp_path: Path) -> None:
    environment = register(tmp_path, "segmentation")
    affine = write_nifti(tmp_path / "in" / "scan.nii.gz")
    write_series(tmp_path / "in" / "series", zs=np.arange(16) * 4.0, size=(16, 18))
    paths = [str(tmp_path / "in" / name) for name in ("scan.nii.gz", "series", "../package/model.json")]
    asked: dict[str, Any] = {"dataframe_split": {"columns": ["path"], "data": [[path] for path in paths]}}
    asked["params"] = {"output_dir": str(tmp_path / "out")}
    done = predict(tmp_path, environment, "segmentation", json.dumps(asked))
    assert done.returncode == 0, done.stderr[-2000:]
    nifti, dicom, outside = answers(tmp_path)
    drawn = nibabel.load(nifti["labels_path"])
    assert drawn.shape == (16, 18, 20)
    assert np.allclose(drawn.affine, affine)
    assert 0.0 <= nifti["uncertainty"] <= 1.0
    assert nibabel.load(dicom["labels_path"]).shape == (18, 16, 16)
    assert Path(dicom["labels_path"]).parent == tmp_path / "out"
    assert "CTLOOP_SERVE_ROOTS" in outside["error"]


@pytest.mark.slow
def test_a_csv_of_paths_gets_findings_and_a_tampered_model_none(tmp_path: Path) -> None:
    environment = register(tmp_path, "classification")
    write_series(tmp_path / "in" / "series", zs=np.arange(16) * 4.0, size=(16, 18))
    asked = f"path\n{tmp_path / 'in' / 'series'}\n"
    done = predict(tmp_path, environment, "classification", asked, "-t", "csv")
    assert done.returncode == 0, done.stderr[-2000:]
    (answer,) = answers(tmp_path)
    probabilities, thresholds = (json.loads(answer[name]) for name in ("probabilities", "thresholds"))
    assert len(probabilities) == 18
    called = json.loads(answer["called"])
    assert sorted(called) == sorted(name for name, p in probabilities.items() if p >= thresholds[name])
    (tmp_path / "answer.json").unlink()
    (weights,) = (tmp_path / "artifacts").rglob("weights.safetensors")
    weights.write_bytes(weights.read_bytes() + b"\0")
    done = predict(tmp_path, environment, "classification", asked, "-t", "csv")
    assert done.returncode != 0
    assert "a file was changed, added or lost" in done.stderr
    assert not (tmp_path / "answer.json").exists()


@pytest.mark.slow
def test_mlflows_server_answers_content(tmp_path: Path) -> None:
    environment = register(tmp_path, "segmentation")
    affine = write_nifti(tmp_path / "in" / "scan.nii.gz")
    write_series(tmp_path / "series", zs=np.arange(16) * 4.0, size=(16, 18))
    packed = base64.b64encode((tmp_path / "in" / "scan.nii.gz").read_bytes()).decode()
    rows = [{"content": packed}, {"content": zipped(tmp_path / "series")}]
    with serving(tmp_path, environment, "segmentation") as address:
        request = urllib.request.Request(
            f"{address}/invocations",
            data=json.dumps({"dataframe_records": rows}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=300) as response:
            nifti, dicom = json.loads(response.read())["predictions"]
    (tmp_path / "drawn.nii.gz").write_bytes(base64.b64decode(nifti["labels"]))
    drawn = nibabel.load(tmp_path / "drawn.nii.gz")
    assert np.allclose(drawn.affine, affine)
    assert drawn.shape == (16, 18, 20)
    assert (dicom["input"], dicom["error"], dicom["labels_path"]) == (1, "", "")


@contextlib.contextmanager
def serving(folder: Path, environment: dict[str, str], task: Task) -> Iterator[str]:
    """``mlflow models serve`` on a free port of loopback, as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (
        "models", "serve", "-m", f"models:/ctloop-{task}@champion", "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    )  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            (sys.executable, "-m", "mlflow", *command),
            env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}/ping", server, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, 15)
            server.wait(60)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(address, timeout=5)
            return
        assert server.poll() is None, log.read_text()[-2000:]
        time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])
