# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks in torch, and their common interface: from counts of spikes to images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from spike_depth_ros.networks.temporal import average_pool


class SpikeNet(nn.Module, ABC):
    """Network from counts of spikes to the images of its task.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on.
    """

    pool: int = 1

    def forward(self, image: Tensor, planes_per_bin: Tensor) -> Any:
        """Predict from full-size input, in training and from RGB.

        Args:
            image: Spikes per pixel and bin, ``[B, C, H, W]``, any real dtype, or RGB from 0 to 1;
                H and W multiples of 16 ``pool``. A network of raw planes has one plane per bin.
            planes_per_bin: Planes that each bin covers, ``[C]``, at least 1.
        """
        return self.from_pooled(average_pool(image, self.pool), planes_per_bin)

    @abstractmethod
    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> Any:
        """Predict from input at the network's internal size.

        The input holds sums over ``pool`` by ``pool`` pixels, as the backends count, or their
        means, as in :meth:`forward`; only ``planes_per_bin`` differs.

        Args:
            counts: Spikes per cell of pixels and bin, ``[B, C, H, W]``, any real dtype; H and W
                multiples of 16. Images come out ``pool`` times as large.
            planes_per_bin: Largest possible count of each bin, ``[C]``, at least 1: its planes
                times the summed pixels.

        Returns:
            A named tuple; its fields include the outputs that the checkpoint names.
        """


def to_channels_last(network: nn.Module) -> None:
    """Store the kernels of 2D convolutions with their channels last, as they are computed.

    ``Module.to(memory_format=...)`` refuses networks that have 3D convolutions, too.
    """
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
