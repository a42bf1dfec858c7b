"""Stages and verbs end in one line and an exit code."""

from __future__ import annotations

import pytest

from components.errors import StateError
from pipelines.stage_command import one_line_errors


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (StateError(expected="a", got="b", hint="c"), 1, "ctloop: expected a, got b, try c\n"),
        (OSError(28, "No space left on device", "/data/Doe_Jane"), 1, "got 'No space left on device'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_a_person_can_repair_is_one_line_without_a_path(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    with pytest.raises(SystemExit) as left, one_line_errors("ctloop"):
        raise error
    said = capsys.readouterr().err
    assert left.value.code == code
    assert words in said
    assert said.count("\n") == 1
    assert "Doe" not in said
