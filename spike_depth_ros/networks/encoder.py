# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hybrid encoder: convolutional stages, then transformer blocks with a class token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EncoderOutput(NamedTuple):
    """Output of the encoder, for the decoder and for losses on features.

    Attributes:
        pyramid: Maps of the convolutional stages, finest first, ``[B, C_i, H / s_i, W / s_i]``.
        f_enc: Feature map behind the transformer, if there is one, ``[B, D, H / 16, W / 16]``.
        class_token: ``[B, D]``.
    """

    pyramid: tuple[Tensor, ...]
    f_enc: Tensor
    class_token: Tensor


def conv_norm(
    channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """Build a convolution without bias, batch norm and, with ``act``, ReLU.

    The running statistics of batch norm can be re-estimated on unlabelled windows of another
    camera or place (AdaBN), and they fold into the convolution.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    if act:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class InvertedBottleneck(nn.Module):
    """Universal inverted bottleneck of MobileNetV4 (Qin et al., 2024).

    Optional depthwise start, expansion, optional depthwise middle, projection; residual if the
    shape is kept.
    """

    def __init__(
        self, channels: int, out: int, start: int, middle: int, stride: int, expand: int
    ) -> None:
        """Build the block.

        Args:
            channels: Channels in.
            out: Channels out.
            start: Kernel of the depthwise convolution before the expansion; 0 for none.
            middle: Kernel of the depthwise convolution after it; 0 for none.
            stride: Stride of the middle convolution.
            expand: Expansion factor of the channels.
        """
        super().__init__()
        hidden = channels * expand
        layers: list[nn.Module] = []
        if start:
            layers.append(conv_norm(channels, channels, start, groups=channels, act=False))
        layers.append(conv_norm(channels, hidden, 1))
        if middle:
            layers.append(conv_norm(hidden, hidden, middle, stride, groups=hidden))
        layers.append(conv_norm(hidden, out, 1, act=False))
        self.layers = nn.Sequential(*layers)
        self.identity = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[B, channels, H, W]`` to ``[B, out, H / stride, W / stride]``."""
        y: Tensor = self.layers(x)
        return x + y if self.identity else y


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP (ViT)."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int) -> None:
        if dim % heads:
            raise ValueError(f'{heads} heads: expected a divisor of the token width {dim}')
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_ratio * dim), nn.GELU(), nn.Linear(mlp_ratio * dim, dim)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``[B, N, D]`` to ``[B, N, D]``."""
        batch, number, dim = tokens.shape
        qkv = self.qkv(self.norm1(tokens)).reshape(batch, number, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        tokens = tokens + self.proj(mixed.reshape(batch, number, dim))
        refined: Tensor = self.mlp(self.norm2(tokens))
        return tokens + refined


class HybridEncoder(nn.Module):
    """Convolutional stages down to stride 16, then transformer blocks with a class token."""

    def __init__(
        self,
        stages: Sequence[nn.Module],
        channels: int,
        dim: int,
        blocks: int,
        heads: int,
        mlp_ratio: int,
        grid: tuple[int, int],
    ) -> None:
        """Assemble the encoder.

        Args:
            stages: Convolutional stages, each halving or quartering the resolution; the last one
                ends at the transformer's stride.
            channels: Channels of the last stage.
            dim: Width of the tokens.
            blocks: Number of transformer blocks.
            heads: Attention heads; divides ``dim``.
            mlp_ratio: Hidden width of the MLP over ``dim``.
            grid: Rows and columns of the learned position table; it is resized to the input's.
        """
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.embed = nn.Conv2d(channels, dim, 1)
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        self.class_position = nn.Parameter(torch.empty(1, 1, dim))
        self.position = nn.Parameter(torch.empty(1, dim, *grid))
        self.blocks = nn.ModuleList(TransformerBlock(dim, heads, mlp_ratio) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> EncoderOutput:
        """Encode ``[B, C, H, W]``, H and W multiples of the last stage's stride."""
        pyramid = []
        for stage in self.stages:
            x = stage(x)
            pyramid.append(x)
        grid = self.embed(x)
        batch, dim, rows, columns = grid.shape
        position = F.interpolate(
            self.position, size=(rows, columns), mode='bilinear', align_corners=False
        )
        tokens = (grid + position).flatten(2).transpose(1, 2)
        readout = (self.class_token + self.class_position).expand(batch, -1, -1)
        tokens = torch.cat([readout, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        f_enc = tokens[:, 1:].transpose(1, 2).reshape(batch, dim, rows, columns)
        return EncoderOutput(tuple(pyramid), f_enc, tokens[:, 0])
