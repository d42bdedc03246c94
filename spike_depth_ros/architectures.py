# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Architectures of networks, by task, and their settings; without torch, which builds them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from spike_depth_ros.checkpoint import FACTORS


@dataclasses.dataclass(frozen=True)
class TinySettings:
    """Settings of ``dpt_tiny``, as a checkpoint stores them.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on. At 2 counts of 2x2 pixels
            are averaged first and depth is enlarged at the end: a quarter of the work, less noise
            in short windows, less detail. All strides below count from there.
        stem: Channels at stride 2.
        stage4: Channels at stride 4.
        stage8: Channels at stride 8.
        stage16: Channels at stride 16.
        dim: Width of the tokens.
        blocks: Transformer blocks.
        heads: Attention heads.
        mlp_ratio: Hidden width of the transformer's MLP over ``dim``.
        grid: Rows and columns of the position table: 400x250 pixels at stride 16.
        features: Channels of the decoder.
        head: Channels within the two heads.
    """

    pool: int = 1
    stem: int = 32
    stage4: int = 32
    stage8: int = 64
    stage16: int = 96
    dim: int = 192
    blocks: int = 4
    heads: int = 3
    mlp_ratio: int = 4
    grid: tuple[int, int] = (16, 25)
    features: int = 48
    head: int = 16


PICTURES: dict[str, tuple[float, ...]] = {
    'mean_and_bins': (1.0,),
    'mean': (1.0,),
    'three_rates': (1 / 9, 1 / 3, 1.0),
}
"""Central parts of the window that become colours, by the setting ``picture``.

Ninths and thirds, which 9 bins divide without remainder.
"""

UPSAMPLING = ('bilinear', 'convex', 'nearest', 'convex_full', 'selected')
"""Values of the setting ``upsampling``."""


@dataclasses.dataclass(frozen=True)
class LiteSettings:
    """Settings of ``unet_lite``, as a checkpoint stores them.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on, as in ``dpt_tiny``.
        dim: Channels of ``f_enc`` at stride 16 and of the class token.
        features8: Channels of the decoder at stride 8.
        features: Channels of the decoder at stride 4.
        features2: Channels of the decoder at stride 2; 0: the decoder ends at stride 4.
        head: Channels within the two heads.
        picture: Mapping from rates to RGB, a key of ``PICTURES``: ``mean_and_bins``, the rate of
            the window in three equal colours and a learned convolution of the bins; ``mean``,
            without the convolution; or ``three_rates``, the rates of a ninth, a third and the
            whole of the window as three colours.
        upsampling: Upsampling of depth from half of the network's internal size: ``bilinear``;
            ``convex`` up to the internal size, which is learned and keeps outlines, then bilinear;
            ``nearest``, the same, which repeats pixels at last; ``convex_full`` up to the size of
            the input; or ``selected``, in two steps to that size, of which each copies one value.

    Raises:
        ValueError: A size is out of its range, or there is no such picture or upsampling.
    """

    pool: int = 1
    dim: int = 128
    features8: int = 64
    features: int = 48
    head: int = 24
    features2: int = 0
    picture: str = 'mean_and_bins'
    upsampling: str = 'bilinear'

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            size = getattr(self, name)
            if type(size) is not int or size < least:
                raise ValueError(f'{name} is {size!r}: expected {least} or more')
        _check_picture(self.picture)
        if self.upsampling not in UPSAMPLING:
            raise ValueError(
                f'upsampling is {self.upsampling!r}: expected {" or ".join(UPSAMPLING)}'
            )


_LEAST = {'pool': 1, 'dim': 1, 'features8': 1, 'features': 1, 'features2': 0, 'head': 1}


@dataclasses.dataclass(frozen=True)
class DpnSettings:
    """Settings of ``dpn``, as a checkpoint stores them.

    Attributes:
        width: Channels at strides 2 and 4, a multiple of 4; twice, four and eight times as many at
            strides 8, 16 and 32.
        attention: Whether channel and spatial attention follow the encoder; False: an ablation.
        baseline_m: Distance of the eyes whose disparity is predicted, metres.
        picture: Mapping from rates to RGB, as in ``unet_lite``.

    Raises:
        ValueError: A setting is out of its range, or there is no such picture.
    """

    width: int = 64
    attention: bool = True
    baseline_m: float = 0.1
    picture: str = 'three_rates'

    def __post_init__(self) -> None:
        if type(self.width) is not int or self.width < 4 or self.width % 4:
            raise ValueError(f'width is {self.width!r}: expected a multiple of 4')
        if type(self.attention) is not bool:
            raise ValueError(f'attention is {self.attention!r}: expected true or false')
        if type(self.baseline_m) not in (int, float) or not 0 < self.baseline_m < math.inf:
            raise ValueError(f'baseline_m is {self.baseline_m!r}: expected metres above 0')
        _check_picture(self.picture)


