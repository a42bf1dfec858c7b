"""The year of ``ctloop bench loop``: twelve monthly batches, what changes in them, and who answers wrongly.

Every patient is acquired a little differently, as in ``ctloop bench drift``. From month 4 on most come from another
scanner, slow and badly calibrated; from month 7 on most are timed for the lungs' vessels; from month 10 on half of the
patients are pigs. All of it stays, so that a model must learn the new without forgetting the old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.cohort.structures import HEART_LABELS
from components.phantom.cardiac import cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.volume import LabelMap, Volume
from pipelines.bench.acquisition_pool import GRID, Pool
from pipelines.bench.drift_patients import NONE, Draw, acquisition_of, draw_patients
from pipelines.progress import bar

MONTHS = 12
SHIFTS = {"scanner": 4, "protocol": 7, "population": 10}  # what changes → first month
WRONG_MONTH, BAD_MONTH, TEACHER_MONTH, RECALL_MONTH = 6, 8, 8, 9
SHARES = {"scanner": 0.6, "protocol": 0.6, "population": 0.5}  # of the patients, from then on
MOTION_MM = 25.0
START, HELD_OUT, TAUGHT, BATCH, FRESH = "start", "held-out", "taught", "batch", "fresh"
_NAME = list(b"ctloop bench loop")
Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class YearSize:
    """Patients of each group, and phases of a cine; ``fresh`` judge the month, in one frame each."""

    start: int = 16
    held_out: int = 24
    taught: int = 20
    batch: int = 40
    fresh: int = 40
    months: int = MONTHS
    phases: tuple[float, ...] = (0.0, 35.0, 70.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Year:
    """All patients of a seed.

    Args:
        pool: frames of every patient but the fresh ones, with ``batch`` (``start``, ``month-04`` …) and acquisition.
        fresh: month → patients who judge it.
    """

    seed: int
    size: YearSize
    pool: Pool
    fresh: dict[int, Pool]

    @property
    def frames(self) -> pd.DataFrame:
        return self.pool.frames

    def rows(self, batch: str) -> list[int]:
        """Rows of a batch."""
        return np.flatnonzero(self.frames["batch"] == batch).tolist()

    def volume(self, row: int) -> Volume:
        return Volume(voxels_hu=self.pool.voxels[row], geometry=GRID)


def label_map(labels_zyx: Labels) -> LabelMap:
    """On the bench's grid, of the heart's structures."""
    return LabelMap(labels=labels_zyx, geometry=GRID, names=dict(HEART_LABELS))


def batch_name(month: int) -> str:
    return f"month-{month:02d}"


def draw_year(seed: int, size: YearSize, work: Path) -> Year:
    """Drawn group by group; what a killed bench had drawn is read again."""
    groups: list[tuple[str, int, int, tuple[float, ...]]] = [
        (START, 0, size.start, size.phases),
        (HELD_OUT, 0, size.held_out, size.phases),
        (TAUGHT, 0, size.taught, size.phases),
        *((BATCH, month, size.batch, size.phases) for month in range(1, size.months + 1)),
        *((FRESH, month, size.fresh, size.phases[:1]) for month in range(1, size.months + 1)),
    ]
    show, found = bar("drawing the year", "group"), []
    for done, (side, month, count, phases) in enumerate(groups, start=1):
        found.append(_kept(work / f"{side}-{month:02d}.npz", seed, side, month, count, phases))
        show(done, len(groups))
    shown = found[: -size.months]
    return Year(
        seed=seed,
        size=size,
        pool=Pool(
            frames=pd.concat([one.frames for one in shown], ignore_index=True),
            voxels=np.concatenate([one.voxels for one in shown]),
            labels=np.concatenate([one.labels for one in shown]),
        ),
        fresh=dict(enumerate(found[-size.months :], start=1)),
    )


def _kept(path: Path, seed: int, side: str, month: int, count: int, phases: Sequence[float]) -> Pool:
    if not path.is_file():
        _draw(patients_of(seed, side, month, count), side, month, tuple(phases)).save(path)
    return Pool.load(path)


def patients_of(seed: int, side: str, month: int, count: int) -> list[Draw]:
    """Those of a month; another ``side`` has other patients, in the same mixture."""
    name = f"loop{side}{month:02d}"
    rng = np.random.default_rng([*_NAME, seed, *name.encode()])
    draws = draw_patients(seed, name, NONE, count)
    changed = {
        shift: rng.permutation(count) < (share * count if month >= SHIFTS[shift] else 0)
        for shift, share in SHARES.items()
    }
    return [
        _changed(one, {shift: bool(of[i]) for shift, of in changed.items()}) for i, one in enumerate(draws)
    ]


def _changed(draw: Draw, shifts: Mapping[str, bool]) -> Draw:
    # one grid for all: the small students learn voxels, not millimetres
    scanner = replace(draw.scanner, field_of_view=1.0)
    if shifts["scanner"]:
        found = SCANNERS["uncalibrated"]
        scanner = replace(found, hu_offset=found.hu_offset + draw.scanner.hu_offset, motion_mm=MOTION_MM)
    return replace(
        draw,
        scanner=scanner,
        variant="pulmonary_timing" if shifts["protocol"] else draw.variant,
        species="porcine" if shifts["population"] else "human",
    )


def _draw(patients: Sequence[Draw], side: str, month: int, phases: tuple[float, ...]) -> Pool:
    cases = [
        cardiac_case(
            seed=one.seed, species=one.species, scanner=one.scanner, phases_percent=phases,
            shape=GRID.shape, spacing_mm=GRID.spacing_mm, variant=one.variant,
        ).frames
        for one in patients
    ]  # fmt: skip
    batch = side if month == 0 else batch_name(month)
    rows = [
        {
            "frame_id": f"{one.name}-{i}", "case_id": one.name, "patient_id": one.name, "batch": batch,
            "phase_percent": phase, **acquired,
        }
        for one, acquired in zip(patients, acquisition_of(patients), strict=True)
        for i, phase in enumerate(phases)
    ]  # fmt: skip
    return Pool(
        frames=pd.DataFrame(rows),
        voxels=np.stack([frame.volume.voxels_hu for case in cases for frame in case]),
        labels=np.stack([frame.labels.labels for case in cases for frame in case]),
    )
