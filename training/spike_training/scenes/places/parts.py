# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things that stand in several kinds of places: trees, benches, fences, bicycles, posts, boxes.

Each function adds things of one kind at the poses of a frame, ``[B, k]``; ``there`` is the mask of
those that exist. Sizes are metres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spike_training.scenes.builder import Draws, Frame, Ground, Paint, Value, between, grey, turn
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array

GREEN = np.array([0.55, 1.0, 0.35], np.float32)
QUARTER = 1.5707963
ANYTHING = ('poster', 'text', 'print', 'plain', 'stripes', 'weave', 'checks', 'wood', 'goods')
Part = tuple[tuple[Value, Value, Value], tuple[Value, Value, Value], Array, int]
"""Centre in the frame's axes, half sizes, material and kind of solid."""


def add_parts(ground: Ground, frame: Frame, there: Array, parts: Sequence[Part]) -> None:
    """Add solids that share poses, for example the legs and the top of each table."""
    for centre, half, material, kind in parts:
        ground.solids.add(
            frame.at(*centre), half, material, kind=kind, heading=frame.heading, there=there
        )


def foliage(draws: Draws, paint: Paint, number: int) -> Array:
    """Materials of leaves, from dry grass to dark green."""
    return paint(
        ('leaves', 'leaves', 'gravel', 'clouds'),
        number,
        draws(number, 0.4, 1.8),
        contrast=0.95,
        bright=np.clip(paint.colour(number, 0.06, 0.6, 0.4) * GREEN, 0.01, 1),
    )


