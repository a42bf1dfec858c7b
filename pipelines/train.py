"""Stage: train the student on the labels that the parameters allow, of training patients only.

Killed at any time, it continues from its last epoch when it is started again, and ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.adapters.whole_file import write_whole
from components.cohort.label_set import LABEL_SET_FILE, label_set_json
from components.cohort.labels import Provenance
from components.cohort.task import Task
from components.models.training_plan import ClassificationPlan, IncrementalParams, SegmentationPlan
from components.scorecard.temporal_smoothing import TemporalSmoothing
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.stage_command import run_stage
from pipelines.training_budget import OnEpoch, Pace, cut
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn

    from components.adapters.training_log import TrainingLog
    from components.models.description import ModelDescription
    from pipelines.start_model import StartModel
    from pipelines.training_set import ScanPool, TrainingSet

Rounds = list[dict[str, Any]]
Trained = tuple["nn.Module", "ModelDescription", dict[str, list[float]], Rounds]


@dataclass(frozen=True, kw_only=True)
class TrainParams:
    """Section ``train`` of params.yaml; each task adds its plan.

    Args:
        provenances: of the labels that may be read.
        cache_mb: scans and labels are held in memory up to this size, else read crop by crop.
        incremental: whether the model in use goes on, or a new one begins.
        epochs_share: of the planned epochs; a retraining sets it to what fits its budget.
        validation_share: of the training patients, who train nothing; a retraining of several candidates sets it.
    """

    provenances: tuple[Provenance, ...] = ("expert", "pseudo")
    cache_mb: int = 2000
    incremental: IncrementalParams = field(default_factory=IncrementalParams)
    epochs_share: float = 1.0
    validation_share: float = 0.0

    def going_on(self) -> IncrementalParams:
        """With the epochs that are to be taken."""
        own = self.incremental
        return dataclasses.replace(own, epochs=cut(own.epochs, self.epochs_share))


@dataclass(frozen=True, kw_only=True)
class SegmentationTrainParams(TrainParams):
    """Args:
    temporal: how the frames of a cine listen to their neighbours when the model is used; 0 is off.
    """

    plan: SegmentationPlan
    temporal: TemporalSmoothing = field(default_factory=TemporalSmoothing)


@dataclass(frozen=True, kw_only=True)
class ClassificationTrainParams(TrainParams):
    plan: ClassificationPlan


def train(workspace: Workspace, task: Task) -> None:
    """Write ``models/TASK``: weights.safetensors, model.json and label_set.json."""
    if task == "segmentation":
        _train_segmentation(workspace)
    else:
        _train_classification(workspace)


def _train_segmentation(workspace: Workspace) -> None:
    from components.models.incremental import continue_segmentation
    from components.models.train_segmentation import describe, train_segmentation
    from pipelines.training_set import segmentation_pool, segmentation_set

    params = load_section(SegmentationTrainParams, workspace.params, "train", "segmentation")
    share, whole = params.epochs_share, params.plan
    plan = dataclasses.replace(
        whole, epochs=cut(whole.epochs, share), fine_tune_epochs=cut(whole.fine_tune_epochs, share)
    )
    aside = params.validation_share
    data = segmentation_set(
        workspace, params.provenances, seed=plan.seed, cache_mb=params.cache_mb, validation_share=aside
    )
    pool = segmentation_pool(workspace, data.examples, validation_share=aside) if plan.pretrain_epochs else []

    start = _start(workspace, "segmentation", params, data)

    def run(checkpoints: Path, log: TrainingLog, on_epoch: OnEpoch) -> Trained:
        rounds: Rounds = []
        if start is not None:
            network, curves = continue_segmentation(
                start.network, data.examples, plan, params.going_on(),
                known=start.knows(data.labels), checkpoints=checkpoints, on_epoch=on_epoch,
            )  # fmt: skip
        else:
            network, curves, rounds = train_segmentation(
                data.examples, len(data.label_names), plan, checkpoints=checkpoints, pool=pool,
                on_epoch=on_epoch, log=log,
            )  # fmt: skip
        said = describe(network, plan, data.label_names, data.spacing_mm)
        contract = dataclasses.replace(said.input, temporal=params.temporal)
        return network, dataclasses.replace(said, input=contract), curves, rounds

    _logged(
        workspace, "segmentation", params, data, run, steps_per_epoch=plan.steps_per_epoch, going_on=start
    )


def _train_classification(workspace: Workspace) -> None:
    from components.models.classifier_cost import cost_of
    from components.models.incremental import continue_classification
    from components.models.pretraining_cost import pretraining_cost
    from components.models.train_classification import describe, steps_per_epoch, train_classification
    from pipelines.training_set import classification_pool, classification_set

    params = load_section(ClassificationTrainParams, workspace.params, "train", "classification")
    epochs = cut(params.plan.epochs, params.epochs_share)
    params = dataclasses.replace(params, plan=dataclasses.replace(params.plan, epochs=epochs))
    aside = params.validation_share
    data = classification_set(workspace, params.provenances, cache_mb=params.cache_mb, validation_share=aside)
    going_on = _start(workspace, "classification", params, data)
    pool = None
    if params.plan.pretraining.epochs and going_on is None:
        pool = classification_pool(workspace, data.examples, cache_mb=params.cache_mb, validation_share=aside)
        patients = {s.patient_id for s in data.examples} | {s.patient_id for s in pool.scans}
        say(
            f"pretraining on {len(data.examples)} scans with findings and {len(pool.scans)} without: "
            f"{pretraining_cost(params.plan, len(patients), measure=True)}, and what the views take"
        )
    say(f"plan: {cost_of(params.plan, len(data.label_names), len(data.examples), measure=True)}")
    file = params.plan.start or params.plan.imagenet
    start = workspace.root / file if file and going_on is None else None

    def run(checkpoints: Path, log: TrainingLog, on_epoch: OnEpoch) -> Trained:
        if going_on is not None:
            network, curves = continue_classification(
                going_on.network, data.examples, params.plan, params.going_on(),
                known=going_on.knows(data.labels), checkpoints=checkpoints, on_epoch=on_epoch,
            )  # fmt: skip
        else:
            network, curves = train_classification(
                data.examples, params.plan, data.label_names, checkpoints=checkpoints, start=start,
                pool=pool.scans if pool else (), on_epoch=on_epoch,
            )  # fmt: skip
        return network, describe(network, params.plan, data.label_names, data.spacing_mm), curves, []

    steps = steps_per_epoch(data.examples, params.plan)
    _logged(
        workspace, "classification", params, data, run, steps_per_epoch=steps, going_on=going_on, start=start,
        pool=pool,
    )  # fmt: skip


def _start(
    workspace: Workspace, task: Task, params: TrainParams, data: TrainingSet[Any]
) -> StartModel[Any] | None:
    """The package that goes on, which the parameters name by its hash; ``None`` from scratch."""
    from pipelines.start_model import load_start_model

    if params.incremental.start == "scratch":
        return None
    start = load_start_model(workspace, task, params.incremental.package_sha256, data.label_names)
    new = len(data.labels) - len(start.knows(data.labels))
    say(f"train {task}: the model in use goes on, {new} labels are new to it")
    return start


def _logged(
    workspace: Workspace,
    task: Task,
    params: TrainParams,
    data: TrainingSet[Any],
    run: Callable[[Path, TrainingLog, OnEpoch], Trained],
    *,
    steps_per_epoch: int,
    going_on: StartModel[Any] | None,
    start: Path | None = None,
    pool: ScanPool | None = None,
) -> None:
    """Run the training inside an MLflow run; the run's id and times stay out of the stage's outputs."""
    from components.adapters.training_log import training_run
    from components.models.backbone_pretraining import NAME as PRETRAINING
    from components.models.description import DESCRIPTION
    from components.models.package import write_model

    parameters = dataclasses.asdict(params)
    hashes = {"data_sha256": data.data_sha256, "label_set_sha256": data.label_set_sha256}
    if start is not None and start.is_file():
        hashes["start_sha256"] = hashlib.sha256(start.read_bytes()).hexdigest()
    if pool is not None:
        hashes["pool_sha256"] = pool.sha256
    key = training_key(parameters, hashes)
    checkpoints = workspace.checkpoints(task) / key[:16]
    say(f"train {task}: {data.counts()} labels of {data.patients()} patients")
    with training_run(
        uri=workspace.mlflow_uri,
        artifacts=workspace.mlflow_artifacts,
        experiment=f"ctloop-{task}/train",
        name=f"train-{key[:8]}",
        key=key,
        parameters=parameters,
        tags={**hashes, "git_commit": git_commit(workspace.root), "task": task},
    ) as log:
        pace = Pace(workspace, task, log.epoch)
        network, description, curves, rounds = run(checkpoints, log, pace)
        pace.keep()
        aside = min(params.validation_share, 1.0 if going_on is None else going_on.validation_share)
        epochs = sum(len(losses) for step, losses in curves.items() if step != PRETRAINING)
        facts = {
            **hashes,
            "labels": data.counts(),
            "patients": data.patients(),
            "seed": parameters["plan"]["seed"],
            "steps": epochs * steps_per_epoch,
            **({"validation_share": aside} if aside else {}),
            **({"rounds": rounds} if rounds else {}),
            "final_loss": {step: round(losses[-1], 6) for step, losses in curves.items() if losses},
        }
        write_model(workspace.model(task), network, dataclasses.replace(description, training=facts))
        write_whole(workspace.model(task) / LABEL_SET_FILE, label_set_json(data.labels))
        log.metrics({f"labels/{kind}": count for kind, count in data.counts().items()})
        log.file(workspace.model(task) / DESCRIPTION)
    shutil.rmtree(checkpoints, ignore_errors=True)


def training_key(parameters: dict[str, Any], hashes: dict[str, str]) -> str:
    """sha256 of all that decides the weights: parameters, data, labels and the code of the models."""
    import components.models

    digest = hashlib.sha256(json.dumps([parameters, hashes], sort_keys=True).encode())
    for folder in sorted(components.models.__path__):
        for path in sorted(Path(folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def git_commit(root: Path) -> str:
    """The commit of the workspace, or ``unknown`` outside git."""
    done = subprocess.run(("git", "rev-parse", "HEAD"), cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


if __name__ == "__main__":
    run_stage(train)
