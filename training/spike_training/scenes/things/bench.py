# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benches of slats, some of them with a back, some of them with a table between two seats."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array
from spike_training.scenes.things.small import GOODS_TEXTURE, SmallThings


class BenchConfig(NamedTuple):
    """A seat of slats on two legs. Lengths in metres.

    Attributes:
        half_width: Limits.
        height: Of the seat.
        slats: Places of the slats in depth.
        slat: Half height and half depth of a slat.
        leg: Half thickness of a leg.
        inset: From the end to the middle of a leg.
    """

    half_width: Range = (0.6, 1.0)
    height: Range = (0.4, 0.48)
    slats: tuple[float, ...] = (-0.13, 0.0, 0.13)
    slat: tuple[float, float] = (0.018, 0.055)
    leg: float = 0.03
    inset: float = 0.12


class BackConfig(NamedTuple):
    """The back of a bench. Lengths in metres.

    Attributes:
        chance: Probability of a back where there is no table.
        rails: Heights of the slats over the seat.
        rail: Half height and half depth of a slat.
        along: Its place behind the seat's middle.
        post: Half sizes of a post.
        post_lift: Height of its middle over the seat.
        post_along: Its place behind the seat's middle.
    """

    chance: float = 0.75
    rails: tuple[float, float] = (0.18, 0.36)
    rail: tuple[float, float] = (0.05, 0.015)
    along: float = 0.2
    post: tuple[float, float, float] = (0.025, 0.22, 0.02)
    post_lift: float = 0.2
    post_along: float = 0.21


class TableConfig(NamedTuple):
    """A table with a seat beyond it. Lengths in metres.

    Attributes:
        chance: Probability of a table.
        height: Of the top's middle.
        along: From the bench to the table.
        top: Half height and half depth of the top.
        seat_along: From the bench to the seat beyond.
        seat: Half height and half depth of that.
        inset: From the ends to the middle of the legs.
        leg: Half sizes of a leg of the table.
        seat_leg: Half width and half depth of a leg of the seat.
        surface: Height of things' feet.
    """

    chance: float = 0.4
    height: float = 0.74
    along: float = 0.6
    top: tuple[float, float] = (0.025, 0.36)
    seat_along: float = 1.2
    seat: tuple[float, float] = (0.02, 0.15)
    inset: float = 0.15
    leg: tuple[float, float, float] = (0.04, 0.36, 0.05)
    seat_leg: tuple[float, float] = (0.04, 0.03)
    surface: float = 0.765


BENCH, BACK, TABLE = BenchConfig(), BackConfig(), TableConfig()
WOOD = Material(('wood', 'planks', 'plain'), (0.4, 1.2))
IRON = Material(('plain', 'plaster'), 0.5)
THINGS = SmallThings(
    size=(0.03, 0.14),
    width=(0.4, 1.2),
    height=(1.0, 1.0),
    depth=(0.4, 1.2),
    aside=0.8,
    along=(0.35, 0.85),  # metres from the bench
    chance=0.7,
    kinds=(BOX, CYLINDER, CYLINDER, ELLIPSOID),
    material=Material(GOODS_TEXTURE, fit=True),
    number=3,
)


def add_benches(site: Site, frame: Frame, mask: Array) -> None:
    """Add benches."""
    sampler, number, add_parts = site.sampler, mask.shape[1], site.primitives.add_parts
    wood, iron = site.materials.sample(WOOD, number), site.materials.sample(IRON, number)
    half, seat = sampler.uniforms(number, BENCH.half_width, BENCH.height)
    table = sampler.chance(number, TABLE.chance)
    site.ground.shadow(frame, half, seat, mask)
    slat = (half, *BENCH.slat)
    parts = [Part((0.0, seat, along), slat, wood) for along in BENCH.slats]
    parts += [
        Part((side * (half - BENCH.inset), seat / 2, 0.0), (BENCH.leg, seat / 2, BENCH.leg), iron)
        for side in (-1, 1)
    ]
    add_parts(frame, mask, parts)
    rail = (half, *BACK.rail)
    parts = [Part((0.0, seat + lift, BACK.along), rail, wood) for lift in BACK.rails]
    for side in (-1, 1):
        place = (side * (half - BENCH.inset), seat + BACK.post_lift, BACK.post_along)
        parts.append(Part(place, BACK.post, iron))
    add_parts(frame, mask & ~table & sampler.chance(number, BACK.chance), parts)
    parts = [
        Part((0.0, TABLE.height, TABLE.along), (half, *TABLE.top), wood),
        Part((0.0, seat, TABLE.seat_along), (half, *TABLE.seat), wood),
    ]
    leg_w, leg_d = TABLE.seat_leg
    for side in (-1, 1):
        aside = side * (half - TABLE.inset)
        parts.append(Part((aside, TABLE.leg[1], TABLE.along), TABLE.leg, iron))
        place = (aside, seat / 2, TABLE.seat_along)
        parts.append(Part(place, (leg_w, seat / 2, leg_d), iron))
    add_parts(frame, mask & table, parts)
    for _ in range(THINGS.number):
        _add_thing(site, frame, mask & table, half)


def _add_thing(site: Site, frame: Frame, mask: Array, half: Array) -> None:
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.log_uniform(number, THINGS.size)
    aside = sampler.symmetric(number, THINGS.aside) * half
    along = sampler.uniform(number, THINGS.along)
    wide = size * sampler.uniform(number, THINGS.width)
    deep = size * sampler.uniform(number, THINGS.depth)
    material = site.materials.sample(THINGS.material, number, 2 * size)
    place, kind = (aside, TABLE.surface + size, along), sampler.kinds(number, THINGS.kinds)
    thing = Part(place, (wide, size, deep), material, kind)
    site.primitives.add_parts(frame, mask & sampler.chance(number, THINGS.chance), [thing])
