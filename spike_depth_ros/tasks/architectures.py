# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Architectures of networks, by task, and their settings; without torch, which builds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from spike_depth_ros.base.schema import Problems, across, refuse
from spike_depth_ros.base.values import (
    ASCENDING,
    DISTINCT,
    NOT_EMPTY,
    Check,
    Count,
    NotNegative,
    Number,
    Positive,
    multiple_of,
    one_of,
)
from spike_depth_ros.tasks.upsample import FACTORS


class _Settings:
    """Settings of an architecture, which refuse what it cannot be built with."""

    def __post_init__(self) -> None:
        refuse(self)


Modality = Literal['spikes', 'rgb', 'events']
"""Input of a network of depth: ``spikes``, or what training alone uses."""

OF_EVENTS = ('unet_lite', 'depth_anything')
"""Architectures whose input may be a voxel grid of events."""

Picture = Literal['mean_and_bins', 'mean', 'three_rates']
FourCounts = tuple[Count, Count, Count, Count]
EnlargingFactor = Annotated[int, one_of(*FACTORS)]
Factor = Annotated[
    float,
    Check(
        lambda given: given > 0 and (float(given).is_integer() or (1 / given).is_integer()),
        'a whole number or one over it',
    ),
]


@dataclasses.dataclass(frozen=True)
class TinySettings(_Settings):
    """Settings of ``dpt_tiny``, as a checkpoint stores them.

    Raises:
        ValueError: A setting is out of its range.
    """

    pool: Count = 1
    """Input pixels per side of a pixel that the network works on. At 2 counts of 2x2 pixels are
    averaged first and depth is enlarged at the end: a quarter of the work, less noise in short
    windows, less detail. All strides below count from there."""
    stem: Count = 32
    """Channels at stride 2."""
    stage4: Count = 32
    """Channels at stride 4."""
    stage8: Count = 64
    """Channels at stride 8."""
    stage16: Count = 96
    """Channels at stride 16."""
    dim: Count = 192
    """Width of the tokens."""
    blocks: Count = 4
    """Transformer blocks."""
    heads: Count = 3
    """Attention heads."""
    mlp_ratio: Count = 4
    """Hidden width of the transformer's MLP over ``dim``."""
    grid: tuple[Count, Count] = (16, 25)
    """Rows and columns of the position table: 400x250 pixels at stride 16."""
    features: Count = 48
    """Channels of the decoder."""
    head: Count = 16
    """Channels within the two heads."""

    @across('dim', 'heads')
    def _dim_of_heads(self) -> Problems:
        return _divided(self, 'dim', 'heads')


PICTURES: dict[str, tuple[float, ...]] = {
    'mean_and_bins': (1.0,),
    'mean': (1.0,),
    'three_rates': (1 / 9, 1 / 3, 1.0),
}
"""Central parts of the window that become colours, by the setting ``picture``.

Ninths and thirds, which 9 bins divide without remainder.
"""


