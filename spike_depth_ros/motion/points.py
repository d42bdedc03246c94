# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of the points of a picture, from the past pictures of a camera that moves.

The error of the logarithm of depth is the error of places over the parallax: the distance of a
point from where it would be without the shift. It grows without bound toward the epipole, so that
a camera that moves straight ahead has no points in the middle of its picture.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.motion.pose import (
    LEAST_POINTS,
    PRIOR,
    Motion,
    Prior,
    between,
    by_points,
    rays,
    refine,
)
from spike_depth_ros.motion.tracks import Floats, Picture, Sight, Tracker

AGES_S = (0.15, 0.3, 0.5, 0.8)
"""Ages of the past pictures that each picture is compared with, seconds; the nearest ones are."""

LARGEST_OFF = 0.4
"""How far the age of a picture may be from one of them, as a part of it."""

LARGEST_AHEAD_NS = 60_000_000
"""Time after the newest picture for which points go on as they moved, nanoseconds."""

LATEST_POSE_NS = 300_000_000
"""Age of the newest picture with a pose, at most, nanoseconds."""

NOISE_PX = 0.5
"""Standard deviation of a place along the epipolar line, pixels."""

LEAST_PARALLAX_PX = 2.0
"""Median parallax of a pair of pictures, at least, pixels."""

LARGEST_EPIPOLAR_PX = 1.5
"""Distance of a point from its epipolar line, at most, pixels."""

LARGEST_MEDIAN_PX = 1.0
"""Median of these distances from which on odometry does not fit what is seen, pixels."""

LARGEST_SIGMA = 0.2
"""Error of the logarithm of a point's depth, at most."""

LEAST_VIEWS = 2
"""Past pictures that agree on the depth of a point, at least."""

LEAST_SPREAD = 0.05
"""Standard deviation of log depth without odometry, at least: one plane leaves the motion open."""

LARGEST_PLANE = 0.8
"""Largest part of the points that one plane explains without odometry."""

PLANE_PX = 1.0
"""Distance from where a plane has a point, at most, pixels."""

MOVED_M = 0.01
"""Shift by odometry below which a camera stands, metres."""

STANDS = 'the camera does not move'
FEW = 'too few points are seen again'
FLAT = 'the points lie on one plane, and there is no odometry'
MISFIT = 'odometry does not fit the tracks: check its clock and the pose of the camera on it'
DISAGREE = 'past pictures do not agree on depth'
WAITS = 'too few past pictures so far'
NO_ODOMETRY = 'no odometry at the time of the windows'

PoseAt = Callable[[int], Floats | None]
"""Pose of the camera at a time, ``[4, 4]``, camera to world, metres; None: unknown."""


