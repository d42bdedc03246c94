# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parked cars and vans at both sides of the road, and others on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import HALF_TURN, Range, cos_sin
from spike_training.scenes.scene import ELLIPSOID, Array
from spike_training.scenes.streets.config import Street


class TrafficConfig(NamedTuple):
    """Places of cars. Lengths in metres, angles in radians.

    Attributes:
        parked: Number of places for parked cars.
        moving: Number of places on the road.
        inside: From the road's edge to the middle of parked cars.
        aside: Greatest way of moving ones from the middle over the half width of the road.
        parked_distance: Along the road, uniform over ratios.
        moving_distance: Likewise.
        turned: Greatest angle to the road.
        chance: Probability of each.
        speed: m/s.
    """

    parked: int = 7
    moving: int = 5
    inside: Range = (0.8, 1.3)
    aside: float = 0.75
    parked_distance: Range = (3, 45)
    moving_distance: Range = (6, 80)
    turned: float = 0.06
    chance: float = 0.6
    speed: Range = (0, 20)


class CarConfig(NamedTuple):
    """Sizes of cars. Lengths in metres.

    Attributes:
        half_width: Limits.
        half_length: Limits.
        lift: Of the body over the ground.
        belt: Height of the body without the cabin.
        roof: Height of the roof.
        cabin: Half length of the cabin over that of the car.
        cabin_along: Middle of the cabin behind that of the car.
        vans: Share of vans.
        van_higher: Roof of a van over that of a car.
        van_cabin: Half length of a van's cabin over that of the van.
        shadow: Half sizes of the shadow over those of the car.
        shadow_height: Height of a car, for its shadow.
    """

    half_width: Range = (0.78, 0.95)
    half_length: Range = (1.8, 2.4)
    lift: Range = (0.15, 0.3)
    belt: Range = (0.75, 1.0)
    roof: Range = (1.4, 1.9)
    cabin: Range = (0.45, 0.8)
    cabin_along: Range = (-0.5, 0.1)
    vans: float = 0.2
    van_higher: float = 0.5
    van_cabin: float = 0.92
    shadow: tuple[float, float] = (1.3, 1.12)
    shadow_height: float = 1.5


class CabinConfig(NamedTuple):
    """The cabin: its shell, side windows and those before and behind.

    Attributes:
        width: Half width over that of the car.
        raised: Of the shell, metres.
        taller: Half height of the shell over that of the cabin, metres.
        side_window: Half width over that of the car.
        side_length: Half length of side windows over that of the cabin.
        end_window: Half width of those before and behind over that of the car.
        beyond: Half length of those over that of the cabin, metres.
        window: Half height over that of the cabin.
    """

    width: float = 0.88
    raised: float = 0.02
    taller: float = 0.03
    side_window: float = 0.89
    side_length: float = 0.85
    end_window: float = 0.78
    beyond: float = 0.02
    window: float = 0.75


class DetailConfig(NamedTuple):
    """Lamps, bumpers and wheels. Lengths in metres.

    Attributes:
        lamp_width: Half width of the row of lamps over that of the car.
        lamp: Half height and half depth.
        lamp_below: From the body's upper edge to their middle.
        lamp_before: Of the body's ends.
        bumper_width: Half width over that of the car.
        bumper: Half height and half depth.
        bumper_above: From the body's lower edge to their middle.
        bumper_before: Of the body's ends.
        wheel: Half sizes, and height of the middle.
        wheel_inset: From the body's side to the middle.
        axle: From the body's ends to the middle.
    """

    lamp_width: float = 0.95
    lamp: tuple[float, float] = (0.07, 0.02)
    lamp_below: float = 0.18
    lamp_before: float = 0.01
    bumper_width: float = 0.98
    bumper: tuple[float, float] = (0.09, 0.06)
    bumper_above: float = 0.1
    bumper_before: float = 0.03
    wheel: tuple[float, float, float] = (0.11, 0.31, 0.31)
    wheel_inset: float = 0.06
    axle: float = 0.75


TRAFFIC, CAR, CABIN, DETAIL = TrafficConfig(), CarConfig(), CabinConfig(), DetailConfig()
BODY = Material(('plain', 'plain', 'doors', 'print'), contrast=0.5, vivid=0.9)
BODY_TILE: Range = (1, 4)
"""Metres that a tile of the body covers up; across it is as wide as the car."""
GLASS = Material(('plain', 'clouds', 'poster'), (0.8, 3), bright=Colour(0.03, 0.5, 0.3))
TYRE = Material(('plain',), 0.5, bright=Grey((0.02, 0.1)))
LAMPS = Material(('plain',), 0.3, bright=Colour(0.2, 0.9, 1.0), glow=(0, 1.5))


