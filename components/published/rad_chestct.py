"""Rad-ChestCT (Draelos et al., doi 10.1016/j.media.2020.101857) as it is published, as rows of cases.csv.

A scan is ``trn|val|tst<number>.npz`` with one array ``ct``: int16 HU clipped to [-1000, 1000], resampled to 0.8 mm
along each axis, ``(slices, rows, columns)``. Slices run from head to foot, rows to the back, columns to the patient's
left (LPI). The files themselves say none of this; we have it from the authors' code, without having seen a scan: it
sorts slice positions downwards, takes only Image Orientation 1,0,0,0,1,0 and transposes
(github.com/rachellea/ct-volume-preprocessing), and its table of lung bounds has the columns sup_axis0min, ant_axis1min
and rig_axis2min.

Labels: ``NoteAcc_DEID`` and a column per abnormality, or, as published, per abnormality and place
(``abnormality*place``), which count as present when they are so at any place. Rules (SARLE) read them from reports. The
optional metadata has the patient (``MRN_DEID``): without it each scan is a patient of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType

from components.cohort.cases_cells import WIDEST_MM
from components.errors import InputError
from components.published.cases import PublishedCases, files_by_name, published_cases, row_of
from components.published.dicom_words import COLUMNS, acquisition_cells, numbers
from components.published.tables import Cells, PublishedTable, labels, plain, read_tables, texts

KEY = "NoteAcc_DEID"
SHARED_FINDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "medical_material": (
            "breast_implant", "catheter_or_port", "chest_tube", "clip", "gi_tube", "hardware",
            "heart_valve_replacement", "pacemaker_or_defib", "staple", "stent", "suture", "tracheal_tube",
        ),
        "arterial_wall_calcification": ("calcification",),
        "cardiomegaly": ("cardiomegaly",),
        "pericardial_effusion": ("pericardial_effusion",),
        "hiatal_hernia": ("hernia",),
        "lymphadenopathy": ("lymphadenopathy",),
        "emphysema": ("emphysema",),
        "atelectasis": ("atelectasis",),
        "lung_nodule": ("nodule", "nodulegr1cm"),
        "lung_opacity": ("opacity",),
        "pulmonary_fibrotic_sequela": ("fibrosis",),
        "pleural_effusion": ("pleural_effusion",),
        "peribronchial_thickening": ("bronchial_wall_thickening",),
        "consolidation": ("consolidation",),
        "bronchiectasis": ("bronchiectasis",),
        "interlobular_septal_thickening": ("septal_thickening",),
    }
)  # fmt: skip
"""CT-RATE's finding → the abnormalities of Rad-ChestCT any of which makes it present: the 16 shared ones.

``mosaic_attenuation_pattern`` and ``coronary_artery_wall_calcification`` have none. The published comparison has one
class of calcification for both vessel walls; ``calcification`` is that of any tissue, coronary arteries among them, so
it is wider than our arterial wall, as ``hernia``, ``nodule`` and ``opacity`` are wider than theirs. Which devices are
medical material, and that fibrosis alone is the sequela (some add scarring), is our choice; no source settles it."""

_SUFFIXES = (".npz",)
_NAME = re.compile(r"(?:trn|val|tst)\d+")
_SPACING_MM = 0.8
_ORIENTATION = "LPI"
_LABELLED_BY = "Rad-ChestCT: rules (SARLE), from reports"


def rad_chestct_cases(
    files: Iterable[str],
    findings: Sequence[str],
    *,
    label_tables: Iterable[Iterable[str]],
    metadata_tables: Iterable[Iterable[str]] = (),
) -> PublishedCases:
    """Rows for the files of the data set.

    Args:
        files: relative paths.
        findings: names of params.yaml; one that is no finding of CT-RATE is looked for as an abnormality.
        label_tables: each as lines.
        metadata_tables: each as lines; columns NoteAcc_DEID, MRN_DEID and DICOM keywords.

    ``InputError`` for a table that cannot be read.
    """
    label_table = read_tables(
        label_tables,
        key=KEY,
        take=labels(findings, columns_of, what="the labels"),
        suffixes=_SUFFIXES,
        what="the labels",
    )
    metadata = read_tables(
        metadata_tables,
        key=KEY,
        take=texts(("MRN_DEID", "final_spacing", *COLUMNS), needed=("MRN_DEID",), what="the metadata"),
        suffixes=_SUFFIXES,
        what="the metadata",
    )
    return published_cases(
        files_by_name(files, _name),
        label_table,
        lambda name, _: _cells(name, metadata),
        columns_of(findings, label_table.header),
    )


def columns_of(findings: Sequence[str], header: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Finding → its columns at every place, for the findings that have any."""
    of: dict[str, list[str]] = {}
    for column in header:
        of.setdefault(plain(column.split("*")[0]), []).append(column)
    known = {
        name: tuple(c for base in SHARED_FINDINGS.get(plain(name), (plain(name),)) for c in of.get(base, ()))
        for name in findings
    }
    return {name: columns for name, columns in known.items() if columns}


def _name(file: str) -> str:
    path = PurePath(file)
    return path.stem if path.suffix == ".npz" and _NAME.fullmatch(path.stem) else ""


def _cells(name: str, metadata: PublishedTable) -> Cells:
    step = repr(_SPACING_MM)
    cells = {"case": name, "site": "rad-chestct", "labelled_by": _LABELLED_BY, "orientation": _ORIENTATION}
    if not metadata.header:
        return {**cells, "spacing_mm": f"{step} {step} {step}"}
    row = row_of(metadata, name, "the metadata")
    if not row["MRN_DEID"]:
        raise InputError(expected="a patient (MRN_DEID)", got="none", hint="the metadata")
    if "final_spacing" in row:
        stated = numbers(row["final_spacing"])
        if len(stated) != 1 or not 0.0 < stated[0] <= WIDEST_MM:
            raise InputError(expected="final_spacing in mm", got="no such number", hint="the metadata")
        step = repr(stated[0])
    patient = f"rad-chestct {row['MRN_DEID']}"
    return {**cells, "patient": patient, **acquisition_cells(row), "spacing_mm": f"{step} {step} {step}"}
