# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SSML (Chen et al., "Self-Supervised Mutual Learning"): images from spikes."""

from spike_training.methods.ssml.charts import CHARTS
from spike_training.methods.ssml.settings import (
    BlindSpotConfig,
    HeldOutConfig,
    MutualConfig,
    SupervisedConfig,
)
from spike_training.settings.method import Method

METHOD = Method((MutualConfig, BlindSpotConfig, HeldOutConfig, SupervisedConfig), CHARTS)
