# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layout of furnished rooms: homes, kitchens, offices, corridors and halls.

A room is a function of seed, number and models alone.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spike_worlds.blender.geometry import Footprint, Point
from spike_worlds.blender.groups import Groups
from spike_worlds.blender.plan import (
    THICKNESS,
    Box,
    Furnisher,
    Item,
    Lamp,
    Material,
    Opening,
    Room,
)
from spike_worlds.blender.textures import Colour

Range = tuple[float, float]


class Kind(NamedTuple):
    """Kind of a room.

    Attributes:
        share: Share of the rooms.
        width: Limits of its width, metres.
        depth: Limits of its depth.
        height: Limits of its height.
        floors: Textures of the floor.
        walls: Textures of the walls.
        windows: Most windows.
        doors: Most doors and gaps.
        clutter: Limits of the number of small things on the floor.
    """

    share: float
    width: Range
    depth: Range
    height: Range
    floors: tuple[str, ...]
    walls: tuple[str, ...]
    windows: int
    doors: int
    clutter: tuple[int, int]


_WARM = ('planks', 'parquet', 'carpet', 'planks', 'tiles')
_HARD = ('tiles', 'concrete', 'plain', 'marble', 'planks')
_OFFICE = (*_HARD, 'carpet')
_HOME = ('plaster', 'plain', 'stripes', 'dots', 'plaster', 'bricks')
_PLAIN = ('plaster', 'plain', 'plain', 'concrete', 'bricks')
_TILED = ('tiles', 'plaster', 'plain')

KINDS: dict[str, Kind] = {
    'living': Kind(0.19, (3.4, 6.8), (3.2, 6.0), (2.3, 2.9), _WARM, _HOME, 3, 2, (2, 9)),
    'bedroom': Kind(0.13, (2.8, 4.8), (2.8, 4.5), (2.3, 2.8), _WARM, _HOME, 2, 1, (3, 9)),
    'dining': Kind(0.07, (3.0, 5.5), (2.9, 5.0), (2.3, 2.9), _WARM, _HOME, 3, 2, (1, 6)),
    'study': Kind(0.1, (2.4, 4.2), (2.4, 4.2), (2.3, 2.9), _WARM, _HOME, 2, 1, (3, 9)),
    'bathroom': Kind(0.03, (1.9, 3.4), (1.9, 3.2), (2.3, 2.7), _HARD, _TILED, 1, 1, (0, 3)),
    'kitchen': Kind(0.13, (2.4, 5.2), (2.3, 4.8), (2.3, 2.8), _HARD, _TILED, 2, 2, (1, 6)),
    'office': Kind(0.18, (3.2, 9.0), (3.0, 7.0), (2.4, 3.2), _OFFICE, _PLAIN, 4, 2, (3, 10)),
    'corridor': Kind(0.07, (1.4, 2.6), (6.0, 16.0), (2.3, 3.1), _HARD, _PLAIN, 1, 6, (1, 7)),
    'hall': Kind(0.1, (7.0, 16.0), (6.0, 13.0), (3.0, 6.0), _HARD, _PLAIN, 6, 3, (4, 14)),
}  # fmt: skip
"""Kinds of rooms."""

_PICTURE_KINDS = ('picture', 'paper')
_OUTSIDE = 60.0
_MODES = (('day', 0.45), ('mixed', 0.2), ('evening', 0.25), ('dim', 0.1))


def make_room(seed: int, number: int, groups: Groups) -> Room:
    """Return a furnished room.

    Args:
        seed: Seed of the set.
        number: Number of the room in it.
        groups: Models by their use.
    """
    rng = np.random.default_rng([seed, number])
    name = _chosen(rng, [(name, kind.share) for name, kind in KINDS.items()])
    kind = KINDS[name]
    size = (
        float(rng.uniform(*kind.width)),
        float(rng.uniform(*kind.depth)),
        float(rng.uniform(*kind.height)),
    )
    own = sample_material(rng, str(rng.choice(kind.walls)), 0.75)
    accent = sample_material(rng, str(rng.choice(kind.walls)), 0.6)
    walls = [own] * 4
    if rng.random() < 0.35:
        walls[int(rng.integers(4))] = accent
    ceiling = sample_material(rng, 'plaster' if rng.random() < 0.5 else 'plain', 0.88, 0.04)
    floor = sample_material(rng, str(rng.choice(kind.floors)), 0.5)
    room = Room(name, size, floor, walls, ceiling)
    furnisher = Furnisher(room, groups, rng)
    _cut_openings(furnisher, kind)
    _RECIPES[name](furnisher)
    _add_more(furnisher)
    _add_trim(furnisher)
    _add_clutter(furnisher, kind)
    _light(furnisher)
    return room


