# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source of observations of two streams: pairs of windows, with the rig of their cameras."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from spike_depth_ros.geometry.calibration import Calibration, LastGood
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.pairing import PAIR_WAIT_S, WindowPair, WindowPairs
from spike_depth_ros.stream.ingest import Ingest
from spike_depth_ros.stream.ring import PlaneRing
from spike_depth_ros.stream.stamps import differs


class PairSource:
    """Source of the pairs of two streams, between one producer and one consumer.

    Args:
        left: Ingest of the left stream.
        right: Ingest of the right one, of the same settings and condition.
        fills: Depth is predicted from a left window alone, too.
        offset_s: Seconds that are added to right stamps.
        pair_wait_s: Largest time by which right stamps may be behind left ones, seconds.
        check: Called with a new rig; raises ValueError where it cannot be used.

    Attributes:
        rigs: Calibrations of both cameras: the rig that they make.
        fills: As given.
        pairs: Pairs taken.
        alone: Left windows taken, for which the right camera has no planes.
    """

    def __init__(
        self,
        left: Ingest,
        right: Ingest,
        fills: bool = False,
        offset_s: float = 0.0,
        pair_wait_s: float = PAIR_WAIT_S,
        check: Callable[[StereoRig], object] = lambda rig: None,
    ) -> None:
        self.rigs = LastGood(self._make_rig)
        self.pairs = self.alone = 0
        self._left, self._right, self.fills = left, right, fills
        self._offset_s, self._pair_wait_s, self._check = offset_s, pair_wait_s, check
        self._rings: tuple[PlaneRing, PlaneRing] | None = None
        self._windows: WindowPairs | None = None
        self._missing = ''
        self._right_info: Any = None
        self._single_since_s: float | None = None  # since when one stream alone has a ring

    @property
    def rig(self) -> StereoRig | None:
        """Calibrations of both cameras; None: there is none that can be used."""
        return self.rigs.made

    @property
    def problem_of_rig(self) -> str:
        """Reason that there is no rig, or to refuse the newest calibrations; empty: none."""
        return self._missing or self.rigs.problem

    @property
    def problem(self) -> str:
        """Reason that there are no pairs, one line; empty: none."""
        return self._mismatch or (self._windows.problem if self._windows is not None else '')

    @property
    def _mismatch(self) -> str:
        """Reason that the streams are not those of a pair, one line; empty: they are."""
        left, right = self._left, self._right
        if left.size is not None and right.size is not None and left.size != right.size:
            return (
                f'left stream of {left.size[1]}x{left.size[0]} pixels, right one of '
                f'{right.size[1]}x{right.size[0]}: expected two cameras of one size'
            )
        periods = [ring.period_ns for ring in (left.ring, right.ring) if ring is not None]
        if len(periods) == 2 and differs(*periods):
            rates = [1e9 / period_ns for period_ns in periods]
            return (
                f'left stream of {rates[0]:.0f} planes/s, right one of {rates[1]:.0f}: expected '
                'one rate: set both cameras alike'
            )
        return ''

    @property
    def difference_ns(self) -> int | None:
        """Right less left time of the newest pair, nanoseconds; None before it."""
        return self._windows.difference_ns if self._windows is not None else None

    def is_ready(self) -> bool:
        """Return True once both streams have a ring, of one size and rate."""
        left, right = self._left.ring, self._right.ring
        if left is None or right is None:
            return False
        if self._rings != (left, right):
            self._rings = left, right
            self._windows = WindowPairs(left, right, self._offset_s, self._pair_wait_s)
        return not self._mismatch

    def discard(self) -> None:
        """Skip the planes so far, unless the other stream may just be a little later."""
        rings = [ring for ring in (self._left.ring, self._right.ring) if ring is not None]
        now_s = time.monotonic()
        if len(rings) != 1:
            self._single_since_s = None
        elif self._single_since_s is None:
            self._single_since_s = now_s
        if self._single_since_s is None or now_s - self._single_since_s > PAIR_WAIT_S:
            for ring in rings:
                ring.discard()

    def take(self, timeout_s: float) -> Observation | None:
        """Return the next pair, or the left window once the right camera has stopped.

        Args:
            timeout_s: Longest wait for it, seconds.

        Returns:
            The observation; None if there is none.
        """
        if not self.is_ready() or self._windows is None:
            return None
        pair = self._windows.take(timeout_s)
        if pair is None:
            return None
        if pair.right is None:
            self.alone += 1
        else:
            self.pairs += 1
        self._update_rig(pair)
        left, rig = pair.left, self.rig
        if rig is not None:  # which may be of an older message
            camera = dataclasses.replace(left.camera, fx_px=rig.left.k[0], info=rig.left)
            left = dataclasses.replace(left, camera=camera)
        return Observation(left, left.camera.fx_px, pair.right, rig)

    def has_depth(self, observation: Observation) -> bool:
        """Return True if both cameras are calibrated, and the right window is there or filled."""
        seen = observation.right is not None or self.fills
        return observation.rig is not None and seen

    def _update_rig(self, pair: WindowPair) -> None:
        """Make the rig of the newest calibrations, if they have changed."""
        if pair.right is not None:
            self._right_info = pair.right.camera.info
        # Before the first pair, the newest one.
        infos = pair.left.camera.info, self._right_info or self._right.camera.info
        missing = [name for name, one in zip(('left', 'right'), infos, strict=True) if one is None]
        self._missing = f'no {" and no ".join(missing)} camera_info: publish it' if missing else ''
        if not missing:
            self.rigs.update(*infos)

    def _make_rig(self, left: Calibration, right: Calibration) -> StereoRig:
        rig = StereoRig(left, right)
        self._check(rig)
        return rig
