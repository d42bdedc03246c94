# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of networks by task and architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from spike_depth_ros.checkpoint import (
    CheckpointError,
    CheckpointInfo,
    DepthInfo,
    ImageInfo,
    Tensors,
)
from spike_depth_ros.errors import one_line, shorten
from spike_depth_ros.model import SpikeNet, depth_net, lite_encoder, vit_hybrid
from spike_depth_ros.model.depth_net import SpikeDepthNet, TinySettings, dpt_tiny
from spike_depth_ros.model.dpt_hybrid import HybridSettings, dpt_hybrid
from spike_depth_ros.model.pictures import recon_lite
from spike_depth_ros.model.pictures.blind_spot import BlindSpotNet, BlindSpotSettings
from spike_depth_ros.model.pictures.recon_lite import ReconLite, ReconSettings
from spike_depth_ros.model.pictures.ssml_net import SsmlNet, SsmlSettings
from spike_depth_ros.model.unet_lite import LiteSettings, unet_lite


def _dpt_tiny(info: DepthInfo) -> SpikeDepthNet:
    depth_range = (info.min_depth, info.max_depth)
    return dpt_tiny(info.bins, depth_range, TinySettings(**info.settings), _kind(info))


def _dpt_hybrid(info: DepthInfo) -> SpikeDepthNet:
    depth_range = (info.min_depth, info.max_depth)
    return dpt_hybrid(info.bins, depth_range, HybridSettings(**info.settings), _kind(info))


def _unet_lite(info: DepthInfo) -> SpikeDepthNet:
    depth_range = (info.min_depth, info.max_depth)
    return unet_lite(info.bins, depth_range, LiteSettings(**info.settings), _kind(info))


def _recon_lite(info: ImageInfo) -> ReconLite:
    return ReconLite(info.bins, ReconSettings(**info.settings))


def _ssml(info: ImageInfo) -> SsmlNet:
    return SsmlNet(info.bins, SsmlSettings(**info.settings))


def _blind_spot(info: ImageInfo) -> BlindSpotNet:
    return BlindSpotNet(info.bins, BlindSpotSettings(**info.settings))


def _kind(info: CheckpointInfo) -> Literal['spikes', 'rgb']:
    return 'rgb' if info.inputs == ('rgb',) else 'spikes'


BUILDERS: dict[tuple[str, str], Callable[[Any], SpikeNet]] = {
    ('depth', 'dpt_tiny'): _dpt_tiny,
    ('depth', 'unet_lite'): _unet_lite,
    ('depth', 'dpt_hybrid'): _dpt_hybrid,
    ('image', 'recon_lite'): _recon_lite,
    ('image', 'ssml'): _ssml,
    ('image', 'blind_spot'): _blind_spot,
}
"""Builder of each (task, architecture) from a checkpoint's metadata."""

SETTINGS: dict[str, type[Any]] = {
    'dpt_tiny': TinySettings,
    'unet_lite': LiteSettings,
    'dpt_hybrid': HybridSettings,
    'recon_lite': ReconSettings,
    'ssml': SsmlSettings,
    'blind_spot': BlindSpotSettings,
}
"""Class of the settings of each architecture."""

IMAGES: dict[str, tuple[str, ...]] = {'depth': depth_net.IMAGES, 'image': recon_lite.IMAGES}
"""Names that the ``outputs`` of a checkpoint may have, by its task."""

DEPTHS = ('blocks', 'layers', 'temporal_blocks')
"""Settings of any architecture that are a number of blocks."""

IMAGENET: dict[str, tuple[str, Callable[[Any, str], None]]] = {
    'unet_lite': (lite_encoder.HUB_NAME, lite_encoder.load_imagenet),
    'dpt_hybrid': (vit_hybrid.HUB_NAME, vit_hybrid.load_imagenet),
}
"""Hub repository of the encoder's ImageNet weights, and their loader, by architecture."""


def build(info: CheckpointInfo) -> SpikeNet:
    """Build a network with random weights from a checkpoint's metadata.

    Raises:
        CheckpointError: Architecture, outputs or settings are unknown.
    """
    builder = BUILDERS.get((info.task, info.architecture))
    if builder is None:
        names = ', '.join(name for task, name in BUILDERS if task == info.task)
        raise CheckpointError(
            f'field architecture is {info.architecture!r}, expected one of {names} for task '
            f'{info.task!r}'
        )
    known = IMAGES[info.task]
    if not set(info.outputs) <= set(known):
        raise CheckpointError(
            f'field outputs is {list(info.outputs)}, expected names of {", ".join(known)}'
        )
    try:
        return builder(info)
    except CheckpointError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f'field settings does not build {info.architecture} ({one_line(error)})'
        ) from None


def build_with_weights(info: CheckpointInfo, tensors: Tensors) -> SpikeNet:
    """Build a network and load a checkpoint's weights as float32.

    Raises:
        CheckpointError: As :func:`build`, or a weight is missing, left over or of another shape.
    """
    _check_depths(info, tensors)
    # Sizes are compared on a device without memory: settings may ask for more than there is.
    with torch.device('meta'):
        wanted = {name: list(value.shape) for name, value in build(info).state_dict().items()}
    found = {name: list(value.shape) for name, value in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise CheckpointError(
                f'weight {name} is {found.get(name, "missing")}, expected '
                f'{wanted.get(name, "none of that name")} in {info.architecture}'
            )
    network = build(info)
    network.load_state_dict(
        {
            name: torch.from_numpy(
                value.astype(np.float32)
                if np.issubdtype(value.dtype, np.floating)
                else value.copy()
            )
            for name, value in tensors.items()
        }
    )
    return network


def _check_depths(info: CheckpointInfo, tensors: Tensors) -> None:
    """Refuse more blocks than these weights can have, before a network is built.

    Raises:
        CheckpointError: A network has more blocks than weights.
    """
    for name in DEPTHS:
        value = info.settings.get(name, 0)
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, (int, float)) and number > len(tensors):
                raise CheckpointError(
                    f'field settings.{name} is {shorten(repr(value), 300)}, expected at most '
                    f'{len(tensors)} for these weights'
                )


def weights_of(network: nn.Module) -> Tensors:
    """Return a network's weights for a checkpoint, floats as float16.

    Raises:
        CheckpointError: A weight is not finite, or too large for float16.
    """
    tensors: Tensors = {}
    for name, value in network.state_dict().items():
        array = value.detach().cpu().numpy()
        if np.issubdtype(array.dtype, np.floating):
            # Overflow becomes infinite and is refused below.
            with np.errstate(over='ignore'):
                array = array.astype(np.float16)
            if not np.isfinite(array).all():
                raise CheckpointError(f'weight {name} is not finite in float16')
        tensors[name] = array
    return tensors
