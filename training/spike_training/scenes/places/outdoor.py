# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Outdoor places without a road: yards, parks with paths, and fields up to the horizon."""

from __future__ import annotations

import numpy as np

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
    GREEN,
    QUARTER,
    add_parts,
    benches,
    bicycles,
    bins,
    bushes,
    crates,
    fence,
    foliage,
    posts,
    trees,
)
from spike_training.scenes.places.viewpoint import (
    Viewpoint,
    exposure,
    in_view,
    motion,
    open_heading,
    sample_viewpoint,
)
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array, Scenes

_FAR = 400.0

# What bounds a place: share in yards, parks and fields; height and half depth, from and to.
_BOUNDS: tuple[tuple[str, tuple[float, float, float], tuple[float, float, float, float]], ...] = (
    ('wall', (0.24, 0.08, 0.03), (1.2, 3.0, 0.08, 0.15)),
    ('boards', (0.18, 0.1, 0.08), (0.8, 2.0, 0.015, 0.04)),
    ('hedge', (0.12, 0.2, 0.2), (0.6, 2.6, 0.2, 0.7)),
    ('house', (0.28, 0.14, 0.06), (2.6, 9.0, 2.0, 5.0)),
    ('ledge', (0.08, 0.08, 0.05), (0.2, 0.8, 0.1, 0.3)),
)
_TILES = {
    'wall': ('bricks', 'plaster', 'blocks', 'plain', 'slabs', 'tiles'),
    'boards': ('planks', 'wood', 'ribs', 'folds'),
    'hedge': ('leaves', 'leaves', 'gravel'),
    'house': ('bricks', 'plaster', 'plain', 'facade', 'blocks', 'planks'),
    'ledge': ('blocks', 'gravel', 'plaster', 'bricks'),
}


