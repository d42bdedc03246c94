# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sofas, armchairs and low tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import ANY_YAW, QUARTER_TURN, Range, cos_sin
from spike_training.scenes.halls.config import ByKind, FloorThings, Hall
from spike_training.scenes.scene import CYLINDER, Array
from spike_training.scenes.things.small import GOODS_TEXTURE


class SofaConfig(NamedTuple):
    """Sizes of sofas and armchairs, metres.

    Attributes:
        armchairs: Share of armchairs.
        armchair: Half width of an armchair.
        sofa: Half width of a sofa.
        half_depth: Limits.
        half_seat: Half height of the seat.
        half_back: Half height of the back.
        back_depth: Half thickness of the back.
        arm: Half width and half height of the armrests.
        shadow_height: Height that the shadow is of.
    """

    armchairs: float = 0.5
    armchair: Range = (0.38, 0.5)
    sofa: Range = (0.75, 1.2)
    half_depth: Range = (0.36, 0.45)
    half_seat: Range = (0.19, 0.23)
    half_back: float = 0.4
    back_depth: float = 0.1
    arm: tuple[float, float] = (0.09, 0.3)
    shadow_height: float = 0.6


class TableConfig(NamedTuple):
    """A low table before a sofa, with a thing on it. Lengths in metres.

    Attributes:
        chance: Probability.
        height: Limits.
        before: From the sofa to the table's middle.
        top: Half sizes of the top.
        legs: Places of the legs to the side.
        leg: Half width and half depth of a leg.
        thing: Half size of a thing, uniform over ratios.
        thing_aside: Greatest way of it from the middle.
        surface: Height of its foot over the top's middle.
    """

    chance: float = 0.5
    height: Range = (0.35, 0.5)
    before: float = 0.6
    top: tuple[float, float, float] = (0.45, 0.02, 0.28)
    legs: tuple[float, float] = (-0.38, 0.38)
    leg: tuple[float, float] = (0.03, 0.2)
    thing: Range = (0.03, 0.12)
    thing_aside: float = 0.3
    surface: float = 0.02


SOFAS = FloorThings(4, 1.5, 1.8, ByKind(lobby=0.6, corridor=0.15), farthest=10.0)
SOFA, TABLE = SofaConfig(), TableConfig()
COVER = Material(('weave', 'plain', 'folds', 'stripes'), (0.4, 1.0))
WOOD = Material(('wood', 'plain', 'slabs'), 0.8)
THING = Material(GOODS_TEXTURE, fit=True)


def add_seating(site: Site, hall: Hall) -> None:
    """Add sofas and armchairs, some of them with a table."""
    sampler, number = site.sampler, SOFAS.number
    at = hall.sample_poses(sampler, SOFAS)
    slanted = sampler.uniform(1, ANY_YAW)
    heading = cos_sin(slanted + QUARTER_TURN * sampler.choose(number, range(4)))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = hall.sample_mask(sampler, SOFAS, frame)
    armchair = sampler.chance(number, SOFA.armchairs)
    narrow, wide = sampler.uniforms(number, SOFA.armchair, SOFA.sofa)
    half = np.where(armchair, narrow, wide)
    cover = site.materials.sample(COVER, number)
    deep, seat = sampler.uniforms(number, SOFA.half_depth, SOFA.half_seat)
    site.ground.shadow(frame, half, SOFA.shadow_height, mask)
    arm_w, arm_h = SOFA.arm
    back = (half, SOFA.half_back, SOFA.back_depth)
    parts = [
        Part((0.0, seat, 0.0), (half, seat, deep), cover),
        Part((0.0, SOFA.half_back, deep), back, cover),
        Part((-half, arm_h, 0.0), (arm_w, arm_h, deep), cover),
        Part((half, arm_h, 0.0), (arm_w, arm_h, deep), cover),
    ]
    site.primitives.add_parts(frame, mask, parts)
    _add_table(site, frame, mask & sampler.chance(number, TABLE.chance), deep)


def _add_table(site: Site, frame: Frame, mask: Array, deep: Array) -> None:
    sampler, number = site.sampler, SOFAS.number
    wood = site.materials.sample(WOOD, number)
    top, along = sampler.uniform(number, TABLE.height), -deep - TABLE.before
    leg_w, leg_d = TABLE.leg
    parts = [Part((0.0, top, along), TABLE.top, wood)]
    parts += [Part((x, top / 2, along), (leg_w, top / 2, leg_d), wood) for x in TABLE.legs]
    site.primitives.add_parts(frame, mask, parts)
    size = sampler.log_uniform(number, TABLE.thing)
    place = (sampler.symmetric(number, TABLE.thing_aside), top + TABLE.surface + size, along)
    material = site.materials.sample(THING, number, 2 * size)
    thing = Part(place, (size, size, size), material, CYLINDER)
    site.primitives.add_parts(frame, mask, [thing])
