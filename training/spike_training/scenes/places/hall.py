# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Interiors that are no rooms: warehouses and workshops, lobbies, corridors, stairwells."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes import atlas
from spike_training.scenes.builder import (
    Draws,
    Frame,
    Ground,
    Paint,
    Solids,
    between,
    direction,
    grey,
    turn,
)
from spike_training.scenes.indoor import person
from spike_training.scenes.places.parts import (
    ANYTHING,
    QUARTER,
    Part,
    add_parts,
    benches,
    bins,
    crates,
    posts,
)
from spike_training.scenes.places.stairs import stairs
from spike_training.scenes.places.viewpoint import (
    Viewpoint,
    exposure,
    in_view,
    motion,
    open_heading,
    sample_viewpoint,
)
from spike_training.scenes.scene import BOX, CYLINDER, Array, Scenes

_WALLS = ('plain', 'plaster', 'plaster', 'bricks', 'blocks', 'tiles', 'ribs', 'slabs', 'wood')

# What stands or hangs along walls: textures; half width, height, depth and foot, from and to.
_FRONTS: tuple[tuple[tuple[str, str, str], tuple[float, ...]], ...] = (
    (('door', 'doors', 'planks'), (0.42, 0.95, 2.0, 2.15, 0.02, 0.08, 0.0, 0.0)),
    (('ribs', 'folds', 'ribs'), (0.4, 1.0, 0.5, 0.8, 0.08, 0.16, 0.1, 0.15)),
    (('doors', 'door', 'drawers'), (0.5, 1.8, 1.0, 2.0, 0.3, 0.5, 0.0, 0.0)),
    (('clouds', 'screen', 'plain'), (0.5, 2.0, 0.8, 1.8, 0.02, 0.1, 0.8, 1.2)),
    (('poster', 'text', 'sign'), (0.2, 0.9, 0.4, 1.1, 0.01, 0.05, 0.9, 1.3)),
    (('goods', 'books', 'poster'), (0.4, 0.9, 1.0, 2.0, 0.3, 0.6, 0.0, 0.0)),
    (('ribs', 'stripes', 'plain'), (1.2, 2.2, 2.4, 3.6, 0.05, 0.2, 0.0, 0.0)),
)
_WINDOW = 3


