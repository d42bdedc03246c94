# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures translated into the look of another domain: readings of T2Net and CTN.

Zheng, Cham, Cai, "T2Net: Synthetic-to-Realistic Translation for Solving Single-Image Depth
Estimation Tasks", and the cross-modal translation of Shen et al., "A Depth Estimation Framework
Based on Unsupervised Learning and Cross-Modal Translation". docs/method/translation.md says what
is taken of them.
"""

from spike_training.methods.translate.charts import CHARTS
from spike_training.methods.translate.settings import CycleConfig, PairedConfig, TranslatedConfig
from spike_training.settings.method import Method

METHOD = Method((CycleConfig, PairedConfig, TranslatedConfig), CHARTS)
