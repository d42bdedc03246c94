# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera beside a stream of spikes: stored, registered to windows, counted."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

from spike_depth_ros.base.values import within
from spike_depth_ros.fusion.images import check_image, pixels_from_msg
from spike_depth_ros.fusion.offset import OffsetCheck
from spike_depth_ros.fusion.pairing import FrameStore
from spike_depth_ros.geometry.calibration import CalibrationError, LastGood
from spike_depth_ros.geometry.registration import Flip, Registration
from spike_depth_ros.observation import Frame
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.decode import ImageMessage, PacketError, stamp_ns
from spike_depth_ros.stream.window import Window

KEPT = 64
"""Frames kept for windows that wait: two seconds at 30 frames/s."""


RESTART_NS = 1_000_000_000
"""Time before the newest stamp from which two frames in a row have begun again, nanoseconds."""

OF_MESSAGES = ('encoding', 'stamp', 'camera_info')
"""Causes by which a message is refused, not the frame of a window."""


@dataclasses.dataclass(frozen=True)
class FrameSettings:
    """Settings of frames: the parameters ``image.*`` of the node."""

    max_age_s: Annotated[float, within(0, 10)] = 0.0
    """Largest age of a frame beside the spikes, s, of models that take frames; 0: as the model was
    trained."""
    delay_s: Annotated[float, within(-10, 10)] = 0.0
    """Delay of the stamps of frames, which is subtracted, s."""
    flip: Flip = 'none'
    """Mirroring of arriving frames, before their calibration applies: none, horizontal, vertical
    (a beam splitter mirrors one path)."""
    max_offset_px: Annotated[float, within(0, 100)] = 2.0
    """Frames are refused where their median offset from the spikes is above this, pixels; 0: it is
    not measured."""


