"""What CT-Scroll is shown of the real chest scans: the published preprocessing, timed, as pictures. No claims.

Needs the scans at ``CTLOOP_REALDATA``; without them the tables say so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.progress import say

_SOFT, _SHARP = "B40f", "B70f"  # two reconstructions of one scan
Input = npt.NDArray[np.float32]


def real_inputs(out: Path) -> dict[str, Any]:
    """File → seconds and what fills the input; the two kernels compared; ``ct-scroll-FILE.webp`` in ``out``."""
    folder = Path(os.environ.get("CTLOOP_REALDATA", "")) / "chest"
    files = sorted(folder.glob("*.nii.gz")) if os.environ.get("CTLOOP_REALDATA") else []
    if not files:
        return {"shown": False, "why": "no chest/*.nii.gz where CTLOOP_REALDATA points"}
    table: dict[str, Any] = {"shown": True, "scans": {}}
    kernels: dict[str, Input] = {}
    for name, facts, image in _prepared(folder, files, out):
        table["scans"][name] = facts
        say(f"{name}: read {facts['read_s']} s, to 240×480×480 {facts['prepare_s']} s")
        kernels |= {kernel: image for kernel in (_SOFT, _SHARP) if kernel in name}
    if len(kernels) == 2:
        table["kernels"] = _compared(kernels[_SOFT], kernels[_SHARP])
    return table


def _prepared(folder: Path, files: list[Path], out: Path) -> Iterator[tuple[str, dict[str, Any], Input]]:
    import torch

    from components.adapters.readers import read_source
    from components.cohort.scan import Rejected
    from components.models.classification_predictor import Calibration, ClassificationPredictor
    from components.models.ct_scroll import CTScroll
    from components.models.package import build_network
    from components.volume.volume import Volume
    from pipelines.figures.chest_views import chest_views
    from pipelines.import_weights import published_description

    description = published_description()
    network = build_network(description).eval()
    assert isinstance(network, CTScroll)
    predictor = ClassificationPredictor(
        network=network,
        description=description,
        device=torch.device("cpu"),
        calibration=Calibration.of(description.label_names, {}, {}),
    )
    for file in files:
        start = time.perf_counter()
        (frame,) = read_source(folder, [file.name], min_slices=4)
        if isinstance(frame, Rejected):
            yield file.name, {"refused": frame.reason}, np.zeros((1, 1, 1), np.float32)
            continue
        volume, read = frame.volume, time.perf_counter()
        scan = predictor.network_input(volume)
        prepared = time.perf_counter()
        image: Input = scan.image[0].numpy()
        low, high = description.input.window_hu
        shown_hu = np.rint((image - description.input.shift) * (high - low) + low).astype(np.int16)
        picture = out / f"ct-scroll-{file.name.removesuffix('.nii.gz')}.webp"
        picture.write_bytes(chest_views(Volume(voxels_hu=shown_hu, geometry=scan.grid.geometry)))
        facts = {
            "shape": list(volume.geometry.shape),
            "spacing_mm": [round(step, 3) for step in volume.geometry.spacing_mm],
            "read_s": round(read - start, 2),
            "prepare_s": round(prepared - read, 2),
            "slices_of_240": int(scan.grid.real_slices.sum()),
            "picture": picture.name,
        }
        yield file.name, facts, image


def _compared(soft: Input, sharp: Input) -> dict[str, float]:
    """In window units, inside the body of either; noise as the spread of differences of neighbours in a slice."""
    inside = (soft > soft.min()) | (sharp > sharp.min())
    noise = {
        name: float(np.diff(image, axis=2)[inside[:, :, 1:]].std())
        for name, image in (("soft", soft), ("sharp", sharp))
    }
    return {
        "mean_absolute_difference": round(float(np.abs(soft - sharp)[inside].mean()), 4),
        "correlation": round(float(np.corrcoef(soft[inside], sharp[inside])[0, 1]), 4),
        **{f"neighbour_spread_{name}": round(value, 4) for name, value in noise.items()},
    }
