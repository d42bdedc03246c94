# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rooms and corridors full of furniture, things and people, at their real sizes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from spike_training.scenes import atlas
from spike_training.scenes.builder import (
    Draws,
    Frame,
    Ground,
    Paint,
    Solids,
    Value,
    ambience,
    between,
    camera_axes,
    direction,
    grey,
    shaded,
    turn,
    visible,
)
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array, Scenes

_ANYTHING = ('poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'mosaic', 'wood')
_QUARTER = 1.5707963

# What stands or hangs along walls: half width, height, depth, foot; each from, to.
_WALL_THINGS: tuple[tuple[tuple[str, ...], tuple[float, ...]], ...] = (
    (('doors', 'drawers'), (0.3, 0.8, 0.65, 1.1, 0.3, 0.6, 0.0, 0.0)),
    (('doors', 'wood'), (0.35, 0.8, 1.7, 2.2, 0.35, 0.6, 0.0, 0.0)),
    (('books', 'books'), (0.35, 0.7, 1.1, 2.2, 0.22, 0.35, 0.0, 0.0)),
    (('goods', 'goods'), (0.4, 0.8, 1.0, 2.0, 0.3, 0.5, 0.0, 0.0)),
    (('door', 'door'), (0.4, 0.5, 1.95, 2.1, 0.02, 0.06, 0.0, 0.0)),
    (('clouds', 'plain'), (0.4, 1.0, 0.9, 1.5, 0.02, 0.08, 0.8, 1.0)),
    (('ribs', 'ribs'), (0.3, 0.7, 0.5, 0.7, 0.08, 0.15, 0.1, 0.15)),
    (('weave', 'folds'), (0.6, 1.0, 0.4, 0.85, 0.6, 0.9, 0.0, 0.0)),
    (('poster', 'print'), (0.25, 0.8, 0.4, 1.1, 0.01, 0.04, 0.9, 1.2)),
    (('screen', 'text'), (0.25, 0.7, 0.4, 0.9, 0.03, 0.08, 0.9, 1.3)),
    (('folds', 'folds'), (0.3, 0.7, 1.8, 2.2, 0.08, 0.15, 0.05, 0.2)),
)
_WINDOW, _SCREEN = 5, 9


@dataclasses.dataclass(frozen=True)
class Room:
    """Sizes of rooms and poses of the cameras in them, ``[B, 1]`` each.

    Attributes:
        half_x: Half width, metres.
        half_z: Half length, metres.
        height: Metres.
        corridor: Which are corridors.
        desk: Which are looked at from behind a table.
        x: Camera position, metres.
        z: Likewise.
        yaw: Of the camera, radians.
    """

    half_x: Array
    half_z: Array
    height: Array
    corridor: Array
    desk: Array
    x: Array
    z: Array
    yaw: Array


@dataclasses.dataclass(frozen=True)
class Manner:
    """How rooms are furnished and looked at; the default is whatever a robot may run into.

    Pairs are from and to, lengths metres, angles radians.

    Attributes:
        corridors: Share of corridors among the rooms.
        desks: Share of other rooms that are looked at from behind a table.
        focal: Focal length over the width of the image.
        across: Whether cameras stand anywhere between the walls, most of them near the far one;
            else in the rear half, most at the rear wall.
        margin: Least way to the side walls.
        eye: Height of the camera.
        desk_eye: Height of a camera behind a table.
        pitch: How far the camera looks up.
        steepest: Largest pitch downwards over the height of the camera, radians per metre.
        clutter: Share of the things on the floor that are there.
        clutter_from: Distance from which on they are.
        people_from: Likewise of people.
        plants_from: Likewise of plants and standing lamps.
        pillars_from: Likewise of pillars and pieces of wall.
        kitchens: Share of rooms that have a worktop.
        worktop: Half of its length.
        facing: Share of worktops that are at the far wall.
        cupboards: Share of worktops that have cupboards above them.
        fronts: Textures of the doors below and above.
        fronts_contrast: Their contrast.
        notes: Notes, pictures and small shelves over a worktop without cupboards, at most.
        blocks: Share of kitchens with a second block, out in the room or on along the side.
        table_things: Largest size of what lies on tables.
        screens: Share of tables with a screen.
        seats: Share of tables with a set of chairs at both sides; walls hide those beyond them.
        contrast: Factor on the contrast of textures: where it is low, shading tells more.
        harsh: Whether light is uneven and contrasts are unusual in all rooms.
        desk_pitch: How far a camera behind a table looks up.
        desk_distance: From that camera to the middle of the table.
        roll: Largest roll of the camera to either side.
        tables: Share of the two tables that are there.
        furnish: Adds further furniture to the rooms of a style.
    """

    corridors: float = 0.18
    desks: float = 0.35
    focal: tuple[float, float] = (0.55, 1.4)
    across: bool = False
    margin: float = 0.4
    eye: tuple[float, float] = (0.35, 1.9)
    desk_eye: tuple[float, float] = (1.0, 1.55)
    pitch: tuple[float, float] = (-0.45, 0.25)
    steepest: float = math.inf
    clutter: float = 0.7
    clutter_from: float = 0.7
    people_from: float = 1.2
    plants_from: float = 1.2
    pillars_from: float = 1.8
    kitchens: float = 0.3
    worktop: tuple[float, float] = (0.7, 1.7)
    facing: float = 0.5
    cupboards: float = 0.75
    fronts: tuple[str, ...] = ('doors', 'drawers', 'doors')
    fronts_contrast: float = 0.7
    notes: int = 0
    blocks: float = 0.0
    table_things: float = 0.16
    screens: float = 0.55
    seats: float = 0.0
    contrast: float = 1.0
    harsh: bool = False
    desk_pitch: tuple[float, float] = (-0.68, -0.2)
    desk_distance: tuple[float, float] = (0.75, 1.2)
    roll: float = 0.07
    tables: float = 0.7
    furnish: Callable[[Draws, Paint, Ground, Room], None] | None = None


CLUTTERED = Manner()
HOME = Manner(
    corridors=0.08,
    desks=0.5,
    focal=(0.7, 1.3),
    across=True,
    margin=0.8,
    eye=(1.1, 1.8),
    desk_eye=(1.2, 1.75),
    pitch=(-0.6, 0.05),
    clutter=0.3,
    clutter_from=1.3,
    people_from=2.0,
    plants_from=1.8,
    pillars_from=2.4,
    kitchens=0.75,
    worktop=(1.0, 2.5),
    facing=0.7,
    cupboards=0.4,
    fronts=('doors', 'plain', 'drawers', 'wood'),
    fronts_contrast=0.5,
    notes=16,
    blocks=0.3,
    table_things=0.09,
    screens=0.25,
    seats=0.8,
    contrast=0.5,
    harsh=True,
)
"""Tidy rooms, seen by somebody who stands in them: a wall two or three metres away, a worktop."""


def indoor(draws: Draws) -> Scenes:
    """Scenes from random numbers: full rooms, seen along their length."""
    return rooms(draws, CLUTTERED)


def home(draws: Draws) -> Scenes:
    """Scenes from random numbers: tidy rooms, seen by somebody who stands in them."""
    return rooms(draws, HOME)


def rooms(draws: Draws, manner: Manner) -> Scenes:
    """Sample rooms.

    Args:
        draws: Random numbers.
        manner: How the rooms are furnished and where cameras are.
    """
    batch = len(draws(1))
    paint, solids = Paint(draws, manner.contrast), Solids(batch)
    corridor, desk = draws.chance(1, manner.corridors), draws.chance(1, manner.desks)
    desk &= ~corridor
    half_x = np.where(corridor, draws(1, 0.7, 1.4), draws(1, 1.4, 3.5))
    half_z = np.where(corridor, draws(1, 3.0, 6.0), draws(1, 1.6, 4.5))
    height = draws(1, 2.3, 3.2)
    focal = between(*manner.focal, draws(1))

    eye_y = np.where(desk, draws(1, *manner.desk_eye), draws(1, *manner.eye))
    eye_x = draws(1, -1, 1) * np.maximum(half_x - manner.margin, 0.1)
    share = draws(1) ** 2
    if manner.across:
        eye_z = half_z - 1.6 - share * (2 * half_z - 2.0)
    else:
        eye_z = -half_z + 0.4 + share * half_z
    yaw = draws(1, -0.9, 0.9) * np.where(corridor, 0.4, 1.0) - 0.4 * eye_x / half_x
    pitch = np.where(desk, draws(1, *manner.desk_pitch), draws(1, *manner.pitch))
    pitch = np.maximum(pitch, -manner.steepest * eye_y)
    heading = turn(yaw)
    reach = 0.5 / focal

    def ahead(number: int, near: float, far: float, spread: float, wall: float) -> Frame:
        """Places on the floor within view, somewhere between two distances."""
        distance = between(near, far, draws(number))
        aside = draws(number, -1, 1) * spread * reach * distance
        view = Frame(eye_x, 0.0, eye_z, heading)
        x, _, z = view.at(aside, 0.0, distance)
        bearing = turn(
            yaw
            + np.where(
                draws.chance(number, 0.6), draws(number, -0.2, 0.2), draws(number, -1.6, 1.6)
            )
        )
        inner_x, inner_z = np.maximum(half_x - wall, 0.2), np.maximum(half_z - wall, 0.2)
        return Frame(np.clip(x, -inner_x, inner_x), 0.0, np.clip(z, -inner_z, inner_z), bearing)

    floor = paint(
        ('planks', 'tiles', 'slabs', 'checks', 'gravel', 'weave', 'wood', 'plaster'),
        1,
        draws(1, 0.8, 3.0),
    )
    sun, dark = direction(draws, 0.5, 2.5), draws(1, 0.3, 0.85)
    ground = Ground(solids, floor, sun, dark)

    _wall_things(draws, paint, solids, half_x, half_z, height, eye_z)
    _shelf(draws, paint, solids, half_x, half_z)
    _kitchen(draws, paint, solids, half_x, half_z, height, manner)
    table = ahead(2, 1.1, 4.5, 0.9, 0.5)
    aside, away = draws(1, -0.3, 0.3), draws(1, *manner.desk_distance)
    close = Frame(eye_x, 0.0, eye_z, heading).at(aside, 0.0, away)
    for name, value in (('x', close[0]), ('z', close[2])):
        place = getattr(table, name).copy()
        place[:, :1] = np.where(desk, value, place[:, :1])
        setattr(table, name, place)
    there, sizes = _tables(draws, paint, ground, table, desk, manner)
    if manner.seats:
        _seats(draws, paint, ground, table, there & draws.chance(2, manner.seats), sizes)
    _chairs(draws, paint, ground, ahead(3, 1.0, 5.0, 0.9, 0.35))
    _people(draws, paint, ground, ahead(2, manner.people_from, 6.0, 0.9, 0.35))
    plants = ahead(2, manner.plants_from, 5.0, 1.0, 0.35)
    _plants_and_lamps(draws, paint, ground, plants, height, eye_x, eye_z)
    clutter = ahead(10, manner.clutter_from, 5.0, 1.0, 0.2)
    _clutter(draws, paint, ground, clutter, manner.clutter)

    # A pillar or a piece of wall, and a rug.
    corner = ahead(2, manner.pillars_from, 6.0, 1.3, 0.1)
    solids.add(
        (corner.x, height / 2, corner.z),
        (draws(2, 0.08, 0.5), height / 2, draws(2, 0.06, 0.3)),
        paint(('plaster', 'plain', 'bricks', 'tiles', 'wood'), 2, draws(2, 0.6, 2.5)),
        there=draws.chance(2, 0.25),
    )
    rug = ahead(1, 1.0, 4.0, 0.6, 0.6)
    solids.add(
        (rug.x, 0.006, rug.z),
        (draws(1, 0.5, 1.3), 0.006, draws(1, 0.4, 1.0)),
        paint(('weave', 'checks', 'stripes', 'poster', 'mosaic'), 1, draws(1, 0.4, 2.0)),
        heading=rug.heading,
        there=draws.chance(1, 0.5),
    )

    if manner.furnish:
        room = Room(half_x, half_z, height, corridor, desk, eye_x, eye_z, yaw)
        manner.furnish(draws, paint, ground, room)

    shell = np.concatenate(
        [
            floor,
            _walls(draws, paint),
            paint(
                ('plain', 'plaster', 'tiles', 'slabs', 'planks'),
                1,
                draws(1, 1.0, 4.0),
                bright=grey(draws(1, 0.4, 0.95), 1, batch),
                contrast=0.3,
            ),
            paint(('plain',), 1),
        ],
        1,
    )
    eye = np.concatenate([eye_x, eye_y, eye_z], 1).astype(np.float32)
    speed = between(0.03, 3.0, draws(1))
    axes = camera_axes(pitch[:, 0], yaw[:, 0], draws(1, -manner.roll, manner.roll)[:, 0])
    drift = np.concatenate([draws(1, -1, 1), draws(1, -0.4, 0.4), draws(1, -1, 1)], 1)
    spin = draws(3, -1, 1) ** 3 * np.array([1.0, 2.0, 0.7], np.float32)
    return Scenes(
        **visible(solids.arrays(), eye, axes, focal[:, 0], 0.3),
        shell_material=shell,
        shell=np.stack(
            [
                np.concatenate([-half_x, 0 * height, -half_z], 1),
                np.concatenate([half_x, height, half_z], 1),
            ],
            1,
        ).astype(np.float32),
        open=np.zeros(batch, np.float32),
        focal=focal[:, 0],
        eye=eye,
        axes=axes,
        drift=(drift * speed).astype(np.float32),
        spin=spin,
        sun=sun,
        light=np.concatenate([draws(1, 0.0, 0.7), draws(1, 0.25, 0.7), draws(1, 0.0, 2.0)], 1),
        lamp=np.concatenate(
            [draws(1, -1, 1) * half_x, height - 0.3, draws(1, -0.5, 1) * half_z], 1
        ).astype(np.float32),
        haze=np.full(batch, 1e6, np.float32),
        blur=draws(1)[:, 0],
        rate=between(0.03, 0.6, draws(1))[:, 0],
        phase=(draws(2) * 2.0**24).astype(np.int64) @ np.array([1, 1 << 8]),
        **ambience(draws, 0.9, manner.harsh),
    )


def _walls(draws: Draws, paint: Paint) -> Array:
    """Side and end walls, mostly bright and often alike."""
    bright = paint.colour(2, 0.25, 0.9, 0.4)
    walls = paint(
        ('plain', 'plaster', 'plaster', 'bricks', 'blocks', 'tiles', 'stripes', 'wood'),
        2,
        draws(2, 1.0, 4.0),
        bright=bright,
        contrast=0.5,
    )
    same = draws.chance(1, 0.6)[..., None]
    walls[:, 1:] = np.where(same, walls[:, :1], walls[:, 1:])
    return walls


def _wall_things(
    draws: Draws,
    paint: Paint,
    solids: Solids,
    half_x: Array,
    half_z: Array,
    height: Array,
    eye_z: Array,
) -> None:
    """Furniture, doors, windows and pictures along the far wall and both side walls."""
    limits = np.asarray([row for _, row in _WALL_THINGS], np.float32)
    tiles = np.asarray(
        [
            [atlas.TILES[name][k % len(atlas.TILES[name])] for name in names for k in range(2)]
            for names, _ in _WALL_THINGS
        ],
    )
    for wall in range(3):
        number = 5
        what = (draws(number) * len(limits)).astype(np.int64)
        span = limits[what]
        half_w, tall, deep, foot = (
            span[..., 2 * k] + (span[..., 2 * k + 1] - span[..., 2 * k]) * draws(number)
            for k in range(4)
        )
        # Places along the wall, one in each of its parts.
        length = 2 * half_x if wall == 0 else half_z - eye_z
        start = -half_x if wall == 0 else eye_z
        part = length / number
        half_w = np.minimum(half_w, 0.48 * part + 0.15)
        along = start + part * (np.arange(number) + 0.5) + draws(number, -0.3, 0.3) * part
        tall = np.minimum(tall, height - foot - 0.05)
        variant = tiles[what, (draws(number) * 4).astype(np.int64)]
        material = paint(('plain',), number, (2 * half_w, tall), fit=True, contrast=0.9)
        material[..., 0] = variant * atlas.TEXELS
        material[..., 6] = np.where(
            what == _WINDOW, draws(number, 0, 2.5), np.where(what == _SCREEN, draws(number), 0)
        )
        there = draws.chance(number, 0.8)
        if wall == 0:
            x, z, heading = along, half_z - deep / 2, turn(np.zeros_like(along))
        else:
            x, z = (half_x - deep / 2) * (-1 if wall == 1 else 1), along
            heading = turn(_QUARTER)
        solids.add(
            (x, foot + tall / 2, z),
            (half_w, tall / 2, deep / 2),
            material,
            heading=heading,
            there=there,
        )
        # A second row above: pictures, notices, cupboards, small shelves.
        high, low = draws(number, 0.08, 0.4), draws(number, 1.15, 1.8)
        high = np.minimum(high, (height - low) / 2 - 0.02)
        broad = np.minimum(draws(number, 0.08, 0.5), 0.5 * part)
        thick = draws(number) ** 3 * 0.18 + 0.008
        aside = along + draws(number, -0.5, 0.5) * part
        place = (aside, half_z - thick)
        if wall:
            place = ((half_x - thick) * (-1 if wall == 1 else 1), aside)
        solids.add(
            (place[0], low + high, place[1]),
            (broad, high, thick),
            paint(
                ('poster', 'poster', 'text', 'print', 'doors', 'books', 'goods', 'screen', 'sign'),
                number,
                (2 * broad, 2 * high),
                fit=True,
                contrast=0.95,
                vivid=0.9,
            ),
            heading=heading,
            there=draws.chance(number, 0.55),
        )
        # Things on top of what is low and deep enough.
        top = foot + tall
        for _ in range(2):
            size = between(0.04, 0.25, draws(number))
            aside = draws(number, -0.8, 0.8) * half_w
            shift_x, shift_z = (aside, 0.0) if wall == 0 else (0.0, aside)
            solids.add(
                (x + shift_x, top + size, z + shift_z),
                (size * draws(number, 0.3, 1), size, np.minimum(size, deep / 2)),
                paint(_ANYTHING, number, 2 * size),
                kind=draws.choose(number, [BOX, BOX, CYLINDER, ELLIPSOID]).astype(np.int8),
                heading=heading,
                there=there & (top < 1.7) & (deep > 0.2) & draws.chance(number, 0.7),
            )


def _shelf(draws: Draws, paint: Paint, solids: Solids, half_x: Array, half_z: Array) -> None:
    """An open shelf with boards, and things of its own on each of them."""
    there = draws.chance(1, 0.6)
    half_w, tall, deep = draws(1, 0.4, 0.7), draws(1, 1.2, 2.1), draws(1, 0.24, 0.38)
    side = draws(1)
    end = side < 0.5
    x = np.where(
        end,
        draws(1, -0.9, 0.9) * np.maximum(half_x - half_w, 0.1),
        np.where(side < 0.75, -1, 1) * (half_x - deep / 2),
    )
    z = np.where(end, half_z - deep / 2, draws(1, 0.0, 0.9) * np.maximum(half_z - half_w, 0.1))
    frame = Frame(x, 0.0, z, turn(np.where(end, 0.0, np.where(side < 0.75, -1, 1) * _QUARTER)))
    board = paint(('wood', 'plain'), 1, draws(1, 0.5, 1.5))
    number = 5
    level = np.arange(number, dtype=np.float32) * (tall / number)
    solids.add(
        frame.at(0.0, level + 0.02, 0.0),
        (half_w, 0.012, deep / 2),
        np.repeat(board, number, 1),
        heading=frame.heading,
        there=there,
    )
    edge = half_w * np.array([-1, 1], np.float32)
    solids.add(
        frame.at(edge, tall / 2, 0.0),
        (0.012, tall / 2, deep / 2),
        np.repeat(board, 2, 1),
        heading=frame.heading,
        there=there,
    )
    solids.add(
        frame.at(0.0, tall / 2, deep / 2 - 0.01),
        (half_w, tall / 2, 0.006),
        board,
        heading=frame.heading,
        there=there,
    )
    for place in (-0.5, 0.5):
        wide = half_w * draws(number, 0.15, 0.45)
        high = tall / number * draws(number, 0.25, 0.45)
        aside = half_w * (place + draws(number, -0.1, 0.1))
        solids.add(
            frame.at(aside, level + 0.032 + high, draws(number, -0.05, 0.05)),
            (wide, high, deep / 2 * draws(number, 0.4, 0.8)),
            paint(
                ('books', 'goods', 'poster', 'text', 'stripes', 'plain', 'doors'),
                number,
                (2 * wide * draws(number, 1, 2), 2 * high),
                fit=True,
                contrast=0.95,
            ),
            kind=draws.choose(number, [BOX, BOX, BOX, CYLINDER]).astype(np.int8),
            heading=frame.heading,
            there=there & draws.chance(number, 0.8),
        )


def _tables(
    draws: Draws, paint: Paint, ground: Ground, table: Frame, desk: Array, manner: Manner
) -> tuple[Array, tuple[Array, Array]]:
    """Two tables with a screen, a keyboard and things; which are there, half width and depth."""
    solids = ground.solids
    there = draws.chance(2, manner.tables)
    there[:, :1] |= desk
    half_w, half_d = draws(2, 0.4, 0.95), draws(2, 0.28, 0.5)
    top, thick = draws(2, 0.42, 0.78), draws(2, 0.012, 0.03)
    top[:, :1] = np.where(desk, draws(1, 0.7, 0.78), top[:, :1])
    material = paint(('wood', 'plain', 'planks', 'plaster', 'weave'), 2, draws(2, 0.5, 1.5))
    solids.add(
        table.at(0.0, top - thick, 0.0),
        (half_w, thick, half_d),
        material,
        heading=table.heading,
        there=there,
    )
    ground.shadow(table.x, table.z, (half_w, half_w), top, there)
    leg = draws(2, 0.015, 0.035)
    for x in (-1, 1):
        for z in (-1, 1):
            solids.add(
                table.at(x * (half_w - 0.06), top / 2 - thick, z * (half_d - 0.06)),
                (leg, top / 2 - thick, leg),
                material,
                heading=table.heading,
                there=there,
            )
    for _ in range(9):
        size = between(0.02, manner.table_things, draws(2))
        half = (size * draws(2, 0.3, 1.6), size * draws(2, 0.15, 1.2), size * draws(2, 0.3, 1.2))
        aside, along = draws(2, -0.9, 0.9) * half_w, draws(2, -0.85, 0.85) * half_d
        at = table.at(aside, top + half[1], along)
        item = there & draws.chance(2, 0.75)
        solids.add(
            table.at(aside, top + 0.0005, along),
            (half[0] * 1.25 + 0.01, 0.001, half[2] * 1.25 + 0.01),
            shaded(material, aside, along, np.repeat(ground.share, 2, 1)),
            kind=CYLINDER,
            heading=table.heading,
            there=item,
        )
        solids.add(
            at,
            half,
            paint(_ANYTHING + ('books', 'keys'), 2, 2 * size, fit=True),
            kind=draws.choose(2, [BOX, BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(np.int8),
            heading=turn(draws(2, 0, 6.28)),
            there=item,
        )
    screen = there & draws.chance(2, manner.screens)
    wide, tall = draws(2, 0.17, 0.35), draws(2, 0.11, 0.22)
    aside = draws(2, -0.4, 0.4) * half_w
    solids.add(
        table.at(aside, top + 0.08 + tall, 0.5 * half_d),
        (wide, tall, 0.015),
        paint(('screen',), 2, (2 * wide, 2 * tall), fit=True, contrast=1.0, glow=draws(2, 0, 1.5)),
        heading=table.heading,
        there=screen,
    )
    dark = grey(draws(2, 0.02, 0.3), 2, len(aside))
    solids.add(
        table.at(aside, top + 0.06, 0.55 * half_d),
        (0.03, 0.06, 0.02),
        paint(('plain',), 2, bright=dark),
        heading=table.heading,
        there=screen,
    )
    solids.add(
        table.at(aside, top + 0.01, -0.3 * half_d),
        (0.21, 0.01, 0.07),
        paint(('keys',), 2, (0.42, 0.14), fit=True, contrast=0.9),
        heading=table.heading,
        there=screen,
    )
    return there, (half_w, half_d)


def _seats(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    table: Frame,
    there: Array,
    sizes: tuple[Array, Array],
) -> None:
    """Chairs alike on both sides of each table, pushed in or drawn back; backs of three rails."""
    half_w, half_d = sizes
    solids = ground.solids
    wood = paint(('wood', 'plain', 'plain'), 2, draws(2, 0.3, 1.5), contrast=0.5)
    cover = paint(('weave', 'plain', 'wood'), 2, draws(2, 0.2, 0.8))
    plain = draws.chance(2, 0.5)
    cover = np.where(plain[..., None], wood, cover)
    half, seat, back = draws(2, 0.19, 0.24), draws(2, 0.42, 0.48), draws(2, 0.36, 0.56)
    rail = draws.choose(2, [0.34, 0.14, 0.1])
    for side in (-1, 1):
        for place in (-0.5, 0.5):
            aside = place * half_w * draws(2, 0.8, 1.2)
            away = side * (half_d + draws(2, -0.15, 0.35))
            x, _, z = table.at(aside, 0.0, away)
            c, s = table.heading
            cos, sin = turn(draws(2, -0.3, 0.3) + (0.0 if side > 0 else 2 * _QUARTER))
            chair = Frame(x, 0.0, z, (c * cos - s * sin, s * cos + c * sin))  # sum of the angles
            item = there & draws.chance(2, 0.75) & ((half_w > 0.55) | (place < 0))
            ground.shadow(x, z, (half * 1.2, half * 1.2), seat, item)
            tall = (seat + back) / 2
            parts: list[tuple[tuple[Value, Value, Value], tuple[Value, Value, Value], Array]]
            parts = [((0.0, seat, 0.0), (half, 0.025, half), cover)]
            for k in range(3):
                high = seat + back * (0.35 + 0.29 * k)
                parts.append(((0.0, high, half), (half, 0.45 * back * rail, 0.015), wood))
            for hand in (-1, 1):
                post = hand * (half - 0.02)
                parts.append(((post, tall, half), (0.02, tall, 0.02), wood))
                parts.append(((post, seat / 2, -half + 0.03), (0.02, seat / 2, 0.02), wood))
            for centre, size, material in parts:
                solids.add(chair.at(*centre), size, material, heading=chair.heading, there=item)


def _chairs(draws: Draws, paint: Paint, ground: Ground, chair: Frame) -> None:
    solids = ground.solids
    there = draws.chance(3, 0.7)
    cover = paint(('weave', 'plain', 'wood', 'stripes'), 3, draws(3, 0.2, 0.8))
    metal = paint(('plain', 'wood'), 3, draws(3, 0.3, 0.8))
    half, seat = draws(3, 0.18, 0.25), draws(3, 0.4, 0.5)
    back = draws(3, 0.12, 0.3)
    chair.heading = turn(draws(3, 0, 6.28))
    ground.shadow(chair.x, chair.z, (half * 1.2, half * 1.2), seat, there)
    solids.add(
        chair.at(0.0, seat, 0.0),
        (half, draws(3, 0.015, 0.05), half),
        cover,
        heading=chair.heading,
        there=there,
    )
    solids.add(
        chair.at(0.0, seat + 0.15 + back, half),
        (half, back, 0.02),
        cover,
        heading=chair.heading,
        there=there,
    )
    for x in (-1, 1):
        for z in (-1, 1):
            tall = seat / 2 if z < 0 else (seat + 0.2) / 2
            solids.add(
                chair.at(x * (half - 0.03), tall, z * (half - 0.03)),
                (0.016, tall, 0.016),
                metal,
                kind=CYLINDER,
                heading=chair.heading,
                there=there,
            )


def person(
    draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array, speed: Array
) -> None:
    """People: legs, trunk, arms and a head; walking where they face."""
    number, solids = there.shape[1], ground.solids
    size = draws(number, 0.85, 1.1)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    ground.shadow(frame.x, frame.z, (0.33, 0.28), 1.7, there, velocity)
    coat = paint(
        ('plain', 'stripes', 'weave', 'checks', 'poster', 'folds'), number, draws(number, 0.3, 0.8)
    )
    trousers = paint(('plain', 'weave', 'folds'), number, draws(number, 0.2, 0.8))
    skin = paint(('plain',), number, bright=paint.colour(number, 0.15, 0.6, 0.3))
    hair = paint(('leaves', 'folds'), number, 0.3, bright=paint.colour(number, 0.02, 0.4, 0.2))
    step = draws(number, -0.2, 0.2)

    def part(
        x: float,
        y: float,
        z: Array | float,
        half: tuple[float, float, float],
        material: Array,
        kind: int,
    ) -> None:
        solids.add(
            frame.at(x * size, y * size, z * size),
            tuple(v * size for v in half),  # type: ignore[arg-type]
            material,
            kind=kind,
            heading=frame.heading,
            there=there,
            velocity=velocity,
        )

    part(-0.1, 0.42, step, (0.075, 0.42, 0.08), trousers, CYLINDER)
    part(0.1, 0.42, -step, (0.075, 0.42, 0.08), trousers, CYLINDER)
    part(0.0, 1.12, 0.0, (0.21, 0.36, 0.14), coat, ELLIPSOID)
    part(-0.23, 1.08, 0.5 * step, (0.055, 0.32, 0.07), coat, ELLIPSOID)
    part(0.23, 1.08, -0.5 * step, (0.055, 0.32, 0.07), coat, ELLIPSOID)
    part(0.0, 1.6, 0.0, (0.085, 0.12, 0.1), skin, ELLIPSOID)
    part(0.0, 1.65, -0.02, (0.095, 0.1, 0.105), hair, ELLIPSOID)


def _people(draws: Draws, paint: Paint, ground: Ground, frame: Frame) -> None:
    frame.heading = turn(draws(2, 0, 6.28))
    walks = draws.chance(2, 0.5)
    speed = draws(2, 0.3, 2.0) * walks
    person(draws, paint, ground, frame, draws.chance(2, 0.3), speed)


def _plants_and_lamps(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    frame: Frame,
    height: Array,
    eye_x: Array,
    eye_z: Array,
) -> None:
    """A plant in a pot, a standing lamp, lights at the ceiling."""
    solids = ground.solids
    plant = Frame(frame.x[:, :1], 0.0, frame.z[:, :1], turn(draws(1, 0, 6)))
    there = draws.chance(1, 0.35)
    pot = draws(1, 0.1, 0.22)
    ground.shadow(plant.x, plant.z, (pot * 1.6, pot * 1.6), 0.6, there)
    solids.add(
        plant.at(0.0, pot, 0.0),
        (pot, pot, pot),
        paint(('plain', 'stripes'), 1, 0.3),
        kind=CYLINDER,
        there=there,
    )
    green = np.array([0.35, 1.0, 0.25], np.float32)
    leaves = paint(
        ('leaves',),
        1,
        draws(1, 0.3, 0.8),
        contrast=0.95,
        bright=np.clip(paint.colour(1, 0.1, 0.6, 0.2) * green, 0.01, 1),
    )
    for _ in range(3):
        crown = draws(1, 0.1, 0.35)
        solids.add(
            plant.at(
                draws(1, -0.2, 0.2), 2 * pot + crown * draws(1, 0.7, 2.0), draws(1, -0.2, 0.2)
            ),
            (crown, crown * draws(1, 0.6, 1.4), crown),
            leaves,
            kind=ELLIPSOID,
            there=there,
        )
    lamp = Frame(frame.x[:, 1:], 0.0, frame.z[:, 1:], turn(draws(1, 0, 6)))
    there, tall = draws.chance(1, 0.3), draws(1, 0.6, 0.85)
    solids.add(
        lamp.at(0.0, tall, 0.0),
        (0.015, tall, 0.015),
        paint(('plain',), 1),
        kind=CYLINDER,
        there=there,
    )
    solids.add(
        lamp.at(0.0, 2 * tall, 0.0),
        (draws(1, 0.12, 0.2), draws(1, 0.1, 0.18), 0.16),
        paint(('plain',), 1, glow=draws(1, 0, 2), bright=grey(0.9, 1, len(tall))),
        kind=CYLINDER,
        there=there,
    )
    solids.add(
        (eye_x + draws(4, -2, 2), height - 0.05, eye_z + draws(4, 0.5, 6)),
        (draws(4, 0.08, 0.6), draws(4, 0.02, 0.08), draws(4, 0.08, 0.3)),
        paint(('plain',), 4, glow=draws(4, 0.3, 2.5), bright=grey(0.9, 4, len(tall))),
        kind=draws.choose(4, [BOX, BOX, CYLINDER]).astype(np.int8),
        there=draws.chance(4, 0.6),
    )


def _clutter(draws: Draws, paint: Paint, ground: Ground, frame: Frame, share: float) -> None:
    """Boxes, bins, bags, balls on the floor, some of them piled up."""
    number, solids = frame.x.shape[1], ground.solids
    there = draws.chance(number, share)
    size = between(0.05, 0.3, draws(number))
    half = tuple(size * draws(number, 0.4, 1.3) for _ in range(3))
    frame.heading = turn(draws(number, 0, 6.28))
    kind = draws.choose(number, [BOX, BOX, BOX, CYLINDER, ELLIPSOID]).astype(np.int8)
    reach = 1.2 * np.maximum(half[0], half[2])
    ground.shadow(frame.x, frame.z, (reach, reach), 2 * half[1], there)
    solids.add(
        frame.at(0.0, half[1], 0.0),
        (half[0], half[1], half[2]),
        paint(_ANYTHING, number, 2 * size, fit=True),
        kind=kind,
        heading=frame.heading,
        there=there,
    )
    small = size * draws(number, 0.4, 0.9)
    solids.add(
        frame.at(0.1 * size, 2 * half[1] + small * 0.7, 0.0),
        (small, 0.7 * small, small),
        paint(_ANYTHING, number, 2 * small),
        heading=turn(draws(number, 0, 6.28)),
        there=there & (kind == BOX) & draws.chance(number, 0.4),
    )


def _kitchen(
    draws: Draws,
    paint: Paint,
    solids: Solids,
    half_x: Array,
    half_z: Array,
    height: Array,
    manner: Manner,
) -> None:
    """A worktop over cabinets along a wall, cupboards above, a refrigerator, things on top."""
    there = draws.chance(1, manner.kitchens)
    half_w, deep, top = draws(1, *manner.worktop), draws(1, 0.28, 0.34), draws(1, 0.82, 0.95)
    side = draws(1)
    end = side < manner.facing
    sign = np.where(side < (1 + manner.facing) / 2, np.float32(-1), np.float32(1))
    x = np.where(
        end, draws(1, -0.8, 0.8) * np.maximum(half_x - half_w, 0.1), sign * (half_x - deep)
    )
    z = np.where(end, half_z - deep, draws(1, 0.0, 0.9) * np.maximum(half_z - half_w, 0.1))
    frame = Frame(x, 0.0, z, turn(np.where(end, 0.0, sign * _QUARTER)))
    door = (draws(2, 0.8, 1.3), 0.8)
    fronts = paint(manner.fronts, 2, door, fit=True, contrast=manner.fronts_contrast)
    plate = paint(('wood', 'plaster', 'plain', 'gravel', 'slabs'), 1, draws(1, 0.5, 1.5))
    panel = paint(('tiles', 'tiles', 'bricks', 'plain'), 1, draws(1, 0.6, 1.4))
    steel = paint(('plain', 'door'), 1, 1.0, contrast=0.3)
    hob = paint(('plain', 'ribs', 'checks'), 1, 0.4)
    upper, lift = draws(1, 0.28, 0.42), draws(1, 0.45, 0.6)
    upper = np.minimum(upper, (height - top - lift) / 2)

    def part(
        centre: tuple[Array | float, Array | float, Array | float],
        half: tuple[Array | float, Array | float, Array | float],
        material: Array,
        there: Array,
        kind: int | Array = BOX,
    ) -> None:
        solids.add(
            frame.at(*centre), half, material, kind=kind, heading=frame.heading, there=there
        )

    hangs, cools = there & draws.chance(1, manner.cupboards), there & draws.chance(1, 0.6)
    part((0.0, top / 2, 0.02), (half_w, top / 2, deep - 0.02), fronts[:, :1], there)
    part((0.0, top + 0.018, 0.0), (half_w + 0.02, 0.02, deep), plate, there)
    part((0.0, top + lift / 2 + 0.03, deep - 0.01), (half_w, lift / 2, 0.006), panel, there)
    cupboard = (draws(1, -0.3, 0.3), top + lift + upper, deep - 0.17)
    part(cupboard, (half_w * 0.85, upper, 0.17), fronts[:, 1:], hangs)
    tall = draws(1, 0.7, 0.95)
    part((half_w + 0.34, tall, 0.0), (0.31, tall, 0.32), steel, cools)
    part((draws(1, -0.6, 0.6) * half_w, top + 0.036, 0.0), (0.27, 0.003, 0.22), hob, there)
    size = between(0.03, 0.16, draws(9))
    tall = size * draws(9, 0.5, 1.4)
    part(
        (draws(9, -0.95, 0.95) * half_w, top + 0.038 + tall, draws(9, -0.7, 0.6) * deep),
        (size * draws(9, 0.3, 1.2), tall, size * draws(9, 0.3, 1.0)),
        paint(_ANYTHING, 9, 2 * size, fit=True),
        there & draws.chance(9, 0.8),
        draws.choose(9, [BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(np.int8),
    )
    if number := manner.notes:
        high, broad = draws(number, 0.04, 0.25), draws(number, 0.04, 0.25)
        thick = draws(number) ** 2 * 0.1 + 0.006
        raised = top + 0.1 + high + draws(number, 0.0, 0.8)
        part(
            (draws(number, -1, 1) * half_w, raised, deep - thick - 0.01),
            (broad, high, thick),
            paint(
                (*_ANYTHING, 'goods', 'books'),
                number,
                (2 * broad, 2 * high),
                fit=True,
                contrast=0.95,
                vivid=0.9,
            ),
            there & ~hangs & draws.chance(number, 0.85),
        )
    if not manner.blocks:
        return
    second, along = there & draws.chance(1, manner.blocks), draws.chance(1, 0.35)
    long, hand = draws(1, 0.6, 1.4), draws.signs(1)
    at_x = np.where(along, draws(1, -0.5, 0.5) * half_w, hand * (half_w - deep))
    at_z = np.where(along, -draws(1, 1.2, 2.0), -long - deep)
    wide, far = np.where(along, long, deep), np.where(along, deep, long)
    part((at_x, top / 2, at_z), (wide, top / 2, far), fronts[:, :1], second)
    part((at_x, top + 0.018, at_z), (wide + 0.03, 0.02, far + 0.03), plate, second)
    size = between(0.03, 0.16, draws(6))
    tall = size * draws(6, 0.5, 1.4)
    part(
        (at_x + draws(6, -0.9, 0.9) * wide, top + 0.038 + tall, at_z + draws(6, -0.9, 0.9) * far),
        (size * draws(6, 0.3, 1.2), tall, size * draws(6, 0.3, 1.0)),
        paint(_ANYTHING, 6, 2 * size, fit=True),
        second & draws.chance(6, 0.7),
        draws.choose(6, [BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(np.int8),
    )
