# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets and country roads as a vehicle sees them."""

from __future__ import annotations

import numpy as np

from spike_training.scenes.builder import (
    Draws,
    Frame,
    Ground,
    Paint,
    Solids,
    ambience,
    between,
    camera_axes,
    direction,
    grey,
    turn,
    visible,
)
from spike_training.scenes.indoor import person
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array, Scenes

_GREEN = np.array([0.5, 1.0, 0.35], np.float32)


def road(draws: Draws) -> Scenes:
    """Scenes from random numbers."""
    batch = len(draws(1))
    paint, solids = Paint(draws), Solids(batch)
    country = draws.chance(1, 0.35)
    edge = np.where(country, draws(1, 2.8, 5.0), draws(1, 3.2, 9.0))
    kerb = np.where(country, 0.02, draws(1, 0.06, 0.18)).astype(np.float32)
    walk = draws(2, 1.2, 4.5)
    focal = between(0.55, 1.4, draws(1))

    eye_y = between(1.2, 2.5, draws(1) ** 1)
    eye_x = draws(1, -0.75, 0.75) * edge
    turning = draws.chance(1, 0.2)
    yaw = draws(1, -1, 1) * np.where(turning, 0.7, 0.12)
    pitch = draws(1, -0.1, 0.06)

    asphalt = paint(
        ('gravel', 'plaster', 'clouds'),
        1,
        draws(1, 0.8, 4.0),
        bright=grey(draws(1, 0.12, 0.4), 1, batch),
        contrast=0.5,
    )
    sun, dark = direction(draws, 0.4, 2.5), draws(1, 0.25, 0.8)
    street = Ground(solids, asphalt, sun, dark)
    verges = _ground(draws, paint, street, edge, kerb, walk, country)
    _buildings(draws, paint, solids, edge + walk, country)
    _vehicles(draws, paint, street, edge)
    _lorries(draws, paint, street, edge)
    _trees(draws, paint, verges, edge, country)
    _furniture(draws, paint, verges, edge, kerb)
    for side, verge in zip((-1, 1), verges, strict=True):
        place = side * (edge + draws(4, 0.2, 2.5))
        walker = Frame(place, kerb, between(4, 45, draws(4)), turn(draws(4, 0, 6.28)))
        there = draws.chance(4, np.where(country, 0.12, 0.55))
        person(draws, paint, verge, walker, there, draws(4, 0, 1.8))
    walker = Frame(
        draws(2, -0.9, 0.9) * edge, 0.0, between(5, 40, draws(2)), turn(draws(2, 0, 6.28))
    )
    person(draws, paint, street, walker, draws.chance(2, 0.25), draws(2, 0.5, 1.8))

    bright = grey(draws(1, 0.6, 1.0), 1, batch) * np.array([0.9, 1.0, 1.15], np.float32)
    sky = paint(
        ('clouds', 'plain'),
        1,
        draws(1, 3.0, 8.0),
        bright=bright,
        dark=bright * draws(1, 0.45, 1.0)[..., None],
        contrast=0.4,
    )
    shell = np.concatenate([asphalt, sky, sky, sky, sky], 1)
    eye = np.concatenate([eye_x, eye_y, draws(1, -1, 1)], 1).astype(np.float32)
    speed = draws(1, 0, 1) * draws(1, 5.0, 40.0)
    axes = camera_axes(pitch[:, 0], yaw[:, 0], draws(1, -0.04, 0.04)[:, 0])
    along = axes[:, 2] * np.array([1, 0, 1], np.float32)
    far = np.full(batch, 400, np.float32)
    return Scenes(
        **visible(solids.arrays(), eye, axes, focal[:, 0], 1.0),
        shell_material=shell,
        shell=np.stack([np.stack([-far, 0 * far, -far], 1), np.stack([far, far, far], 1)], 1),
        open=np.ones(batch, np.float32),
        focal=focal[:, 0],
        eye=eye,
        axes=axes,
        drift=along * speed + draws(3, -0.3, 0.3),
        spin=draws(3, -1, 1) ** 3 * np.array([0.3, 0.8, 0.2], np.float32),
        sun=sun,
        light=np.concatenate(
            [draws(1, 0.0, 1.2) * draws.chance(1, 0.75), draws(1, 0.3, 0.6), draws(1, 0, 0)], 1
        ).astype(np.float32),
        lamp=np.zeros((batch, 3), np.float32) + np.array([0, 8, 10], np.float32),
        haze=between(60, 4000, draws(1))[:, 0],
        blur=draws(1)[:, 0],
        rate=between(0.03, 0.6, draws(1))[:, 0],
        phase=(draws(2) * 2.0**24).astype(np.int64) @ np.array([1, 1 << 8]),
        **ambience(draws, 0.6),
    )


