"""Job: the chest classifier against plain rivals and its own ablations, trained alike, judged on the same patients.

The judges are a quarter of the training patients, drawn by a hash of their names, who train no variant: the held-out
test patients stay unseen, since whoever compares variants on them chooses by them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import StateError
from components.metrics.bootstrap import Group, bootstrap_interval, paired_difference
from components.metrics.weighting import Array
from components.models.labeled import LabeledScan, UnlabelledScan
from components.models.training_plan import ClassificationPlan
from components.operations.evaluation import IntervalParams, rounded
from components.operations.finding_scores import MACRO, FindingScores
from pipelines.compared_variants import REFERENCE, epochs_alike, looks_at_pool, variant
from pipelines.evaluate_params import EvaluateParams
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.train import ClassificationTrainParams, git_commit, training_key
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.adapters.training_log import TrainingLog

METRICS = ("auroc", "average_precision", "brier")
_JUDGES = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What one variant said with each seed: ``(n, l)`` probabilities, and the seconds that each training took."""

    probabilities: Sequence[Array]
    seconds: Sequence[float]
    parameters: int


def compare(
    workspace: Workspace, variants: Sequence[str], seeds: Sequence[int], *, epochs: int | None = None
) -> dict[str, Any]:
    """Train every variant with every seed and judge them; the table, which lies in the report folder too.

    One MLflow parent run holds the table, a nested run each variant and seed. What is finished is kept until the
    table is, so that a killed run goes on. No model, alias or data of the workspace changes.

    Args:
        variants: see ``compared_variants.variant``.
        seeds: of initialisation, order and augmentation.
        epochs: of every variant; those of the workspace's plan unless given.

    Raises ``ParameterError`` for an unknown variant, ``StateError`` with too few patients.
    """
    from components.adapters.training_log import training_run
    from pipelines.training_set import classification_set

    chosen = {name: variant(name) for name in dict.fromkeys((REFERENCE, *variants))}
    params = load_section(ClassificationTrainParams, workspace.params, "train", "classification")
    data = classification_set(workspace, params.provenances, cache_mb=params.cache_mb)
    # weights of one variant fit no other
    plan = dataclasses.replace(params.plan, start=None, epochs=epochs or params.plan.epochs)
    teaching, judging = divided(data.examples)
    hashes = {"data_sha256": data.data_sha256, "label_set_sha256": data.label_set_sha256}
    pool: list[UnlabelledScan] = []
    if plan.pretraining.epochs or any(looks_at_pool(name) for name in chosen):
        pool, hashes["pool_sha256"] = _pool(workspace, data.examples, judging, params.cache_mb)
    teachers = {scan.patient_id for scan in teaching}
    alike = epochs_alike(plan, len(teachers), len(teachers | {scan.patient_id for scan in pool}))
    parameters = {"plan": dataclasses.asdict(plan), "variants": list(chosen), "seeds": list(seeds)}
    kept = workspace.state / "compare" / training_key({"plan": dataclasses.asdict(plan)}, hashes)[:16]
    say(
        f"compare: {len(teaching)} scans teach, {len(pool)} have no findings, {len(judging)} judge; "
        f"{len(chosen)} variants × {len(seeds)} seeds, {plan.epochs} epochs each, all from random weights"
    )
    with training_run(
        uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts,
        experiment="ctloop-classification/compare", name="compare", key=kept.name, parameters=parameters,
        tags={**hashes, "git_commit": git_commit(workspace.root), "task": "classification"},
    ) as log:  # fmt: skip
        judged = {
            name: _variant(
                name, change(plan, alike), seeds, teaching, pool, judging, data.label_names, kept, log
            )
            for name, change in chosen.items()
        }
        table = table_of(judged, judging, data.label_names, _intervals(workspace))
        judges = len({scan.patient_id for scan in judging})
        result = {**hashes, "judges": judges, "seeds": list(seeds), "table": table}
        picture = _publish(workspace.reports / "compare", result, log)
    shutil.rmtree(kept, ignore_errors=True)
    return {**result, "report": str(picture)}


def divided(scans: Sequence[LabeledScan]) -> tuple[list[LabeledScan], list[LabeledScan]]:
    """Those that teach and those that judge, by patient; ``StateError`` without at least two judging patients."""
    patients = sorted({scan.patient_id for scan in scans})
    ranked = sorted(patients, key=lambda patient: hashlib.sha256(patient.encode()).digest())
    judges = set(ranked[: round(_JUDGES * len(ranked))])
    if len(judges) < 2:
        raise StateError(
            expected="expert findings of at least 8 training patients",
            got=str(len(patients)),
            hint="more answers",
        )
    teaching = [scan for scan in scans if scan.patient_id not in judges]
    return teaching, [scan for scan in scans if scan.patient_id in judges]


def _pool(
    workspace: Workspace, labelled: Sequence[LabeledScan], judging: Sequence[LabeledScan], cache_mb: int
) -> tuple[list[UnlabelledScan], str]:
    """Scans without findings of the patients who do not judge, and the hash of the whole pool."""
    from pipelines.training_set import classification_pool

    pool = classification_pool(workspace, labelled, cache_mb=cache_mb)
    judges = {scan.patient_id for scan in judging}
    return [scan for scan in pool.scans if scan.patient_id not in judges], pool.sha256


