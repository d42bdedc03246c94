# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offices: desks side by side with screens, keyboards, books, cups and cables; swivel chairs."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes.builder import (
    Draws,
    Frame,
    Ground,
    Paint,
    Solids,
    Value,
    between,
    grey,
    turn,
)
from spike_training.scenes.indoor import HOME, Room, rooms
from spike_training.scenes.places.parts import ANYTHING, QUARTER, Part, add_parts
from spike_training.scenes.places.viewpoint import (
    FOCAL,
    ROLL,
    sample_flicker,
    sample_jerks,
    sample_rates,
)
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array, Scenes

_SIDE = 3
_DESKS = 2 * _SIDE  # in two rows, back to back


def office(draws: Draws) -> Scenes:
    """Sample scenes: rooms of the recipe of ``home``, from higher, lower and nearer cameras."""
    scenes = rooms(draws, OFFICE)
    return dataclasses.replace(
        scenes,
        rate=sample_rates(draws),
        spin=scenes.spin * sample_jerks(draws),
        flicker=sample_flicker(draws),
    )


def _furnish(draws: Draws, paint: Paint, ground: Ground, room: Room) -> None:
    """Add a block of desks to most rooms, and boards to the walls."""
    _boards(draws, paint, ground.solids, room)
    there = draws.chance(1, np.where(room.desk, 0.25, 0.9)) & ~room.corridor
    # The block stands across the view or along it, the middle of its nearest desk 0.75 to 3.2 m
    # away.
    bearing = room.yaw + draws(1, -0.35, 0.35)
    bearing = bearing + QUARTER * draws.choose(1, [0, 0, 0, 1, 2, 3])
    away = draws(1, 0.75, 1.0) + 2.2 * draws(1) ** 2
    view = Frame(room.x, 0.0, room.z, turn(room.yaw))
    x, _, z = view.at(draws(1, -0.8, 0.8), 0.0, away)
    x = np.clip(x, 0.4 - room.half_x, room.half_x - 0.4)
    z = np.clip(z, 0.4 - room.half_z, room.half_z - 0.4)
    half_w, half_d, top = draws(1, 0.55, 0.95), draws(1, 0.3, 0.45), draws(1, 0.68, 0.78)
    block = Frame(x, 0.0, z, turn(bearing))
    first, second = np.arange(_SIDE, dtype=np.float32), np.arange(_DESKS) >= _SIDE
    shift = (first - draws.choose(1, [0, 1, 2])) * 2 * half_w
    place = block.at(np.tile(shift, 2), 0.0, np.where(second, 2 * half_d, 0.0))
    desk = Frame(place[0], 0.0, place[2], turn(bearing + np.where(second, 2 * QUARTER, 0.0)))
    wood = paint(('wood', 'plain', 'plain', 'plaster'), 1, draws(1, 0.5, 1.5), contrast=0.5)
    metal = paint(('plain',), 1, 0.6, bright=grey(draws(1, 0.03, 0.7), 1, len(x)))
    inside = (np.abs(desk.x) < room.half_x) & (np.abs(desk.z) < room.half_z)
    exists = there & inside & draws.chance(_DESKS, 0.95)
    exists &= draws.chance(1, 0.6) | ~second
    sizes = (half_w, half_d, top)
    _desks(draws, paint, ground, desk, exists, (wood, metal), sizes)
    _desk_things(draws, paint, ground, desk, exists, sizes)
    _chairs(draws, paint, ground, desk, exists & draws.chance(_DESKS, 0.75), half_d)
    screen = paint(('weave', 'plain', 'plain'), 1, 0.8, vivid=0.8)
    middle = (shift[:, 1:2], top + 0.2, half_d)
    wall: Part = (middle, (_SIDE * half_w, 0.2, 0.02), screen, BOX)
    add_parts(ground, block, there & draws.chance(1, 0.25), [wall])


def _boards(draws: Draws, paint: Paint, solids: Solids, room: Room) -> None:
    """Whiteboards with writing and notes, pin boards, large screens."""
    wide, tall = draws(3, 0.5, 1.3), draws(3, 0.35, 0.6)
    board = paint(
        ('text', 'plain', 'poster', 'screen'),
        3,
        (2 * wide, 2 * tall),
        bright=grey(draws(3, 0.6, 0.95), 3, len(room.x)),
        fit=True,
        contrast=0.9,
    )
    frame = paint(('plain',), 3, 0.6)
    side = np.array([0.0, -1.0, 1.0], np.float32)
    along = draws(3, -0.7, 0.7)
    for thick, grown, material in ((0.02, 0.025, frame), (0.028, 0.0, board)):
        x = np.where(side == 0, along * room.half_x, side * (room.half_x - thick))
        z = np.where(side == 0, room.half_z - thick, along * room.half_z)
        heading = turn(np.broadcast_to(np.abs(side) * QUARTER, along.shape))
        solids.add(
            (x, 1.5, z),
            (wide + grown, tall + grown, thick),
            material,
            heading=heading,
            there=room.height > 2.2,
        )


