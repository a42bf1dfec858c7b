from pathlib import Path
from typing import Any

import pytest

from components.adapters.training_log import flatten, training_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("tracking")
    return {"uri": f"sqlite:///{folder / 'mlflow.db'}", "artifacts": folder / "artifacts"}


def client(store: dict[str, Any]) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store["uri"], registry_uri=store["uri"])


def start(store: dict[str, Any], key: str) -> Any:
    return training_run(
        **store, experiment="train", name="t", key=key, parameters={"plan": {"seed": 1}}, tags={"task": "x"}
    )


def test_a_run_holds_parameters_curves_and_files(store: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with start(store, "k1") as log:
        for epoch in range(25):
            log.epoch("student", epoch, 1.0 / (epoch + 1))
        log.metrics({"labels/expert": 3})
        log.file(tmp_path / "model.json")
    run = client(store).get_run(log.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"plan.seed": "1"}
    assert run.data.tags["task"] == "x"
    assert len(client(store).get_metric_history(log.run_id, "loss/student")) == 25
    assert [file.path for file in client(store).list_artifacts(log.run_id)] == ["model.json"]
    assert run.info.artifact_uri.startswith(store["artifacts"].as_uri())


def test_an_error_closes_the_run_as_failed(store: dict[str, Any]) -> None:
    told: list[str] = []

    def fail() -> None:
        with start(store, "k2") as log:
            told.append(log.run_id)
            log.epoch("student", 0, 1.0)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert client(store).get_run(told[0]).info.status == "FAILED"
    assert len(client(store).get_metric_history(told[0], "loss/student")) == 1


def test_a_killed_run_is_closed_by_the_next_of_its_key_only(store: dict[str, Any]) -> None:
    killed = start(store, "k3")
    abandoned = killed.__enter__().run_id
    with start(store, "k4"):
        assert client(store).get_run(abandoned).info.status == "RUNNING"
    with start(store, "k3"):
        assert client(store).get_run(abandoned).info.status == "FAILED"


def test_nested_parameters_become_dotted() -> None:
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": (1, 2)})) == {"a.b.c": "1", "d": "(1, 2)"}
