"""CT-Scroll as published, plainly: what our fast version is compared with, and whose parameter names its files have.

Written from the description in Di Piazza et al. (arXiv 2503.20652), not from their code: torch's own attention,
masks rebuilt at each forward, all triplets in one batch, padding like any slice.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.models.ct_scroll import PUBLISHED, CTScrollConfig
from components.models.slice_backbone import slice_backbone


class PlainCTScroll(nn.Module):
    """``(b, 1, z, x, y)`` → logits ``(b, l)``."""

    def __init__(self, config: CTScrollConfig = PUBLISHED) -> None:
        super().__init__()
        self.per_token = config.slices_per_token
        d = config.embedding
        self.features = slice_backbone(self.per_token, config.widths, max_pool=config.max_pool)
        self.projection_gap = nn.Sequential(
            nn.Linear(config.widths[-1], d), nn.ReLU(), nn.Dropout(config.token_dropout)
        )
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.layer_norm_out = nn.LayerNorm(d)
        self.classifier = nn.Sequential(
            nn.Linear(d, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.classifier_dropout),
            nn.Linear(config.hidden, config.labels),
        )

    def forward(self, x_bczxy: Tensor) -> Tensor:
        b, _, z, x, y = x_bczxy.shape
        images = x_bczxy.reshape(b * z // self.per_token, self.per_token, x, y)
        pooled = self.features(images).mean(dim=(2, 3))
        tokens = self.projection_gap(pooled).reshape(b, z // self.per_token, -1)
        for block in self.blocks:
            tokens = block(tokens)
        logits: Tensor = self.classifier(self.layer_norm_out(tokens).mean(dim=1))
        return logits


class _Block(nn.Module):
    def __init__(self, config: CTScrollConfig) -> None:
        super().__init__()
        self.window = config.window
        self.global_block = _Attention(config, ("norm_in", "norm_out"))
        self.caudal_cranial_block = _Attention(config, ("norm_in", "norm_out"))
        self.cranial_caudal_block = _Attention(config, ("norm1", "norm2"))

    def forward(self, tokens: Tensor) -> Tensor:
        t = tokens.shape[1]
        hidden_below = torch.ones(t, t, dtype=torch.bool)
        for i in range(t):
            hidden_below[i, max(0, i - self.window) : i + 1] = False
        tokens = self.global_block(tokens, None)
        tokens = self.caudal_cranial_block(tokens, hidden_below)
        out: Tensor = self.cranial_caudal_block(tokens, hidden_below.T)
        return out


class _Attention(nn.Module):
    def __init__(self, config: CTScrollConfig, norms: tuple[str, str]) -> None:
        super().__init__()
        d, (before, after) = config.embedding, norms
        self.before, self.after = before, after
        self.add_module(before, nn.LayerNorm(d))
        self.attention = nn.MultiheadAttention(
            d, config.heads, dropout=config.attention_dropout, batch_first=True
        )
        self.add_module(after, nn.LayerNorm(d))
        self.mlp = nn.Sequential(OrderedDict(mlp=_GeGLU(d)))

    def forward(self, tokens: Tensor, hidden: Tensor | None) -> Tensor:
        x = self.get_submodule(self.before)(tokens)
        tokens = tokens + self.attention(x, x, x, attn_mask=hidden, need_weights=False)[0]
        out: Tensor = tokens + self.mlp(self.get_submodule(self.after)(tokens))
        return out


class _GeGLU(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.gated_layers = nn.Linear(d, 2 * d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.gated_layers(x).split(x.shape[-1], dim=-1)
        out: Tensor = value * functional.gelu(gate)
        return out
