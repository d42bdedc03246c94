# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth up to scale of the first picture of a sequence, by those that follow it.

Points are tracked over up to a second, camera motion and depth follow from two of the pictures
(Longuet-Higgins, "A computer algorithm for reconstructing a scene from two projections", 1981),
and pictures between them tell whether they can be trusted. What it finds is evidence: it has
stricter limits than :mod:`spike_depth_ros.motion.points`, which corrects a live map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.motion.pose import rays
from spike_depth_ros.motion.tracks import (
    PLACE_ERROR_PX,
    Floats,
    Picture,
    find_corners,
    track,
)

STEPS = 40
"""Pictures after the first one, at most: a second."""

PAIRS = (2, 3, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40)
"""Numbers of the pictures that are paired with the first one; the best pair is used."""

LEAST_PAIRS = 3
"""Pairs beside the best one by which depth is the same, at least.

In the dark, noise gives single pairs a wrong motion of the camera and depth that looks right.
"""

LARGEST_SCATTER = 0.06
"""Standard deviation of the ratio of log depths by two pairs that are the same, at most."""

LEAST_POINTS = 40
"""Points of a window, at least."""

LEAST_PARALLAX = math.radians(2.5)
"""Median angle between both rays to a point, at least, radians."""

LARGEST_ERROR = 0.1
"""Relative error of the depth of a point, at most, where its place is wrong by
:data:`.PLACE_ERROR_PX`."""

LARGEST_DISAGREEMENT = 0.03
"""Median difference of log depth by the whole baseline and by about half of it, at most."""

LEAST_SPREAD = 0.25
"""Standard deviation of the log depth of a window's points, at least.

Points of nearly one depth favour flat depth, and those of one plane leave the motion ambiguous.
"""

LEAST_SHARE = 0.8
"""Share of the points that the picture between agrees with, at least."""

_CORNERS = 800
_BETWEEN_ERROR = 1.0  # of the picture between, pixels
_FAR = 1e6  # baselines


class SequencePoints(NamedTuple):
    """Points of the first picture, with depth up to scale.

    Attributes:
        places: Column and row of each point, ``[N, 2]`` pixels.
        depth: Along the optical axis, ``[N]``, in baselines.
        numbers: Numbers of the points, ``[N]``, the same in all pairs.
        quality: Number of points over the relative error of their depth; more is better.
    """

    places: Floats
    depth: Floats
    numbers: npt.NDArray[np.int64]
    quality: float

    def agrees(self, other: SequencePoints) -> bool:
        """Return True if depth by another pair is the same, but for its scale."""
        _, mine, its = np.intersect1d(self.numbers, other.numbers, return_indices=True)
        if len(mine) < LEAST_POINTS // 2:
            return False
        return float(np.log(self.depth[mine] / other.depth[its]).std()) <= LARGEST_SCATTER


def triangulate_sequence(pictures: Iterable[Picture], camera: Floats) -> SequencePoints | None:
    """Triangulate tracked points of a static world.

    Args:
        pictures: The first one and those after it, ``[H, W]`` uint8; no more are read than points
            can be tracked through.
        camera: Camera matrix, ``[3, 3]`` pixels.

    Returns:
        None where there is too little translation or to track, pairs of pictures disagree, or
        there is no picture.
    """
    remaining = iter(pictures)
    last = next(remaining, None)
    if last is None:
        return None
    corners = find_corners(last, _CORNERS)
    tracks = [corners]
    alive = np.ones(len(corners), bool)
    pairs: list[SequencePoints] = []
    for number, picture in enumerate(remaining, 1):
        moved, found = track(last, picture, tracks[-1])
        alive &= found
        tracks.append(moved)
        last = picture
        if alive.sum() < LEAST_POINTS:
            break
        if number in PAIRS:
            first, between, second = (
                tracks[k][alive].astype(np.float64) for k in (0, number // 2, number)
            )
            points = _triangulate_pair(first, between, second, camera)
            if points is not None:
                pairs.append(points._replace(numbers=np.flatnonzero(alive)[points.numbers]))
    if not pairs:
        return None
    best = max(pairs, key=lambda pair: pair.quality)
    same = sum(best.agrees(pair) for pair in pairs if pair is not best)
    return best if same >= LEAST_PAIRS else None


def _triangulate_pair(
    first: Floats, between: Floats, second: Floats, camera: Floats
) -> SequencePoints | None:
    """Triangulate points from their places in two pictures and check them in one between."""
    essential, inliers = cv2.findEssentialMat(
        first, second, camera, method=cv2.USAC_MAGSAC, prob=0.999, threshold=PLACE_ERROR_PX
    )
    if essential is None or essential.shape != (3, 3):
        return None
    found: Any = cv2.recoverPose(
        essential, first, second, camera, distanceThresh=_FAR, mask=inliers
    )
    _, rotation, _, ahead, homogeneous = found
    with np.errstate(divide='ignore', invalid='ignore'):
        world = (homogeneous[:3] / homogeneous[3]).T
    parallax = _angles(first, second, camera, rotation)
    good = (ahead[:, 0] > 0) & np.isfinite(world).all(axis=1) & (world[:, 2] > 0)
    error = PLACE_ERROR_PX / camera[0, 0] / np.maximum(parallax, 1e-9)
    good &= error < LARGEST_ERROR
    if good.sum() < LEAST_POINTS:
        return None
    kept, disagreement = _check_between(world, first, between, camera, np.flatnonzero(good))
    trusted = (
        len(kept) >= max(LEAST_POINTS, LEAST_SHARE * good.sum())
        and np.median(parallax[kept]) >= LEAST_PARALLAX
        and disagreement <= LARGEST_DISAGREEMENT
        and np.std(np.log(world[kept, 2])) >= LEAST_SPREAD
    )
    if not trusted:
        return None
    quality = len(kept) / float(np.median(error[kept]))
    return SequencePoints(first[kept], world[kept, 2], kept, quality)


def _angles(first: Floats, second: Floats, camera: Floats, rotation: Floats) -> Floats:
    """Return the angles between both rays to each point, radians."""
    one, other = rays(first, camera), rays(second, camera) @ rotation
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: Floats = np.arcsin(
        np.clip(np.linalg.norm(np.cross(one, other), axis=1) / lengths, 0, 1)
    )
    return found


def _check_between(
    world: Floats, first: Floats, between: Floats, camera: Floats, chosen: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], float]:
    """Return the points that a picture between agrees with, and how their depths disagree."""
    found, turn, shift, inliers = cv2.solvePnPRansac(
        world[chosen], between[chosen], camera, None,
        reprojectionError=_BETWEEN_ERROR, iterationsCount=200,
    )  # fmt: skip
    if not found or inliers is None:
        return chosen[:0], math.inf
    kept = chosen[inliers[:, 0]]
    here = camera @ np.eye(3, 4)
    there = camera @ np.concatenate([cv2.Rodrigues(turn)[0], shift], 1)
    again = cv2.triangulatePoints(here, there, first[kept].T, between[kept].T)
    with np.errstate(divide='ignore', invalid='ignore'):
        ratio = np.log(np.abs(again[2] / again[3] / world[kept, 2]))
    return kept, float(np.median(np.abs(ratio - np.median(ratio))))
