# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two cameras: lockstep replay of their pairs of windows, and scores of what both measure."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from spike_depth_ros.evaluation.lockstep import Replay, WindowSample
from spike_depth_ros.evaluation.metrics import DepthErrors, EvalProtocol, Mean
from spike_depth_ros.geometry.calibration import LastGood
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import Bag, BagError, BagMessage
from spike_depth_ros.io.topics import CameraTopics
from spike_depth_ros.stereo.estimator import (
    LEAST_DISPARITY_PX,
    MATCHED,
    NONE,
    StereoPrediction,
)
from spike_depth_ros.stereo.pairing import WindowPair, WindowPairs
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import differs
from spike_depth_ros.stream.window import ReferencePlane, Window

WAIT, HELD = 0.5, 0.75
"""Parts of a ring: by how much the right stream may be late, and what may wait in it."""

PLANES = 128
"""Planes of a window without a network, which would have its own."""


@dataclasses.dataclass(frozen=True)
class MatcherInfo:
    """What stands for the metadata of a network where depth is matched alone.

    Attributes:
        architecture: Name of the matcher.
        stage: Stage of training.
        datasets: Data sets of training.
        weights_sha256: Hash of the weights.
        planes: Planes of a window.
        reference_plane: The plane of a window that its depth belongs to.
    """

    architecture: str = 'sgbm'
    stage: str = 'none'
    datasets: tuple[str, ...] = ()
    weights_sha256: str = ''
    planes: int = PLANES
    reference_plane: ReferencePlane = 'middle'


class PairReplay(Replay):
    """One pass over a bag of two cameras; what it counts is of the left one.

    Args:
        bag: The bag.
        topics: Topics of the left and of the right camera.
        window: Planes in a window.
        hop: Planes between the starts of windows; 0: the window length.
        reference: The plane of a window that its depth belongs to.
        rate_hz: Planes a second; 0 infers it from stamps.
        stamp_tolerance: Largest deviation of a packet's stamp that is not a gap, planes.

    Attributes:
        right: Replay of the right camera.
        rig: Calibrations of both; None before the first pair. Those that make none are told.
        alone: Left windows for which the right camera had stopped.
    """

    def __init__(
        self,
        bag: Bag,
        topics: tuple[CameraTopics, CameraTopics],
        window: int,
        hop: int = 0,
        reference: ReferencePlane = 'middle',
        rate_hz: float = 0.0,
        stamp_tolerance: float = 0.5,
    ) -> None:
        left, right = topics
        settings: dict[str, Any] = {
            'window': window,
            'hop': hop,
            'reference': reference,
            'rate_hz': rate_hz,
            'stamp_tolerance': stamp_tolerance,
            'rectify': False,  # that is the rig's
            'changed': threading.Condition(),
        }
        super().__init__(bag, left, **settings)
        self.right = Replay(bag, right, **settings)
        self.rig: StereoRig | None = None
        self._rigs = LastGood(StereoRig)
        self.alone = 0
        self._rings: tuple[PlaneRing, PlaneRing] | None = None
        self._pairs: WindowPairs | None = None

    def windows(self, also: Iterator[BagMessage] | None = None) -> Iterator[WindowSample]:
        """Yield every pair, in order; its left window is rectified as its depth.

        Args:
            also: Messages to read instead of the topics' own, which must be among them.

        Raises:
            BagError: There was no pair, or no rig; the message has the reason. Or packets were so
                much larger than the first that a ring could not hold them.
        """
        self.read_camera()
        self.right.read_camera()
        topics, number = [*self.topics, *self.right.topics], 0
        spikes = self.topics[0], self.right.topics[0]
        for message in self._bag.in_order(topics, also, spikes):
            self.feed(message)
            self.right.feed(message)
            for pair in self._complete():
                if pair.right is None:
                    self.alone += 1
                    continue
                number += 1
                if number == 1:
                    self.check_layout(pair.left)
                    self.right.check_layout(pair.right)
                yield self._sample(pair.left, pair.right, message.time_ns)
        for one in (self, self.right):
            one.settle()
        if not number:
            raise BagError(self._no_pairs_reason())
        for one in (self, self.right):
            one.check_overwritten()

    def warnings_of_pairs(self) -> list[str]:
        """Return what keeps planes of the left camera out of pairs, one line each."""
        texts = []
        if self.alone:
            texts.append(
                f'{self.right.topics[0]} had stopped at {self.alone} windows of the left camera, '
                'which are left out'
            )
        # With a longer hop planes are skipped between windows, too.
        if self.hop <= self.window and (planes := self.accounting.skipped_by_policy):
            texts.append(
                f'{planes} planes of the left camera are in no pair, as '
                f'{self.right.topics[0]} has none of their time'
            )
        return texts

    def _complete(self) -> Iterator[WindowPair]:
        """Yield the pairs that the planes so far complete."""
        left, right = self.ring, self.right.ring
        if left is not None and right is not None:
            if self._pairs is None or self._rings != (left, right):
                self._rings, self._pairs = (left, right), self._make_pairs(left, right)
            while (pair := self._pairs.take()) is not None:
                yield pair
        for ring in (left, right):  # planes that will not be used do not count as overwritten
            if ring is not None and ring.accounting().pending > HELD * ring.capacity:
                ring.discard()

    def _make_pairs(self, left: PlaneRing, right: PlaneRing) -> WindowPairs:
        rates = [1e9 / ring.period_ns for ring in (left, right)]
        if differs(*rates):
            raise BagError(
                f'{self._bag.path}: {self.topics[0]} has {rates[0]:.6g} planes/s, '
                f'{self.right.topics[0]} {rates[1]:.6g}; expected one rate: set both cameras to '
                'it, or give --rate if the stamps are wrong'
            )
        # As messages are read in the order of recording, right may lag by what the rings hold.
        return WindowPairs(left, right, pair_wait_s=WAIT * left.capacity * left.period_ns / 1e9)

    def _sample(self, left: Window, right: Window, recorded_ns: int) -> WindowSample:
        rig = self._rig_of(left, right)
        camera = dataclasses.replace(
            left.camera, fx_px=rig.fx_px, info=rig.left, rectification=rig.rectifications[0]
        )
        return WindowSample(dataclasses.replace(left, camera=camera), recorded_ns, right, rig)

    def _rig_of(self, left: Window, right: Window) -> StereoRig:
        """Return the rig of a pair, that of all pairs before."""
        infos = left.camera.info, right.camera.info
        for one, info in zip((self, self.right), infos, strict=True):
            if info is None:
                _, reason = one.warnings.get('camera_info', (0, f'{one.topics[-1]} is empty'))
                raise BagError(f'{self._bag.path}: {one.topics[0]} has no calibration: {reason}')
        refused = self._rigs.refused
        self._rigs.update(*infos)
        if self._rigs.made is None:
            raise BagError(f'{self._bag.path}: {self._rigs.problem}')
        if self._rigs.refused != refused:
            self._warn('rig', f'camera_info: {self._rigs.problem}')
        if self.rig is None:
            self.rig = self._rigs.made
        elif self.rig is not self._rigs.made:
            raise BagError(
                f'{self._bag.path}: camera_info changes within the bag; expected one calibration '
                'of each camera: evaluate the parts before and after separately'
            )
        return self.rig

    def _no_pairs_reason(self) -> str:
        for one in (self, self.right):
            if one.ring is None or one.accounting.received < one.window:
                return f'{one.no_windows_reason()} ({one.topics[0]})'
        left_ns, right_ns = (one.ring.newest_ns or 0 for one in (self, self.right) if one.ring)
        ahead_s = (left_ns - right_ns) / 1e9
        return (
            f'{self._bag.path}: not one pair of windows: the newest stamp of '
            f'{self.right.topics[0]} is {abs(ahead_s):.6g} s '
            f'{"behind" if ahead_s > 0 else "ahead of"} that of {self.topics[0]}; expected '
            f'{self.window} planes of both at one time without a gap: stamp both by one clock, or '
            'shorten it with --window'
        )


