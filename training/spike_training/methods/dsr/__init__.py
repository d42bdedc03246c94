# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth maps that are enlarged.

The task and its losses are those of Sun et al., "Learning Scene Structure Guidance via Cross-Task
Knowledge Transfer for Single Depth Super-Resolution".
"""

from spike_training.methods.dsr.charts import CHARTS
from spike_training.methods.dsr.settings import EnlargeConfig, EstimateConfig, RestoreConfig
from spike_training.settings.method import Method

METHOD = Method((EnlargeConfig, EstimateConfig, RestoreConfig), CHARTS)
