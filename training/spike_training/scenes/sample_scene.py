# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sample street: 20 ms of a flight through a sunny street, with exact depth.

A spike camera of 400x250 pixels at 20 kHz, low over a street, at 12 m/s and turning. A frame
camera with such an exposure would smear the scene over 8 pixels, and the nearest things over 28.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.stream import packing
from spike_depth_ros.video.spiking import QUANTA, LinearLight, integrate_and_fire, to_quanta
from spike_training.scenes import textures
from spike_training.scenes.ray_caster import Box, Camera, Cylinder, Ellipsoid, Scene, Shape
from spike_training.scenes.textures import Texture

HEIGHT, WIDTH, FX = 250, 400, 400.0
RATE_HZ = 20_000.0
PLANES = 400
DEPTH_EVERY = 20
SEED = 20
PICTURE_EVERY = 2
"""Planes between pictures. In between the light is blended: nothing moves 0.15 pixels then."""

_BRIGHTNESS, _DARK, _SATURATED = 0.5, 0.03, 0.62


def camera_at(plane: int) -> Camera:
    """The camera at the middle of a plane's exposure.

    Args:
        plane: Index of the plane, 0 or more.

    Returns:
        Pose and lens: forward at 12 m/s, 1.8 m/s to the right, 0.6 m/s up, yawing and rolling.
    """
    t = plane / RATE_HZ
    return Camera(
        HEIGHT,
        WIDTH,
        FX,
        position=(-0.25 + 1.8 * t, 1.45 + 0.6 * t, 12.0 * t),
        yaw=-0.03 + 0.7 * t,
        pitch=-0.035 + 0.2 * t,
        roll=-0.05 + 0.9 * t,
    )


def street_scene() -> Scene:
    """A street of about 40 m: houses, a gate, people, lamps, trees, a car, near posts, sky."""
    shapes: list[Shape] = [*_ground(), *_houses(), *_gate(18.0), *_car(2.55, 8.2)]
    for x, z, skin, coat in [
        (-1.15, 4.6, 0.6, textures.stripes(0.12, 0.75, 0.14)),
        (0.75, 10.4, 0.5, textures.plain(0.3)),
        (-3.75, 9.4, 0.55, textures.checks(0.25, 0.8, 0.09)),
        (3.95, 14.5, 0.6, textures.plain(0.75)),
    ]:
        shapes += _person(x, z, skin, coat)
    for x, z in [(-3.35, 7.2), (3.4, 12.2), (-3.35, 15.5), (3.4, 22.0), (-3.35, 24.0)]:
        shapes += _lamp(x, z)
    for x, z, crown in [(4.1, 17.2, 1.3), (-4.0, 20.0, 1.4), (4.2, 6.3, 1.0), (-4.1, 29.0, 1.5)]:
        shapes += _tree(x, z, crown)
    shapes += [
        Cylinder((0.55, 0.0, 2.0), 0.07, 1.32, textures.stripes(0.12, 0.85, 0.16)),
        Ellipsoid((0.55, 1.36, 2.0), (0.09, 0.09, 0.09), textures.plain(0.8)),
        Cylinder((1.3, 0.0, 4.6), 0.07, 1.1, textures.stripes(0.12, 0.85, 0.22)),
        Box((-2.9, 0.0, 5.9), (-2.2, 0.7, 6.6), textures.checks(0.3, 0.7, 0.175)),
        Box((-2.8, 0.7, 6.0), (-2.35, 1.15, 6.45), textures.stripes(0.35, 0.75, 0.15)),
    ]
    return Scene(shapes, sun=(-0.36, 0.864, -0.352), sky=textures.noise(1.05, 0.75, 1.3))


def luminance(scene: Scene, planes: int = PLANES) -> Iterator[npt.NDArray[np.float64]]:
    """Light of the sample, a few planes at a time.

    Args:
        scene: What the camera sees.
        planes: How many planes, a multiple of ``PICTURE_EVERY``.

    Yields:
        ``[PICTURE_EVERY, height, width]``, thresholds per plane, 0.03 to 0.62.
    """
    shares = np.arange(PICTURE_EVERY)[:, None, None] / PICTURE_EVERY
    before = _exposed(scene, 0)
    for plane in range(PICTURE_EVERY, planes + PICTURE_EVERY, PICTURE_EVERY):
        after = _exposed(scene, plane)
        yield np.asarray(before * (1 - shares) + after * shares)
        before = after


