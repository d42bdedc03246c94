# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of networks that are small enough for tests."""

from spike_depth_ros.model.depth_net import TinySettings
from spike_training.settings.config import ModelConfig

SMALL = TinySettings(stem=8, stage4=8, stage8=8, stage16=8, dim=12, blocks=1, features=8, head=4)
MODEL = ModelConfig()
