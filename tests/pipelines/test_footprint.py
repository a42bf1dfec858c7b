from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.registry.gate_limits import Traits
from pipelines import footprint
from pipelines.footprint import footprints


def test_what_was_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def measured(package: Path, frame: Path) -> dict[str, float]:
        asked.append(package)
        return {"seconds": 0.5, "memory_mb": 100.0}

    monkeypatch.setattr(footprint, "_in_own_process", measured)
    for _ in range(2):
        measure = footprints(tmp_path / "a.b2nd", tmp_path / "kept.json")
        assert measure(tmp_path / "package", "hash") == Traits(seconds=0.5, memory_mb=100.0)
    assert len(asked) == 1
    measure(tmp_path / "package", "another")
    footprints(tmp_path / "b.b2nd", tmp_path / "kept.json")(tmp_path / "package", "hash")
    assert len(asked) == 3
    assert len(json.loads((tmp_path / "kept.json").read_text())) == 3


def test_a_package_that_cannot_be_measured_is_named_and_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    measure = footprints(tmp_path / "missing.b2nd", tmp_path / "kept.json")
    assert measure(tmp_path / "no package", "hash") == Traits()
    assert "could not be measured" in caplog.text
    assert not (tmp_path / "kept.json").exists()