def spikes(scene: Scene, planes: int = PLANES) -> npt.NDArray[np.uint8]:
    """The sample's packed planes ``[planes, height, width / 8]`` uint8, ``little``."""
    charge = np.random.default_rng(SEED).integers(0, QUANTA, (HEIGHT, WIDTH), dtype=np.int32)
    images = (image for few in luminance(scene, planes) for image in few)
    light = (LinearLight(1, to_quanta(np, image)) for image in images)
    fired = np.empty((HEIGHT, WIDTH), np.bool_)
    return np.stack([packing.pack(fired) for _ in integrate_and_fire(np, charge, light, fired)])


def true_depth(scene: Scene, plane: int) -> npt.NDArray[np.uint16]:
    """Depth along the optical axis at a plane, in millimetres.

    Args:
        scene: What the camera sees.
        plane: Index of the plane.

    Returns:
        ``[height, width]`` uint16; 0 is no truth: the sky. Exact to 0.025 %: whole millimetres
        below 4 m, steps of 2, 4, 8, 16 mm as the depth doubles, so that the archive stays small.
    """
    exact = scene.depth(camera_at(plane)) * 1000
    exact = np.where(exact <= 65000, exact, 0)
    step = np.select([exact < 4000, exact < 8000, exact < 16000, exact < 32000], [1, 2, 4, 8], 16)
    stored: npt.NDArray[np.uint16] = (np.rint(exact / step) * step).astype(np.uint16)
    return stored


def street_stream() -> dict[str, npt.NDArray[Any]]:
    """Render and simulate the sample.

    Returns:
        The arrays of an archive: ``packed`` uint8 ``[planes, height, width / 8]``, ``width``,
        ``bit_order``, ``rate_hz``, ``K`` float64 ``[3, 3]`` in pixels, ``depth`` uint16
        ``[maps, height, width]`` in millimetres (0: no truth), ``depth_planes`` int32 ``[maps]``:
        the plane that each map belongs to.
    """
    scene = street_scene()
    depth_planes = np.arange(0, PLANES, DEPTH_EVERY, dtype=np.int32)
    return {
        'packed': spikes(scene),
        'width': np.array(WIDTH),
        'bit_order': np.array('little'),
        'rate_hz': np.array(RATE_HZ),
        'K': camera_at(0).matrix,
        'depth': np.stack([true_depth(scene, int(plane)) for plane in depth_planes]),
        'depth_planes': depth_planes,
    }


def _exposed(scene: Scene, plane: int) -> npt.NDArray[np.float64]:
    light = scene.picture(camera_at(plane)) * _BRIGHTNESS
    # Whole 4096ths: differences in a machine's last bit do not reach the spikes.
    exposed: npt.NDArray[np.float64] = np.rint(np.clip(light, _DARK, _SATURATED) * 4096) / 4096
    return exposed


def _ground() -> list[Shape]:
    tiles = textures.bricks(0.5, 0.3, 0.6, 0.6)
    return [
        Box((-60.0, -1.0, -4.0), (60.0, 0.0, 60.0), textures.street(7.0, 2.7)),
        Box((-6.0, 0.0, -4.0), (-3.05, 0.13, 48.0), tiles),
        Box((3.05, 0.0, -4.0), (6.0, 0.13, 48.0), tiles),
    ]


def _houses() -> list[Shape]:
    red = textures.windows(textures.bricks(0.5, 0.7))
    plaster = textures.windows(textures.noise(0.72, 0.25, 0.8), 2.2)
    boards = textures.windows(textures.stripes(0.42, 0.55, 0.25, 0.85), 2.9)
    far = textures.windows(textures.checks(0.5, 0.62, 0.75), 3.2, 3.4)
    return [
        Box((-12.0, 0.0, -4.0), (-5.0, 4.4, 13.0), red),
        Box((-12.0, 0.0, 16.0), (-5.0, 6.4, 27.0), plaster),
        Box((-12.0, 0.0, 28.5), (-5.0, 4.8, 44.0), boards),
        Box((5.0, 0.0, -4.0), (12.0, 5.4, 9.0), boards),
        Box((5.0, 0.0, 10.5), (12.0, 7.6, 21.0), red),
        Box((5.0, 0.0, 24.0), (12.0, 5.6, 44.0), plaster),
        Box((-14.0, 0.0, 42.0), (14.0, 7.2, 48.0), far),
        Box((-3.0, 7.2, 43.0), (-1.0, 10.5, 45.0), textures.bricks(0.4, 0.6)),
    ]


