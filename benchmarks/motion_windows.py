# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows with true depth, odometry with known errors, and scores of their correction by motion.

Used by ``benchmarks.depth_from_motion``.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.estimator import DepthEstimator, Prediction
from spike_depth_ros.evaluation.metrics import (
    DepthErrors,
    EvalProtocol,
    StructureErrors,
    has_truth,
    without_nan,
)
from spike_depth_ros.filters.refine_by_motion import RefineByMotion
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.motion.odometry import Poses
from spike_depth_ros.motion.points import Points
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes
from spike_depth_ros.stream.window import Camera, Window

PLANES, PERIOD_NS = 128, 50_000
START_NS = 1_000_000_000
"""Time of the clock's zero, so that no time is 0."""

AHEAD_NS = 200_000_000
"""Poses up to this time after a window are known: those of data sets come as seldom as frames."""

TIMEOUT_S = 5.0
NEAR_PX = 30
"""Distance from a point up to which pixels are near it."""

LIMITS_M = (1e-3, 1e4)

Floats = npt.NDArray[np.float64]
Depth = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Seen(NamedTuple):
    """A window, its predicted depth, and its true one."""

    window: Window
    prediction: Prediction
    truth: Depth


class Sequence(NamedTuple):
    """Successive windows, and poses of the camera: nanoseconds, and ``[4, 4]`` camera to world."""

    windows: list[Seen]
    poses: list[tuple[int, Floats]]


@dataclasses.dataclass(frozen=True)
class Condition:
    """What the correction has to work with.

    Attributes:
        name: Of the row.
        odometry: Whether there is any.
        length: Factor on its lengths.
        turned_deg: Error of the rotation between two poses, degrees.
        late_s: Error of its clock, seconds.
        delay: Windows by which points are used late.
    """

    name: str
    odometry: bool = True
    length: float = 1.0
    turned_deg: float = 0.0
    late_s: float = 0.0
    delay: int = 0


EXACT = Condition('exact odometry')
ALONE = Condition('motion alone', odometry=False)


def seen(
    estimator: DepthEstimator, planes: PackedPlanes, matrix: Floats, time_s: float, truth: Depth
) -> Seen:
    """Return planes as a window, with the prediction of the network.

    Args:
        estimator: The network.
        planes: ``[planes, H, row_bytes]``, ``little``.
        matrix: Camera matrix, ``[3, 3]`` pixels.
        time_s: Time of the reference plane.
        truth: True depth, ``[H, W]`` metres.
    """
    height, width = truth.shape
    calibration = Calibration.from_matrix(matrix, width, height)
    camera = Camera('camera', float(matrix[0, 0]), calibration)
    at_ns, middle = nanoseconds(time_s), len(planes) // 2
    window = Window(
        planes, Geometry(height, width), at_ns - middle * PERIOD_NS, PERIOD_NS, middle, at_ns,
        camera,
    )  # fmt: skip
    return Seen(window, estimator.predict(Observation(window, float(matrix[0, 0]))), truth)


def nanoseconds(time_s: float) -> int:
    """Time of the stream at a time of a recording."""
    return START_NS + round(1e9 * time_s)


def odometry(sequence: Sequence, condition: Condition) -> Iterator[tuple[int, list[float]]]:
    """Yield poses as odometry gives them: nanoseconds, metres and a quaternion."""
    rng = np.random.default_rng(0)
    for time_ns, pose in sequence.poses:
        axis = rng.normal(size=3)
        # Two poses are wrong by it together.
        axis *= math.radians(condition.turned_deg) / math.sqrt(2) / np.linalg.norm(axis)
        rotation = pose[:3, :3] @ cv2.Rodrigues(axis)[0]
        turn = cv2.Rodrigues(rotation)[0][:, 0]
        angle = float(np.linalg.norm(turn))
        vector = turn * (math.sin(angle / 2) / max(angle, 1e-12))
        place = condition.length * pose[:3, 3]
        yield (
            time_ns + round(1e9 * condition.late_s),
            [float(value) for value in (*place, *vector, math.cos(angle / 2))],
        )


