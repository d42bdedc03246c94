# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``spike_stereo``."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import within
from spike_depth_ros.nodes.parts.depth_parameters import PerceptionParameters
from spike_depth_ros.nodes.parts.parameters import Mark
from spike_depth_ros.stereo.estimator import MIN_DEPTH_M
from spike_depth_ros.stereo.pairing import PAIR_WAIT_S
from spike_depth_ros.stereo.sgbm import SgbmSettings
from spike_depth_ros.stream.preview import Method

STEREO_PLANES = 128
"""Planes of a window of two cameras, without a model that has others."""

STEREO_RING = 4096
"""Planes of each of two cameras that wait with policy ``latest``: those of one stream wait for
those of the other, 0.2 s at 20 kHz."""


@dataclasses.dataclass(frozen=True)
class MatcherParameters:
    """Network that matches."""

    checkpoint: str = ''
    """Model file of the matching network (.safetensors)."""


@dataclasses.dataclass(frozen=True)
class RightParameters:
    """Stream of the right camera."""

    offset_s: Annotated[float, within(-1_000_000, 1_000_000)] = 0.0
    """Seconds that are added to right stamps, for a driver that stamps late (below 0)."""


@dataclasses.dataclass(frozen=True)
class StereoParameters(PerceptionParameters):
    """Parameters of the node ``spike_stereo``."""

    min_depth_m: Annotated[float, within(0.01, 1000)] = MIN_DEPTH_M
    """Depth of the nearest place that is searched, m; half of it takes twice the time."""
    matcher: Literal['sgbm', 'network'] = 'sgbm'
    """What matches: sgbm (semi-global matching of pictures), network (matcher.checkpoint)."""
    matching_network: Annotated[MatcherParameters, Mark(group='matcher')] = MatcherParameters()
    fill: Literal['mono', 'none'] = 'mono'
    """Depth of pixels without a match: mono (by a network from the left window, in the metres of
    the matched ones) or none (NaN)."""
    checkpoint: str = ''
    """Model file of the fill (.safetensors), or the name of a shipped model; empty: the default
    one."""
    window: Annotated[int, within(0, 100_000)] = 0
    """Planes in a window; 0: as the matching network, or the model of the fill, was trained;
    without both 128."""
    ring_planes: Annotated[int, within(0, 10_000_000)] = 0
    """Planes of each camera that wait at most; 0: 4096 with policy latest, 8192 with every, and at
    least two windows."""
    right: RightParameters = RightParameters()
    pair_wait_s: Annotated[float, within(0.001, 3600)] = PAIR_WAIT_S
    """Time by which right stamps may be behind left ones, s; later, left windows come alone."""
    picture: Method = 'rate'
    """Pictures that are matched and published: rate (mean of the window), short (mean of the 21
    planes in its middle), interval (by the intervals between spikes)."""
    sgbm: SgbmSettings = dataclasses.field(default_factory=SgbmSettings)

    @across('matcher')
    def _network(self) -> Problems:
        if self.matcher == 'network' and not self.matching_network.checkpoint:
            yield (
                'matcher is network, matcher.checkpoint is empty: expected a model file of the '
                'task stereo: set it, or matcher to sgbm'
            )