def _chosen(rng: np.random.Generator, shares: list[tuple[str, float]]) -> str:
    names, weights = zip(*shares, strict=True)
    return str(rng.choice(names, p=np.asarray(weights) / sum(weights)))


def sample_material(
    rng: np.random.Generator, kind: str, brightness: float, saturation: float = 0.3
) -> Material:
    """Return a surface of a random colour.

    Args:
        rng: Random numbers.
        kind: Texture.
        brightness: About the brightness of its bright colour, gamma encoded.
        saturation: Largest saturation.
    """
    wood = kind in ('planks', 'parquet', 'grain')
    hue = rng.uniform(0.04, 0.11) if wood else rng.random()
    colourful = rng.uniform(0.25, 0.6) if wood else saturation * rng.random() ** 2
    value = float(np.clip(brightness + rng.uniform(-0.22, 0.15), 0.15, 0.97))
    contrast = rng.uniform(0.15, 0.45) if kind in ('plain', 'plaster') else rng.uniform(0.3, 0.7)
    bright = colorsys.hsv_to_rgb(hue, colourful, value)
    dark = colorsys.hsv_to_rgb(hue + rng.uniform(-0.02, 0.02), colourful, value * (1 - contrast))
    shiny = kind in ('tiles', 'marble', 'parquet', 'planks')
    roughness = float(rng.uniform(0.25, 0.6) if shiny else rng.uniform(0.6, 0.95))
    metres = {'tiles': 1.2, 'planks': 1.1, 'parquet': 1.8, 'bricks': 0.9, 'carpet': 0.8}
    scale = metres.get(kind, 1.5) * float(rng.uniform(0.7, 1.4))
    return Material(kind, int(rng.integers(2**31)), dark, bright, scale, roughness)


def _picture(furnisher: Furnisher) -> Material:
    """Return a picture or a written sheet, whose texture is as large as its box."""
    rng = furnisher.rng
    kind = str(rng.choice(_PICTURE_KINDS))
    if kind == 'paper':
        return Material(kind, int(rng.integers(2**31)), (0.1, 0.1, 0.15), (0.95, 0.95, 0.92), 0.0)
    material = sample_material(rng, kind, 0.85, 0.9)
    return material._replace(dark=sample_material(rng, 'plain', 0.2, 0.9).bright, metres=0.0)


# Walls, doors, windows -------------------------------------------------------------------------


def _cut_openings(f: Furnisher, kind: Kind) -> None:
    windows = f.number(0, kind.windows)
    glazed = f.number(0, 3)
    for k in range(windows):
        _cut(f, 'window', (glazed + (k % 2 if f.chance(0.3) else 0)) % 4, outside=True)
    for _ in range(f.number(1, kind.doors)):
        group = 'double_door' if f.room.kind in ('hall', 'office') and f.chance(0.4) else 'door'
        _cut(f, group, f.number(0, 3), outside=False)


def _cut(f: Furnisher, group: str, wall: int, outside: bool) -> None:
    """Cut a hole for a model into a wall, and place the model; or leave a gap without a door."""
    model = f.model(group, alike=outside)
    if model is None:
        return
    width, depth, height = model.size
    bottom = model.elevation if outside else 0.0
    own = f.walls[wall]
    if bottom + height > f.room.size[2] - 0.05 or width + 0.3 > own.length:
        return
    for _ in range(12):
        begin = f.uniform(0.15, own.length - width - 0.15)
        end = begin + width
        beside = [o for o in f.room.openings if o.wall == wall]
        if all(end < o.begin - 0.1 or begin > o.end + 0.1 for o in beside):
            break
    else:
        return
    gap = not outside and f.chance(0.35)
    opening = Opening(wall, begin, end, bottom, bottom + height, outside, '' if gap else model.key)
    f.room.openings.append(opening)
    f.keep_clear(opening)
    if not gap:
        # Its front is flush with the inner face of the wall or stands out a little.
        at = own.point((begin + end) / 2, min(0.03, depth / 4) - depth / 2)
        place = (float(at[0]), float(at[1]), bottom)
        f.room.items.append(Item(model.key, place, own.heading, model.size))
    if not outside:
        _add_next_room(f, opening)


