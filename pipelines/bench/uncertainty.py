"""``ctloop bench uncertainty``: does one pass know when it is wrong, as well as five networks do?

All networks learn from unshifted patients, with equal steps each, so that the ensemble has five times our training; in
the table stands one whose five members together take as many steps as ours, too. Test patients come from five shifts of
random severity. The predicted quality was learned from other patients with expert labels, as requests bring them back:
they carry the same kinds of shift, drawn anew, and no test patient is among them. So ours has seen labels of shifted
scans that the references have not; the table shows our signals without that calibration, and the references with our
aggregation of their probabilities, too.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import StateError
from components.models.training_plan import SegmentationPlan
from components.scorecard.predicted_quality import QualityEstimate, fit_quality
from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.uncertainty_cases import SHIFTS, SIDE, SPACING_MM, shifted_patients
from pipelines.bench.uncertainty_claims import (
    SeedResult,
    claims_of,
    methods_of,
    methods_table,
    shifts_table,
)
from pipelines.progress import say


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    train_patients: int
    calibration_per_shift: int
    test_per_shift: int
    steps: int


_SIZES: dict[Size, _Sizes] = {
    "small": _Sizes(train_patients=40, calibration_per_shift=12, test_per_shift=14, steps=3000),
    "full": _Sizes(train_patients=80, calibration_per_shift=24, test_per_shift=40, steps=4000),
}
STEPS_PER_EPOCH = 20


def bench(request: BenchRequest) -> BenchResult:
    """Claims over all seeds."""
    from pipelines.bench.uncertainty_figure import draw_uncertainty

    sizes, results, real = _SIZES[request.size], [], []
    for seed in request.seeds:
        result, illustration = _seed(seed, sizes, request.out / f"uncertainty-{seed}.work")
        results.append(result)
        real.append(illustration)
    tables = {
        "sizes": {
            **dataclasses.asdict(sizes),
            "shifts": SHIFTS,
            "voxels": SIDE,
            "spacing_mm": SPACING_MM,
        },
        "scores": methods_table(results),
        "shifts": shifts_table(results),
        "cost": [result.cost for result in results],
        "real_scans": real[0],
    }
    figure = draw_uncertainty(results)
    for seed in request.seeds:
        shutil.rmtree(request.out / f"uncertainty-{seed}.work", ignore_errors=True)
    return BenchResult(claims=claims_of(results), tables=tables, figure=figure)


def _seed(seed: int, sizes: _Sizes, work: Path) -> tuple[SeedResult, dict[str, Any]]:
    from pipelines.bench.uncertainty_cost import cost_in_plain_passes, cost_of_a_large_pass
    from pipelines.bench.uncertainty_methods import Networks, listen, one_core
    from pipelines.bench.uncertainty_real import real_scans

    say(f"seed {seed}: drawing patients")
    known = shifted_patients(seed, "known", sizes.calibration_per_shift)
    test = shifted_patients(seed, "test ones", sizes.test_per_shift)
    networks = Networks.train(seed, sizes.train_patients, _plan(seed, sizes), work)
    predictor, single = networks.predictor(), networks.single()
    with one_core():
        judged = listen("ours on patients with returned labels", predictor, known)
        learned = fit_quality(judged.rows, judged.dice.tolist(), [patient.name for patient in known])
        if learned is None:
            raise StateError(
                expected="enough patients to learn from", got=str(len(known)), hint="a larger --size"
            )
        ours = listen("ours", predictor, test)
        estimates = [learned.estimate(rows) or _nothing() for rows in ours.rows]
        references = {
            "deep ensemble": listen("deep ensemble", networks.deep_ensemble(), test),
            "short ensemble": listen(
                "deep ensemble, a fifth of the steps", networks.deep_ensemble(short=True), test
            ),
            "MC dropout": listen("MC dropout", networks.monte_carlo(), test),
            "single": listen("single", single, test),
        }
    fresh = networks.predictor(), networks.single()  # made anew: an engine keeps its number of threads
    predicted = np.array([estimate.value for estimate in estimates])
    result = SeedResult(
        methods=methods_of(ours, predicted, references),
        estimates=estimates,
        cost={
            **cost_of_a_large_pass(),
            "small_network": cost_in_plain_passes(*fresh, [patient.frames[0].volume for patient in test[:5]]),
        },
        shifts=[patient.shift for patient in test],
        calibration_patients=learned.patients,
        signals=dict(zip(learned.signals, learned.weights.tolist(), strict=False)),
    )
    return result, real_scans(predictor, learned)


def _plan(seed: int, sizes: _Sizes) -> SegmentationPlan:
    return SegmentationPlan(
        seed=seed,
        patch=(SIDE, SIDE, SIDE),
        widths=(16, 32, 64),
        batch_size=1,
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=sizes.steps // STEPS_PER_EPOCH,
        learning_rate=0.01,
    )


def _nothing() -> QualityEstimate:
    """Of a case of which a signal is missing: an answer without any structure has none, and is not trusted."""
    return QualityEstimate(value=0.0, low=0.0, high=1.0)
