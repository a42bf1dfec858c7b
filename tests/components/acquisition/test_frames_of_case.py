from __future__ import annotations

import numpy as np
import pandas as pd

from components.acquisition.frames_of_case import frames_of_case


def test_frames_are_few_and_far_apart_in_the_cycle() -> None:
    case = pd.DataFrame(
        {
            "frame_id": [f"f{i}" for i in range(10)],
            "phase_percent": np.arange(10) * 10.0,
            "uncertainty": [0.1] * 9 + [0.9],
        }
    )
    assert frames_of_case(case, 1) == ("f9",)
    assert frames_of_case(case, 2) == ("f9", "f4")
    assert len(frames_of_case(case, 99)) == 10


def test_a_plain_ct_has_its_one_frame() -> None:
    case = pd.DataFrame({"frame_id": ["only"], "phase_percent": [np.nan], "uncertainty": [0.3]})
    assert frames_of_case(case, 2) == ("only",)
