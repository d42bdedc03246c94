# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that stages with enlarged depth maps log."""

from spike_training.settings.method import ScalarChart

CHARTS = (
    ScalarChart(
        title='Difference from the full-size map',
        axis='grey levels',
        names={'loss': 'network', 'nearest': 'repeated pixels'},
        text='Mean absolute difference of inverse depth from 0 to 255 (Eq. 10), at the factors '
        'that were drawn.',
    ),
    ScalarChart(
        title='Weight of the middle neighbour',
        axis='mean weight',
        names={'middle': ''},
        limits=(0.0, 1.0),
        marks_warnings=True,
        text='Where the small map is not constant. At 1 the network repeats pixels.',
    ),
    ScalarChart(
        title='Holes in the small maps',
        axis='share',
        names={'holes': ''},
        limits=(0.0, 1.0),
        text='With sky.',
    ),
)
