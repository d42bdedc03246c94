# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chairs: sets of them at tables, and single ones anywhere."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material, choose
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range
from spike_training.scenes.rooms.config import Placement, Room
from spike_training.scenes.scene import CYLINDER, Array


class DiningChairConfig(NamedTuple):
    """Chairs alike on both sides of a table, with backs of three rails. Lengths in metres.

    Attributes:
        half: Half width and half depth of the seat.
        seat: Height of the seat.
        back: Height of the back above it.
        rails: Half heights of the rails over half of the room that each has.
        uncovered: Probability of a seat of the chair's own wood.
        aside: Places on each side of the table over its half width.
        spread: Factor on them.
        away: From the edge of the table to the middle of the chair; below 0 under the table.
        turned: Greatest angle to the table.
        chance: Probability of each chair.
        pair_width: Half width of tables that two chairs fit on either side of.
        half_seat: Half thickness of the seat.
        rail_number: Of each back.
        rail: Height of the lowest rail over the seat, share of the back.
        rail_step: From rail to rail, likewise.
        rail_room: Half height of the room of each rail, likewise.
        half_rail: Half thickness of a rail.
        half_post: Half thickness of posts and legs.
        leg_inset: From the seat's front edge to the middle of the front legs.
        shadow: Half size of the shadow over that of the seat.
    """

    half: Range = (0.19, 0.24)
    seat: Range = (0.42, 0.48)
    back: Range = (0.36, 0.56)
    rails: tuple[float, ...] = (0.34, 0.14, 0.1)
    uncovered: float = 0.5
    aside: tuple[float, float] = (-0.5, 0.5)
    spread: Range = (0.8, 1.2)
    away: Range = (-0.15, 0.35)
    turned: float = 0.3
    chance: float = 0.75
    pair_width: float = 0.55
    half_seat: float = 0.025
    rail_number: int = 3
    rail: float = 0.35
    rail_step: float = 0.29
    rail_room: float = 0.45
    half_rail: float = 0.015
    half_post: float = 0.02
    leg_inset: float = 0.03
    shadow: float = 1.2


class ChairConfig(NamedTuple):
    """Single chairs with a closed back. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        half: Half width and half depth of the seat.
        seat: Height of the seat.
        half_back: Half height of the back.
        half_seat: Half thickness of the seat.
        back_gap: Between seat and back.
        back_depth: Half thickness of the back.
        inset: From the edge of the seat to the middle of a leg.
        half_leg: Half thickness of a leg.
        rear_legs: Height of the rear legs over the seat.
        shadow: Half size of the shadow over that of the seat.
    """

    number: int = 3
    chance: float = 0.7
    half: Range = (0.18, 0.25)
    seat: Range = (0.4, 0.5)
    half_back: Range = (0.12, 0.3)
    half_seat: Range = (0.015, 0.05)
    back_gap: float = 0.15
    back_depth: float = 0.02
    inset: float = 0.03
    half_leg: float = 0.016
    rear_legs: float = 0.2
    shadow: float = 1.2


DINING_CHAIR, CHAIR = DiningChairConfig(), ChairConfig()
WOOD = Material(('wood', 'plain', 'plain'), (0.3, 1.5), contrast=0.5)
DINING_COVER = Material(('weave', 'plain', 'wood'), (0.2, 0.8))
COVER = Material(('weave', 'plain', 'wood', 'stripes'), (0.2, 0.8))
METAL = Material(('plain', 'wood'), (0.3, 0.8))
PLACEMENT = Placement((1.0, 5.0), 0.9, 0.35)


class _Chairs(NamedTuple):
    """Sampled sizes and materials of the chairs at each table, ``[B, tables]``."""

    half: Array
    seat: Array
    back: Array
    rail: Array
    wood: Array
    cover: Array


def add_dining_chairs(site: Site, table: Frame, mask: Array, sizes: tuple[Array, Array]) -> None:
    """Add chairs alike on both sides of each table, pushed in or drawn back.

    Args:
        site: Scenes in construction.
        table: Poses of the tables, ``[B, k]``.
        mask: Those that have chairs.
        sizes: Their half widths and half depths, metres.
    """
    sampler, number, config = site.sampler, mask.shape[1], DINING_CHAIR
    half_w, half_d = sizes
    wood = site.materials.sample(WOOD, number)
    cover = site.materials.sample(DINING_COVER, number)
    cover = choose(sampler.chance(number, config.uncovered), wood, cover)
    half, seat, back = sampler.uniforms(number, config.half, config.seat, config.back)
    chairs = _Chairs(half, seat, back, sampler.choose(number, config.rails), wood, cover)
    for side in (-1, 1):
        for place in config.aside:
            aside = place * half_w * sampler.uniform(number, config.spread)
            away = side * (half_d + sampler.uniform(number, config.away))
            x, _, z = table.at(aside, 0.0, away)
            turned = sampler.symmetric(number, config.turned)
            heading = table.turned(turned + (0.0 if side > 0 else 2 * QUARTER_TURN))
            chance = sampler.chance(number, config.chance)
            fits = (half_w > config.pair_width) | (place < 0)
            _add_dining_chair(site, Frame(x, 0.0, z, heading), mask & chance & fits, chairs)


def _add_dining_chair(site: Site, frame: Frame, mask: Array, chairs: _Chairs) -> None:
    config = DINING_CHAIR
    half, seat, back, rail, wood, cover = chairs
    site.ground.shadow(frame, half * config.shadow, seat, mask)
    post, tall = config.half_post, (seat + back) / 2
    parts = [Part((0.0, seat, 0.0), (half, config.half_seat, half), cover)]
    for k in range(config.rail_number):
        high = seat + back * (config.rail + config.rail_step * k)
        size = (half, config.rail_room * back * rail, config.half_rail)
        parts.append(Part((0.0, high, half), size, wood))
    for hand in (-1, 1):
        aside = hand * (half - post)
        front = -half + config.leg_inset
        parts.append(Part((aside, tall, half), (post, tall, post), wood))
        parts.append(Part((aside, seat / 2, front), (post, seat / 2, post), wood))
    site.primitives.add_parts(frame, mask, parts)


def add_chairs(site: Site, room: Room) -> None:
    """Add single chairs in view."""
    sampler, number, config = site.sampler, CHAIR.number, CHAIR
    frame = room.ahead(sampler, number, PLACEMENT)
    mask = sampler.chance(number, config.chance)
    cover, metal = site.materials.sample(COVER, number), site.materials.sample(METAL, number)
    half, seat, back = sampler.uniforms(number, config.half, config.seat, config.half_back)
    frame.heading = sampler.headings(number)
    site.ground.shadow(frame, half * config.shadow, seat, mask)
    high = seat + config.back_gap + back
    parts = [
        Part((0.0, seat, 0.0), (half, sampler.uniform(number, config.half_seat), half), cover),
        Part((0.0, high, half), (half, back, config.back_depth), cover),
    ]
    for x in (-1, 1):
        for z in (-1, 1):
            tall = seat / 2 if z < 0 else (seat + config.rear_legs) / 2
            place = (x * (half - config.inset), tall, z * (half - config.inset))
            parts.append(Part(place, (config.half_leg, tall, config.half_leg), metal, CYLINDER))
    site.primitives.add_parts(frame, mask, parts)
