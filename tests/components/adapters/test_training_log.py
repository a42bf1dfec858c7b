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


def test_each_round_is_a_nested_run(store: dict[str, Any]) -> None:
    with start(store, "k-rounds") as log:
        for number, accepted in ((1, True), (2, False)):
            log.begin(f"student-{number}", {"label_set_sha256": f"{number}" * 64})
            for epoch in range(3):
                log.epoch(f"student-{number}", epoch, 1.0 / (epoch + 1))
            log.end(
                f"student-{number}", {"step": f"student-{number}", "accepted": accepted, "held_out_dice": 0.5}
            )
    rounds = nested(store, log.run_id)
    assert [run.info.run_name for run in rounds] == ["student-1", "student-2"]
    assert [run.data.tags["label_set_sha256"] for run in rounds] == ["1" * 64, "2" * 64]
    assert [run.data.tags["accepted"] for run in rounds] == ["True", "False"]
    assert [run.data.metrics["held_out_dice"] for run in rounds] == [0.5, 0.5]
    assert {run.info.status for run in rounds} == {"FINISHED"}
    history = client(store).get_metric_history(rounds[1].info.run_id, "loss/student-2")
    assert [point.value for point in history] == [1.0, 0.5, 1 / 3]


def test_a_round_that_fails_or_is_killed_does_not_stay_running(store: dict[str, Any]) -> None:
    def fail() -> None:
        with start(store, "k-fails") as log:
            told.append(log.run_id)
            log.begin("student-1", {"label_set_sha256": "1" * 64})
            raise ValueError("broken")

    told: list[str] = []
    with pytest.raises(ValueError, match="broken"):
        fail()
    assert [run.info.status for run in nested(store, told[0])] == ["FAILED"]
    killed = start(store, "k-killed")
    log = killed.__enter__()
    log.begin("student-1", {"label_set_sha256": "1" * 64})
    with start(store, "k-killed"):
        assert [run.info.status for run in nested(store, log.run_id)] == ["FAILED"]


def nested(store: dict[str, Any], parent: str) -> list[Any]:
    """The rounds of a run, oldest first."""
    home = client(store).get_run(parent).info.experiment_id
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    return list(
        client(store).search_runs([home], filter_string=query, order_by=["attributes.start_time ASC"])
    )
