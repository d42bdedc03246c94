# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predicted depth corrected by points whose depth the motion of the camera measures.

Points are measured at some windows, and carried to the next ones by their tracks. Where there are
too few, the last factor stays, and no field.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import threading

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.estimator import MotionRefinement, Prediction, binned_camera, pixel_binning
from spike_depth_ros.filters.scale_from_height import TIMEOUT_S
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.motion.field import fit_field
from spike_depth_ros.motion.points import MISFIT, STANDS, WAITS, MotionPoints, Points, PoseAt
from spike_depth_ros.motion.pose import LEAST_POINTS
from spike_depth_ros.motion.tracks import Floats, Picture, draw_picture
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.window import Window

OUTLINE = 0.1
"""Span of log depth within :data:`OUTLINE_PX` from which on a point lies on an outline."""

OUTLINE_PX = 2
"""Distance of an outline, pixels."""

OF_FIELD, OF_COMMON = 0.92, 1.5
"""Factors on the uncertainty of the field, and of what the points have in common.

With them the interval holds 68 % of the pixels of the sequences that they are fitted on, near
points and far from them, by ``benchmarks.depth_from_motion --half first``.
"""

GATE = 2.5
"""Standard deviations from the map beyond which a point moves, or is wrong."""

RATE_HZ = 10.0
"""How often points are measured, at most, by default."""

TRACK_NS = 30_000_000
"""Time between tracked windows; points of those between move on, nanoseconds."""

NONE = np.empty((0, 2))

JUDGED_NS = 4_000_000_000
"""Time over which the mean part that odometry does not fit is taken, nanoseconds; half of it at
least."""

MOST_MISFIT = 0.35
"""That part, at most: a camera that moves a little fits any pose of it."""

STALE_NS = 500_000_000
"""Time for which points are carried by a camera that moves in an unknown way, nanoseconds."""

NO_FOCAL_LENGTH = (
    'no depth from the motion of the camera without its focal length: publish camera_info with K'
)
NOT_YET = 'no depth from the motion of the camera yet: metres are those of the model'
LOST = (
    'no depth from the motion of the camera for longer than scale_timeout_s: the last factor is '
    'used'
)
OFF_OUTLINES = f'fewer than {LEAST_POINTS} points off outlines'
OUTSIDE = f'fewer than {LEAST_POINTS} points agree with the map'


@dataclasses.dataclass(frozen=True)
class MotionStatus:
    """State of the correction by motion.

    Attributes:
        reason: Why no points were measured the last time, or why they did not correct the newest
            window; empty: all is well.
        points: Points with depth in the newest window that was corrected.
        parallax_px: Their median parallax.
        epipolar_px: Their median distance from epipolar lines.
        refined: Windows that were corrected.
        windows: All of them.
    """

    reason: str = WAITS
    points: int = 0
    parallax_px: float = math.nan
    epipolar_px: float = math.nan
    refined: int = 0
    windows: int = 0


