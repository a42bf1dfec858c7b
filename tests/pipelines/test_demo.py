"""The demo's exit code and the memory that it reports, without running a step of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import demo, demo_report
from pipelines.workspace import Workspace


def reported_peak(
    workspace: Workspace, patch: pytest.MonkeyPatch, *, mib: int, action: Callable[[], None]
) -> int:
    """Of a demo whose only step is ``action``, in a process that has needed ``mib``."""
    peaks: list[int] = []

    def write(show: demo.Demonstration, folder: Path, *, peak_memory_mib: int) -> dict[str, Any]:
        peaks.append(peak_memory_mib)
        return {"table": [], "bad_challengers": {}, "requests": []}

    patch.setattr(demo_report, "write_demo_report", write)
    patch.setattr(demo, "_peak_memory_mib", lambda: mib)
    patch.setattr(demo.Demonstration, "steps", lambda self: [("train", "Train", action)])
    demo.run(workspace, seed=0, key="0-abc")
    return peaks[-1]


def killed() -> None:
    raise KeyboardInterrupt


def test_a_continued_demo_reports_the_largest_memory_of_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(root=tmp_path, state=tmp_path / ".ctloop")
    workspace.state.mkdir()
    with pytest.raises(KeyboardInterrupt):
        reported_peak(workspace, monkeypatch, mib=1662, action=killed)
    assert reported_peak(workspace, monkeypatch, mib=900, action=lambda: None) == 1662
    assert reported_peak(workspace, monkeypatch, mib=183, action=killed) == 1662