def _add_next_room(f: Furnisher, opening: Opening) -> None:
    """Add the shell of a small room behind an opening, with a lamp of its own."""
    wall = f.walls[opening.wall]
    deep, left, right = f.uniform(1.2, 4.5), f.uniform(0.2, 1.5), f.uniform(0.2, 1.5)
    height = max(f.uniform(2.2, 2.7), opening.top + 0.05)
    begin, end = opening.begin - left, opening.end + right
    middle, wide = (begin + end) / 2, end - begin
    surface = sample_material(f.rng, 'plaster', 0.75)
    floor = sample_material(f.rng, 'planks', 0.5)

    def add(place: float, away: float, size: Point, centre: float, material: Material) -> None:
        at = wall.point(place, -THICKNESS - away)
        f.room.boxes.append(
            Box((float(at[0]), float(at[1]), centre), size, wall.heading, material)
        )

    t = THICKNESS
    add(middle, deep / 2, (wide, deep, t), -t / 2, floor)
    add(middle, deep / 2, (wide, deep, t), height + t / 2, surface)
    add(middle, deep + t / 2, (wide + 2 * t, t, height), height / 2, surface)
    add(begin - t / 2, deep / 2, (t, deep, height), height / 2, surface)
    add(end + t / 2, deep / 2, (t, deep, height), height / 2, surface)
    at = wall.point(middle, -t - deep / 2)
    lit = f.uniform(2, 40) if f.chance(0.7) else 1.0
    f.room.lamps.append(Lamp((float(at[0]), float(at[1]), height - 0.3), lit, (1, 0.9, 0.75), 0.1))


def _add_outside(f: Furnisher) -> None:
    """Add ground and houses beyond the windows."""
    width, depth, _ = f.room.size
    below = -f.uniform(0.2, 9.0)
    glow = f.room.sky / np.pi * f.uniform(0.4, 0.9)
    ground = sample_material(f.rng, 'concrete', 0.45)._replace(glow=glow)
    size = (2 * _OUTSIDE, 2 * _OUTSIDE, 1.0)
    f.room.boxes.append(Box((width / 2, depth / 2, below - 0.5), size, 0.0, ground, outside=True))
    for _ in range(f.number(2, 6)):
        angle, away = f.uniform(0, 2 * np.pi), f.uniform(12, 38) + max(width, depth)
        size = (f.uniform(4, 18), f.uniform(4, 12), f.uniform(3, 22))
        facade = sample_material(f.rng, 'facade', 0.7)
        facade = facade._replace(metres=f.uniform(9, 16), glow=glow * f.uniform(0.5, 1.5))
        at = (width / 2 + away * np.cos(angle), depth / 2 + away * np.sin(angle))
        centre = (float(at[0]), float(at[1]), below + size[2] / 2)
        f.room.boxes.append(Box(centre, size, f.uniform(0, np.pi), facade, outside=True))


def _add_trim(f: Furnisher) -> None:
    """Add skirting, pictures, sockets and radiators, rugs and curtains."""
    room = f.room
    if f.chance(0.7):
        _add_skirting(f)
    homely = room.kind in ('living', 'bedroom', 'dining', 'study', 'kitchen')
    for _ in range(f.number(0, 6 if homely or room.kind == 'office' else 4)):
        size = (f.uniform(0.2, 1.1), f.uniform(0.2, 0.9))
        f.panel(_picture(f), size, f.uniform(1.0, 1.6), f.uniform(0.005, 0.04))
    for _ in range(f.number(1, 5)):
        f.against_wall('wall_thing', tries=6)
    for opening in [o for o in room.openings if o.outside]:
        if homely and f.chance(0.35):
            _add_curtains(f, opening)
    if f.chance(0.5):
        f.against_wall('radiator', tries=6)


