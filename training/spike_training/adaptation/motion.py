# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sparse depth from the motion of the camera through a static world.

Points are tracked over up to a second, camera motion and depth follow from two of the pictures
(Longuet-Higgins, "A computer algorithm for reconstructing a scene from two projections", 1981),
and pictures between them tell whether they can be trusted. The scale is unknown.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.correction import CountCorrector
from spike_training.datasets.clip import SpikeClip
from spike_training.sampling.sample import Batch
from spike_training.sampling.spike_source import SpikeSource

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]

STEP_S = 0.025
"""Time from one tracked picture to the next, seconds."""

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

LEAST_MOVING = 5
"""Windows with depth from motion from which on it is evidence."""

LEAST_POINTS = 40
"""Points of a window, at least."""

LEAST_PARALLAX = math.radians(2.5)
"""Median angle between both rays to a point, at least, radians."""

LARGEST_ERROR = 0.1
"""Relative error of the depth of a point, at most, where its place is wrong by
:data:`_PIXEL_ERROR`."""

LARGEST_DISAGREEMENT = 0.03
"""Median difference of log depth by the whole baseline and by about half of it, at most."""

LEAST_SPREAD = 0.25
"""Standard deviation of the log depth of a window's points, at least.

Points of nearly one depth favour flat depth, and those of one plane leave the motion ambiguous.
"""

LEAST_SHARE = 0.8
"""Share of the points that the picture between agrees with, at least."""

_CORNERS = 800
_CORNER_QUALITY = 0.005
_CORNER_DISTANCE_PX = 5
_NOISE_PX = 1.0  # standard deviation of the blur of pictures
_PIXEL_ERROR = 0.7
_BETWEEN_ERROR = 1.0  # of the picture between, pixels
_FLOW_PX = 21  # side of the squares that are tracked
_FLOW_LEVELS = 4
_FLOW_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)
_FAR = 1e6  # baselines


class Points(NamedTuple):
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

    def agrees(self, other: Points) -> bool:
        """Return True if depth by another pair is the same, but for its scale."""
        _, mine, its = np.intersect1d(self.numbers, other.numbers, return_indices=True)
        if len(mine) < LEAST_POINTS // 2:
            return False
        return float(np.log(self.depth[mine] / other.depth[its]).std()) <= LARGEST_SCATTER


