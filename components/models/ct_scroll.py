"""CT-Scroll (Di Piazza et al., MIDL 2025, arXiv 2503.20652): triplets of slices, attention up and down.

Every size is a parameter; ``PUBLISHED`` holds the paper's. Its ablations are values of ``depth``, ``attention`` and
``window``. Two things differ from the published code where
asked for: padding slices can be masked out (``valid_bt``), and masks are made once per length.
Shapes: b batch, t triplets (inferior → superior), d features, h w in-plane, l labels.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import ParameterError
from components.models.slice_backbone import slice_backbone
from components.models.slice_features import freeze_statistics, pooled_features

Attention = Literal["global", "below", "above"]
_START = 0.1  # of the usual size of what a sub-block adds
_SUB_BLOCKS: dict[Attention, str] = {  # as the published weights name them
    "global": "global_block",
    "below": "caudal_cranial_block",
    "above": "cranial_caudal_block",
}


@dataclass(frozen=True, kw_only=True)
class CTScrollConfig:
    """Sizes of the network.

    Args:
        labels: findings.
        slices_per_token: contiguous slices that form one image of as many channels.
        widths: channels of the residual stages.
        max_pool: after the stem, as in the paper; False suits small images.
        embedding: features per token; a multiple of ``heads``.
        heads: attention heads.
        window: a local sub-block sees this many tokens to one side, and itself.
        hidden: width of the classifier's hidden layer.
        depth: scroll blocks; 0 averages the tokens without attention (global average pooling).
        attention: sub-blocks of a scroll block, in their order: over all triplets, downwards, upwards.
        token_dropout, attention_dropout, classifier_dropout: probabilities in training.
        rows_right_left: image rows run along x (right → left) instead of y, as in the published weights.
        mask_padding: leave padding slices out of attention and pooling; off in the published weights.
        tokens_at_once: triplets per pass of the backbone (0 = all); bounds the memory, see ``slice_features``.
        frozen_statistics: in training too, batch norm uses its stored statistics: for a backbone that starts from
            trained weights. Off, as published, it computes them over all triplets of the step.
        recompute: in training, activations are computed again in the backward pass instead of kept.
    """

    labels: int
    slices_per_token: int = 3
    widths: tuple[int, ...] = (64, 128, 256, 512)
    max_pool: bool = True
    embedding: int = 512
    heads: int = 8
    window: int = 15
    hidden: int = 128
    depth: int = 1
    attention: tuple[Attention, ...] = ("global", "below", "above")
    token_dropout: float = 0.2
    attention_dropout: float = 0.1
    classifier_dropout: float = 0.5
    rows_right_left: bool = False
    mask_padding: bool = True
    tokens_at_once: int = 0
    frozen_statistics: bool = False
    recompute: bool = False

    def __post_init__(self) -> None:
        sizes = (self.labels, self.slices_per_token, self.window, self.hidden, self.heads, *self.widths)
        sound = min(sizes) >= 1 and self.depth >= 0 and self.widths and self.embedding % self.heads == 0
        if not (sound and self.attention and set(self.attention) <= set(_SUB_BLOCKS)):
            raise ParameterError(
                expected="positive sizes, an embedding that is a multiple of the heads, "
                f"attention among {', '.join(_SUB_BLOCKS)}",
                got=repr(self),
                hint="correcting the train section of params.yaml",
            )


PUBLISHED = CTScrollConfig(labels=18, rows_right_left=True, mask_padding=False, tokens_at_once=4)


class CTScroll(nn.Module):
    """Volume ``(b, z, y, x)`` window units → logits ``(b, l)`` and the pooled token ``(b, d)``."""

    def __init__(self, config: CTScrollConfig) -> None:
        super().__init__()
        self.config = config
        d = config.embedding
        self.features = slice_backbone(config.slices_per_token, config.widths, max_pool=config.max_pool)
        self.projection = nn.Sequential(
            nn.Linear(config.widths[-1], d), nn.ReLU(inplace=True), nn.Dropout(config.token_dropout)
        )
        self.blocks = nn.ModuleList(_ScrollBlock(config) for _ in range(config.depth))
        self.norm_out = nn.LayerNorm(d)
        self.classifier = nn.Sequential(
            nn.Linear(d, config.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(config.classifier_dropout),
            nn.Linear(config.hidden, config.labels),
        )

    def train(self, mode: bool = True) -> CTScroll:
        """As any module, but frozen statistics stay so."""
        super().train(mode)
        if self.config.frozen_statistics:
            freeze_statistics(self.features)
        return self

    def forward(self, x_bzyx: Tensor, valid_bt: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``valid_bt`` False marks triplets of padding, which then change nothing; ``None`` = all count."""
        pooled_nf = pooled_features(
            self.features,
            self.triplets(x_bzyx),
            at_once=self.config.tokens_at_once,
            recompute=self.config.recompute,
        )
        return self.judge(pooled_nf.reshape(len(x_bzyx), -1, pooled_nf.shape[1]), valid_bt)

    def triplets(self, x_bzyx: Tensor) -> Tensor:
        """``(b · t, slices, h, w)``: what the backbone sees."""
        b, z, _, _ = x_bzyx.shape
        n = self.config.slices_per_token
        if z % n:
            raise ParameterError(
                expected=f"a multiple of {n} slices", got=str(z), hint="padding with air to the next multiple"
            )
        images = x_bzyx.transpose(2, 3) if self.config.rows_right_left else x_bzyx
        return images.reshape(b * z // n, n, *images.shape[2:])

    def judge(self, pooled_btf: Tensor, valid_bt: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pooled features of the triplets → as ``forward``."""
        valid_bt = valid_bt if self.config.mask_padding else None
        tokens_btd = self.projection(pooled_btf)
        for block in self.blocks:
            tokens_btd = block(tokens_btd, valid_bt)
        pooled_bd = _mean(self.norm_out(tokens_btd), valid_bt)
        return self.classifier(pooled_bd), pooled_bd


class _ScrollBlock(nn.Module):
    """Attention over all triplets, then downwards (triplet i sees [i-w, i]), then upwards ([i, i+w])."""

    def __init__(self, config: CTScrollConfig) -> None:
        super().__init__()
        self.window, self.attention = config.window, tuple(config.attention)
        for kind in self.attention:
            self.add_module(_SUB_BLOCKS[kind], _AttentionBlock(config))
        self._masks: dict[tuple[int, torch.device], dict[str, Tensor | None]] = {}

    def forward(self, x_btd: Tensor, valid_bt: Tensor | None) -> Tensor:
        masks = self._local_masks(x_btd.shape[1], x_btd.device)
        for kind in self.attention:
            block = self.get_submodule(_SUB_BLOCKS[kind])
            x_btd = block(x_btd, _combine(masks[kind], valid_bt))
        return x_btd

    def _local_masks(self, tokens: int, device: torch.device) -> dict[str, Tensor | None]:
        key = (tokens, device)
        if key not in self._masks:
            below = local_mask(tokens, self.window).to(device)
            self._masks[key] = {"global": None, "below": below, "above": below.T.contiguous()}
        return self._masks[key]


class _AttentionBlock(nn.Module):
    """LayerNorm → attention → residual → LayerNorm → GeGLU → residual."""

    def __init__(self, config: CTScrollConfig) -> None:
        super().__init__()
        d = config.embedding
        self.heads, self.dropout = config.heads, config.attention_dropout
        self.norm_in = nn.LayerNorm(d)
        self.in_proj = nn.Linear(d, 3 * d)
        self.out_proj = nn.Linear(d, d)
        self.norm_out = nn.LayerNorm(d)
        self.gated = nn.Linear(d, 2 * d, bias=False)
        nn.init.xavier_uniform_(self.in_proj.weight)
        nn.init.zeros_(self.in_proj.bias)
        nn.init.zeros_(self.out_proj.bias)
        # Both branches see normalised tokens and would drown the tokens themselves, pooled features of a smaller scale:
        # starting small, the network begins as average pooling (LayerScale, Touvron et al. 2021, has the same reason).
        with torch.no_grad():
            self.out_proj.weight.mul_(_START)
            self.gated.weight.mul_(math.sqrt(_START))  # value and gate: their product is _START of the usual

    def forward(self, x_btd: Tensor, seen: Tensor | None) -> Tensor:
        x_btd = x_btd + self._attend(self.norm_in(x_btd), seen)
        value, gate = self.gated(self.norm_out(x_btd)).chunk(2, dim=-1)
        out: Tensor = x_btd + value * functional.gelu(gate)
        return out

    def _attend(self, x_btd: Tensor, seen: Tensor | None) -> Tensor:
        b, t, d = x_btd.shape
        q, k, v = self.in_proj(x_btd).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(b, t, d))
        return out


class PublishedCTScroll(nn.Module):
    """The published computation: input ``(b, 1, z, x, y)`` in window units → logits ``(b, l)``.

    Axes as in the authors' files: inferior → superior, right → left, anterior → posterior.
    """

    def __init__(self, config: CTScrollConfig = PUBLISHED) -> None:
        super().__init__()
        self.network = CTScroll(dataclasses.replace(config, rows_right_left=False))

    def forward(self, x_bczxy: Tensor) -> Tensor:
        logits_bl: Tensor = self.network(x_bczxy[:, 0])[0]
        return logits_bl


def from_published(path: Path, config: CTScrollConfig = PUBLISHED) -> PublishedCTScroll:
    """The authors' checkpoint at ``path`` as a module in evaluation mode; see ``published_weights``."""
    from components.models.published_weights import load_published

    module = PublishedCTScroll(config)
    load_published(module.network, path)
    return module.eval()


def local_mask(tokens: int, window: int) -> Tensor:
    """``(t, t)`` bool: row i is True at [i - window, i]; its transpose looks the other way."""
    i = torch.arange(tokens)
    gap = i[:, None] - i[None, :]
    return (gap >= 0) & (gap <= window)


def _combine(local_tt: Tensor | None, valid_bt: Tensor | None) -> Tensor | None:
    """Who sees whom, ``(b, 1, t, t)``: never padding, except that each token sees itself (no empty row)."""
    if valid_bt is None:
        return local_tt
    itself = torch.eye(valid_bt.shape[1], dtype=torch.bool, device=valid_bt.device)
    seen = valid_bt[:, None, :] | itself
    return (seen if local_tt is None else seen & local_tt)[:, None]


def _mean(tokens_btd: Tensor, valid_bt: Tensor | None) -> Tensor:
    if valid_bt is None:
        return tokens_btd.mean(dim=1)
    share = valid_bt.to(tokens_btd.dtype).unsqueeze(2)
    return (tokens_btd * share).sum(dim=1) / share.sum(dim=1).clamp_min(1.0)
