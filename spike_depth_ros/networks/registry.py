# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of networks by task and architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from torch import nn

from spike_depth_ros.base.errors import one_line, shorten
from spike_depth_ros.checkpoint import CheckpointError, Tensors
from spike_depth_ros.networks import (
    SpikeNet,
    lite_encoder,
    vit_hybrid,
)
from spike_depth_ros.networks.depth_anything import depth_anything
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_depth_ros.networks.dpn import dpn
from spike_depth_ros.networks.dpt_hybrid import dpt_hybrid
from spike_depth_ros.networks.dsr_net import DeNet, DsrNet
from spike_depth_ros.networks.fuse_lite import FuseLite
from spike_depth_ros.networks.reconstruction.blind_spot import BlindSpotNet
from spike_depth_ros.networks.reconstruction.recon_lite import ReconLite
from spike_depth_ros.networks.reconstruction.ssml_net import SsmlNet
from spike_depth_ros.networks.stereo_lite import StereoLite
from spike_depth_ros.networks.translator import Translator
from spike_depth_ros.networks.unet_lite import unet_lite
from spike_depth_ros.networks.upsampling import UpsampleLite
from spike_depth_ros.networks.weights import misfit
from spike_depth_ros.tasks.architectures import (
    OF_EVENTS,
    SETTINGS,
    DsrSettings,
    UpsampleLiteSettings,
)
from spike_depth_ros.tasks.base import TASKS, CheckpointInfo, SpikeInfo
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.upsample import UpsampleInfo


def _depth(build_network: Callable[..., SpikeNet]) -> Callable[[Any, Any], SpikeNet]:
    def builder(info: DepthInfo, settings: Any) -> SpikeNet:
        inputs = info.inputs[0] if info.inputs in (('rgb',), ('events',)) else 'spikes'
        if inputs == 'events' and info.architecture not in OF_EVENTS:
            raise CheckpointError(
                f"field inputs is ['events'], expected architecture {' or '.join(OF_EVENTS)}"
            )
        return build_network(info.bins, (info.min_depth, info.max_depth), settings, inputs)

    return builder


def _of_bins(build_network: Callable[..., SpikeNet]) -> Callable[[Any, Any], SpikeNet]:
    return lambda info, settings: build_network(info.bins, settings)


def _upsample_lite(info: UpsampleInfo, settings: UpsampleLiteSettings) -> UpsampleLite:
    _check_factors(info, settings.factors)
    if info.inputs != ('depth',):
        raise CheckpointError(f"field inputs is {list(info.inputs)}, expected ['depth']")
    return UpsampleLite(settings)


def _dsr_net(info: UpsampleInfo, settings: DsrSettings) -> DsrNet | DeNet:
    _check_factors(info, settings.factors)
    if info.inputs == ('rgb',):
        return DeNet(settings)
    if info.inputs != ('depth',):
        raise CheckpointError(
            f"field inputs is {list(info.inputs)}, expected ['depth'] or ['rgb']"
        )
    return DsrNet(settings)


def _check_factors(info: UpsampleInfo, expected: Sequence[int]) -> None:
    if info.factors != tuple(expected):
        raise CheckpointError(
            f'field factors is {list(info.factors)}, expected {list(expected)} as in '
            'settings.factors'
        )


BUILDERS: dict[str, Callable[[Any, Any], nn.Module]] = {
    'dpt_tiny': _depth(dpt_tiny),
    'unet_lite': _depth(unet_lite),
    'dpt_hybrid': _depth(dpt_hybrid),
    'dpn': lambda info, settings: _depth(partial(dpn, canonical_fx=info.canonical_fx))(
        info, settings
    ),
    'depth_anything': _depth(depth_anything),
    'fuse_lite': lambda info, settings: FuseLite(
        info.bins, (info.min_depth, info.max_depth), settings
    ),
    'recon_lite': _of_bins(ReconLite),
    'ssml': _of_bins(SsmlNet),
    'blind_spot': _of_bins(BlindSpotNet),
    'stereo_lite': _of_bins(StereoLite),
    'upsample_lite': _upsample_lite,
    'dsr_net': _dsr_net,
    'translator': lambda info, settings: Translator(settings),
}
"""Builder of each architecture from a checkpoint's metadata and its settings."""

DEPTHS = ('blocks', 'layers', 'temporal_blocks')
"""Settings of any architecture that are a number of blocks."""

IMAGENET: dict[str, tuple[str, Callable[[Any, str], None]]] = {
    'unet_lite': (lite_encoder.HUB_NAME, lite_encoder.load_imagenet),
    'fuse_lite': (lite_encoder.HUB_NAME, lite_encoder.load_imagenet),
    'dpt_hybrid': (vit_hybrid.HUB_NAME, vit_hybrid.load_imagenet),
}
"""Hub repository of the encoder's ImageNet weights, and their loader, by architecture."""


@overload
def build(info: SpikeInfo) -> SpikeNet: ...
@overload
def build(info: CheckpointInfo) -> nn.Module: ...
def build(info: CheckpointInfo) -> nn.Module:
    """Build a network with random weights from a checkpoint's metadata.

    Raises:
        CheckpointError: Architecture, outputs or settings are unknown.
    """
    names = TASKS[info.task].architectures
    if info.architecture not in names:
        raise CheckpointError(
            f'field architecture is {info.architecture!r}, expected one of {", ".join(names)} for '
            f'task {info.task!r}'
        )
    known = TASKS[info.task].images
    if not set(info.outputs) <= set(known):
        raise CheckpointError(
            f'field outputs is {list(info.outputs)}, expected names of {", ".join(known)}'
        )
    try:
        return BUILDERS[info.architecture](info, SETTINGS[info.architecture](**info.settings))
    except CheckpointError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise CheckpointError(
            f'field settings does not build {info.architecture} ({one_line(error)})'
        ) from None


@overload
def build_with_weights(info: SpikeInfo, tensors: Tensors) -> SpikeNet: ...
@overload
def build_with_weights(info: CheckpointInfo, tensors: Tensors) -> nn.Module: ...
def build_with_weights(info: CheckpointInfo, tensors: Tensors) -> nn.Module:
    """Build a network and load a checkpoint's weights as float32.

    Raises:
        CheckpointError: As :func:`build`, or a weight is missing, left over or of another shape.
    """
    _check_depths(info, tensors)
    # Sizes are compared on a device without memory: settings may ask for more than there is.
    with torch.device('meta'):
        wanted = build(info).state_dict()
    if wrong := misfit(tensors, wanted):
        raise CheckpointError(f'{wrong} in {info.architecture}')
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
    """Refuse more blocks than these weights can have, before a network is built."""
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
