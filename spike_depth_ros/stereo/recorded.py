# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigs of recordings of two cameras: as recorded, or as the command line says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from spike_depth_ros.geometry.calibration import (
    FX_RANGE,
    Calibration,
    CalibrationError,
    is_focal_length,
)
from spike_depth_ros.geometry.rig import SAME_FOCAL, StereoRig
from spike_depth_ros.io.recording import Recording


def recorded_rig(left: Recording, right: Recording) -> StereoRig:
    """Return the rig of the two eyes of one recording.

    Args:
        left: Its left eye, with a baseline.
        right: Its right eye.

    Raises:
        CalibrationError: They are no pair.
    """
    assert left.baseline_m is not None
    size = left.geometry.width, left.geometry.height
    cameras = [Calibration.from_matrix(one.camera_matrix, *size) for one in (left, right)]
    p = cameras[1].p
    p = (*p[:3], -p[0] * left.baseline_m, *p[4:])
    return StereoRig(cameras[0], dataclasses.replace(cameras[1], p=p))


def given_rig(
    options: Any, known_fx_px: Sequence[float], width: int, height: int
) -> StereoRig | None:
    """Return the rig of the command line.

    Args:
        options: ``baseline``, ``fx``, ``camera_info`` and ``right_camera_info``, each None where
            it is not given.
        known_fx_px: Focal lengths that the recordings hold, pixels.
        width: Columns of both sensors, pixels.
        height: Rows.

    Returns:
        The rig; None: no option is given.

    Raises:
        CalibrationError: The options do not fit together, or cannot be used.
    """
    values = {
        '--baseline': options.baseline,
        '--fx': options.fx,
        '--camera-info': options.camera_info,
        '--right-camera-info': options.right_camera_info,
    }
    given = [name for name, value in values.items() if value is not None]
    if not given:
        return None
    if given == ['--camera-info', '--right-camera-info']:
        files = options.camera_info, options.right_camera_info
        return StereoRig.from_files(*files, width, height)
    if given not in (['--baseline'], ['--baseline', '--fx']):
        raise not_calibrated(' and '.join(given))
    fx_px = options.fx or _one_focal_length(known_fx_px)
    return StereoRig.from_baseline(options.baseline, fx_px, width, height)


def not_calibrated(given: str = 'no calibration') -> CalibrationError:
    """Make the error of two cameras without a rig.

    Args:
        given: Options that make none.
    """
    return CalibrationError(
        f'two cameras with {given}; expected either --baseline and --fx, or --camera-info and '
        '--right-camera-info'
    )


def _one_focal_length(known_px: Sequence[float]) -> float:
    """Return the focal length of both cameras, pixels."""
    if not known_px:
        raise CalibrationError(
            '--baseline needs a focal length, which is not in the recording; give it, for example '
            '--fx 430'
        )
    low, high = min(known_px), max(known_px)
    if not (is_focal_length(low) and is_focal_length(high) and high <= low * (1 + SAME_FOCAL)):
        raise CalibrationError(
            f'the recorded focal lengths are {" and ".join(format(one, "g") for one in known_px)} '
            f'pixels; expected equal ones in {FX_RANGE}: give --fx, or --camera-info and '
            '--right-camera-info in place of --baseline'
        )
    return known_px[0]
