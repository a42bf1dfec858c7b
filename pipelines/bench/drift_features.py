"""Scorecards of the patients of ``ctloop bench drift``, by a small network that learned from others of the hospital.

They are made once per seed and kept in the work folder, so that a bench that was killed goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.structures import HEART_STRUCTURES
from components.metrics.overlap import dice_per_structure
from components.models.prediction import FramePrediction
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.train_segmentation import describe
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.operations.scoring import score_cases
from pipelines.bench.drift_patients import PHASES, SHAPE, SPACING_MM, Draw, acquisition_of, draw_patients
from pipelines.bench.uncertainty_cases import Patient
from pipelines.bench.uncertainty_methods import new_network, trained
from pipelines.progress import bar, say

if TYPE_CHECKING:
    from components.volume.volume import Volume

DICE = "true_dice"
_STEPS_PER_EPOCH = 20
_CHUNK = 20
_PROCESSES = 2
_predictor: list[SegmentationPredictor] = []


def scored_patients(seed: int, draws: Sequence[Draw], work: Path, *, train: int, steps: int) -> pd.DataFrame:
    """One row per frame: a scorecard with acquisition metadata, ``shift``, ``grade``, and the case's true mean Dice."""
    key = hashlib.sha256(repr((seed, train, steps, list(draws))).encode()).hexdigest()[:16]
    file = work / f"features-{key}.parquet"
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        network = _network(seed, work, train=train, plan=_plan(seed, steps))
        tables = list(_scored(draws, network, _plan(seed, steps)))
        write_whole(file, pd.concat(tables, ignore_index=True).to_parquet(index=False))
    return read_parquet(file)


def _network(seed: int, work: Path, *, train: int, plan: SegmentationPlan) -> UNet:
    say(f"seed {seed}: training on {train} patients")
    patients = [
        Patient(name=draw.name, shift="none", severity=0.0, frames=draw.frames())
        for draw in draw_patients(seed, "train", "none", train)
    ]
    return trained("network", new_network(plan), patients, plan, work)


def _plan(seed: int, steps: int) -> SegmentationPlan:
    return SegmentationPlan(
        seed=seed, patch=SHAPE, widths=(8, 16, 32), batch_size=1, steps_per_epoch=_STEPS_PER_EPOCH,
        epochs=steps // _STEPS_PER_EPOCH, learning_rate=0.01,
    )  # fmt: skip


def _scored(draws: Sequence[Draw], network: UNet, plan: SegmentationPlan) -> Iterator[pd.DataFrame]:
    chunks = [draws[i : i + _CHUNK] for i in range(0, len(draws), _CHUNK)]
    progress = bar("scored patients")
    with ProcessPoolExecutor(
        _PROCESSES, mp_context=get_context("spawn"), initializer=_begin, initargs=(network.state_dict(), plan)
    ) as processes:
        for done, table in enumerate(processes.map(score, chunks)):
            progress(min((done + 1) * _CHUNK, len(draws)), len(draws))
            yield table


def _begin(weights: dict[str, torch.Tensor], plan: SegmentationPlan) -> None:
    torch.set_num_threads(1)
    network = new_network(plan)
    network.load_state_dict(weights)
    _predictor[:] = [
        SegmentationPredictor(
            network=network.eval(),
            description=describe(network, plan, HEART_STRUCTURES, SPACING_MM),
            device=torch.device("cpu"),
            precision=plan.used_precision,
        )
    ]


def score(draws: Sequence[Draw]) -> pd.DataFrame:
    """As ctloop scores a pool; the label maps are judged by the drawn truth."""
    drawn = {f"{draw.name}-{i}": frame for draw in draws for i, frame in enumerate(draw.frames())}
    dice: dict[str, float] = {}

    def judge(frame: str, prediction: FramePrediction) -> None:
        assert prediction.labels is not None
        dice[frame] = float(
            np.nanmean(list(dice_per_structure(prediction.labels, drawn[frame].labels).values()))
        )

    def load(frame: str) -> Volume:
        return drawn[frame].volume

    table = score_cases(_predictor[0], pd.DataFrame(_frames(draws)), load, on_prediction=judge)
    about = pd.DataFrame(
        {
            "case_id": [d.name for d in draws],
            "shift": [d.shift for d in draws],
            "grade": [d.grade for d in draws],
        }
    )
    table = table.assign(**{DICE: table["frame_id"].map(dice).astype(float)})
    return table.assign(**{DICE: table.groupby("case_id")[DICE].transform("mean")}).merge(about, on="case_id")


def _frames(draws: Sequence[Draw]) -> Iterator[dict[str, Any]]:
    for draw, acquired in zip(draws, acquisition_of(draws), strict=True):
        batch = draw.name.split("-", maxsplit=1)[0]
        for i, phase in enumerate(PHASES):
            yield {
                "frame_id": f"{draw.name}-{i}", "case_id": draw.name, "patient_id": draw.name, "batch": batch,
                "phase_percent": phase, **acquired,
            }  # fmt: skip