def outdoor(draws: Draws) -> Scenes:
    """Sample scenes: yards, parks and fields, about as many of each."""
    batch = len(draws(1))
    paint, solids = Paint(draws), Solids(batch)
    kind = draws(1)
    yard, field = kind < 0.34, kind >= 0.7

    def by_kind(of_yard: float, of_park: float, of_field: float) -> Array:
        value: Array = np.where(yard, of_yard, np.where(field, of_field, of_park))
        return value.astype(np.float32)

    half_x, half_z = (
        by_kind(2.5, 9.0, 30.0) * between(1.0, 4.0, draws(1)).astype(np.float32) for _ in range(2)
    )
    x, z = draws(1, -1, 1) * (half_x - 1.2), draws(1, -1, 1) * (half_z - 1.2)
    view = sample_viewpoint(draws, x, z, open_heading(draws, x, z, half_x, half_z))
    limits = (half_x - 0.4, half_z - 0.4)

    floor = _floor(draws, paint, yard, field)
    sun, dark = direction(draws, 0.3, 2.5), draws(1, 0.25, 0.8)
    ground = Ground(solids, floor, sun, dark)
    _surfaces(draws, paint, ground, view, yard, field)
    _bounds(draws, paint, solids, half_x, half_z, (yard, field))
    _background(draws, paint, solids, view, yard, field)

    def spread(number: int, near: float, far: tuple[float, float, float]) -> Frame:
        """Sample places in the view; the greatest distance depends on the kind of place."""
        return view.ahead(draws, number, near, by_kind(*far), 1.1, limits)

    def present(frame: Frame, reach: float, share: tuple[float, float, float]) -> Array:
        # Where the camera looks down, the same number of things stands on much less ground.
        fewer = np.where(view.pitch < -0.5, 0.6, 1.0)
        return view.clear_of(frame, reach) & draws.chance(
            frame.x.shape[1], fewer * by_kind(*share)
        )

    at = spread(8, 2.8, (16, 40, 120))
    trees(draws, paint, ground, at, present(at, 2.8, (0.25, 0.65, 0.4)))
    at = spread(9, 1.1, (9, 20, 40))
    bushes(draws, paint, ground, at, present(at, 1.4, (0.4, 0.5, 0.6)))
    at = spread(8, 0.9, (8, 12, 14))
    crates(draws, paint, ground, at, present(at, 0.9, (0.6, 0.2, 0.12)))
    at = spread(3, 1.0, (10, 20, 20))
    bins(draws, paint, ground, at, present(at, 1.0, (0.5, 0.3, 0.06)))
    at = spread(2, 1.3, (8, 16, 20))
    benches(draws, paint, ground, at, present(at, 1.8, (0.45, 0.5, 0.1)))
    at = spread(2, 1.2, (8, 14, 20))
    bicycles(draws, paint, ground, at, present(at, 1.2, (0.45, 0.25, 0.06)))
    at = spread(4, 1.0, (14, 40, 120))
    tall = np.where(draws.chance(4, 0.3), draws(4, 0.4, 0.7), draws(4, 1.1, 3.5))
    posts(draws, paint, ground, at, present(at, 0.9, (0.25, 0.4, 0.35)), tall)
    for _ in range(2):
        at = spread(1, 1.3, (10, 25, 50))
        fence(draws, paint, ground, at, present(at, 1.3, (0.25, 0.35, 0.5)))
    _sheds(draws, paint, ground, spread(2, 4.0, (14, 40, 90)), view, by_kind(0.35, 0.15, 0.25))
    _canopy(draws, paint, ground, view, draws.chance(1, by_kind(0.25, 0.08, 0.0)))
    _bales(draws, paint, ground, spread(6, 3.0, (9, 60, 100)), view, field)
    at = spread(4, 1.4, (10, 25, 40))
    walks = draws.chance(4, 0.5) * draws(4, 0.3, 2.0)
    person(draws, paint, ground, at, present(at, 1.2, (0.3, 0.4, 0.15)), walks)

    pose = motion(draws, view, by_kind(2.5, 4.0, 8.0))
    night = draws.chance(1, 0.1)
    sky = _sky(draws, paint, batch) * np.where(night[..., None], 0.03, 1).astype(np.float32)
    sky[..., :7] = sky[..., :7] / np.where(night[..., None], np.float32(0.03), np.float32(1))
    lamp = view.ahead(draws, 1, 1.5, 8.0)
    far = np.full(batch, _FAR, np.float32)
    return Scenes(
        **in_view(solids, pose, view),
        **pose,
        shell_material=np.concatenate([floor, sky, sky, sky, sky], 1).astype(np.float32),
        shell=np.stack([np.stack([-far, 0 * far, -far], 1), np.stack([far, far, far], 1)], 1),
        open=np.ones(batch, np.float32),
        sun=sun,
        light=np.concatenate(
            [
                draws(1, 0.0, 1.4) * draws.chance(1, 0.75) * ~night,
                np.where(night, draws(1, 0.02, 0.1), draws(1, 0.25, 0.6)),
                np.where(night, draws(1, 1.0, 8.0), 0),
            ],
            1,
        ).astype(np.float32),
        lamp=np.concatenate([lamp.x, draws(1, 2.0, 4.0), lamp.z], 1).astype(np.float32),
        haze=between(80, 4000, draws(1))[:, 0],
        **exposure(draws, 0.8, night),
    )


def _floor(draws: Draws, paint: Paint, yard: Array, field: Array) -> Array:
    """Material of the ground: slabs, gravel or grass in yards, grass or earth elsewhere."""
    hard = paint(
        ('slabs', 'tiles', 'gravel', 'plaster', 'blocks', 'bricks', 'planks'),
        1,
        draws(1, 0.8, 3.0),
        bright=paint.colour(1, 0.12, 0.7, 0.2),
        contrast=0.6,
    )
    tint = np.where(draws.chance(1, 0.7)[..., None], GREEN, np.array([1.0, 0.8, 0.55], np.float32))
    soft = paint(
        ('leaves', 'gravel', 'clouds', 'leaves'),
        1,
        draws(1, 0.7, 3.5) * np.where(field, 1.5, 1.0),
        contrast=0.8,
        bright=np.clip(paint.colour(1, 0.1, 0.6, 0.3) * tint, 0.01, 1),
    )
    paved = draws.chance(1, np.where(yard, 0.65, np.where(field, 0.0, 0.2)))
    chosen: Array = np.where(paved[..., None], hard, soft).astype(np.float32)
    return chosen