@dataclasses.dataclass(frozen=True)
class LiteSettings(_Settings):
    """Settings of ``unet_lite``, as a checkpoint stores them.

    Raises:
        ValueError: A size or the smoothing is out of its range, or there is no such picture or
            upsampling.
    """

    pool: Count = 1
    """Input pixels per side of a pixel that the network works on, as in ``dpt_tiny``."""
    dim: Count = 128
    """Channels of ``f_enc`` at stride 16 and of the class token."""
    features8: Count = 64
    """Channels of the decoder at stride 8."""
    features: Count = 48
    """Channels of the decoder at stride 4."""
    head: Count = 24
    """Channels within the two heads."""
    features2: Number = 0
    """Channels of the decoder at stride 2; 0: the decoder ends at stride 4."""
    picture: Picture = 'mean_and_bins'
    """Mapping from rates to RGB: ``mean_and_bins``, the rate of the window in three equal colours
    and a learned convolution of the bins; ``mean``, without the convolution; or ``three_rates``,
    the rates of a ninth, a third and the whole of the window as three colours."""
    upsampling: Literal['bilinear', 'convex', 'nearest', 'convex_full', 'selected'] = 'bilinear'
    """Upsampling of depth from half of the network's internal size: ``bilinear``; ``convex`` up to
    the internal size, which is learned and keeps outlines, then bilinear; ``nearest``, the same,
    which repeats pixels at last; ``convex_full`` up to the size of the input; or ``selected``, in
    two steps to that size, of which each copies one value."""
    smoothing: NotNegative = 0.0
    """Smoothing of surfaces between these two steps, which otherwise show a grid of ``2 * pool``
    pixels: span of log depth within 3x3 places from which on there is an outline, which stays as
    it is. 0: none. Above 0 with ``selected`` alone."""

    @across('smoothing', 'upsampling')
    def _smoothing_of_selected(self) -> Problems:
        if self.smoothing and self.upsampling != 'selected':
            yield (
                f'smoothing is {self.smoothing!r}: expected 0 with upsampling '
                f"{self.upsampling!r}, or upsampling 'selected'"
            )


@dataclasses.dataclass(frozen=True)
class FuseLiteSettings(LiteSettings):
    """Settings of ``fuse_lite``, as a checkpoint stores them, beyond those of ``unet_lite``.

    Attributes:
        dim: A multiple of 8 and of twice ``heads``.

    Raises:
        ValueError: A setting is out of its range.
    """

    picture: Picture = 'three_rates'
    fusion: Literal['pyramids', 'attention', 'concatenation'] = 'pyramids'
    """Fusion at strides 16 and 8: ``pyramids``, by frequency; ``attention``, without pyramids; or
    ``concatenation``. The last two are controls."""
    heads: Literal[1, 2, 4, 5, 10, 20] = 4
    """Heads of the attention; 40 channels at stride 8 are shared out among them."""
    uses: Literal['both', 'spikes', 'frame'] = 'both'
    """``both``; or ``spikes`` or ``frame`` alone, as if the other were missing: controls."""
    paper_exact: bool = False
    """Whether attention is added to the normed query, as in the code of the paper; False: to the
    query."""

    @across('dim', 'heads')
    def _dim_of_fusion(self) -> Problems:
        if self.dim % 8 or self.dim % (2 * self.heads):
            yield f'dim is {self.dim}: expected a multiple of 8 and {2 * self.heads}'


@dataclasses.dataclass(frozen=True)
class DpnSettings(_Settings):
    """Settings of ``dpn``, as a checkpoint stores them.

    Raises:
        ValueError: A setting is out of its range, or there is no such picture.
    """

    width: Annotated[int, multiple_of(4)] = 64
    """Channels at strides 2 and 4, a multiple of 4; twice, four and eight times as many at strides
    8, 16 and 32."""
    attention: bool = True
    """Whether channel and spatial attention follow the encoder; False: an ablation."""
    baseline_m: Positive = 0.1
    """Distance of the eyes whose disparity is predicted, metres."""
    picture: Picture = 'three_rates'
    """Mapping from rates to RGB, as in ``unet_lite``."""


