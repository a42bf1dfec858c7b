"""The books of ``ctloop bench loop``: ctloop's own registry, ledger, requests and answers, in the work folder."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.params import AcquisitionParams
from components.adapters.answer_folder import AnswerFolder
from components.adapters.installed_strategies import find_strategy
from components.adapters.mlflow_registry import MlflowRegistry
from components.adapters.sql_store import SqlStore, open_store
from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.labeling.answer_check import AnswerCheck
from components.models.known_quality import QUALITY_FILE
from components.models.package import load_predictor, write_model
from components.models.train_segmentation import describe
from components.operations.acquire import Acquisition
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import IntervalParams
from components.operations.learn_quality import learn_quality
from components.operations.monitor_window import MonitorParams
from components.operations.register_model import register_model
from components.registry.gate_params import GateParams
from components.registry.package import assemble_package
from components.registry.registry import ModelVersion
from components.scorecard.plausibility import Plausibility
from pipelines.answer_door import AnswersParams
from pipelines.bench.acquisition_pool import SPACING_MM
from pipelines.bench.acquisition_student import PLAN
from pipelines.bench.loop_year import label_map
from pipelines.params import load_section
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.requests import RequestsParams
from pipelines.split import SplitParams

if TYPE_CHECKING:
    from components.models.segmentation_predictor import SegmentationPredictor
    from components.models.unet import UNet
    from pipelines.bench.loop_year import Labels, Year

NAME, FRAMES = "loop-segmentation", "judged_frames.parquet"
HeldOut = Mapping[int, "Labels | None"]
"""Row of a held-out patient → the expert's answer, ``None`` where nobody was asked."""
_PARAMS = Path(__file__).parents[1] / "params.yaml"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shipped:
    """ctloop's parameters as shipped, but for how many patients an hour of experts reaches.

    One frame of a cine instead of two, and twice the share of patients in the audit: as many labels, of twice the
    patients. The gate counts patients, and eight of a batch cannot show a repair (tuned on seed 100).
    """

    monitor: MonitorParams
    gate: GateParams
    acquisition: AcquisitionParams
    requests: RequestsParams
    answers: AnswersParams
    split: SplitParams
    plausibility: Plausibility

    @staticmethod
    def read() -> Shipped:
        monitor = load_section(MonitorParams, _PARAMS, "monitor", "segmentation")
        requests = load_section(RequestsParams, _PARAMS, "requests")
        split = load_section(SplitParams, _PARAMS, "split")
        return Shipped(
            monitor=dataclasses.replace(monitor, frames_per_case=1),
            gate=load_section(GateParams, _PARAMS, "gate", "segmentation"),
            acquisition=load_section(AcquisitionParams, _PARAMS, "acquisition"),
            requests=dataclasses.replace(requests, frames_per_case=1),
            answers=load_section(AnswersParams, _PARAMS, "answers"),
            split=dataclasses.replace(split, audit_share=2 * split.audit_share),
            plausibility=load_section(
                PseudoLabelParams, _PARAMS, "pseudo_label", "segmentation"
            ).plausibility,
        )

    @property
    def check(self) -> AnswerCheck:
        return AnswerCheck(
            names=dict(HEART_LABELS),
            min_labelled_ml=self.answers.min_labelled_ml,
            max_labelled_share=self.answers.max_labelled_share,
        )

    def acquiring(self, labelled: pd.DataFrame) -> Acquisition:
        """ctloop's own strategy and random arm, with the stated minutes of an answer."""
        from components.acquisition.cost_model import MinutesModel

        return Acquisition(
            name=self.monitor.strategy,
            strategy=FailureCoverage(params=self.acquisition.failure_coverage),
            baseline=find_strategy(self.acquisition.baseline),
            shadow_share=self.acquisition.shadow.share,
            minutes=MinutesModel(base=self.requests.budget_minutes["segmentation"]),
            labelled=labelled,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Books:
    """Begun anew with each run of the bench; trained networks are kept elsewhere."""

    folder: Path
    registry: MlflowRegistry
    store: SqlStore
    answers: AnswerFolder

    @staticmethod
    def open(folder: Path) -> Books:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return Books.reopened(folder)

    @staticmethod
    def reopened(folder: Path) -> Books:
        """As they stand."""
        return Books(
            folder=folder,
            registry=MlflowRegistry(uri=f"sqlite:///{folder / 'mlflow.db'}", artifacts=folder / "artifacts"),
            store=open_store(f"sqlite:///{folder / 'books.db'}"),
            answers=AnswerFolder(folder / "answers"),
        )

    def package(
        self, network: UNet, year: Year, held_out: HeldOut, facts: Mapping[str, Any], *, label: str
    ) -> ModelVersion:
        """Judge ``network`` on held-out rows, and register it as challenger; ``facts`` become its lineage."""
        folder = self.folder / "unfinished" / label
        write_model(folder / "model", network, describe(network, PLAN, HEART_STRUCTURES, (SPACING_MM,) * 3))
        predictor = load_predictor(folder / "model", device="cpu")
        rows = {str(year.frames["frame_id"].iloc[row]): row for row in held_out}
        evaluation = evaluate_segmentation(
            predictor,
            year.frames.iloc[list(held_out)],
            lambda frame: year.volume(rows[frame]),
            lambda frame: None if (known := held_out[rows[frame]]) is None else label_map(known),
            IntervalParams(seed=0, draws=100, level=0.95),
        )
        learned = learn_quality("segmentation", evaluation, {})
        judged = folder / "evaluation"
        judged.mkdir()
        learned.reference.to_parquet(judged / "reference.parquet", index=False)
        evaluation.per_patient.to_parquet(judged / "per_patient.parquet", index=False)
        evaluation.frames[["frame_id", "judged", "dice_mean"]].to_parquet(judged / FRAMES, index=False)
        (judged / QUALITY_FILE).write_text(json.dumps(learned.known.as_json()))
        (judged / "calibration.json").write_text("{}")
        (folder / "metrics.json").write_text(json.dumps(evaluation.metrics, default=str))
        whole = folder / "package"
        digest = assemble_package(
            whole, model=folder / "model", evaluation=judged, metrics=folder / "metrics.json", lineage=facts
        )
        return register_model(
            self.registry, self.store, name=NAME, package=whole, package_hash=digest,
            tags={"label": label},
        )  # fmt: skip

    def predictor(self, version: ModelVersion) -> SegmentationPredictor:
        from components.models.segmentation_predictor import SegmentationPredictor

        found = load_predictor(self.registry.fetch(version), device="cpu")
        assert isinstance(found, SegmentationPredictor)
        return found
