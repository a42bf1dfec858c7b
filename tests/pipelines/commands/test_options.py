"""What the shared options stand for."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from components.errors import ParameterError
from pipelines.commands.options import show, tasks_of


@dataclass
class Report:
    accepted: int


def test_no_task_means_all_and_an_unknown_one_is_refused() -> None:
    assert tasks_of("") == ("segmentation", "classification")
    assert tasks_of("classification") == ("classification",)
    with pytest.raises(ParameterError, match="segmentation or classification"):
        tasks_of("detection")


@pytest.mark.parametrize("value", [Report(accepted=2), {"accepted": 2}])
def test_a_machine_gets_one_json_value_and_a_person_a_text(
    value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    show(value, True, "two accepted")
    assert json.loads(capsys.readouterr().out) == {"accepted": 2}
    show(value, False, "two accepted")
    assert capsys.readouterr().out == "two accepted\n"
