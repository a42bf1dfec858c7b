"""What a classifier says of labelled scans, as training prepares them but unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from components.models.centre_crop import centre_crop, real_tokens
from components.models.classifiers import Classifier
from components.models.ct_scroll import CTScroll
from components.models.labeled import LabeledScan
from components.models.training_plan import ClassificationPlan
from components.volume.resample import AIR_HU
from components.volume.window import window_to_unit


@torch.inference_mode()
def probabilities(
    network: Classifier, scans: Sequence[LabeledScan], plan: ClassificationPlan
) -> npt.NDArray[np.float64]:
    """``(n, l)``, by plain torch, one scan at a time; the network is left in evaluation mode."""
    network.eval()
    per_token = network.config.slices_per_token if isinstance(network, CTScroll) else 1
    said = []
    for scan in scans:
        cropped, real = centre_crop(scan.read_hu(), plan.shape, AIR_HU)
        unit = window_to_unit(cropped, *plan.window_hu) + np.float32(plan.shift)
        valid = torch.from_numpy(real_tokens(real, per_token))[None]
        said.append(network(torch.from_numpy(unit)[None], valid)[0][0].double().sigmoid().numpy())
    return np.stack(said)
