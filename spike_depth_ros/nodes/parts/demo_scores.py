# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo gives the evaluation of a running node: true depth, errors, windows to draw."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from std_msgs.msg import Header

from spike_depth_ros.evaluation.live import LiveScores
from spike_depth_ros.evaluation.metrics import DepthErrors, EvalProtocol
from spike_depth_ros.evaluation.scores import Output
from spike_depth_ros.evaluation.truth import Truth, TruthBuffer, enlarged
from spike_depth_ros.io.recording import Recording
from spike_depth_ros.nodes.parts.conversions import array_from_msg, depth_msg
from spike_depth_ros.nodes.parts.live_evaluation import Joined, LiveEvaluation, grey_picture
from spike_depth_ros.stream.window import planes_after_reference, reference_index
from spike_depth_ros.tasks.depth import DepthInfo

MAX_SNAPSHOTS = 24
"""Windows that are kept for pictures, evenly spread over the recording."""

LEFT = (
    '--ros-args',
    *(
        part
        for topic in ('spikes', 'camera_info', 'depth/truth')
        for part in ('-r', f'{topic}:=left/{topic}')
    ),
)
"""Arguments of ROS for the topics of two cameras that are the left one's."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Plan of a run: the stream, and the mapping from stamps to its planes.

    Attributes:
        recording: The stream.
        rate_hz: Planes a second.
        planes: Total planes to send; the recording is looped.
        info: The checkpoint's metadata.
        name: Title of the stream in pictures.
        speed: Speed of playback, times real time.
        checkpoint: The model, as on the command line; None: the default one.
    """

    recording: Recording
    rate_hz: float
    planes: int
    info: DepthInfo
    name: str
    speed: float = 1.0
    checkpoint: Path | None = None

    @property
    def is_pair(self) -> bool:
        """True if the recording is of two cameras."""
        return self.recording.baseline_m is not None

    @property
    def length(self) -> int:
        """Planes of the recording."""
        return len(self.recording.planes)

    def plane_at(self, stamp: int, first_stamp: int) -> int:
        """Return the index in the recording of the plane with this stamp."""
        return round((stamp - first_stamp) * self.rate_hz / 1e9) % self.length

    def due_ns(self, stamps: npt.NDArray[np.int64], first_stamp: int) -> npt.NDArray[np.float64]:
        """Return the due times of windows' last planes from their stamps, nanoseconds, ``[N]``."""
        after = planes_after_reference(self.info.reference_plane, self.info.planes)
        after_ns = after * 1e9 / self.rate_hz
        due: npt.NDArray[np.float64] = (stamps - first_stamp + after_ns) / self.speed
        return first_stamp + due

    def truth_at(self, plane: int) -> npt.NDArray[np.float32] | None:
        """Return the true depth nearest to a reference plane, if it lies within its window."""
        truth = self.recording.truth
        if truth is None:
            return None
        before = reference_index(self.info.reference_plane, self.info.planes)
        after = planes_after_reference(self.info.reference_plane, self.info.planes)
        within = (truth.planes >= plane - before) & (truth.planes <= plane + after)
        return truth.nearest(plane) if within.any() else None

    def crosses_seam(self, plane: int) -> bool:
        """Return True if the window around a reference plane contains the loop's seam."""
        first = plane - reference_index(self.info.reference_plane, self.info.planes)
        return first < 0 or first + self.info.planes > self.length


class PlayerStart:
    """Stamp of the first plane, which the player reports.

    Args:
        report: Report file of the player.
    """

    def __init__(self, report: Path) -> None:
        self._report = report
        self._first_stamp: int | None = None

    def __call__(self) -> int | None:
        """Return the stamp, nanoseconds; None: the player has not begun."""
        if self._first_stamp is None and self._report.exists():
            with contextlib.suppress(ValueError, KeyError):
                self._first_stamp = json.loads(self._report.read_text())['first_stamp_ns']
        return self._first_stamp


