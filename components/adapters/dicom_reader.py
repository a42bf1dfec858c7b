"""DICOM files of any nesting as frames: grouped by series, split by cardiac phase, checked, then stacked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from components.adapters.dicom_header import SliceHeader, discreet, read_header
from components.adapters.unreadable import reason_of
from components.cohort.cardiac_phase import percent_in, phases, without_percent
from components.cohort.scan import FrameKey, Rejected, ScannedFrame
from components.errors import InputError
from components.volume.hounsfield import to_hounsfield
from components.volume.resample import AIR_HU
from components.volume.slice_stack import SliceStack, grid, is_orthonormal, problems
from components.volume.volume import Volume


def read_dicom(
    root: Path, files: Sequence[str], *, min_slices: int, done: Container[FrameKey] = frozenset()
) -> Iterator[ScannedFrame | Rejected]:
    """Frames of every CT series among ``files``, one at a time in memory.

    Args:
        root: the batch folder; ``files`` are relative to it.
        files: DICOM files; their headers are all read first.
        min_slices: a frame with fewer is rejected.
        done: frames to pass over, by source and index.
    """
    series: dict[str, list[SliceHeader]] = defaultdict(list)
    for file in sorted(files):
        header = read_header(root, file)
        if isinstance(header, Rejected):
            yield header
        else:
            # files without a series are told of together, folder by folder
            series[header.series_uid or f"no UID in {Path(file).parent}"].append(header)
    keys = _case_keys(series)
    for uid, headers in series.items():
        yield from _read_series(root, headers, keys[uid], min_slices, done)


def _case_keys(series: dict[str, list[SliceHeader]]) -> dict[str, str]:
    """Series UID → case key: series that differ only in the phase of their description are one case."""
    groups: dict[str, dict[float | None, list[str]]] = defaultdict(lambda: defaultdict(list))
    for uid, headers in series.items():
        h = headers[0]
        name = (h.study_uid, without_percent(h.description), h.acquisition.kernel, str(h.slice_thickness))
        groups["|".join(name)][percent_in(h.description)].append(uid)
    keys = {uid: uid for uid in series}
    for shared, by_phase in groups.items():
        uids = [uid for same in by_phase.values() for uid in same]
        if None not in by_phase and len(by_phase) == len(uids) > 1:
            keys.update(dict.fromkeys(uids, shared))
    return keys


def _read_series(
    root: Path, headers: list[SliceHeader], case_key: str, min_slices: int, done: Container[FrameKey]
) -> Iterator[ScannedFrame | Rejected]:
    scouts = [h for h in headers if h.is_localizer]
    slices = [h for h in headers if not h.is_localizer]
    if scouts:
        yield Rejected(source=scouts[0].file, reason=f"localizer: {len(scouts)} images", files=len(scouts))
    if not slices:
        return
    reasons = _whole_series_problems(slices)
    if reasons:
        yield Rejected(source=slices[0].file, reason="; ".join(reasons), files=len(slices))
        return
    normal = _stack(slices[:1]).normal
    try:
        groups = phases([h.phase_attributes(normal) for h in slices])
    except InputError as error:
        yield Rejected(source=slices[0].file, reason=reason_of(error), files=len(slices))
        return
    for index, phase in enumerate(groups):
        frame = [slices[i] for i in groups[phase]]
        if (frame[0].file, index) in done:
            continue
        try:
            yield _read_frame(root, frame, case_key, index, phase, min_slices)
        except Exception as error:  # as in read_header, and whatever the codecs raise
            yield Rejected(source=frame[0].file, reason=reason_of(error), files=len(frame))


def _whole_series_problems(slices: Sequence[SliceHeader]) -> list[str]:
    """What makes a series unusable before its slices are looked at as a stack."""
    others = sorted({h.modality or "unknown" for h in slices} - {"CT"})
    if others:
        return [f"not CT: modality {', '.join(others)}"]
    if any(h.frames > 1 for h in slices):
        return ["enhanced multi-frame CT: convert it to one file per slice"]
    if any(h.samples != 1 for h in slices):
        return ["colour images"]
    without_place = sum(h.position is None or h.orientation is None or h.spacing is None for h in slices)
    if without_place:
        return [f"no position, orientation or pixel spacing in {without_place} of {len(slices)} slices"]
    crooked = sum(h.orientation is not None and not is_orthonormal(h.orientation) for h in slices)
    if crooked:
        return [f"row and column directions that are not orthonormal in {crooked} of {len(slices)} slices"]
    if len({h.patient_id for h in slices}) > 1:
        return ["several patients under one series UID"]
    uids = Counter(h.sop_uid for h in slices)
    shared = sum(count for count in uids.values() if count > 1)
    reasons = [] if slices[0].series_uid else ["no SeriesInstanceUID"]
    if shared:
        reasons.append(f"duplicate SOPInstanceUIDs: {shared} of {len(slices)} slices have none of their own")
    return reasons + list(problems(_stack(slices))) if reasons else []


def _read_frame(
    root: Path,
    slices: Sequence[SliceHeader],
    case_key: str,
    index: int,
    phase: float | None,
    min_slices: int,
) -> ScannedFrame | Rejected:
    stack = _stack(slices)
    reasons = list(problems(stack))
    if len(slices) < min_slices:
        reasons.append(f"only {len(slices)} slices, fewer than {min_slices}")
    if reasons:
        return Rejected(source=slices[0].file, reason="; ".join(reasons), files=len(slices))
    first = slices[0]
    voxels = to_hounsfield(np.stack([_pixels_hu(root, slices[i]) for i in stack.order]))
    return ScannedFrame(
        source=first.file,
        patient_key=first.patient_id or first.study_uid or None,
        case_key=case_key,
        index=index,
        phase_percent=phase,
        volume=Volume(voxels_hu=voxels, geometry=grid(stack)),
        acquisition=first.acquisition,
        files=len(slices),
    )


def _stack(slices: Sequence[SliceHeader]) -> SliceStack:
    return SliceStack(
        positions_mm=np.array([h.position for h in slices], dtype=np.float64),
        orientations=np.array([h.orientation for h in slices], dtype=np.float64),
        pixel_spacings_mm=np.array([h.spacing for h in slices], dtype=np.float64),
        sizes=np.array([(h.rows, h.columns) for h in slices], dtype=np.int64),
        tilt_degrees=max((h.tilt_degrees for h in slices), key=abs),
    )


def _pixels_hu(root: Path, header: SliceHeader) -> npt.NDArray[np.float32]:
    """``(rows, columns)`` after the modality transform (PS3.3 C.11.1); padding becomes air."""
    with discreet():
        dataset: Any = pydicom.dcmread(root / header.file)
        stored = dataset.pixel_array
        slope, intercept = _stated(dataset, "RescaleSlope", 1.0), _stated(dataset, "RescaleIntercept", 0.0)
        padding = dataset.get("PixelPaddingValue")
    values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if padding is not None:
        values[stored == padding] = AIR_HU
    return np.asarray(values, dtype=np.float32)


def _stated(dataset: Any, name: str, otherwise: float) -> float:
    value = dataset.get(name)
    return otherwise if value is None or value == "" else float(value)
