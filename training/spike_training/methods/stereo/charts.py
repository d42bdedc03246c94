# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that the stages with two eyes log."""

from spike_training.settings.method import ScalarChart

CHARTS = (
    ScalarChart(
        title='Loss',
        axis='loss',
        names={'loss': 'loss', 'disparity': 'log(1 + error)', 'volume': 'cross entropy'},
        text='The loss also has the likelihood of the errors, which may be below 0.',
    ),
    ScalarChart(
        title='Pixels that are off by more than 2 pixels',
        axis='share',
        names={'bad2': ''},
        text='Of the pixels whose disparity is learnt; some of them the right eye does not see.',
    ),
    ScalarChart(
        title='Coverage of the 68 % interval, before it is calibrated',
        axis='share',
        names={'held': ''},
        limits=(0.0, 1.0),
    ),
)
