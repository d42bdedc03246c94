# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``spike_depth``, and those that it shares with ``spike_stereo``."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, TypeAlias

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import within
from spike_depth_ros.filters.refine_by_motion import RATE_HZ
from spike_depth_ros.filters.scale_from_height import TIMEOUT_S
from spike_depth_ros.fusion.frames import FrameSettings
from spike_depth_ros.motion.odometry import IDENTITY, PoseError, pose_matrix
from spike_depth_ros.nodes.parts.parameters import LIVE, Mark
from spike_depth_ros.nodes.parts.process import QUEUE_PACKETS
from spike_depth_ros.runtime.backend import MAX_THREADS
from spike_depth_ros.stream.ingest import StreamOptions
from spike_depth_ros.stream.preview import Method

DepthM: TypeAlias = Annotated[float, within(0, 1000), LIVE]
"""A depth, m."""


def _in_order(low: float, high: float, group: str) -> Problems:
    if 0 < high <= low:
        yield f'max_depth is {high:g}: expected above {group}.min_depth, {low:g}, or 0'


@dataclasses.dataclass(frozen=True)
class SpikeQos:
    """Subscription of the spikes."""

    reliability: Literal['auto', 'best_effort', 'reliable'] = 'auto'
    """Reliability asked of the spike publisher: auto (reliable if all publishers offer it, else
    best_effort), best_effort (accepts any), reliable (needs a reliable publisher)."""
    queue_packets: Annotated[int, within(16, 65_536)] = QUEUE_PACKETS
    """Packets that wait at most for the node to take them: 512 of 40 planes are a second at 20 kHz
    and, when full, 256 MB of 400x250; fewer where memory is short."""


@dataclasses.dataclass(frozen=True)
class Masking:
    """Depth that is left out for its uncertainty."""

    max_relative: Annotated[float, within(0, 1_000_000), LIVE] = 0.0
    """Depth is NaN where uncertainty / depth is above this; 0: nothing is masked."""


@dataclasses.dataclass(frozen=True)
class Filters:
    """Filters of published depth."""

    temporal: Annotated[float, within(0, 60), LIVE] = 0.0
    """Time constant of the mean of depth over windows, s, where it changes by less than its
    uncertainty; 0: none."""
    flying: Annotated[bool, LIVE] = False
    """Depth is NaN at pixels that hang between foreground and background; planes stay."""
    min_depth: DepthM = 0.0
    """Depth below this is -Inf, m (REP 117)."""
    max_depth: DepthM = 0.0
    """Depth above this is +Inf, m (REP 117); 0: all is kept."""

    @across('min_depth', 'max_depth')
    def _ends(self) -> Problems:
        return _in_order(self.min_depth, self.max_depth, 'filter')


@dataclasses.dataclass(frozen=True)
class Colours:
    """Colours of ``depth/colour``."""

    min_depth: DepthM = 0.0
    """Depth of the brightest colour of depth/colour, m; 0: by the newest windows."""
    max_depth: DepthM = 0.0
    """Depth of the darkest colour, m; 0: by the newest windows."""

    @across('min_depth', 'max_depth')
    def _ends(self) -> Problems:
        return _in_order(self.min_depth, self.max_depth, 'colour')


@dataclasses.dataclass(frozen=True)
class LearntPreviewParameters:
    """Preview by a network."""

    checkpoint: str = ''
    """Network of the preview learnt (.safetensors); empty: the shipped one."""
    max_hz: Annotated[float, within(0.1, 1000)] = 10.0
    """Pictures a second of the preview learnt."""


@dataclasses.dataclass(frozen=True)
class PerceptionParameters(StreamOptions):
    """Parameters of the nodes from spikes to depth."""

    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    """Where the model runs: auto (a GPU if torch sees one, else the CPU), cpu, cuda."""
    backend: Literal['auto', 'onnx', 'torch'] = 'auto'
    """What runs the model: auto (onnx on a CPU, torch on a GPU), onnx, torch."""
    threads: Annotated[int, within(0, MAX_THREADS)] = 0
    """CPU threads of the model; 0: all cores."""
    spikes: SpikeQos = SpikeQos()
    uncertainty: Masking = Masking()
    filter: Filters = Filters()
    colour: Colours = Colours()
    pointcloud: Literal['none', 'dense', 'organised'] = 'dense'
    """Points of depth/points: dense (of pixels with depth), organised (of all, NaN without depth),
    none (no such topic)."""
    input_timeout_s: Annotated[float, within(0.1, 3600)] = 2.0
    """Without spikes for this long: an error, s."""
    autostart: bool = True
    """Configure and activate at start."""

    @property
    def sensor_size(self) -> tuple[int, int] | None:
        """Height and width of the sensor, pixels; None: from camera_info."""
        size = self.sensor_height, self.sensor_width
        return size if all(size) else None


