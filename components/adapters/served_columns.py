"""The request and the answer of a served model.

A row of the request names one scan: ``path`` on the server, or ``content`` in base64, see ``scan_door``. Each frame of
it is a row of the answer, and so is whatever could not be read or predicted, with its ``error``:

    input          number of the request's row, from 0
    frame          number of this row among those of the scan, from 0
    path           as in the request
    phase_percent  of a cine
    labels         label map on the scan's own grid, NIfTI (.nii.gz) in base64, unless it was written
    labels_path    where it was written instead, with the parameter ``output_dir``
    label_names    JSON: value in the label map → structure
    probabilities  JSON: finding → calibrated probability
    thresholds     JSON: finding → the probability from which it is called
    called         JSON: the findings that are
    uncertainty    in [0, 1]
"""

from __future__ import annotations

ASKED = ("path", "content")
ANSWERED = {
    "input": "long",
    "frame": "long",
    "path": "string",
    "phase_percent": "double",
    "labels": "string",
    "labels_path": "string",
    "label_names": "string",
    "probabilities": "string",
    "thresholds": "string",
    "called": "string",
    "uncertainty": "double",
    "error": "string",
}
"""Column → MLflow type."""
EMPTY = {name: "" if kind == "string" else None for name, kind in ANSWERED.items()}
