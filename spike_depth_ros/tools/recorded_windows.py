# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of recordings, files and bags alike, for commands that look at one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spike_depth_ros.evaluation.lockstep import Replay
from spike_depth_ros.geometry.calibration import Calibration, read_calibration
from spike_depth_ros.geometry.rectification import NewestLens
from spike_depth_ros.io.bags.bag import Bag
from spike_depth_ros.io.layout_check import raw_file_problem
from spike_depth_ros.io.recording import Recording, RecordingError, is_bag, open_recording
from spike_depth_ros.io.topics import NONE
from spike_depth_ros.stream.plane_clock import FRAME_ID
from spike_depth_ros.stream.window import Camera, ReferencePlane, Window, reference_index
from spike_depth_ros.tools.arguments import LAYOUT_OPTIONS, recording_layout

DEFAULT_RATE_HZ = 20_000.0
"""Plane rate of a file that does not hold it, planes a second."""

_OF_FILES = (*LAYOUT_OPTIONS, 'camera_info', 'fx')
_OF_BAGS = ('topic',)


class RecordedWindows:
    """Windows of a recording, in order; those of a bag span no gap.

    Args:
        options: ``recording``, ``topic`` (of a bag, or None), those of
            :func:`.add_recording_options` and, with a rectification, of
            :func:`.add_camera_options`.
        planes: Planes of a window.
        every: Planes between the starts of windows.
        rectify: Rectify the lens by its calibration.
        shorten: Advice to the user whose recording is shorter than a window.
        reference: The plane of a window that its depth or picture belongs to.

    Attributes:
        total: Number of windows; None: not known before the end.
        problems: Problems of the recording so far, one line each.

    Raises:
        ValueError: The recording or the options cannot be used.
        OSError: A file cannot be read.
    """

    def __init__(
        self,
        options: Any,
        planes: int,
        every: int,
        rectify: bool,
        shorten: str,
        reference: ReferencePlane = 'middle',
    ) -> None:
        self.total: int | None = None
        self.problems: list[str] = []
        self._replay: Replay | None = None
        self._options, self._planes, self._every = options, planes, every
        self._reference = reference_index(reference, planes)
        if check_kind(options.recording, options, _OF_FILES, _OF_BAGS):
            bag = Bag(options.recording)
            self._replay = Replay(
                bag,
                bag.known.camera(options.topic, truth=NONE),
                planes,
                every,
                reference,
                rate_hz=options.rate or 0.0,
                size=options.size,
                shorten=shorten,
                rectify=rectify,
            )
            self._windows = self._of_bag(bag, self._replay)
            return
        recording = open_recording(options.recording, **recording_layout(options))
        if len(recording.planes) < planes:
            raise RecordingError(
                f'{options.recording}: {len(recording.planes)} planes; expected at least '
                f'{planes}, those of a window: {shorten}'
            )
        if problem := raw_file_problem(options.recording, recording):
            self.problems.append(problem)
        camera = recorded_camera(options, recording) if rectify else Camera()
        self.total = len(range(0, len(recording.planes) - planes + 1, every))
        self._windows = self._of_file(recording, camera)

    def __iter__(self) -> Iterator[Window]:
        """Iterate over the windows, once."""
        return self._windows

    @property
    def lost(self) -> int:
        """Planes that a bag lacks so far, in the gaps of its stream."""
        return self._replay.accounting.lost_in_transport if self._replay is not None else 0

    def _of_file(self, recording: Recording, camera: Camera) -> Iterator[Window]:
        rate_hz = self._options.rate or recording.rate_hz
        if not rate_hz:
            rate_hz = DEFAULT_RATE_HZ
            self.problems.append(f'{rate_hz:g} planes a second assumed: give --rate')
        period_ns = max(1, round(1e9 / rate_hz))
        for first in range(0, len(recording.planes) - self._planes + 1, self._every):
            yield Window(
                data=np.ascontiguousarray(recording.read(first, first + self._planes)),
                geometry=recording.geometry,
                t0_ns=first * period_ns,
                period_ns=period_ns,
                reference_plane=self._reference,
                reference_ns=(first + self._reference) * period_ns,
                camera=camera,
            )

    def _of_bag(self, bag: Bag, replay: Replay) -> Iterator[Window]:
        for sample in replay.windows():
            yield sample.window
        self.problems += [*bag.damage, *(text for _, text in replay.warnings.values())]
        if replay.gaps:
            self.problems.append(f'{len(replay.gaps)} gaps in the stream: no window spans them')


def check_kind(path: Path, options: Any, of_files: Sequence[str], of_bags: Sequence[str]) -> bool:
    """Return True for a bag, False for a file of spikes.

    Args:
        path: The recording.
        options: Given options.
        of_files: Those that only files have.
        of_bags: Those that only bags have.

    Raises:
        RecordingError: An option of the other kind was given.
    """
    from_bag = is_bag(path)
    kind, other = ('a bag', of_files) if from_bag else ('a file', of_bags)
    if given := [f'--{name.replace("_", "-")}' for name in other if vars(options).get(name)]:
        raise RecordingError(f'{path}: is {kind}: leave out {" and ".join(given)}')
    return from_bag


def recorded_calibration(options: Any, recording: Recording) -> Calibration:
    """Return the calibration that options or a file of spikes give.

    Args:
        options: Those of :func:`.add_camera_options`.
        recording: The file.

    Raises:
        CalibrationError: The calibration cannot be used.
    """
    width, height = recording.geometry.width, recording.geometry.height
    if options.camera_info is not None:
        return read_calibration(options.camera_info, width, height)
    if options.fx:
        return Calibration.centred(options.fx, width, height)
    return Calibration.from_matrix(recording.camera_matrix, width, height)


def recorded_camera(options: Any, recording: Recording) -> Camera:
    """Return the camera of a file of spikes; see :func:`recorded_calibration`."""
    calibration = recorded_calibration(options, recording)
    lens = NewestLens().update(calibration)
    fx_px = calibration.k[0] or None if lens is None else lens.fx_px
    return Camera(FRAME_ID, fx_px, calibration, lens)
