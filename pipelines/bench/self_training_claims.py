"""How the students are judged, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.cohort.structures import HEART_STRUCTURES
from components.metrics.cardiac_cycle import volume_curves_ml
from components.metrics.overlap import dice_per_structure
from components.metrics.temporal_consistency import mean_roughness
from pipelines.bench.claims import Claim
from pipelines.bench.self_training_cases import Labels, Patient, as_map

Scores = npt.NDArray[np.float64]
_DRAWS = 4000


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A student, or the teacher, on the test patients of one seed.

    Args:
        dice: ``(patients, structures)``, means over the frames.
        roughness: ``(patients,)``, ``mean_roughness`` of the volume curves.
    """

    dice: Scores
    roughness: Scores


Arms = Mapping[str, Judged]


def judged(test: Sequence[Patient], predict: Callable[[Patient, int], Labels]) -> Judged:
    """Every frame of every test patient; ``predict`` gives the labels of a patient's frame of this number."""
    dice, roughness = [], []
    for patient in test:
        maps = [as_map(frame, predict(patient, i)) for i, frame in enumerate(patient.frames)]
        rows = [dice_per_structure(m, f.labels) for m, f in zip(maps, patient.frames, strict=True)]
        dice.append([float(np.nanmean([row[name] for row in rows])) for name in HEART_STRUCTURES])
        roughness.append(mean_roughness(volume_curves_ml(maps)))
    return Judged(dice=np.array(dice), roughness=np.array(roughness))


def claims_of(results: Sequence[Arms]) -> list[Claim]:
    """The claims over all seeds: means over seeds, patients and structures."""
    dice = {name: _mean(results, name) for name in results[0]}
    gap = dice["all experts"] - dice["teacher"]
    change = np.mean([arm["M_2"].dice - arm["teacher"].dice for arm in results], axis=(0, 1))
    roughness = [np.nanmean([arm[name].roughness for arm in results]) for name in ("M_2", "teacher")]
    return [
        Claim(
            id="gap_closed_self_training",
            measured=(dice["M_2"] - dice["teacher"]) / gap,
            relation=">=",
            bound=0.5,
        ),
        Claim(
            id="gap_closed_with_4_experts",
            measured=(dice["M_2 + 4 experts"] - dice["teacher"]) / gap,
            relation=">=",
            bound=0.85,
        ),
        Claim(
            id="beats_experts_alone",
            measured=paired_lower_end(results, "M_2 + 4 experts", "experts alone"),
            relation=">",
            bound=0.0,
        ),
        Claim(id="roughness_ratio", measured=float(roughness[0] / roughness[1]), relation="<=", bound=0.67),
        Claim(id="worst_structure_change", measured=float(change.min()), relation=">=", bound=-0.005),
        Claim(
            id="poison_survived",
            measured=dice["M_2 of the poisoned"] / dice["M_2"],
            relation=">=",
            bound=0.97,
        ),
    ]


def paired_lower_end(results: Sequence[Arms], first: str, second: str) -> float:
    """Lower end of the 95 % interval of the mean difference of two students on the same patients.

    Seeds are drawn, then patients of each: with one seed a paired bootstrap over its patients.
    """
    gaps = [(arm[first].dice - arm[second].dice).mean(axis=1) for arm in results]
    generator = np.random.default_rng(0)
    means = [
        np.mean(
            [
                generator.choice(gaps[k], len(gaps[k])).mean()
                for k in generator.integers(len(gaps), size=len(gaps))
            ]
        )
        for _ in range(_DRAWS)
    ]
    return float(np.quantile(means, 0.025))


def students_table(results: Sequence[Arms]) -> list[dict[str, Any]]:
    """One row per student: mean Dice of each seed and structure, roughness, and the paired differences."""
    rows = []
    for name in results[0]:
        per_structure = np.mean([arm[name].dice.mean(axis=0) for arm in results], axis=0)
        rows.append(
            {
                "student": name,
                "dice": round(_mean(results, name), 4),
                "dice_per_seed": [round(float(arm[name].dice.mean()), 4) for arm in results],
                "dice_per_structure": {
                    structure: round(float(value), 4)
                    for structure, value in zip(HEART_STRUCTURES, per_structure, strict=True)
                },
                "roughness": round(float(np.nanmean([arm[name].roughness for arm in results])), 4),
                "lower_end_of_m2_plus_4_minus_this": round(
                    paired_lower_end(results, "M_2 + 4 experts", name), 4
                ),
            }
        )
    return rows


def _mean(results: Sequence[Arms], name: str) -> float:
    return float(np.mean([arm[name].dice.mean() for arm in results]))