def _ground(
    draws: Draws,
    paint: Paint,
    street: Ground,
    edge: Array,
    kerb: Array,
    walk: Array,
    country: Array,
) -> list[Ground]:
    """Pavements, verges, lane lines and a crossing; returns the ground left and right."""
    batch, solids = len(edge), street.solids
    side = np.array([-1, 1], np.float32)
    width = 40.0
    slab = np.where(
        country[..., None],
        paint(
            ('leaves', 'gravel', 'clouds'),
            2,
            draws(2, 0.8, 4.0),
            contrast=0.8,
            bright=np.clip(paint.colour(2, 0.1, 0.5, 0.3) * _GREEN, 0.01, 1),
        ),
        paint(
            ('slabs', 'tiles', 'gravel', 'plaster', 'blocks'),
            2,
            draws(2, 0.6, 3.0),
            bright=grey(draws(2, 0.2, 0.6), 2, batch),
            contrast=0.5,
        ),
    ).astype(np.float32)
    solids.add((side * (edge + width), kerb / 2, 60.0), (width, kerb / 2, 100.0), slab)
    stone = paint(
        ('blocks', 'plain', 'tiles'), 2, (0.12, 2.0), bright=grey(draws(2, 0.3, 0.8), 2, batch)
    )
    solids.add(
        (side * (edge + 0.06), kerb / 2 + 0.005, 60.0),
        (0.08, kerb / 2 + 0.005, 100.0),
        stone,
        there=~country,
    )
    grass = paint(
        ('leaves', 'gravel'),
        2,
        draws(2, 0.8, 3.0),
        contrast=0.8,
        bright=np.clip(paint.colour(2, 0.1, 0.5, 0.3) * _GREEN, 0.01, 1),
    )
    solids.add(
        (side * (edge + walk + 1.5), kerb + 0.02, 60.0),
        (draws(2, 0.5, 1.5), 0.03, 100.0),
        grass,
        there=draws.chance(2, 0.4),
    )
    # Lines at both edges and between the lanes; the gaps of dashes have the asphalt's grey.
    white = grey(draws(4, 0.5, 1.0), 4, batch)
    dark = grey(draws(4, 0.1, 0.35), 4, batch)
    period = draws(4, 4.0, 12.0)
    line = paint(('dash',), 4, (1.0, period), bright=white, dark=dark)
    solid_line = draws.chance(4, np.array([0.8, 0.3, 0.3, 0.8], np.float32))
    line[..., 9:12] = np.where(solid_line[..., None], line[..., 12:15], line[..., 9:12])
    line[..., 7] = np.where(solid_line, line[..., 8], line[..., 7])
    lanes = np.concatenate([-0.95 * edge, -0.33 * edge, 0.33 * edge, 0.95 * edge], 1)
    middle = draws.chance(1, 0.5)
    lanes[:, 1:2] = np.where(middle, 0.0, lanes[:, 1:2])
    there = draws.chance(4, 0.8)
    there[:, 2:3] &= ~middle
    solids.add((lanes, 0.004, 60.0), (draws(4, 0.05, 0.1), 0.004, 100.0), line, there=there)
    bars = paint(('dash',), 1, (1.0, 1.0), bright=white[:, :1], dark=dark[:, :1])
    solids.add(
        (0.0, 0.004, between(6, 30, draws(1))),
        (1.8, 0.004, edge),
        bars,
        heading=turn(np.full_like(edge, 1.5707963)),
        there=draws.chance(1, 0.3) & ~country,
    )
    patch = paint(
        ('plain', 'plaster', 'gravel', 'sign'),
        4,
        draws(4, 0.5, 2.0),
        bright=grey(draws(4, 0.05, 0.5), 4, batch),
    )
    solids.add(
        (draws(4, -0.9, 0.9) * edge, 0.002, between(3, 40, draws(4))),
        (draws(4, 0.2, 1.2), 0.003, draws(4, 0.2, 2.5)),
        patch,
        there=draws.chance(4, 0.5),
    )
    return [
        Ground(solids, slab[:, [k]], street.sun, street.share, (sign * (edge + width), 60.0), kerb)
        for k, sign in enumerate((-1, 1))
    ]


