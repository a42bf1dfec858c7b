"""Job: the whole loop on phantoms, both tasks, in a clone of its own.

Batch *initial* makes the first champions; *one* comes from the same scanners; *two* comes from a changed one.
A simulated expert answers from the phantoms' truth. Two challengers must be refused: a model trained on wrong
labels, and the champion against itself.
"""

from __future__ import annotations

import datetime
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines.composition import MODEL_NAMES, Services
from pipelines.demo_workspace import code_key, make_demo_clone
from pipelines.lease import lease
from pipelines.progress import Journal, say
from pipelines.workspace import Workspace

BATCHES = ("initial", "one", "two")
# Few patients: a larger audit sample, to judge at all, and requests for all others of a drifted batch.
DEMO_PARAMS = {
    "split": {"audit_share": 0.4},
    "monitor": {"budget_minutes": {"segmentation": 2160.0, "classification": 180.0}},
    "pseudo_label": {"segmentation": {"teacher": "bundle"}},
}


@dataclass(frozen=True, kw_only=True)
class DemoSize:
    """Patients per batch and the grid of the phantoms: shape (z, y, x), spacing in mm."""

    patients: tuple[int, int, int]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    phases_percent: tuple[float, ...] = ()


SIZES: dict[Task, DemoSize] = {
    "segmentation": DemoSize(
        patients=(20, 10, 20),
        shape=(48, 48, 48),
        spacing_mm=(4.0, 4.0, 4.0),
        phases_percent=(0.0, 35.0, 70.0),
    ),
    "classification": DemoSize(patients=(80, 16, 60), shape=(36, 48, 48), spacing_mm=(8.0, 8.0, 8.0)),
}
FAMILIAR = ("reference", "reference-b")
CHANGED: dict[Task, str] = {"segmentation": "sharp", "classification": "uncalibrated"}
# Too small for voxels of 8 mm.
HIDDEN_FINDINGS = (
    "arterial_wall_calcification",
    "coronary_artery_wall_calcification",
    "hiatal_hernia",
    "lung_nodule",
    "medical_material",
)


def demo(root: Path, *, seed: int, fresh: bool = False) -> Path:
    """Run or continue the demo of the code at ``root``; the folder of its report.

    Raises ``StateError`` when a step fails or the loop does not close: a good challenger refused, a drift
    missed or raised without cause, a bad challenger accepted.
    """
    place = root / ".ctloop" / "demo"
    with lease(place.with_suffix(".lease"), "ctloop demo"):
        return _demo_at(place, root, seed=seed, fresh=fresh)


def _demo_at(place: Path, root: Path, *, seed: int, fresh: bool) -> Path:
    key = f"{seed}-{code_key(root)}"
    stamp = place / ".git" / "ctloop-demo-key"
    if place.exists() and (fresh or not stamp.exists() or stamp.read_text() != key):
        shutil.rmtree(place)
    make_demo_clone(root, place)
    stamp.write_text(key)
    # The clone runs its own code, with a key of its own so that a seed gives the same pseudonyms anywhere.
    environment = {
        **os.environ,
        "CTLOOP_PSEUDONYM_KEY": f"ctloop demo, seed {seed:d}, no real patients",
        "PYTHONPATH": str(place),
        "CTLOOP_CODE": str(place),
    }
    for name in ("CTLOOP_STATE", "CTLOOP_DATABASE_URL", "CTLOOP_MLFLOW_URI"):
        environment.pop(name, None)
    command = (sys.executable, "-m", "pipelines.demo", "--seed", str(seed), "--key", key)
    if subprocess.run(command, cwd=place, env=environment, check=False).returncode:
        raise StateError(
            expected="every step of the demo to succeed",
            got="a failure (see above)",
            hint="`make demo` again: it continues after the last finished step",
        )
    return place / "report"


def run(workspace: Workspace, *, seed: int, key: str) -> None:
    """All steps, inside the clone; finished ones are not repeated."""
    from pipelines.demo_report import check_outcome, write_demo_report

    show = Demonstration(workspace, seed=seed, key=key)
    for name, title, action in show.steps():
        if not show.journal.done(name):
            try:
                with show.journal.step(name, title) as result:
                    result.update(action() or {})
            finally:  # the next process that continues this demo will not have seen it
                show.journal.highest("peak_memory_mib", _peak_memory_mib())
    folder = workspace.root / "report"
    peak = show.journal.highest("peak_memory_mib", _peak_memory_mib())
    summary = write_demo_report(show, folder, peak_memory_mib=peak)
    check_outcome(summary)