def corrected(sequence: Sequence, condition: Condition) -> Iterator[tuple[Prediction, str]]:
    """Yield the corrected prediction of each window, its points, and why there are none."""
    poses, coming = Poses(), collections.deque(odometry(sequence, condition))
    motion = RefineByMotion(poses.at if condition.odometry else None, True, TIMEOUT_S)
    measured: collections.deque[Points | str] = collections.deque()
    for window, prediction, _ in sequence.windows:
        while coming and coming[0][0] <= window.reference_ns + AHEAD_NS:
            poses.add(*coming.popleft())
        motion.track(window)
        measured.append(motion.measure())
        if len(measured) > condition.delay:
            motion.use(measured.popleft())
        yield motion.apply(prediction, window), motion.status.reason


class Errors:
    """Mean errors over windows of one predictor."""

    def __init__(self, structure: bool) -> None:
        self._metres, self._shape = (
            DepthErrors(*LIMITS_M, EvalProtocol(alignment=alignment))
            for alignment in ('none', 'median')
        )
        self._structure = StructureErrors(*LIMITS_M) if structure else None

    def add(self, depth: Depth, truth: Depth) -> None:
        """Add a window."""
        for each in (self._metres, self._shape, self._structure):
            if each is not None:
                each.add(depth[None], truth[None])

    def figures(self) -> dict[str, float]:
        """Mean over windows of AbsRel in metres and median-scaled, and boundary F1."""
        found = {
            'metres': self._metres.metrics('images')['abs_rel'],
            'shape': self._shape.metrics('images')['abs_rel'],
        }
        if self._structure is not None:
            found['f1'] = self._structure.boundary_f1
        return found


def score(
    sequence: Sequence, condition: Condition, first: int, structure: bool = True
) -> dict[str, Any]:
    """Score the correction of the windows of a sequence from one on.

    Returns:
        A row as ``benchmarks.depth_from_motion`` describes it.
    """
    network, factor, field = (Errors(structure and each != 1) for each in range(3))
    held: list[tuple[float, float, float]] = []
    points: list[int] = []
    reasons: collections.Counter[str] = collections.Counter()
    count = 0
    for number, (found, reason) in enumerate(corrected(sequence, condition)):
        _, prediction, truth = sequence.windows[number]
        if number < first or not has_truth(truth).any():
            continue
        count += 1
        one = 1.0 if found.motion is None else found.motion.factor
        network.add(prediction.depth, truth)
        factor.add(np.float32(one) * prediction.depth, truth)
        field.add(found.depth, truth)
        if found.motion is None or not found.motion.points:
            reasons[reason] += 1
            continue
        used = found.motion.places
        points.append(found.motion.points)
        held.append((*intervals(found, used, truth), intervals(prediction, used, truth)[2]))
    means = [mean(column) for column in zip(*held, strict=True)] or [math.nan] * 4
    return without_nan(
        {
            'condition': condition.name,
            'windows': count,
            **{f'network_{name}': value for name, value in network.figures().items()},
            **{f'factor_{name}': value for name, value in factor.figures().items()},
            **{f'field_{name}': value for name, value in field.figures().items()},
            'ratio_metres': field.figures()['metres'] / network.figures()['metres'],
            'ratio_shape': field.figures()['shape'] / network.figures()['shape'],
            'refined': len(points) / max(count, 1),
            'points': mean(points),
            'holds_near': means[0],
            'holds_far': means[1],
            'holds_network': means[3],
            'reasons': dict(reasons),
        }
    )


def intervals(found: Prediction, places: Floats, truth: Depth) -> tuple[float, float, float]:
    """Shares of pixels with truth in their interval: near points, far from them, all."""
    height, width = truth.shape
    elsewhere = np.ones((height, width), np.uint8)
    columns, rows = places.round().astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    elsewhere[rows[inside], columns[inside]] = 0
    near = cv2.distanceTransform(elsewhere, cv2.DIST_L2, 3) <= NEAR_PX
    known = has_truth(truth)
    with np.errstate(invalid='ignore', divide='ignore'):
        holds = np.abs(np.log(found.depth / truth)) <= found.relative_uncertainty
    return mean(holds[known & near]), mean(holds[known & ~near]), mean(holds[known])


def mean(values: Any) -> float:
    """Mean of what is known; NaN of nothing."""
    found = np.asarray(values, float)
    found = found[np.isfinite(found)]
    return float(found.mean()) if len(found) else math.nan


@contextlib.contextmanager
def replaced(module: Any, name: str, other: Callable[..., Any]) -> Iterator[None]:
    """Let a module use another function meanwhile, to compare it."""
    usual = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, usual)
