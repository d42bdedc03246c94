# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses of the camera by odometry: checked, kept for a few seconds, interpolated."""

from __future__ import annotations

import bisect
import collections
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.motion.tracks import Floats
from spike_depth_ros.stream.decode import stamp_ns

KEPT_NS = 5_000_000_000
"""Time for which poses are kept, nanoseconds."""

LARGEST_GAP_NS = 250_000_000
"""Time between two poses beyond which nothing is interpolated, nanoseconds."""

FASTEST_M_S = 50.0
"""Speed beyond which odometry jumps, metres a second."""

_UNIT = 0.01  # how far the norm of a quaternion may be from 1


IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
"""Pose of a camera whose optical frame odometry is of: x, y, z, qx, qy, qz, qw."""

TYPES = ('nav_msgs/msg/Odometry', 'geometry_msgs/msg/PoseStamped')
"""Types of the messages of odometry."""


class PoseError(ValueError):
    """A pose cannot be used; the message says why."""


def pose_matrix(values: Sequence[float]) -> Floats:
    """Return the matrix of a pose, ``[4, 4]``.

    Args:
        values: x, y, z in metres, and the quaternion qx, qy, qz, qw.

    Raises:
        PoseError: A value is not finite, or the quaternion has not the norm 1.
    """
    given = np.asarray(values, np.float64)
    if given.shape != (7,) or not np.isfinite(given).all():
        raise PoseError(
            f'pose {[float(one) for one in given.ravel()]}: expected 7 finite numbers, x, y, z in '
            'metres and qx, qy, qz, qw'
        )
    x, y, z, w = given[3:]
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    if abs(norm - 1) > _UNIT:
        raise PoseError(
            f'quaternion ({x:g}, {y:g}, {z:g}, {w:g}) has the norm {norm:.3g}: expected 1'
        )
    vector = np.array([x, y, z]) / norm
    sine, cosine = float(np.linalg.norm(vector)), w / norm
    turn = vector * (2 * math.atan2(sine, cosine) / sine) if sine > 1e-12 else np.zeros(3)
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(turn)[0]
    pose[:3, 3] = given[:3]
    return pose


def pose_values(pose: Floats) -> list[float]:
    """Return x, y, z, qx, qy, qz, qw of a pose, ``[4, 4]``: the reverse of :func:`pose_matrix`."""
    turn = np.asarray(cv2.Rodrigues(pose[:3, :3])[0])[:, 0]
    angle = float(np.linalg.norm(turn))
    vector = turn * (math.sin(angle / 2) / angle if angle > 1e-12 else 0.5)
    return [*map(float, pose[:3, 3]), *map(float, vector), math.cos(angle / 2)]


class Poses:
    """Poses of a camera by odometry, for several threads.

    Args:
        mounting: Pose of the camera's optical frame (REP 103: z forward, x right) in the frame
            that odometry is of, as of :func:`pose_matrix`.

    Attributes:
        received: Messages received.
        refused: Poses that could not be used, by reason.
        restarts: Times that all poses were forgotten, as time went back or the camera jumped.

    Raises:
        PoseError: The mounting is no pose.
    """

    def __init__(self, mounting: Sequence[float] = IDENTITY) -> None:
        self._mounting = pose_matrix(mounting)
        self._times: list[int] = []
        self._poses: list[Floats] = []
        self._lock = threading.Lock()
        self._child = ''
        self.received = self.restarts = 0
        self.refused: collections.Counter[str] = collections.Counter()

    def on_message(self, message: Any) -> str:
        """Take a message of one of the :data:`TYPES`; return what is wrong as :meth:`add`."""
        child = getattr(message, 'child_frame_id', '')
        pose = message.pose.pose if hasattr(message.pose, 'pose') else message.pose
        at, turn = pose.position, pose.orientation
        self.received += 1
        return self.add(
            stamp_ns(message.header.stamp),
            (at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w),
            child,
        )

    def add(self, time_ns: int, values: Sequence[float], child_frame: str = '') -> str:
        """Take a pose of the frame that odometry is of.

        Args:
            time_ns: Its time.
            values: As of :func:`pose_matrix`, in the fixed frame of odometry.
            child_frame: Name of the frame that it is of; empty: not known.

        Returns:
            What is wrong, one line; empty: nothing. After a jump the pose is the first one.
        """
        try:
            pose = pose_matrix(values) @ self._mounting
        except PoseError as error:
            self.refused['damaged'] += 1
            return f'odometry: {error}'
        with self._lock:
            if child_frame != self._child and self._times:
                self.refused['frame'] += 1
                return (
                    f'odometry is of {child_frame!r} and was of {self._child!r}: expected one '
                    'publisher of one child_frame_id, to which camera_pose belongs'
                )
            self._child = child_frame
            problem = self._jump(time_ns, pose)
            if problem:
                self._times.clear()
                self._poses.clear()
                self.restarts += 1
            elif self._times and time_ns == self._times[-1]:
                return ''
            self._times.append(time_ns)
            self._poses.append(pose)
            old = bisect.bisect_left(self._times, time_ns - KEPT_NS)
            del self._times[:old], self._poses[:old]
        return problem

    def _jump(self, time_ns: int, pose: Floats) -> str:
        if not self._times:
            return ''
        elapsed_ns = time_ns - self._times[-1]
        if elapsed_ns < 0:
            return f'odometry goes back by {-elapsed_ns / 1e9:.3g} s: poses before are forgotten'
        moved_m = float(np.linalg.norm(pose[:3, 3] - self._poses[-1][:3, 3]))
        if moved_m > FASTEST_M_S * max(elapsed_ns / 1e9, 0.01):
            return (
                f'odometry jumps by {moved_m:.3g} m in {elapsed_ns / 1e9:.3g} s: poses before are '
                'forgotten'
            )
        return ''

    def at(self, time_ns: int) -> Floats | None:
        """Return the camera's pose at a time, ``[4, 4]``, camera to world.

        Args:
            time_ns: The time.

        Returns:
            Interpolated between the poses before and after it; None where one of them is missing,
            or they are farther apart than :data:`LARGEST_GAP_NS`.
        """
        with self._lock:
            after = bisect.bisect_left(self._times, time_ns)
            if after < len(self._times) and self._times[after] == time_ns:
                return self._poses[after]
            if not 0 < after < len(self._times):
                return None
            start_ns, end_ns = self._times[after - 1], self._times[after]
            start, end = self._poses[after - 1], self._poses[after]
        if end_ns - start_ns > LARGEST_GAP_NS:
            return None
        part = (time_ns - start_ns) / (end_ns - start_ns)
        turn = np.asarray(cv2.Rodrigues(start[:3, :3].T @ end[:3, :3])[0])
        pose = np.eye(4)
        pose[:3, :3] = start[:3, :3] @ np.asarray(cv2.Rodrigues(part * turn)[0])
        pose[:3, 3] = (1 - part) * start[:3, 3] + part * end[:3, 3]
        return pose
