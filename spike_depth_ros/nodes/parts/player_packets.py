# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the player sends, packets, true depth and frames, with times; and where it is from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sensor_msgs.msg import CameraInfo

from spike_depth_ros.io.recording import WaitingPipe
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.stereo import EYES
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.decode import ImageMessage


class Packet(NamedTuple):
    """Planes of one message.

    Attributes:
        data: Packed planes, ``[planes, height, row_bytes]`` uint8.
        start_ns: Time of the first plane since the stream's first plane, nanoseconds.
        end_ns: End of the last plane, likewise.
        eye: Number of the camera: 0, the left or only one; 1, the right one.
    """

    data: PackedPlanes
    start_ns: int
    end_ns: int
    eye: int = 0


class TrueDepth(NamedTuple):
    """True depth image of a bag.

    Attributes:
        message: Its message.
        at_ns: Its time since the stream's first plane, nanoseconds.
    """

    message: ImageMessage
    at_ns: int


class Frame(NamedTuple):
    """Frame of a camera beside the spikes, of a bag.

    Attributes:
        message: Its message.
        at_ns: Its time since the stream's first plane, nanoseconds.
    """

    message: ImageMessage
    at_ns: int


Item = Packet | TrueDepth | Frame
"""What a source gives."""


@dataclasses.dataclass
class Source:
    """Opened source of planes, of one camera or of a left and a right one.

    Attributes:
        items: Packets, true depth and frames, in the order to send.
        geometry: Sensor size and bit order of each camera.
        rate_hz: Planes a second.
        cameras: Camera info of each camera; its frame is that of the camera's messages.
        ahead_ns: Time by which a camera's stamps are ahead of its packets, for each camera,
            nanoseconds; not 0 for one of two clocks.
        pipe: The pipe; None: a file or bag.
        has_truth: True if items may be true depth.
        frames: Camera info of frames that items may be; None: there are none.
        damage: Parts that could not be read so far, one line each.
        warnings: What the user should know and was not told yet, one line each; of a pipe, more
            may come while it plays.
    """

    items: Iterator[Item]
    geometry: Geometry
    rate_hz: float
    cameras: Sequence[CameraInfo]
    ahead_ns: Sequence[int] = (0, 0)
    pipe: WaitingPipe | None = None
    has_truth: bool = False
    frames: CameraInfo | None = None
    damage: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def prefixes(self) -> list[str]:
        """Prefix of the topics of each camera."""
        return [''] if len(self.cameras) == 1 else [f'{eye}/' for eye in EYES]


def same_geometry(names: Sequence[object], geometries: Sequence[Geometry]) -> Geometry:
    """Return the sensor size and bit order of all streams.

    Raises:
        process.UserError: They differ.
    """
    if geometries[0] != geometries[-1]:
        raise process.UserError(
            f'{names[-1]}: its planes are {geometries[-1]}; expected {geometries[0]} as of '
            f'{names[0]}: choose the streams of one pair, or play each alone'
        )
    return geometries[0]
