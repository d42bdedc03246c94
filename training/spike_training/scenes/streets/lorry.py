# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lorries and buses."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range, cos_sin
from spike_training.scenes.scene import ELLIPSOID
from spike_training.scenes.streets.config import Street


class LorryConfig(NamedTuple):
    """Sizes and places of lorries. Lengths in metres, angles in radians.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        aside: Greatest way from the middle over the half width of the road.
        distance: Along the road, uniform over ratios.
        turned: Greatest angle to the road.
        speed: m/s.
        half_length: Of the box.
        height: Of the box's upper side.
        floor: Height of its lower side.
        half_width: Of the box.
        tile: Metres that a tile of the box covers across.
        shadow: Half width of the shadow, and half length over that of the box.
        shadow_height: Height that the shadow is of.
        cab: Half sizes of the cab.
        cab_height: Of its middle.
        cab_before: Of the box, to its middle.
        chassis: Half width and half height.
        chassis_height: Of its middle.
        wheel: Half sizes of the rear wheels, and height of their middles.
        wheel_aside: From the middle of the lorry.
        axle: From the rear end to their middles.
    """

    number: int = 2
    chance: float = 0.25
    aside: float = 0.7
    distance: Range = (9, 70)
    turned: float = 0.05
    speed: Range = (0, 18)
    half_length: Range = (2.5, 6.0)
    height: Range = (2.6, 3.8)
    floor: float = 0.9
    half_width: float = 1.22
    tile: Range = (1.5, 5)
    shadow: tuple[float, float] = (1.7, 1.15)
    shadow_height: float = 3.0
    cab: tuple[float, float, float] = (1.18, 1.1, 0.8)
    cab_height: float = 1.5
    cab_before: float = 1.0
    chassis: tuple[float, float] = (1.0, 0.2)
    chassis_height: float = 0.7
    wheel: tuple[float, float, float] = (0.2, 0.5, 0.5)
    wheel_aside: float = 0.95
    axle: float = 1


LORRY = LorryConfig()
BOX_SIDE = Material(
    ('poster', 'ribs', 'print', 'plain', 'facade', 'folds'), fit=True, contrast=0.9
)
CAB = Material(('plain', 'doors'), 2.2)
CHASSIS = Material(('plain',), 2.0)
WHEEL = Material(('plain',), 1.0)


def add_lorries(site: Site, street: Street) -> None:
    """Add lorries and buses to the road."""
    sampler, number, sample, config = site.sampler, LORRY.number, site.materials.sample, LORRY
    x = sampler.symmetric(number, config.aside) * street.edge
    z = sampler.log_uniform(number, config.distance)
    frame = Frame(x, 0.0, z, cos_sin(sampler.symmetric(number, config.turned)))
    mask = sampler.chance(number, config.chance)
    speed = sampler.uniform(number, config.speed)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    half_l, tall = sampler.uniforms(number, config.half_length, config.height)
    box = sample(BOX_SIDE, number, (sampler.uniform(number, config.tile), tall - config.floor))
    reach = (config.shadow[0], half_l * config.shadow[1])
    site.ground.shadow(frame, reach, config.shadow_height, mask, velocity)
    box_half = (config.half_width, (tall - config.floor) / 2, half_l)
    chassis_half = (*config.chassis, half_l)
    parts = [
        Part((0.0, (tall + config.floor) / 2, 0.0), box_half, box),
        Part(
            (0.0, config.cab_height, half_l + config.cab_before), config.cab, sample(CAB, number)
        ),
        Part((0.0, config.chassis_height, 0.0), chassis_half, sample(CHASSIS, number)),
    ]
    for side in (-1, 1):
        place = (side * config.wheel_aside, config.wheel[1], config.axle - half_l)
        parts.append(Part(place, config.wheel, sample(WHEEL, number), ELLIPSOID))
    site.primitives.add_parts(frame, mask, parts, velocity)
