"""CT-RATE (Hamamci et al., arXiv 2403.17834) as it is published: its files and tables as rows of cases.csv.

Files are ``train|valid/<split>_<patient>/<split>_<patient>_<scan>/<split>_<patient>_<scan>_<reconstruction>.nii.gz``.
A patient may have several scans and a scan several reconstructions (kernels); each file is a case, all of one patient.

There are two releases. In the first, the NIfTI files hold stored values, and their headers' spacing cannot be trusted:
HU = value · RescaleSlope + RescaleIntercept, and the spacing is in the metadata (XYSpacing is DICOM's Pixel Spacing:
between rows, then between columns). In the second, in ``train_fixed`` and ``valid_fixed``, files hold HU and headers
are right, while the metadata still has the slope and intercept of the DICOM files: applied again, they would spoil the
scan (github.com/ibrahimethemhamamci/CT-CLIP, issue 50). We take the directions of the axes from the header in both; we
have seen no scan of either, and an ``orientation`` written into the table by hand overrules it.

The 18 labels were read from the reports by a text classifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from components.cohort.cases_cells import WIDEST_MM
from components.errors import InputError
from components.published.cases import PublishedCases, files_by_name, published_cases, row_of
from components.published.dicom_words import COLUMNS, acquisition_cells, numbers
from components.published.tables import Cells, PublishedTable, labels, plain, read_tables, texts

KEY = "VolumeName"
_VOXELS = ("RescaleSlope", "RescaleIntercept", "XYSpacing", "ZSpacing")
_SUFFIXES = (".nii.gz", ".nii")
_NAME = re.compile(r"((?:train|valid)_\d+)_[a-z]+_\d+")
_CORRECTED = {"train_fixed", "valid_fixed"}
_LABELLED_BY = "CT-RATE: text classifier, from reports"


def ct_rate_cases(
    files: Iterable[str],
    findings: Sequence[str],
    *,
    label_tables: Iterable[Iterable[str]],
    metadata_tables: Iterable[Iterable[str]],
    release: int | None = None,
    within: str = "",
) -> PublishedCases:
    """Rows for the files of the data set.

    Args:
        files: relative paths.
        findings: names of params.yaml.
        label_tables: each as lines; columns VolumeName and the findings in words.
        metadata_tables: each as lines; columns VolumeName and DICOM keywords.
        release: 1 or 2; by each file's folder unless given.
        within: path of the source, which may itself be below ``valid_fixed``.

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
        take=texts((*_VOXELS, *COLUMNS), needed=_VOXELS, what="the metadata"),
        suffixes=_SUFFIXES,
        what="the metadata",
    )

    def describe(name: str, file: str) -> Cells:
        in_place = PurePath(within, file).parts
        corrected = release == 2 if release else bool(_CORRECTED & set(in_place))
        return _cells(name, metadata, corrected=corrected)

    known = columns_of(findings, label_table.header)
    return published_cases(files_by_name(files, _name), label_table, describe, known)


def columns_of(findings: Sequence[str], header: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Finding → its column, whatever the case of its letters and whether words are joined by ``_``."""
    known = {name: tuple(c for c in header if plain(c) == plain(name)) for name in findings}
    return {name: columns for name, columns in known.items() if columns}


def _name(file: str) -> str:
    """``valid_1_a_1``; nothing for a file that is named otherwise."""
    name = PurePath(file).name
    stem = next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), "")
    return stem if _NAME.fullmatch(stem) else ""


def _cells(name: str, metadata: PublishedTable, *, corrected: bool) -> Cells:
    row = row_of(metadata, name, "the metadata")
    patient = _NAME.fullmatch(name)
    assert patient is not None
    cells = {"patient": patient[1], "case": name, "site": "ct-rate", "labelled_by": _LABELLED_BY}
    return {**cells, **acquisition_cells(row), **({} if corrected else _voxels(row))}


def _voxels(row: Cells) -> Cells:
    slope, intercept = numbers(row["RescaleSlope"]), numbers(row["RescaleIntercept"])
    across, between = numbers(row["XYSpacing"]), numbers(row["ZSpacing"])
    if len(slope) != 1 or len(intercept) != 1 or slope[0] == 0.0:
        raise InputError(
            expected="RescaleSlope and RescaleIntercept", got="no such numbers", hint="the metadata"
        )
    spacing = (*between, *across)
    if len(between) != 1 or len(across) != 2 or not all(0.0 < step <= WIDEST_MM for step in spacing):
        raise InputError(expected="ZSpacing and XYSpacing in mm", got="no such numbers", hint="the metadata")
    return {
        "rescale_slope": repr(slope[0]),
        "rescale_intercept": repr(intercept[0]),
        "spacing_mm": " ".join(map(repr, spacing)),
    }