def _desks(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    desk: Frame,
    there: Array,
    materials: tuple[Array, Array],
    sizes: tuple[Array, Array, Array],
) -> None:
    """Desk tops, legs and drawers; the user sits at the side of negative z."""
    half_w, half_d, top = sizes
    wood, metal = (np.repeat(part, _DESKS, 1) for part in materials)
    ground.shadow(desk.x, desk.z, (half_w, half_w), top, there)
    parts: list[Part] = [((0.0, top - 0.015, 0.0), (half_w, 0.015, half_d), wood, BOX)]
    for x in (-1, 1):
        for z in (-1, 1):
            leg = (x * (half_w - 0.05), top / 2 - 0.02, z * (half_d - 0.05))
            parts.append((leg, (0.025, top / 2 - 0.02, 0.025), metal, BOX))
    parts.append(((0.0, top - 0.25, half_d - 0.04), (half_w - 0.08, 0.18, 0.008), wood, BOX))
    add_parts(ground, desk, there, parts)
    drawers = paint(('drawers', 'doors', 'plain'), _DESKS, (0.42, 0.6), fit=True, contrast=0.6)
    aside = draws.signs(_DESKS) * (half_w - 0.28)
    pedestal: Part = ((aside, 0.29, 0.0), (0.21, 0.29, 0.8 * half_d), drawers, BOX)
    tower: Part = ((-aside, 0.22, 0.1), (0.09, 0.22, 0.2), metal, BOX)
    add_parts(ground, desk, there & draws.chance(_DESKS, 0.6), [pedestal])
    add_parts(ground, desk, there & draws.chance(_DESKS, 0.4), [tower])