class Points(NamedTuple):
    """Points of a picture with depth.

    Attributes:
        places: Columns and rows, ``[N, 2]`` pixels.
        depth: Along the optical axis, ``[N]``; metres, or in an unknown unit.
        sigma: Standard deviation of its logarithm, ``[N]``, of each point on its own.
        common: That which all of them have in common; 0 where the unit is not known.
        metres: True if the unit is the metre.
        parallax_px: Median parallax of the pair of pictures with the largest one.
        epipolar_px: Median distance from epipolar lines.
        misfit: Part of the past pictures with which odometry does not fit, 0 to 1.
        numbers: Numbers of the tracked points, ``[N]``.
        time_ns: Time of the picture.
    """

    places: Floats
    depth: Floats
    sigma: Floats
    common: float
    metres: bool
    parallax_px: float
    epipolar_px: float
    misfit: float
    numbers: npt.NDArray[np.int64]
    time_ns: int


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Depth by one past picture, for points of the picture; NaN where it gives none."""

    log_depth: Floats
    sigma: Floats
    common: float
    parallax_px: float
    epipolar_px: float


def triangulate(
    first: Floats, second: Floats, camera: Floats, motion: Motion, noise_px: float = NOISE_PX
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the depth of points by two pictures.

    With ``p`` the ray of the first picture, turned, ``a`` its place at depth 1, and ``t`` the
    shift, the point is seen at ``a + s (t_xy - t_z a)``, with ``1 / s`` its depth before the
    second camera.

    Args:
        first: Places in the first picture, ``[N, 2]`` pixels.
        second: Those of the same points in the second one.
        camera: Camera matrix, ``[3, 3]`` pixels.
        motion: Motion from the first camera to the second one.
        noise_px: Standard deviation of a place, pixels.

    Returns:
        Depth before the first camera, in the unit of the shift, the standard deviation of its
        logarithm, the parallax and the distance from the epipolar line, pixels, ``[N]`` each. NaN
        where a point lies behind a camera or has no parallax.
    """
    turned = rays(first, camera) @ motion.rotation.T
    ahead = turned[:, 2]
    with np.errstate(divide='ignore', invalid='ignore'):
        origin = turned[:, :2] / ahead[:, None]
        line = motion.shift[:2] - motion.shift[2] * origin
        flow = rays(second, camera)[:, :2] - origin
        length = np.linalg.norm(line, axis=1)
        along = (flow * line).sum(1) / length
        across = (flow[:, 0] * line[:, 1] - flow[:, 1] * line[:, 0]) / length
        beyond = length / along  # depth before the second camera
        depth = (beyond - motion.shift[2]) / ahead
        # Both places have the error.
        sigma = math.sqrt(2) * noise_px / camera[0, 0] * beyond / along / (ahead * depth)
    good = (along > 0) & (ahead > 0) & (depth > 0) & np.isfinite(sigma)
    depth, sigma = (np.where(good, each, np.nan) for each in (depth, sigma))
    return depth, sigma, np.abs(along) * camera[0, 0], np.abs(across) * camera[0, 0]


