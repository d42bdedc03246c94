# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Encoder of ViT-Hybrid (Dosovitskiy et al., An Image is Worth 16x16 Words), from timm."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.imagenet import HUB, import_timm, load_backbone, read_weights

TIMM_NAME = 'vit_base_r50_s16_384'
"""Name in timm: a weight-standardised ResNet-50 without its last stage, and 12 layers."""

HUB_NAME = f'timm/{TIMM_NAME}.orig_in21k_ft_in1k'
"""Repository of its weights: ImageNet-21k, then ImageNet-1k at 384x384."""

STAGE_CHANNELS = (256, 512)
"""Channels of the ResNet's maps at stride 4 and 8."""

_STATISTICS = ('.running_mean', '.running_var', '.num_batches_tracked')

_STEM = 'patch_embed.backbone.stem.conv.weight'


class HybridOutput(NamedTuple):
    """Output of the encoder, for the decoder and for losses on features.

    Attributes:
        pyramid: The ResNet's maps at stride 4 and 8, ``[B, C_i, H / s_i, W / s_i]``.
        middle: Feature map behind three quarters of the layers (9 of 12), ``[B, D, H / 16,
            W / 16]``.
        middle_token: Class token behind the same layer, ``[B, D]``.
        f_enc: Feature map behind the last layer and its normalisation, ``[B, D, H / 16, W / 16]``.
        class_token: Class token behind the last layer, ``[B, D]``.
    """

    pyramid: tuple[Tensor, ...]
    middle: Tensor
    middle_token: Tensor
    f_enc: Tensor
    class_token: Tensor


class VitHybrid(nn.Module):
    """Backbone of DPT-Hybrid, with outputs of its ResNet stages 1 and 2 and its layers 9 and 12.

    DPT takes the last layer before the final normalisation. Here that normalisation is applied, so
    that ``f_enc`` and the class token have the scale that the losses on features and the
    discriminators of later stages need.
    """

    def __init__(self, channels: int, dim: int, layers: int, heads: int) -> None:
        """Build the backbone with random weights.

        Args:
            channels: Channels in.
            dim: Width of the tokens; ``heads`` divides it.
            layers: Transformer layers, at least 2.
            heads: Attention heads.

        Raises:
            CheckpointError: timm is not installed.
            ValueError: The sizes do not fit.
        """
        if layers < 2 or dim % heads:
            raise ValueError(
                f'{layers} layers {dim} wide with {heads} heads: expected at least 2 layers and '
                'a width that the heads divide'
            )
        super().__init__()
        self.backbone: Any = import_timm('dpt_hybrid').create_model(
            TIMM_NAME,
            pretrained=False,
            num_classes=0,
            in_chans=channels,
            embed_dim=dim,
            depth=layers,
            num_heads=heads,
        )
        self.middle = layers * 3 // 4

    def forward(self, x: Tensor) -> HybridOutput:
        """Encode ``[B, channels, H, W]``, H and W multiples of 16."""
        resnet = self.backbone.patch_embed.backbone
        x = resnet.stem(x)
        pyramid = []
        for stage in resnet.stages:
            x = stage(x)
            pyramid.append(x)
        grid = self.backbone.patch_embed.proj(x)
        rows, columns = grid.shape[2:]
        token = self.backbone.cls_token.expand(len(grid), -1, -1)
        tokens = torch.cat([token, grid.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + self._position(rows, columns)
        for block in self.backbone.blocks[: self.middle]:
            tokens = block(tokens)
        middle = tokens
        for block in self.backbone.blocks[self.middle :]:
            tokens = block(tokens)
        last = self.backbone.norm(tokens)

        def as_map(tokens: Tensor) -> Tensor:
            grid: Tensor = tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, rows, columns)
            return grid

        return HybridOutput(
            pyramid=tuple(pyramid[:2]),
            middle=as_map(middle),
            middle_token=middle[:, 0],
            f_enc=as_map(last),
            class_token=last[:, 0],
        )

    def _position(self, rows: int, columns: int) -> Tensor:
        """Resize the position table of 24x24 to ``[1, 1 + rows * columns, D]``."""
        table: Tensor = self.backbone.pos_embed
        grid = table[:, 1:].transpose(1, 2)
        side = round(grid.shape[2] ** 0.5)
        if (rows, columns) == (side, side):
            return table
        grid = grid.reshape(1, -1, side, side)
        grid = F.interpolate(grid, size=(rows, columns), mode='bilinear', align_corners=False)
        return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def load_imagenet(encoder: VitHybrid, source: str | os.PathLike[str] = HUB) -> None:
    """Load timm's ImageNet weights into the backbone.

    In a stem of other than three channels, each channel has the mean kernel of red, green and
    blue. The scale does not matter, as the stem's weights are standardised.

    Args:
        encoder: At the sizes of the published model.
        source: ``hub``, or a local file: .safetensors, or timm's state dict of ``torch.save``.

    Raises:
        CheckpointError: The hub or file cannot be read, or the weights do not fit.
    """
    found = read_weights(source, HUB_NAME)
    wanted = encoder.backbone.state_dict()
    # With batch norm there are statistics, which no published weights have.
    found |= {name: value for name, value in wanted.items() if name.endswith(_STATISTICS)}
    # Without the classifier of ImageNet.
    found = {name: value for name, value in found.items() if not name.startswith('head.')}
    if _STEM in found and found[_STEM].ndim == 4 and found[_STEM].shape[1] == 3:
        channels = wanted[_STEM].shape[1]
        if channels != 3:
            found[_STEM] = found[_STEM].mean(dim=1, keepdim=True).repeat(1, channels, 1, 1)
    remedy = (
        f'give the weights of timm {TIMM_NAME}, and leave the sizes of the network as they are'
    )
    load_backbone(encoder.backbone, found, source, remedy)


def to_batch_norm(network: nn.Module) -> None:
    """Replace every group norm by batch norm; scales, offsets and names stay.

    Args:
        network: Network of layers of :class:`VitHybrid` or of torch; modified in place.
    """
    layers = import_timm('dpt_hybrid').layers
    for parent in [*network.modules()]:
        for name, layer in [*parent.named_children()]:
            if not isinstance(layer, nn.GroupNorm):
                continue
            new: nn.BatchNorm2d
            if isinstance(layer, layers.GroupNormAct):
                new = layers.BatchNormAct2d(layer.num_channels, eps=layer.eps)
                new.drop, new.act = layer.drop, layer.act
            else:
                new = nn.BatchNorm2d(layer.num_channels, eps=layer.eps)
            new.weight, new.bias = layer.weight, layer.bias
            setattr(parent, name, new)
