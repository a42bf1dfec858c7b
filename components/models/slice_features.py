"""The backbone over all triplets of a batch of volumes: bounded memory, each distinct piece of air once.

Batch normalisation decides how the work may be divided. Where it uses stored statistics (evaluation, or frozen in
training) triplets are independent, and parts give what the whole gives. Where it computes statistics, these are
those of all triplets of the step, as in the published training: one pass, in which only the recomputation of
activations (Chen et al. 2016, arXiv 1604.06174) saves memory. Recomputing updates no statistics a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_STEM = 4  # convolution, batch norm, activation in place, pooling: see ``slice_backbone``


def freeze_statistics(backbone: nn.Module) -> None:
    """Batch norm keeps its stored mean and variance; its scale and shift still learn."""
    for layer in _norms(backbone):
        layer.eval()


def pooled_features(
    backbone: nn.Sequential, images_nchw: Tensor, *, at_once: int = 0, recompute: bool = False
) -> Tensor:
    """Spatial means ``(n, d)`` of the backbone's output.

    Args:
        images_nchw: triplets.
        at_once: triplets per pass, 0 = all; without effect while batch norm computes statistics.
        recompute: in training, keep no activations but those between stages (or parts) for the backward pass.
    """
    recompute = recompute and torch.is_grad_enabled()
    if any(layer.training for layer in _norms(backbone)):
        return _in_stages(backbone, images_nchw) if recompute else _pooled(backbone, images_nchw)
    if torch.is_grad_enabled():
        return torch.cat([_part(backbone, part, recompute) for part in _parts(images_nchw, at_once)])
    return each_once(lambda part: _pooled(backbone, _fast(part, backbone)), images_nchw, at_once)


def each_once(run: Callable[[Tensor], Tensor], images_nchw: Tensor, at_once: int) -> Tensor:
    """``run`` on parts of ``at_once`` images (0 = all), constant ones (air) once for each value; ``(n, d)``."""
    distinct, place = _distinct(images_nchw)
    return torch.cat([run(part) for part in _parts(distinct, at_once)])[place]


def _parts(images: Tensor, at_once: int) -> tuple[Tensor, ...]:
    return torch.split(images, at_once or len(images))


def _part(backbone: nn.Sequential, images: Tensor, recompute: bool) -> Tensor:
    if not recompute:
        return _pooled(backbone, _fast(images, backbone))
    out: Tensor = checkpoint(_pooled, backbone, _fast(images, backbone), use_reentrant=False)
    return out


def _in_stages(backbone: nn.Sequential, images: Tensor) -> Tensor:
    """Stem, then each residual stage: between two of them activations are kept."""
    x = images
    for stage in (backbone[:_STEM], *tuple(backbone.children())[_STEM:]):
        x = checkpoint(stage, x, use_reentrant=False, context_fn=partial(_contexts, stage))
    return x.mean(dim=(2, 3))


def _pooled(backbone: nn.Sequential, images: Tensor) -> Tensor:
    out: Tensor = backbone(images).mean(dim=(2, 3))
    return out


def _fast(images: Tensor, backbone: nn.Sequential) -> Tensor:
    """Channels last, the faster order, where it is sound on a CPU (torch 2.13).

    In that order the variance of computed statistics is off by 2e-4, which moves the gradients of the first
    convolution by a sixth; so this is never called where statistics are computed. And the backward pass of strided
    1×1 convolutions writes beyond its memory where the channels are no multiple of 8.
    """
    shortcuts = (
        layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d) and layer.stride[0] > 1
    )
    sound = all(layer.in_channels % 8 == 0 for layer in shortcuts if layer.kernel_size == (1, 1))
    return images.contiguous(memory_format=torch.channels_last) if sound else images


def _distinct(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images without repetitions of constant ones (air), and each image's place among them ``(n,)``."""
    flat = images.flatten(1)
    low, high = flat.aminmax(dim=1)
    first: dict[float, int] = {}
    kept: list[int] = []
    place: list[int] = []
    for i, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        at = first.setdefault(a, len(kept)) if a == b else len(kept)
        if at == len(kept):
            kept.append(i)
        place.append(at)
    return images if len(kept) == len(images) else images[kept], torch.tensor(place, device=images.device)


def _contexts(stage: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around the forward pass, and around its recomputation."""
    return nullcontext(), _without_updates(list(_norms(stage)))


@contextmanager
def _without_updates(layers: list[nn.BatchNorm2d]) -> Iterator[None]:
    tracked = [layer.momentum for layer in layers]
    counts = [layer.num_batches_tracked.clone() for layer in layers if layer.num_batches_tracked is not None]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, tracked, strict=True):
            layer.momentum = momentum
        for layer, count in zip(layers, counts, strict=False):
            assert layer.num_batches_tracked is not None
            layer.num_batches_tracked.copy_(count)


def _norms(module: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
