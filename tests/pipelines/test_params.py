"""Strict parameters: wrong keys and types are named, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from components.errors import ParameterError
from pipelines.params import load_section


@dataclass(frozen=True, kw_only=True)
class Inner:
    low: float


@dataclass(frozen=True, kw_only=True)
class Example:
    seed: int
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    mode: Literal["fast", "exact"] = "fast"
    inner: Inner | None = None
    names: tuple[str, ...] = ()


def load(tmp_path: Path, text: str, task: Literal["segmentation", "classification"] | None = None) -> Example:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    return load_section(Example, file, "train", task)


def test_reads_nested_values_and_tuples(tmp_path: Path) -> None:
    text = "train: {seed: 3, spacing_mm: [1, 2, 3], inner: {low: 2}, names: [a, b], mode: exact}"
    expected = Example(seed=3, spacing_mm=(1, 2, 3), inner=Inner(low=2), names=("a", "b"), mode="exact")
    assert load(tmp_path, text) == expected


def test_takes_the_part_of_the_task(tmp_path: Path) -> None:
    text = "train: {segmentation: {seed: 1}, classification: {seed: 2}}"
    assert load(tmp_path, text, "classification").seed == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {seed: 1, spacing: [1, 2, 3]}", "try 'spacing_mm'"),
        ("train: {}", "expected train.seed, got nothing"),
        ("train: {seed: one}", "expected a whole number at train.seed, got 'one'"),
        ("train: {seed: true}", "expected a whole number at train.seed"),
        ("train: {seed: 1, spacing_mm: [1, 2]}", "expected 3 values at train.spacing_mm"),
        ("train: {seed: 1, mode: quick}", "expected one of 'fast', 'exact' at train.mode"),
        ("train: {seed: 1, inner: {low: x}}", "expected a number at train.inner.low"),
        ("train: {seed: 1, inner: {low: .nan}}", "expected a number at train.inner.low"),
        ("train: {seed: 1, inner: {low: .inf}}", "expected a number at train.inner.low"),
        ("fit: {seed: 1}", "expected a section 'train' in params.yaml, got fit"),
        ("train: [", "expected readable parameters"),
    ],
)
def test_refuses_with_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParameterError, match="expected") as caught:
        load(tmp_path, text)
    assert message in str(caught.value)


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        load(tmp_path, "train:\n\tseed: 1\n")
    assert "line 2" in str(caught.value)
    assert "\n" not in str(caught.value)