def trees(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """Broad trees, conifers and bare young trees, 2 to 12 m tall."""
    number = there.shape[1]
    trunk, crown = between(0.35, 1.6, draws(number)), between(0.5, 2.6, draws(number))
    conifer = draws.chance(number, 0.25)
    crown = np.where(conifer, 0.6 * crown, crown)
    thick = draws(number, 0.03, 0.08) * (0.5 + crown)
    bark = paint(
        ('folds', 'wood', 'clouds'),
        number,
        draws(number, 0.3, 0.9),
        bright=paint.colour(number, 0.05, 0.4, 0.2),
    )
    leaves = foliage(draws, paint, number)
    ground.shadow(frame.x, frame.z, (crown, crown), 2 * trunk, there)
    high = trunk + 0.5 * crown
    add_parts(ground, frame, there, [((0.0, high, 0.0), (thick, high, thick), bark, CYLINDER)])
    for level in range(6):
        size = crown * np.where(conifer, 1.05 - 0.17 * level, draws(number, 0.35, 0.8))
        aside = [np.where(conifer, 0.0, draws(number, -0.85, 0.85) * crown) for _ in range(2)]
        tall = size * np.where(conifer, 0.55, draws(number, 0.6, 1.1))
        rise = np.where(conifer, (0.4 + 0.6 * level) * crown, draws(number, 0.2, 1.5) * crown)
        place = (aside[0], 2 * trunk + rise, aside[1])
        add_parts(ground, frame, there, [(place, (size, tall, size), leaves, ELLIPSOID)])


def bushes(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """Bushes, tufts of grass and stones, 0.1 to 1.6 m tall, sunk into the ground."""
    number = there.shape[1]
    size = between(0.1, 0.8, draws(number))
    stone = draws.chance(number, 0.25)
    rock = paint(
        ('gravel', 'plaster', 'clouds'),
        number,
        0.8,
        bright=grey(draws(number, 0.1, 0.6), number, len(size)),
    )
    leaves = foliage(draws, paint, number)
    ground.shadow(frame.x, frame.z, (1.1 * size, 1.1 * size), size, there)
    for _ in range(2):
        tall = size * np.where(stone, 0.6, draws(number, 0.5, 1.3))
        aside, along = (draws(number, -0.6, 0.6) * size for _ in range(2))
        ground.solids.add(
            frame.at(aside, 0.6 * tall, along),
            (size * draws(number, 0.5, 1.0), tall, size * draws(number, 0.5, 1.0)),
            np.where(stone[..., None], rock, leaves),
            kind=ELLIPSOID,
            heading=frame.heading,
            there=there,
        )


def benches(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """Benches of slats, some of them with a back, some of them with a table between two seats."""
    number = there.shape[1]
    wood = paint(('wood', 'planks', 'plain'), number, draws(number, 0.4, 1.2))
    iron = paint(('plain', 'plaster'), number, 0.5)
    half, seat, table = (
        draws(number, 0.6, 1.0),
        draws(number, 0.4, 0.48),
        draws.chance(number, 0.4),
    )
    ground.shadow(frame.x, frame.z, (half, half), seat, there)
    slats: list[Part] = [
        ((0.0, seat, 0.13 * k), (half, 0.018, 0.055), wood, BOX) for k in (-1, 0, 1)
    ]
    slats += [
        ((k * (half - 0.12), seat / 2, 0.0), (0.03, seat / 2, 0.03), iron, BOX) for k in (-1, 1)
    ]
    add_parts(ground, frame, there, slats)
    back: list[Part] = [
        ((0.0, seat + k, 0.2), (half, 0.05, 0.015), wood, BOX) for k in (0.18, 0.36)
    ]
    back += [
        ((k * (half - 0.12), seat + 0.2, 0.21), (0.025, 0.22, 0.02), iron, BOX) for k in (-1, 1)
    ]
    add_parts(ground, frame, there & ~table & draws.chance(number, 0.75), back)
    set_: list[Part] = [
        ((0.0, 0.74, 0.6), (half, 0.025, 0.36), wood, BOX),
        ((0.0, seat, 1.2), (half, 0.02, 0.15), wood, BOX),
    ]
    for k in (-1, 1):
        set_.append(((k * (half - 0.15), 0.36, 0.6), (0.04, 0.36, 0.05), iron, BOX))
        set_.append(((k * (half - 0.15), seat / 2, 1.2), (0.04, seat / 2, 0.03), iron, BOX))
    add_parts(ground, frame, there & table, set_)
    for _ in range(3):
        size = between(0.03, 0.14, draws(number))
        ground.solids.add(
            frame.at(draws(number, -0.8, 0.8) * half, 0.765 + size, draws(number, 0.35, 0.85)),
            (size * draws(number, 0.4, 1.2), size, size * draws(number, 0.4, 1.2)),
            paint(ANYTHING, number, 2 * size, fit=True),
            kind=draws.choose(number, [BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(np.int8),
            heading=frame.heading,
            there=there & table & draws.chance(number, 0.7),
        )


def bicycles(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """Bicycles on their stands: two thin wheels, a frame, a saddle and handlebars."""
    number = there.shape[1]
    tyre = paint(
        ('plain',), number, 0.3, bright=grey(draws(number, 0.02, 0.12), number, len(there))
    )
    paint_ = paint(('plain', 'stripes'), number, 0.4, vivid=0.9)
    size = draws(number, 0.24, 0.35)
    ground.shadow(frame.x, frame.z, (0.7, 0.3), 0.6, there)
    axle, base = size, 1.55 * size
    parts: list[Part] = [
        ((k * base, axle, 0.0), (size, size, 0.022), tyre, ELLIPSOID) for k in (-1, 1)
    ]
    parts += [
        ((0.0, 1.75 * axle, 0.0), (0.95 * base, 0.022, 0.02), paint_, BOX),
        ((-0.1 * base, 1.0 * axle, 0.0), (0.9 * base, 0.02, 0.02), paint_, BOX),
        ((-0.35 * base, 1.6 * axle, 0.0), (0.02, 0.95 * axle, 0.02), paint_, CYLINDER),
        ((0.95 * base, 2.0 * axle, 0.0), (0.02, 1.0 * axle, 0.02), paint_, CYLINDER),
        ((-0.35 * base, 2.65 * axle, 0.0), (0.13, 0.03, 0.07), tyre, ELLIPSOID),
        ((0.9 * base, 3.0 * axle, 0.0), (0.03, 0.018, 0.27), paint_, BOX),
    ]
    add_parts(ground, frame, there, parts)


def posts(
    draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array, tall: Value
) -> None:
    """Posts of half height ``tall``: lamps on an arm, signs, bare poles."""
    number = there.shape[1]
    metal = paint(
        ('plain', 'stripes', 'wood'), number, 0.5, bright=paint.colour(number, 0.04, 0.6, 0.2)
    )
    thin, arm = draws(number, 0.02, 0.09), draws(number, 0.1, 0.6)
    add_parts(ground, frame, there, [((0.0, tall, 0.0), (thin, tall, thin), metal, CYLINDER)])
    kind = draws(number)
    lamp = paint(
        ('plain',), number, bright=grey(0.85, number, len(there)), glow=draws(number, 0, 2)
    )
    top = 2 * np.asarray(tall)
    add_parts(
        ground,
        frame,
        there & (kind < 0.35),
        [
            ((arm, top, 0.0), (arm, 0.03, 0.03), metal, BOX),
            ((2 * arm, top - 0.05, 0.0), (0.25, 0.07, 0.12), lamp, BOX),
        ],
    )
    plate = draws(number, 0.15, 0.45)
    sign = paint(
        ('sign', 'print', 'poster', 'text'), number, 2 * plate, fit=True, contrast=1.0, vivid=1.0
    )
    high = np.minimum(top - 0.6 * plate, 2.4)
    add_parts(
        ground,
        frame,
        there & (kind > 0.65),
        [((0.0, high, -0.06), (plate, 0.7 * plate, 0.012), sign, BOX)],
    )


def fence(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """One fence of posts with rails or boards that one can see through, ``[B, 1]``."""
    number = 12
    step = draws(1, 0.25, 2.2)
    tall = draws(1, 0.4, 0.8)
    narrow = step < 0.9
    post = paint(('wood', 'plain', 'planks'), 1, 0.5, bright=paint.colour(1, 0.08, 0.7, 0.2))
    place = (np.arange(number, dtype=np.float32) - 0.5 * (number - 1)) * step
    half = np.where(narrow, draws(1, 0.03, 0.07), draws(1, 0.03, 0.06))
    ground.solids.add(
        frame.at(place, tall, 0.0),
        (half, tall, np.where(narrow, 0.012, half)),
        np.repeat(post, number, 1),
        heading=frame.heading,
        there=there,
    )
    rails = draws.choose(1, [1, 2, 3])
    for k in range(3):
        rail: Part = (
            (0.0, tall * (1.8 - 0.55 * k), 0.03),
            (0.5 * number * step, 0.035, 0.015),
            post,
            BOX,
        )
        add_parts(ground, frame, there & (rails > k), [rail])


def crates(
    draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array, largest: float = 0.4
) -> None:
    """Boxes, bins, pots, bags and balls, some of them with another on top."""
    number = there.shape[1]
    size = between(0.06, largest, draws(number))
    half = tuple(size * draws(number, 0.45, 1.2) for _ in range(3))
    kind = draws.choose(number, [BOX, BOX, BOX, CYLINDER, CYLINDER, ELLIPSOID]).astype(np.int8)
    half = (half[0], half[1], np.where(kind == CYLINDER, half[0], half[2]))
    reach = 1.15 * np.maximum(half[0], half[2])
    ground.shadow(frame.x, frame.z, (reach, reach), 2 * half[1], there)
    tiles = ('plain', 'wood', 'poster', 'planks', 'stripes', 'ribs', 'print', 'weave', 'goods')
    ground.solids.add(
        frame.at(0.0, half[1], 0.0),
        (half[0], half[1], half[2]),
        paint(tiles, number, 2 * size, fit=True),
        kind=kind,
        heading=frame.heading,
        there=there,
    )
    small = size * draws(number, 0.4, 0.8)
    ground.solids.add(
        frame.at(0.0, 2 * half[1] + 0.7 * small, 0.0),
        (np.minimum(small, half[0]), 0.7 * small, np.minimum(small, half[2])),
        paint(tiles, number, 2 * small),
        heading=turn(draws(number, 0, 6.28)),
        there=there & (kind == BOX) & draws.chance(number, 0.35),
    )


def bins(draws: Draws, paint: Paint, ground: Ground, frame: Frame, there: Array) -> None:
    """Wheeled bins with lids, barrels and planters with a plant."""
    number = there.shape[1]
    half, tall = draws(number, 0.24, 0.42), draws(number, 0.25, 0.62)
    kind = draws(number)
    body = paint(
        ('plain', 'ribs', 'planks', 'stripes'), number, draws(number, 0.5, 1.5), vivid=0.9
    )
    lid = paint(('plain',), number, 1.0)
    ground.shadow(frame.x, frame.z, (1.2 * half, 1.2 * half), 2 * tall, there)
    ground.solids.add(
        frame.at(0.0, tall, 0.0),
        (half, tall, half),
        body,
        kind=np.where(kind < 0.65, BOX, CYLINDER).astype(np.int8),
        heading=frame.heading,
        there=there,
    )
    add_parts(
        ground,
        frame,
        there & (kind < 0.4),
        [
            ((0.0, 2 * tall + 0.03, -0.02), (1.05 * half, 0.035, 1.08 * half), lid, BOX),
            ((0.0, 2 * tall - 0.03, half + 0.04), (0.8 * half, 0.02, 0.02), lid, BOX),
        ],
    )
    size = half * draws(number, 0.8, 1.4)
    leaves = foliage(draws, paint, number)
    planted = there & (kind > 0.5) & draws.chance(number, 0.7)
    for _ in range(2):
        place = (
            draws(number, -0.3, 0.3) * half,
            2 * tall + 0.6 * size,
            draws(number, -0.3, 0.3) * half,
        )
        high = size * draws(number, 0.7, 1.5)
        add_parts(ground, frame, planted, [(place, (size, high, size), leaves, ELLIPSOID)])