def _shadows(
    verges: list[Ground], side: Array, frame: Frame, reach: Array, tall: Array, there: Array
) -> None:
    """Shadows of things that stand left (-1) or right (1) of the road."""
    for sign, verge in zip((-1, 1), verges, strict=True):
        verge.shadow(frame.x, frame.z, (reach, reach), tall, there & (side == sign))


def _buildings(draws: Draws, paint: Paint, solids: Solids, line: Array, country: Array) -> None:
    """Two rows of houses with shops, roofs and fences, and a skyline."""
    number = 7
    for side in (-1, 1):
        front = line[:, :1] if side < 0 else line[:, -1:]
        wide, gap = draws(number, 4.0, 13.0), draws(number) ** 3 * 10
        step = 2 * wide + gap
        end = draws(1, -10, 2) + _running(step)
        z: Array = end - wide
        back = draws(number, 3.0, 8.0)
        x = side * (front + back + draws(number) ** 2 * 5 + np.where(country, 6, 0))
        tall = np.where(country, draws(number, 1.5, 5.0), between(2.5, 16, draws(number)))
        there = draws.chance(number, np.where(country, 0.3, 0.92))
        storey = draws(number, 2.6, 3.8)
        wall = paint(
            ('facade', 'facade', 'facade', 'tower', 'bricks'),
            number,
            (4 * storey * draws(number, 0.7, 1.3), 4 * storey),
            contrast=1.0,
            bright=paint.colour(number, 0.12, 0.8, 0.5),
        )
        wall[..., 4] = tall / (4 * storey)
        heading = turn(np.where(country, draws(number, -0.4, 0.4), 0.0))
        solids.add((x, tall, z), (back, tall, wide), wall, heading=heading, there=there)
        roof = paint(
            ('ribs', 'tiles', 'plain', 'bricks'),
            number,
            draws(number, 0.8, 3.0),
            bright=paint.colour(number, 0.08, 0.5, 0.6),
        )
        solids.add(
            (x, 2 * tall + 0.4, z),
            (
                back * draws(number, 0.5, 1.08),
                draws(number, 0.15, 1.2),
                wide * draws(number, 0.5, 1.05),
            ),
            roof,
            heading=heading,
            there=there & draws.chance(number, 0.7),
        )
        shop = paint(
            ('goods', 'doors', 'poster', 'print', 'ribs', 'door', 'folds'),
            number,
            (draws(number, 2, 7), 3.0),
            fit=True,
            contrast=1.0,
        )
        solids.add(
            (x - side * (back + 0.1), 1.5, z),
            (0.12, 1.5, wide * draws(number, 0.4, 0.95)),
            shop,
            heading=heading,
            there=there & draws.chance(number, 0.55) & ~country,
        )
        awning = paint(('stripes', 'plain', 'print', 'sign'), number, draws(number, 0.8, 3.0))
        solids.add(
            (x - side * (back + 0.5), 3.1, z),
            (0.6, 0.25, wide * draws(number, 0.2, 0.8)),
            awning,
            heading=heading,
            there=there & draws.chance(number, 0.4) & ~country,
        )
    tall = draws(5, 4.0, 30.0)
    solids.add(
        (draws(5, -70, 70), tall, draws(5, 90, 180)),
        (draws(5, 5, 25), tall, 8.0),
        paint(('tower', 'facade', 'plain'), 5, draws(5, 10, 18), contrast=0.9),
        there=draws.chance(5, 0.5),
    )
    hill = paint(
        ('leaves', 'clouds'),
        2,
        draws(2, 5.0, 20.0),
        contrast=0.7,
        bright=np.clip(paint.colour(2, 0.08, 0.4, 0.3) * _GREEN, 0.01, 1),
    )
    solids.add(
        (draws(2, -120, 120), -2.0, draws(2, 160, 250)),
        (draws(2, 40, 120), draws(2, 8, 30), draws(2, 20, 50)),
        hill,
        kind=ELLIPSOID,
        there=draws.chance(2, np.where(country, 0.8, 0.3)),
    )


