# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Features of two domains made alike by adversaries: readings of AdaDepth and SFA.

Kundu et al., "AdaDepth: Unsupervised Content Congruent Adaptation for Depth Estimation", and Wang
et al., "Exploring Sequence Feature Alignment for Domain Adaptive Detection Transformers", which
BiCross is compared with. docs/method/translation.md says what is taken of them.
"""

from spike_training.methods.align.charts import CHARTS
from spike_training.methods.align.settings import ResidualConfig, SequenceConfig
from spike_training.settings.method import Method

METHOD = Method((ResidualConfig, SequenceConfig), CHARTS)
