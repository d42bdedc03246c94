# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small networks of spikes and a frame, with random weights, and their files."""

import torch

from spike_depth_ros.checkpoint import FusedInfo, save
from spike_depth_ros.model.registry import build, weights_of

SMALL = {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2}


def info_of(**changes):
    given = {
        'architecture': 'fuse_lite', 'settings': SMALL, 'stage': 'x', 'package_version': '0',
        'planes': 128, 'planes_range': (128, 128), 'bins': 8, 'rate_hz_range': (2e4, 2e4),
        'min_depth': 0.3, 'max_depth': 80.0, 'canonical_fx': 400.0, 'fx_range': (300.0, 500.0),
        'max_age_s': 0.1,
    }  # fmt: skip
    return FusedInfo(**(given | changes))


def network_of(info):
    """A network whose depth depends on frame and spikes, and on what stands in for them."""
    torch.manual_seed(0)
    made = build(info).eval()
    for vectors in made.missing:
        torch.nn.init.normal_(vectors)
    return made


def write(path, **changes):
    info = info_of(**changes)
    save(path, weights_of(network_of(info)), info)
    return path


def export_to(folder, **changes):
    """Write a checkpoint and its .onnx export; return its path."""
    from spike_training.runs.export import export

    source = write(folder / 'source.safetensors', **changes)
    export(folder / 'fused.safetensors', checkpoint=source)
    return folder / 'fused.safetensors'