def _gate(z: float) -> list[Shape]:
    stone = textures.bricks(0.6, 0.35, 0.7, 0.35)
    return [
        Box((-3.0, 0.0, z), (-2.4, 3.9, z + 0.6), stone),
        Box((2.4, 0.0, z), (3.0, 3.9, z + 0.6), stone),
        Box((-3.2, 3.9, z - 0.1), (3.2, 4.5, z + 0.7), textures.checks(0.12, 0.85, 0.3)),
    ]


def _car(x: float, z: float) -> list[Shape]:
    """A parked car, its tail at z."""
    paint, tyre = textures.plain(0.62), textures.plain(0.06)
    shapes: list[Shape] = [
        Box((x - 0.85, 0.28, z), (x + 0.85, 0.92, z + 4.1), paint),
        Box((x - 0.72, 0.92, z + 0.5), (x + 0.72, 1.45, z + 2.7), textures.plain(0.12)),
        Box((x - 0.76, 1.45, z + 0.45), (x + 0.76, 1.52, z + 2.75), paint),
        Box((x - 0.8, 0.62, z - 0.03), (x - 0.5, 0.8, z), textures.plain(0.15)),
        Box((x + 0.5, 0.62, z - 0.03), (x + 0.8, 0.8, z), textures.plain(0.15)),
        Box((x - 0.3, 0.45, z - 0.02), (x + 0.3, 0.58, z), textures.plain(0.95)),
    ]
    for side in (-0.8, 0.8):
        for along in (0.75, 3.3):
            shapes.append(Ellipsoid((x + side, 0.32, z + along), (0.14, 0.32, 0.32), tyre))
    return shapes


def _person(x: float, z: float, skin: float, coat: Texture) -> list[Shape]:
    trousers = textures.plain(0.14)
    return [
        Cylinder((x - 0.1, 0.0, z - 0.08), 0.075, 0.85, trousers),
        Cylinder((x + 0.1, 0.0, z + 0.1), 0.075, 0.85, trousers),
        Ellipsoid((x, 1.14, z), (0.23, 0.38, 0.16), coat),
        Ellipsoid((x - 0.235, 1.12, z), (0.06, 0.32, 0.075), coat),
        Ellipsoid((x + 0.235, 1.12, z), (0.06, 0.32, 0.075), coat),
        Ellipsoid((x, 1.64, z), (0.1, 0.13, 0.11), textures.plain(skin)),
        Ellipsoid((x, 1.71, z + 0.02), (0.11, 0.09, 0.11), textures.plain(0.1)),
    ]


def _lamp(x: float, z: float) -> list[Shape]:
    metal = textures.plain(0.2)
    arm = 0.55 if x < 0 else -0.55
    return [
        Cylinder((x, 0.13, z), 0.1, 0.6, metal),
        Cylinder((x, 0.13, z), 0.055, 3.9, metal),
        Box((min(x, x + arm), 3.95, z - 0.04), (max(x, x + arm), 4.03, z + 0.04), metal),
        Ellipsoid((x + arm, 3.88, z), (0.2, 0.12, 0.2), textures.plain(0.95)),
    ]


def _tree(x: float, z: float, crown: float) -> list[Shape]:
    leaves = textures.noise(0.36, 0.55, 0.3)
    height = 1.9 + crown
    return [
        Cylinder((x, 0.13, z), 0.13, height, textures.noise(0.25, 0.2, 0.08, 5.0)),
        Ellipsoid((x, height + 0.2, z), (crown, 1.05 * crown, crown), leaves),
        Ellipsoid((x - 0.5 * crown, height - 0.3, z), (0.6 * crown,) * 3, leaves),
        Ellipsoid((x + 0.5 * crown, height - 0.2, z - 0.2), (0.65 * crown,) * 3, leaves),
    ]