def _running(steps: Array) -> Array:
    """Running sums along the second axis, added up one by one."""
    total = np.zeros_like(steps[:, 0])
    sums = []
    for step in np.moveaxis(steps, 1, 0):
        total = total + step
        sums.append(total)
    return np.stack(sums, 1)


def _vehicles(draws: Draws, paint: Paint, street: Ground, edge: Array) -> None:
    """Parked cars at both sides, cars on the road."""
    parked, moving = 7, 5
    side = draws.signs(parked)
    x = np.concatenate(
        [side * (edge - draws(parked, 0.8, 1.3)), draws(moving, -0.75, 0.75) * edge], 1
    )
    z = np.concatenate([between(3, 45, draws(parked)), between(6, 80, draws(moving))], 1)
    number = parked + moving
    along = np.where(x < 0, np.float32(3.14159265), np.float32(0)) + draws(number, -0.06, 0.06)
    frame = Frame(x, 0.0, z, turn(along))
    there = draws.chance(number, 0.6)
    speed = np.concatenate([np.zeros_like(side), draws(moving, 0, 20)], 1)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    half_w, half_l = draws(number, 0.78, 0.95), draws(number, 1.8, 2.4)
    lift, belt, roof = draws(number, 0.15, 0.3), draws(number, 0.75, 1.0), draws(number, 1.4, 1.9)
    cabin_l, cabin_z = half_l * draws(number, 0.45, 0.8), draws(number, -0.5, 0.1)
    van = draws.chance(number, 0.2)
    roof, cabin_l = np.where(van, roof + 0.5, roof), np.where(van, half_l * 0.92, cabin_l)
    cabin_z = np.where(van, 0.0, cabin_z)
    body = paint(
        ('plain', 'plain', 'doors', 'print'),
        number,
        (2 * half_w, draws(number, 1, 4)),
        contrast=0.5,
        vivid=0.9,
    )
    glass = paint(
        ('plain', 'clouds', 'poster'),
        number,
        draws(number, 0.8, 3),
        bright=paint.colour(number, 0.03, 0.5, 0.3),
    )
    tyre = paint(('plain',), number, 0.5, bright=grey(draws(number, 0.02, 0.1), number, len(x)))
    lamps = paint(
        ('plain',),
        number,
        0.3,
        bright=paint.colour(number, 0.2, 0.9, 1.0),
        glow=draws(number, 0, 1.5),
    )

    street.shadow(x, z, (half_w * 1.3, half_l * 1.12), 1.5, there, velocity)

    def part(
        centre: tuple[Array | float, Array | float, Array | float],
        half: tuple[Array | float, Array | float, Array | float],
        material: Array,
        kind: int = BOX,
    ) -> None:
        street.solids.add(
            frame.at(*centre),
            half,
            material,
            kind=kind,
            heading=frame.heading,
            there=there,
            velocity=velocity,
        )

    part((0.0, (lift + belt) / 2, 0.0), (half_w, (belt - lift) / 2, half_l), body)
    middle, high = (belt + roof) / 2, (roof - belt) / 2
    part((0.0, middle + 0.02, cabin_z), (half_w * 0.88, high + 0.03, cabin_l), body)
    part((0.0, middle, cabin_z), (half_w * 0.89, high * 0.75, cabin_l * 0.85), glass)
    part((0.0, middle, cabin_z), (half_w * 0.78, high * 0.75, cabin_l + 0.02), glass)
    for end in (-1, 1):
        part((0.0, belt - 0.18, end * (half_l + 0.01)), (half_w * 0.95, 0.07, 0.02), lamps)
        part((0.0, lift + 0.1, end * (half_l + 0.03)), (half_w * 0.98, 0.09, 0.06), tyre)
        for across in (-1, 1):
            part(
                (across * (half_w - 0.06), 0.31, end * (half_l - 0.75)),
                (0.11, 0.31, 0.31),
                tyre,
                ELLIPSOID,
            )


