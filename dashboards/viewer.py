"""The viewer of a case: NiiVue on our own files, with what the model in use says laid over the scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from components.cohort.task import Task
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample
from components.volume.slices import WINDOWS, colour_of, slice_rgb
from dashboards.access import SECURITY_HEADERS
from dashboards.cases import case_tables
from dashboards.desk import RequestBook
from dashboards.loop import Loop
from dashboards.models import task_of
from dashboards.pictures import png
from dashboards.reading import CaseReading, Layer, Reading
from dashboards.table import Column, Table, View
from dashboards.views import Page
from dashboards.visitor import needs

router = APIRouter()
_ONE_HOUR = {"Cache-Control": "private, max-age=3600"}
_THUMBNAIL = 160
# NiiVue draws its letters from a picture inside its own text.
_POLICY = SECURITY_HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data: blob:")
_SAID = (
    Column(key="frame_id", title="Frame"),
    Column(key="phase_percent", title="% of the beat", kind="number"),
    Column(key="uncertainty", title="Uncertainty", kind="number"),
    Column(key="outputs", title="Volumes in ml, or probabilities"),
    Column(key="state", title="State", kind="state"),
)
_HIDDEN = "an audit request of this patient is open, which is answered without the model's help"
_FIRST_WINDOW: dict[Task, str] = {"segmentation": "contrast", "classification": "lung"}


def viewer_view(request: Request) -> View:
    """Frames of a case, what the model says of each as far as it is known, and the case's history."""
    task, frames = task_of(request), _frames(request)
    said = _said(request, task, frames)
    table = Table(
        key="said", caption=f"What {said.model or 'no model'} says", columns=_SAID,
        rows=[_said_row(frame, said) for frame in frames],
    )  # fmt: skip
    case = request.path_params["case"]
    extra = {
        "task": task, "case": case, "frames": frames, "windows": WINDOWS, "window": _FIRST_WINDOW[task],
        "problem": said.problem,
        "shown": {
            "frames": [{"id": str(row["frame_id"]), "phase": row["phase_percent"]} for row in frames],
            "colours": [colour_of(value) for value in range(1, 33)],
        },
    }  # fmt: skip
    return View(
        title=f"Case {case}", tables=(table, *case_tables(request, frames)), extra=extra,
        lead=f"Patient {frames[0]['patient_id']}, batch {frames[0]['batch']}.",
    )  # fmt: skip


VIEWER = Page(
    path="/cases/{task}/{case}/viewer", view=viewer_view, template="viewer.html",
    headers={"Content-Security-Policy": _POLICY},
)  # fmt: skip


@router.get("/api/cases/{task}/{case}/reading", dependencies=needs("viewer"))
def reading(request: Request, task: Task, case: str) -> Response:
    """What the model in use says of the case; what is missing is computed, so ask again until ``done``."""
    return JSONResponse(asdict(_said(request, task, _frames(request))))


@router.get("/api/cases/{task}/{case}/frames/{frame}/scan.nii.gz", dependencies=needs("viewer"))
def scan_file(request: Request, task: Task, case: str, frame: str) -> Response:
    """The scan in HU, on the grid that it was ingested on."""
    _known_frame(request, frame)
    return _file(_reading(request).scan_file(task, frame))


@router.get("/api/cases/{task}/{case}/frames/{frame}/{layer}.nii.gz", dependencies=needs("viewer"))
def layer_file(request: Request, task: Task, case: str, frame: str, layer: Layer) -> Response:
    """Structures, or the doubt of each voxel in percent, on the network's grid."""
    _known_frame(request, frame)
    hidden = _audited(request, task, _frames(request))
    found = None if hidden else _reading(request).layer_file(task, frame, layer)
    if found is None:
        raise HTTPException(404, "The model has not drawn that.")
    return _file(found)


@router.get(
    "/cases/{task}/{case}/frames/{frame}/thumbnail.png", dependencies=needs("viewer"), include_in_schema=False
)
def thumbnail(request: Request, task: Task, case: str, frame: str) -> Response:
    """The middle axial slice."""
    _known_frame(request, frame)
    scan = _reading(request).scan(task, frame)
    upright = resample(scan, canonical_geometry(scan.geometry, None))
    middle, window = upright.geometry.shape[0] // 2, WINDOWS[_FIRST_WINDOW[task]]
    picture = slice_rgb(upright, "axial", middle, window=window, long_side=_THUMBNAIL)
    return Response(png(picture), media_type="image/png", headers=_ONE_HOUR)


def _reading(request: Request) -> Reading:
    found: Reading = request.app.state.reading
    return found


def _said(request: Request, task: Task, frames: Sequence[Mapping[str, Any]]) -> CaseReading:
    """What the model says, unless an expert is asked to judge it unseen."""
    if _audited(request, task, frames):
        return CaseReading(model="", done=True, problem=_HIDDEN)
    return _reading(request).read(task, frames)


def _audited(request: Request, task: Task, frames: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the patient has an open audit request: the audit sample is judged without the model's answer."""
    store: RequestBook = request.app.state.store
    patients = {str(row["patient_id"]) for row in frames}
    open_ones = store.requests(task=task, status="open")
    return any(item.reason == "audit" and item.patient_id in patients for item in open_ones)


def _frames(request: Request) -> Sequence[Mapping[str, Any]]:
    """Rows of the case in phase order; 404 for a case that is not there."""
    loop: Loop = request.app.state.loop
    found = loop.cases(task_of(request)).frames(request.path_params["case"])
    if not found:
        raise HTTPException(404, "There is no such case.")
    return sorted(found, key=lambda row: (row["phase_percent"] or 0.0, str(row["frame_id"])))


def _known_frame(request: Request, frame: str) -> None:
    if frame not in {str(row["frame_id"]) for row in _frames(request)}:
        raise HTTPException(404, "The case has no such frame.")


def _file(content: bytes) -> Response:
    return Response(content, media_type="application/gzip", headers=_ONE_HOUR)


def _said_row(frame: Mapping[str, Any], said: CaseReading) -> dict[str, Any]:
    name = str(frame["frame_id"])
    found = said.frames.get(name)
    state = "read" if found else said.failures.get(name) or ("no model" if said.problem else "being read")
    outputs = (
        ", ".join(f"{key.removesuffix('_ml')} {value:.3g}" for key, value in found.outputs.items())
        if found
        else ""
    )
    return {
        "frame_id": name, "phase_percent": frame["phase_percent"], "state": state, "outputs": outputs,
        "uncertainty": found.uncertainty if found else None,
    }  # fmt: skip