def _add_curtains(f: Furnisher, opening: Opening) -> None:
    model = f.model('curtain')
    wall = f.walls[opening.wall]
    if model is None or model.elevation + model.size[2] > f.room.size[2]:
        return
    for place in (opening.begin - 0.3, opening.end + 0.3):
        half = model.size[0] / 2
        if half < place < wall.length - half:
            at = wall.point(place, model.size[1] / 2 + 0.08)
            f.put(model, at, wall.heading, model.elevation, f.solids)


def _add_skirting(f: Furnisher) -> None:
    high, thick = f.uniform(0.05, 0.14), 0.012
    material = sample_material(f.rng, 'plain', 0.85, 0.15)
    for number, wall in enumerate(f.walls):
        doors = sorted(
            (o.begin, o.end) for o in f.room.openings if o.wall == number and o.bottom < high
        )
        at = 0.0
        for begin, end in [*doors, (wall.length, wall.length)]:
            if begin - at > 0.05:
                x, y = map(float, wall.point((at + begin) / 2, thick / 2))
                f.room.boxes.append(
                    Box((x, y, high / 2), (begin - at, thick, high), wall.heading, material)
                )
            at = end


def _add_more(f: Furnisher) -> None:
    """Fill free places along the walls, and hang shelves with books above them."""
    groups = ['bookcase', 'cabinet', 'chair', 'plant', 'wardrobe', 'coffee_table', 'armchair']
    if f.room.kind in ('bathroom', 'kitchen'):
        groups = ['chair', 'plant', 'floor_thing']
    for _ in range(f.number(0, 4)):
        item = f.against_wall(str(f.rng.choice(groups)), elevation=0.0, tries=8)
        _dress(f, item, 'home_thing', 0, 4)
    for _ in range(f.number(0, 3)):
        _hang_shelf(f)


def _hang_shelf(f: Furnisher) -> None:
    board = sample_material(f.rng, 'grain', 0.6)
    wide, deep, bottom = f.uniform(0.5, 1.4), f.uniform(0.18, 0.3), f.uniform(1.1, 1.8)
    wall = f.walls[f.number(0, 3)]
    if wide + 0.1 > wall.length:
        return
    place = f.uniform(wide / 2, wall.length - wide / 2)
    x, y = map(float, wall.point(place, deep / 2 + 0.002))
    space = Footprint(x, y, wide / 2, deep / 2, wall.heading, bottom, bottom + 0.35)
    if not f.fits(space):
        return
    f.solids.append(space)
    f.room.boxes.append(Box((x, y, bottom + 0.012), (wide, deep, 0.024), wall.heading, board))
    at, end = place - wide / 2, place + wide / 2
    while at < end - 0.06:
        thick, high, long = f.uniform(0.012, 0.05), f.uniform(0.15, 0.3), f.uniform(0.11, 0.17)
        if f.chance(0.85):
            x, y = map(float, wall.point(at + thick / 2, long / 2 + 0.004))
            book = sample_material(f.rng, 'plain', 0.6, 0.9)
            centre = (x, y, bottom + 0.024 + high / 2)
            f.room.boxes.append(Box(centre, (thick, long, high), wall.heading, book))
            at += thick + 0.001
        else:
            at += f.uniform(0.03, 0.3)


def _add_rug(f: Furnisher, x: float, y: float, heading: float) -> None:
    """Add a rug under furniture: flat boxes overlap nothing that stands on them."""
    size = (f.uniform(1.2, 2.6), f.uniform(0.8, 1.9), 0.012)
    space = Footprint(x, y, size[0] / 2, size[1] / 2, heading, 0, size[2])
    corners = space.corners()
    if (corners < 0).any() or (corners > np.asarray(f.room.size[:2])).any():
        return
    kind = str(f.rng.choice(['carpet', 'stripes', 'dots', 'picture']))
    material = sample_material(f.rng, kind, 0.6, 0.8)._replace(roughness=0.95)
    f.room.boxes.append(Box((x, y, size[2] / 2), size, heading, material))


def _add_clutter(f: Furnisher, kind: Kind) -> None:
    for _ in range(f.number(*kind.clutter)):
        if f.chance(0.6):
            f.against_wall('floor_thing', elevation=0.0, tries=6)
        else:
            f.free('floor_thing', 0.2, tries=6)
    for _ in range(f.number(0, 2)):
        _add_stack(f)


