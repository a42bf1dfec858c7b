"""Telemetry is off for this process and its children before anything is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env={}
    )
    return shown.stdout.strip()


def test_every_switch_is_set_and_inherited() -> None:
    code = (
        "import os, subprocess, sys\n"
        "from pipelines.offline import OFF, switch_off_telemetry\n"
        "switch_off_telemetry()\n"
        "child = 'import os; print(os.environ.get(\"DO_NOT_TRACK\"))'\n"
        "print(all(os.environ[k] == v for k, v in OFF.items()))\n"
        "print(subprocess.check_output([sys.executable, '-c', child], text=True))\n"
    )
    assert run(code).split() == ["True", "true"]


def test_switching_off_imports_nothing() -> None:
    code = (
        "import sys; from pipelines.offline import switch_off_telemetry; switch_off_telemetry()\n"
        "print([m for m in ('mlflow', 'dvc', 'evidently', 'torch', 'numpy') if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_openvino_finds_no_telemetry_package() -> None:
    code = (
        "from pipelines.offline import switch_off_telemetry; switch_off_telemetry()\n"
        "try:\n    import openvino_telemetry\nexcept ImportError:\n    print('none')"
    )
    assert run(code) == "none"