class MotionPoints:
    """Depth of the points of each picture by those of up to a second before.

    Args:
        poses: Pose of the camera at a time, ``[4, 4]``, camera to world, metres; None: unknown.
            None in its place: there is no odometry.
        prior: Error of odometry.
    """

    def __init__(self, poses: PoseAt | None = None, prior: Prior = PRIOR) -> None:
        self._poses, self._prior = poses, prior
        self._tracker = Tracker()

    def reset(self) -> None:
        """Forget all pictures, as after a gap in the stream."""
        self._tracker.reset()

    @property
    def newest(self) -> Sight | None:
        """Points of the newest picture, with or without depth; None before the first one."""
        return self._tracker.sights[-1] if self._tracker.sights else None

    def snapshot(self) -> MotionPoints:
        """Return the same pictures for another thread, without those that are tracked later."""
        copy = MotionPoints(self._poses, self._prior)
        copy._tracker.sights.extend(self._tracker.sights)
        return copy

    def track(self, picture: Picture, time_ns: int) -> Sight:
        """Track the points to the next picture.

        Args:
            picture: ``[H, W]`` uint8, see :func:`draw_picture`.
            time_ns: Its time.
        """
        return self._tracker.update(picture, time_ns)

    def measure(self, camera: Floats) -> Points | str:
        """Return the points with depth of the newest picture, or of the newest one with a pose.

        Args:
            camera: Camera matrix of the pictures, ``[3, 3]`` pixels.

        Returns:
            The points, in metres with odometry; or a reason why there are none.
        """
        sights = list(self._tracker.sights)
        if not sights:
            return WAITS
        posed = {each.time_ns: self._pose(each) for each in sights}
        newest_ns = sights[-1].time_ns
        if self._poses is not None:
            sights = [each for each in sights if posed[each.time_ns] is not None]
            if not sights or newest_ns - sights[-1].time_ns > LATEST_POSE_NS:
                return NO_ODOMETRY
        sight = sights.pop()
        pairs: list[_Pair] = []
        reasons: list[str] = []
        for past in _partners(sight, sights):
            found = self._pair(sight, past, camera, posed[sight.time_ns], posed[past.time_ns])
            if isinstance(found, str):
                reasons.append(found)
            else:
                pairs.append(found)
        misfits = reasons.count(MISFIT)
        if misfits and misfits >= len(pairs):  # short baselines fit any odometry
            return MISFIT
        if len(pairs) < LEAST_VIEWS:
            enough = len(pairs) + len(reasons) >= LEAST_VIEWS
            return reasons[0] if enough else WAITS
        joined = _joined(sight, pairs, self._poses is not None)
        if isinstance(joined, str):
            return joined
        return joined._replace(misfit=misfits / (misfits + len(pairs)))

    def carry(self, points: Points, camera: Floats, time_ns: int) -> Points | None:
        """Carry points to the newest picture, or to a time shortly after it.

        Where they are still tracked, and as fast as they were. Their depth is that before the
        camera there, if both poses are known; else it stays.

        Args:
            points: The points.
            camera: Camera matrix of the pictures, ``[3, 3]`` pixels.
            time_ns: That time.

        Returns:
            None before the first picture, and from :data:`LARGEST_AHEAD_NS` after the newest.
        """
        sight = self._at(time_ns)
        if sight is None or time_ns == points.time_ns:
            return points if sight is not None else None
        _, mine, its = np.intersect1d(
            points.numbers, sight.numbers, assume_unique=True, return_indices=True
        )
        depth, sigma = points.depth[mine], points.sigma[mine]
        if self._poses is not None:
            then, now = self._poses(points.time_ns), self._poses(time_ns)
            if then is not None and now is not None:
                motion = between(then, now)
                turned = rays(points.places[mine], camera) @ motion.rotation[2]
                depth = depth * turned + motion.shift[2]
        ahead = depth > 0
        return points._replace(
            places=sight.places[its[ahead]].astype(float),
            depth=depth[ahead],
            sigma=sigma[ahead],
            numbers=points.numbers[mine[ahead]],
        )

    def _at(self, time_ns: int) -> Sight | None:
        """Return the newest picture's points where they are at a time."""
        sights = self._tracker.sights
        ahead_ns = time_ns - sights[-1].time_ns if sights else -1
        if not 0 <= ahead_ns < LARGEST_AHEAD_NS:
            return None
        if ahead_ns == 0 or len(sights) < 2:
            return sights[-1] if ahead_ns == 0 else None
        before, newest = sights[-2], sights[-1]
        numbers, its, mine = np.intersect1d(
            before.numbers, newest.numbers, assume_unique=True, return_indices=True
        )
        moved = newest.places[mine] - before.places[its]
        part = np.float32(ahead_ns / (newest.time_ns - before.time_ns))
        return Sight(time_ns, newest.places[mine] + part * moved, numbers)

    def _pose(self, sight: Sight) -> Floats | None:
        return None if self._poses is None else self._poses(sight.time_ns)

    def _pair(
        self, sight: Sight, past: Sight, camera: Floats, pose: Floats | None, before: Floats | None
    ) -> _Pair | str:
        """Return depth by one past picture, or why there is none."""
        _, mine, its = np.intersect1d(
            sight.numbers, past.numbers, assume_unique=True, return_indices=True
        )
        if len(mine) < LEAST_POINTS:
            return FEW
        first, second = sight.places[mine].astype(float), past.places[its].astype(float)
        if pose is not None and before is not None:
            start = between(pose, before)
            if np.linalg.norm(start.shift) < MOVED_M:
                return STANDS
        else:
            flow = np.linalg.norm(first - second, axis=1)
            if float(np.median(flow)) < LEAST_PARALLAX_PX / 2:
                return STANDS
            _, flat = cv2.findHomography(first, second, cv2.USAC_MAGSAC, PLANE_PX)
            if flat is not None and float(flat.mean()) > LARGEST_PLANE:
                return FLAT
            by_all = by_points(first, second, camera)
            if by_all is None:
                return FEW
            start = by_all
        motion = refine(first, second, camera, start, self._prior)
        depth, sigma, parallax, epipolar = triangulate(first, second, camera, motion)
        if motion.epipolar_px > LARGEST_MEDIAN_PX:
            return MISFIT if motion.metres else DISAGREE
        good = (sigma < LARGEST_SIGMA) & (epipolar < LARGEST_EPIPOLAR_PX)
        if float(np.median(parallax)) < LEAST_PARALLAX_PX:
            return STANDS
        if int(good.sum()) < LEAST_POINTS:
            return FEW
        log_depth, sigmas = np.full((2, len(sight.numbers)), np.nan)
        log_depth[mine[good]], sigmas[mine[good]] = np.log(depth[good]), sigma[good]
        middle_px = float(np.median(parallax))
        turned_px = motion.rotation_rad * camera[0, 0]
        common = math.hypot(
            self._prior.shift_m / max(float(np.linalg.norm(motion.shift)), 1e-9),
            turned_px / middle_px,
        )
        return _Pair(
            log_depth, sigmas, common if motion.metres else 0.0, middle_px, motion.epipolar_px
        )