def _add_stack(f: Furnisher) -> None:
    """Stack boxes or books on the floor."""
    book = f.chance(0.5)
    wide = f.uniform(0.18, 0.3) if book else f.uniform(0.25, 0.6)
    at = wide + f.rng.random(2) * (np.asarray(f.room.size[:2]) - 2 * wide)
    bottom, heading = 0.0, f.uniform(0, np.pi)
    for _ in range(f.number(1, 8 if book else 3)):
        high = f.uniform(0.015, 0.05) if book else f.uniform(0.15, 0.45)
        size = (wide * f.uniform(0.8, 1), wide * f.uniform(0.6, 0.8), high)
        turn = heading + f.uniform(-0.2, 0.2)
        space = Footprint(
            float(at[0]), float(at[1]), size[0] / 2, size[1] / 2, turn, bottom, bottom + high
        )
        if not f.fits(space):
            return
        material = sample_material(f.rng, 'plain' if book else 'concrete', 0.55, 0.9)
        f.room.boxes.append(Box((space.x, space.y, bottom + high / 2), size, turn, material))
        f.solids.append(space)
        bottom += high


# Light -----------------------------------------------------------------------------------------


def _light(f: Furnisher) -> None:
    room = f.room
    width, depth, height = room.size
    windows = [o for o in room.openings if o.outside]
    mode = _chosen(f.rng, [*_MODES])
    if not windows and mode in ('day', 'mixed'):
        mode = 'evening'
    room.mode = mode
    if mode in ('day', 'mixed'):
        room.sky = f.uniform(8, 30)
        if f.chance(0.6):
            room.sun = (_sunlight(f, windows), f.uniform(3, 12))
    elif windows:
        room.sky = f.uniform(0.02, 0.15) if mode == 'evening' else f.uniform(0.3, 1.5)
    if windows:
        _add_outside(f)
    if mode == 'day':
        return
    tint = f.uniform(0.55, 1.0)
    colour = (1.0, 0.6 + 0.4 * tint, 0.3 + 0.65 * tint)
    if mode == 'dim':
        room.lamps.append(Lamp(_free_point(f, (0.5, 1.6)), f.uniform(4, 12), colour, 0.06))
        return
    if room.kind in ('office', 'hall', 'corridor'):
        _add_panels(f, colour)
        return
    high = height - 0.35
    room.lamps.append(Lamp((width / 2, depth / 2, high), f.uniform(40, 120), colour, 0.12))
    for _ in range(f.number(0, 2)):
        room.lamps.append(Lamp(_free_point(f, (0.8, 1.7)), f.uniform(5, 25), colour, 0.08))


def _free_point(f: Furnisher, heights: Range) -> Point:
    """Return a point that lies in no thing."""
    for _ in range(40):
        at = 0.25 + f.rng.random(2) * (np.asarray(f.room.size[:2]) - 0.5)
        high = f.uniform(*heights)
        inside = (
            one.bottom < high < one.top and one.contains(at[None], 0.15)[0] for one in f.solids
        )
        if not any(inside):
            break
    return float(at[0]), float(at[1]), high


def _sunlight(f: Furnisher, windows: list[Opening]) -> Point:
    """Return a direction of the sun's light that enters by one of the windows."""
    wall = f.walls[windows[f.number(0, len(windows) - 1)].wall]
    turn, down = f.uniform(-0.9, 0.9), f.uniform(0.3, 1.1)
    x, y = wall.inward
    cos, sin = np.cos(turn), np.sin(turn)
    return float(x * cos - y * sin), float(x * sin + y * cos), -float(np.tan(down))


def _add_panels(f: Furnisher, colour: Colour) -> None:
    """Add rows of luminous panels to the ceiling."""
    width, depth, height = f.room.size
    size = (f.uniform(0.25, 0.6), f.uniform(0.6, 1.3))
    pitch = f.uniform(1.8, 3.2)
    glow = f.uniform(5, 14)
    material = Material('plain', 0, colour, colour, 1.0, 0.9, glow)
    for x in np.arange(pitch / 2, width, pitch) if width > pitch else [width / 2]:
        for y in np.arange(pitch / 2, depth, pitch) if depth > pitch else [depth / 2]:
            if f.chance(0.9):
                centre = (float(x), float(y), height - 0.02)
                f.room.boxes.append(Box(centre, (*size, 0.03), 0.0, material))


