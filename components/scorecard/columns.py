"""The scorecard table: one row per frame, columns by prefix.

``case_id``, ``patient_id``, ``frame_id``, ``phase_percent``, ``batch``; ``uncertainty`` in [0, 1];
``temporal_jump`` (1 - mean Dice to the neighbouring frames, NaN for a single frame); ``embedding_000``…;
``output_*`` (structure volumes in ml, finding probabilities); ``image_*`` (statistics of the voxels);
``meta_*`` (acquisition metadata, numeric or text).

A model package may measure more; a strategy that needs a column that is not there says so. Of segmentation, means are
taken over the voxels where a structure may be (mean probability of background below 0.95), so that they do not depend
on the volume's size:
``predictive_entropy`` and ``mutual_information`` (of answer and member, Houlsby et al. 2011) in nats, means over these
voxels (classification: over findings); ``boundary_entropy`` in nats, a mean over the voxels at the predicted
surfaces; ``expected_dice`` (mean over structures of the Dice that the probabilities let expect, Borges et al. 2024);
``pairwise_dice_disagreement`` (1 - mean foreground Dice over pairs of members) and ``student_teacher_dice`` (mean
foreground Dice with the teacher's pseudo-label), both in [0, 1]; ``class_score_*`` (entropy × probability of the class,
a mean over these voxels; Lüth et al., arXiv 2601.13677); ``foreground_ml`` (of the pseudo-label, else as predicted).
Classification: ``margin`` (mean over findings of the difference between the probabilities of its two answers) and
``least_margin`` (of the least clear finding), in [0, 1]; ``set_*`` (a finding's conformal set in a word).
``predicted_quality`` (calibrated estimate of the case's mean Dice, classification: of 1 - error probability, in [0, 1])
with its interval ``predicted_quality_low``, ``predicted_quality_high``: the same for all frames of a case.
``measured_quality`` (the same by an expert's label, NaN without one) of the reference and of labels that returned.
"""

from __future__ import annotations

FORMAT = (
    3  # raised when the same frame and model would give another scorecard: stored ones are then made anew
)

EMBEDDING = "embedding_"
OUTPUT = "output_"
IMAGE = "image_"
META = "meta_"
CLASS_SCORE = "class_score_"
LABEL_SET = "set_"
QUALITY = "predicted_quality"
MEASURED = "measured_quality"

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
