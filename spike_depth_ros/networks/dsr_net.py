# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DSRNet and DENet: a depth map enlarged, and one estimated from colours.

They are those of Sun et al., "Learning Scene Structure Guidance via Cross-Task Knowledge Transfer
for Single Depth Super-Resolution", section 3.1. Blocks of back-projection, their kernels and
activations are those of Haris et al., "Deep Back-Projection Networks for Super-Resolution", to
which it refers. Where the paper is silent: each block of DENet is two residual ones, both networks
end in two convolutions, and the map may be a change of the interpolated one. That change is in
ranges of the depth around a place: one in grey levels would be driven to 0 by the even places that
fill most maps, before steps of depth are learnt.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.heads import to_float32
from spike_depth_ros.networks.upsampling import Neighbours, neighbours
from spike_depth_ros.tasks.architectures import DsrSettings

LEVELS = 255.0
"""Largest value of the maps that DSRNet enlarges, which is 1 within the networks."""

KERNELS = {2: 6, 4: 8, 8: 12, 16: 20}
"""Side of the kernels that change the size by a factor (Haris et al., section 4.1)."""

SLOPE = 0.25
"""Slope of PReLU for negative values before training."""

ADDED = 0.1
"""Initial size of what is added to features, over theirs."""

PADDING = 2
"""Padding of these kernels: their stride is the factor, and sizes fit exactly."""


class DsrNet(nn.Module):
    """Network that enlarges a map by one factor, without colours (DSRNet).

    Args:
        settings: Sizes and factor.

    Attributes:
        factors: The factor.
        blocks: Number of blocks, each of which has features at the large size.
        width: Channels of the features.
    """

    def __init__(self, settings: DsrSettings) -> None:
        super().__init__()
        self.factors, self.blocks = tuple(settings.factors), settings.blocks
        self.width, self.residual = settings.width, settings.residual
        (factor,) = self.factors
        self.shallow = _shallow(1, self.width)
        self.projections = nn.ModuleList(
            BackProjection(self.width, factor) for _ in range(self.blocks)
        )
        # Features of the last block are large: nothing follows them at the small size.
        self.downs = nn.ModuleList(_down(self.width, factor) for _ in range(self.blocks - 1))
        self.output = _output(self.width)
        _initialise(self)

    def forward(self, depth: Tensor, factor: int) -> Tensor:
        """Enlarge maps.

        Args:
            depth: ``[B, 1, h, w]`` float32, 0 to 255; 0: a hole.
            factor: The factor of the network.

        Returns:
            ``[B, 1, factor * h, factor * w]`` float32; NaN where the own small pixel is a hole.
        """
        large = self.combine(depth, self.features(depth))
        return torch.where(F.interpolate(depth, large.shape[-2:]) > 0, large, torch.nan)

    def features(self, depth: Tensor) -> list[Tensor]:
        """Map ``[B, 1, h, w]`` to the features of each block, ``[B, width, H, W]`` (F_sr^n)."""
        small = self.shallow(self._described(depth))
        found: list[Tensor] = []
        for k, projection in enumerate(self.projections):
            if found:
                small = self.downs[k - 1](found[-1])
            found.append(projection(small))
        return found

    def combine(self, depth: Tensor, features: list[Tensor]) -> Tensor:
        """Compute the map of some features, holes included.

        Args:
            depth: The small map.
            features: From :meth:`features`.

        Returns:
            ``[B, 1, H, W]`` float32, about 0 to 255.
        """
        return self.placed(depth, self.output(features[-1]))

    def placed(self, depth: Tensor, output: Tensor) -> Tensor:
        """Compute the map that the output of a last convolution stands for.

        Args:
            depth: The small map.
            output: ``[B, 1, H, W]``.

        Returns:
            As :meth:`combine`.
        """
        if not self.residual:
            return LEVELS * to_float32(output)
        size = output.shape[-2:]
        change = F.interpolate(_extent(neighbours(depth)), size) * to_float32(output)
        return change + F.interpolate(depth, size, mode='bilinear')

    def _described(self, depth: Tensor) -> Tensor:
        """Return what the network sees of a map, ``[B, 1, h, w]``, -1 to 1; 0 at holes."""
        if not self.residual:
            return depth / LEVELS
        near = neighbours(depth)
        middle = (near.lowest + near.highest) / 2
        return torch.where(depth > 0, 2 * (depth - middle) / (_extent(near) + 1), 0.0)


