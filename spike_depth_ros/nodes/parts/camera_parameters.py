# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node ``spike_camera``."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal, TypeAlias

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import within
from spike_depth_ros.cameras.base import CameraSettings
from spike_depth_ros.cameras.reduction import WHOLE
from spike_depth_ros.nodes.parts.process import QUEUE_PACKETS
from spike_depth_ros.stream.plane_clock import FRAME_ID, PLANES_PER_PACKET
from spike_depth_ros.tools.arguments import OptionalFocalLength

Pixels: TypeAlias = Annotated[int, within(0, 16_384)]


@dataclasses.dataclass(frozen=True)
class CameraParameters(CameraSettings):
    """Parameters of the node ``spike_camera``."""

    crop: tuple[Pixels, Pixels, Pixels, Pixels] = WHOLE
    """Region that is published: left column, top row, width and height, pixels, of whole bytes;
    zeros: the whole sensor. camera_info has it as roi."""
    planes_per_packet: Annotated[int, within(1, 10_000)] = PLANES_PER_PACKET
    """Planes in one message."""
    camera_info: str = ''
    """Calibration of the sensor as camera_calibration writes it; empty: as recorded, or
    uncalibrated."""
    fx: OptionalFocalLength = 0.0
    """Focal length in place of a calibration, pixels; the principal point is the centre; 0:
    none."""
    frame_id: str = FRAME_ID
    """Optical frame of the stamps (REP 103)."""
    reliability: Literal['reliable', 'best_effort'] = 'reliable'
    """QoS of the spikes."""
    queue_packets: Annotated[int, within(16, 65_536)] = QUEUE_PACKETS
    """Packets that wait at most for subscribers; fewer where memory is short."""
    input_timeout_s: Annotated[float, within(0.1, 3600)] = 2.0
    """Without planes of the camera for this long: an error, s."""
    autostart: bool = True
    """Configure and activate at start."""

    @across('camera_info', 'fx')
    def _one_calibration(self) -> Problems:
        if self.camera_info and self.fx:
            yield 'fx is given beside camera_info: expected one of them'