def table_of(
    judged: Mapping[str, Judged],
    scans: Sequence[LabeledScan],
    findings: Sequence[str],
    params: IntervalParams,
) -> list[dict[str, Any]]:
    """One row per variant: macro metrics as means over seeds, and their difference from the reference, by patient."""
    statistics = {
        name: {metric: _over_seeds(each.probabilities, scans, findings, metric) for metric in METRICS}
        for name, each in judged.items()
    }
    rows = []
    for name, each in judged.items():
        row: dict[str, Any] = {
            "variant": name,
            "parameters": each.parameters,
            "training_seconds": round(float(np.mean(each.seconds)), 1),
        }
        for metric in METRICS:
            own, reference = statistics[name][metric], statistics[REFERENCE][metric]
            difference = paired_difference(own.statistic, reference.statistic)
            row[metric] = _interval(own, params)
            row[f"{metric}_difference"] = _interval(
                Group(patients=own.patients, statistic=difference), params
            )
        by_seed = [_over_seeds([said], scans, findings, "auroc").value for said in each.probabilities]
        rows.append({**row, "auroc_by_seed": [round(value, 6) for value in by_seed]})
    return rows


def lines_of(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table for a terminal."""
    lines = [f"{'variant':<20}{'parameters':>12}{'macro AUROC':>26}{'difference':>28}{'seconds':>10}"]
    for row in table:
        difference = _words(row["auroc_difference"], "+") if row["variant"] != REFERENCE else "reference"
        words = [_words(row["auroc"], ""), difference]
        size, seconds = f"{row['parameters']:,}", f"{row['training_seconds']:.0f}"
        lines.append(f"{row['variant']:<20}{size:>12}{words[0]:>26}{words[1]:>28}{seconds:>10}")
    if all(row["auroc"]["low"] is None or row["auroc"]["low"] <= 0.5 for row in table):
        lines.append("no variant is surely better than chance: try more --epochs, or more labelled patients")
    return lines


def _words(interval: Mapping[str, Any], sign: str) -> str:
    value, low, high = (
        "?" if interval[end] is None else f"{interval[end]:{sign}.3f}" for end in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"


def _variant(
    name: str,
    plan: ClassificationPlan,
    seeds: Sequence[int],
    teaching: Sequence[LabeledScan],
    pool: Sequence[UnlabelledScan],
    judging: Sequence[LabeledScan],
    findings: Sequence[str],
    kept: Path,
    log: TrainingLog,
) -> Judged:
    said, seconds, parameters = [], [], 0
    for seed in seeds:
        step, file = f"{name}, seed {seed}", kept / f"{name}-{seed}.json"
        if not file.is_file():
            seeded = dataclasses.replace(plan, seed=seed)
            write_json(file, _trained(seeded, teaching, pool, judging, findings, kept / step))
        facts = json.loads(file.read_text())
        probabilities = np.array(facts["probabilities"], dtype=np.float64)
        auroc = _over_seeds([probabilities], judging, findings, "auroc").value
        log.begin(step, {"variant": name, "seed": str(seed)})
        log.end(step, {"auroc": auroc, "seconds": facts["seconds"], "parameters": facts["parameters"]})
        say(f"{step}: macro AUROC {auroc:.3f}")
        said.append(probabilities)
        seconds.append(facts["seconds"])
        parameters = int(facts["parameters"])
    return Judged(probabilities=said, seconds=seconds, parameters=parameters)


def _trained(
    plan: ClassificationPlan,
    teaching: Sequence[LabeledScan],
    pool: Sequence[UnlabelledScan],
    judging: Sequence[LabeledScan],
    findings: Sequence[str],
    checkpoints: Path,
) -> dict[str, Any]:
    from components.models.judge_scans import probabilities
    from components.models.train_classification import train_classification

    start = time.perf_counter()
    network, _ = train_classification(teaching, plan, findings, checkpoints=checkpoints, pool=pool)
    seconds = time.perf_counter() - start
    shutil.rmtree(checkpoints, ignore_errors=True)
    return {
        "probabilities": probabilities(network, judging, plan).tolist(),
        "seconds": round(seconds, 2),
        "parameters": sum(p.numel() for p in network.parameters()),
    }


def _over_seeds(
    probabilities: Sequence[Array], scans: Sequence[LabeledScan], findings: Sequence[str], metric: str
) -> Group:
    """Mean over the seeds of the macro ``metric``, of the findings that have patients with and without them."""
    truth = np.stack([scan.findings for scan in scans]).astype(np.float64)
    groups = [
        FindingScores(
            patients=[scan.patient_id for scan in scans], findings=findings, truth_nk=truth, probability_nk=said,
            thresholds={},
        ).judged().group(metric, MACRO)
        for said in probabilities
    ]  # fmt: skip
    return Group(
        patients=groups[0].patients,
        statistic=lambda weight: np.mean([group.statistic(weight) for group in groups], axis=0),
    )


def _interval(group: Group, params: IntervalParams) -> dict[str, Any]:
    return rounded(
        bootstrap_interval(
            group.patients, group.statistic, seed=params.seed, draws=params.draws, level=params.level
        )
    )


def _intervals(workspace: Workspace) -> IntervalParams:
    return load_section(EvaluateParams, workspace.params, "evaluate", "classification").intervals


def _publish(folder: Path, result: Mapping[str, Any], log: TrainingLog) -> Path:
    """Into the report folder and the run; the picture's place."""
    from pipelines.figures.canvas import save
    from pipelines.figures.comparison import draw_comparison

    with whole_folder(folder) as unfinished:
        write_json(unfinished / "result.json", result)
        save(draw_comparison(result["table"]), unfinished / "comparison.png")
    values = {f"auroc/{row['variant']}": row["auroc"]["value"] for row in result["table"]}
    log.metrics({name: value for name, value in values.items() if value is not None})
    log.file(folder / "result.json")
    return folder / "comparison.png"
