# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Table of the parameters of the node ``spike_stereo``."""

from __future__ import annotations

from spike_depth_ros.nodes.parameters import DEPTH_PARAMETERS, Parameter, of_fields
from spike_depth_ros.preview import METHODS, SHORT_PLANES
from spike_depth_ros.stereo.estimator import MIN_DEPTH_M
from spike_depth_ros.stereo.pairing import PAIR_WAIT_S
from spike_depth_ros.stereo.sgbm import SgbmSettings

STEREO_PLANES = 128
"""Planes of a window of two cameras, without a model that has others."""

STEREO_RING = 4096
"""Planes of each of two cameras that wait with policy ``latest``: those of one stream wait for
those of the other, 0.2 s at 20 kHz."""


def _of_depth(*names: str) -> tuple[Parameter, ...]:
    rows = {row.name: row for row in DEPTH_PARAMETERS}
    return tuple(rows[name] for name in names)


SGBM = 'sgbm.'
"""Text before the parameters of the matcher, which are the fields of ``SgbmSettings``."""

STEREO_PARAMETERS = (
    Parameter(
        'min_depth_m',
        MIN_DEPTH_M,
        'Depth of the nearest place that is searched, m; half of it takes twice the time.',
        0.01,
        1000.0,
    ),
    Parameter(
        'matcher',
        'sgbm',
        'What matches: sgbm (semi-global matching of pictures), network (matcher.checkpoint).',
        choices=('sgbm', 'network'),
    ),
    Parameter('matcher.checkpoint', '', 'Model file of the matching network (.safetensors).'),
    Parameter(
        'fill',
        'mono',
        'Depth of pixels without a match: mono (by a network from the left window, in the metres '
        'of the matched ones) or none (NaN).',
        choices=('mono', 'none'),
    ),
    Parameter(
        'checkpoint',
        '',
        'Model file of the fill (.safetensors), or the name of a shipped model; empty: the '
        'default one.',
    ),
    *_of_depth('device', 'backend', 'threads'),
    Parameter(
        'window',
        0,
        'Planes in a window; 0: as the matching network, or the model of the fill, was trained; '
        f'without both {STEREO_PLANES}.',
        0,
        100_000,
    ),
    *_of_depth('hop', 'policy'),
    Parameter(
        'ring_planes',
        0,
        f'Planes of each camera that wait at most; 0: {STEREO_RING} with policy latest, 8192 with '
        'every, and at least two windows.',
        0,
        10_000_000,
    ),
    *_of_depth(
        'sensor_width',
        'sensor_height',
        'spike_rate_hz',
        'stamp_tolerance_planes',
        'spikes.reliability',
        'spikes.queue_packets',
    ),
    Parameter(
        'right.offset_s',
        0.0,
        'Seconds that are added to right stamps, for a driver that stamps late (below 0).',
        -1e6,
        1e6,
    ),
    Parameter(
        'pair_wait_s',
        PAIR_WAIT_S,
        'Time by which right stamps may be behind left ones, s; later, left windows come alone.',
        0.001,
        3600.0,
    ),
    Parameter(
        'picture',
        'rate',
        'Pictures that are matched and published: rate (mean of the window), short (mean of '
        f'the {SHORT_PLANES} planes in its middle), interval (by the intervals between spikes).',
        choices=METHODS,
    ),
    *of_fields(SgbmSettings, SGBM),
    *_of_depth(
        'uncertainty.max_relative',
        'filter.temporal',
        'filter.flying',
        'filter.min_depth',
        'filter.max_depth',
        'colour.min_depth',
        'colour.max_depth',
        'input_timeout_s',
        'autostart',
    ),
)
