"""The experts of ``ctloop bench loop``: they draw the truth, but for one month in which half of the answers are wrong.

The same answers are wrong for every arm.
"""

from __future__ import annotations

import zlib
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from components.cohort.structures import HEART_LABELS
from components.labeling.drawn_label_map import DrawnLabelMap
from pipelines.bench.acquisition_pool import GRID
from pipelines.bench.loop_year import WRONG_MONTH, Year, batch_name

Labels = npt.NDArray[np.uint8]
Fault = Literal[
    "names exchanged", "left and right exchanged", "another patient's", "shifted", "unfinished", "flooded"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
WRONG_SHARE = 0.5
SHIFT_VOXELS = (0, 3, -2)
_VALUES = {name: value for value, name in HEART_LABELS.items()}
_EXCHANGED = (("left_ventricle", "right_ventricle"), ("left_atrium", "right_atrium"))


def fault_of(year: Year, row: int) -> Fault | None:
    """What is wrong with the first answer about a frame; nothing, in all but one month."""
    frame = year.frames.iloc[row]
    if frame["batch"] != batch_name(WRONG_MONTH):
        return None
    rng = np.random.default_rng([year.seed, zlib.crc32(str(frame["frame_id"]).encode())])
    return FAULTS[int(rng.integers(len(FAULTS)))] if rng.random() < WRONG_SHARE else None


def first_answer(year: Year, row: int) -> DrawnLabelMap:
    """As the reader draws it."""
    fault = fault_of(year, row)
    return drawn(year.pool.labels[row] if fault is None else spoilt(year, row, fault))


def second_answer(year: Year, row: int) -> DrawnLabelMap:
    """As another reader draws it, who was asked to look again."""
    return drawn(year.pool.labels[row])


def drawn(labels: Labels) -> DrawnLabelMap:
    return DrawnLabelMap(labels=labels, geometry=GRID)


def spoilt(year: Year, row: int, fault: Fault) -> Labels:
    """``(z, y, x)``: the truth of a frame with a fault."""
    truth = year.pool.labels[row]
    match fault:
        case "names exchanged":
            return exchanged(truth)
        case "left and right exchanged":
            return np.ascontiguousarray(truth[:, :, ::-1])
        case "another patient's":
            other: Labels = year.pool.labels[_another(year, row)]
            return other
        case "shifted":
            return np.roll(truth, SHIFT_VOXELS, axis=(0, 1, 2))
        case "unfinished":
            return np.zeros_like(truth)
    return np.full_like(truth, _VALUES["myocardium"])


def exchanged(truth: Labels) -> Labels:
    """Left and right ventricle, and left and right atrium, bear each other's name."""
    table = np.arange(256, dtype=np.uint8)
    for first, second in _EXCHANGED:
        table[[_VALUES[first], _VALUES[second]]] = _VALUES[second], _VALUES[first]
    found: Labels = table[truth]
    return found


def _another(year: Year, row: int) -> int:
    """The same place in the next patient's cine."""
    rows = year.rows(str(year.frames["batch"].iloc[row]))
    return rows[(rows.index(row) + len(year.size.phases)) % len(rows)]
