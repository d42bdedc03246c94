# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lamp posts, signs, bollards, bins, and a bridge or gantry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Ground, Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import HALF_TURN, Range, cos_sin
from spike_training.scenes.scene import BOX, CYLINDER, Array
from spike_training.scenes.streets.config import Street, add_shadows


class PostConfig(NamedTuple):
    """Posts with a lamp on an arm, or with a sign. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        beside: From the road's edge.
        distance: Along the road, uniform over ratios.
        half_height: Of the post.
        half: Half thickness of the post.
        lamps: Share of lamps; the others are signs.
        arm: Half length of the arm.
        half_arm: Half thickness.
        head: Half sizes of the lamp.
        head_below: Of the arm.
        plate: Half width of a sign.
        plate_tall: Half height over that.
        plate_before: Of the post.
        half_plate: Half thickness.
    """

    number: int = 8
    chance: float = 0.6
    beside: Range = (0.3, 1.2)
    distance: Range = (4, 80)
    half_height: Range = (1.5, 4.2)
    half: Range = (0.035, 0.12)
    lamps: float = 0.5
    arm: Range = (0.3, 1.2)
    half_arm: float = 0.04
    head: tuple[float, float, float] = (0.3, 0.09, 0.15)
    head_below: float = 0.05
    plate: Range = (0.25, 0.55)
    plate_tall: Range = (0.5, 1.4)
    plate_before: float = 0.08
    half_plate: float = 0.015


class BinConfig(NamedTuple):
    """Bollards, bins and boxes. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        half: Half width.
        half_height: Limits.
        beside: From the road's edge.
        distance: Along the road, uniform over ratios.
        shadow: Half size of the shadow over the half width.
        kinds: Of solids.
    """

    number: int = 8
    chance: float = 0.5
    half: Range = (0.08, 0.5)
    half_height: Range = (0.35, 0.75)
    beside: Range = (0.2, 2.5)
    distance: Range = (3, 40)
    shadow: float = 1.4
    kinds: tuple[int, ...] = (BOX, CYLINDER, CYLINDER)


class BridgeConfig(NamedTuple):
    """A bridge or gantry. Lengths in metres.

    Attributes:
        chance: Probability.
        height: Of its middle.
        distance: Along the road.
        beyond: The road's edges.
        half_height: Limits.
        half_depth: Limits.
    """

    chance: float = 0.2
    height: Range = (5.0, 7.0)
    distance: Range = (20, 90)
    beyond: float = 4
    half_height: Range = (0.2, 1.0)
    half_depth: Range = (0.2, 4.0)


POST, BIN, BRIDGE = PostConfig(), BinConfig(), BridgeConfig()
METAL = Material(('plain', 'stripes'), 0.5, bright=Grey((0.05, 0.6)))
LAMP = Material(('plain',), bright=Grey(0.8), glow=(0, 1))
SIGN = Material(('sign', 'print', 'poster'), fit=True, contrast=1.0, vivid=1.0)
BIN_SURFACE = Material(('plain', 'stripes', 'poster', 'ribs'), 0.8)
GIRDER = Material(('plain', 'blocks', 'print', 'ribs'), (1.5, 5))


def add_street_furniture(site: Site, street: Street, verges: list[Ground]) -> None:
    """Add posts, bins and a bridge."""
    _add_posts(site, street)
    _add_bins(site, street, verges)
    _add_bridge(site, street)


def _add_posts(site: Site, street: Street) -> None:
    sampler, number, add = site.sampler, POST.number, site.primitives.add
    side = sampler.signs(number)
    x = side * (street.edge + sampler.uniform(number, POST.beside))
    z = sampler.log_uniform(number, POST.distance)
    heading = cos_sin(np.where(side < 0, np.float32(0), np.float32(HALF_TURN)))
    frame = Frame(x, street.kerb, z, heading)
    metal = site.materials.sample(METAL, number)
    mask = sampler.chance(number, POST.chance)
    tall, thin = sampler.uniforms(number, POST.half_height, POST.half)
    add(frame.at(0.0, tall, 0.0), (thin, tall, thin), metal, kind=CYLINDER, mask=mask)
    arm, lamp = sampler.uniform(number, POST.arm), sampler.chance(number, POST.lamps)
    _add_lamps(site, frame, mask & lamp, (arm, 2 * tall), metal)
    plate = sampler.uniform(number, POST.plate)
    half = (plate, plate * sampler.uniform(number, POST.plate_tall), POST.half_plate)
    sign = site.materials.sample(SIGN, number, 2 * plate)
    add(frame.at(0.0, 2 * tall - plate, -POST.plate_before), half, sign, mask=mask & ~lamp)


def _add_lamps(
    site: Site, frame: Frame, mask: Array, sizes: tuple[Array, Array], metal: Array
) -> None:
    """Add arms of a half length, and lamps on them, on posts of a height, metres."""
    arm, top = sizes
    head = site.materials.sample(LAMP, POST.number)
    parts = [
        Part((arm, top, 0.0), (arm, POST.half_arm, POST.half_arm), metal),
        Part((2 * arm, top - POST.head_below, 0.0), POST.head, head),
    ]
    site.primitives.add_parts(frame, mask, parts)


def _add_bins(site: Site, street: Street, verges: list[Ground]) -> None:
    sampler, number = site.sampler, BIN.number
    side = sampler.signs(number)
    size, high = sampler.uniforms(number, BIN.half, BIN.half_height)
    mask = sampler.chance(number, BIN.chance)
    x = side * (street.edge + sampler.uniform(number, BIN.beside))
    frame = Frame(x, street.kerb, sampler.log_uniform(number, BIN.distance), cos_sin(side))
    add_shadows(verges, side, frame, size * BIN.shadow, high, mask)
    site.primitives.add(
        frame.at(0.0, high, 0.0),
        (size, high, size),
        site.materials.sample(BIN_SURFACE, number),
        kind=sampler.kinds(number, BIN.kinds),
        mask=mask,
    )


def _add_bridge(site: Site, street: Street) -> None:
    sampler = site.sampler
    y, z = sampler.uniforms(1, BRIDGE.height, BRIDGE.distance)
    half_h = sampler.uniform(1, BRIDGE.half_height)
    site.primitives.add(
        (0.0, y, z),
        (street.edge + BRIDGE.beyond, half_h, sampler.uniform(1, BRIDGE.half_depth)),
        site.materials.sample(GIRDER, 1),
        mask=sampler.chance(1, BRIDGE.chance),
    )
