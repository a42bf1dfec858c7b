"""A network's labels for a whole prepared frame, as training needs them between its rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.models.sliding_window import blended_slabs, most_probable
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.volume.window import window_to_unit

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberLabels:
    """``labels`` ``(z, y, x)`` of the mean softmax, its ``confidence``, and the ``members``' own ``(m, z, y, x)``."""

    labels: Labels
    confidence: npt.NDArray[np.float32]
    members: Labels


def hard_labels(network: UNet, voxels_hu: npt.NDArray[np.int16], plan: SegmentationPlan) -> Labels:
    """Labels ``(z, y, x)`` of the heads' mean softmax on a prepared frame."""
    return member_labels(network, voxels_hu, plan).labels


def member_labels(network: UNet, voxels_hu: npt.NDArray[np.int16], plan: SegmentationPlan) -> MemberLabels:
    """What the heads say of a prepared frame, together and each."""
    device = next(network.parameters()).device
    image = torch.from_numpy(window_to_unit(voxels_hu, *plan.window_hu)).to(device)

    def softmax(x_bczyx: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = network(x_bczyx)
        return logits.softmax(dim=2), embedding

    labels, confidence, members = [], [], []
    with torch.inference_mode():
        for scores_mkzyx, _ in blended_slabs(softmax, image, patch=plan.patch, stride=network.config.stride):
            mean = scores_mkzyx.mean(dim=0)
            labels.append(most_probable(mean))
            confidence.append(mean.amax(dim=0).cpu().numpy())
            members.append(most_probable(scores_mkzyx.transpose(0, 1)))
    return MemberLabels(
        labels=np.concatenate(labels),
        confidence=np.concatenate(confidence),
        members=np.concatenate(members, axis=1),
    )