def hall(draws: Draws) -> Scenes:
    """Sample scenes: a third warehouses, a fifth lobbies, a quarter corridors, the rest stairs."""
    batch = len(draws(1))
    paint, solids = Paint(draws), Solids(batch)
    kind = draws(1)
    store, lobby = kind < 0.33, (kind >= 0.33) & (kind < 0.55)
    corridor, stair = (kind >= 0.55) & (kind < 0.8), kind >= 0.8

    def by_kind(*values: float) -> Array:
        """Values of warehouses, lobbies, corridors and stairwells, ``[B, 1]``."""
        chosen: Array = np.select([store, lobby, corridor], values[:3], values[3])
        return chosen.astype(np.float32)

    half_x = by_kind(4.0, 3.6, 1.7, 1.6) * between(1.0, 3.5, draws(1))
    half_x = np.where(corridor | stair, np.minimum(half_x, 4.5), half_x)
    half_z = by_kind(6.0, 5.0, 5.0, 2.6) * between(1.0, 3.5, draws(1))
    half_z = np.where(stair, np.minimum(half_z, 3.6), half_z)
    height = by_kind(3.8, 2.8, 2.3, 4.5) * between(1.0, 2.2, draws(1))
    height = np.where(corridor, np.minimum(height, 3.3), height)
    # The passage of a corridor is narrower than the shell, which holds what opens to its sides.
    passage = np.where(corridor, draws(1, 0.7, 1.5), half_x)

    flight, standing = stairs(
        draws, (half_x, half_z, height), stair | (lobby & draws.chance(1, 0.4)), stair
    )
    inner_x, inner_z = passage - 0.45, half_z - 0.6
    # Most corridors are seen along their length, from anywhere in them.
    x, z = draws(1, -1, 1) * inner_x, draws(1, -1, 1) * inner_z
    along = np.where(draws.chance(1, 0.5), 0.0, 2 * QUARTER) + draws(1, -0.5, 0.5)
    anywhere = open_heading(draws, x, z, passage, half_z)
    yaw = np.where(corridor & draws.chance(1, 0.88), along, anywhere)
    view = sample_viewpoint(
        draws,
        np.where(stair, standing.x, x),
        np.where(stair, standing.z, z),
        np.where(stair, standing.yaw, yaw),
        np.where(stair, standing.floor, 0.0).astype(np.float32),
        height - np.where(stair, standing.floor, 0.0),
        np.where(stair, standing.pitch, 0.0),
    )
    limits = (np.maximum(passage - 0.3, 0.2), half_z - 0.3)

    floor = paint(
        ('tiles', 'slabs', 'plaster', 'plain', 'gravel', 'checks', 'planks', 'weave'),
        1,
        draws(1, 0.8, 4.0),
        bright=paint.colour(1, 0.1, 0.75, 0.2),
        contrast=0.6,
    )
    sun, dark = direction(draws, 0.6, 2.5), draws(1, 0.35, 0.9)
    ground = Ground(solids, floor, sun, dark)
    shell = (half_x, half_z, height)
    # Stairs in a lobby do not stand where the camera does.
    blocked = flight.covers(view.x, view.z, 0.5) & ~stair
    flight = dataclasses.replace(flight, there=flight.there & ~blocked)
    flight.build(draws, paint, ground)
    _partitions(draws, paint, solids, passage, shell, corridor)
    _fronts(draws, paint, solids, passage, shell)
    _columns(draws, paint, ground, view, shell, by_kind(0.6, 0.6, 0.0, 0.0))
    _racks(draws, paint, ground, view, shell, store & draws.chance(1, 0.75))
    _machines(draws, paint, ground, view, limits, by_kind(0.45, 0.0, 0.0, 0.0))
    _pallets(draws, paint, ground, view, limits, by_kind(0.6, 0.0, 0.08, 0.0))
    _seating(draws, paint, ground, view, limits, by_kind(0.0, 0.6, 0.15, 0.0))
    _counter(draws, paint, ground, view, limits, lobby & draws.chance(1, 0.5))
    _overhead(draws, paint, solids, view, height, by_kind(0.9, 0.4, 0.5, 0.2))

    def spread(number: int, near: float) -> Frame:
        return view.ahead(draws, number, near, by_kind(16, 12, 14, 4), 1.0, limits)

    def present(frame: Frame, reach: float, *share: float) -> Array:
        chosen = draws.chance(frame.x.shape[1], by_kind(*share))
        return chosen & view.clear_of(frame, reach) & ~flight.covers(frame.x, frame.z, 0.2)

    at = spread(8, 0.9)
    crates(draws, paint, ground, at, present(at, 0.9, 0.6, 0.25, 0.3, 0.0))
    at = spread(3, 1.1)
    bins(draws, paint, ground, at, present(at, 1.1, 0.3, 0.5, 0.3, 0.0))
    at = spread(2, 1.5)
    benches(draws, paint, ground, at, present(at, 1.7, 0.1, 0.35, 0.1, 0.0))
    at = spread(4, 1.0)
    posts(draws, paint, ground, at, present(at, 0.9, 0.35, 0.3, 0.1, 0.0), draws(4, 0.35, 0.9))
    at = spread(4, 1.2)
    walks = draws.chance(4, 0.5) * draws(4, 0.3, 2.0)
    person(draws, paint, ground, at, present(at, 1.1, 0.25, 0.4, 0.4, 0.0), walks)

    # In a stairwell they stand on the floor that the camera stands on.
    z = standing.z + draws(6, -0.9, 0.9) * standing.reach
    x = draws(6, -0.9, 0.9) * half_x
    cos, sin = turn(draws(6, 0, 6.2831853))
    chosen = stair & draws.chance(6, 0.5)
    chosen &= view.clear_of(Frame(x, standing.floor, z, (cos, sin)), 0.9)
    walkers, items = (
        Frame(x[:, part], standing.floor, z[:, part], (cos[:, part], sin[:, part]))
        for part in (slice(2), slice(2, 6))
    )
    person(draws, paint, ground, walkers, chosen[:, :2], 0 * walkers.x)
    crates(draws, paint, ground, items, chosen[:, 2:], 0.25)

    pose = motion(draws, view, by_kind(4.0, 2.5, 3.0, 1.5))
    walls = paint(
        _WALLS, 2, draws(2, 1.0, 4.0), bright=paint.colour(2, 0.15, 0.9, 0.35), contrast=0.5
    )
    walls[:, 1:] = np.where(draws.chance(1, 0.6)[..., None], walls[:, :1], walls[:, 1:])
    top = paint(
        ('plain', 'plaster', 'tiles', 'slabs', 'ribs', 'planks'),
        1,
        draws(1, 1.0, 4.0),
        bright=grey(draws(1, 0.15, 0.95), 1, batch),
        contrast=0.4,
    )
    reach = np.concatenate([half_x, half_z], 1)
    lamp = view.ahead(draws, 1, 0.8, 8.0, 1.0, limits)
    lift = np.maximum(view.y + 0.3, height - 0.4)
    return Scenes(
        **in_view(solids, pose, view),
        **pose,
        shell_material=np.concatenate([floor, walls, top, paint(('plain',), 1)], 1),
        shell=np.stack(
            [
                np.concatenate([-reach[:, :1], 0 * height, -reach[:, 1:]], 1),
                np.concatenate([reach[:, :1], height, reach[:, 1:]], 1),
            ],
            1,
        ).astype(np.float32),
        open=np.zeros(batch, np.float32),
        sun=sun,
        light=np.concatenate(
            [
                draws(1, 0.0, 0.6) * draws.chance(1, 0.5),
                draws(1, 0.15, 0.7),
                draws(1, 0.0, 0.5) * height * height,
            ],
            1,
        ).astype(np.float32),
        lamp=np.concatenate([lamp.x, lift, lamp.z], 1).astype(np.float32),
        haze=np.full(batch, 1e6, np.float32),
        **exposure(draws, 0.9),
    )


