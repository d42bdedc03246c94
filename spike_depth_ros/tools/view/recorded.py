# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of recordings: depth is predicted here, window after window."""

from __future__ import annotations

import sys
import time

from spike_depth_ros.base.progress import progress
from spike_depth_ros.estimator import DepthEstimator, Prediction
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tools.recorded_windows import RecordedWindows
from spike_depth_ros.tools.view.command import ViewOptions
from spike_depth_ros.tools.view.frame import ViewFrame
from spike_depth_ros.tools.view.outputs import open_view

SHORTEN = 'record a longer one'
"""Advice to the user whose recording is shorter than a window."""


def run(options: ViewOptions) -> None:
    """Show a recording, or write its view to a file.

    Args:
        options: The options of the command.

    Raises:
        ValueError: The recording, the model or the options cannot be used.
        OSError: A file cannot be read or written, or the viewer does not start.
    """
    estimator = DepthEstimator.from_checkpoint(options.checkpoint)
    planes = estimator.info.planes
    windows = RecordedWindows(
        options,
        planes,
        options.every or planes,
        rectify=True,
        shorten=SHORTEN,
        reference=estimator.info.reference_plane,
    )
    if estimator.info.largest_frame_age_s is not None:
        windows.problems.append('no frames are read: depth is of the spikes alone')
    with open_view(options) as view:
        with progress('windows', windows.total) as advance:
            for window in windows:
                started = time.perf_counter()
                prediction = estimator.predict(Observation(window, window.camera.fx_px))
                took_ms = 1e3 * (time.perf_counter() - started)
                view.add(_frame(window, prediction, estimator.info, took_ms, windows.lost))
                advance(1)
                if view.is_over():
                    break
        for text in windows.problems:
            print(f'warning: {text}', file=sys.stderr)
        view.stay()


def _frame(
    window: Window, prediction: Prediction, info: DepthInfo, took_ms: float, lost: int
) -> ViewFrame:
    height, width = prediction.depth.shape
    matrix = Calibration.centred(info.canonical_fx, width, height).k
    if window.camera.matrix is not None:
        matrix = tuple(prediction.camera_matrix(window.camera.matrix, 3))
    picture = preview.render(window)
    if window.camera.rectification is not None:
        picture = window.camera.rectification.remap_picture(picture)
    return ViewFrame(
        stamp_ns=window.reference_ns,
        depth=prediction.published_depth(),
        uncertainty=prediction.uncertainty,
        picture=picture,
        matrix=matrix,
        values={
            'latency': {'network': took_ms},
            'lost': {'lost': float(lost)},
            'scale': {'factor': 1.0},
        },
        notes=prediction.notes,
    )
