"""What a segmenter says about one prepared frame, gathered slab by slab: no float score of the whole frame is held.

Shapes: m members, k classes, d features, z y x space.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.models.description import ModelDescription
from components.models.engine import Engine
from components.models.pass_signals import PassSignals
from components.models.sliding_window import Shown, Slab, blend, hard
from components.models.window_grid import Box, WindowGrid
from components.scorecard.temporal_smoothing import TopTwo
from components.scorecard.uncertainty import PairCounts
from components.volume.volume import Volume
from components.volume.window import window_to_unit

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameEvidence:
    """Args:
    shown: labels of the members' mean probability, and each member's own if they were asked for, on the prepared
        grid.
    pairs: how the members' own labels agree.
    signals: of uncertainty, see ``components.models.pass_signals``; of the windows that were run.
    embeddings: window number → ``(d,)``, of the windows that were run.
    top_two: the two most probable classes, if they were asked for.
    """

    shown: Shown
    pairs: PairCounts
    signals: Mapping[str, float]
    embeddings: Mapping[int, npt.NDArray[np.float32]]
    top_two: TopTwo | None


@torch.inference_mode()
def frame_evidence(
    engine: Engine,
    prepared: Volume,
    description: ModelDescription,
    windows: WindowGrid,
    device: torch.device,
    *,
    heads: int,
    skip: Collection[int] = (),
    before: Shown | None = None,
    top_two: bool = False,
    keep_members: bool = False,
) -> FrameEvidence:
    """Run all windows but those of ``skip``, which show what the frame ``before`` did.

    ``heads``: members of the engine.
    """
    classes = len(description.label_names) + 1
    members = heads if heads > 1 else 0  # one has nobody to disagree with
    contract = description.input

    def read(box: Box) -> Tensor:
        unit = window_to_unit(prepared.voxels_hu[box], *contract.window_hu) + np.float32(contract.shift)
        return torch.from_numpy(unit).to(device)

    labels: list[Labels] = []
    own: list[Labels] = [np.zeros((members if keep_members else 0, 0, *windows.volume[1:]), dtype=np.uint8)]
    shares: list[TopTwo] = []
    embeddings: dict[int, npt.NDArray[np.float32]] = {}
    pairs = PairCounts.of(np.zeros((members, 0, 0, 0), dtype=np.uint8), classes)
    signals = PassSignals(structures=description.label_names, members=members > 0)
    for slab in blend(
        engine.run, read, windows,
        scores=classes, members=members, skip=skip, before=before, device=device,
    ):  # fmt: skip
        shown = hard(slab.sums)
        signals.add(slab, shown)
        labels.append(shown.cpu().numpy())
        slab_members = slab.members.cpu().numpy()
        pairs = pairs + PairCounts.of(slab_members, classes)
        if keep_members:
            own.append(slab_members.copy())
        embeddings |= {number: e.cpu().numpy() for number, e in slab.embeddings.items()}
        if top_two:
            shares.append(_top_two(slab))
    return FrameEvidence(
        shown=Shown(labels=np.concatenate(labels), members=np.concatenate(own, axis=1)),
        pairs=pairs,
        signals=signals.read(),
        embeddings=embeddings,
        top_two=_joined(shares) if top_two else None,
    )


def _top_two(slab: Slab) -> TopTwo:
    share = slab.sums / slab.weight
    first = share.max(dim=0)
    share.scatter_(0, first.indices[None], -1.0)
    second = share.max(dim=0)
    return TopTwo(
        first=_uint8(first.indices), second=_uint8(second.indices),
        first_share=_uint8(first.values * 255.0), second_share=_uint8(second.values * 255.0),
    )  # fmt: skip


def _uint8(values: Tensor) -> Labels:
    rounded = values.round().clamp(0, 255) if values.is_floating_point() else values
    whole: Labels = rounded.to(torch.uint8).cpu().numpy()
    return whole


def _joined(parts: list[TopTwo]) -> TopTwo:
    return TopTwo(
        first=np.concatenate([part.first for part in parts]),
        second=np.concatenate([part.second for part in parts]),
        first_share=np.concatenate([part.first_share for part in parts]),
        second_share=np.concatenate([part.second_share for part in parts]),
    )
