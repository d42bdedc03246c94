# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parked cars and vans at both sides of the road, others on it, lorries and buses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Colour, Grey, Material
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import HALF_TURN, cos_sin
from spike_worlds.scene import ELLIPSOID, Array
from spike_worlds.streets.roadside import Street

# --- Parked cars and vans at both sides of the road, and others on it.

# Places of cars.
TRAFFIC_PARKED = 7  # number of places for parked cars
TRAFFIC_MOVING = 5  # number of places on the road
TRAFFIC_INSIDE = (0.8, 1.3)  # from the road's edge to the middle of parked cars
TRAFFIC_ASIDE = 0.75  # greatest way of moving ones from the middle / half width of the road
TRAFFIC_PARKED_DISTANCE = (3, 45)  # of parked ones along the road, m, uniform over ratios
TRAFFIC_MOVING_DISTANCE = (6, 80)  # of moving ones along the road, m, uniform over ratios
TRAFFIC_TURNED = 0.06  # greatest angle to the road
TRAFFIC_CHANCE = 0.6  # probability of each
TRAFFIC_SPEED = (0, 20)  # m/s

# Half width and length, lift of the body, height of the body without the cabin, and of the roof.
CAR_SIZES = ((0.78, 0.95), (1.8, 2.4), (0.15, 0.3), (0.75, 1.0), (1.4, 1.9))
CAR_CABIN = (0.45, 0.8)  # half length of the cabin / half length of the car
CAR_CABIN_ALONG = (-0.5, 0.1)  # middle of the cabin behind the middle of the car, m
CAR_VANS = 0.2  # share of vans
CAR_VAN_HIGHER = 0.5  # by which roofs of vans are higher than of cars, m
CAR_VAN_CABIN = 0.92  # half length of a van's cabin / half length of the van
CAR_SHADOW = (1.3, 1.12)  # half sizes of the shadow / half sizes of the car

# The cabin: its shell, side windows and those before and behind.
CABIN_WINDOW = 0.75  # half height / half height of the cabin

# Lamps, bumpers and wheels.
DETAIL_LAMP_BEFORE = 0.01  # of the body's ends
DETAIL_BUMPER_BEFORE = 0.03  # of the body's ends
DETAIL_WHEEL = (0.11, 0.31, 0.31)  # half sizes, and height of the middle
CAR_BODY = Material(('plain', 'plain', 'doors', 'print'), contrast=0.5, vivid=0.9)
CAR_BODY_TILE = (1, 4)  # covered upwards by a tile; across it is as wide as the car
CAR_GLASS = Material(('plain', 'clouds', 'poster'), (0.8, 3), bright=Colour(0.03, 0.5, 0.3))
CAR_TYRE = Material(('plain',), 0.5, bright=Grey((0.02, 0.1)))
CAR_LAMPS = Material(('plain',), 0.3, bright=Colour(0.2, 0.9, 1.0), glow=(0, 1.5))


class _Car(NamedTuple):
    """Sampled sizes of cars, ``[B, k]`` metres; as in ``CAR_SIZES``."""

    half_w: Array
    half_l: Array
    lift: Array
    belt: Array
    roof: Array
    cabin_l: Array
    cabin_z: Array


def add_cars(site: Site, street: Street) -> None:
    """Add cars."""
    sampler, number = site.sampler, TRAFFIC_PARKED + TRAFFIC_MOVING
    frame = _place_cars(site, street)
    mask = sampler.chance(number, TRAFFIC_CHANCE)
    moving = sampler.uniform(TRAFFIC_MOVING, TRAFFIC_SPEED)
    still = np.zeros((sampler.batch, TRAFFIC_PARKED), np.float32)
    speed = np.concatenate([still, moving], 1)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    car = _sample_sizes(site)
    tile = (2 * car.half_w, sampler.uniform(number, CAR_BODY_TILE))
    body = site.materials.sample(CAR_BODY, number, tile)
    glass, tyre, lamps = (
        site.materials.sample(kind, number) for kind in (CAR_GLASS, CAR_TYRE, CAR_LAMPS)
    )
    reach = (car.half_w * CAR_SHADOW[0], car.half_l * CAR_SHADOW[1])
    site.ground.shadow(frame, reach, 1.5, mask, velocity)
    parts = [*_car_body(car, body, glass), *_car_details(car, tyre, lamps)]
    site.primitives.add_parts(frame, mask, parts, velocity)


def _place_cars(site: Site, street: Street) -> Frame:
    sampler, parked, moving = site.sampler, TRAFFIC_PARKED, TRAFFIC_MOVING
    side = sampler.signs(parked)
    x_parked = side * (street.edge - sampler.uniform(parked, TRAFFIC_INSIDE))
    x_moving = sampler.symmetric(moving, TRAFFIC_ASIDE) * street.edge
    x = np.concatenate([x_parked, x_moving], 1)
    z_parked = sampler.log_uniform(parked, TRAFFIC_PARKED_DISTANCE)
    z_moving = sampler.log_uniform(moving, TRAFFIC_MOVING_DISTANCE)
    z = np.concatenate([z_parked, z_moving], 1)
    along = np.where(x < 0, np.float32(HALF_TURN), np.float32(0))
    along = along + sampler.symmetric(parked + moving, TRAFFIC_TURNED)
    return Frame(x, 0.0, z, cos_sin(along))


