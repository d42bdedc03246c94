# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standing lamps, and lights at the ceilings of rooms."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.rooms.config import Room
from spike_training.scenes.scene import BOX, CYLINDER


class StandingLamp(NamedTuple):
    """Sizes of standing lamps, metres.

    Attributes:
        chance: Probability of one in a scene.
        heading: Radians.
        half_height: Half height of the pole.
        half_pole: Half thickness of the pole.
        shade_x: Half width of the shade.
        shade_y: Half of its height.
        shade_z: Half of its depth.
    """

    chance: float = 0.3
    heading: Range = (0, 6)
    half_height: Range = (0.6, 0.85)
    half_pole: float = 0.015
    shade_x: Range = (0.12, 0.2)
    shade_y: Range = (0.1, 0.18)
    shade_z: float = 0.16


class CeilingLights(NamedTuple):
    """Lights at the ceiling, metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        drop: Of their middles below the ceiling.
        aside: Greatest way from the camera to either side.
        ahead: Way before the camera.
        half_x: Half width.
        half_y: Half height.
        half_z: Half length.
        kinds: Of solids.
    """

    number: int = 4
    chance: float = 0.6
    drop: float = 0.05
    aside: float = 2
    ahead: Range = (0.5, 6)
    half_x: Range = (0.08, 0.6)
    half_y: Range = (0.02, 0.08)
    half_z: Range = (0.08, 0.3)
    kinds: tuple[int, ...] = (BOX, BOX, CYLINDER)


LAMP, LIGHTS = StandingLamp(), CeilingLights()
POLE = Material(('plain',))
LAMP_SHADE = Material(('plain',), glow=(0, 2), bright=Grey(0.9))
LIGHT = Material(('plain',), glow=(0.3, 2.5), bright=Grey(0.9))


def add_lamps(site: Site, room: Room, poses: Frame) -> None:
    """Add a standing lamp at the second of the poses, and lights at the ceiling."""
    sampler, materials, add = site.sampler, site.materials, site.primitives.add
    frame = Frame(poses.x[:, 1:], 0.0, poses.z[:, 1:], sampler.headings(1, LAMP.heading))
    mask, tall = sampler.chance(1, LAMP.chance), sampler.uniform(1, LAMP.half_height)
    pole = (LAMP.half_pole, tall, LAMP.half_pole)
    add(frame.at(0.0, tall, 0.0), pole, materials.sample(POLE, 1), kind=CYLINDER, mask=mask)
    half = (sampler.uniform(1, LAMP.shade_x), sampler.uniform(1, LAMP.shade_y), LAMP.shade_z)
    cloth = materials.sample(LAMP_SHADE, 1)
    add(frame.at(0.0, 2 * tall, 0.0), half, cloth, kind=CYLINDER, mask=mask)

    number = LIGHTS.number
    x = room.eye_x + sampler.symmetric(number, LIGHTS.aside)
    z = room.eye_z + sampler.uniform(number, LIGHTS.ahead)
    half_x, half_y, half_z = sampler.uniforms(number, LIGHTS.half_x, LIGHTS.half_y, LIGHTS.half_z)
    add(
        (x, room.height - LIGHTS.drop, z),
        (half_x, half_y, half_z),
        materials.sample(LIGHT, number),
        kind=sampler.kinds(number, LIGHTS.kinds),
        mask=sampler.chance(number, LIGHTS.chance),
    )
