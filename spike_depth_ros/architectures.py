# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Architectures of networks, by task, and their settings; without torch, which builds them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
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

    Raises:
        ValueError: A setting is out of its range.
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

    def __post_init__(self) -> None:
        _check_sizes(self, 'pool', 'stem', 'stage4', 'stage8', 'stage16', 'dim', 'blocks')
        _check_sizes(self, 'heads', 'mlp_ratio', 'features', 'head')
        if self.dim % self.heads:
            raise ValueError(f'dim is {self.dim}: expected a multiple of heads, {self.heads}')
        grid = self.grid
        if not (
            isinstance(grid, (tuple, list))
            and len(grid) == 2
            and all(type(side) is int and side >= 1 for side in grid)
        ):
            raise ValueError(f'grid is {grid!r}: expected two whole numbers of 1 or more')


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
        smoothing: Smoothing of surfaces between these two steps, which otherwise show a grid of
            ``2 * pool`` pixels: span of log depth within 3x3 places from which on there is an
            outline, which stays as it is. 0: none. Above 0 with ``selected`` alone.

    Raises:
        ValueError: A size or the smoothing is out of its range, or there is no such picture or
            upsampling.
    """

    pool: int = 1
    dim: int = 128
    features8: int = 64
    features: int = 48
    head: int = 24
    features2: int = 0
    picture: str = 'mean_and_bins'
    upsampling: str = 'bilinear'
    smoothing: float = 0.0

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
        if type(self.smoothing) not in (int, float) or not 0 <= self.smoothing < math.inf:
            raise ValueError(f'smoothing is {self.smoothing!r}: expected a number of 0 or more')
        if self.smoothing and self.upsampling != 'selected':
            raise ValueError(
                f'smoothing is {self.smoothing!r}: expected 0 with upsampling '
                f"{self.upsampling!r}, or upsampling 'selected'"
            )


_LEAST = {'pool': 1, 'dim': 1, 'features8': 1, 'features': 1, 'features2': 0, 'head': 1}


FUSIONS = ('pyramids', 'attention', 'concatenation')
"""Values of the setting ``fusion``."""


@dataclasses.dataclass(frozen=True)
class FuseLiteSettings(LiteSettings):
    """Settings of ``fuse_lite``, as a checkpoint stores them, beyond those of ``unet_lite``.

    Attributes:
        dim: A multiple of 8 and of twice ``heads``.
        fusion: Fusion at strides 16 and 8: ``pyramids``, by frequency; ``attention``, without
            pyramids; or ``concatenation``. The last two are controls.
        heads: Heads of the attention; 40 channels at stride 8 are shared out among them.
        uses: ``both``; or ``spikes`` or ``frame`` alone, as if the other were missing: controls.
        paper_exact: Whether attention is added to the normed query, as in the code of the paper;
            False: to the query.

    Raises:
        ValueError: A setting is out of its range.
    """

    picture: str = 'three_rates'
    fusion: str = 'pyramids'
    heads: int = 4
    uses: str = 'both'
    paper_exact: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.uses not in ('both', 'spikes', 'frame'):
            raise ValueError(f'uses is {self.uses!r}: expected both, spikes or frame')
        if self.heads not in (1, 2, 4, 5, 10, 20):
            raise ValueError(f'heads is {self.heads!r}: expected 1, 2, 4, 5, 10 or 20')
        if self.dim % 8 or self.dim % (2 * self.heads):
            raise ValueError(f'dim is {self.dim}: expected a multiple of 8 and {2 * self.heads}')
        if self.fusion not in FUSIONS:
            raise ValueError(f'fusion is {self.fusion!r}: expected {" or ".join(FUSIONS)}')
        if type(self.paper_exact) is not bool:
            raise ValueError(f'paper_exact is {self.paper_exact!r}: expected true or false')


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

    Raises:
        ValueError: A setting is out of its range.
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

    def __post_init__(self) -> None:
        _check_sizes(self, 'temporal_features', 'temporal_blocks', 'temporal_dim', 'dim', 'layers')
        _check_sizes(self, 'heads', 'features', 'head')
        for name, factor in (('temporal_features', 8), ('temporal_dim', 4)):
            if (size := getattr(self, name)) % factor:
                raise ValueError(f'{name} is {size}: expected a multiple of {factor}')


@dataclasses.dataclass(frozen=True)
class DepthAnythingSettings:
    """Settings of ``depth_anything``, as a checkpoint stores them.

    The defaults are the sizes of Depth Anything V2 Small (Yang et al., "Depth Anything V2").

    Attributes:
        hidden: Width of the tokens, a multiple of ``heads``.
        layers: Transformer layers.
        heads: Attention heads.
        mlp_ratio: Hidden width of the transformer's MLP over ``hidden``.
        patch: Side of the patches, pixels.
        grid: Rows, and columns, of the position table; it is resized to the picture's patches.
        taps: Layers whose tokens the decoder sees, four, counted from 1; the last is ``layers``.
        reassemble: Factors by which the maps of these layers are resized: whole numbers, or one
            over a whole number.
        neck: Channels of these maps.
        fusion: Channels of the decoder, even.
        head: Channels within the two heads.
        picture: Mapping from rates to RGB, as in ``unet_lite``.

    Raises:
        ValueError: A setting is out of its range, or the settings do not fit each other.
    """

    hidden: int = 384
    layers: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    patch: int = 14
    grid: int = 37
    taps: tuple[int, ...] = (3, 6, 9, 12)
    reassemble: tuple[float, ...] = (4, 2, 1, 0.5)
    neck: tuple[int, ...] = (48, 96, 192, 384)
    fusion: int = 64
    head: int = 32
    picture: str = 'three_rates'

    def __post_init__(self) -> None:
        _check_sizes(self, 'hidden', 'layers', 'heads', 'mlp_ratio', 'patch', 'grid', 'head')
        _check_sizes(self, 'fusion')
        if self.hidden % self.heads:
            raise ValueError(
                f'hidden is {self.hidden}: expected a multiple of heads, {self.heads}'
            )
        if self.fusion % 2:
            raise ValueError(f'fusion is {self.fusion}: expected an even number')
        for name in ('taps', 'neck'):
            given = getattr(self, name)
            if not _are_four(given) or not all(type(n) is int and n >= 1 for n in given):
                raise ValueError(f'{name} is {given!r}: expected four whole numbers of 1 or more')
        taps = [*self.taps]
        if taps != sorted({*taps}) or taps[-1] != self.layers:
            raise ValueError(
                f'taps is {taps}: expected ascending layers, the last of them {self.layers}'
            )
        if not _are_four(self.reassemble) or not all(map(_is_factor, self.reassemble)):
            raise ValueError(
                f'reassemble is {self.reassemble!r}: expected four factors such as 4, 2, 1 and 0.5'
            )
        _check_picture(self.picture)


def _are_four(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and len(given) == 4


def _is_factor(given: Any) -> bool:
    """Check for a whole number above 0, or one over it."""
    if type(given) not in (int, float) or not 0 < given < math.inf:
        return False
    return float(given).is_integer() or (1 / given).is_integer()


_DINOV2 = {
    'hidden_size': 768,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'mlp_ratio': 4,
    'patch_size': 14,
    'image_size': 224,
}
"""Sizes of ``transformers`` where the config of a backbone does not name them."""

_DEPTH_ANYTHING: dict[str, Any] = {
    'reassemble_factors': [4, 2, 1, 0.5],
    'neck_hidden_sizes': [48, 96, 192, 384],
    'fusion_hidden_size': 64,
    'head_hidden_size': 32,
}
"""Likewise of the rest of the model."""

_BUILT_BACKBONE = {
    'model_type': ('dinov2', 'dinov2'),
    'hidden_act': ('gelu', 'gelu'),
    'layer_norm_eps': (1e-6, 1e-6),
    'num_channels': (3, 3),
    'qkv_bias': (True, True),
    'use_swiglu_ffn': (False, False),
    'apply_layernorm': (True, True),
    'reshape_hidden_states': (False, True),
}
"""What ``depth_anything`` has, and what ``transformers`` takes where a backbone names none."""

_BUILT = {'head_in_index': (-1, -1), 'depth_estimation_type': ('relative', 'relative')}
"""Likewise of the rest of the model."""


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Derive the settings of ``depth_anything`` from a model of ``transformers``.

    Args:
        config: Content of the model's ``config.json``.

    Returns:
        All settings but ``picture``, which the model has not.

    Raises:
        ValueError: ``depth_anything`` cannot have the model's weights.
    """
    backbone = config.get('backbone_config')
    if not isinstance(backbone, Mapping):
        raise ValueError('backbone_config is missing: expected the sizes of the backbone')
    for part, built in ((backbone, _BUILT_BACKBONE), (config, _BUILT)):
        for name, (value, default) in built.items():
            if (found := part.get(name, default)) != value:
                raise ValueError(f'{name} is {found!r}: expected {value!r}')
    of_backbone, rest = _DINOV2 | {**backbone}, _DEPTH_ANYTHING | {**config}
    side, patch, width = (
        of_backbone[name] for name in ('image_size', 'patch_size', 'hidden_size')
    )
    if type(side) is not int or type(patch) is not int or patch < 1:
        raise ValueError(f'image_size is {side!r}, patch_size {patch!r}: expected whole numbers')
    for name, value in (('patch_size', patch), ('reassemble_hidden_size', width)):
        if (found := config.get(name, value)) != value:
            raise ValueError(f'{name} is {found!r}: expected {value!r} as in the backbone')
    taps = backbone.get('out_indices')
    if taps is None and isinstance(stages := backbone.get('out_features'), list):
        taps = [
            int(number) if (number := str(stage).removeprefix('stage')).isdecimal() else stage
            for stage in stages
        ]
    found = DepthAnythingSettings(
        hidden=width,
        layers=of_backbone['num_hidden_layers'],
        heads=of_backbone['num_attention_heads'],
        mlp_ratio=of_backbone['mlp_ratio'],
        patch=patch,
        grid=side // patch,
        taps=taps,  # type: ignore[arg-type]  # checked there, as all sizes are
        reassemble=rest['reassemble_factors'],
        neck=rest['neck_hidden_sizes'],
        fusion=rest['fusion_hidden_size'],
        head=rest['head_hidden_size'],
    )
    return {k: v for k, v in dataclasses.asdict(found).items() if k != 'picture'}


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
        amim: Channels of AMIM; 0: there is none.
        streams: 1; or 3 overlapping sub-streams, joined after a first U-Net (long-term temporal
            correlation of Chen et al.).
        attention: Non-local attention behind the first U-Net. It breaks the blind spot: an
            ablation of the paper.

    Raises:
        ValueError: A setting is out of its range.
    """

    features: int = 48
    amim: int = 16
    streams: int = 1
    attention: bool = False

    def __post_init__(self) -> None:
        if self.features < 1 or self.amim < 0:
            raise ValueError(
                f'features is {self.features}, amim {self.amim}: expected 1 or more and 0 or more'
            )
        if self.streams not in (1, 3):
            raise ValueError(f'streams is {self.streams!r}: expected 1 or 3')


@dataclasses.dataclass(frozen=True)
class SsmlSettings(BlindSpotSettings):
    """Settings of ``ssml``, as a checkpoint stores them.

    Attributes:
        features: Channels of the encoders; the decoders have twice as many.
        amim: Channels of AMIM; 0: there is none.
        streams: 3 overlapping sub-streams (long-term temporal correlation of Chen et al.), or 1.
        attention: Non-local attention between the two U-Nets.
        gates: Spatial and channel attention within AMIM.
    """

    streams: int = 3
    attention: bool = True
    gates: bool = True


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


@dataclasses.dataclass(frozen=True)
class TranslatorSettings:
    """Settings of ``translator``, as a checkpoint stores them.

    Attributes:
        width: Channels at full size; twice as many at half and four times at a quarter of it.
        blocks: Residual blocks at a quarter of the size.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: int = 16
    blocks: int = 4

    def __post_init__(self) -> None:
        _check_sizes(self, 'width', 'blocks')


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
    'depth': ('dpt_tiny', 'unet_lite', 'dpt_hybrid', 'dpn', 'depth_anything'),
    'image': ('recon_lite', 'ssml', 'blind_spot'),
    'stereo': ('stereo_lite',),
    'upsample': ('upsample_lite', 'dsr_net'),
    'fused': ('fuse_lite',),
    'translation': ('translator',),
}
"""Architectures by the task of a checkpoint."""

SETTINGS: dict[str, type[Any]] = {
    'dpt_tiny': TinySettings,
    'unet_lite': LiteSettings,
    'dpt_hybrid': HybridSettings,
    'dpn': DpnSettings,
    'fuse_lite': FuseLiteSettings,
    'depth_anything': DepthAnythingSettings,
    'recon_lite': ReconSettings,
    'ssml': SsmlSettings,
    'blind_spot': BlindSpotSettings,
    'stereo_lite': StereoLiteSettings,
    'upsample_lite': UpsampleLiteSettings,
    'dsr_net': DsrSettings,
    'translator': TranslatorSettings,
}
"""Class of the settings of each architecture."""

IMAGENET = ('unet_lite', 'fuse_lite', 'dpt_hybrid')
"""Architectures whose encoder has ImageNet weights to start from."""
