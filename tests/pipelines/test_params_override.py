"""Chosen values go over params.yaml; comments stay, unknown keys are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ParameterError
from pipelines.params_override import override_params

PARAMS = """\
# what a run depends on
train:
  seed: 1  # recorded
  widths: [8, 16]
"""


def files(tmp_path: Path, wanted: str) -> tuple[Path, Path]:
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "wanted.yaml").write_text(wanted)
    return tmp_path / "params.yaml", tmp_path / "wanted.yaml"


def test_sets_values_and_keeps_comments(tmp_path: Path) -> None:
    params, wanted = files(tmp_path, "train: {seed: 5, widths: [4]}")
    assert override_params(params, wanted)
    text = params.read_text()
    assert "# what a run depends on" in text
    assert "seed: 5  # recorded" in text
    assert "widths: [4]" in text


def test_equal_values_change_nothing(tmp_path: Path) -> None:
    params, wanted = files(tmp_path, "train: {seed: 1}")
    assert not override_params(params, wanted)
    assert params.read_text() == PARAMS


@pytest.mark.parametrize(
    ("wanted", "message"), [("train: {sed: 5}", "try 'seed'"), ("[1]", "expected a mapping")]
)
def test_refuses_what_it_does_not_know(tmp_path: Path, wanted: str, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        override_params(*files(tmp_path, wanted))
    assert message in str(caught.value)
    assert (tmp_path / "params.yaml").read_text() == PARAMS


@pytest.mark.parametrize("text", ["train: [", "\ttrain: 1", "\xff\x00"])
def test_a_file_that_is_no_yaml_is_one_line(tmp_path: Path, text: str) -> None:
    params, wanted = files(tmp_path, "")
    wanted.write_bytes(text.encode("latin-1"))
    with pytest.raises(ParameterError, match="readable parameters") as caught:
        override_params(params, wanted)
    assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match="readable parameters"):
        override_params(params, tmp_path / "nowhere.yaml")


def test_lists_keep_their_indent(tmp_path: Path) -> None:
    params, wanted = files(tmp_path, "train: {seed: 5}")
    params.write_text(PARAMS + "labels:\n  findings:\n    - emphysema\n")
    override_params(params, wanted)
    assert "  findings:\n    - emphysema\n" in params.read_text()
