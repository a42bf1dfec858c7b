"""Job: the chest classifier against plain rivals and its own ablations, trained alike, judged on the same patients.

The judges are a quarter of the training patients, drawn by a hash of their names, who train no variant: the held-out
test patients stay unseen, since whoever compares variants on them chooses by them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import ParameterError, StateError
from components.metrics.bootstrap import Group, bootstrap_interval, paired_difference
from components.metrics.weighting import Array
from components.models.labeled import LabeledScan
from components.models.training_plan import ClassificationPlan
from components.operations.evaluation import IntervalParams, rounded
from components.operations.finding_scores import MACRO, FindingScores
from pipelines.evaluate_params import EvaluateParams
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.train import ClassificationTrainParams, git_commit, training_key
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace

REFERENCE = "ct-scroll"
VARIANTS: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "average-pooling": {"depth": 0},
    "inflated-cnn": {"network": "inflated-cnn"},
    "global-only": {"attention": ("global",)},
    "local-only": {"attention": ("below", "above")},
    "no-masks": {"window": 10**6},
}
METRICS = ("auroc", "average_precision", "brier")
_JUDGES = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What one variant said with each seed: ``(n, l)`` probabilities, and the seconds that each training took."""

    probabilities: Sequence[Array]
    seconds: Sequence[float]
    parameters: int


def compare(workspace: Workspace, variants: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Train every variant with every seed and judge them; the table, which lies in the report folder too.

    One MLflow parent run holds the table, a nested run each variant and seed. What is finished is kept until the
    table is, so that a killed run goes on. No model, alias or data of the workspace changes.

    Args:
        variants: among ``VARIANTS``, or ``window-N`` for local sub-blocks that see N triplets to one side.
        seeds: of initialisation, order and augmentation.

    Raises ``ParameterError`` for an unknown variant, ``StateError`` with too few patients.
    """
    from components.adapters.training_log import training_run
    from pipelines.training_set import classification_set

    chosen = {name: changes_of(name) for name in dict.fromkeys((REFERENCE, *variants))}
    params = load_section(ClassificationTrainParams, workspace.params, "train", "classification")
    data = classification_set(workspace, params.provenances, cache_mb=params.cache_mb)
    plan = dataclasses.replace(params.plan, start=None)  # weights of one variant fit no other
    teaching, judging = divided(data.examples)
    hashes = {"data_sha256": data.data_sha256, "label_set_sha256": data.label_set_sha256}
    parameters = {"plan": dataclasses.asdict(plan), "variants": list(chosen), "seeds": list(seeds)}
    kept = workspace.state / "compare" / training_key({"plan": dataclasses.asdict(plan)}, hashes)[:16]
    say(
        f"compare: {len(teaching)} scans teach, {len(judging)} judge; {len(chosen)} variants × {len(seeds)} seeds"
    )
    with training_run(
        uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts,
        experiment="ctloop-classification/compare", name="compare", key=kept.name, parameters=parameters,
        tags={**hashes, "git_commit": git_commit(workspace.root), "task": "classification"},
    ) as log:  # fmt: skip
        judged = {
            name: _variant(
                name,
                dataclasses.replace(plan, **changes),
                seeds,
                teaching,
                judging,
                data.label_names,
                kept,
                log,
            )
            for name, changes in chosen.items()
        }
        table = table_of(judged, judging, data.label_names, _intervals(workspace))
        values = {f"auroc/{row['variant']}": row["auroc"]["value"] for row in table}
        log.metrics({name: value for name, value in values.items() if value is not None})
        result = {
            **hashes,
            "judges": len({s.patient_id for s in judging}),
            "seeds": list(seeds),
            "table": table,
        }
        folder = workspace.reports / "compare"
        _write(folder, result)
        log.file(folder / "result.json")
    shutil.rmtree(kept, ignore_errors=True)
    return {**result, "report": str(folder / "comparison.png")}


def changes_of(variant: str) -> dict[str, Any]:
    """What a variant changes in the plan; ``ParameterError`` for an unknown one."""
    if sized := re.fullmatch(r"window-([1-9]\d{0,4})", variant):
        return {"window": int(sized[1])}
    if variant not in VARIANTS:
        raise ParameterError(
            expected=f"variants among {', '.join(VARIANTS)}, window-N", got=repr(variant), hint="window-3"
        )
    return VARIANTS[variant]


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
    lines = [f"{'variant':<20}{'parameters':>12}{'macro AUROC':>26}{'difference':>28}"]
    for row in table:
        words = [_words(row[name], sign) for name, sign in (("auroc", ""), ("auroc_difference", "+"))]
        lines.append(f"{row['variant']:<20}{row['parameters']:>12,}{words[0]:>26}{words[1]:>28}")
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
    judging: Sequence[LabeledScan],
    findings: Sequence[str],
    kept: Path,
    log: Any,
) -> Judged:
    said, seconds, parameters = [], [], 0
    for seed in seeds:
        step, file = f"{name}, seed {seed}", kept / f"{name}-{seed}.json"
        if not file.is_file():
            write_json(
                file, _trained(dataclasses.replace(plan, seed=seed), teaching, judging, findings, kept / step)
            )
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
    judging: Sequence[LabeledScan],
    findings: Sequence[str],
    checkpoints: Path,
) -> dict[str, Any]:
    from components.models.judge_scans import probabilities
    from components.models.train_classification import train_classification

    start = time.perf_counter()
    network, _ = train_classification(teaching, plan, findings, checkpoints=checkpoints)
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


def _write(folder: Path, result: Mapping[str, Any]) -> None:
    from pipelines.figures.canvas import save
    from pipelines.figures.comparison import draw_comparison

    with whole_folder(folder) as unfinished:
        write_json(unfinished / "result.json", result)
        save(draw_comparison(result["table"]), unfinished / "comparison.png")