def _partitions(
    draws: Draws,
    paint: Paint,
    solids: Solids,
    passage: Array,
    shell: tuple[Array, Array, Array],
    corridor: Array,
) -> None:
    """Walls of corridors in pieces, between them openings to rooms, with or without a lintel."""
    half_x, half_z, height = shell
    number = 6
    thick = 0.07
    wall = paint(
        _WALLS, 2, draws(2, 0.8, 3.0), bright=paint.colour(2, 0.2, 0.9, 0.3), contrast=0.5
    )
    rail = paint(('plain', 'wood', 'stripes'), 1, 1.0)
    room = np.arange(number, dtype=np.float32) / number
    for side in (-1, 1):
        gap = draws(number, 0.4, 1.2) * draws.chance(number, 0.45)
        piece = 2 * half_z / number
        low = -half_z + 2 * half_z * room
        middle, half = low + 0.5 * piece, 0.5 * piece - np.minimum(gap, 0.4 * piece)
        x = side * (passage + thick)
        one = np.repeat(wall[:, :1] if side < 0 else wall[:, 1:], number, 1)
        solids.add((x, height / 2, middle), (thick, height / 2, half), one, there=corridor)
        lintel = draws.chance(number, 0.8)
        solids.add(
            (x, (height + 2.1) / 2, low),
            (thick, np.maximum((height - 2.1) / 2, 0.01), 0.5 * piece),
            one,
            there=corridor & lintel,
        )
        solids.add(
            (side * (passage - 0.01), draws(1, 0.05, 1.0), middle),
            (0.02, draws(1, 0.04, 0.12), half),
            np.repeat(rail, number, 1),
            there=corridor & draws.chance(1, 0.4),
        )
        # Cross walls between the rooms at the sides.
        solids.add(
            (side * (passage + half_x) / 2, height / 2, middle),
            ((half_x - passage) / 2, height / 2, thick),
            one,
            there=corridor & draws.chance(number, 0.7) & (half_x > passage + 0.3),
        )
    # A door or a wall across the corridor, half of them open.
    z = draws(2, -1, 1) * half_z
    for side in (-1, 1):
        broad = passage * draws(2, 0.25, 0.5)
        solids.add(
            (side * (passage - broad), height / 2, z),
            (broad, height / 2, 0.06),
            np.repeat(wall[:, :1], 2, 1),
            there=corridor & draws.chance(2, 0.3),
        )


