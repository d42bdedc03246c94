# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Methods of two cameras: what a second eye adds to training."""

from spike_training.methods.stereo.charts import CHARTS
from spike_training.methods.stereo.settings import MatchConfig, PhotometricConfig
from spike_training.settings.method import Method

METHOD = Method((MatchConfig, PhotometricConfig), CHARTS)
