"""Small networks that were really trained, before the gate of production: forgetting, a leak, and too few patients.

The champion learned usual hearts and hearts lying mirrored. One challenger is its copy, trained on with mirrored hearts
alone: better there, it forgets the usual ones. Another is trained on with both.
"""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from components.adapters.sql_store import open_store
from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.train_segmentation import describe
from components.models.unet import UNet
from components.operations.expert_frames import ExpertFrame
from components.operations.run_gate import Candidate, run_gate
from components.phantom.heart_variants import USUAL
from components.registry.gate_params import GateParams
from components.registry.verdict import Verdict
from components.volume.volume import LabelMap, Volume
from pipelines.bench.acquisition_pool import GRID, SPACING_MM, Composition, Pool, draw_pool
from pipelines.bench.acquisition_student import PLAN, labelled, new_network, trained
from pipelines.progress import say

RARE = "mirrored"
START_STEPS, MORE_STEPS = 400, 400
_ONE_FRAME, _SITE = ((1, 1.0),), (("reference", 1.0),)


def judge_networks(seed: int, params: GateParams, work: Path) -> dict[str, Any]:
    """``leak_refused``, ``small_n_refused``, ``forgetting_refused``, and each verdict in ``rows``."""
    say(f"seed {seed}: training champion and challengers")
    work.mkdir(parents=True, exist_ok=True)
    taught = _pool("gate-taught", seed, usual=16, rare=4)
    test = _pool("gate-test", seed, usual=16, rare=12)
    plan = dataclasses.replace(PLAN, seed=seed)
    usual = labelled(taught, range(len(taught.frames)), "expert")
    mirrored = labelled(_pool("gate-mirrored", seed, usual=0, rare=16), range(16), "expert")
    champion = trained(new_network(seed), usual, plan, steps=START_STEPS, rate=plan.learning_rate)
    forgets = trained(champion, mirrored, plan, steps=MORE_STEPS, rate=plan.learning_rate)
    learns = trained(champion, [*usual, *mirrored], plan, steps=MORE_STEPS, rate=plan.learning_rate)
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        gate = partial(_gate, champion, params=params, scratch=Path(scratch))
        verdicts = {
            "forgets the usual hearts": gate(forgets, test),
            "learned both": gate(learns, test),
            "learned both, and a test patient trained it": gate(
                learns, test, leaked=str(test.frames["patient_id"].iloc[0])
            ),
            "learned both, few test patients": gate(learns, _first(test, params.min_patients - 1)),
        }
    forgetting, _, leak, few = verdicts.values()
    return {
        "rows": [_row(name, verdict, seed) for name, verdict in verdicts.items()],
        "leak_refused": leak.outcome == "refused",
        "small_n_refused": few.outcome == "not enough evidence",
        "forgetting_refused": forgetting.outcome == "refused" and _better_on_the_rare(forgetting),
    }


def _pool(name: str, seed: int, *, usual: int, rare: int) -> Pool:
    return draw_pool(
        Composition(name=name, usual=usual, rare=(rare,), rare_kinds=(RARE,), frames=_ONE_FRAME, sites=_SITE),
        seed,
    )


def _first(pool: Pool, patients: int) -> Pool:
    return Pool(
        frames=pool.frames.iloc[:patients], voxels=pool.voxels[:patients], labels=pool.labels[:patients]
    )


def _gate(
    champion: UNet, challenger: UNet, test: Pool, *, params: GateParams, scratch: Path, leaked: str | None = None
) -> Verdict:  # fmt: skip
    names = {"champion": champion, "challenger": challenger}
    before, now = (
        Candidate(name=f"bench/{i}", package_hash=name, predictor=_predictor(network))
        for i, (name, network) in enumerate(names.items(), start=1)
    )
    with closing(open_store(f"sqlite:///{scratch / 'ledger.db'}")) as ledger:
        return run_gate(
            task="segmentation",
            champion=before,
            challenger=now,
            frames=[_frame(test, row) for row in range(len(test.frames))],
            training_patients=[leaked] if leaked else [],
            params=params,
            ledger=ledger,
        )


def _predictor(network: UNet) -> SegmentationPredictor:
    return SegmentationPredictor(
        network=network,
        description=describe(network, PLAN, HEART_STRUCTURES, (SPACING_MM,) * 3),
        device=torch.device("cpu"),
        precision=PLAN.used_precision,
    )


def _frame(pool: Pool, row: int) -> ExpertFrame:
    own = pool.frames.iloc[row]
    return ExpertFrame(
        frame_id=str(own["frame_id"]),
        patient_id=str(own["patient_id"]),
        stratum=str(own["kind"]),
        fingerprint=str(own["frame_id"]),
        volume=partial(Volume, voxels_hu=pool.voxels[row], geometry=GRID),
        expert=partial(LabelMap, labels=pool.labels[row], geometry=GRID, names=dict(HEART_LABELS)),
    )


def _better_on_the_rare(verdict: Verdict) -> bool:
    """Else nothing was to be gained by forgetting."""
    means = {
        c.stratum: c.mean for c in verdict.checks if c.name == "non-inferiority" and c.endpoint == "score"
    }
    return (means.get(RARE) or 0.0) > 0.0 > (means.get(USUAL) or 0.0)


def _row(name: str, verdict: Verdict, seed: int) -> dict[str, Any]:
    means = {
        c.stratum: round(c.mean or 0.0, 4)
        for c in verdict.checks
        if c.name == "non-inferiority" and c.endpoint == "score"
    }
    return {
        "seed": seed,
        "challenger": name,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "difference": means,
    }
