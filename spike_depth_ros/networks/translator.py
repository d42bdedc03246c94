# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Translator of pictures into another look, of the same scene (Zhu et al., CycleGAN).

Its sizes are those of Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", in which nothing is added on the way back: here the features of each size
are, and the picture, as what is left of the noise cannot pass a quarter of the size. Norms are
over all channels of a picture: with one for each channel, as there, a picture of one value has
infinite gradients. Training alone uses it.
"""

from __future__ import annotations

from torch import Tensor, nn

from spike_depth_ros.networks.heads import to_float32
from spike_depth_ros.tasks.architectures import TranslatorSettings

MULTIPLE = 4
"""Factor of the rows and columns of pictures."""


class Translator(nn.Module):
    """Network that changes a picture; before training it changes nothing.

    Args:
        settings: Sizes.
    """

    def __init__(self, settings: TranslatorSettings) -> None:
        super().__init__()
        width = settings.width
        self.at_full = nn.Sequential(*_layer(3, width, 7, 1))
        self.at_half = nn.Sequential(*_layer(width, 2 * width, 3, 2))
        self.at_quarter = nn.Sequential(
            *_layer(2 * width, 4 * width, 3, 2),
            *(Residual(4 * width) for _ in range(settings.blocks)),
        )
        self.up_to_half = nn.Sequential(
            nn.Upsample(scale_factor=2), *_layer(4 * width, 2 * width, 3, 1)
        )
        self.up_to_full = nn.Sequential(
            nn.Upsample(scale_factor=2), *_layer(2 * width, width, 3, 1)
        )
        self.change = nn.Conv2d(width, 3, 7, padding=3, padding_mode='reflect')
        nn.init.zeros_(self.change.weight)
        assert self.change.bias is not None
        nn.init.zeros_(self.change.bias)

    def forward(self, picture: Tensor) -> Tensor:
        """Translate pictures.

        Args:
            picture: ``[B, 3, H, W]``, 0 to 1; H and W multiples of 4.

        Returns:
            Same shape, float32; in eval mode 0 to 1. In training mode it may exceed these limits,
            so that each value has a gradient.

        Raises:
            ValueError: The size is no multiple of 4.
        """
        height, width = picture.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE:
            raise ValueError(f'pictures of {height} x {width}: expected multiples of {MULTIPLE}')
        full = self.at_full(picture)
        half = self.at_half(full)
        half = half + self.up_to_half(self.at_quarter(half))
        full = full + self.up_to_full(half)
        translated = to_float32(picture) + to_float32(self.change(full))
        return translated if self.training else translated.clamp(0, 1)


class Residual(nn.Module):
    """Two 3x3 convolutions that are added to their input.

    Args:
        width: Channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = _layer(width, width, 3, 1), _layer(width, width, 3, 1)
        self.body = nn.Sequential(*first, *second[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``[B, C, H, W]``."""
        refined: Tensor = x + self.body(x)
        return refined


def _layer(channels: int, width: int, kernel: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, padding_mode='reflect'),
        nn.GroupNorm(1, width),
        nn.ReLU(),
    ]
