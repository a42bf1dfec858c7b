"""A ``Relevance`` from a CT-Scroll and one prepared image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from components.models.ct_scroll import CTScroll
from components.models.relevance import Deleted, Floats, Relevance
from components.models.scroll_engine import AT_ONCE, Run
from components.models.slice_features import pooled_features
from components.models.triplet_place import TripletGrid
from components.models.triplet_relevance import logits_without, triplet_relevance


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanImage:
    """What the network is given.

    Args:
        image: ``(1, z, y, x)`` in window units.
        real: ``(1, t)``, False for triplets of padding.
        air: the window unit of air.
        grid: where the triplets lie.
    """

    image: Tensor
    real: Tensor
    air: float
    grid: TripletGrid


def explain_scan(
    network: CTScroll, run: Run, scan: ScanImage, findings: tuple[str, ...], temperature: Floats
) -> Relevance:
    """Runs the backbone once, in float32.

    Args:
        network: in evaluation mode, on the device of ``scan``.
        run: the whole network, for slices that are themselves deleted; see ``ScrollEngine``.
        findings: of the outputs, and ``temperature`` ``(l,)``, which divides their logits.
    """
    real_t = scan.real[0]
    with torch.inference_mode():
        pooled_tf, air_f = _features(network, scan)
        relevance_lt = triplet_relevance(network, pooled_tf, air_f, real_t)

    def without(deleted: Deleted) -> Floats:
        masks = torch.from_numpy(deleted).to(real_t.device)
        return _probability(logits_without(network, pooled_tf, air_f, real_t, masks), temperature)

    def without_slices(deleted: Deleted) -> Floats:
        logits = [_logits_of(run, scan, torch.from_numpy(mask)) for mask in deleted]
        return _probability(torch.cat(logits), temperature)

    said, of_air = without(np.array([[False], [True]]).repeat(len(real_t), axis=1))
    return Relevance(
        findings=findings,
        by_triplet=relevance_lt.double().cpu().numpy() / temperature[:, None],
        real=real_t.cpu().numpy(),
        probabilities={name: float(p) for name, p in zip(findings, said, strict=True)},
        of_air={name: float(p) for name, p in zip(findings, of_air, strict=True)},
        grid=scan.grid,
        without=without,
        without_slices=without_slices,
    )


def _features(network: CTScroll, scan: ScanImage) -> tuple[Tensor, Tensor]:
    """``(t, f)`` of the scan and ``(f,)`` of air."""
    images = network.triplets(scan.image)
    air = torch.full_like(images[:1], scan.air)
    at_once = network.config.tokens_at_once or AT_ONCE
    return (
        pooled_features(network.features, images, at_once=at_once),
        pooled_features(network.features, air)[0],
    )


@torch.inference_mode()
def _logits_of(run: Run, scan: ScanImage, deleted_t: Tensor) -> Tensor:
    per_token = scan.grid.slices_per_token
    image = scan.image.clone()
    image[:, (deleted_t.to(scan.real.device) & scan.real[0]).repeat_interleave(per_token)] = scan.air
    return run(image, scan.real)[0]


def _probability(logits: Tensor, temperature: Floats) -> Floats:
    scaled = logits.double().cpu().numpy() / temperature
    return np.asarray(1.0 / (1.0 + np.exp(-scaled)))
