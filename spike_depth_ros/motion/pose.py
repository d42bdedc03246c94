# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Motion of a camera between two pictures, by points that are tracked from one to the other.

The motion has five unknowns: three of the rotation, and two of the direction of the shift. Points
know nothing of its length (Longuet-Higgins, "A computer algorithm for reconstructing a scene from
two projections"); odometry gives it, and a start.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.motion.tracks import PLACE_ERROR_PX, Floats

LEAST_POINTS = 25
"""Points of a pair of pictures, at least."""

RESIDUAL_PX = 2.0
"""Error of a place that the refinement counts with, pixels.

Larger than that of places: those of one picture are wrong together, as by the lens and by what
moves, and odometry would be overruled by hundreds of points.
"""

_SCALES_PX = (4.0, 2.0, 1.0, 0.7, 0.7, 0.7)
"""Scale of the robust weights of each step of the refinement, pixels."""

_STEP = 1e-5


@dataclasses.dataclass(frozen=True)
class Prior:
    """Error of the motion that odometry gives of a pair of pictures, standard deviations.

    Attributes:
        rotation_rad: Of the rotation about each axis.
        shift_m: Of the shift along each axis, metres.
    """

    rotation_rad: float = math.radians(0.15)
    shift_m: float = 0.003


PRIOR = Prior()


@dataclasses.dataclass(frozen=True)
class Motion:
    """Mapping of places before the first camera to the second one: ``x -> rotation x + shift``.

    Attributes:
        rotation: ``[3, 3]``.
        shift: ``[3]``, metres; of length 1 where it is not known.
        metres: True if the length of the shift is known.
        epipolar_px: Median distance of the points from their epipolar lines, pixels.
        rotation_rad: Standard deviation of the rotation that remains, radians.
    """

    rotation: Floats
    shift: Floats
    metres: bool
    epipolar_px: float = math.nan
    rotation_rad: float = 0.0


def between(first: Floats, second: Floats) -> Motion:
    """Return the motion between two poses, ``[4, 4]`` each, camera to world, metres."""
    rotation = second[:3, :3].T @ first[:3, :3]
    shift = second[:3, :3].T @ (first[:3, 3] - second[:3, 3])
    return Motion(rotation, shift, True)


def rays(places: Floats, camera: Floats) -> Floats:
    """Return the points of places at depth 1, ``[N, 3]``.

    Args:
        places: ``[N, 2]`` pixels.
        camera: Camera matrix, ``[3, 3]`` pixels.
    """
    columns = (places[:, 0] - camera[0, 2]) / camera[0, 0]
    rows = (places[:, 1] - camera[1, 2]) / camera[1, 1]
    found: Floats = np.stack([columns, rows, np.ones(len(places))], 1)
    return found


def by_points(first: Floats, second: Floats, camera: Floats) -> Motion | None:
    """Return the motion that points alone give (Barath et al., "MAGSAC++").

    Args:
        first: Places in the first picture, ``[N, 2]`` pixels.
        second: Those of the same points in the second one.
        camera: Camera matrix, ``[3, 3]`` pixels.

    Returns:
        None where there is none, as with too few points.
    """
    if len(first) < LEAST_POINTS:
        return None
    essential, inliers = cv2.findEssentialMat(
        first, second, camera, method=cv2.USAC_MAGSAC, prob=0.999, threshold=PLACE_ERROR_PX
    )
    if essential is None or essential.shape != (3, 3):
        return None
    found: Any = cv2.recoverPose(essential, first, second, camera, mask=inliers)
    number, rotation, shift, _ = found
    if number < LEAST_POINTS:
        return None
    return Motion(np.asarray(rotation), np.asarray(shift)[:, 0], False)


def refine(
    first: Floats, second: Floats, camera: Floats, start: Motion, prior: Prior = PRIOR
) -> Motion:
    """Refine the rotation and the direction of the shift by points; its length stays.

    Args:
        first: Places in the first picture, ``[N, 2]`` pixels.
        second: Those of the same points in the second one.
        camera: Camera matrix, ``[3, 3]`` pixels.
        start: The motion to begin with. It is a measurement with the errors of ``prior`` where
            its length is known, else only a start.
        prior: Those errors.
    """
    one, other = rays(first, camera), rays(second, camera)
    focal = float(camera[0, 0])
    rotation, length = start.rotation, float(np.linalg.norm(start.shift))
    if length < 1e-9:
        return dataclasses.replace(start, rotation_rad=prior.rotation_rad)
    direction = start.shift / length
    weight = np.zeros(5)
    if start.metres:
        weight[:3] = 1 / prior.rotation_rad**2
        weight[3:] = (length / prior.shift_m) ** 2
    moved = np.zeros(5)  # from the start
    information = np.diag(weight)
    for scale_px in _SCALES_PX:
        residual = focal * _sampson(one, other, rotation, direction)
        jacobian = np.empty((len(one), 5))
        for k in range(5):
            step = np.zeros(5)
            step[k] = _STEP
            jacobian[:, k] = (
                focal * _sampson(one, other, *_moved(rotation, direction, step)) - residual
            ) / _STEP
        robust = 1 / (1 + (residual / scale_px) ** 2) ** 2 / RESIDUAL_PX**2
        information = (jacobian * robust[:, None]).T @ jacobian + np.diag(weight)
        gradient = jacobian.T @ (robust * residual) + weight * moved
        step = -np.linalg.solve(information + 1e-6 * np.eye(5), gradient)
        step *= min(1, 0.1 / max(float(np.abs(step).max()), 1e-12))
        rotation, direction = _moved(rotation, direction, step)
        moved += step
    residual = focal * np.abs(_sampson(one, other, rotation, direction))
    variance = np.linalg.inv(information + 1e-6 * np.eye(5))
    return Motion(
        rotation,
        length * direction,
        start.metres,
        float(np.median(residual)) if len(residual) else math.nan,
        math.sqrt(float(np.trace(variance[:3, :3])) / 3),
    )


def _moved(rotation: Floats, direction: Floats, step: Floats) -> tuple[Floats, Floats]:
    """Return a rotation turned by a vector, and a direction moved on the sphere."""
    turned: Floats = np.asarray(cv2.Rodrigues(step[:3])[0]) @ rotation
    moved = direction + _tangents(direction) @ step[3:]
    return turned, moved / np.linalg.norm(moved)


def _tangents(direction: Floats) -> Floats:
    """Return two directions at right angles to one, ``[3, 2]``."""
    axes = np.linalg.svd(direction[None])[2]
    found: Floats = axes[1:].T
    return found


def _sampson(one: Floats, other: Floats, rotation: Floats, direction: Floats) -> Floats:
    """Return the distances of pairs of rays from those of the motion, at depth 1, ``[N]``.

    Signed, to first order (Sampson; Hartley and Zisserman, "Multiple View Geometry", 11.4.3).
    """
    x, y, z = direction
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation
    lines, others = one @ essential.T, other @ essential
    error = (other * lines).sum(1)
    squares = (lines[:, :2] ** 2).sum(1) + (others[:, :2] ** 2).sum(1)
    found: Floats = error / np.sqrt(np.maximum(squares, 1e-18))
    return found
