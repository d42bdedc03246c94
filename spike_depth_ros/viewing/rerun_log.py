# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames as entities of Rerun, and the layout that shows them."""

from __future__ import annotations

import atexit
import ctypes
import functools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from spike_depth_ros.depth_colours import DepthColours
from spike_depth_ros.viewing.frame import PLOTS, ViewFrame

APPLICATION = 'spike_depth_ros'

CAMERA, DEPTH = 'camera', 'camera/depth'
UNCERTAINTY, SPIKES, NOTES = 'uncertainty', 'spikes', 'notes'

_CLOCK_NS = 10**17
"""Stamps from here on, in 1973, are times of a clock; earlier ones count from a start."""


class RerunLog:
    """Recording stream of Rerun that frames are added to.

    Attributes:
        stream: The stream; who makes the log connects it.
        frames: Number of frames so far.
    """

    def __init__(self) -> None:
        self.stream = rr.RecordingStream(APPLICATION)
        self.frames = 0
        self._notes: tuple[str, ...] = ()
        self._depths, self._uncertainties = DepthColours(), DepthColours()

    def start(self) -> None:
        """Send the layout, after the stream was connected."""
        self.stream.send_blueprint(_layout())
        self.stream.log(CAMERA, rr.ViewCoordinates.RDF, static=True)

    def save(self, path: Path, timeout_s: float) -> bool:
        """Connect the stream to a file; return False if that takes longer: it was not written."""
        return _ends(functools.partial(self.stream.save, path), timeout_s)

    def end(self, timeout_s: float) -> bool:
        """Disconnect the stream; return False if that takes longer, as after a failed write."""
        return _ends(self.stream.disconnect, timeout_s)

    def abandon(self) -> None:
        """Keep the stream as it is until the process ends, after a write of its file has failed.

        Rerun waits for such a file without end: to disconnect or free its stream, and at exit.
        """
        atexit.unregister(rr.rerun_shutdown)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.stream.inner))

    def add(self, frame: ViewFrame) -> None:
        """Add a frame."""
        stream, (height, width) = self.stream, frame.depth.shape
        if frame.stamp_ns >= _CLOCK_NS:
            stream.set_time('stamp', timestamp=np.datetime64(frame.stamp_ns, 'ns'))
        else:
            stream.set_time('stamp', duration=np.timedelta64(frame.stamp_ns, 'ns'))
        calibrated = frame.matrix[0] > 0
        stream.log(
            CAMERA,
            rr.Pinhole(
                image_from_camera=np.array(frame.matrix).reshape(3, 3) if calibrated else None,
                focal_length=None if calibrated else float(width),
                width=width,
                height=height,
                image_plane_distance=0.3,
            ),
        )
        stream.log(
            DEPTH,
            rr.DepthImage(
                frame.depth,
                meter=1.0,
                colormap=rr.components.Colormap.Turbo,
                depth_range=self._depths.limits(frame.depth),
            ),
        )
        if frame.uncertainty is not None:
            stream.log(
                UNCERTAINTY,
                rr.DepthImage(
                    # Half of the bytes; a thousandth of a half-width does not matter.
                    frame.uncertainty.astype(np.float16),
                    meter=1.0,
                    colormap=rr.components.Colormap.Viridis,
                    depth_range=self._uncertainties.limits(frame.uncertainty),
                ),
            )
        if frame.picture is not None:
            stream.log(SPIKES, rr.Image(frame.picture))
        for plot, curves in frame.values.items():
            for name, value in curves.items():
                if np.isfinite(value):
                    stream.log(f'plots/{plot}/{name}', rr.Scalars(value))
        if frame.notes != self._notes:
            self._notes = frame.notes
            for note in frame.notes or ('all is well again',):
                level = rr.TextLogLevel.WARN if frame.notes else rr.TextLogLevel.INFO
                stream.log(NOTES, rr.TextLog(note, level=level))
        self.frames += 1


def _ends(call: Callable[[], None], timeout_s: float) -> bool:
    """Return True if a call ends in time; else its thread goes on."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()


def _layout() -> rrb.Blueprint:
    plots = (rrb.TimeSeriesView(origin=f'plots/{key}', name=name) for key, name in PLOTS.items())
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Spatial2DView(origin=DEPTH, name='depth'),
                rrb.Horizontal(
                    rrb.Spatial2DView(origin=SPIKES, name='spikes'),
                    rrb.Spatial2DView(origin=UNCERTAINTY, name='uncertainty'),
                ),
                row_shares=[3, 2],
            ),
            rrb.Vertical(
                rrb.Spatial3DView(
                    origin='/',
                    contents=[f'{CAMERA}/**'],
                    name='points',
                    eye_controls=rrb.EyeControls3D(
                        position=(0.8, -0.8, -1.0), look_target=(0, 0, 2.5), eye_up=(0, -1.0, 0)
                    ),
                ),
                rrb.Horizontal(*plots),
                rrb.TextLogView(origin=NOTES, name='notes'),
                row_shares=[6, 3, 1],
            ),
        ),
        collapse_panels=True,
    )
