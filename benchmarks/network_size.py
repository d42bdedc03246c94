# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters and floating-point operations of the networks, counted without computing.

    python -m benchmarks.network_size --size 384x384

from the repository's root; needs torch and timm. Sizes are the architectures' own, see
docs/reference/networks.md.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.networks.registry import build
from spike_depth_ros.tasks.architectures import SETTINGS
from spike_depth_ros.tasks.depth import DepthInfo

PARTS = ('temporal', 'encoder', 'decoder', 'depth_head', 'uncertainty_head')

NETWORKS = (
    ('dpt_tiny', 'spikes', 32),
    ('unet_lite', 'spikes', 32),
    ('dpt_hybrid', 'spikes', 128),
    ('dpt_hybrid', 'spikes', 1280),
    ('dpt_hybrid', 'rgb', 3),
    ('dpn', 'spikes', 9),
    ('depth_anything', 'spikes', 9),
)
"""Architecture, input and its channels."""


def describe(architecture: str, inputs: str, bins: int) -> DepthInfo:
    """Metadata from which the network is built at its own sizes."""
    return dataclasses.replace(
        load_info(default_checkpoint()),
        architecture=architecture,
        settings=dataclasses.asdict(SETTINGS[architecture]()),
        inputs=(inputs,),
        bins=bins,
    )


def parameters(module: nn.Module) -> int:
    """Trainable numbers of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def operations(network: nn.Module, bins: int, height: int, width: int) -> dict[str, int]:
    """Floating-point operations of one inference by part; a multiplication with its sum is two."""
    counts = torch.empty(1, bins, height, width, device='meta')
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(counts, torch.empty(bins, device='meta'))
    found = counter.get_flop_counts()
    name = type(network).__name__
    return {part: sum(found.get(f'{name}.{part}', {}).values()) for part in PARTS} | {
        'total': counter.get_total_flops()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table of parameters and operations."""
    parser = argparse.ArgumentParser(description='Parameters and operations of the networks.')
    parser.add_argument('--size', default='384x384', metavar='HxW', help='multiples of 16')
    height, width = (int(side) for side in parser.parse_args(arguments).size.split('x'))
    print(f'{height}x{width}; million parameters / GFLOP (a multiplication with its sum is two)')
    print(f'{"":24}' + ''.join(f'{part:>18}' for part in (*PARTS, 'total')))
    for architecture, inputs, bins in NETWORKS:
        with torch.device('meta'):
            network = build(describe(architecture, inputs, bins)).eval()
        flops = operations(network, bins, height, width)
        sizes = {part: parameters(getattr(network, part)) for part in PARTS}
        sizes['total'] = parameters(network)
        cells = (f'{sizes[p] / 1e6:.2f} / {flops[p] / 1e9:.2f}' for p in (*PARTS, 'total'))
        print(f'{architecture} {inputs} {bins}'.ljust(24) + ''.join(f'{c:>18}' for c in cells))


if __name__ == '__main__':
    main()