def _partners(sight: Sight, past: Sequence[Sight]) -> list[Sight]:
    """Return the past pictures to compare a picture with, each once."""
    chosen = {}
    for age_s in AGES_S:
        off_ns = [abs(sight.time_ns - each.time_ns - 1e9 * age_s) for each in past]
        if past and min(off_ns) < LARGEST_OFF * 1e9 * age_s:
            found = past[int(np.argmin(off_ns))]
            chosen[found.time_ns] = found
    return list(chosen.values())


def _joined(sight: Sight, pairs: list[_Pair], metres: bool) -> Points | str:
    """Return the points on which pairs agree."""
    best = max(pairs, key=lambda pair: pair.parallax_px)
    logs = np.stack([pair.log_depth for pair in pairs])
    sigmas = np.stack([pair.sigma for pair in pairs])
    # What all points of a pair have in common, as an error of its shift, is no error of theirs
    # alone: pairs are moved to the best one, and metres are the mean of all.
    offsets = []
    for each, own in zip(pairs, logs, strict=True):
        both = np.isfinite(each.log_depth) & np.isfinite(best.log_depth)
        if int(both.sum()) < LEAST_POINTS:
            own[:] = np.nan
        else:
            offset = float(np.median((best.log_depth - each.log_depth)[both]))
            own += offset
            offsets.append((offset, each.common))
    common = 0.0
    if metres:
        shifts, own = np.array(offsets).T
        trust = 1 / np.maximum(own, 1e-6) ** 2
        middle = float(trust @ shifts / trust.sum())
        logs -= middle
        # Errors of pairs are alike, so that more pairs do not make them smaller.
        scatter = float(trust @ (shifts - middle) ** 2 / trust.sum())
        common = math.hypot(own.min(), math.sqrt(scatter))
    weights = np.where(np.isfinite(logs), 1 / sigmas**2, 0)
    seen = weights.sum(0) > 0
    with np.errstate(invalid='ignore', divide='ignore'):
        mean = np.nansum(weights * np.nan_to_num(logs), 0) / weights.sum(0)
        # What a pair with another depth says is left out, and the mean taken again.
        agrees = np.abs(logs - mean) < 3 * sigmas
        weights = np.where(agrees, weights, 0)
        mean = np.nansum(weights * np.nan_to_num(logs), 0) / weights.sum(0)
        total, roots = weights.sum(0), np.sqrt(weights).sum(0)
        # Half of a pair's variance is of the place in this picture, the same in all pairs.
        sigma = np.sqrt((total + roots**2) / 2) / total
    views = np.isfinite(logs).sum(0)
    good = seen & (agrees.sum(0) >= LEAST_VIEWS) & (agrees.sum(0) >= views - 1)
    if int(good.sum()) < LEAST_POINTS:
        return DISAGREE
    if not metres and float(np.std(mean[good])) < LEAST_SPREAD:
        return FLAT
    return Points(
        places=sight.places[good].astype(float),
        depth=np.exp(mean[good]),
        sigma=sigma[good],
        common=common,
        metres=metres,
        parallax_px=best.parallax_px,
        epipolar_px=float(np.median([pair.epipolar_px for pair in pairs])),
        misfit=0.0,
        numbers=sight.numbers[good],
        time_ns=sight.time_ns,
    )