def _desk_things(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    desk: Frame,
    there: Array,
    sizes: tuple[Array, Array, Array],
) -> None:
    """Screens, keyboard, mouse, lamp, books, paper, cups, telephones and cables on each desk."""
    half_w, half_d, top = sizes
    number = _DESKS
    dark = paint(('plain',), number, 0.5, bright=grey(draws(number, 0.02, 0.4), number, len(top)))

    def put(
        centre: tuple[Value, Value, Value],
        half: tuple[Value, Value, Value],
        material: Array,
        share: float,
        kind: int = BOX,
    ) -> None:
        chosen = there & draws.chance(number, share)
        add_parts(ground, desk, chosen, [(centre, half, material, kind)])

    double = draws.chance(number, 0.4)
    for k, exists in ((-1, draws.chance(number, 0.85)), (1, double)):
        wide, tall = draws(number, 0.19, 0.33), draws(number, 0.13, 0.2)
        lift = draws(number, 0.06, 0.16)
        aside = np.where(double, k * 0.5 * half_w, draws(number, -0.4, 0.4) * half_w)
        along = 0.45 * half_d + draws(number, -0.04, 0.08)
        # Tube monitors are as deep as they are wide.
        deep = np.where(draws.chance(number, 0.15), 0.8 * wide, 0.018)
        screen = paint(
            ('screen', 'screen', 'text', 'plain'),
            number,
            (2 * wide, 2 * tall),
            fit=True,
            contrast=1.0,
            glow=draws(number, 0, 1.5),
        )
        add_parts(
            ground,
            desk,
            there & exists,
            [
                ((aside, top + lift + tall, along + deep), (wide, tall, deep), dark, BOX),
                (
                    (aside, top + lift + tall, along - 0.003),
                    (wide - 0.015, tall - 0.015, 0.004),
                    screen,
                    BOX,
                ),
                ((aside, top + lift / 2, along + deep), (0.025, lift / 2, 0.02), dark, BOX),
                ((aside, top + 0.008, along + deep), (0.11, 0.008, 0.08), dark, CYLINDER),
            ],
        )
    keys = paint(('keys',), number, (0.42, 0.15), fit=True, contrast=0.9)
    shift = draws(number, -0.25, 0.25)
    front = -0.4 * half_d
    put((shift, top + 0.011, front), (0.21, 0.011, 0.075), keys, 0.85)
    put((shift + 0.3, top + 0.015, front), (0.03, 0.016, 0.055), dark, 0.75, ELLIPSOID)
    paper = paint(('text', 'print', 'poster'), number, (0.21, 0.3), fit=True, contrast=0.9)
    place = (draws(number, -0.8, 0.8) * half_w, top + 0.002, draws(number, -0.8, 0.2) * half_d)
    put(place, (0.105, 0.003, 0.148), paper, 0.7)
    for _ in range(7):
        size = between(0.025, 0.12, draws(number))
        tall = size * draws(number, 0.2, 1.2)
        ground.solids.add(
            desk.at(
                draws(number, -0.92, 0.92) * half_w, top + tall, draws(number, -0.85, 0.9) * half_d
            ),
            (size * draws(number, 0.3, 1.4), tall, size * draws(number, 0.3, 1.2)),
            paint((*ANYTHING, 'books', 'books'), number, 2 * size, fit=True, vivid=0.8),
            kind=draws.choose(number, [BOX, BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(
                np.int8
            ),
            heading=turn(draws(number, 0, 6.28)),
            there=there & draws.chance(number, 0.6),
        )
    row = paint(('books',), number, (0.5, 0.9), fit=True, contrast=1.0)
    aside = draws(number, -0.7, 0.7) * half_w
    put((aside, top + 0.13, 0.7 * half_d), (draws(number, 0.08, 0.25), 0.13, 0.09), row, 0.3)
    lamp, arm = draws(number, 0.35, 0.5), -0.85 * half_w
    glow = paint(('plain',), number, 0.5, glow=draws(number, 0, 2.5))
    lit = there & draws.chance(number, 0.3)
    add_parts(
        ground,
        desk,
        lit,
        [
            ((arm, top + 0.01, 0.5 * half_d), (0.08, 0.01, 0.08), dark, CYLINDER),
            ((arm, top + lamp / 2, 0.5 * half_d), (0.01, lamp / 2, 0.01), dark, CYLINDER),
            ((arm + 0.12, top + lamp, 0.5 * half_d), (0.13, 0.01, 0.01), dark, BOX),
            ((arm + 0.24, top + lamp - 0.02, 0.5 * half_d), (0.06, 0.05, 0.06), glow, ELLIPSOID),
        ],
    )
    # Cables: thin strips over the top and down behind it.
    for _ in range(3):
        ground.solids.add(
            desk.at(
                draws(number, -0.7, 0.7) * half_w,
                top + 0.004,
                draws(number, -0.2, 0.7) * half_d,
            ),
            (draws(number, 0.08, 0.3), 0.004, 0.004),
            dark,
            heading=turn(draws(number, 0, 3.14)),
            there=there & draws.chance(number, 0.6),
        )
    put((shift * 2, 0.5 * top, half_d + 0.01), (0.005, 0.5 * top, 0.005), dark, 0.6, CYLINDER)


def _chairs(
    draws: Draws, paint: Paint, ground: Ground, desk: Frame, there: Array, half_d: Array
) -> None:
    """Swivel chairs in front of the desks, turned at random."""
    number = _DESKS
    x, _, z = desk.at(draws(number, -0.3, 0.3), 0.0, -half_d - draws(number, 0.1, 0.7))
    c, s = desk.heading
    cos, sin = turn(2 * QUARTER + draws(number, -1.2, 1.2))
    chair = Frame(x, 0.0, z, (c * cos - s * sin, s * cos + c * sin))  # sum of the angles
    cover = paint(('weave', 'plain', 'plain', 'folds'), number, draws(number, 0.3, 0.8), vivid=0.8)
    dark = paint(('plain',), number, 0.5, bright=grey(draws(number, 0.02, 0.3), number, len(x)))
    seat, half, back = (
        draws(number, 0.42, 0.52),
        draws(number, 0.21, 0.25),
        draws(number, 0.2, 0.32),
    )
    ground.shadow(x, z, (half, half), seat, there)
    parts: list[Part] = [
        ((0.0, seat, 0.0), (half, 0.035, half), cover, BOX),
        ((0.0, seat + 0.15 + back, half + 0.02), (0.9 * half, back, 0.025), cover, BOX),
        ((0.0, seat + 0.1, half + 0.05), (0.03, 0.15, 0.015), dark, BOX),
        ((0.0, seat / 2, 0.0), (0.03, seat / 2, 0.03), dark, CYLINDER),
        ((0.0, 0.06, 0.0), (0.3, 0.02, 0.03), dark, BOX),
        ((0.0, 0.06, 0.0), (0.03, 0.02, 0.3), dark, BOX),
    ]
    parts += [
        ((k * (half + 0.03), seat + 0.2, 0.0), (0.025, 0.02, 0.14), dark, BOX) for k in (-1, 1)
    ]
    add_parts(ground, chair, there, parts)


OFFICE = dataclasses.replace(
    HOME,
    corridors=0.05,
    desks=0.3,
    focal=FOCAL,
    margin=0.5,
    eye=(0.3, 2.2),
    desk_eye=(0.95, 1.9),
    pitch=(-0.8, 0.25),
    steepest=0.8,
    desk_pitch=(-1.05, -0.1),
    desk_distance=(0.5, 1.3),
    roll=ROLL,
    clutter=0.45,
    clutter_from=0.9,
    people_from=1.3,
    plants_from=1.3,
    pillars_from=1.8,
    kitchens=0.12,
    table_things=0.12,
    screens=0.8,
    seats=0.4,
    tables=0.25,
    contrast=0.7,
    furnish=_furnish,
)
"""Offices, seen from hands, robots and shelves."""
