"""Job: a registered chest classifier as OpenVINO models for a CPU server, in 8 bits too, with its parity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.cohort.split import Side
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from components.registry.registry import ModelVersion, Registry
from pipelines.held_out import frames_of
from pipelines.progress import bar
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.models.classification_predictor import ClassificationPredictor
    from components.models.scroll_export import ExportNumber, Scan, Valid

TASK: Task = "classification"


def export(
    workspace: Workspace,
    version: ModelVersion,
    out: Path,
    *,
    registry: Registry,
    number: ExportNumber,
    scans: int,
) -> dict[str, Any]:
    """Write ``backbone.xml``, ``head.xml`` and ``export.json`` to ``out``; what the latter says of parity.

    Args:
        number: ``int8`` takes its ranges from ``scans`` prepared scans of training patients.
        scans: of held-out patients too, on which the export must agree with torch.

    Raises ``StateError`` when it does not, or there are no such scans; then nothing is written.
    """
    from components.models.classification_predictor import ClassificationPredictor
    from components.models.ct_scroll import CTScroll
    from components.models.package import load_predictor
    from components.models.scroll_export import convert, parity, write_export

    if scans < 1:
        raise ParameterError(expected="at least one scan", got=str(scans), hint="--scans 16")
    predictor = load_predictor(registry.fetch(version), device="cpu")
    network = predictor.network
    if not (isinstance(predictor, ClassificationPredictor) and isinstance(network, CTScroll)):
        raise StateError(expected="a CT-Scroll", got=type(network).__name__, hint="another version")
    shape = predictor.description.input.shape
    seen = (image for image, _ in _inputs(workspace, predictor, "train", scans)) if number == "int8" else ()
    exported = convert(network, shape, number, seen)
    found = parity(exported, _inputs(workspace, predictor, "test", scans))
    write_export(out, exported, predictor.description, found, version.package_hash)
    return {"folder": str(out), "number": number, **asdict(found)}


def _inputs(
    workspace: Workspace, predictor: ClassificationPredictor, side: Side, scans: int
) -> Iterator[tuple[Scan, Valid]]:
    from components.adapters.blosc_store import load_volume

    names = sorted(frames_of(workspace, TASK, side)["frame_id"].astype(str))[:scans]
    if not names:
        raise StateError(
            expected=f"prepared chest scans of {side} patients", got="none", hint="`ctloop split`"
        )
    show = bar(f"export: {side} scans")
    for place, name in enumerate(names, start=1):
        show(place, len(names))
        scan = predictor.network_input(load_volume(workspace.prepared(TASK) / "frames" / f"{name}.b2nd"))
        yield scan.image[0].numpy(), scan.real[0].numpy()
