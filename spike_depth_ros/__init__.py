# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Library that estimates depth from spike cameras. ROS nodes are in ``nodes``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spike_depth_ros.estimator import DepthEstimator, Prediction
    from spike_depth_ros.observation import Observation
    from spike_depth_ros.stream.chunk import Geometry, SpikeChunk
    from spike_depth_ros.stream.window import Window

__version__ = '0.1.0'

__all__ = [
    'DepthEstimator',
    'Geometry',
    'Observation',
    'Prediction',
    'SpikeChunk',
    'Window',
    '__version__',
]

_MODULES = {
    'DepthEstimator': 'estimator',
    'Geometry': 'stream.chunk',
    'Observation': 'estimator',
    'Prediction': 'estimator',
    'SpikeChunk': 'stream.chunk',
    'Window': 'stream.window',
}


def __getattr__(name: str) -> Any:
    # On first use (PEP 562), so that a tool that only reads files does not load the estimator.
    if name in _MODULES:
        return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
