"""Make the starting weights of the chest classifier: CT-Scroll at the demo's size, trained on chest phantoms.

``python -m pipelines.teacher.make_chest_start`` writes ``pipelines/teacher/chest_start.safetensors`` and
``chest_start.json``. They stand in for weights from a public collection, which training from few scans needs.
The seeds are none that a demo or bench draws; the scanners are the reference ones.
"""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.metrics.macro import per_finding
from components.metrics.ranking import auroc
from components.models.labeled import LabeledScan
from components.models.training_plan import ClassificationPlan
from components.phantom.chest import FINDINGS_DRAWN, chest_case
from components.phantom.scanner import SCANNERS
from components.volume.window import window_to_unit
from pipelines.offline import switch_off_telemetry
from pipelines.params import load_section
from pipelines.train import ClassificationTrainParams
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.models.classifiers import Classifier

FILE = Path(__file__).parent / "chest_start.safetensors"
FIRST_SEED = 2**41
SPACING_MM = 8.0
TRAINED, HELD_OUT = 1920, 120
EPOCHS, BATCH, LEARNING_RATE = 10, 8, 1e-3

Case = tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]


def draw(number: int) -> Case:
    """Scan and findings of one phantom patient, on one of the reference scanners."""
    scanner = SCANNERS["reference" if number % 2 else "reference-b"]
    case = chest_case(
        seed=FIRST_SEED + number, scanner=scanner, shape=(36, 48, 48), spacing_mm=(SPACING_MM,) * 3
    )
    return case.volume.voxels_hu, np.array([case.findings[name] for name in FINDINGS_DRAWN], np.float32)


def make(plan: ClassificationPlan, cases: list[Case]) -> dict[str, float]:
    """Train on the first cases, write the weights, and say how good it is on the others."""
    import torch

    from components.models.starting_weights import save_start
    from components.models.train_classification import train_classification

    torch.set_num_threads(1)  # the same sums in the same order on any machine
    scans = [
        LabeledScan(
            case_id=f"{number:04d}", patient_id=f"{number:04d}", provenance="expert",
            read_hu=lambda volume=volume: volume, findings=findings,  # type: ignore[misc]
        )
        for number, (volume, findings) in enumerate(cases[:TRAINED])
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        network, _ = train_classification(scans, plan, FINDINGS_DRAWN, checkpoints=Path(scratch))
    save_start(FILE, network, FINDINGS_DRAWN)
    return judge(network, plan, cases[TRAINED:])


def judge(network: Classifier, plan: ClassificationPlan, cases: list[Case]) -> dict[str, float]:
    """AUROC of each finding on ``cases``."""
    import torch

    network.eval()
    with torch.inference_mode():
        images = [window_to_unit(volume, *plan.window_hu) + np.float32(plan.shift) for volume, _ in cases]
        logits = torch.cat([network(torch.from_numpy(image)[None])[0] for image in images]).numpy()
    truth = np.stack([findings for _, findings in cases]).astype(np.float64)
    scores = per_finding(auroc, truth, logits.astype(np.float64))
    return {name: round(float(score), 3) for name, score in zip(FINDINGS_DRAWN, scores, strict=True)}


def shipped_plan() -> ClassificationPlan:
    """The sizes that training in a workspace has by default."""
    return load_section(ClassificationTrainParams, Workspace.at().params, "train", "classification").plan


def main() -> None:
    """Draw, train, judge, write."""
    switch_off_telemetry()
    plan = replace(shipped_plan(), start=None, epochs=EPOCHS, batch_size=BATCH, learning_rate=LEARNING_RATE)
    with ProcessPoolExecutor() as pool:
        cases = list(pool.map(draw, range(TRAINED + HELD_OUT), chunksize=8))
    facts = {
        "trained_on": f"{TRAINED} chest phantoms, scanners reference and reference-b, 8 mm",
        "first_seed": FIRST_SEED,
        "held_out_patients": HELD_OUT,
        "auroc": make(plan, cases),
    }
    FILE.with_suffix(".json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    print(json.dumps(facts, indent=1), file=sys.stderr)


if __name__ == "__main__":
    main()