# Furniture -------------------------------------------------------------------------------------


def _top(f: Furnisher, item: Item) -> float | None:
    """Return the height at which things stand on an item."""
    found = next(m for models in f.groups.values() for m in models if m.key == item.key)
    return found.top


def _dress(f: Furnisher, item: Item | None, group: str, low: int, high: int) -> None:
    """Place some things on an item."""
    if item is not None:
        f.on_top(item, _top(f, item), group, f.number(low, high))


def _seat_around(f: Furnisher, table: Item, group: str = 'chair') -> None:
    """Place chairs around a table, most of them pushed under it."""
    for side in ('front', 'back', 'left', 'right'):
        long = table.size[0] if side in ('front', 'back') else table.size[1]
        seats = int(long / 0.62) if long > 0.9 else 1
        for k in range(seats):
            if f.chance(0.78):
                place = (k - (seats - 1) / 2) * long / seats
                gap = f.uniform(-0.22, 0.15)
                f.beside(table, group, side, gap, place, True, True, 0.25)


def _living(f: Furnisher) -> None:
    sofa = f.against_wall('sofa')
    if sofa is not None:
        table = f.beside(sofa, 'coffee_table', 'front', f.uniform(0.3, 0.6))
        _dress(f, table, 'home_thing', 2, 9)
        if table is not None and f.chance(0.6):
            _add_rug(f, *table.position[:2], sofa.heading)
        opposite = [
            k for k, wall in enumerate(f.walls) if _quarters(wall.heading - sofa.heading) == 2
        ]
        _television(f, opposite or [0, 1, 2, 3])
        for side in ('left', 'right'):
            if f.chance(0.5):
                _dress(f, f.beside(sofa, 'bedside', side, 0.05), 'table_lamp', 1, 1)
    else:
        _television(f, [0, 1, 2, 3])
    for _ in range(f.number(0, 3)):
        f.free('armchair', 0.1)
    for group, chance in (('bookcase', 0.8), ('cabinet', 0.7), ('bookcase', 0.3)):
        if f.chance(chance):
            _dress(f, f.against_wall(group), 'home_thing', 0, 4)
    if f.room.size[0] * f.room.size[1] > 20 and f.chance(0.6):
        _dining_set(f)
    _plants(f)


def _quarters(angle: float) -> int:
    return round(angle / (np.pi / 2)) % 4


def _television(f: Furnisher, walls: list[int]) -> None:
    _dress(f, f.against_wall('tv_stand', walls), 'tv', 1, 2)


def _plants(f: Furnisher) -> None:
    for _ in range(f.number(0, 2)):
        f.against_wall('plant', elevation=0.0)
    if f.chance(0.4):
        f.against_wall('floor_lamp', elevation=0.0)


def _dining_set(f: Furnisher) -> None:
    table = f.free('table', 0.5, turned=f.chance(0.2))
    if table is None:
        return
    if f.chance(0.3):
        _add_rug(f, *table.position[:2], table.heading)
    _seat_around(f, table)
    _dress(f, table, 'kitchen_thing' if f.chance(0.5) else 'home_thing', 3, 12)


def _dining(f: Furnisher) -> None:
    _dining_set(f)
    for group in ('cabinet', 'bookcase'):
        if f.chance(0.7):
            _dress(f, f.against_wall(group), 'home_thing', 1, 5)
    if f.chance(0.4):
        f.free('armchair', 0.1)
    _plants(f)


def _bedroom(f: Furnisher) -> None:
    bed = f.against_wall('bed')
    if bed is not None:
        for side in ('left', 'right'):
            if f.chance(0.8):
                table = f.beside(bed, 'bedside', side, f.uniform(0.02, 0.2), bed.size[1] * 0.35)
                _dress(f, table, 'table_lamp', 1, 1)
                _dress(f, table, 'home_thing', 0, 2)
        if f.chance(0.5):
            _add_rug(f, *bed.position[:2], bed.heading)
    for group, chance in (('wardrobe', 0.9), ('cabinet', 0.7), ('bookcase', 0.4)):
        if f.chance(chance):
            _dress(f, f.against_wall(group), 'home_thing', 0, 4)
    if f.chance(0.5):
        _work_place(f)
    if f.chance(0.4):
        f.free('armchair', 0.1)
    _plants(f)


