"""A network's labels for a whole prepared frame, as training needs them between its rounds."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.models.engine import Engine, choose_engine
from components.models.sliding_window import blend, hard
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.window_grid import WindowGrid
from components.volume.window import window_to_unit

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberLabels:
    """``labels`` ``(z, y, x)`` of the mean softmax, its ``confidence``, and the ``members``' own ``(m, z, y, x)``."""

    labels: Labels
    confidence: npt.NDArray[np.float32]
    members: Labels


@dataclass(frozen=True, kw_only=True, eq=False)
class Labeller:
    """A trained network ready to label frames, by the fastest engine of this machine; ``Labeller.of`` makes it."""

    engine: Engine
    device: torch.device
    plan: SegmentationPlan
    stride: int
    classes: int
    members: int

    @staticmethod
    def of(network: UNet, plan: SegmentationPlan) -> Labeller:
        """On a GPU if there is one; ``network`` itself stays where it is, in evaluation mode."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network.eval()
        there = network if device.type == "cpu" else copy.deepcopy(network).to(device)
        config = network.config
        return Labeller(
            engine=choose_engine(there, stride=config.stride, device=device, precision=plan.precision),
            device=device,
            plan=plan,
            stride=config.stride,
            classes=config.classes,
            members=config.heads,
        )

    def labels(self, voxels_hu: npt.NDArray[np.int16]) -> Labels:
        """Labels ``(z, y, x)`` of the heads' mean softmax on a prepared frame."""
        return self.say(voxels_hu).labels

    @torch.inference_mode()
    def say(self, voxels_hu: npt.NDArray[np.int16]) -> MemberLabels:
        """What the heads say of a prepared frame ``(z, y, x)``, together and each."""
        z, y, x = voxels_hu.shape
        windows = WindowGrid.over((z, y, x), patch=self.plan.patch, stride=self.stride)

        def read(box: tuple[slice, slice, slice]) -> Tensor:
            return torch.from_numpy(window_to_unit(voxels_hu[box], *self.plan.window_hu)).to(self.device)

        slabs = blend(
            self.engine.run, read, windows,
            scores=self.classes, members=self.members if self.members > 1 else 0, device=self.device,
        )  # fmt: skip
        labels, confidence, members = [], [], []
        for slab in slabs:  # views that the next one overwrites
            best = hard(slab.sums)
            labels.append(best.cpu().numpy())
            confidence.append((slab.sums.amax(dim=0) / slab.weight).cpu().numpy())
            members.append((slab.members if self.members > 1 else best[None]).cpu().numpy().copy())
        return MemberLabels(
            labels=np.concatenate(labels),
            confidence=np.concatenate(confidence),
            members=np.concatenate(members, axis=1),
        )