class Frames:
    """Frames of a camera beside a stream, for the windows of it.

    Messages come from one thread, windows from another one.

    Args:
        settings: Settings.
        max_age_s: Largest age of frames in the network's training, seconds.
        warn: Called with kind and text of each warning.

    Attributes:
        max_age_s: Largest age of a frame, seconds.
        store: Frames that may still be used.
        received: Frames received.
        used: Windows that had a frame.
        refused: Frames that were not used though in time, and messages refused, by cause.
        problem: Reason that the newest frame in time was refused, one line; empty: it was used.
        offset: Offset of frames from the spikes.
        camera_problem: Reason that the newest calibrations are refused, while the last good ones
            stay in use, one line; empty: none.
    """

    def __init__(
        self,
        settings: FrameSettings,
        max_age_s: float,
        warn: Callable[[str, str], object] = lambda kind, text: None,
    ) -> None:
        self.settings = settings
        self.max_age_s = settings.max_age_s or max_age_s
        self.store: FrameStore[ImageMessage] = FrameStore(self.max_age_s, KEPT)
        self.received = self.used = 0
        self.refused: collections.Counter[str] = collections.Counter()
        self.problem = self.camera_problem = ''
        self.offset = OffsetCheck(settings.max_offset_px)
        self._warn = warn
        self._newest_ns = 0
        self._alone: tuple[int, int] | None = None  # the newest, if far ahead, and the one before
        self._far_back: tuple[int, ImageMessage] | None = None
        self._info: Any = None
        self._registrations = LastGood(
            lambda spikes, frame: Registration(spikes, frame, settings.flip)
        )

    def on_camera_info(self, msg: Any) -> None:
        """Handle a CameraInfo of the frames."""
        self._info = msg

    def on_image(self, msg: ImageMessage) -> None:
        """Handle an Image; one that is no frame is refused and counted."""
        self.received += 1
        try:
            check_image(msg)
        except PacketError as error:
            self._refuse('encoding', str(error))
            return
        at_ns = stamp_ns(msg.header.stamp) - round(1e9 * self.settings.delay_s)
        if self._far_back is not None:
            self._decide(at_ns, *self._far_back)
            self._far_back = None
        elif at_ns < self._newest_ns - RESTART_NS:
            self._far_back = at_ns, msg
            return
        ahead = at_ns > self._newest_ns + RESTART_NS
        self._alone = (at_ns, self._newest_ns) if ahead else None
        self._newest_ns = max(self._newest_ns, at_ns)
        self.store.add(at_ns, msg, len(msg.data))

    def _decide(self, at_ns: int, back_ns: int, back: ImageMessage) -> None:
        """Decide by the next stamp which frame is astray: one that is far back, or the newest."""
        apart_s = (self._newest_ns - back_ns) / 1e9
        follows = abs(at_ns - back_ns) < abs(at_ns - self._newest_ns)
        if follows and self._alone is not None and back_ns >= self._alone[1] - RESTART_NS:
            newest_ns, self._newest_ns = self._alone
            self.store.discard(newest_ns)
            self._refuse('stamp', f'one frame is stamped {apart_s:.3f} s after the others')
        elif at_ns < self._newest_ns - RESTART_NS:
            # A clock that was set back: what is kept would push out each frame from now on.
            self.store.reset()
            self._newest_ns = back_ns
        else:
            self._refuse('stamp', f'one frame is stamped {apart_s:.3f} s before the others')
            return
        self._newest_ns = max(self._newest_ns, back_ns)
        self.store.add(back_ns, back, len(back.data))

    def observe(self, window: Window, newest_ns: int | None = None) -> Frame | None:
        """Return the frame of a window: the last one before its reference plane.

        Args:
            window: The window.
            newest_ns: Time of the newest plane received; None: the reference plane of the window.

        Returns:
            The frame; None: there is none that can be used.
        """
        found = self.store.find(window.reference_ns, newest_ns)
        if found is None:
            return None
        msg, age_s = found
        try:
            registration = self._register(window)
            registration.check_size(msg.height, msg.width)
        except CalibrationError as error:
            self._refuse('calibration', str(error))
            return None
        frame = Frame(pixels_from_msg(msg), age_s, registration)
        if self.settings.max_offset_px and self.offset.wants(age_s):
            self._measure_offset(frame, registration, window)
        if self.offset.problem:
            self._refuse('offset', self.offset.problem)
            return None
        self.problem = ''
        self.used += 1
        return frame

    def _refuse(self, cause: str, text: str) -> None:
        self.refused[cause] += 1
        self.problem = text
        self._warn(f'image {cause}', f'image: {text}')

    def _register(self, window: Window) -> Registration:
        """Return the mapping of the newest calibrations."""
        camera = window.camera
        missing = [
            name
            for name, info in (('camera_info', camera.info), ('image/camera_info', self._info))
            if info is None
        ]
        if missing:
            raise CalibrationError(
                f'no {" and no ".join(missing)}: expected the calibrations of both cameras, made '
                'together: publish them'
            )
        if any(camera.info.d) and camera.rectification is None:
            raise CalibrationError(
                'the spikes are not rectified (parameter rectify), but their lens has a '
                'distortion: expected rectify true where frames are used'
            )
        cameras = self._registrations
        made, refused = cameras.made, cameras.refused
        cameras.update(camera.info, self._info)
        if cameras.made is None:
            raise CalibrationError(cameras.problem)
        if cameras.made is not made:
            self.offset = OffsetCheck(self.settings.max_offset_px)
        if cameras.refused != refused:
            self.refused['camera_info'] += 1
            self._warn('image camera_info', f'image/camera_info: {cameras.problem}')
        self.camera_problem = cameras.problem
        return cameras.made

    def _measure_offset(self, frame: Frame, registration: Registration, window: Window) -> None:
        """Measure the offset of a frame of little age from the spikes."""
        sensor = window.geometry
        seen = registration.apply(frame.pixels, sensor.height, sensor.width).mean(axis=0)
        picture, lens = preview.render(window), window.camera.rectification
        shown = picture if lens is None else lens.remap_picture(picture)
        self.offset.add(seen, shown.astype(np.float32) / np.float32(255), frame.age_s)