def _fronts(
    draws: Draws,
    paint: Paint,
    solids: Solids,
    passage: Array,
    shell: tuple[Array, Array, Array],
) -> None:
    """Doors, gates, radiators, lockers, windows, boards and pipes along the four walls."""
    _, half_z, height = shell
    number = 7
    limits = np.asarray([row for _, row in _FRONTS], np.float32)
    tiles = np.asarray(
        [[atlas.TILES[name][k % len(atlas.TILES[name])] for k in range(2) for name in names]
         for names, _ in _FRONTS]
    )  # fmt: skip
    for wall in range(4):
        ends = wall < 2
        sign = -1 if wall % 2 else 1
        length = passage if ends else half_z
        away = half_z if ends else passage
        what = (draws(number) * len(_FRONTS)).astype(np.int64)
        span = limits[what]
        half_w, tall, deep, foot = (
            span[..., 2 * k] + (span[..., 2 * k + 1] - span[..., 2 * k]) * draws(number)
            for k in range(4)
        )
        along = length * (
            (2 * np.arange(number, dtype=np.float32) + 1) / number - 1 + draws(number, -0.1, 0.1)
        )
        half_w = np.minimum(half_w, 0.95 * length)
        tall = np.minimum(tall, height - foot - 0.05)
        material = paint(('plain',), number, (2 * half_w, tall), fit=True, contrast=0.9)
        variant = (draws(number) * tiles.shape[1]).astype(np.int64)
        material[..., 0] = tiles[what, variant] * atlas.TEXELS
        material[..., 6] = np.where(what == _WINDOW, draws(number, 0, 2.5), 0)
        face = sign * (away - deep / 2)
        solids.add(
            (along, foot + tall / 2, face) if ends else (face, foot + tall / 2, along),
            (half_w, tall / 2, deep / 2),
            material,
            heading=turn(np.zeros_like(along) if ends else np.full_like(along, QUARTER)),
            # Few fit on a short wall.
            there=draws.chance(number, np.minimum(length / 3.5, 0.85)),
        )
        # A pipe, a cable duct or a handrail along the wall.
        raised, thin = draws(1, 0.1, 1.0) * height * 0.95, draws(1, 0.02, 0.1)
        face = sign * (away - thin)
        solids.add(
            (0.0, raised, face) if ends else (face, raised, 0.0),
            (length, thin, thin) if ends else (thin, thin, length),
            paint(('plain', 'stripes'), 1, 1.0, vivid=0.9),
            there=draws.chance(1, 0.35),
        )


