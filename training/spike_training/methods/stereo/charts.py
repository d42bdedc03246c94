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
        title='Loss of pairs',
        axis='loss',
        names={
            'appearance': 'difference of the eyes (Eq. 3)',
            'smoothness': 'slope of disparity (Eq. 4)',
            'consistency': 'disagreement (Eq. 5)',
        },
    ),
    ScalarChart(
        title='Median disparity of the left eye',
        axis='pixels',
        names={'disparity_px': ''},
    ),
    ScalarChart(
        title='Pixels that count in the comparison of the eyes',
        axis='share',
        names={'counted': ''},
        limits=(0.0, 1.0),
        text='Others are out of the other picture, or the eyes disagree about them.',
    ),
    ScalarChart(
        title='Coverage of the 68 % interval, before it is calibrated',
        axis='share',
        names={'held': ''},
        limits=(0.0, 1.0),
    ),
)