class PlayedTruths(TruthBuffer):
    """True depth of the recording, which no topic has: for windows that hold a plane with it.

    Windows across the loop's seam, where what moves jumps, have none.

    Args:
        plan: Plan of the run.
        start: Start of the player.
    """

    def __init__(self, plan: Plan, start: PlayerStart) -> None:
        super().__init__(round(plan.info.planes / 2 * 1e9 / plan.rate_hz))
        self._plan, self._start = plan, start

    def decided(self, reference_ns: int) -> bool:
        """Return True: no truth is still to come."""
        return True

    def take(self, reference_ns: int) -> Truth | None:
        """Return the truth of a window; several windows may have the same one."""
        first = self._start()
        if first is None:
            return None
        plane = self._plan.plane_at(reference_ns, first)
        truth = None if self._plan.crosses_seam(plane) else self._plan.truth_at(plane)
        if truth is None:
            return None
        self.accounting.received += 1
        self.accounting.used += 1
        return Truth(reference_ns, depth_msg(truth, Header()))


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A window that is drawn.

    Attributes:
        plane: Index in the recording of the window's reference plane.
        output: Output of the depth node, with the truth; of two cameras, whose other images are
            ``right``, as the preview, and ``disparity``, pixels, as depth.
    """

    plane: int
    output: Output


class DemoScores:
    """Errors of depth, as predicted and with the median of the truth, and windows to draw.

    Other scores take nine times as long, which a machine that just keeps up does not have.

    Args:
        plan: Plan of the run.
        start: Start of the player.
        limits: Nearest and farthest depth of the model, metres.
    """

    def __init__(self, plan: Plan, start: PlayerStart, limits: tuple[float, float]) -> None:
        self.errors = DepthErrors(*limits)
        self.scaled_errors = DepthErrors(*limits, EvalProtocol(alignment='median'))
        self.snapshots: dict[int, Snapshot] = {}
        self._plan, self._start = plan, start

    def add(self, output: Output) -> Mapping[str, float]:
        """Add a window; keep one for each part of the recording."""
        if output.truth is not None:
            depth = enlarged(output.depth, output.truth)
            for errors in (self.errors, self.scaled_errors):
                errors.add(depth, output.truth, output.depth_range)
        if (first := self._start()) is not None:
            plan, plane = self._plan, self._plan.plane_at(output.reference_ns, first)
            only_seams = plan.length <= plan.info.planes
            if only_seams or not plan.crosses_seam(plane):
                span = min(plan.length, plan.planes)
                self.snapshots.setdefault(plane * MAX_SNAPSHOTS // span, Snapshot(plane, output))
        return {}

    def headline(self) -> dict[str, float]:
        """Return the metrics so far; NaN for missing values."""
        return self.errors.metrics()


def evaluation(plan: Plan, start: PlayerStart) -> LiveEvaluation[DemoScores]:
    """Make the node of the demo, which evaluates what the depth node makes of a recording.

    Args:
        plan: Plan of the run.
        start: Start of the player.
    """
    node = Node('spike_demo', cli_args=LEFT if plan.is_pair else None)
    live = LiveScores(
        lambda limits: DemoScores(plan, start, limits), PlayedTruths(plan, start), None
    )
    pictures = [grey_picture('left/image_rect' if plan.is_pair else 'spikes/image')]
    if plan.is_pair:
        # Imported here: one camera needs no messages of two.
        from stereo_msgs.msg import DisparityImage

        pictures.append(grey_picture('right/image_rect', 'right'))
        pictures.append(Joined('disparity', 'disparity', DisparityImage, _disparity))
    return LiveEvaluation(node, live, plan.info, pictures, whole=True)


def _disparity(msg: Any) -> npt.NDArray[np.float32]:
    """Read a disparity image, pixels; NaN: no answer."""
    disparity: npt.NDArray[np.float32] = array_from_msg(msg.image).copy()
    disparity[disparity < msg.min_disparity] = np.nan
    return disparity