def _check_picture(picture: str) -> None:
    if picture not in [*PICTURES]:
        raise ValueError(f'picture is {picture!r}: expected {" or ".join(PICTURES)}')


@dataclasses.dataclass(frozen=True)
class HybridSettings:
    """Settings of ``dpt_hybrid``, as a checkpoint stores them; the defaults are as published.

    Attributes:
        temporal_features: Output channels of the temporal module, a multiple of 8; spikes only.
        temporal_blocks: Its residual blocks.
        temporal_dim: Width of its tokens, a multiple of 4.
        dim: Width of the transformer's tokens.
        layers: Transformer layers.
        heads: Attention heads.
        features: Channels of the decoder.
        head: Channels within the two heads, before their last convolution.
        norm: Normalisation of the convolutional stages: ``group``, as published; or ``batch``,
            whose running statistics AdaBN can adapt.
        depth: ``log``: log-depth within the depth range by a sigmoid; ``inverse``: ``1 / (scale *
            x + shift)`` with x above 0, limited to the depth range.
        scale: Scale of ``inverse``, 1/m.
        shift: Shift of ``inverse``, 1/m; 1 / shift is the farthest depth.
    """

    temporal_features: int = 64
    temporal_blocks: int = 2
    temporal_dim: int = 64
    dim: int = 768
    layers: int = 12
    heads: int = 12
    features: int = 256
    head: int = 32
    norm: Literal['group', 'batch'] = 'group'
    depth: Literal['log', 'inverse'] = 'log'
    scale: float = 0.1
    shift: float = 0.0125


@dataclasses.dataclass(frozen=True)
class ReconSettings:
    """Settings of ``recon_lite``, as a checkpoint stores them.

    Attributes:
        widths: Channels at strides 2, 4 and 8.
        covered: Planes that the inter-spike intervals of each estimate cover.
        windows: Planes of each mean.
        boxes: Sides of the squares of pixels over which the mean of all planes is averaged.
    """

    widths: tuple[int, int, int] = (24, 48, 64)
    covered: tuple[int, ...] = (2, 4, 8, 16)
    windows: tuple[int, ...] = (11, 21, 41)
    boxes: tuple[int, ...] = (3, 7)

    def __post_init__(self) -> None:
        for name in ('widths', 'covered', 'windows', 'boxes'):
            value = getattr(self, name)
            if not isinstance(value, (tuple, list)) or not all(type(n) is int for n in value):
                raise ValueError(f'{name} is {value!r}: expected whole numbers')
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise ValueError(f'widths is {list(self.widths)}: expected three of 1 or more')


@dataclasses.dataclass(frozen=True)
class BlindSpotSettings:
    """Settings of ``blind_spot``, as a checkpoint stores them.

    Attributes:
        features: Channels of the encoder; the decoder has twice as many.
        amim: Channels of AMIM.
    """

    features: int = 48
    amim: int = 16

    def __post_init__(self) -> None:
        if min(self.features, self.amim) < 1:
            raise ValueError(
                f'features is {self.features}, amim {self.amim}: expected 1 or more of each'
            )


@dataclasses.dataclass(frozen=True)
class SsmlSettings(BlindSpotSettings):
    """Settings of ``ssml``, as a checkpoint stores them.

    Attributes:
        features: Channels of the encoders; the decoders have twice as many.
        amim: Channels of AMIM.
        gates: Spatial and channel attention within AMIM.
        attention: Non-local attention between the two U-Nets.
    """

    gates: bool = True
    attention: bool = True