class RefineByMotion:
    """Correction of the predictions of successive windows.

    :meth:`track`, of those that it :meth:`wants`, and :meth:`apply` belong to one window each, in
    this order; :meth:`measure` may run in another thread meanwhile.

    Args:
        poses: Pose of the camera at a time; None: no odometry.
        metres: Take metres from odometry; else the median of a map stays as it is.
        timeout_s: Time without points from which predictions have a note, seconds of the stream.
        rate_hz: How often points are measured, at most.

    Attributes:
        status: State after the newest window.
    """

    def __init__(
        self,
        poses: PoseAt | None,
        metres: bool,
        timeout_s: float = TIMEOUT_S,
        rate_hz: float = RATE_HZ,
    ) -> None:
        self._metres = metres and poses is not None
        self._period_ns = round(1e9 / rate_hz)
        self._timeout_ns = round(1e9 * timeout_s)
        self._tracks = MotionPoints(poses)
        self._has_poses = poses is not None
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget the windows so far, as after a gap in the stream."""
        with self._lock:
            self._tracks.reset()
            self._camera: Floats | None = None
            self._layout: Layout | None = None
            self._segment = 0
            self._measured: Points | None = None
            self._held: MotionRefinement | None = None
            self._held_ns = self._first_ns = self._due_ns = 0
            self._misfits: collections.deque[tuple[int, float]] = collections.deque()
            self._reason = WAITS
            self.status = MotionStatus()

    def forget_factor(self) -> None:
        """Forget the factor, which is that of another model."""
        with self._lock:
            self._held = None

    def wants(self, window: Window) -> bool:
        """Return True if a window is to be tracked: not :data:`TRACK_NS` after the one before."""
        with self._lock:
            newest = self._tracks.newest
            if newest is None or window.segment != self._segment:
                return True
            return not 0 <= window.reference_ns - newest.time_ns < TRACK_NS

    def track(self, window: Window, correction: SensorCorrection | None = None) -> None:
        """Track the points to the next window.

        Args:
            window: Its planes.
            correction: Correction of the sensor; None: none.
        """
        matrix = window.camera.matrix
        binning = pixel_binning(window.geometry)
        layout = layout_of(window, binning, correction)
        if layout != self._layout:
            self._layout = layout  # else the one before keeps its maps
        picture = picture_of(window, self._layout)
        camera = None
        if matrix is not None and matrix[0] > 0 and matrix[4] > 0:
            camera = binned_camera(np.array(matrix).reshape(3, 3), binning)
        with self._lock:
            # Places before would be pixels of another camera.
            if window.segment != self._segment or not _same(camera, self._camera):
                self._tracks.reset()
                self._measured, self._segment = None, window.segment
            self._camera = camera
            self._tracks.track(picture, window.reference_ns)

    def is_due(self) -> bool:
        """Return True if the points of the newest window are to be measured."""
        with self._lock:
            newest = self._tracks.newest
            if newest is None:
                return False
            elapsed_ns = newest.time_ns - self._due_ns
            if 0 <= elapsed_ns < self._period_ns:
                return False
            # By a schedule, so that the rate is reached although windows come at their own times.
            late_ns = elapsed_ns - self._period_ns
            on_time = 0 <= late_ns < self._period_ns
            self._due_ns = newest.time_ns - (late_ns if on_time else 0)
            return True

    def measure(self) -> Points | str:
        """Return the points with depth of the newest window, or why there are none.

        It takes some ten milliseconds, and waits for nothing. :meth:`use` takes the result.
        """
        with self._lock:
            tracks, camera = self._tracks.snapshot(), self._camera
        return NO_FOCAL_LENGTH if camera is None else tracks.measure(camera)

    def use(self, measured: Points | str) -> None:
        """Use points from the next :meth:`apply` on."""
        with self._lock:
            judged = self._has_poses and (isinstance(measured, Points) or measured == MISFIT)
            if judged and self._misfit_of(measured) > MOST_MISFIT:
                measured, self._measured, self._held = MISFIT, None, None
            if isinstance(measured, Points):
                self._measured = measured
            elif measured != STANDS and not self._has_poses and self._measured is not None:
                newest = self._tracks.newest
                if newest is None or newest.time_ns - self._measured.time_ns > STALE_NS:
                    self._measured = None
            self._reason = '' if isinstance(measured, Points) else measured

    def _misfit_of(self, measured: Points | str) -> float:
        """Return the mean part that odometry does not fit, a measurement included."""
        newest = self._tracks.newest
        now_ns = 0 if newest is None else newest.time_ns
        part = measured.misfit if isinstance(measured, Points) else 1.0
        self._misfits.append((now_ns, part))
        while abs(now_ns - self._misfits[0][0]) > JUDGED_NS:
            self._misfits.popleft()
        if abs(now_ns - self._misfits[0][0]) < JUDGED_NS / 2:
            return 0.0  # a jump is no reason
        return sum(part for _, part in self._misfits) / len(self._misfits)

    def apply(self, prediction: Prediction, window: Window) -> Prediction:
        """Correct the prediction of the window that was tracked last, or of one soon after.

        Args:
            prediction: Prediction of the model.
            window: Its planes.

        Returns:
            The corrected prediction. Where points are too few: with the last factor, if it gives
            metres, else as given.
        """
        time_ns = window.reference_ns
        carried = self._carried(time_ns)
        count = self.status.windows + 1
        # Time goes back where a stream restarts.
        self._first_ns = min(self._first_ns or time_ns, time_ns)
        self._held_ns = min(self._held_ns, time_ns)
        measured = self._reason
        refined: Prediction | str = measured or WAITS
        if carried is not None:
            age_s = (time_ns - carried.time_ns) / 1e9
            refined = refine_by_motion(prediction, carried, age_s, self._metres)
        if isinstance(refined, str):
            self.status = dataclasses.replace(
                self.status, reason=measured or refined, points=0, windows=count
            )
            return self._hold(prediction, time_ns)
        assert carried is not None
        assert refined.motion is not None
        self._held, self._held_ns = refined.motion, time_ns
        self.status = dataclasses.replace(
            self.status,
            reason=measured,
            points=refined.motion.points,
            parallax_px=carried.parallax_px,
            epipolar_px=carried.epipolar_px,
            refined=self.status.refined + 1,
            windows=count,
        )
        return refined

    def _carried(self, time_ns: int) -> Points | None:
        """Return the points at their places in a window; None: they or the window are unknown."""
        with self._lock:
            if self._measured is None or self._camera is None:
                return None
            return self._tracks.carry(self._measured, self._camera, time_ns)

    def _hold(self, prediction: Prediction, time_ns: int) -> Prediction:
        """Return a prediction with the last factor, and no field."""
        if self._camera is None:
            return prediction.noted(NO_FOCAL_LENGTH)
        if not self._metres:
            return prediction
        held = self._held
        if held is None:
            late = time_ns - self._first_ns > self._timeout_ns
            return prediction.noted(NOT_YET, *([self.status.reason] if late else []))
        age_ns = time_ns - self._held_ns
        held = dataclasses.replace(held, places=NONE, depth=NONE[:, 0], age_s=age_ns / 1e9)
        scaled = prediction.scaled(held.factor, held.uncertainty, 'odometry')
        scaled = dataclasses.replace(scaled, motion=held)
        return scaled.noted(LOST) if age_ns > self._timeout_ns else scaled


def _same(one: Floats | None, other: Floats | None) -> bool:
    """Return True for equal camera matrices, or none twice."""
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other))


def layout_of(
    window: Window, binning: int = 1, correction: SensorCorrection | None = None
) -> Layout:
    """Return the layout of a picture to track points in: one bin, the size of the depth image.

    Args:
        window: Its planes.
        binning: Sensor pixels per side of a pixel.
        correction: Correction of the sensor; None: none.
    """
    return Layout(
        window.geometry, window.planes, 1, binning, 1, correction, window.rate_hz,
        window.camera.rectification,
    )  # fmt: skip


def picture_of(window: Window, layout: Layout) -> Picture:
    """Draw a window as a picture to track points in, in pixels of its depth image."""
    counts = layout.new_counts()
    layout.count(window.data, counts)
    rate = counts[0, 0, : layout.height, : layout.width] / np.float32(layout.planes_per_bin[0])
    if layout.unknown is not None:
        rate[layout.unknown] = np.nan
    return draw_picture(rate)


def refine_by_motion(
    prediction: Prediction, points: Points, age_s: float = 0.0, metres: bool = True
) -> Prediction | str:
    """Correct a prediction by points, by a smooth field with a part that is the same everywhere.

    Args:
        prediction: Prediction of the model.
        points: Points at their places in the prediction's image.
        age_s: Time since the points were measured, seconds.
        metres: Take metres from the points, where they have them; else the median of the map
            stays as it is.

    Returns:
        The corrected prediction, or a reason why the points do not correct it.
    """
    log_depth = np.log(prediction.depth)
    chosen = _off_outlines(log_depth, points)
    if len(chosen) < LEAST_POINTS:
        return OFF_OUTLINES
    places = points.places[chosen]
    columns, rows = places.round().astype(int).T
    stated = prediction.relative_uncertainty
    own, variances = stated[rows, columns].astype(float), points.sigma[chosen] ** 2
    # The median of nine is the map beside noise of single pixels.
    residuals = np.log(points.depth[chosen]) - cv2.medianBlur(log_depth, 3)[rows, columns]
    middle = _middle(residuals, own, variances)
    inliers = np.abs(residuals - middle) < GATE * np.hypot(own, np.sqrt(variances))
    if int(inliers.sum()) < LEAST_POINTS:
        return OUTSIDE
    residuals, own, variances = (each[inliers] for each in (residuals, own, variances))
    gives_metres = metres and points.metres
    middle = _middle(residuals, own, variances)
    # What is beyond the stated uncertainty is a wrong scale, and holds everywhere.
    typical = float(np.median(own))
    beyond = middle - float(np.clip(middle, -typical, typical)) if gives_metres else middle
    correction, left = fit_field(places[inliers], residuals - beyond, variances, log_depth, stated)
    # What points do not reach is corrected by what all of them have in common.
    factor = float(np.nanmedian(correction))
    correction = correction - np.float32(factor)
    deviation = np.hypot(np.float32(OF_FIELD) * left, np.float32(OF_COMMON * points.common))
    uncertainty = float(np.nanmedian(deviation))
    factor += beyond
    measured = points.depth[chosen][inliers]
    if not gives_metres:
        deviation = stated  # of which most is of the scale, which stays unknown
        measured = measured * math.exp(-factor)
    refinement = MotionRefinement(
        factor=math.exp(factor) if gives_metres else 1.0,
        uncertainty=uncertainty if gives_metres else 0.0,
        places=places[inliers],
        depth=measured,
        parallax_px=points.parallax_px,
        age_s=age_s,
        metres=gives_metres,
    )
    return prediction.refined(refinement, correction, deviation)


def _off_outlines(log_depth: FloatImage, points: Points) -> npt.NDArray[np.intp]:
    """Return the numbers of the points inside the map where it has no outline."""
    height, width = log_depth.shape
    columns, rows = points.places.round().astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    known = np.isfinite(log_depth)
    square = np.ones(2 * (2 * OUTLINE_PX + 1,), np.uint8)
    low = cv2.erode(np.where(known, log_depth, np.float32(1e9)), square)
    high = cv2.dilate(np.where(known, log_depth, np.float32(-1e9)), square)
    flat = known & (high - low < OUTLINE)
    inside[inside] = flat[rows[inside], columns[inside]]
    return np.flatnonzero(inside)


def _middle(residuals: Floats, own: Floats, variances: Floats) -> float:
    """Return the weighted median of residuals."""
    weights = 1 / (own**2 + variances)
    order = np.argsort(residuals)
    total = np.cumsum(weights[order])
    return float(residuals[order][np.searchsorted(total, total[-1] / 2)])