def _surfaces(
    draws: Draws, paint: Paint, ground: Ground, view: Viewpoint, yard: Array, field: Array
) -> None:
    """Paths, lawns, terraces and furrows, flat on the ground, and low mounds far away."""
    number = 4
    at = view.ahead(draws, number, 0.5, np.where(yard, 6.0, 25.0), 1.0)
    near = draws.chance(number, 0.5)
    # Paths lead away from the camera more often than across its view.
    bend = draws(number, -0.5, 0.5) + QUARTER * draws.chance(number, 0.3)
    heading = turn(view.yaw + bend)
    x, z = np.where(near, view.x + draws(number, -1, 1), at.x), np.where(near, view.z, at.z)
    stone = paint(
        ('gravel', 'slabs', 'plaster', 'tiles', 'planks', 'bricks', 'clouds'),
        number,
        draws(number, 0.7, 2.5),
        bright=paint.colour(number, 0.1, 0.7, 0.25),
        contrast=0.6,
    )
    lawn = foliage(draws, paint, number)
    path = draws.chance(number, np.where(yard, 0.4, np.where(field, 0.5, 0.75)))
    wide = np.where(path, draws(number, 0.3, 1.6), draws(number, 0.8, 4.0))
    long = np.where(path, draws(number, 5.0, 60.0), draws(number, 1.0, 6.0))
    wide, long = np.where(field & ~path, 6 * wide, wide), np.where(field & ~path, 8 * long, long)
    height = 0.004 + 0.003 * np.arange(number, dtype=np.float32)  # none lies in another's plane
    ground.solids.add(
        (x, height / 2, z),
        (wide, height / 2, long),
        np.where(
            path[..., None], stone, np.where(draws.chance(number, 0.7)[..., None], lawn, stone)
        ),
        heading=heading,
        there=draws.chance(number, 0.6),
    )
    at = view.ahead(draws, 3, 12.0, 60.0)
    size = draws(3, 3.0, 10.0)
    mound = foliage(draws, paint, 3)
    ground.solids.add(
        (at.x, -0.2, at.z),
        (size, 0.2 + draws(3, 0.02, 0.12) * size, size * draws(3, 0.6, 1.4)),
        mound,
        kind=ELLIPSOID,
        heading=at.heading,
        there=~yard & draws.chance(3, 0.4) & view.clear_of(at, 12.0),
    )