def measured_range(rig: StereoRig, min_depth_m: float) -> tuple[float, float]:
    """Return the nearest and the farthest depth that a rig measures, metres.

    Args:
        rig: The rig.
        min_depth_m: Depth of the nearest place that is searched, metres.

    Raises:
        BagError: Nothing can be searched.
    """
    try:
        lowest, number = rig.search_range(min_depth_m)
    except ValueError as error:
        raise BagError(f'--min-depth-m: {error}') from None
    return rig.depth_of(float(lowest + number)), rig.depth_of(rig.offset_px + LEAST_DISPARITY_PX)


class PairScores:
    """Scores of the pixels that both cameras measure, over any number of pairs.

    Args:
        depth_range: Nearest and farthest depth that is measured, metres.
        protocol: Crop, cap, alignment.

    Attributes:
        matched: Depth errors of the matched pixels.
    """

    def __init__(self, depth_range: tuple[float, float], protocol: EvalProtocol) -> None:
        self.matched = DepthErrors(*depth_range, protocol)
        self._pixels = self._matched = self._answered = 0

    def add(self, prediction: StereoPrediction, truth: FloatImage | None) -> None:
        """Add a pair.

        Args:
            prediction: Its depth, ``[height, width]``.
            truth: True depth, metres, same shape; None: unknown.
        """
        matched = prediction.origin == MATCHED
        self._pixels += matched.size
        self._matched += int(np.count_nonzero(matched))
        self._answered += int(np.count_nonzero(prediction.origin != NONE))
        if truth is not None:
            self.matched.add(np.where(matched, prediction.depth, np.float32(np.nan)), truth)

    @property
    def matched_share(self) -> float:
        """Share of all pixels that are matched, 0 to 1."""
        return self._matched / self._pixels

    @property
    def answered_share(self) -> float:
        """Share of all pixels that have depth, 0 to 1."""
        return self._answered / self._pixels

    def report(self, mean: Mean) -> dict[str, Any]:
        """Return all values; NaN for missing ones.

        Args:
            mean: The metrics are means over ``pixels`` or ``images``.
        """
        return {
            'matched': self.matched_share,
            'answered': self.answered_share,
            'of_matched': {**self.matched.metrics(mean), 'coverage': self.matched.coverage},
        }

    def describe(self, mean: Mean) -> str:
        """Return the shares, and the errors of matched pixels if there is truth, in one line."""
        text = (
            f'{self.matched_share:.1%} of the pixels are matched, {self.answered_share:.1%} have '
            'depth'
        )
        if not self.matched.covered:
            return text
        metrics = self.matched.metrics(mean)
        return (
            f'{text}; matched ones: AbsRel {metrics["abs_rel"]:.3f}, delta1 '
            f'{metrics["delta1"]:.3f}'
        )
