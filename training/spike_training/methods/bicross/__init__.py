# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""BiCross (Liu et al.): losses, stages and charts of the method."""

from spike_training.methods.bicross.charts import CHARTS, exported
from spike_training.methods.bicross.settings import (
    CrossDomainConfig,
    CrossModalityConfig,
    JointConfig,
    PretrainConfig,
)
from spike_training.settings.method import Method

METHOD = Method(
    (PretrainConfig, CrossModalityConfig, CrossDomainConfig, JointConfig), CHARTS, exported
)