def _work_place(f: Furnisher, desk: Item | None = None) -> None:
    """Furnish a desk: against a wall unless one is given, with screen, things and a chair."""
    desk = f.against_wall('desk') if desk is None else desk
    if desk is None:
        return
    f.beside(desk, 'office_chair', 'front', f.uniform(-0.25, 0.25), f.uniform(-0.2, 0.2), True,
             False, 0.6)  # fmt: skip
    _dress(f, desk, 'screen', 1, 2)
    _dress(f, desk, 'desk_thing', 4, 14)


def _study(f: Furnisher) -> None:
    _work_place(f)
    for group, chance in (('bookcase', 0.95), ('bookcase', 0.6), ('cabinet', 0.5)):
        if f.chance(chance):
            _dress(f, f.against_wall(group), 'home_thing', 0, 5)
    if f.chance(0.5):
        f.against_wall('sofa')
    if f.chance(0.5):
        f.free('armchair', 0.1)
    if f.chance(0.3):
        _work_place(f)
    _plants(f)


def _bathroom(f: Furnisher) -> None:
    for group in ('bath', 'washbasin', 'toilet', 'washing_machine'):
        _dress(f, f.against_wall(group), 'bathroom_thing', 0, 4)
    if f.chance(0.5):
        f.free('carpet', 0.1)


def _kitchen(f: Furnisher) -> None:
    first = f.number(0, 3)
    run = [first] if f.chance(0.4) else [first, (first + 1) % 4]
    for wall in run:
        _counter(f, wall)
    f.against_wall('fridge', alike=True)
    table = f.free('table', 0.45, turned=False)
    if table is not None:
        _seat_around(f, table, 'chair' if f.chance(0.8) else 'stool')
        _dress(f, table, 'kitchen_thing', 4, 14)
    if f.chance(0.4):
        _dress(f, f.against_wall('cabinet'), 'kitchen_thing', 0, 4)
    if f.chance(0.3):
        f.against_wall('plant', elevation=0.0)


def _counter(f: Furnisher, wall: int) -> None:
    """Place cabinets side by side along a wall, others above them, and things on top."""
    own = f.walls[wall]
    at = f.uniform(0.0, 0.4)
    end = own.length - f.uniform(0.0, 0.7)
    usual = f.model('base_cabinet', alike=True)
    above = f.model('upper_cabinet', alike=True)
    while usual is not None and above is not None:
        model = usual if f.chance(0.55) else f.model('base_cabinet') or usual
        width, depth, _ = model.size
        if at + width > end:
            return
        place = own.point(at + width / 2, depth / 2 + _CLOSE)
        item = f.put(model, place, own.heading)
        if item is not None:
            _dress(f, item, 'kitchen_thing', 0, 6)
        if f.chance(0.7):
            other = above if f.chance(0.7) else f.model('upper_cabinet') or above
            place = own.point(at + width / 2, other.size[1] / 2 + _CLOSE)
            f.put(other, place, own.heading, other.elevation)
        at += width + 0.004


_CLOSE = 0.01


def _office(f: Furnisher) -> None:
    width, depth, _ = f.room.size
    if width * depth < 16 or f.chance(0.3):
        for _ in range(f.number(1, 4)):
            _work_place(f)
    else:
        _desk_blocks(f)
    if f.chance(0.25):
        _meeting_table(f)
    for _ in range(f.number(1, 4)):
        group = str(f.rng.choice(['bookcase', 'cabinet', 'wardrobe', 'bookcase']))
        _dress(f, f.against_wall(group), 'desk_thing', 0, 4)
    for group, chance in (('whiteboard', 0.4), ('water_cooler', 0.4), ('sofa', 0.2)):
        if f.chance(chance):
            f.against_wall(group)
    _plants(f)
    if f.chance(0.5):
        white = Material('plain', 1, (0.8, 0.8, 0.8), (0.97, 0.97, 0.97), 1.0, 0.2)
        board = white if f.chance(0.5) else _picture(f)
        f.panel(board, (f.uniform(1.0, 2.2), f.uniform(0.8, 1.2)), 0.9)


