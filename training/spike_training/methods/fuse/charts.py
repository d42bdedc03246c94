# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that the stage of aligned features logs."""

from spike_training.settings.method import ScalarChart

CHARTS = (
    ScalarChart(
        title='Loss of aligned features',
        axis='loss',
        names={'loss': 'loss', 'disparity': 'disparity', 'tokens': 'tokens'},
        text='Both are of the teacher; no depth is read.',
    ),
    ScalarChart(
        title="Cosine of the student's and the teacher's tokens",
        axis='mean cosine',
        names={'cosine': ''},
        limits=(-1.0, 1.0),
    ),
    ScalarChart(
        title='Tokens that count in the loss',
        axis='share',
        names={'counted': ''},
        limits=(0.0, 1.0),
        text='Others are alike enough, or point apart.',
    ),
)
