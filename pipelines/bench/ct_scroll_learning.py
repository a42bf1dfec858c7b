"""CT-Scroll against average pooling on chest phantoms: the same backbone, training and data, other patients to judge.

Findings smaller than the grid's voxels (calcifications, wires, nodules, hernias of a few mm) cannot be seen at this
size by anybody; the seven larger ones are asked for.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from components.metrics.bootstrap import paired_difference
from components.metrics.macro import mean_over_findings
from components.metrics.ranking import auroc
from components.metrics.weighting import Array
from components.models.labeled import LabeledScan
from components.models.training_plan import Augmentation, ClassificationPlan
from components.operations.evaluation import IntervalParams, interval_of
from components.phantom.chest import chest_case
from components.phantom.scanner import SCANNERS
from pipelines.progress import bar, say

if TYPE_CHECKING:
    from components.models.relevance import Relevance

FINDINGS = (
    "cardiomegaly", "emphysema", "lung_opacity", "interlobular_septal_thickening", "atelectasis",
    "pleural_effusion", "pericardial_effusion",
)  # fmt: skip
SPREAD = ("emphysema", "interlobular_septal_thickening", "lung_opacity", "atelectasis")  # over many slices
SPACING_MM, SHAPE = 6.0, (48, 64, 64)
TRAINED, JUDGED = 480, 240
INTERNAL, EXTERNAL = ("reference", "reference-b"), ("sharp",)
PLAN = ClassificationPlan(
    shape=SHAPE, widths=(16, 32, 64, 128), embedding=128, heads=8, window=4, token_dropout=0.0,
    attention_dropout=0.0, classifier_dropout=0.1, batch_size=8, epochs=30, learning_rate=1e-3, ema=0.1,
    augmentation=Augmentation(
        scale=0.08, rotation_degrees=4.0, shift_share=0.04, mirror=0.5, contrast=0.1, brightness=0.04, noise=0.04,
        blur=0.2, kernel=0.3,
    ),
)  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {"ct-scroll": {}, "average-pooling": {"depth": 0}}

Voxels = npt.NDArray[np.int16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patients:
    """Scans ``(z, y, x)`` with their findings ``(n, l)``."""

    voxels: Sequence[Voxels]
    findings: npt.NDArray[np.float32]

    @property
    def scans(self) -> list[LabeledScan]:
        """As training and judging take them."""
        return [
            LabeledScan(
                case_id=f"{n:04d}", patient_id=f"{n:04d}", provenance="expert", read_hu=partial(_given, voxels),
                findings=findings,
            )
            for n, (voxels, findings) in enumerate(zip(self.voxels, self.findings, strict=True))
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What the networks of one seed say: variant → probabilities ``(n, l)`` of the judging patients."""

    internal: Patients
    external: Patients
    inside: dict[str, Array]
    outside: dict[str, Array]
    networks: dict[str, Any]


def draw(scanners: Sequence[str], first: int, count: int) -> Patients:
    """Patients ``first``, ``first`` + 1, …, each on one of the scanners."""
    tasks = [(first + n, scanners[n % len(scanners)]) for n in range(count)]
    show = bar(f"phantoms ({', '.join(scanners)})")
    made = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for done, case in enumerate(pool.map(_draw, tasks, chunksize=8), start=1):
            made.append(case)
            show(done, count)
    return Patients(voxels=[v for v, _ in made], findings=np.stack([f for _, f in made]))


def learn(seed: int) -> Learned:
    """Train each variant on the same patients; judge all on others, on the same and on a changed scanner."""
    from components.models.judge_scans import probabilities

    start = (seed + 1) * 10**7
    teaching = draw(INTERNAL, start, TRAINED)
    internal, external = draw(INTERNAL, start + 10**6, JUDGED), draw(EXTERNAL, start + 2 * 10**6, JUDGED)
    networks = {
        name: _train(dataclasses.replace(PLAN, seed=seed, **v), teaching) for name, v in VARIANTS.items()
    }
    return Learned(
        internal=internal,
        external=external,
        inside={name: probabilities(network, internal.scans, PLAN) for name, network in networks.items()},
        outside={name: probabilities(network, external.scans, PLAN) for name, network in networks.items()},
        networks=networks,
    )