class _Car(NamedTuple):
    """Sampled sizes of cars, ``[B, k]`` metres; as in ``CarConfig``."""

    half_w: Array
    half_l: Array
    lift: Array
    belt: Array
    roof: Array
    cabin_l: Array
    cabin_z: Array


def add_cars(site: Site, street: Street) -> None:
    """Add cars."""
    sampler, number = site.sampler, TRAFFIC.parked + TRAFFIC.moving
    frame = _place(site, street)
    mask = sampler.chance(number, TRAFFIC.chance)
    moving = sampler.uniform(TRAFFIC.moving, TRAFFIC.speed)
    still = np.zeros((sampler.batch, TRAFFIC.parked), np.float32)
    speed = np.concatenate([still, moving], 1)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    car = _sample_sizes(site)
    tile = (2 * car.half_w, sampler.uniform(number, BODY_TILE))
    body = site.materials.sample(BODY, number, tile)
    glass, tyre, lamps = (site.materials.sample(kind, number) for kind in (GLASS, TYRE, LAMPS))
    reach = (car.half_w * CAR.shadow[0], car.half_l * CAR.shadow[1])
    site.ground.shadow(frame, reach, CAR.shadow_height, mask, velocity)
    parts = [*_body(car, body, glass), *_details(car, tyre, lamps)]
    site.primitives.add_parts(frame, mask, parts, velocity)


def _place(site: Site, street: Street) -> Frame:
    sampler, parked, moving = site.sampler, TRAFFIC.parked, TRAFFIC.moving
    side = sampler.signs(parked)
    x_parked = side * (street.edge - sampler.uniform(parked, TRAFFIC.inside))
    x_moving = sampler.symmetric(moving, TRAFFIC.aside) * street.edge
    x = np.concatenate([x_parked, x_moving], 1)
    z_parked = sampler.log_uniform(parked, TRAFFIC.parked_distance)
    z_moving = sampler.log_uniform(moving, TRAFFIC.moving_distance)
    z = np.concatenate([z_parked, z_moving], 1)
    along = np.where(x < 0, np.float32(HALF_TURN), np.float32(0))
    along = along + sampler.symmetric(parked + moving, TRAFFIC.turned)
    return Frame(x, 0.0, z, cos_sin(along))


def _sample_sizes(site: Site) -> _Car:
    sampler, number = site.sampler, TRAFFIC.parked + TRAFFIC.moving
    half_w, half_l, lift, belt, roof = sampler.uniforms(
        number, CAR.half_width, CAR.half_length, CAR.lift, CAR.belt, CAR.roof
    )
    cabin_l = half_l * sampler.uniform(number, CAR.cabin)
    cabin_z = sampler.uniform(number, CAR.cabin_along)
    van = sampler.chance(number, CAR.vans)
    roof = np.where(van, roof + CAR.van_higher, roof)
    cabin_l = np.where(van, half_l * CAR.van_cabin, cabin_l)
    return _Car(half_w, half_l, lift, belt, roof, cabin_l, np.where(van, 0.0, cabin_z))


def _body(car: _Car, body: Array, glass: Array) -> list[Part]:
    half_w, half_l, lift, belt, roof, cabin_l, cabin_z = car
    middle, high = (belt + roof) / 2, (roof - belt) / 2
    shell = (half_w * CABIN.width, high + CABIN.taller, cabin_l)
    window = high * CABIN.window
    sides = (half_w * CABIN.side_window, window, cabin_l * CABIN.side_length)
    ends = (half_w * CABIN.end_window, window, cabin_l + CABIN.beyond)
    return [
        Part((0.0, (lift + belt) / 2, 0.0), (half_w, (belt - lift) / 2, half_l), body),
        Part((0.0, middle + CABIN.raised, cabin_z), shell, body),
        Part((0.0, middle, cabin_z), sides, glass),
        Part((0.0, middle, cabin_z), ends, glass),
    ]


def _details(car: _Car, tyre: Array, lamps: Array) -> list[Part]:
    parts = []
    wheel_x, wheel_z = car.half_w - DETAIL.wheel_inset, car.half_l - DETAIL.axle
    lamp = (car.half_w * DETAIL.lamp_width, *DETAIL.lamp)
    bumper = (car.half_w * DETAIL.bumper_width, *DETAIL.bumper)
    for end in (-1, 1):
        lamp_z = end * (car.half_l + DETAIL.lamp_before)
        parts.append(Part((0.0, car.belt - DETAIL.lamp_below, lamp_z), lamp, lamps))
        bumper_z = end * (car.half_l + DETAIL.bumper_before)
        parts.append(Part((0.0, car.lift + DETAIL.bumper_above, bumper_z), bumper, tyre))
        for side in (-1, 1):
            place = (side * wheel_x, DETAIL.wheel[1], end * wheel_z)
            parts.append(Part(place, DETAIL.wheel, tyre, ELLIPSOID))
    return parts
