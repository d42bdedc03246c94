# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""FUSE: features of a foundation model for spikes, and depth from a frame beside them.

Sun et al., "FUSE: Label-Free Image-Event Joint Monocular Depth Estimation via Frequency-Decoupled
Alignment and Degradation-Robust Fusion".
"""

from spike_training.methods.fuse.charts import CHARTS
from spike_training.methods.fuse.settings import AlignConfig, FuseConfig, RobustConfig
from spike_training.settings.method import Method

METHOD = Method((AlignConfig, FuseConfig, RobustConfig), CHARTS)