class Demonstration:
    """The steps of the demo on one workspace."""

    def __init__(self, workspace: Workspace, *, seed: int, key: str) -> None:
        self.workspace, self.seed = workspace, seed
        self.services = Services(workspace)
        self.batches = workspace.state / "batches"
        self.journal = Journal(workspace.state / "journal.json", key=key, total=len(self.steps()))

    def steps(self) -> list[tuple[str, str, Callable[[], dict[str, Any] | None]]]:
        """Name, title and action of each step, in order."""
        steps: list[tuple[str, str, Callable[[], dict[str, Any] | None]]] = []

        def add(name: str, title: str, action: Callable[[Task], dict[str, Any] | None], task: Task) -> None:
            steps.append((f"{name}-{task}", f"{title} ({task})", lambda: action(task)))

        steps.append(
            ("take-in-initial", "Draw the first scans and take them in", lambda: self.take_in("initial"))
        )
        for task in TASKS:
            add("audit", "Ask for the audit sample; the expert answers", self.ask_and_answer, task)
            add("learn", "Pseudo-label, train, evaluate, gate: the first champion", self.learn, task)
        for batch, words in (("one", "in domain"), ("two", "from a changed scanner")):
            steps.append((f"take-in-{batch}", f"Batch {batch}, {words}, arrives", self._taker(batch)))
            for task in TASKS:
                add(
                    f"watch-{batch}",
                    f"Monitor batch {batch}, ask, and be answered",
                    self._watcher(batch),
                    task,
                )
        for task in TASKS:
            add("relearn", "Retrain on the answers, gate, promote", self.relearn, task)
        add(
            "wrong",
            "A challenger trained on wrong labels meets the gate",
            self.wrong_labels,
            "classification",
        )
        add("itself", "The champion meets itself at the gate", self.against_itself, "segmentation")
        return steps

    def _taker(self, batch: str) -> Callable[[], dict[str, Any]]:
        return lambda: self.take_in(batch)

    def _watcher(self, batch: str) -> Callable[[Task], dict[str, Any]]:
        return lambda task: self.watch(task, batch)

    def take_in(self, batch: str) -> dict[str, Any]:
        """Draw and add a batch of both tasks, then run their stages up to the split."""
        from pipelines.add import add
        from pipelines.turn import take_in

        self.set_params()
        scans = {}
        for task in TASKS:
            report = add(self.workspace, source=self.draw(task, batch), name=batch, tasks=(task,))
            scans[task] = sum(files for _, _, files in report.added + report.unchanged)
        return {"scans": scans, "ran": list(take_in(self.services, TASKS))}

    def set_params(self) -> None:
        from pipelines.params_override import override_params
        from pipelines.progress import write_json

        values = self.workspace.state / "demo-params.yaml"
        write_json(values, DEMO_PARAMS)
        override_params(self.workspace.params, values)

    def draw(self, task: Task, batch: str) -> Path:
        """The phantoms of a batch, written as a hospital would hand them over."""
        from pipelines.phantoms import write_cardiac_batch, write_chest_batch

        size, index = SIZES[task], BATCHES.index(batch)
        scanners = (CHANGED[task],) if batch == "two" else FAMILIAR
        folder = self.batches / task / batch
        seed = self.seed * 100 + 10 * TASKS.index(task) + index
        if task == "segmentation":
            write_cardiac_batch(
                folder, seed=seed, patients=size.patients[index], species="porcine", scanners=scanners,
                phases_percent=size.phases_percent, shape=size.shape, spacing_mm=size.spacing_mm,
            )  # fmt: skip
        else:
            write_chest_batch(
                folder, seed=seed, patients=size.patients[index], scanners=scanners, shape=size.shape,
                spacing_mm=size.spacing_mm, with_findings=batch == "initial",
                prevalence=dict.fromkeys(HIDDEN_FINDINGS, 0.0),
            )  # fmt: skip
        return folder

    def ask_and_answer(self, task: Task) -> dict[str, Any]:
        from pipelines.turn import ask_for_audit

        ask_for_audit(self.services, task, now=_now)
        return self.answer(task)

    def answer(self, task: Task) -> dict[str, Any]:
        from pipelines.simulated_expert import answer

        report = answer(self.services, task, self.batches / task)
        if report.refused:
            raise StateError(
                expected="every true label map to be accepted",
                got=str(report.refused[0]),
                hint="a bug report",
            )
        return {"answered": len(report.accepted)}

    def learn(self, task: Task) -> dict[str, Any]:
        from pipelines.dvc_commands import commit_data, repro
        from pipelines.turn import judge_and_promote

        ran = repro(self.workspace.root, [f"evaluate@{task}"])
        commit_data(self.workspace.root, f"The first {task} model")
        judge_and_promote(self.services, task)
        return {"ran": list(ran)}

    def watch(self, task: Task, batch: str) -> dict[str, Any]:
        from pipelines.turn import watch

        watched = watch(self.services, task, batch, now=_now)
        verdict = watched.report.verdict
        say(f"      drift verdict: {verdict.kind}")
        return {"drift": verdict.kind, **self.answer(task)}

    def relearn(self, task: Task) -> dict[str, Any]:
        from pipelines.retrain import retrain
        from pipelines.turn import judge_and_promote

        trained = retrain(self.workspace, task)
        judge_and_promote(self.services, task)
        return {"ran": list(trained.ran)}

    def wrong_labels(self, task: Task) -> dict[str, Any]:
        from pipelines.wrong_labels import train_on_wrong_labels

        return train_on_wrong_labels(self.services)

    def against_itself(self, task: Task) -> dict[str, Any]:
        from pipelines.gate import gate

        champion = self.services.registry.by_alias(MODEL_NAMES[task], "champion")
        if champion is None:
            raise StateError(
                expected="a champion",
                got="none: no challenger has passed the gate",
                hint="reading its verdict above",
            )
        verdict = gate(
            self.workspace, task, self.services.registry, self.services.store, name=MODEL_NAMES[task],
            load_predictor=self.services.load_predictor, challenger=champion,
        )  # fmt: skip
        return {"outcome": verdict.outcome}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _peak_memory_mib() -> int:
    """Of this process plus its largest child: they run at the same time."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) // 1024


def main() -> None:
    """``python -m pipelines.demo``, inside the demo's clone."""
    import argparse

    from components.errors import CtloopError
    from pipelines.offline import switch_off_telemetry

    switch_off_telemetry()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--key", required=True)
    arguments = parser.parse_args()
    try:
        run(Workspace.at(), seed=arguments.seed, key=arguments.key)
    except CtloopError as error:
        print(f"ctloop demo: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
