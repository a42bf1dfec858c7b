"""Made-up scorecards with known shifts, for the tests of drift, acquisition and the monitor."""

from __future__ import annotations

import numpy as np
import pandas as pd

STRUCTURES = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium", "aorta")


def scorecards(
    patients: int,
    generator: np.random.Generator,
    *,
    frames: int = 1,
    name: str = "p",
    batch: str = "one",
    embedding_shift: float = 0.0,
    image_shift: float = 0.0,
    output_shift: float = 0.0,
    uncertainty_shift: float = 0.0,
    new_site: float = 0.0,
    dimensions: int = 32,
) -> pd.DataFrame:
    """Shifts in standard deviations between patients; ``new_site`` is the share of patients from "south"."""
    rows = []
    for number in range(patients):
        patient = f"{name}{number:03d}"
        embedding = generator.normal(size=dimensions) + embedding_shift / np.sqrt(dimensions)
        anatomy, texture = generator.normal(size=len(STRUCTURES)), generator.normal(size=8)
        sure = generator.normal() + uncertainty_shift
        south = generator.random() < new_site
        site, kernel = ("south", "SHARP") if south else ("north", ("B30f", "B40f")[number % 2])
        for phase in range(frames):
            jitter = generator.normal(scale=0.2, size=4)
            rows.append(
                {
                    "frame_id": f"{patient}c__phase-{phase * 10:03d}" if frames > 1 else f"{patient}c",
                    "case_id": f"{patient}c",
                    "patient_id": patient,
                    "batch": batch,
                    "phase_percent": 10.0 * phase if frames > 1 else float("nan"),
                    "uncertainty": float(1 / (1 + np.exp(2 - 0.5 * (sure + jitter[0])))),
                    "temporal_jump": abs(0.1 + 0.02 * jitter[1]) if frames > 1 else float("nan"),
                    **{
                        f"output_{s}_ml": 100 + 15 * (anatomy[i] + output_shift) + jitter[2]
                        for i, s in enumerate(STRUCTURES)
                    },
                    **{f"image_{i}": texture[i] + (image_shift if i < 2 else 0.0) for i in range(8)},
                    "meta_site": site,
                    "meta_kernel": kernel,
                    "meta_kvp": float(100 + 20 * (number % 2)),
                    **{f"embedding_{i:03d}": float(v + jitter[3]) for i, v in enumerate(embedding)},
                }
            )
    return pd.DataFrame(rows)
