"""The pools of ``ctloop bench acquisition``: who is in them, and their phantoms.

The main pool is as pools are: two thirds of usual hearts, nine rare kinds of three to five patients each, some broken
scans, patients with one frame and patients with six, and three sites of which one is rare. In the control pool rare
hearts are the rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.phantom.broken_scan import FAULTS, broken
from components.phantom.cardiac import cardiac_case
from components.phantom.heart_variants import USUAL, VARIANTS
from components.phantom.scanner import SCANNERS
from components.volume.geometry import Geometry
from pipelines.progress import bar

SIDE, SPACING_MM = 24, 8.0
GRID = Geometry.axis_aligned((SIDE,) * 3, (SPACING_MM,) * 3)
RARE = tuple(name for name in VARIANTS if name != USUAL)
BROKEN = "broken"
MAIN_POOL, CONTROL_POOL = "main", "control"
SITES = {"reference": 0.6, "reference-b": 0.28, "sharp": 0.12}  # scanner → share of the patients
FRAMES = {1: 0.5, 2: 0.25, 3: 0.15, 6: 0.1}  # frames of a patient → share of the patients
_NAME = list(b"ctloop bench acquisition")


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Patients of each kind; ``rare`` are dealt to ``rare_kinds`` in an order drawn per seed.

    Args:
        frames: frames of a patient → share of the patients.
        sites: scanner → share of the patients.
    """

    name: str
    usual: int
    rare: tuple[int, ...]
    broken: int = 0
    rare_kinds: tuple[str, ...] = RARE
    frames: tuple[tuple[int, float], ...] = tuple(FRAMES.items())
    sites: tuple[tuple[str, float], ...] = tuple(SITES.items())

    def kinds(self, generator: np.random.Generator) -> list[str]:
        """The kind of each patient, in random order."""
        counts = {USUAL: self.usual, BROKEN: self.broken}
        counts |= dict(zip(generator.permutation(np.array(self.rare_kinds)), self.rare, strict=False))
        every = [str(kind) for kind, count in counts.items() for _ in range(count)]
        return [every[i] for i in generator.permutation(len(every))]


MAIN = Composition(name=MAIN_POOL, usual=65, rare=(3, 3, 3, 3, 3, 4, 4, 4, 5), broken=4)
CONTROL = Composition(name=CONTROL_POOL, usual=16, rare=(9,) * len(RARE), broken=4)
TEST = Composition(name="test", usual=20, rare=(6,) * len(RARE), frames=((1, 1.0),))
TAUGHT = Composition(name="taught", usual=8, rare=(), frames=((1, 1.0),), sites=(("reference", 1.0),))


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Frames with their truth.

    Args:
        frames: one row each: ``frame_id``, ``case_id``, ``patient_id``, ``batch``, ``phase_percent``, ``kind``,
            ``site``.
        voxels: ``(n, z, y, x)`` int16 HU.
        labels: ``(n, z, y, x)`` uint8, of chests ``(n, l)`` findings; nothing on a broken scan.
    """

    frames: pd.DataFrame
    voxels: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            columns = {f"frame.{name}": self.frames[name].to_numpy() for name in self.frames}
            texts = {name: col.astype(str) if col.dtype == object else col for name, col in columns.items()}
            arrays: dict[str, Any] = {"voxels": self.voxels, "labels": self.labels, **texts}
            np.savez_compressed(file, **arrays)
        os.replace(part, path)

    @staticmethod
    def load(path: Path) -> Pool:
        with np.load(path, allow_pickle=False) as kept:
            columns = {
                name.removeprefix("frame."): kept[name] for name in kept.files if name.startswith("frame.")
            }
            frames = pd.DataFrame(
                {name: col.astype(object) if col.dtype.kind == "U" else col for name, col in columns.items()}
            )
            return Pool(frames=frames, voxels=kept["voxels"], labels=kept["labels"])


@dataclass(frozen=True, kw_only=True)
class Patient:
    name: str
    kind: str
    scanner: str
    seed: int
    phases_percent: tuple[float, ...]


Drawn = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]
Draw = Callable[[Patient], Drawn]


def draw_pool(composition: Composition, seed: int, *, draw: Draw | None = None, workers: int = 1) -> Pool:
    """The patients of ``seed``, by ``draw`` (hearts); those of another composition are others."""
    patients, one = patients_of(composition, seed), draw or draw_heart
    show = bar(f"drawing the {composition.name} patients", "patient")
    with ExitStack() as stack:
        if workers == 1:
            found: Iterable[Drawn] = map(one, patients)
        else:
            processes = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
            found = processes.map(one, patients, chunksize=4)
        drawn = []
        for done, frames in enumerate(found, start=1):
            drawn.append(frames)
            show(done, len(patients))
    return Pool(
        frames=pd.DataFrame([row for patient in patients for row in _rows(patient)]),
        voxels=np.concatenate([voxels for voxels, _ in drawn]),
        labels=np.concatenate([labels for _, labels in drawn]),
    )


def patients_of(composition: Composition, seed: int) -> list[Patient]:
    generator = np.random.default_rng([*_NAME, seed, *composition.name.encode()])
    kinds = composition.kinds(generator)
    own = generator.integers(2**32, size=len(kinds))
    sites, site_share = zip(*composition.sites, strict=True)
    counts, count_share = zip(*composition.frames, strict=True)
    return [
        Patient(
            name=f"{composition.name}-{i:03d}",
            kind=kind,
            scanner=str(generator.choice(sites, p=site_share)),
            seed=int(own[i]),
            phases_percent=_phases(int(generator.choice(counts, p=count_share)), generator),
        )
        for i, kind in enumerate(kinds)
    ]


def _phases(count: int, generator: np.random.Generator) -> tuple[float, ...]:
    """At even steps from a random start."""
    start = float(generator.integers(100))
    return tuple(sorted((start + 100.0 * i / count) % 100.0 for i in range(count)))


def draw_heart(patient: Patient) -> Drawn:
    """Frames of one beat and their label maps."""
    case = cardiac_case(
        seed=patient.seed,
        species="human",
        scanner=SCANNERS[patient.scanner],
        phases_percent=patient.phases_percent,
        shape=GRID.shape,
        spacing_mm=GRID.spacing_mm,
        variant=USUAL if patient.kind == BROKEN else patient.kind,
    )
    voxels = np.stack([frame.volume.voxels_hu for frame in case.frames])
    labels = np.stack([frame.labels.labels for frame in case.frames])
    return as_kept(patient, voxels, labels)


def as_kept(patient: Patient, voxels: npt.NDArray[np.int16], truth: npt.NDArray[np.uint8]) -> Drawn:
    """Frames and truth; of a patient whose scan is broken what the fault leaves."""
    if patient.kind != BROKEN:
        return voxels, truth
    rng = np.random.default_rng([patient.seed, 1])
    fault = FAULTS[rng.integers(len(FAULTS))]
    return np.stack([broken(frame, fault, rng) for frame in voxels]), np.zeros_like(truth)


def _rows(patient: Patient) -> Sequence[dict[str, object]]:
    return [
        {
            "frame_id": f"{patient.name}-{i}", "case_id": patient.name, "patient_id": patient.name, "batch": "",
            "phase_percent": phase, "kind": patient.kind, "site": SCANNERS[patient.scanner].site,
        }
        for i, phase in enumerate(patient.phases_percent)
    ]  # fmt: skip
