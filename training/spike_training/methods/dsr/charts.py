# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts of the scalars that stages with enlarged depth maps log."""

from spike_training.settings.method import ScalarChart

CHARTS = (
    ScalarChart(
        title='Difference from the full-size map',
        axis='grey levels',
        names={
            'enlarged': 'enlarged',
            'estimated': 'estimated from colours',
            'nearest': 'repeated pixels',
        },
        text='Mean absolute difference of inverse depth from 0 to 255 (Eq. 1 and 2), at the '
        'factors that were drawn. Estimates are fitted by scale and shift, if they are to be.',
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
    ScalarChart(
        title='Which network teaches',
        axis='1: that of small maps, 0: that of colours',
        names={'enlarger_teaches': ''},
        limits=(0.0, 1.0),
        text='The one with the smaller error in the round before (Algorithm 1).',
    ),
    ScalarChart(
        title='Differences of the networks',
        axis='grey levels; affinities: sum of a row',
        names={'outputs': 'side outputs', 'affinities': 'affinities'},
        text='Eq. 3 and 5, before their weights.',
    ),
    ScalarChart(
        title='Difference of the structure map',
        axis='grey levels',
        names={'structure': ''},
        text='Eq. 12, before its weight.',
    ),
)
