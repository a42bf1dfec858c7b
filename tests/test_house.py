"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).parents[1]
STAGES = ("ingest", "prepare", "split", "pseudo_label", "train", "evaluate")
JOBS = (
    "add", "register", "gate", "promote", "rollback", "monitor", "requests", "labels", "retrain", "serve",
    "loop", "demo", "doctor", "phantoms", "semi-synthetic", "plan", "external-test", "export", "reading-list",
    "cases-table", "where-to-look", "compare", "pilot-report", "score", "shadow", "ledger", "scheduler", "clean-up",
    "dossier", "replay",
)  # fmt: skip
TORCH_FREE = ("ingest", "prepare", "split", "cli", "add", "requests", "labels", "gate")


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern),
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph("components", "dashboards", "pipelines", cache_dir=None)


def test_top_level_holds_only_what_the_design_allows() -> None:
    allowed = {
        "pyproject.toml", "dvc.yaml", "dvc.lock", "README.md", "components", "pipelines", "dashboards", "tests",
        "Makefile", "LICENSE", "requirements.lock", "data", "models",
    }  # fmt: skip
    found = {path.relative_to(ROOT).parts[0] for path in tracked("*")}
    assert {name for name in found if not name.startswith(".")} <= allowed


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_file_function_verb_section_and_entry(stage: str) -> None:
    module = ast.parse((ROOT / "pipelines" / f"{stage}.py").read_text())
    assert stage in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    assert stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert stage in yaml.safe_load((ROOT / "pipelines" / "params.yaml").read_text())
    assert stage.replace("_", "-") in cli_verbs()


@pytest.mark.parametrize("job", JOBS)
def test_job_is_file_and_verb_but_no_entry(job: str) -> None:
    assert (ROOT / "pipelines" / f"{job.replace('-', '_')}.py").exists()
    assert job in cli_verbs()
    assert job not in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@cache
def cli_verbs() -> frozenset[str]:
    from pipelines.cli import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    return frozenset(commands | {group.name or "" for group in app.registered_groups})


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_deps_cover_the_import_closure(stage: str) -> None:
    graph = import_graph()
    closure = graph.find_upstream_modules(f"pipelines.{stage}") | {f"pipelines.{stage}"}
    needed = {source_of(name) for name in closure}
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    deps = {dep for dep in entry["deps"] if dep.startswith(("components", "pipelines", "dashboards"))}
    uncovered = {
        file for file in needed if not any(file == dep or file.startswith(dep + "/") for dep in deps)
    }
    assert not uncovered, f"add to dvc.yaml, stage {stage}: {sorted(uncovered)}"
    stale = {dep for dep in deps if not any(file == dep or file.startswith(dep + "/") for file in needed)}
    data = {
        "pipelines/teacher/human_heart_ct", "pipelines/teacher/chest_start.safetensors",
        "pipelines/templates/base.html", "pipelines/templates/judging.html",
        "pipelines/templates/segmentation.html", "pipelines/templates/classification.html",
    }  # fmt: skip
    assert stale <= data, f"remove from dvc.yaml, stage {stage}: {sorted(stale)}"


def source_of(module: str) -> str:
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"


@pytest.mark.parametrize("module", TORCH_FREE)
def test_module_does_not_import_torch(module: str) -> None:
    heavy = ["torch", "lightning", "monai", "mlflow", "evidently"]
    code = f"import sys, pipelines.{module}; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_help_imports_only_the_command_line() -> None:
    heavy = ["numpy", "pandas", "sqlalchemy", "yaml"]
    code = f"import sys, pipelines.cli; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run((sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_lock_file_pins_every_direct_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["dev"] + extras["postgres"]
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "requirements.lock").read_text().split("\n")
        if "==" in line
    }
    names = {re.split(r"[\[<>=~ ]", item, maxsplit=1)[0].lower() for item in wanted}
    assert not names - pinned
    assert "torch==2.13.0" in (ROOT / "requirements.lock").read_text()


FORBIDDEN = {
    r"\bTODO\b|\bFIXME\b|\bXXX\b|\bHACK\b": "unfinished work",
    r"pickle\.load|(?<!safetensors\.)torch\.load\((?!.*weights_only=True)|allow_pickle=True": "pickle loading",
    r"(?<!\w)/(?:work|root|home/\w+)/": "a path of one machine",
    r"raise NotImplementedError": "a part that pretends",
}


@pytest.mark.parametrize(("pattern", "what"), FORBIDDEN.items())
def test_tree_is_free_of(pattern: str, what: str) -> None:
    files = [path for ending in ("*.py", "*.md", "*.yaml", "*.toml", "Makefile") for path in tracked(ending)]
    hits = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().split("\n"), 1)
        if re.search(pattern, line)
    ]
    assert not hits, f"{what}: {hits}"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split("\n")) < 150