def _lorries(draws: Draws, paint: Paint, street: Ground, edge: Array) -> None:
    """Lorries and buses."""
    number = 2
    frame = Frame(
        draws(number, -0.7, 0.7) * edge,
        0.0,
        between(9, 70, draws(number)),
        turn(draws(number, -0.05, 0.05)),
    )
    there = draws.chance(number, 0.25)
    speed = draws(number, 0, 18)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    half_l, tall = draws(number, 2.5, 6.0), draws(number, 2.6, 3.8)
    box = paint(
        ('poster', 'ribs', 'print', 'plain', 'facade', 'folds'),
        number,
        (draws(number, 1.5, 5), tall - 0.9),
        fit=True,
        contrast=0.9,
    )
    street.shadow(frame.x, frame.z, (1.7, half_l * 1.15), 3.0, there, velocity)
    for centre, half, material, kind in (
        ((0.0, (tall + 0.9) / 2, 0.0), (1.22, (tall - 0.9) / 2, half_l), box, BOX),
        ((0.0, 1.5, half_l + 1.0), (1.18, 1.1, 0.8), paint(('plain', 'doors'), number, 2.2), BOX),
        ((0.0, 0.7, 0.0), (1.0, 0.2, half_l), paint(('plain',), number, 2.0), BOX),
        ((-0.95, 0.5, 1 - half_l), (0.2, 0.5, 0.5), paint(('plain',), number, 1.0), ELLIPSOID),
        ((0.95, 0.5, 1 - half_l), (0.2, 0.5, 0.5), paint(('plain',), number, 1.0), ELLIPSOID),
    ):
        street.solids.add(
            frame.at(*centre),
            half,
            material,
            kind=kind,
            heading=frame.heading,
            there=there,
            velocity=velocity,
        )


def _trees(draws: Draws, paint: Paint, verges: list[Ground], edge: Array, country: Array) -> None:
    """Trees, hedges and walls."""
    solids = verges[0].solids
    number = 9
    side = draws.signs(number)
    x = side * (edge + draws(number, 0.6, 2.5) + np.where(country, draws(number) ** 2 * 25, 0))
    frame = Frame(x, 0.0, between(4, 110, draws(number)), turn(draws(number, 0, 6)))
    there = draws.chance(number, np.where(country, 0.85, 0.45))
    trunk, crown = draws(number, 1.0, 2.5), between(0.9, 3.2, draws(number))
    bark = paint(
        ('folds', 'wood', 'clouds'),
        number,
        draws(number, 0.4, 1.0),
        bright=paint.colour(number, 0.05, 0.35, 0.2),
    )
    thick = draws(number, 0.08, 0.3)
    _shadows(verges, side, frame, crown * 0.8, 2 * trunk, there)
    solids.add(frame.at(0.0, trunk, 0.0), (thick, trunk, thick), bark, kind=CYLINDER, there=there)
    leaves = paint(
        ('leaves', 'leaves', 'gravel', 'clouds'),
        number,
        draws(number, 0.8, 3.5),
        contrast=0.95,
        bright=np.clip(paint.colour(number, 0.08, 0.6, 0.3) * _GREEN, 0.01, 1),
    )
    for _ in range(4):
        size = crown * draws(number, 0.45, 1.0)
        solids.add(
            frame.at(
                draws(number, -0.6, 0.6) * crown,
                2 * trunk + draws(number, -0.2, 1.0) * crown,
                draws(number, -0.6, 0.6) * crown,
            ),
            (size, size * draws(number, 0.7, 1.2), size),
            leaves,
            kind=ELLIPSOID,
            there=there,
        )
    hedges = 6
    side = draws.signs(hedges)
    tall = draws(hedges, 0.3, 1.1)
    solids.add(
        (side * (edge + draws(hedges, 0.5, 6.0)), tall, draws(hedges, 2, 60)),
        (draws(hedges, 0.1, 0.7), tall, draws(hedges, 2, 10)),
        paint(
            ('leaves', 'planks', 'bricks', 'ribs', 'gravel'),
            hedges,
            draws(hedges, 0.8, 2.5),
            bright=paint.colour(hedges, 0.1, 0.6, 0.5),
        ),
        there=draws.chance(hedges, 0.45),
    )


