"""CT-Scroll for CPU servers: two OpenVINO models, checked against torch when they are written.

``backbone.xml``: triplets ``(4, slices, h, w)`` in window units → pooled features ``(4, f)``; ``head.xml``: the
features of a whole scan ``(1, t, f)`` and, where the network leaves padding out, which triplets hold no padding
``(1, t)`` → logits ``(1, l)``; ``export.json`` says what goes in, what comes out, and how
far the probabilities are from those of torch in float32 on given scans.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.errors import StateError
from components.models.ct_scroll import CTScroll
from components.models.description import ModelDescription
from components.models.eight_bit import to_eight_bits, weight_bits
from components.models.openvino_core import Number, core, openvino, settings
from components.models.scroll_engine import AT_ONCE, OpenVinoBackbone, traced_backbone

ExportNumber = Literal["float32", "bfloat16", "int8"]
TOLERANCE: dict[ExportNumber, float] = {"float32": 1e-4, "bfloat16": 5e-3, "int8": 2e-2}
BACKBONE, HEAD, FACTS = "backbone.xml", "head.xml", "export.json"
Scan = npt.NDArray[np.float32]
Valid = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Largest and mean change of a probability against torch in float32, over ``scans`` and all findings."""

    scans: int
    largest: float
    mean: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportedScroll:
    """An export ready to run; ``read_export`` or ``convert`` makes it."""

    backbone: Any
    head: Any
    number: ExportNumber
    network: CTScroll

    @cached_property
    def run(self) -> Callable[[Tensor, Tensor | None], Tensor]:
        """As ``CTScroll.forward``, of one scan: logits ``(1, l)``, without a finding's temperature."""
        threads = torch.get_num_threads()
        number: Number = "float32" if self.number == "float32" else "bfloat16"
        features = OpenVinoBackbone.of(self.network, self.backbone, number)
        head = core().compile_model(self.head, "CPU", settings("float32", threads)).create_infer_request()

        def run(image_bzyx: Tensor, valid_bt: Tensor | None = None) -> Tensor:
            pooled = features.pooled(image_bzyx)
            given = {0: pooled[None].numpy()}
            if self.network.config.mask_padding:
                every = torch.ones(1, len(pooled), dtype=torch.bool)
                given[1] = (every if valid_bt is None else valid_bt).numpy()
            head.infer(given)
            return torch.from_numpy(head.get_output_tensor(0).data.copy())

        return run


def convert(
    network: CTScroll,
    shape: tuple[int, int, int],
    number: ExportNumber,
    scans: Iterable[Scan] = (),
) -> ExportedScroll:
    """Trace both parts for scans of ``shape`` voxels.

    Args:
        network: in evaluation mode, on the processor.
        scans: ``(z, y, x)`` in window units, for the ranges of ``int8``; not those that judge it.
    """
    z, y, x = shape
    backbone = traced_backbone(network, (y, x))
    if number == "int8":
        to_eight_bits(backbone, _batches(network, scans), threads=torch.get_num_threads(), bits=weight_bits())
    tokens, features = z // network.config.slices_per_token, network.config.widths[-1]
    example = (torch.rand(1, tokens, features), torch.ones(1, tokens, dtype=torch.bool))
    inputs = example[: 1 + network.config.mask_padding]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of branches that are traced one way, as is intended
        head = openvino().convert_model(
            _Head(network).eval(), example_input=inputs, input=[list(each.shape) for each in inputs]
        )
    return ExportedScroll(backbone=backbone, head=head, number=number, network=network)


def parity(exported: ExportedScroll, scans: Iterable[tuple[Scan, Valid]]) -> Parity:
    """Of ``exported`` with the network that it was made of, on scans ``(z, y, x)`` in window units with ``(t,)``,
    which of their triplets are no padding.
    """
    changes = []
    with torch.inference_mode():
        for scan, valid in scans:
            seen = torch.from_numpy(scan)[None], torch.from_numpy(valid)[None]
            plain = exported.network(*seen)[0].sigmoid()
            changes.append((exported.run(*seen).sigmoid() - plain).abs().numpy())
    found = np.stack(changes)
    return Parity(scans=len(found), largest=float(found.max()), mean=float(found.mean()))


def write_export(
    folder: Path, exported: ExportedScroll, description: ModelDescription, found: Parity, package_hash: str
) -> None:
    """Write both models and ``export.json``; ``StateError``, and nothing written, beyond the tolerance."""
    allowed = TOLERANCE[exported.number]
    if not found.largest <= allowed:
        raise StateError(
            expected=f"probabilities within {allowed:g} of torch's in {exported.number}",
            got=f"{found.largest:.3g} on {found.scans} scans",
            hint="bfloat16 instead of int8, or more scans for its ranges",
        )
    folder.mkdir(parents=True, exist_ok=True)
    openvino().save_model(exported.backbone, folder / BACKBONE, compress_to_fp16=False)
    openvino().save_model(exported.head, folder / HEAD, compress_to_fp16=False)
    facts = {
        "package_hash": package_hash,
        "number": exported.number,
        **({"weight_bits": weight_bits()} if exported.number == "int8" else {}),
        "triplets_at_once": AT_ONCE,
        "findings": list(description.label_names),
        "input": vars(description.input) | {"temporal": None},
        "parity": vars(found) | {"tolerance": allowed},
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")


def read_export(folder: Path, network: CTScroll) -> ExportedScroll:
    """What ``write_export`` wrote, for the same network.

    ``StateError`` where the weights have more bits than this machine's sums can take: it would answer wrongly.
    """
    facts = json.loads((folder / FACTS).read_text())
    if (bits := facts.get("weight_bits", 0)) > weight_bits():
        raise StateError(
            expected=f"weights of {weight_bits()} bits, on a processor without VNNI",
            got=f"{bits} bits, for one that has it",
            hint="`ctloop export` on this machine, or --number bfloat16",
        )
    backbone, head = (core().read_model(folder / name) for name in (BACKBONE, HEAD))
    return ExportedScroll(backbone=backbone, head=head, number=facts["number"], network=network)


class _Head(nn.Module):
    def __init__(self, network: CTScroll) -> None:
        super().__init__()
        self.network = network

    def forward(self, pooled_btf: Tensor, valid_bt: Tensor | None = None) -> Tensor:
        return self.network.judge(pooled_btf, valid_bt)[0]


def _batches(network: CTScroll, scans: Iterable[Scan]) -> Iterator[Scan]:
    """``AT_ONCE`` triplets at a time, as the backbone takes them; a rest is left out."""
    for scan in scans:
        for part in torch.split(network.triplets(torch.from_numpy(scan)[None]), AT_ONCE):
            if len(part) == AT_ONCE:
                yield part.contiguous().numpy()
