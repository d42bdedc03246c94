# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Continuous stream of one or two simulated cameras in a generated scene, with exact depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.geometry.calibration import Calibration
from spike_training.sampling.procedural import apply_flicker, exposure_gain
from spike_training.sensor.camera import SpikeCamera
from spike_worlds.render import Rendering, render
from spike_worlds.scene import Scenes
from spike_worlds.second_eye import second_eye, without_illumination

LARGEST_MOTION = 0.5
"""Largest motion between two rendered images, pixels; in between, light is linear."""

DEPTH_EVERY = 20
"""Planes from one depth map to the next."""

MAX_LIGHT_BYTES = 1 << 32
"""Most memory of the images between which light is linear, bytes."""

MOST_MILLIMETRES = 65_000
"""Largest depth that is stored; farther points are sky."""

_LEVELS = 4096


def scene_stream(
    scene: Scenes,
    height: int,
    width: int,
    planes: int,
    rate_hz: float,
    baseline_m: float | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Render a scene in motion and simulate an ideal spike camera, or a rig of two.

    Args:
        scene: One scene, as it is at plane 0.
        height: Rows of the sensor.
        width: Columns of the sensor.
        planes: Number of planes.
        rate_hz: Planes per second.
        baseline_m: Distance of the right eye, metres; None: one eye. The scene of two has no
            factors on the light over the image; both have the exposure of the left one.

    Returns:
        The arrays of an archive: ``packed``, ``width``, ``bit_order``, ``rate_hz``, ``K``,
        ``depth`` in millimetres (0: sky, or beyond 65 m) and ``depth_planes``; of two eyes also
        ``packed_right``, ``K_right`` and ``baseline_m``.

    Raises:
        ValueError: So much moves that the light takes more than :data:`MAX_LIGHT_BYTES`.
    """
    eyes = [scene]
    if baseline_m is not None:
        scene = without_illumination(scene)
        eyes = [scene, second_eye(scene, np.array([baseline_m]))]

    def at(plane: int, eye: Scenes = eyes[0]) -> Rendering:
        return render(eye.later(plane / rate_hz), height, width, 'cpu')

    ends = [at(plane, eye) for eye in eyes for plane in (0, planes)]
    speed = max(float(seen.flow.norm(dim=1).max()) for seen in ends)  # pixels per second
    segments = min(max(math.ceil(speed * planes / rate_hz / LARGEST_MOTION), 1), planes)
    light_bytes = (segments + 1) * height * width * 4
    if light_bytes > MAX_LIGHT_BYTES:
        raise ValueError(
            f'{planes} planes of {width}x{height} pixels at {rate_hz:g} planes/s show {segments} '
            f'images, of {light_bytes} bytes: expected at most {MAX_LIGHT_BYTES}: fewer planes, '
            'or more of them a second'
        )
    knots = sorted({round(k * planes / segments) for k in range(segments + 1)})
    # One exposure for the whole stream: a spike camera has no exposure control.
    gain = exposure_gain(ends[0].luminance, scene.rate)
    packed = []
    for eye in eyes:
        images = [at(knot, eye).luminance for knot in knots]
        light = torch.stack([(image * gain).clamp_(0, 1) for image in images], 1)
        light = apply_flicker(light, knots, eye.flicker, rate_hz)
        # Whole levels: differences in rounding between processors seldom reach the spikes.
        light = (light * _LEVELS).round_() / _LEVELS
        camera = SpikeCamera(height, width, torch.from_numpy(eye.seed))
        packed.append(camera.expose(light, knots)[0].numpy())
    focal = float(scene.focal[0]) * width
    matrix = Calibration.centred(focal, width, height).matrix
    depth_planes = np.arange(0, planes, DEPTH_EVERY, dtype=np.int32)
    arrays = {
        'packed': packed[0],
        'width': np.array(width),
        'bit_order': np.array('little'),
        'rate_hz': np.array(rate_hz),
        'K': matrix,
        'depth': np.concatenate([_millimetres(at(int(k)).depth) for k in depth_planes]),
        'depth_planes': depth_planes,
    }
    if baseline_m is not None:
        arrays |= {
            'packed_right': packed[1],
            'K_right': matrix,
            'baseline_m': np.array(baseline_m),
        }
    return arrays


def _millimetres(depth: torch.Tensor) -> npt.NDArray[np.uint16]:
    """Return depth to 0.025 %: whole millimetres below 4 m, and coarser with each doubling."""
    exact = depth.double().numpy() * 1000
    exact = np.where(exact <= MOST_MILLIMETRES, exact, 0)
    step = np.select([exact < 4000, exact < 8000, exact < 16000, exact < 32000], [1, 2, 4, 8], 16)
    stored: npt.NDArray[np.uint16] = (np.rint(exact / step) * step).astype(np.uint16)
    return stored
