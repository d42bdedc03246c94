# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CameraInfo as drivers send it: regions, binning, lenses of all lengths, frames, two cameras.

What is taken is compared with the formulas of ``image_geometry`` and of OpenCV.
"""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from judging import ContractError, Target, check_text

from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream.decode import PACKED
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

WIDTH, HEIGHT, PLANES = 48, 32, 8  # of the packets
ODD = (0, 1, 2, 3, 7, 320, 2**16, 2**31, 2**32 - 1)
SPECIAL = (0.0, -0.0, 1e-9, 1e9, 1e308, math.nan, math.inf, -math.inf)
FRAMES = ('camera', '/camera', '//camera', '/', '', 'left/camera', '/left/camera', 'a b', 'é' * 40)
MODELS = {
    '': (0,), 'plumb_bob': (0, 4, 5, 5, 8, 12, 14), 'rational_polynomial': (8, 8, 12, 14, 5, 9),
    'equidistant': (4,), 'fisheye': (4,), 'thin_prism': (12,),
}  # fmt: skip


def _matrices(random: Random, width: int, height: int) -> dict[str, Any]:
    fx, fy = (random.uniform(0.6, 2.0) * width for _ in range(2))
    cx, cy = (n / 2 + random.gauss(0, 0.03) * n for n in (width, height))
    k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return {'k': k, 'p': p if random.random() < 0.8 else [0.0] * 12, 'r': r}


def _lens(random: Random) -> dict[str, Any]:
    model = random.choice([*MODELS])
    count = random.choice(MODELS[model])
    d = [random.gauss(0, random.choice((0.01, 0.1))) for _ in range(min(count, 8))]
    d += [random.gauss(0, 0.002) if random.random() < 0.7 else 0.0 for _ in range(count - len(d))]
    if model == 'plumb_bob' and random.random() < 0.7:
        d[5:] = [0.0] * len(d[5:])
    if count == 14 and random.random() < 0.7:
        d[12:] = [0.0, 0.0]
    if random.random() < 0.3:
        d = [0.0] * count
    return {'distortion_model': model, 'd': d}


def _message(random: Random) -> dict[str, Any]:
    """Fields of a message, which mostly fits packets of WIDTH x HEIGHT pixels."""
    across, down = (random.choice((0, 1, 1, 2, 3)) for _ in range(2))
    width, height = WIDTH * max(1, across), HEIGHT * max(1, down)
    region = [0, 0, 0, 0]
    if random.random() < 0.5:
        region = [random.randrange(200), random.randrange(100), width, height]
        width += region[0] + random.randrange(99)
        height += region[1] + random.randrange(99)
    message = {
        'width': width, 'height': height, 'binning': [across, down], 'region': region,
        'frame': random.choice(FRAMES), **_lens(random), **_matrices(random, width, height),
    }  # fmt: skip
    while random.random() < 0.25:
        place = random.choice(('binning', 'region', 'size', 'k', 'p', 'd'))
        if place == 'size':
            message[random.choice(('width', 'height'))] = random.choice(ODD)
        elif message[place]:
            values = message[place]
            odd = ODD if place in ('binning', 'region') else SPECIAL
            values[random.randrange(len(values))] = random.choice(odd)
    return message


def make(random: Random) -> list[dict[str, Any]]:
    """Messages of one camera, one after another; now and then the same again."""
    messages = [_message(random) for _ in range(random.randint(1, 3))]
    return [random.choice(messages) for _ in range(random.randint(1, 5))]


def _info(fields: dict[str, Any]) -> SimpleNamespace:
    x, y, width, height = fields['region']
    names = ('width', 'height', 'distortion_model', 'd', 'k', 'r', 'p')
    return SimpleNamespace(
        **{name: fields[name] for name in names},
        binning_x=fields['binning'][0],
        binning_y=fields['binning'][1],
        roi=SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height),
    )


def _packet(number: int, frame: str) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=10**9, nanosec=number * PLANES * 50_000)
    row = -(-WIDTH // 8)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=frame), height=PLANES * HEIGHT, width=row,
        step=row, encoding=PACKED, is_bigendian=0, data=bytes(PLANES * HEIGHT * row),
    )  # fmt: skip


def use(case: list[dict[str, Any]], folder: Path) -> None:
    """Feed a stream and two eyes; what is taken is right, and each message is used or counted.

    Raises:
        CalibrationError: No message was used.
    """
    warnings: list[str] = []
    size = {'sensor_width': WIDTH, 'sensor_height': HEIGHT}
    settings = StreamSettings(PLANES, policy='every', spike_rate_hz=20_000.0, **size)
    ingest = Ingest(settings, lambda kind, text: warnings.append(text))
    used = 0
    for number, fields in enumerate(case):
        info, before = _info(fields), ingest.camera
        refused = ingest.cameras_refused
        ingest.on_camera_info(info)
        taken = ingest.camera.info is info
        kept = taken or ingest.camera == before or ingest.camera.info is None
        if taken == (ingest.cameras_refused != refused) or not kept:
            raise ContractError(f'message {number} is used and refused, or neither')
        used += taken
        ingest.on_spikes(_packet(number, fields['frame']))
        window = ingest.ring.take() if ingest.ring is not None else None
        if window is not None:
            _check_window(window.camera, window.geometry)
    for text in warnings:
        check_text(text)
    problem = ''
    try:
        infos = [Calibration.from_message(_info(one)) for one in (case[0], case[-1])]
        rig = StereoRig(*infos)
        if not 1e-3 <= rig.baseline_m <= 10:
            raise ContractError(f'a baseline of {rig.baseline_m}')
    except CalibrationError as error:
        check_text(problem := str(error))
    if not used:
        raise CalibrationError(problem or ingest.camera_problem or ingest.size_problem)


def _check_window(camera: Any, geometry: Any) -> None:
    """Compare the camera of a window with independent formulas."""
    if camera.frame_id.startswith('/'):
        raise ContractError(f'frame {camera.frame_id!r}')
    info = camera.info
    if info is None:
        return
    k, p = (np.array(one, float).reshape(3, -1) for one in (info.k, info.p))
    corner = info.roi.x_offset, info.roi.y_offset
    for matrix in (k, p):  # as image_geometry
        for axis, binning in enumerate((info.binning_x, info.binning_y)):
            if matrix.any():
                matrix[axis, 2] -= corner[axis]
                matrix[axis] /= max(1, binning)
    lens = camera.rectification
    expected = k if lens is None else p[:, :3] if p.any() else np.array(lens.rectified.k)
    found = camera.calibration.k
    if not np.allclose(found, expected.ravel(), rtol=1e-9, equal_nan=True):
        raise ContractError(f'K {found}, expected {expected.ravel()}')
    if (camera.calibration.width, camera.calibration.height) != (geometry.width, geometry.height):
        raise ContractError(f'{camera.calibration.size_text}, planes of {geometry}')
    if lens is not None and info.distortion_model in ('plumb_bob', 'rational_polynomial'):
        _check_maps(lens, k, info)


def _check_maps(lens: Any, k: np.ndarray, info: Any) -> None:
    """Compare the maps of a lens with those of OpenCV, where the lens shows something."""
    import cv2

    d = np.array(info.d[:5] if info.distortion_model == 'plumb_bob' else info.d)
    target = np.array(lens.rectified.k).reshape(3, 3)
    size = lens.rectified.width, lens.rectified.height
    maps = cv2.initUndistortRectifyMap(k, d, np.eye(3), target, size, cv2.CV_32FC1)
    for found, expected in zip(lens.sources(size[1], size[0]), maps, strict=True):
        near = np.isfinite(found) & (np.abs(expected) < 1e4)  # float32 has 1e-3 pixels
        if not np.abs(found - expected)[near].max(initial=0) < 1e-3 + 1e-6:
            raise ContractError(f'maps differ by {np.abs(found - expected)[near].max()} pixels')


def prepare() -> None:
    """Import OpenCV before memory is limited."""
    import cv2  # noqa: F401


TARGET = Target(make, use, (CalibrationError,), prepare=prepare)