def triangulate(pictures: Iterable[Picture], camera: Floats) -> Points | None:
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
    corners: Any = cv2.goodFeaturesToTrack(last, _CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE_PX)
    if corners is None:
        return None
    tracks: list[npt.NDArray[np.float32]] = [corners]
    alive = np.ones(len(corners), bool)
    pairs: list[Points] = []
    for number, picture in enumerate(remaining, 1):
        moved, found = _track(last, picture, tracks[-1])
        alive &= found
        tracks.append(moved)
        last = picture
        if alive.sum() < LEAST_POINTS:
            break
        if number in PAIRS:
            first, between, second = (
                tracks[k][alive, 0].astype(np.float64) for k in (0, number // 2, number)
            )
            points = _triangulate_pair(first, between, second, camera)
            if points is not None:
                pairs.append(points._replace(numbers=np.flatnonzero(alive)[points.numbers]))
    if not pairs:
        return None
    best = max(pairs, key=lambda pair: pair.quality)
    same = sum(best.agrees(pair) for pair in pairs if pair is not best)
    return best if same >= LEAST_PAIRS else None


def _track(
    last: Picture, picture: Picture, places: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Track points forwards, and back again as a check; ``places`` are ``[N, 1, 2]``."""
    options = {
        'winSize': (_FLOW_PX, _FLOW_PX),
        'maxLevel': _FLOW_LEVELS,
        'criteria': _FLOW_STOP,
    }
    moved, there, _ = cv2.calcOpticalFlowPyrLK(last, picture, places, None, **options)  # type: ignore[call-overload]
    back, again, _ = cv2.calcOpticalFlowPyrLK(picture, last, moved, None, **options)  # type: ignore[call-overload]
    size = np.array(picture.shape[::-1])
    found = (there[:, 0] > 0) & (again[:, 0] > 0)
    found &= np.abs(back - places).max(axis=(1, 2)) < _PIXEL_ERROR
    found &= ((moved[:, 0] >= 0) & (moved[:, 0] < size)).all(axis=1)
    return moved, found


def _triangulate_pair(
    first: Floats, between: Floats, second: Floats, camera: Floats
) -> Points | None:
    """Triangulate points from their places in two pictures and check them in one between."""
    essential, inliers = cv2.findEssentialMat(
        first, second, camera, method=cv2.USAC_MAGSAC, prob=0.999, threshold=_PIXEL_ERROR
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
    error = _PIXEL_ERROR / camera[0, 0] / np.maximum(parallax, 1e-9)
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
    return Points(first[kept], world[kept, 2], kept, quality)


def _angles(first: Floats, second: Floats, camera: Floats, rotation: Floats) -> Floats:
    """Return the angles between both rays to each point, radians."""
    ones = np.ones((len(first), 1))
    inverse = np.linalg.inv(camera).T
    one = np.concatenate([first, ones], 1) @ inverse
    other = np.concatenate([second, ones], 1) @ inverse @ rotation
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
    )  # type: ignore[call-overload]  # fmt: skip
    if not found or inliers is None:
        return chosen[:0], math.inf
    kept = chosen[inliers[:, 0]]
    here = camera @ np.eye(3, 4)
    there = camera @ np.concatenate([cv2.Rodrigues(turn)[0], shift], 1)
    again = cv2.triangulatePoints(here, there, first[kept].T, between[kept].T)
    with np.errstate(divide='ignore', invalid='ignore'):
        ratio = np.log(np.abs(again[2] / again[3] / world[kept, 2]))
    return kept, float(np.median(np.abs(ratio - np.median(ratio))))


def draw_picture(batch: Batch) -> Picture:
    """Draw a window as a picture to track points in, ``[H, W]``: its first sample."""
    rate = (batch.counts[0].sum(0).float() / batch.planes_per_bin.sum()).cpu().numpy()
    smooth = cv2.GaussianBlur(np.sqrt(rate), (0, 0), _NOISE_PX)
    darkest, brightest = np.percentile(smooth, [1, 99])
    scaled = np.clip((smooth - darkest) / max(brightest - darkest, 1e-6), 0, 1)
    found: Picture = (255 * scaled).astype(np.uint8)
    return found


def label_points(window: Batch, points: Points, info: DepthInfo) -> Batch:
    """Return a window of one sample with the depth of its points, in arbitrary units.

    Args:
        window: The window of the first picture.
        points: Its points.
        info: Metadata of the networks that are scored on it, whose range the depth lies in.
    """
    depth = torch.full_like(window.depth, torch.nan)
    columns, rows = torch.from_numpy(points.places.round().astype(np.int64)).T
    middle = math.sqrt(info.min_depth * info.max_depth)
    scaled = torch.from_numpy(points.depth / np.median(points.depth) * middle)
    depth[0, 0, rows, columns] = scaled.to(depth)
    return Batch(
        window.counts, window.planes_per_bin, None, depth,
        torch.full_like(window.fx, info.canonical_fx), window.index,
    )  # fmt: skip


def label_by_motion(
    clips: Sequence[SpikeClip],
    info: DepthInfo,
    size: tuple[int, int],
    number: int,
    corrector: CountCorrector | None,
    device: torch.device,
) -> list[Batch]:
    """Return windows of recordings with sparse depth from motion.

    Args:
        clips: The recordings; without a focal length there is no depth.
        info: Metadata of the networks that are scored on the windows.
        size: Rows and columns of the windows, at most, see :class:`SpikeSource`.
        number: Windows that are tried.
        corrector: Correction of the sensor, for tracking alone; None: none.
        device: Device of the windows.
    """
    known = [clip for clip in clips if clip.camera is not None]
    if not known:
        return []
    stride = max(1, round(known[0].rate_hz * STEP_S))
    windows, pictures = (
        SpikeSource(
            known, info.planes, bins, info.multiple, size=size, labels=False, stride=stride,
            raw_pixels=True,
        )
        for bins in (info.bins, 1)
    )  # fmt: skip
    camera = np.array(known[0].camera, np.float64)
    rows, columns = windows.crop()
    camera[:2, 2] -= columns.start, rows.start

    @functools.lru_cache(maxsize=STEPS + 1)  # what follows one window mostly follows the next
    def picture(number: int) -> Picture | None:
        batch = pictures.usable([number])
        if batch is None:
            return None
        return draw_picture(batch if corrector is None else corrector.correct(batch))

    found = []
    for first in windows.spread(number):
        points = triangulate(_pictures(picture, pictures, first), camera)
        window = None if points is None else windows.usable([first])
        if points is not None and window is not None:
            found.append(label_points(window, points, info).to(device))
    return found


def _pictures(
    picture: Callable[[int], Picture | None], source: SpikeSource, first: int
) -> Iterator[Picture]:
    """Yield the pictures of a recording from a window on, until one cannot be read."""
    clip = source.recording(first)
    for later in range(first, min(first + STEPS + 1, len(source))):
        found = picture(later) if source.recording(later) == clip else None
        if found is None:
            return
        yield found