def _bounds(
    draws: Draws,
    paint: Paint,
    solids: Solids,
    half_x: Array,
    half_z: Array,
    kinds: tuple[Array, Array],
) -> None:
    """Walls, fences, hedges and houses along the four sides, two pieces on each."""
    number = 8
    yard, field = kinds
    ends = (np.arange(number) // 4) % 2 == 0  # at the ends along z, not along x
    sign = np.where((np.arange(number) // 2) % 2 == 0, np.float32(-1), np.float32(1))
    half_length = np.where(ends, half_x, half_z)
    split = np.repeat(draws(4, -0.6, 0.6), 2, 1)
    first = np.arange(number) % 2 == 0
    low, high = np.where(first, -1, split), np.where(first, split, 1)
    middle, half_w = 0.5 * (low + high) * half_length, 0.5 * (high - low) * half_length
    away = np.where(ends, half_z, half_x) + draws(number, 0.0, 0.6)
    heading = turn(np.where(ends, np.float32(0), np.float32(QUARTER)))
    what, start = draws(number), np.zeros((1, 1), np.float32)
    front = paint(
        ('door', 'doors', 'ribs', 'folds', 'screen', 'facade', 'poster', 'goods'),
        number,
        (draws(number, 1.0, 2.5), 2.1),
        fit=True,
        contrast=1.0,
    )
    for name, shares, limits in _BOUNDS:
        share = np.where(yard, shares[0], np.where(field, shares[2], shares[1]))
        chosen = (what >= start) & (what < start + share)
        start = start + share
        tall = limits[0] + (limits[1] - limits[0]) * draws(number)
        deep = limits[2] + (limits[3] - limits[2]) * draws(number)
        storey = draws(number, 2.6, 3.4)
        material = paint(
            _TILES[name],
            number,
            4 * storey if name == 'house' else draws(number, 0.8, 3.0),
            contrast=0.8,
            bright=paint.colour(number, 0.1, 0.85, 0.5) * (GREEN if name == 'hedge' else 1),
        )
        out = sign * (away + deep)
        x, z = np.where(ends, middle, out), np.where(ends, out, middle)
        solids.add(
            (x, tall / 2, z), (half_w, tall / 2, deep), material, heading=heading, there=chosen
        )
        if name not in ('house', 'wall'):
            continue
        # Doors, gates and windows on the inner face; a cornice or coping above.
        for k in range(2):
            broad = np.minimum(draws(number, 0.4, 1.3), 0.8 * half_w)
            foot = np.where(draws.chance(number, 0.5), 0.0, draws(number, 0.7, 1.1))
            high = np.minimum(draws(number, 0.5, 1.05), (tall - foot) / 2 - 0.05)
            aside = middle + (k - 0.5 + draws(number, -0.3, 0.3)) * half_w
            face = sign * (away - 0.02)
            solids.add(
                (np.where(ends, aside, face), foot + high, np.where(ends, face, aside)),
                (broad, high, 0.03),
                front,
                heading=heading,
                there=chosen & (high > 0.3) & draws.chance(number, 0.6),
            )
        solids.add(
            (x, tall + 0.05, z),
            (half_w + 0.1, 0.06, deep + draws(number, 0.04, 0.5)),
            paint(('tiles', 'plain', 'ribs', 'blocks'), number, draws(number, 0.6, 2.0)),
            heading=heading,
            there=chosen & draws.chance(number, 0.6),
        )


def _background(
    draws: Draws, paint: Paint, solids: Solids, view: Viewpoint, yard: Array, field: Array
) -> None:
    """Rows of trees, houses and hills, 15 to 300 m away, behind whatever bounds the place."""
    number = 9
    at = view.ahead(draws, number, 25.0, np.where(yard, 60.0, 160.0), 1.2)
    size = draws(number, 2.0, 7.0)
    solids.add(
        (at.x, 0.6 * size, at.z),
        (size * draws(number, 0.6, 1.6), size * draws(number, 0.6, 1.2), size),
        foliage(draws, paint, number),
        kind=ELLIPSOID,
        heading=at.heading,
        there=draws.chance(number, 0.6),
    )
    number = 3
    at = view.ahead(draws, number, 22.0, 120.0, 1.2)
    tall = draws(number, 2.5, 9.0)
    storey = draws(number, 2.6, 3.4)
    solids.add(
        (at.x, tall / 2, at.z),
        (draws(number, 3, 9), tall / 2, draws(number, 3, 6)),
        paint(
            ('facade', 'tower', 'bricks', 'plaster'),
            number,
            4 * storey,
            bright=paint.colour(number, 0.15, 0.85, 0.4),
        ),
        heading=at.heading,
        there=draws.chance(number, np.where(field, 0.25, 0.4)),
    )
    number = 3
    at = view.ahead(draws, number, 150.0, 300.0, 1.2)
    solids.add(
        (at.x, -3.0, at.z),
        (draws(number, 30, 90), draws(number, 6, 40), draws(number, 20, 50)),
        foliage(draws, paint, number),
        kind=ELLIPSOID,
        heading=at.heading,
        there=draws.chance(number, np.where(yard, 0.2, 0.5)),
    )


def _sheds(
    draws: Draws, paint: Paint, ground: Ground, frame: Frame, view: Viewpoint, share: Array
) -> None:
    """Sheds and garages with a door, a window and a roof of shrinking steps."""
    number = frame.x.shape[1]
    there = view.clear_of(frame, 3.6) & draws.chance(number, share)
    half_w, tall, half_d = (
        draws(number, 0.9, 2.2),
        draws(number, 0.95, 1.35),
        draws(number, 0.8, 2.0),
    )
    body = paint(
        ('planks', 'wood', 'ribs', 'bricks', 'plaster'),
        number,
        draws(number, 0.8, 2.0),
        bright=paint.colour(number, 0.08, 0.8, 0.6),
    )
    roof = paint(('ribs', 'tiles', 'plain', 'planks'), number, draws(number, 0.6, 2.0))
    door = paint(('door', 'planks', 'ribs', 'doors'), number, (1.0, 2.0), fit=True)
    glass = paint(('screen', 'clouds', 'doors'), number, (0.8, 0.8), fit=True, contrast=1.0)
    ground.shadow(frame.x, frame.z, (1.3 * half_w, 1.3 * half_d), 2 * tall, there)
    add_parts(
        ground,
        frame,
        there,
        [
            ((0.0, tall, 0.0), (half_w, tall, half_d), body, BOX),
            ((0.0, 2 * tall + 0.05, 0.0), (half_w + 0.15, 0.06, half_d + 0.15), roof, BOX),
            ((-0.4 * half_w, 0.95, -half_d), (0.42, 0.95, 0.03), door, BOX),
            ((0.5 * half_w, 1.3, -half_d), (0.3, 0.3, 0.03), glass, BOX),
            ((half_w, 1.3, 0.2), (0.03, 0.3, 0.35), glass, BOX),
        ],
    )
    pitched = there & draws.chance(number, 0.6)
    steps = 4
    for k in range(steps):
        part = (0.0, 2 * tall + 0.16 + 0.16 * k, 0.0)
        half = (half_w * (1 - k / steps) + 0.05, 0.08, half_d + 0.1)
        add_parts(ground, frame, pitched, [(part, half, roof, BOX)])


def _canopy(draws: Draws, paint: Paint, ground: Ground, view: Viewpoint, there: Array) -> None:
    """A roof on four posts, a pergola or an awning close to the camera or over it."""
    at = view.ahead(draws, 1, 1.0, 5.0, 0.7)
    frame = Frame(at.x, 0.0, at.z, turn(view.yaw + draws(1, -0.8, 0.8)))
    half_w, half_d, tall = draws(1, 1.0, 2.5), draws(1, 0.9, 2.0), draws(1, 1.05, 1.4)
    tall = np.maximum(tall, 0.5 * view.height + 0.2)
    wood = paint(('wood', 'plain', 'planks'), 1, draws(1, 0.4, 1.0))
    cloth = paint(
        ('stripes', 'plain', 'planks', 'ribs', 'folds'), 1, draws(1, 0.6, 2.0), vivid=0.8
    )
    thin = draws(1, 0.03, 0.08)
    ground.shadow(frame.x, frame.z, (half_w, half_d), 2 * tall, there)
    for x in (-1, 1):
        for z in (-1, 1):
            place = (x * half_w, tall, z * half_d)
            add_parts(ground, frame, there, [(place, (thin, tall, thin), wood, CYLINDER)])
    closed = draws.chance(1, 0.5)
    roof = ((0.0, 2 * tall + 0.06, 0.0), (half_w + 0.2, 0.04, half_d + 0.2), cloth, BOX)
    add_parts(ground, frame, there & closed, [roof])
    for k in range(6):
        beam = (
            (0.0, 2 * tall + 0.05, (k - 2.5) / 2.5 * half_d),
            (half_w + 0.2, 0.06, 0.03),
            wood,
            BOX,
        )
        add_parts(ground, frame, there & ~closed, [beam])


def _bales(
    draws: Draws, paint: Paint, ground: Ground, frame: Frame, view: Viewpoint, field: Array
) -> None:
    """Hay bales, round ones on end and square ones, or heaps of earth."""
    number = frame.x.shape[1]
    there = field & draws.chance(1, 0.5) & draws.chance(number, 0.7) & view.clear_of(frame, 2.0)
    round_ = draws.chance(1, 0.6)
    half = draws(number, 0.45, 0.8)
    long = np.where(round_, half, half * draws(number, 1.0, 2.0))
    hay = paint(
        ('folds', 'gravel', 'weave'),
        number,
        draws(number, 0.4, 1.2),
        bright=paint.colour(number, 0.25, 0.8, 0.2) * np.array([1.0, 0.85, 0.5], np.float32),
    )
    ground.shadow(frame.x, frame.z, (1.1 * long, 1.1 * half), 1.2, there)
    shape = np.where(round_, CYLINDER, BOX).astype(np.int8)
    ground.solids.add(
        frame.at(0.0, 0.9 * half, 0.0),
        (long, 0.9 * half, half),
        hay,
        kind=np.broadcast_to(shape, there.shape),
        heading=frame.heading,
        there=there,
    )


def _sky(draws: Draws, paint: Paint, batch: int) -> Array:
    """Material of the sky, clouded or plain."""
    bright = grey(draws(1, 0.55, 1.0), 1, batch) * np.array([0.9, 1.0, 1.15], np.float32)
    return paint(
        ('clouds', 'plain'),
        1,
        draws(1, 3.0, 8.0),
        bright=bright,
        dark=bright * draws(1, 0.4, 1.0)[..., None],
        contrast=0.4,
    )
