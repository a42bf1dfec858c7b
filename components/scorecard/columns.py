"""The scorecard table: one row per frame, columns by prefix.

``case_id``, ``patient_id``, ``frame_id``, ``phase_percent``, ``batch``; ``uncertainty`` in [0, 1];
``temporal_jump`` (1 - mean Dice to the neighbouring frames, NaN for a single frame); ``embedding_000``…;
``output_*`` (structure volumes in ml, finding probabilities); ``image_*`` (statistics of the voxels);
``meta_*`` (acquisition metadata, numeric or text).
"""

from __future__ import annotations

FORMAT = (
    1  # raised when the same frame and model would give another scorecard: stored ones are then made anew
)

EMBEDDING = "embedding_"
OUTPUT = "output_"
IMAGE = "image_"
META = "meta_"

IDENTITY: tuple[str, ...] = ("frame_id", "case_id", "patient_id", "batch", "phase_percent")

# Columns of frames.parquet that a scorecard copies as ``meta_*``.
ACQUISITION: tuple[str, ...] = (
    "site",
    "manufacturer",
    "model",
    "kernel",
    "kvp",
    "slice_thickness_mm",
    "spacing_z_mm",
    "spacing_y_mm",
    "spacing_x_mm",
    "orientation",
)