def _furniture(draws: Draws, paint: Paint, verges: list[Ground], edge: Array, kerb: Array) -> None:
    """Lamp posts, signs, traffic lights, bollards, bins, and a bridge or gantry."""
    solids = verges[0].solids
    number = 8
    side = draws.signs(number)
    frame = Frame(
        side * (edge + draws(number, 0.3, 1.2)),
        kerb,
        between(4, 80, draws(number)),
        turn(np.where(side < 0, np.float32(0), np.float32(3.14159265))),
    )
    metal = paint(
        ('plain', 'stripes'), number, 0.5, bright=grey(draws(number, 0.05, 0.6), number, len(side))
    )
    there = draws.chance(number, 0.6)
    tall, thin = draws(number, 1.5, 4.2), draws(number, 0.035, 0.12)
    solids.add(frame.at(0.0, tall, 0.0), (thin, tall, thin), metal, kind=CYLINDER, there=there)
    arm = draws(number, 0.3, 1.2)
    lamp = draws.chance(number, 0.5)
    solids.add(
        frame.at(arm, 2 * tall, 0.0),
        (arm, 0.04, 0.04),
        metal,
        heading=frame.heading,
        there=there & lamp,
    )
    solids.add(
        frame.at(2 * arm, 2 * tall - 0.05, 0.0),
        (0.3, 0.09, 0.15),
        paint(('plain',), number, bright=grey(0.8, number, len(side)), glow=draws(number, 0, 1)),
        heading=frame.heading,
        there=there & lamp,
    )
    plate = draws(number, 0.25, 0.55)
    solids.add(
        frame.at(0.0, 2 * tall - plate, -0.08),
        (plate, plate * draws(number, 0.5, 1.4), 0.015),
        paint(('sign', 'print', 'poster'), number, 2 * plate, fit=True, contrast=1.0, vivid=1.0),
        there=there & ~lamp,
    )
    bins = 8
    side = draws.signs(bins)
    size = draws(bins, 0.08, 0.5)
    high = draws(bins, 0.35, 0.75)
    there = draws.chance(bins, 0.5)
    frame = Frame(
        side * (edge + draws(bins, 0.2, 2.5)), kerb, between(3, 40, draws(bins)), turn(side)
    )
    _shadows(verges, side, frame, size * 1.4, high, there)
    solids.add(
        frame.at(0.0, high, 0.0),
        (size, high, size),
        paint(('plain', 'stripes', 'poster', 'ribs'), bins, 0.8),
        kind=draws.choose(bins, [BOX, CYLINDER, CYLINDER]).astype(np.int8),
        there=there,
    )
    solids.add(
        (0.0, draws(1, 5.0, 7.0), draws(1, 20, 90)),
        (edge + 4, draws(1, 0.2, 1.0), draws(1, 0.2, 4.0)),
        paint(('plain', 'blocks', 'print', 'ribs'), 1, draws(1, 1.5, 5)),
        there=draws.chance(1, 0.2),
    )
