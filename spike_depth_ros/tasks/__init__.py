# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of networks, a module each: metadata of its checkpoints, architectures, outputs."""

from spike_depth_ros.tasks import (
    base,
    depth,
    fused,
    image,
    stereo,
    translation,
    upsample,
)

__all__ = ['base', 'depth', 'fused', 'image', 'stereo', 'translation', 'upsample']