@dataclasses.dataclass(frozen=True)
class DepthParameters(PerceptionParameters):
    """Parameters of the node ``spike_depth``."""

    checkpoint: Annotated[str, LIVE] = ''
    """Model file (.safetensors), or the name of a shipped model; empty: the default one."""
    window: Annotated[int, within(0, 100_000)] = 0
    """Planes in a window; 0: as the model was trained."""
    rectify: bool = True
    """Rectify counts and preview where camera_info has lens distortion (D not 0), so that depth is
    that of a pinhole camera."""
    scale_from: Annotated[Literal['model', 'height', 'odometry'], LIVE] = 'model'
    """Where metres come from: model, height (from the floor in the depth and the height of the
    camera above it), or odometry (with refine motion)."""
    refine: Annotated[Literal['none', 'motion'], LIVE] = 'none'
    """What corrects depth: none, or motion (points that are tracked while the camera moves)."""
    odometry: str = ''
    """Topic of the camera's odometry, nav_msgs/Odometry or geometry_msgs/PoseStamped, for refine
    motion; empty: none, and motion corrects the shape alone."""
    camera_pose: Annotated[tuple[float, float, float, float, float, float, float], LIVE] = IDENTITY
    """Pose of the camera's optical frame in the frame that odometry is of: x, y, z, m, and the
    quaternion qx, qy, qz, qw."""
    motion_rate_hz: Annotated[float, within(0.1, 1000), LIVE] = RATE_HZ
    """How often refine motion measures points, Hz, at most."""
    camera_height_m: Annotated[float, within(0, 1000), LIVE] = 0.0
    """Height of the lens above the floor, m; above 0 with scale_from height."""
    camera_pitch_rad: Annotated[float, within(-1.571, 1.571), LIVE] = 0.0
    """Rotation of the camera about its y axis (left, REP 103), rad: positive looks down."""
    camera_roll_rad: Annotated[float, within(-3.142, 3.142), LIVE] = 0.0
    """Rotation of the camera about its x axis (forward, REP 103), rad: positive raises its left
    side."""
    scale_timeout_s: Annotated[float, within(0.1, 3600), LIVE] = TIMEOUT_S
    """Without a floor, or without points of refine motion, for this long: a warning, s; a jump of
    the floor's height that lasts as long is taken for a new scale."""
    preview: Annotated[Literal[Method, 'learnt'], LIVE] = 'interval'
    """Estimate of the firing rate on spikes/image: rate (mean of the window), short (mean of the
    21 planes around the one that the depth belongs to), interval (by the intervals between the
    spikes around that plane), learnt (by a network)."""
    preview_network: Annotated[LearntPreviewParameters, Mark(group='preview')] = (
        LearntPreviewParameters()
    )
    image: FrameSettings = dataclasses.field(default_factory=FrameSettings)

    @property
    def pose(self) -> tuple[float, float, float]:
        """Height of the camera, m, its pitch and its roll, rad."""
        return self.camera_height_m, self.camera_pitch_rad, self.camera_roll_rad

    @across('scale_from', 'refine', 'odometry', 'camera_pose')
    def _motion(self) -> Problems:
        if self.scale_from == 'odometry' and self.refine != 'motion':
            yield 'refine is none: expected motion with scale_from odometry'
        if self.scale_from == 'odometry' and not self.odometry:
            yield 'odometry is empty: expected the topic of odometry with scale_from odometry'
        try:
            pose_matrix(self.camera_pose)
        except PoseError as error:
            yield f'camera_pose: {error}'

    @across('scale_from', 'camera_height_m')
    def _height(self) -> Problems:
        if self.scale_from == 'height' and not self.camera_height_m > 0:
            yield (
                f'camera_height_m is {self.camera_height_m:g}: expected above 0 with scale_from '
                'height: set it to the height of the lens above the floor, in metres'
            )