@dataclasses.dataclass(frozen=True)
class HybridSettings(_Settings):
    """Settings of ``dpt_hybrid``, as a checkpoint stores them; the defaults are as published.

    Raises:
        ValueError: A setting is out of its range.
    """

    temporal_features: Annotated[int, multiple_of(8)] = 64
    """Output channels of the temporal module, a multiple of 8; spikes only."""
    temporal_blocks: Count = 2
    """Its residual blocks."""
    temporal_dim: Annotated[int, multiple_of(4)] = 64
    """Width of its tokens, a multiple of 4."""
    dim: Count = 768
    """Width of the transformer's tokens."""
    layers: Count = 12
    """Transformer layers."""
    heads: Count = 12
    """Attention heads."""
    features: Count = 256
    """Channels of the decoder."""
    head: Count = 32
    """Channels within the two heads, before their last convolution."""
    norm: Literal['group', 'batch'] = 'group'
    """Normalisation of the convolutional stages: ``group``, as published; or ``batch``, whose
    running statistics AdaBN can adapt."""
    depth: Literal['log', 'inverse'] = 'log'
    """``log``: log-depth within the depth range by a sigmoid; ``inverse``: ``1 / (scale * x +
    shift)`` with x above 0, limited to the depth range."""
    scale: float = 0.1
    """Scale of ``inverse``, 1/m."""
    shift: float = 0.0125
    """Shift of ``inverse``, 1/m; 1 / shift is the farthest depth."""


@dataclasses.dataclass(frozen=True)
class DepthAnythingSettings(_Settings):
    """Settings of ``depth_anything``, as a checkpoint stores them.

    The defaults are the sizes of Depth Anything V2 Small (Yang et al., "Depth Anything V2").

    Raises:
        ValueError: A setting is out of its range, or the settings do not fit each other.
    """

    hidden: Count = 384
    """Width of the tokens, a multiple of ``heads``."""
    layers: Count = 12
    """Transformer layers."""
    heads: Count = 6
    """Attention heads."""
    mlp_ratio: Count = 4
    """Hidden width of the transformer's MLP over ``hidden``."""
    patch: Count = 14
    """Side of the patches, pixels."""
    grid: Count = 37
    """Rows, and columns, of the position table; it is resized to the picture's patches."""
    taps: FourCounts = (3, 6, 9, 12)
    """Layers whose tokens the decoder sees, four, counted from 1; the last is ``layers``."""
    reassemble: tuple[Factor, Factor, Factor, Factor] = (4, 2, 1, 0.5)
    """Factors by which the maps of these layers are resized: whole numbers, or one over a whole
    number."""
    neck: FourCounts = (48, 96, 192, 384)
    """Channels of these maps."""
    fusion: Annotated[int, multiple_of(2)] = 64
    """Channels of the decoder, even."""
    head: Count = 32
    """Channels within the two heads."""
    picture: Picture = 'three_rates'
    """Mapping from rates to RGB, as in ``unet_lite``."""

    @across('hidden', 'heads')
    def _hidden_of_heads(self) -> Problems:
        return _divided(self, 'hidden', 'heads')

    @across('taps', 'layers')
    def _taps_of_layers(self) -> Problems:
        taps = [*self.taps]
        if taps != sorted({*taps}) or taps[-1] != self.layers:
            yield f'taps is {taps}: expected ascending layers, the last of them {self.layers}'


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
class ReconSettings(_Settings):
    """Settings of ``recon_lite``, as a checkpoint stores them."""

    widths: tuple[Count, Count, Count] = (24, 48, 64)
    """Channels at strides 2, 4 and 8."""
    covered: tuple[int, ...] = (2, 4, 8, 16)
    """Planes that the inter-spike intervals of each estimate cover."""
    windows: tuple[int, ...] = (11, 21, 41)
    """Planes of each mean."""
    boxes: tuple[int, ...] = (3, 7)
    """Sides of the squares of pixels over which the mean of all planes is averaged."""


@dataclasses.dataclass(frozen=True)
class BlindSpotSettings(_Settings):
    """Settings of ``blind_spot``, as a checkpoint stores them.

    Raises:
        ValueError: A setting is out of its range.
    """

    features: Count = 48
    """Channels of the encoder; the decoder has twice as many."""
    amim: Number = 16
    """Channels of AMIM; 0: there is none."""
    streams: Literal[1, 3] = 1
    """1; or 3 overlapping sub-streams, joined after a first U-Net (long-term temporal correlation
    of Chen et al.)."""
    attention: bool = False
    """Non-local attention behind the first U-Net. It breaks the blind spot: an ablation of the
    paper."""


