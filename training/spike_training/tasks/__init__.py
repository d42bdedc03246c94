# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks in training, a module each; see :mod:`.base`."""

from spike_training.tasks import (
    base,
    depth,
    fused,
    image,
    stereo,
    translation,
    upsample,
)

__all__ = ['base', 'depth', 'fused', 'image', 'stereo', 'translation', 'upsample']
