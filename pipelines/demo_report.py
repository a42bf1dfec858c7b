"""The demo's outcome: a table, a summary for machines, an HTML report with pictures, and whether the loop closed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from components.adapters.parquet import read_parquet
from components.cohort.split import Split
from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines.books import data_hashes, drift_rows, gate_rows, label_counts, promotions
from pipelines.composition import MODEL_NAMES, Services
from pipelines.figures.canvas import png
from pipelines.figures.gate_pairs import draw_gate_pairs
from pipelines.figures.overlays import Overlay, draw_overlays
from pipelines.figures.slices import draw_slices
from pipelines.figures.windows import WINDOWS_HU
from pipelines.progress import say, write_json
from pipelines.render import render
from pipelines.requests import list_requests
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.demo import Demonstration

UNITS: dict[Task, str] = {"segmentation": "mean Dice", "classification": "1 − mean Brier score"}


def write_demo_report(show: Demonstration, folder: Path, *, peak_memory_mib: int) -> dict[str, Any]:
    """Write index.html and summary.json into ``folder``, print the table, return the summary."""
    summary = {**summarise(show), "peak_memory_mib": peak_memory_mib}
    write_json(folder / "summary.json", summary)
    page = render(
        "demo.html",
        summary=summary,
        loop_picture=(Path(__file__).parent / "templates" / "loop.svg").read_bytes(),
        pictures=_pictures(show, summary),
        units=UNITS,
    )
    (folder / "index.html").write_text(page)
    print_table(summary, folder)
    return summary


def summarise(show: Demonstration) -> dict[str, Any]:
    """The table, gates, drift verdicts, requests, data hashes and seconds per step; all JSON-able."""
    services = show.services
    gates = [row for task in TASKS for row in gate_rows(services, task)]
    drifts = [row for task in TASKS for row in drift_rows(services, task)]
    requests = [row for task in TASKS for row in list_requests(services.store, task=task)]
    return {
        "seed": show.seed,
        "table": [_row(services, task, gates, drifts) for task in TASKS],
        "gates": gates,
        "drift": drifts,
        "requests": requests,
        "data_hashes": {task: data_hashes(services, task) for task in TASKS},
        "seconds": show.journal.seconds,
        "bad_challengers": {
            "wrong labels": (show.journal.result("wrong-classification") or {}).get("outcome"),
            "champion against itself": (show.journal.result("itself-segmentation") or {}).get("outcome"),
        },
    }


def _row(
    services: Services, task: Task, gates: list[dict[str, Any]], drifts: list[dict[str, Any]]
) -> dict[str, Any]:
    champions = promotions(services, task)
    ours = [gate for gate in gates if gate["task"] == task]
    counts = label_counts(services, task)
    return {
        "task": task,
        "champion_before": champions[0] if champions else None,
        "champion_after": champions[-1] if champions else None,
        **_scores(ours, champions),
        "labels_to_teach": counts["labels_to_teach"],
        "labels_to_judge": counts["labels_to_judge"],
        "drift": {row["batch"]: row["kind"] for row in drifts if row["task"] == task},
        "requests_opened": counts["opened"],
        "requests_answered": counts["answered"],
        "gates_passed": sum(gate["accepted"] for gate in ours),
        "gates_refused": sum(not gate["accepted"] for gate in ours),
    }


def _scores(gates: list[dict[str, Any]], champions: list[int]) -> dict[str, float | None]:
    """Mean scores of the champions before and after on the test set of the gate between them."""
    deciding = [gate for gate in gates if gate["accepted"] and gate["context"]["champion"] is not None]
    if len(champions) < 2 or not deciding:
        return {"score_before": None, "score_after": None}
    patients = deciding[-1]["patients"]
    return {
        f"score_{when}": round(sum(float(p[who]) for p in patients) / len(patients), 4)
        for when, who in (("before", "champion"), ("after", "challenger"))
    }


def check_outcome(summary: dict[str, Any]) -> None:
    """Raise ``StateError`` unless the loop closed as it should on both tasks."""
    faults = []
    for row in summary["table"]:
        if row["champion_before"] == row["champion_after"]:
            faults.append(f"{row['task']}: the retrained challenger was not accepted")
        for batch, wanted in (("one", "no drift"), ("two", "drift")):
            if (found := row["drift"].get(batch)) != wanted:
                faults.append(f"{row['task']}: batch {batch} gave {found!r} instead of {wanted!r}")
    faults += [
        f"{what}: {outcome} instead of refused"
        for what, outcome in summary["bad_challengers"].items()
        if outcome != "refused"
    ]
    unanswered = sum(request["status"] == "open" for request in summary["requests"])
    if unanswered:
        faults.append(f"labeling requests left unanswered: {unanswered}")
    if faults:
        raise StateError(
            expected="a loop that closes", got="; ".join(faults), hint="reading the gates in the report"
        )


def print_table(summary: dict[str, Any], folder: Path) -> None:
    """The outcome for a person, on standard output."""
    for row in summary["table"]:
        drift = ", ".join(f"{batch}: {kind}" for batch, kind in row["drift"].items())
        before, after = (
            f"{row[k]:.3f}" if row[k] is not None else "–" for k in ("score_before", "score_after")
        )
        print(f"\n{row['task']}")
        print(f"  champion         version {row['champion_before']} → {row['champion_after']}")
        print(f"  score            {before} → {after} ({UNITS[row['task']]}, same held-out patients)")
        print(
            f"  expert labels    {row['labels_to_teach']} to teach, {row['labels_to_judge']} to judge (audit sample)"
        )
        print(f"  drift            {drift}")
        print(f"  requests         {row['requests_opened']} opened, {row['requests_answered']} answered")
        print(f"  gates            {row['gates_passed']} passed, {row['gates_refused']} refused")
    for what, outcome in summary["bad_challengers"].items():
        print(f"\n{what}: {outcome}", end="")
    total = sum(summary["seconds"].values())
    print(f"\n\n{total:.0f} s, at most {summary['peak_memory_mib']} MiB of memory, seed {summary['seed']}")
    workspace = folder.parent
    print(f"report     {folder / 'index.html'}")
    print(f"as data    {folder / 'summary.json'}")
    print(f"workspace  {workspace}   (dvc dag, git log, ctloop requests list)")
    print("next       your own scans: ctloop loop --source DIR, then ctloop serve (see README.md)")


def _pictures(show: Demonstration, summary: dict[str, Any]) -> dict[str, Any]:
    say("drawing the report")
    return {
        "scanners": {task: png(_scanner_figure(show.workspace, task)) for task in TASKS},
        "before_after": png(_before_after(show.services)),
        "gates": [
            png(draw_gate_pairs(gate["patients"], unit=UNITS[gate["task"]]))
            if gate["context"]["champion"]
            else None
            for gate in summary["gates"]
        ],
        "evaluation": {task: _evaluation_figures(show.workspace, task) for task in TASKS},
    }


def _evaluation_figures(workspace: Workspace, task: Task) -> list[tuple[str, bytes]]:
    files = sorted((workspace.evaluation(task) / "figures").glob("*.png"))
    return [(file.stem.replace("_", " ").replace("-", " "), file.read_bytes()) for file in files]


def _scanner_figure(workspace: Workspace, task: Task) -> Figure:
    """A patient of the first batch beside one of the changed scanner."""
    from components.adapters.blosc_store import load_volume

    frames = read_parquet(workspace.prepared(task) / "frames.parquet").sort_values("frame_id")
    firsts = {batch: frames[frames["batch"] == batch].iloc[0] for batch in ("initial", "two")}
    panels = [
        (
            f"batch {batch}: {row['manufacturer']}, kernel {row['kernel']}",
            load_volume(workspace.prepared(task) / "frames" / f"{row['frame_id']}.b2nd"),
            None,
        )
        for batch, row in firsts.items()
    ]
    return draw_slices(panels, window_hu=WINDOWS_HU[task])


def _before_after(services: Services) -> Figure:
    """The first and the last champion on an audited patient of the changed scanner, beside the expert."""
    from components.adapters.blosc_store import load_label_map, load_volume

    task: Task = "segmentation"
    workspace = services.workspace
    champions = promotions(services, task)
    frame = _audited_frame(workspace, "two")
    volume = load_volume(workspace.prepared(task) / "frames" / f"{frame}.b2nd")
    expert = load_label_map(workspace.labels(task) / f"{frame}.b2nd")
    versions = {v.version: v for v in services.registry.versions(MODEL_NAMES[task])}
    overlays = []
    for number in dict.fromkeys((champions[0], champions[-1])) if champions else ():
        predictor, _ = services.predictor(versions[number])
        predicted = predictor.predict(volume).labels
        assert predicted is not None
        overlays.append(
            Overlay(caption=f"version {number}", volume=volume, predicted=predicted, expert=expert)
        )
    return draw_overlays(overlays, window_hu=WINDOWS_HU[task])


def _audited_frame(workspace: Workspace, batch: str) -> str:
    split = Split.from_json(workspace.split("segmentation").read_text())
    frames = read_parquet(workspace.prepared("segmentation") / "frames.parquet")
    audited = frames[frames["patient_id"].isin(split.patients("test")) & (frames["batch"] == batch)]
    labelled = [
        f for f in sorted(audited["frame_id"]) if (workspace.labels("segmentation") / f"{f}.b2nd").exists()
    ]
    return str(labelled[0])
