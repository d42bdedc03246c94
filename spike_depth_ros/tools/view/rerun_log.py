# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames as entities of Rerun, and the layout that shows them."""

from __future__ import annotations

import atexit
import ctypes
import functools
import math
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.pages.depth_colours import DepthColours, colour_depth
from spike_depth_ros.pages.pictures import depth_bar
from spike_depth_ros.tools.view.frame import PLOTS, ViewFrame

APPLICATION = 'spike_depth_ros'

DEPTH, METRES, COLOURS, BAR = 'depth', 'depth/metres', 'depth/colours', 'depth/bar'
CAMERA, POINTS = 'camera', 'points'
UNCERTAINTY, SPIKES, NOTES = 'uncertainty', 'spikes', 'notes'
MEASURED, MEASURED_COLOUR, MEASURED_M = 'measured', (255, 140, 0), 0.02

SMOOTHING = 0.5
"""Weight of the newest frame in the ends of colours: a view sees a few frames a second."""

BAR_ROWS = 250
"""Rows of the colour bar, which is drawn as high as the depth image."""

BAR_CHANGE = 0.01
"""Change of an end of the colours, by its share, from which on the bar is drawn anew."""

MOST_POINTS = 50_000
"""Most points of a frame; larger images have those of every second row and column, and so on."""

NO_PICTURE = 200
"""Grey of points where there is no picture of the spikes."""

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
        self._bar: tuple[float, ...] | None = None
        self._depths = DepthColours(smoothing=SMOOTHING)
        self._uncertainties = DepthColours(smoothing=SMOOTHING)

    def start(self) -> None:
        """Send the layout, after the stream was connected."""
        self.stream.send_blueprint(_layout())
        self.stream.log('/', rr.ViewCoordinates.RDF, static=True)

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
        stream = self.stream
        if frame.stamp_ns >= _CLOCK_NS:
            stream.set_time('stamp', timestamp=np.datetime64(frame.stamp_ns, 'ns'))
        else:
            stream.set_time('stamp', duration=np.timedelta64(frame.stamp_ns, 'ns'))
        self._add_depth(frame.depth)
        self._add_points(frame)
        if frame.measured is not None:
            measured = rr.Points3D(frame.measured, colors=MEASURED_COLOUR, radii=MEASURED_M)
            stream.log(MEASURED, measured)
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

    def _add_depth(self, depth: FloatImage) -> None:
        """Add the colours of depth over its metres, and beside them the colour bar."""
        near, far = self._depths.limits(depth)
        # Below the colours, for the pointer: Rerun has no logarithmic scale.
        self.stream.log(
            METRES,
            rr.DepthImage(
                depth,
                meter=1.0,
                colormap=rr.components.Colormap.Magma,
                depth_range=(far, near),  # near is bright
            ),
        )
        self.stream.log(COLOURS, rr.Image(colour_depth(depth, near, far), opacity=1.0))
        bar = (*depth.shape, near, far)
        if self._bar is None or not np.allclose(bar, self._bar, rtol=BAR_CHANGE, atol=0):
            self._bar = bar
            height, width = depth.shape
            self.stream.log(
                BAR,
                rr.Transform3D(translation=(1.02 * width, 0, 0), scale=height / BAR_ROWS),
                rr.Image(depth_bar(BAR_ROWS, near, far), opacity=1.0),
            )

    def _add_points(self, frame: ViewFrame) -> None:
        """Add the camera, and the points of finite depth in the grey of the spikes' picture."""
        height, width = frame.depth.shape
        matrix = np.array(frame.matrix, np.float32).reshape(3, 3)
        if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):  # not calibrated
            matrix = Calibration.centred(width, width, height).matrix.astype(np.float32)
        self.stream.log(
            CAMERA,
            rr.Pinhole(
                image_from_camera=matrix, width=width, height=height, image_plane_distance=0.3
            ),
        )
        step = math.ceil(math.sqrt(frame.depth.size / MOST_POINTS))
        seen = frame.depth[::step, ::step]
        known = np.isfinite(seen)
        z = seen[known]
        rows, columns = np.arange(0, height, step), np.arange(0, width, step)
        x = (columns.astype(np.float32) - matrix[0, 2]) / matrix[0, 0]
        y = (rows.astype(np.float32) - matrix[1, 2]) / matrix[1, 1]
        points = np.empty((z.size, 3), np.float32)
        points[:, 0] = np.broadcast_to(x, seen.shape)[known] * z
        points[:, 1] = np.broadcast_to(y[:, None], seen.shape)[known] * z
        points[:, 2] = z
        grey = np.full(z.size, NO_PICTURE, np.uint32)
        if frame.picture is not None:
            high, wide = frame.picture.shape
            places = np.ix_(rows * high // height, columns * wide // width)
            grey = frame.picture[places][known].astype(np.uint32)
        self.stream.log(
            POINTS,
            rr.Points3D(
                points,
                colors=grey * 0x01010100 + 0xFF,  # RGBA
                radii=0.7 * step / matrix[0, 0] * z,  # neighbours overlap
                point_shading=rr.components.PointShading.Flat,
            ),
        )


def _ends(call: Callable[[], None], timeout_s: float) -> bool:
    """Return True if a call ends in time; else its thread goes on."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive()


def _layout() -> rrb.Blueprint:
    plots = (rrb.TimeSeriesView(origin=f'plots/{key}', name=name) for key, name in PLOTS.items())
    columns = rrb.TextLogColumns(text_log_columns=['LogLevel', 'Body'])
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
                    contents=[CAMERA, POINTS, MEASURED],
                    name='points',
                    eye_controls=rrb.EyeControls3D(
                        position=(0.8, -0.8, -1.0), look_target=(0, 0, 2.5), eye_up=(0, -1.0, 0)
                    ),
                ),
                rrb.Horizontal(
                    rrb.Tabs(*plots),
                    rrb.TextLogView(origin=NOTES, name='notes', columns=columns),
                ),
                row_shares=[7, 2],
            ),
        ),
        collapse_panels=True,
    )
