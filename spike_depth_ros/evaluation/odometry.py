# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Correction by the motion of the camera in step with the windows of a bag."""

from __future__ import annotations

import collections
import dataclasses

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.evaluation.lockstep import WindowSample
from spike_depth_ros.filters.refine_by_motion import RefineByMotion
from spike_depth_ros.io.bags.bag import Bag, BagError, decode
from spike_depth_ros.motion.odometry import IDENTITY, TYPES, Poses
from spike_depth_ros.motion.points import Points
from spike_depth_ros.stream.correction import SensorCorrection


@dataclasses.dataclass(frozen=True)
class MotionSettings:
    """Settings of the correction.

    Attributes:
        odometry: Topic of odometry; None: none, motion corrects the shape alone.
        metres: Metres come from odometry.
        camera_pose: Pose of the camera on the frame of odometry, see :class:`.Poses`.
        delay_s: Time of the stream after which measured points are used, seconds; 0: they are used
            in their own window.
    """

    odometry: str | None = None
    metres: bool = True
    camera_pose: tuple[float, ...] = IDENTITY
    delay_s: float = 0.0


class OdometryTopic:
    """Reader of odometry, in step with the windows.

    Args:
        bag: The bag.
        topic: The topic.
        camera_pose: Pose of the camera on the frame of odometry.

    Attributes:
        topic: The topic.
        poses: Poses so far.
        warnings: Problems: text -> number.

    Raises:
        BagError: The topic is missing, or of another type.
    """

    def __init__(self, bag: Bag, topic: str, camera_pose: tuple[float, ...]) -> None:
        found = bag.topics.get(topic)
        if found is None or found.kind not in TYPES:
            what = 'there is none' if found is None else f'it is {found.kind}'
            raise BagError(
                f'topic {topic} of odometry: {what}; expected {" or ".join(TYPES)}; the bag has '
                f'{bag.known.describe()}'
            )
        self.poses, self._kind, self.topic = Poses(camera_pose), found.kind, topic
        self.warnings: collections.Counter[str] = collections.Counter()
        self._messages = iter(bag.in_order([topic]))
        self._next = next(self._messages, None)

    def read_until(self, recorded_ns: int) -> None:
        """Read what was recorded up to a time, as a live node would have it."""
        while self._next is not None and self._next.time_ns <= recorded_ns:
            try:
                problem = self.poses.on_message(decode(self._next.data, self._kind))
            except BagError as error:
                problem = f'{self.topic}: {error}'
            if problem:
                self.warnings[problem] += 1
            self._next = next(self._messages, None)


class MotionReplay:
    """Correction of the windows of a bag, with the delay of a live node.

    Args:
        settings: Settings.
        bag: The bag.

    Attributes:
        odometry: Odometry so far; None: there is none.
        refiner: The correction.

    Raises:
        BagError: The topic of odometry is missing, or of another type.
    """

    def __init__(self, settings: MotionSettings, bag: Bag) -> None:
        self.odometry: OdometryTopic | None = None
        if settings.odometry is not None:
            self.odometry = OdometryTopic(bag, settings.odometry, settings.camera_pose)
        poses = None if self.odometry is None else self.odometry.poses.at
        self.refiner = RefineByMotion(poses, settings.metres)
        self._delay_ns = round(1e9 * settings.delay_s)
        self._coming: collections.deque[tuple[int, Points | str]] = collections.deque()

    def apply(
        self, prediction: Prediction, sample: WindowSample, correction: SensorCorrection | None
    ) -> Prediction:
        """Correct the prediction of the next window.

        Args:
            prediction: Prediction of the model.
            sample: The window.
            correction: Correction of the sensor; None: none.
        """
        window, now_ns = sample.window, sample.window.reference_ns
        if self.odometry is not None:
            self.odometry.read_until(sample.recorded_ns)
        if self.refiner.wants(window):
            self.refiner.track(window, correction)
        if self.refiner.is_due():
            self._coming.append((now_ns + self._delay_ns, self.refiner.measure()))
        while self._coming and self._coming[0][0] <= now_ns:
            self.refiner.use(self._coming.popleft()[1])
        return self.refiner.apply(prediction, window)