def _desk_blocks(f: Furnisher) -> None:
    """Place pairs of desks face to face, in rows."""
    desk = f.model('desk', alike=True)
    if desk is None:
        return
    width, depth, _ = f.room.size
    wide, deep, _ = desk.size
    heading = np.pi / 2 * f.number(0, 1)
    cos, sin = np.cos(heading), np.sin(heading)
    axis, across = np.array([cos, sin]), np.array([-sin, cos])
    start = np.array([f.uniform(0.9, 1.6), f.uniform(0.9, 1.6)])
    pitch = (deep * 2 + f.uniform(1.7, 2.4), wide + 0.01)
    for row in range(4):
        for column in range(4):
            middle = (
                start
                + abs(axis) * (column + 0.5) * pitch[1]
                + abs(across) * (row * pitch[0] + deep)
            )
            if (middle > np.array([width, depth]) - 0.7).any():
                continue
            for side in (-1, 1):
                at = middle + side * across * (deep / 2 + 0.01)
                own = heading if side < 0 else heading + np.pi
                item = f.put(desk, at, own) if f.chance(0.9) else None
                if item is not None:
                    _work_place(f, item)


def _meeting_table(f: Furnisher) -> None:
    table = f.free('table', 0.6, turned=False)
    if table is not None:
        _seat_around(f, table)
        _dress(f, table, 'desk_thing', 2, 12)


def _corridor(f: Furnisher) -> None:
    groups = (
        'bench',
        'plant',
        'water_cooler',
        'cabinet',
        'bookcase',
        'chair',
        'crate',
        'wardrobe',
    )
    for _ in range(f.number(1, 7)):
        f.against_wall(str(f.rng.choice(groups)), (1, 3), elevation=0.0)


def _hall(f: Furnisher) -> None:
    if f.chance(0.5):
        _add_columns(f)
    for _ in range(f.number(2, 5)):
        set_out = (_table_row, _machines, _storage, _lounge)[f.number(0, 3)]
        set_out(f)
    for _ in range(f.number(1, 6)):
        group = str(f.rng.choice(['bench', 'plant', 'bookcase', 'cabinet', 'water_cooler']))
        f.against_wall(group, elevation=0.0)


def _add_columns(f: Furnisher) -> None:
    width, depth, height = f.room.size
    half = f.uniform(0.15, 0.35)
    material = sample_material(f.rng, 'concrete', 0.75, 0.1)
    for x in np.arange(f.uniform(2, 4), width - 1, f.uniform(3, 5)):
        for y in np.arange(f.uniform(2, 4), depth - 1, f.uniform(3, 5)):
            space = Footprint(float(x), float(y), half, half, 0.0, 0.0, height)
            if f.fits(space):
                f.solids.append(space)
                centre = (space.x, space.y, height / 2)
                f.room.boxes.append(Box(centre, (2 * half, 2 * half, height), 0.0, material))


def _table_row(f: Furnisher) -> None:
    for _ in range(f.number(1, 4)):
        _meeting_table(f)


def _machines(f: Furnisher) -> None:
    for _ in range(f.number(1, 4)):
        f.free('machine', 0.3, turned=f.chance(0.5))


def _storage(f: Furnisher) -> None:
    for _ in range(f.number(2, 8)):
        item = f.free('crate', 0.2)
        if item is not None and f.chance(0.3):
            f.on_top(item, _top(f, item), 'floor_thing', 1)


def _lounge(f: Furnisher) -> None:
    sofa = f.free('sofa', 0.5, turned=False)
    if sofa is None:
        return
    table = f.beside(sofa, 'coffee_table', 'front', f.uniform(0.35, 0.7))
    if table is not None:
        _dress(f, table, 'home_thing', 0, 4)
        f.beside(table, 'armchair', 'front', 0.4, inwards=True)
    f.beside(sofa, 'plant', 'left', 0.2)


_RECIPES: dict[str, Callable[[Furnisher], None]] = {
    'living': _living,
    'bedroom': _bedroom,
    'dining': _dining,
    'study': _study,
    'bathroom': _bathroom,
    'kitchen': _kitchen,
    'office': _office,
    'corridor': _corridor,
    'hall': _hall,
}