def _sample_sizes(site: Site) -> _Car:
    sampler, number = site.sampler, TRAFFIC_PARKED + TRAFFIC_MOVING
    half_w, half_l, lift, belt, roof = sampler.uniforms(number, *CAR_SIZES)
    cabin_l = half_l * sampler.uniform(number, CAR_CABIN)
    cabin_z = sampler.uniform(number, CAR_CABIN_ALONG)
    van = sampler.chance(number, CAR_VANS)
    roof = np.where(van, roof + CAR_VAN_HIGHER, roof)
    cabin_l = np.where(van, half_l * CAR_VAN_CABIN, cabin_l)
    return _Car(half_w, half_l, lift, belt, roof, cabin_l, np.where(van, 0.0, cabin_z))


def _car_body(car: _Car, body: Array, glass: Array) -> list[Part]:
    half_w, half_l, lift, belt, roof, cabin_l, cabin_z = car
    middle, high = (belt + roof) / 2, (roof - belt) / 2
    shell = (half_w * 0.88, high + 0.03, cabin_l)
    window = high * CABIN_WINDOW
    sides = (half_w * 0.89, window, cabin_l * 0.85)
    ends = (half_w * 0.78, window, cabin_l + 0.02)
    return [
        Part((0.0, (lift + belt) / 2, 0.0), (half_w, (belt - lift) / 2, half_l), body),
        Part((0.0, middle + 0.02, cabin_z), shell, body),
        Part((0.0, middle, cabin_z), sides, glass),
        Part((0.0, middle, cabin_z), ends, glass),
    ]


def _car_details(car: _Car, tyre: Array, lamps: Array) -> list[Part]:
    parts = []
    wheel_x, wheel_z = car.half_w - 0.06, car.half_l - 0.75
    lamp = (car.half_w * 0.95, 0.07, 0.02)
    bumper = (car.half_w * 0.98, 0.09, 0.06)
    for end in (-1, 1):
        lamp_z = end * (car.half_l + DETAIL_LAMP_BEFORE)
        parts.append(Part((0.0, car.belt - 0.18, lamp_z), lamp, lamps))
        bumper_z = end * (car.half_l + DETAIL_BUMPER_BEFORE)
        parts.append(Part((0.0, car.lift + 0.1, bumper_z), bumper, tyre))
        for side in (-1, 1):
            place = (side * wheel_x, DETAIL_WHEEL[1], end * wheel_z)
            parts.append(Part(place, DETAIL_WHEEL, tyre, ELLIPSOID))
    return parts


# --- Lorries and buses.

LORRY_NUMBER = 2  # places for them
LORRY_CHANCE = 0.25  # probability of each
LORRY_ASIDE = 0.7  # greatest way from the middle / half width of the road
LORRY_DISTANCE = (9, 70)  # along the road, uniform over ratios
LORRY_TURNED = 0.05  # greatest angle to the road
LORRY_SPEED = (0, 18)  # m/s
LORRY_SIZES = ((2.5, 6.0), (2.6, 3.8))  # half length of the box, height of the box's upper side
LORRY_FLOOR = 0.9  # height of the lower side of the box
LORRY_TILE = (1.5, 5)  # metres that a tile of the box covers across
LORRY_SHADOW = (1.7, 1.15)  # half width of the shadow, m; its half length / half length of the box
LORRY_WHEEL = (0.2, 0.5, 0.5)  # half sizes of the rear wheels, and height of their middles
LORRY_SIDE = Material(
    ('poster', 'ribs', 'print', 'plain', 'facade', 'folds'), fit=True, contrast=0.9
)
LORRY_FRONT = Material(('plain', 'doors'), 2.2)
LORRY_FRAME = Material(('plain',), 2.0)
LORRY_TYRE = Material(('plain',), 1.0)


def add_lorries(site: Site, street: Street) -> None:
    """Add lorries and buses to the road."""
    sampler, number, sample = site.sampler, LORRY_NUMBER, site.materials.sample
    x = sampler.symmetric(number, LORRY_ASIDE) * street.edge
    z = sampler.log_uniform(number, LORRY_DISTANCE)
    frame = Frame(x, 0.0, z, cos_sin(sampler.symmetric(number, LORRY_TURNED)))
    mask = sampler.chance(number, LORRY_CHANCE)
    speed = sampler.uniform(number, LORRY_SPEED)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    half_l, tall = sampler.uniforms(number, *LORRY_SIZES)
    box = sample(LORRY_SIDE, number, (sampler.uniform(number, LORRY_TILE), tall - LORRY_FLOOR))
    reach = (LORRY_SHADOW[0], half_l * LORRY_SHADOW[1])
    site.ground.shadow(frame, reach, 3.0, mask, velocity)
    box_half = (1.22, (tall - LORRY_FLOOR) / 2, half_l)
    chassis_half = (1.0, 0.2, half_l)
    parts = [
        Part((0.0, (tall + LORRY_FLOOR) / 2, 0.0), box_half, box),
        Part((0.0, 1.5, half_l + 1.0), (1.18, 1.1, 0.8), sample(LORRY_FRONT, number)),
        Part((0.0, 0.7, 0.0), chassis_half, sample(LORRY_FRAME, number)),
    ]
    for side in (-1, 1):
        place = (side * 0.95, LORRY_WHEEL[1], 1 - half_l)
        parts.append(Part(place, LORRY_WHEEL, sample(LORRY_TYRE, number), ELLIPSOID))
    site.primitives.add_parts(frame, mask, parts, velocity)