@dataclasses.dataclass(frozen=True)
class SsmlSettings(BlindSpotSettings):
    """Settings of ``ssml``, as a checkpoint stores them.

    Attributes:
        features: Channels of the encoders; the decoders have twice as many.
        amim: Channels of AMIM; 0: there is none.
    """

    streams: Literal[1, 3] = 3
    """3 overlapping sub-streams (long-term temporal correlation of Chen et al.), or 1."""
    attention: bool = True
    """Non-local attention between the two U-Nets."""
    gates: bool = True
    """Spatial and channel attention within AMIM."""


@dataclasses.dataclass(frozen=True)
class StereoLiteSettings(_Settings):
    """Settings of ``stereo_lite``, as a checkpoint stores them.

    Raises:
        ValueError: A size is out of its range.
    """

    pool: Count = 1
    """Input pixels per side of a pixel that the network works on, as in ``dpt_tiny``."""
    disparities: Count = 128
    """Searched disparities, from 0 on, pixels of the input; a multiple of 16 ``pool``."""
    stem: Count = 16
    """Channels at stride 2."""
    features: Count = 40
    """Channels at stride 4, which are compared; a multiple of ``groups``."""
    groups: Count = 8
    """Groups of these channels, each of which is compared by itself."""
    volume: Count = 12
    """Channels of the aggregation."""
    head: Count = 32
    """Channels of the upsampling and of the uncertainty."""

    @across('disparities', 'pool')
    def _disparities_of_pool(self) -> Problems:
        if self.disparities % (16 * self.pool):
            yield (
                f'disparities is {self.disparities}: expected a multiple of {16 * self.pool}, 16 '
                'times pool'
            )

    @across('features', 'groups')
    def _features_of_groups(self) -> Problems:
        return _divided(self, 'features', 'groups')


PATCH = 5
"""Side of the patches whose depths ``upsample_lite`` sees, small pixels."""


@dataclasses.dataclass(frozen=True)
class UpsampleLiteSettings(_Settings):
    """Settings of ``upsample_lite``, as a checkpoint stores them.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: Count = 32
    """Channels."""
    blocks: Count = 2
    """Residual blocks of two 3x3 convolutions."""
    factors: Annotated[tuple[EnlargingFactor, ...], NOT_EMPTY, DISTINCT, ASCENDING] = FACTORS
    """Factors by which height and width are enlarged, some of ``FACTORS``, ascending."""

    @property
    def radius(self) -> int:
        """Small pixels around a place, each way, that its weights depend on."""
        return 2 * (PATCH // 2) + 2 * self.blocks


@dataclasses.dataclass(frozen=True)
class DsrSettings(_Settings):
    """Settings of ``dsr_net``, as a checkpoint stores them.

    A network of the input ``depth`` is DSRNet, one of ``rgb`` is DENet.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: Count = 64
    """Channels."""
    blocks: Count = 5
    """Blocks: of back-projection in DSRNet, of residuals in DENet."""
    factors: tuple[EnlargingFactor] = (8,)
    """The factor by which DSRNet enlarges height and width, one of ``FACTORS``."""
    residual: bool = False
    """True: it sees depths over their range in 3x3 pixels, and its map is a change of the
    bilinearly interpolated one, over that range."""


@dataclasses.dataclass(frozen=True)
class TranslatorSettings(_Settings):
    """Settings of ``translator``, as a checkpoint stores them.

    Raises:
        ValueError: A setting is out of its range.
    """

    width: Count = 16
    """Channels at full size; twice as many at half and four times at a quarter of it."""
    blocks: Count = 4
    """Residual blocks at a quarter of the size."""


def _divided(settings: Any, name: str, by: str) -> Problems:
    number, parts = getattr(settings, name), getattr(settings, by)
    if number % parts:
        yield f'{name} is {number}: expected a multiple of {by}, {parts}'


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