@dataclasses.dataclass(frozen=True)
class StereoLiteSettings:
    """Settings of ``stereo_lite``, as a checkpoint stores them.

    Attributes:
        pool: Input pixels per side of a pixel that the network works on, as in ``dpt_tiny``.
        disparities: Searched disparities, from 0 on, pixels of the input; a multiple of 16
            ``pool``.
        stem: Channels at stride 2.
        features: Channels at stride 4, which are compared; a multiple of ``groups``.
        groups: Groups of these channels, each of which is compared by itself.
        volume: Channels of the aggregation.
        head: Channels of the upsampling and of the uncertainty.

    Raises:
        ValueError: A size is out of its range.
    """

    pool: int = 1
    disparities: int = 128
    stem: int = 16
    features: int = 40
    groups: int = 8
    volume: int = 12
    head: int = 32

    def __post_init__(self) -> None:
        for name, size in dataclasses.asdict(self).items():
            if type(size) is not int or size < 1:
                raise ValueError(f'{name} is {size!r}: expected 1 or more')
        if self.disparities % (16 * self.pool):
            raise ValueError(
                f'disparities is {self.disparities}: expected a multiple of {16 * self.pool}, 16 '
                'times pool'
            )
        if self.features % self.groups:
            raise ValueError(
                f'features is {self.features}: expected a multiple of groups, {self.groups}'
            )


PATCH = 5
"""Side of the patches whose depths ``upsample_lite`` sees, small pixels."""


@dataclasses.dataclass(frozen=True)
class UpsampleLiteSettings:
    """Settings of ``upsample_lite``, as a checkpoint stores them.

    Attributes:
        width: Channels.
        blocks: Residual blocks of two 3x3 convolutions.
        factors: Factors by which height and width are enlarged, some of ``FACTORS``, ascending.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: int = 32
    blocks: int = 2
    factors: tuple[int, ...] = FACTORS

    def __post_init__(self) -> None:
        _check_sizes(self, 'width', 'blocks')
        given = self.factors
        if (
            not isinstance(given, (tuple, list))
            or not given
            or list(given) != [factor for factor in FACTORS if factor in given]
        ):
            raise ValueError(
                f'factors is {given!r}: expected some of {", ".join(map(str, FACTORS))}, ascending'
            )

    @property
    def radius(self) -> int:
        """Small pixels around a place, each way, that its weights depend on."""
        return 2 * (PATCH // 2) + 2 * self.blocks


@dataclasses.dataclass(frozen=True)
class DsrSettings:
    """Settings of ``dsr_net``, as a checkpoint stores them.

    A network of the input ``depth`` is DSRNet, one of ``rgb`` is DENet.

    Attributes:
        width: Channels.
        blocks: Blocks: of back-projection in DSRNet, of residuals in DENet.
        factors: The factor by which DSRNet enlarges height and width, one of ``FACTORS``.
        residual: True: it sees depths over their range in 3x3 pixels, and its map is a change of
            the bilinearly interpolated one, over that range.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: int = 64
    blocks: int = 5
    factors: tuple[int, ...] = (8,)
    residual: bool = False

    def __post_init__(self) -> None:
        _check_sizes(self, 'width', 'blocks')
        given = self.factors
        if not isinstance(given, (tuple, list)) or len(given) != 1 or given[0] not in FACTORS:
            raise ValueError(
                f'factors is {given!r}: expected one of {", ".join(map(str, FACTORS))} in a list'
            )
        if type(self.residual) is not bool:
            raise ValueError(f'residual is {self.residual!r}: expected true or false')


def _check_sizes(settings: Any, *names: str) -> None:
    """Check that sizes are whole numbers.

    Raises:
        ValueError: One is not, or below 1.
    """
    for name in names:
        size = getattr(settings, name)
        if type(size) is not int or size < 1:
            raise ValueError(f'{name} is {size!r}: expected 1 or more')


ARCHITECTURES: dict[str, tuple[str, ...]] = {
    'depth': ('dpt_tiny', 'unet_lite', 'dpt_hybrid', 'dpn'),
    'image': ('recon_lite', 'ssml', 'blind_spot'),
    'stereo': ('stereo_lite',),
    'upsample': ('upsample_lite', 'dsr_net'),
}
"""Architectures by the task of a checkpoint."""

SETTINGS: dict[str, type[Any]] = {
    'dpt_tiny': TinySettings,
    'unet_lite': LiteSettings,
    'dpt_hybrid': HybridSettings,
    'dpn': DpnSettings,
    'recon_lite': ReconSettings,
    'ssml': SsmlSettings,
    'blind_spot': BlindSpotSettings,
    'stereo_lite': StereoLiteSettings,
    'upsample_lite': UpsampleLiteSettings,
    'dsr_net': DsrSettings,
}
"""Class of the settings of each architecture."""

IMAGENET = ('unet_lite', 'dpt_hybrid')
"""Architectures whose encoder has ImageNet weights to start from."""