class DeNet(nn.Module):
    """Network that estimates the map from colours alone, up to scale and shift (DENet).

    It is used in training alone.

    Args:
        settings: Sizes; the factor is not used.

    Attributes:
        blocks: Number of blocks, each of which has features at the size of the picture.
        width: Channels of the features.
    """

    def __init__(self, settings: DsrSettings) -> None:
        super().__init__()
        self.blocks, self.width = settings.blocks, settings.width
        self.shallow = _shallow(3, self.width)
        self.residuals = nn.ModuleList(
            nn.Sequential(Residual(self.width), Residual(self.width)) for _ in range(self.blocks)
        )
        self.output = _output(self.width)
        _initialise(self)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map colours ``[B, 3, H, W]``, 0 to 1, to maps ``[B, 1, H, W]`` float32."""
        return self.combine(self.features(rgb))

    def features(self, rgb: Tensor) -> list[Tensor]:
        """Map ``[B, 3, H, W]`` to the features of each block, ``[B, width, H, W]`` (F_de^n)."""
        found = [self.shallow(rgb)]
        for residual in self.residuals:
            found.append(residual(found[-1]))
        return found[1:]

    def combine(self, features: list[Tensor]) -> Tensor:
        """Compute the map of the features from :meth:`features`, ``[B, 1, H, W]`` float32."""
        return self.placed(self.output(features[-1]))

    @staticmethod
    def placed(output: Tensor) -> Tensor:
        """Compute the map that the output of a last convolution stands for, ``[B, 1, H, W]``."""
        return LEVELS * to_float32(output)


class BackProjection(nn.Module):
    """Up-projection: a map is enlarged, made small again, and its error enlarged and added.

    Args:
        width: Channels.
        factor: Factor between both sizes.
    """

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.first, self.second = (_up(width, factor) for _ in range(2))
        self.down = _down(width, factor)

    def forward(self, small: Tensor) -> Tensor:
        """Map ``[B, C, h, w]`` to ``[B, C, factor * h, factor * w]``."""
        large = self.first(small)
        projected: Tensor = large + self.second(self.down(large) - small)
        return projected


class Residual(nn.Module):
    """Two 3x3 convolutions that are added to their input.

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``[B, C, H, W]``."""
        refined: Tensor = x + self.body(x)
        return refined


def _extent(near: Neighbours) -> Tensor:
    """Return the range of the known depths around each place, ``[B, 1, h, w]``."""
    return near.highest - near.lowest


def _shallow(channels: int, width: int) -> nn.Sequential:
    """Build the block of three convolutions that begins both networks."""
    layers: list[nn.Module] = []
    for given in (channels, width, width):
        layers += [nn.Conv2d(given, width, 3, padding=1), nn.PReLU()]
    return nn.Sequential(*layers)


def _output(width: int) -> nn.Sequential:
    """Build the block that ends both networks."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.PReLU(),
        nn.Conv2d(width, 1, 3, padding=1),
    )


def _initialise(network: DsrNet | DeNet) -> None:
    """Draw weights that keep the size of activations through all layers; the map begins as 0.

    It is the initialisation of He et al., "Delving Deep into Rectifiers", which Haris et al. use:
    with smaller weights the features of dozens of layers without a norm are those of their biases.
    What is added to features begins small, so that they do not grow from block to block.
    """
    added = {
        module.second[0] if isinstance(module, BackProjection) else module.body[-1]
        for module in network.modules()
        if isinstance(module, (BackProjection, Residual))
    }
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            pixels = math.prod(layer.kernel_size)
            if isinstance(layer, nn.ConvTranspose2d):  # of which a stride apart meet in a place
                pixels //= math.prod(layer.stride)
            gain = nn.init.calculate_gain('leaky_relu', SLOPE)
            gain *= ADDED if layer in added else 1.0
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_channels * pixels))
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    last = network.output[-1]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)


def _up(width: int, factor: int) -> nn.Sequential:
    layer = nn.ConvTranspose2d(width, width, KERNELS[factor], factor, PADDING)
    return nn.Sequential(layer, nn.PReLU())


def _down(width: int, factor: int) -> nn.Sequential:
    layer = nn.Conv2d(width, width, KERNELS[factor], factor, PADDING)
    return nn.Sequential(layer, nn.PReLU())