def _columns(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    shell: tuple[Array, Array, Array],
    share: Array,
) -> None:
    """Columns on a grid, round or square, from the floor to the ceiling."""
    half_x, half_z, height = shell
    number = 12
    there = draws.chance(1, share)
    step_x, step_z = draws(1, 0.45, 0.7) * half_x, half_z * 2 / draws(1, 3.0, 6.0)
    place = np.arange(number)
    x = step_x * (2 * (place % 2) - 1) + draws(1, -0.2, 0.2) * half_x
    z = step_z * (place // 2 - 2.5)
    size = draws(1, 0.1, 0.4)
    frame = Frame(x.astype(np.float32), 0.0, z.astype(np.float32), turn(np.zeros_like(x)))
    inside = (np.abs(z) < half_z - 0.3) & view.clear_of(frame, size + 0.9)
    column = paint(
        ('plaster', 'plain', 'tiles', 'blocks', 'bricks', 'stripes'), 1, draws(1, 0.6, 2.5)
    )
    shape = np.where(draws.chance(1, 0.5), CYLINDER, BOX).astype(np.int8)
    ground.solids.add(
        frame.at(0.0, height / 2, 0.0),
        (size, height / 2, size),
        np.repeat(column, number, 1),
        kind=np.broadcast_to(shape, inside.shape),
        there=there & inside,
    )
    ground.solids.add(
        frame.at(0.0, 0.5, 0.0),
        (1.08 * size, 0.5, 1.08 * size),
        paint(('stripes', 'plain', 'ribs'), number, 0.8, vivid=0.9),
        there=there & inside & draws.chance(1, 0.3),
    )


def _racks(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    shell: tuple[Array, Array, Array],
    there: Array,
) -> None:
    """Rows of racks with aisles between them: uprights, beams, goods on every level."""
    half_x, half_z, height = shell
    rows, bays, levels = 4, 3, 3
    number = rows * bays
    index = np.arange(number)
    aisle, deep, bay = draws(1, 1.5, 3.2), draws(1, 0.4, 0.6), draws(1, 0.9, 1.5)
    level = np.minimum(draws(1, 0.6, 1.9), (height - 0.5) / levels)
    # The aisle that the camera stands in has the rows at its two sides.
    across = draws.chance(1, 0.3)
    stand = np.where(across, view.z, view.x)
    middle = stand + draws(1, -0.25, 0.25) * aisle
    pitch = aisle + 2 * deep
    row = index // bays - 0.5 * (rows - 1)
    lateral = middle + row * pitch
    forward = np.where(across, turn(view.yaw)[1], turn(view.yaw)[0])  # along the aisle
    start = np.where(across, view.x, view.z) + np.sign(forward) * draws(1, -1.5, 4.0)
    along = start + np.sign(forward) * 2 * bay * (index % bays)
    x, z = np.where(across, along, lateral), np.where(across, lateral, along)
    heading = turn(np.where(across, 0.0, QUARTER) + 0 * x)
    frame = Frame(x.astype(np.float32), 0.0, z.astype(np.float32), heading)
    out = np.where(across, bay, deep), np.where(across, deep, bay)
    inside = (np.abs(x) < half_x - out[0]) & (np.abs(z) < half_z - out[1])
    there = there & inside & draws.chance(number, 0.9)
    steel = paint(('plain', 'stripes'), 2, 0.6, vivid=1.0)
    post, beam = np.repeat(steel[:, :1], number, 1), np.repeat(steel[:, 1:], number, 1)
    board = np.repeat(paint(('wood', 'plain', 'planks'), 1, 1.2), number, 1)
    tall = levels * level / 2
    reach = np.where(across, bay, deep), np.where(across, deep, bay)
    ground.shadow(frame.x, frame.z, reach, 1.0, there)
    parts: list[Part] = [
        ((a * bay, tall, b * deep), (0.04, tall, 0.04), post, BOX)
        for a in (-1, 1)
        for b in (-1, 1)
    ]
    for k in range(levels):
        high = level * k + 0.12
        parts.append(((0.0, high - 0.03, 0.0), (bay, 0.02, deep), board, BOX))
        parts += [((0.0, high - 0.05, b * deep), (bay, 0.05, 0.025), beam, BOX) for b in (-1, 1)]
    add_parts(ground, frame, there, parts)
    for k in range(levels):
        for place in (-0.5, 0.5):
            wide = bay * draws(number, 0.25, 0.46)
            high = np.minimum(level * draws(number, 0.2, 0.44), draws(number, 0.3, 0.9))
            goods = paint(
                ('goods', 'plain', 'print', 'wood', 'poster', 'folds', 'stripes', 'weave'),
                number,
                (2 * wide * draws(number, 0.5, 1.0), 2 * high),
                fit=True,
                contrast=0.95,
            )
            ground.solids.add(
                frame.at(place * bay, level * k + 0.12 + high, draws(number, -0.1, 0.1)),
                (wide, high, deep * draws(number, 0.6, 0.98)),
                goods,
                heading=frame.heading,
                there=there & draws.chance(number, 0.75),
            )


def _machines(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    limits: tuple[Array, Array],
    share: Array,
) -> None:
    """Machines, workbenches and tanks: housings with panels, a screen, guards and pipes."""
    number = 4
    at = view.ahead(draws, number, 2.0, 14.0, 1.0, limits)
    frame = Frame(
        at.x, 0.0, at.z, turn(draws(1, -0.1, 0.1) + QUARTER * draws.choose(number, [0, 1]))
    )
    there = draws.chance(number, share) & view.clear_of(frame, 2.2)
    half_w, tall, half_d = (
        draws(number, 0.5, 1.5),
        draws(number, 0.4, 1.1),
        draws(number, 0.4, 0.9),
    )
    body = paint(
        ('plain', 'ribs', 'doors', 'drawers', 'plaster'),
        number,
        draws(number, 0.6, 2.0),
        vivid=0.9,
    )
    dark = paint(
        ('plain', 'folds', 'ribs'),
        number,
        0.8,
        bright=grey(draws(number, 0.02, 0.3), number, len(there)),
    )
    screen = paint(
        ('screen', 'keys', 'text'), number, 0.4, fit=True, contrast=1.0, glow=draws(number, 0, 1)
    )
    ground.shadow(frame.x, frame.z, (1.2 * half_w, 1.2 * half_w), 2 * tall, there)
    top, shift = draws(number, 0.2, 0.6), draws(number, -0.4, 0.4)
    pipe = draws(number, 0.04, 0.14)
    add_parts(
        ground,
        frame,
        there,
        [
            ((0.0, tall, 0.0), (half_w, tall, half_d), body, BOX),
            ((0.0, 0.06, 0.0), (half_w + 0.08, 0.06, half_d + 0.08), dark, BOX),
            ((shift * half_w, 2 * tall + top, 0.0), (0.45 * half_w, top, 0.6 * half_d), dark, BOX),
            ((-0.7 * half_w, 2 * tall + 0.8, 0.5 * half_d), (pipe, 0.8, pipe), dark, CYLINDER),
            ((0.6 * half_w, 1.3, -half_d - 0.1), (0.18, 0.14, 0.04), screen, BOX),
            ((0.6 * half_w, 0.65, -half_d - 0.1), (0.03, 0.65, 0.03), dark, BOX),
        ],
    )
    tank = draws(number, 0.3, 0.8)
    high = draws(number, 0.6, 1.5)
    drum = ((half_w + 1.1 * tank, high, 0.0), (tank, high, tank), dark, CYLINDER)
    add_parts(ground, frame, there & draws.chance(number, 0.35), [drum])


def _pallets(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    limits: tuple[Array, Array],
    share: Array,
) -> None:
    """Pallets, empty or with boxes stacked in up to three layers."""
    number = 5
    at = view.ahead(draws, number, 1.2, 12.0, 1.0, limits)
    there = draws.chance(number, share) & view.clear_of(at, 1.5)
    wood = paint(('planks', 'wood'), number, 1.0)
    parts: list[Part] = [((0.0, 0.125, 0.0), (0.6, 0.015, 0.4), wood, BOX)]
    parts += [((0.0, 0.055, k), (0.6, 0.055, 0.05), wood, BOX) for k in (-0.35, 0.0, 0.35)]
    ground.shadow(at.x, at.z, (0.65, 0.65), 0.6, there)
    add_parts(ground, at, there, parts)
    layers = draws.choose(number, [0, 1, 2, 3, 3])
    high = draws(number, 0.12, 0.32)
    load = paint(
        ('print', 'plain', 'goods', 'poster', 'folds', 'wood'),
        number,
        (0.6, 2 * high),
        contrast=0.9,
    )
    for layer in range(3):
        for side in (-1, 1):
            turned = draws(number, 0.42, 0.58)
            part = (
                (side * 0.3, 0.14 + (2 * layer + 1) * high, 0.0),
                (0.29, high, 0.7 * turned),
                load,
                BOX,
            )
            there_ = there & (layers > layer) & draws.chance(number, 0.93)
            add_parts(ground, at, there_, [part])


def _seating(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    limits: tuple[Array, Array],
    share: Array,
) -> None:
    """Sofas, armchairs and low tables."""
    number = 4
    at = view.ahead(draws, number, 1.5, 10.0, 1.0, limits)
    frame = Frame(
        at.x, 0.0, at.z, turn(draws(1, 0, 6.28) + QUARTER * draws.choose(number, [0, 1, 2, 3]))
    )
    there = draws.chance(number, share) & view.clear_of(frame, 1.8)
    half = np.where(draws.chance(number, 0.5), draws(number, 0.38, 0.5), draws(number, 0.75, 1.2))
    cover = paint(('weave', 'plain', 'folds', 'stripes'), number, draws(number, 0.4, 1.0))
    deep, seat = draws(number, 0.36, 0.45), draws(number, 0.19, 0.23)
    ground.shadow(frame.x, frame.z, (half, half), 0.6, there)
    add_parts(
        ground,
        frame,
        there,
        [
            ((0.0, seat, 0.0), (half, seat, deep), cover, BOX),
            ((0.0, 0.4, deep), (half, 0.4, 0.1), cover, BOX),
            ((-half, 0.3, 0.0), (0.09, 0.3, deep), cover, BOX),
            ((half, 0.3, 0.0), (0.09, 0.3, deep), cover, BOX),
        ],
    )
    table = there & draws.chance(number, 0.5)
    wood = paint(('wood', 'plain', 'slabs'), number, 0.8)
    top = draws(number, 0.35, 0.5)
    parts: list[Part] = [((0.0, top, -deep - 0.6), (0.45, 0.02, 0.28), wood, BOX)]
    parts += [((k, top / 2, -deep - 0.6), (0.03, top / 2, 0.2), wood, BOX) for k in (-0.38, 0.38)]
    add_parts(ground, frame, table, parts)
    size = between(0.03, 0.12, draws(number))
    item = ((draws(number, -0.3, 0.3), top + 0.02 + size, -deep - 0.6), (size, size, size))
    thing = paint(ANYTHING, number, 2 * size, fit=True)
    add_parts(ground, frame, table, [(*item, thing, CYLINDER)])


def _counter(
    draws: Draws,
    paint: Paint,
    ground: Ground,
    view: Viewpoint,
    limits: tuple[Array, Array],
    there: Array,
) -> None:
    """A reception desk with a raised front and screens, before a panel with a lit sign."""
    at = view.ahead(draws, 1, 2.6, 12.0, 0.8, limits)
    frame = Frame(at.x, 0.0, at.z, turn(view.yaw + draws(1, -0.8, 0.8)))
    there = there & view.clear_of(frame, 2.6)
    half = draws(1, 0.8, 2.0)
    front = paint(('wood', 'plain', 'ribs', 'stripes', 'planks'), 1, draws(1, 0.6, 2.0))
    top = paint(('plain', 'wood', 'slabs'), 1, 1.0)
    sign = paint(('sign', 'poster', 'print'), 1, (1.6 * half, 0.6), fit=True, glow=draws(1, 0, 2))
    add_parts(
        ground,
        frame,
        there,
        [
            ((0.0, 0.55, 0.0), (half, 0.55, 0.06), front, BOX),
            ((0.0, 1.12, 0.0), (half + 0.05, 0.025, 0.2), top, BOX),
            ((0.0, 0.74, 0.4), (half, 0.02, 0.35), top, BOX),
            ((-half, 0.5, 0.35), (0.05, 0.5, 0.35), front, BOX),
            ((half, 0.5, 0.35), (0.05, 0.5, 0.35), front, BOX),
            ((0.0, 1.25, 1.2), (half + 0.2, 1.25, 0.05), front, BOX),
            ((0.0, 2.0, 1.14), (0.8 * half, 0.3, 0.02), sign, BOX),
        ],
    )
    screens = paint(('screen',), 2, 0.5, fit=True, contrast=1.0, glow=draws(2, 0, 1.5))
    place = half * np.array([-0.5, 0.5], np.float32)
    ground.solids.add(
        frame.at(place, 1.05, 0.4), (0.25, 0.17, 0.02), screens, heading=frame.heading, there=there
    )


def _overhead(
    draws: Draws, paint: Paint, solids: Solids, view: Viewpoint, height: Array, share: Array
) -> None:
    """Lamps, beams and ducts below the ceiling."""
    number = 6
    at = view.ahead(draws, number, 1.0, 16.0, 1.0)
    drop = draws(1, 0.04, 0.5)
    solids.add(
        (at.x, height - drop, at.z),
        (draws(number, 0.08, 0.8), 0.04, draws(number, 0.08, 0.2)),
        paint(
            ('plain',), number, glow=draws(number, 0.3, 3.0), bright=grey(0.9, number, len(height))
        ),
        kind=draws.choose(number, [BOX, BOX, CYLINDER]).astype(np.int8),
        heading=turn(np.broadcast_to(QUARTER * draws.choose(1, [0, 1]), at.x.shape)),
        there=draws.chance(number, 0.7),
    )
    step = draws(1, 1.5, 4.0)
    deep = draws(1, 0.06, 0.3)
    lines = np.arange(number, dtype=np.float32) - 2.5
    steel = paint(('plain', 'wood', 'plaster', 'ribs'), 1, draws(1, 0.6, 2.0))
    solids.add(
        (0.0, height - deep, view.z + step * lines),
        (60.0, deep, draws(1, 0.04, 0.15)),
        np.repeat(steel, number, 1),
        there=draws.chance(1, share),
    )
    duct = draws(2, 0.1, 0.35)
    along = draws.chance(2, 0.6)
    solids.add(
        (
            np.where(along, view.x + draws(2, -2, 2), 0.0),
            height - 0.1 - duct,
            np.where(along, 0.0, view.z + draws(2, -4, 4)),
        ),
        (np.where(along, duct, 60.0), duct, np.where(along, 60.0, duct)),
        paint(('plain', 'ribs', 'stripes'), 2, draws(2, 0.6, 2.0)),
        there=draws.chance(2, 0.6 * share) & (height > 2.9),
    )
