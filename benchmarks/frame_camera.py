# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera of 640x480 pixels that sees what the bundled sample shows."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.packing import SAMPLE, sample_window
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.registration import Registration
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import preview

PER_S = 30.0
WIDTH, HEIGHT = 640, 480


@dataclasses.dataclass(frozen=True)
class FrameCamera:
    """A second camera at the place of the sample's, with a lens as wide.

    Attributes:
        pixels: Its picture, RGB, ``[480, 640, 3]`` uint8.
        spikes: Calibration of the spike camera.
        frame: That of this one.
    """

    pixels: npt.NDArray[np.uint8]
    spikes: Calibration
    frame: Calibration

    @classmethod
    def of_sample(cls) -> FrameCamera:
        """Make the camera that saw the sample's middle."""
        recording = open_recording(SAMPLE)
        geometry, matrix = recording.geometry, recording.camera_matrix
        assert matrix is not None, SAMPLE
        spikes = Calibration.from_matrix(matrix, geometry.width, geometry.height)
        scale = WIDTH / geometry.width
        focal_px = spikes.k[0] * scale
        frame = Calibration.centred(focal_px, WIDTH, HEIGHT)
        x = (np.arange(WIDTH) - frame.k[2]) / scale + spikes.k[2]
        y = (np.arange(HEIGHT) - frame.k[5]) / scale + spikes.k[5]
        columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        shown = preview.render(sample_window(len(recording.planes)))
        grey = cv2.remap(shown, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cls(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)), spikes, frame)

    @property
    def registration(self) -> Registration:
        """The mapping from spikes to its frames."""
        return Registration(self.spikes, self.frame)
