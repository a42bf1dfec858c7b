"""How much each triplet of slices says for each finding: leave it out, and put it in alone.

With f the logit of a scan, the relevance of triplet t is

    ½ [f(scan) - f(scan without t)] + ½ [f(only t) - f(air)],

the mean of its marginal contributions as the last and as the first triplet: the two ends of the orders that
Shapley's value averages (Covert, Lundberg & Lee 2021, "Explaining by removing", JMLR 22, section 4). Leaving out alone
(occlusion, Zeiler & Fergus 2014) misses what other triplets show too, since those still say it. The values sum to
f(scan) - f(air) where triplets add up, or where there are two; not in general.

A triplet that is left out becomes padding, the absence that the network knows: masked, or in a network without masks
air. Air that a network takes for tissue is no absence: one that was trained without it may see effusions there, and
then looks for them everywhere but in the effusion (measured on phantoms that differ by the finding alone).

The backbone runs once; all else is attention over a few dozen tokens. Integrated gradients (Sundararajan et al. 2017),
which need a backward pass for each finding and step, found less: on three small trained networks, air in the tenth to
quarter of the triplets ranked highest lowered the probability of what was called by 0.26, 0.07 and 0.21 by their
ranks, by 0.21, 0.03 and 0.23 by occlusion's, and by 0.45, 0.09 and 0.25 by these (with air for absence).
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.models.ct_scroll import CTScroll

_AT_ONCE = 16  # scans of pooled features; bounds the memory


def triplet_relevance(network: CTScroll, pooled_tf: Tensor, air_f: Tensor, real_t: Tensor) -> Tensor:
    """``(l, t)`` in logits, positive where a triplet speaks for the finding; 0 for padding.

    Args:
        network: in evaluation mode.
        pooled_tf: the backbone's pooled features of each triplet.
        air_f: of a triplet of air.
        real_t: False for triplets of padding.
    """
    tokens = len(real_t)
    places = real_t.nonzero().flatten()
    each = torch.eye(tokens, dtype=torch.bool, device=real_t.device)[places]
    nothing = torch.zeros(1, tokens, dtype=torch.bool, device=real_t.device)
    deleted = torch.cat([nothing, ~nothing, each, ~each])
    logits = logits_without(network, pooled_tf, air_f, real_t, deleted)
    whole, air, without, alone = torch.split(logits, [1, 1, len(places), len(places)])
    relevance = torch.zeros(whole.shape[1], tokens, dtype=whole.dtype, device=whole.device)
    relevance[:, places] = 0.5 * ((whole - without) + (alone - air)).T
    return relevance


@torch.inference_mode()
def logits_without(
    network: CTScroll, pooled_tf: Tensor, air_f: Tensor, real_t: Tensor, deleted_nt: Tensor
) -> Tensor:
    """``(n, l)``: the logits when the triplets of each row of ``deleted_nt`` are padding; of air, when all are."""
    logits = []
    for part in torch.split(deleted_nt & real_t, _AT_ONCE):
        left = real_t & ~part
        seen = torch.where(left.any(dim=1, keepdim=True), left, real_t)
        logits.append(network.judge(torch.where(part[..., None], air_f, pooled_tf), seen)[0])
    return torch.cat(logits)
