# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Swivel chairs with armrests."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range
from spike_training.scenes.offices.desk import DESKS, Desks
from spike_training.scenes.scene import CYLINDER, Array


class SwivelChairConfig(NamedTuple):
    """Sizes of swivel chairs. Lengths in metres, angles in radians.

    Attributes:
        aside: Greatest way from the desk's middle to either side.
        away: From the desk's edge to the chair's middle.
        turned: Greatest angle to the desk.
        seat: Height of the seat.
        half: Half width and half depth of the seat.
        half_back: Half height of the back.
        half_seat: Half thickness of the seat.
        back_gap: Between seat and back.
        back_behind: From the rear edge of the seat to the middle of the back.
        back_width: Half width over that of the seat.
        back_depth: Half thickness of the back.
        stay: Half sizes of the stay of the back.
        stay_lift: Height of its middle over the seat.
        stay_behind: From the rear edge of the seat to its middle.
        column: Half thickness of the column.
        foot: Half length, half height and half width of the feet.
        foot_height: Of their middles.
        arm: Half sizes of the armrests.
        arm_lift: Height of their middles over the seat.
        arm_beside: From the edge of the seat to their middles.
    """

    aside: float = 0.3
    away: Range = (0.1, 0.7)
    turned: float = 1.2
    seat: Range = (0.42, 0.52)
    half: Range = (0.21, 0.25)
    half_back: Range = (0.2, 0.32)
    half_seat: float = 0.035
    back_gap: float = 0.15
    back_behind: float = 0.02
    back_width: float = 0.9
    back_depth: float = 0.025
    stay: tuple[float, float, float] = (0.03, 0.15, 0.015)
    stay_lift: float = 0.1
    stay_behind: float = 0.05
    column: float = 0.03
    foot: tuple[float, float, float] = (0.3, 0.02, 0.03)
    foot_height: float = 0.06
    arm: tuple[float, float, float] = (0.025, 0.02, 0.14)
    arm_lift: float = 0.2
    arm_beside: float = 0.03


CHAIR = SwivelChairConfig()
COVER = Material(('weave', 'plain', 'plain', 'folds'), (0.3, 0.8), vivid=0.8)
FOOT = Material(('plain',), 0.5, bright=Grey((0.02, 0.3)))


def add_swivel_chairs(site: Site, desks: Desks, mask: Array) -> None:
    """Add chairs in front of the desks, turned at random."""
    sampler, config = site.sampler, CHAIR
    aside = sampler.symmetric(DESKS, config.aside)
    away = -desks.half_d - sampler.uniform(DESKS, config.away)
    x, _, z = desks.frame.at(aside, 0.0, away)
    turned = sampler.symmetric(DESKS, config.turned)
    frame = Frame(x, 0.0, z, desks.frame.turned(2 * QUARTER_TURN + turned))
    cover, dark = site.materials.sample(COVER, DESKS), site.materials.sample(FOOT, DESKS)
    seat, half, back = sampler.uniforms(DESKS, config.seat, config.half, config.half_back)
    site.ground.shadow(frame, half, seat, mask)
    high = seat + config.back_gap + back
    back_half = (config.back_width * half, back, config.back_depth)
    stay_centre = (0.0, seat + config.stay_lift, half + config.stay_behind)
    foot_centre, (long, thin, broad) = (0.0, config.foot_height, 0.0), config.foot
    parts = [
        Part((0.0, seat, 0.0), (half, config.half_seat, half), cover),
        Part((0.0, high, half + config.back_behind), back_half, cover),
        Part(stay_centre, config.stay, dark),
        Part((0.0, seat / 2, 0.0), (config.column, seat / 2, config.column), dark, CYLINDER),
        Part(foot_centre, (long, thin, broad), dark),
        Part(foot_centre, (broad, thin, long), dark),
    ]
    for side in (-1, 1):
        place = (side * (half + config.arm_beside), seat + config.arm_lift, 0.0)
        parts.append(Part(place, config.arm, dark))
    site.primitives.add_parts(frame, mask, parts)
