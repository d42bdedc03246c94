# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a depth network to the unlabelled recordings of one camera."""

from pathlib import Path

_CONFIGS = Path(__file__).resolve().parents[2] / 'configs'

CONFIG = _CONFIGS / 'adapt.yaml'
"""Settings of training, if not given."""

STEREO_CONFIG = _CONFIGS / 'adapt_stereo.yaml'
"""The same with a second eye."""
