"""Make the embedded teacher: a small network trained on human heart phantoms, as a MONAI bundle.

``python -m pipelines.teacher.make_teacher`` writes ``pipelines/teacher/human_heart_ct`` (docs and LICENSE are
kept) and prints the content hash for ``params.yaml``. The same machine gives the same bytes. Run it again
after a change of ``components/phantom``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.adapters.bundle_content import bundle_sha256
from components.adapters.monai_bundle import open_bundle
from components.cohort.structures import HEART_STRUCTURES
from components.metrics.overlap import dice_per_structure
from components.models.teacher_labels import TeacherLabels
from components.phantom.body import Species
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.scanner import SCANNERS
from pipelines.offline import switch_off_telemetry
from pipelines.teacher.bundle_config import NETWORK, inference_config, metadata

FOLDER = Path(__file__).parent / "human_heart_ct"
NAME = list(b"ctloop: the embedded teacher")
FIRST_SEED = 2**40  # the demos and benches draw their patients below this
SPACING_MM = 4.0
WINDOW, DRAWN = 48, 54  # voxels; a window is cut from the drawn frame, so that the heart is off centre
TRAIN_PATIENTS, HELD_OUT_PATIENTS = 100, 12
STEPS, LEARNING_RATE = 1200, 2e-3
THREADS = 1  # the same sums in the same order on any machine; two threads gain nothing at this size

Window = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Patients:
    """Seeds of the patients that the teacher was made from and judged on."""

    train: tuple[int, ...]
    held_out: tuple[int, ...]


def patients() -> Patients:
    """Seeds that no demo or bench uses."""
    drawn = np.random.SeedSequence(NAME).generate_state(TRAIN_PATIENTS + HELD_OUT_PATIENTS, dtype=np.uint32)
    seeds = tuple(FIRST_SEED + int(seed) for seed in drawn)
    return Patients(train=seeds[:TRAIN_PATIENTS], held_out=seeds[TRAIN_PATIENTS:])


def frames_of(
    seed: int, species: Species, *, size: int, phases_percent: tuple[float, ...]
) -> tuple[CardiacFrame, ...]:
    """Frames of one phantom patient on the reference scanner, ``size`` voxels of 4 mm along each axis."""
    case = cardiac_case(
        seed=seed,
        species=species,
        scanner=SCANNERS["reference"],
        phases_percent=phases_percent,
        shape=(size, size, size),
        spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM),
    )
    return case.frames


def train(seeds: Sequence[int]) -> dict[str, Any]:
    """The state dict of a network trained with Dice + cross-entropy on random windows."""
    import torch
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    phase_rng, rng = (np.random.default_rng([*NAME, stream]) for stream in (1, 2))
    frames = _training_frames(seeds, phase_rng)
    network = UNet(**{key: value for key, value in NETWORK.items() if key != "_target_"})
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, batch=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=0.1)
    for step in _progress(STEPS):
        image_xyz, labels_xyz = _window(frames[rng.integers(len(frames))], rng)
        x_bcxyz, y_bcxyz = torch.from_numpy(image_xyz)[None, None], torch.from_numpy(labels_xyz)[None, None]
        loss = loss_of(network(x_bcxyz), y_bcxyz)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0, error_if_nonfinite=True)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"  step {step + 1}: loss {loss.item():.3f}", file=sys.stderr)
    return dict(network.state_dict())


def _training_frames(seeds: Sequence[int], rng: np.random.Generator) -> list[CardiacFrame]:
    frames: list[CardiacFrame] = []
    for seed in seeds:
        early, late = rng.uniform(0, 50), rng.uniform(50, 100)
        frames += frames_of(seed, "human", size=DRAWN, phases_percent=(early, late))
    return frames


def _window(frame: CardiacFrame, rng: np.random.Generator) -> Window:
    """A random cut, ``(x, y, z)`` as the bundle sees it, with slightly other contrast and noise."""
    start = rng.integers(0, DRAWN - WINDOW + 1, size=3)
    cut = tuple(slice(int(s), int(s) + WINDOW) for s in start)
    hu = frame.volume.voxels_hu[cut].astype(np.float64)
    hu = hu * rng.uniform(0.95, 1.05) + rng.normal(0, 10)
    hu = hu + rng.normal(0, rng.uniform(0, 12), size=hu.shape)
    low, high = -200.0, 600.0  # as in the bundle's preprocessing
    image = np.clip((hu - low) / (high - low), 0, 1).astype(np.float32)
    labels = frame.labels.labels[cut].astype(np.int64)
    return np.ascontiguousarray(image.transpose(2, 1, 0)), np.ascontiguousarray(labels.transpose(2, 1, 0))


def _progress(steps: int) -> Any:
    from tqdm import trange

    return trange(steps, desc="teacher", unit="step", file=sys.stderr, mininterval=5.0)


def write_bundle(folder: Path, state: dict[str, Any]) -> None:
    """Weights and configs; docs, licence and metrics are beside them."""
    from safetensors.torch import save_file

    (folder / "models").mkdir(parents=True, exist_ok=True)
    (folder / "configs").mkdir(exist_ok=True)
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "models/model.safetensors")
    _write_json(folder / "configs" / "inference.json", inference_config(WINDOW, SPACING_MM))
    _write_json(folder / "configs" / "metadata.json", metadata(WINDOW))


def dice_by_structure(folder: Path, species: Species, seeds: Sequence[int]) -> dict[str, float]:
    """Mean Dice over two phases of each patient, through the adapter, so that the bundle itself is judged."""
    labels = TeacherLabels(
        to_structure={name: name for name in HEART_STRUCTURES}, structures=HEART_STRUCTURES
    )
    teacher = open_bundle(folder, trusted_sha256=bundle_sha256(folder), labels=labels)
    rows = []
    for seed in seeds:
        for frame in frames_of(seed, species, size=WINDOW, phases_percent=(0.0, 40.0)):
            rows.append(dice_per_structure(teacher.label(frame.volume), frame.labels))
    return {name: round(float(np.nanmean([row[name] for row in rows])), 4) for name in HEART_STRUCTURES}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Train, write, judge."""
    drawn = patients()
    write_bundle(FOLDER, train(drawn.train))
    dice = {species: dice_by_structure(FOLDER, species, drawn.held_out) for species in ("human", "porcine")}
    means = {f"mean_{species}": round(float(np.mean(list(dice[species].values()))), 4) for species in dice}
    _write_json(
        FOLDER / "metrics.json",
        {
            "dice": {**dice, **means},
            "held_out_patients_per_species": HELD_OUT_PATIENTS,
            "steps": STEPS,
            "train_patients": TRAIN_PATIENTS,
        },
    )
    print(json.dumps({**means, "sha256": bundle_sha256(FOLDER)}, indent=1))


if __name__ == "__main__":
    switch_off_telemetry()
    main()
