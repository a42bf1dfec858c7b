"""Job: make a cine of a real, labelled heart scan by a known beat, as a batch that can be added.

Its texture is real, its motion and labels are known: what a number made from it shows is called semi-synthetic.
"""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from components.adapters.nifti_writer import write_nifti_labels, write_nifti_volume
from components.adapters.readers import read_label_map, read_source
from components.cohort.cases_cells import label_values as parse_label_values
from components.cohort.frame_id import frame_id
from components.cohort.scan import ScannedFrame
from components.errors import InputError
from components.phantom.semi_synthetic import beating_cine
from components.volume.volume import Volume
from pipelines.phantoms import write_table

CASE = "semi-synthetic"


def write_semi_synthetic_batch(
    folder: Path,
    *,
    scan: Path,
    labels: Path,
    label_values: str,
    phases_percent: tuple[float, ...],
    amplitude: float,
) -> None:
    """Write ``folder/images``, ``folder/labels`` and ``folder/cases.csv``: one patient, one frame per phase.

    Args:
        scan, labels: a 3D scan at end-diastole and its label map, on one grid.
        label_values: what the map's values mean, ``1=left_ventricle;2=aorta``.
        phases_percent: of the R-R interval.
        amplitude: see ``RadialBeat``.

    Raises ``InputError`` when a file cannot be used or ``label_values`` is none.
    """
    try:
        names = parse_label_values(label_values)
        if not names:
            raise ValueError(label_values)
    except ValueError as error:
        raise InputError(
            expected="value=structure pairs", got=repr(label_values), hint="'1=left_ventricle;2=aorta'"
        ) from error
    volume = _only_frame(scan)
    truth = read_label_map(labels, names, volume)
    rows = []
    frames = beating_cine(volume, truth, phases_percent=phases_percent, amplitude=amplitude)
    for phase, moved, label_map in tqdm(frames, desc=folder.name, unit="frame", disable=None):
        name = f"{frame_id(CASE, phase)}.nii.gz"
        write_nifti_volume(folder / "images" / name, moved)
        write_nifti_labels(folder / "labels" / name, label_map)
        rows.append(
            {
                "path": f"images/{name}",
                "patient": CASE,
                "case": CASE,
                "task": "segmentation",
                "phase": f"{phase:g}",
                "labels": f"labels/{name}",
                "label_values": label_values,
                "labelled_by": "semi-synthetic: a labelled scan moved by a known beat",
            }
        )
    rows += [{**dict.fromkeys(rows[0], ""), "path": row["labels"], "task": "none"} for row in rows]
    write_table(folder / "cases.csv", rows)


def _only_frame(scan: Path) -> Volume:
    found = list(read_source(scan.parent, (scan.name,), min_slices=8))
    if len(found) == 1 and isinstance(found[0], ScannedFrame):
        return found[0].volume
    reasons = [one.reason for one in found if not isinstance(one, ScannedFrame)]
    raise InputError(
        expected="one 3D scan",
        got=", ".join(reasons) or f"{len(found)} frames",
        hint="a scan at end-diastole",
    )