def explainer(network: Any) -> Callable[[Voxels], Relevance]:
    """Which triplets of a scan say what, by the way that the product has."""
    import torch

    from components.models.classification_predictor import Calibration, ClassificationPredictor
    from components.models.train_classification import describe
    from components.volume.geometry import Geometry
    from components.volume.volume import Volume

    predictor = ClassificationPredictor(
        network=network,
        description=describe(network, PLAN, FINDINGS, (SPACING_MM,) * 3),
        device=torch.device("cpu"),
        calibration=Calibration.of(FINDINGS, {}, {}),
    )
    grid = Geometry.axis_aligned(SHAPE, (SPACING_MM,) * 3)
    return lambda voxels: predictor.explain(Volume(voxels_hu=voxels, geometry=grid))


def setup() -> dict[str, Any]:
    """For the tables."""
    return {
        "findings": list(FINDINGS), "spread": list(SPREAD), "trained": TRAINED, "judged": JUDGED,
        "scan": list(SHAPE), "spacing_mm": SPACING_MM, "internal": list(INTERNAL), "external": list(EXTERNAL),
        "epochs": PLAN.epochs,
    }  # fmt: skip


def macro_auroc(
    patients: Patients, said: Array, seed: int, findings: Sequence[str] = FINDINGS
) -> dict[str, Any]:
    """With its interval over patients, and by finding."""
    names = [str(n) for n in range(len(said))]
    chosen = [FINDINGS.index(name) for name in findings]
    single = {
        FINDINGS[k]: interval_of(names, partial(_one, patients.findings[:, k], said[:, k]), _params(seed))
        for k in chosen
    }
    return {"macro": interval_of(names, _macro(patients, said, chosen), _params(seed)), **single}


def macro_difference(
    patients: Patients, ours: Array, theirs: Array, seed: int, findings: Sequence[str]
) -> dict[str, Any]:
    """Interval of macro AUROC of ``ours`` - ``theirs`` on the same resampled patients."""
    names = [str(n) for n in range(len(ours))]
    chosen = [FINDINGS.index(name) for name in findings]
    both = paired_difference(_macro(patients, ours, chosen), _macro(patients, theirs, chosen))
    return interval_of(names, both, _params(seed))


def _draw(task: tuple[int, str]) -> tuple[Voxels, npt.NDArray[np.float32]]:
    number, scanner = task
    case = chest_case(seed=number, scanner=SCANNERS[scanner], shape=SHAPE, spacing_mm=(SPACING_MM,) * 3)
    return case.volume.voxels_hu, np.array([case.findings[name] for name in FINDINGS], np.float32)


def _train(plan: ClassificationPlan, patients: Patients) -> Any:
    from components.models.train_classification import train_classification

    with tempfile.TemporaryDirectory() as scratch:
        network, curves = train_classification(patients.scans, plan, FINDINGS, checkpoints=Path(scratch))
    say(f"seed {plan.seed}, depth {plan.depth}: loss {curves['classifier'][-1]:.3f}")
    return network.eval()


def _given(voxels: Voxels) -> Voxels:
    return voxels


def _one(truth: npt.NDArray[np.float32], said: Array, weight: Array) -> Array:
    return auroc(truth.astype(np.float64), said, weight)


def _macro(patients: Patients, said: Array, chosen: Sequence[int]) -> Any:
    def macro(weight: Array) -> Array:
        values = [_one(patients.findings[:, k], said[:, k], weight) for k in chosen]
        return mean_over_findings(np.stack(values, axis=-1))

    return macro


def _params(seed: int) -> IntervalParams:
    return IntervalParams(seed=seed, draws=2000, level=0.95)
