# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texture tiles that repeat without a seam, each with its pyramid of smaller versions.

Tiles hold tones from 0 to 1, which a material maps to two colours. They are made once per process
from fixed seeds with elementary arithmetic, so that every machine has the same ones.

Each recipe is a function of a random number generator. Lengths are texels, tones and shares 0 to
1; pairs are limits of a uniform distribution, those of whole numbers without the upper one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Tile = npt.NDArray[np.floating[Any]]
"""``[SIZE, SIZE]`` float32, 0 to 1."""
Generator = np.random.Generator
Recipe = Callable[[Generator], Tile]

SIZE = 256  # texels along each side of a tile; row 0 is its bottom
LEVELS = 9  # levels of a pyramid: 256, 128, ... 1 texels
TEXELS = sum((SIZE >> level) ** 2 for level in range(LEVELS))  # of one tile's pyramid
# First texel of each level within a pyramid.
LEVEL_OFFSETS = tuple(sum((SIZE >> k) ** 2 for k in range(level)) for level in range(LEVELS))

_GRID = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE


def _lattice(rng: Generator, cells_v: int, cells_u: int) -> Tile:
    """Return smoothly blended random values on a periodic grid of cells."""
    values = rng.random((cells_v, cells_u), np.float32)
    for axis, cells in ((0, cells_v), (1, cells_u)):
        place = _GRID * np.float32(cells) - np.float32(0.5)
        low = np.floor(place)
        share = place - low
        share = share * share * (3 - 2 * share)
        index = low.astype(np.int64) % cells
        share = share[:, None] if axis == 0 else share[None, :]
        near, far = np.take(values, index, axis), np.take(values, (index + 1) % cells, axis)
        values = near + (far - near) * share
    return values


def _stretch(tile: Tile) -> Tile:
    least, most = tile.min(), tile.max()
    return _clip((tile - least) / (most - least))


def _clip(tile: Tile) -> Tile:
    clipped: Tile = np.clip(tile, 0, 1).astype(np.float32)
    return clipped


def _canvas(tone: float) -> Tile:
    return np.full((SIZE, SIZE), tone, np.float32)


def _integer(rng: Generator, limits: tuple[int, int]) -> int:
    return int(rng.integers(*limits))


def _noise(rng: Generator, cells: int, octaves: int = 5, keep: float = 0.6) -> Tile:
    """Make noise of several scales, stretched to 0..1.

    Args:
        rng: Random numbers.
        cells: Cells of the coarsest scale along a side; each further scale has twice as many.
        octaves: Number of scales.
        keep: Weight of each scale / weight of the one before.
    """
    total, weight = _canvas(0), np.float32(1)
    for octave in range(octaves):
        number = min(cells << octave, SIZE)
        total += weight * _lattice(rng, number, number)
        weight = np.float32(weight * keep)
    return _stretch(total)


def _smudge(rng: Generator, tile: Tile, strength: float) -> Tile:
    """Add stains of a contrast."""
    return _clip(tile + strength * (_noise(rng, 4) - 0.5))


def _faint_noise(rng: Generator, noise: Recipe, contrast: float) -> Tile:
    """Make noise about a tone of 0.5."""
    return (0.5 + contrast * (noise(rng) - 0.5)).astype(np.float32)


def _leaves(rng: Generator) -> Tile:
    """Make noise with dark gaps."""
    return _clip(1.6 * _noise(rng, 12, 4, 0.9) - 0.4)


def _wood(rng: Generator) -> Tile:
    """Make annual rings and grain along v."""
    rings, bend = 12, 3  # number of rings, and their greatest shift in rings
    shift, grain, fine = (_lattice(rng, *cells) for cells in ((2, 3), (3, 48), (6, 128)))
    ring = np.abs(((shift * bend + _GRID[None, :] * rings) % 1) * 2 - 1)
    return _stretch(0.35 * ring + 0.7 * grain + 0.4 * fine)


def _planks(rng: Generator) -> Tile:
    """Make rows of boards, each with one joint."""
    boards = 8
    contrast, tone, spread = 0.35, 0.1, 0.5  # of the wood; least tone, and range of the boards'
    tile, height = _canvas(0), SIZE // boards
    for board in range(boards):
        wood = _wood(rng) * contrast
        cut = int(rng.integers(SIZE))
        left, right = rng.random(2).astype(np.float32) * spread
        rows = slice(height * board, height * (board + 1) - 1)
        tile[rows] = wood.T[rows] + tone + np.where(np.arange(SIZE) < cut, left, right)
        tile[rows, cut] = 0
    return tile


def _bricks(rng: Generator, rows: int, columns: int, joint: int, spread: float) -> Tile:
    """Make courses of bricks, every other one shifted by half a brick.

    Args:
        rng: Random numbers.
        rows: Courses on a tile.
        columns: Bricks of a course.
        joint: Width of the joints.
        spread: Range of the bricks' tones.
    """
    tile = _canvas(1.0)
    height, width = SIZE // rows, SIZE // columns
    rough = 0.15 * _noise(rng, 16, 3)
    for row in range(rows):
        for column in range(columns):
            left = column * width + (width // 2 if row % 2 else 0)
            across = np.arange(left, left + width - joint) % SIZE
            tone = 0.1 + spread * rng.random()
            tile[row * height : row * height + height - joint, across] = tone
    return _clip(tile + rough - 0.07)


def _tiles(rng: Generator, number: int, joint: int, spread: float, check: float = 0.0) -> Tile:
    """Make square tiles with joints.

    Args:
        rng: Random numbers.
        number: Of tiles along a side.
        joint: Width of the joints.
        spread: Range of the tiles' tones.
        check: Difference between neighbouring tiles.
    """
    size = SIZE // number
    tones = 0.6 + spread * (rng.random((number, number)) - 0.5)
    parity = np.add.outer(np.arange(number), np.arange(number)) % 2
    tones = tones - check * (parity - 0.5)
    tile = np.kron(tones, np.ones((size, size))).astype(np.float32)
    edge = np.arange(SIZE) % size < joint
    tile[edge, :] = tile[:, edge] = 0.05  # tone of the joints
    return _smudge(rng, np.clip(tile, 0, 1), 0.12)


def _stripes(rng: Generator) -> Tile:
    """Make stripes along v."""
    number = 16
    tones = np.repeat(rng.random(number), SIZE // number)
    return _smudge(rng, np.tile(tones, (SIZE, 1)).astype(np.float32), 0.1)


def _weave(rng: Generator) -> Tile:
    """Make cloth of threads of random tones."""
    threads = 64  # along each side
    width = SIZE // threads
    warp = np.repeat(rng.random(threads).astype(np.float32), width)[None, :]
    weft = np.repeat(rng.random(threads), width)[:, None]
    cross = np.add.outer(np.arange(SIZE) // width, np.arange(SIZE) // width) % 2
    thread = cross.astype(np.float32)
    return _smudge(rng, np.clip(thread * warp + (1 - thread) * weft, 0, 1), 0.2)


def _books(rng: Generator) -> Tile:
    """Make rows of spines, dark gaps above them, boards between."""
    shelves, board = 3, 6  # number of rows, thickness of boards
    missing = 0.08  # probability of a gap in place of a book
    lowest, below = 10, 8  # least height of a band in the inverse tone, and way from the top
    tile, row = _canvas(0.02), SIZE // shelves
    for low in range(0, shelves * row, row):
        tile[low : low + board] = 0.6
        x = 0
        while x < SIZE:
            width = _integer(rng, (3, 13))
            tall = int(row * (0.5 + 0.4 * rng.random()))
            if rng.random() > missing:
                tone = rng.random()
                band = low + _integer(rng, (lowest, max(tall - below, lowest + 1)))
                spine = slice(x, x + width - 1)
                tile[low + board : low + tall, spine] = tone
                tile[band : band + 5, spine] = 1 - tone
            x += width
    return tile


def _goods(rng: Generator) -> Tile:
    """Make shelves with boxes and tins."""
    shelves, board = 4, 5  # number of rows, thickness of boards
    missing = 0.15  # probability of a gap in place of a thing
    space = 2  # between things, and at either side of a thing's label
    tile, row = _canvas(0.05), SIZE // shelves
    for low in range(0, shelves * row, row):
        tile[low : low + board] = 0.55
        x = 0
        while x < SIZE:
            width, tall = _integer(rng, (10, 36)), _integer(rng, (18, 54))
            if rng.random() > missing:
                tone, label = rng.random(2)
                body = tile[low + board : low + tall, x : x + width - space]
                body[...] = tone
                body[tall // 4 : tall // 2, space:-space] = label
            x += width
    return tile


_MARGINS = (12, 14)  # of text, at bottom and top, and at the sides


def _text(rng: Generator, line: int) -> Tile:
    """Make lines of words of random dots on white.

    Args:
        rng: Random numbers.
        line: Distance of lines; letters are half as tall.
    """
    blank, density, ink = 0.12, 0.55, 0.9  # probability of no line; share and darkness of dots
    tile, (edge, side) = _canvas(1.0), _MARGINS
    tall = max(line // 2, 1)
    for top in range(edge, SIZE - edge, line):
        x, end = side, SIZE - side - _integer(rng, (0, 60))
        if rng.random() < blank:
            continue
        while x < end:
            word = _integer(rng, (line, 5 * line))
            dots = rng.random((tall, word)) < density
            region = tile[top : top + tall, x : min(x + word, end)]
            region[...] = 1 - ink * dots[:, : region.shape[1]]
            x += word + line // 2
    return tile


def _poster(rng: Generator) -> Tile:
    """Make overlapping rectangles and discs over a gradient: a picture, a label, a cover."""
    rectangles, captions = 0.5, 0.6  # share of rectangles, probability of a caption
    slope = rng.random(2).astype(np.float32)
    tile = (slope[0] * _GRID[:, None] + slope[1] * _GRID[None, :]) / 2
    v, u = np.meshgrid(_GRID, _GRID, indexing='ij')
    for _ in range(_integer(rng, (6, 22))):
        cu, cv, tone = rng.random(3)
        su, sv = 0.03 + 0.3 * rng.random(2) ** 2  # half sizes
        if rng.random() < rectangles:
            inside = (np.abs(u - cu) < su) & (np.abs(v - cv) < sv)
        else:
            inside = (u - cu) ** 2 + (v - cv) ** 2 < su * su
        tile = np.where(inside, tone, tile)
    if rng.random() < captions:
        left, low = _integer(rng, (0, 128)), _integer(rng, (0, 160))
        (tall, wide), (edge, side) = (64, 112), _MARGINS
        words = _text(rng, 8)[edge : edge + tall, side : side + wide]
        tile[low : low + tall, left : left + wide] = words
    return _frame(tile.astype(np.float32), 5, 5, 0.95)


def _frame(tile: Tile, high: int, broad: int, tone: float) -> Tile:
    """Draw a border of a height and a width around a tile; return the tile."""
    tile[:high] = tile[-high:] = tone
    tile[:, :broad] = tile[:, -broad:] = tone
    return tile


def _facade(rng: Generator, number: int) -> Tile:
    """Make storeys of windows, some of them lit or behind blinds, on plaster or bricks.

    Args:
        rng: Random numbers.
        number: Of storeys, and of windows of each.
    """
    tile = 0.72 + 0.3 * (_noise(rng, 4) - 0.5)
    room = SIZE // number
    if rng.random() < 0.5:
        tile = 0.8 * tile + 0.25 * (1 - _bricks(rng, 32, 16, 1, 0.5))
    share_u, share_v = 0.35 + 0.4 * rng.random(), 0.4 + 0.3 * rng.random()
    tall, wide = int(room * share_v), int(room * share_u)
    for row in range(number):
        tile[row * room : row * room + 3] *= 0.8  # a ledge below
        for column in range(number):
            v, u = row * room + (room - tall) // 2, column * room + (room - wide) // 2
            _draw_window(rng, tile[v : v + tall, u : u + wide])
    return _clip(tile)


def _draw_window(rng: Generator, window: Tile) -> None:
    frame, (tall, wide) = 2, window.shape
    inside = slice(frame, wide - frame)
    window[...] = 1.0
    pane = 0.03 + 0.3 * rng.random() ** 2
    if rng.random() < 0.12:
        pane = 0.8  # lit
    window[frame : tall - frame, inside] = pane
    window[frame : tall - frame, wide // 2] = 0.9
    window[tall - int(tall * rng.random() ** 3) :, inside] = 0.7  # a blind


def _keys(rng: Generator) -> Tile:
    """Make a keyboard."""
    rows, pitch, gap = 5, 50, 4  # rows, their distance, the gap between keys
    least = 10  # width of the rest of a row that has no key
    tile, end = _canvas(0.1), SIZE - gap
    for low in range(0, rows * pitch, pitch):
        x = gap
        while x < SIZE - least:
            width = int(rng.choice((14, 14, 14, 20, 30)))
            tile[low + 8 : low + 48, x : min(x + width, end)] = 0.45
            tile[low + 22 : low + 34, x + 4 : min(x + 9, end)] = 0.9  # its letter
            x += width + gap
    return tile


def _screen(rng: Generator) -> Tile:
    """Make windows with text on a picture, in a dark frame."""
    light, bar = 0.6, 8  # probability of a light window, height of the title bar
    tile = 0.3 + 0.4 * _noise(rng, 2, 3)
    for _ in range(_integer(rng, (1, 4))):
        left, low = rng.integers(8, 110, 2).tolist()
        wide, tall = rng.integers(70, 130, 2).tolist()
        page = _text(rng, _integer(rng, (5, 9)))[:tall, :wide]
        page = page if rng.random() < light else 1 - 0.9 * page
        tile[low : low + tall, left : left + wide] = page
        tile[low + tall - bar : low + tall, left : left + wide] = 0.55
    return _frame(tile, 8, 6, 0.02).astype(np.float32)


def _doors(rng: Generator, columns: int, rows: int) -> Tile:
    """Make fronts of a cabinet: panels with gaps, inner frames and handles.

    Args:
        rng: Random numbers.
        columns: Panels along u.
        rows: Panels along v.
    """
    tile = 0.65 + 0.15 * (_wood(rng) - 0.5)
    height, width = SIZE // rows, SIZE // columns
    inset = _integer(rng, (0, 14))
    for v in range(0, rows * height, height):
        for u in range(0, columns * width, width):
            _draw_panel(tile[v : v + height, u : u + width], inset)
    return tile.astype(np.float32)


def _draw_panel(panel: Tile, inset: int) -> None:
    """Draw a panel, with an inner frame unless that is near the edge."""
    gap, (height, width) = 3, panel.shape
    panel[:gap] = panel[:, :gap] = 0.02
    if inset > 4:
        across, up = slice(inset, width - inset), slice(inset, height - inset)
        panel[inset + gap, across] = 0.3
        panel[height - inset, across] = 0.95
        panel[up, inset] = 0.3
        panel[up, width - inset] = 0.95
    panel[height // 2 - 8 : height // 2 + 8, width - 14 : width - 10] = 0.98  # the handle


def _folds(rng: Generator) -> Tile:
    """Make folds of cloth along v."""
    folds, fine = _lattice(rng, 2, 24), _lattice(rng, 4, 60)
    return _stretch((folds + 0.3 * fine).astype(np.float32))


def _mosaic(rng: Generator) -> Tile:
    """Make squares of random tones."""
    number = 16  # along each side
    size = SIZE // number
    return np.kron(rng.random((number, number)), np.ones((size, size))).astype(np.float32)


def _ribs(rng: Generator) -> Tile:
    """Make ribs along v."""
    wave = np.abs(((_GRID * 16) % 1) * 2 - 1)
    return _smudge(rng, np.tile(wave, (SIZE, 1)).astype(np.float32), 0.1)


def _sign(rng: Generator) -> Tile:
    """Make bars, and in half of them a ring, on white with a dark border."""
    v, u = np.meshgrid(_GRID - 0.5, _GRID - 0.5, indexing='ij')
    tile = np.where(np.maximum(np.abs(u), np.abs(v)) > 0.44, 0.1, 0.95)
    if rng.random() < 0.5:
        radius = np.hypot(u, v)
        tile = np.where((radius > 0.28) & (radius < 0.42), 0.15, tile)
    for _ in range(_integer(rng, (1, 4))):
        low, left = rng.integers(60, 170, 2)
        tile[low : low + 24, left : left + _integer(rng, (20, 60))] = 0.05
    return tile.astype(np.float32)


def _dash(_: Generator) -> Tile:
    """Make white below, black above."""
    tile = _canvas(0.0)
    tile[: SIZE // 2] = 1.0
    return tile


# Recipe of each kind of tile, and number of variants. The order is that of the tiles' numbers.
_RECIPES: dict[str, tuple[Recipe, int]] = {
    'plain': (partial(_faint_noise, noise=partial(_noise, cells=2, octaves=4), contrast=0.12), 2),
    'plaster': (
        partial(_faint_noise, noise=partial(_noise, cells=4, octaves=6, keep=0.75), contrast=0.5),
        3,
    ),
    'clouds': (partial(_noise, cells=3, octaves=6), 2),
    'gravel': (partial(_noise, cells=32, octaves=4, keep=1.0), 2),
    'leaves': (_leaves, 2),
    'wood': (_wood, 3),
    'planks': (_planks, 2),
    'bricks': (partial(_bricks, rows=16, columns=8, joint=2, spread=0.5), 2),
    'blocks': (partial(_bricks, rows=8, columns=4, joint=3, spread=0.35), 1),
    'tiles': (partial(_tiles, number=8, joint=3, spread=0.2), 2),
    'slabs': (partial(_tiles, number=4, joint=3, spread=0.35), 2),
    'checks': (partial(_tiles, number=8, joint=0, spread=0.1, check=0.7), 1),
    'stripes': (_stripes, 2),
    'weave': (_weave, 2),
    'books': (_books, 3),
    'goods': (_goods, 2),
    'text': (partial(_text, line=8), 2),
    'print': (partial(_text, line=18), 1),
    'poster': (_poster, 8),
    'facade': (partial(_facade, number=4), 4),
    'tower': (partial(_facade, number=8), 2),
    'keys': (_keys, 1),
    'screen': (_screen, 3),
    'doors': (partial(_doors, columns=2, rows=1), 2),
    'drawers': (partial(_doors, columns=2, rows=4), 2),
    'door': (partial(_doors, columns=1, rows=2), 1),
    'folds': (_folds, 1),
    'mosaic': (_mosaic, 1),
    'ribs': (_ribs, 1),
    'sign': (_sign, 3),
    'dash': (_dash, 1),
}


def _number_tiles() -> dict[str, tuple[int, ...]]:
    names, start = {}, 0
    for name, (_, number) in _RECIPES.items():
        names[name] = tuple(range(start, start + number))
        start += number
    return names


TILES = _number_tiles()
"""Numbers of the tiles of each kind."""


@functools.cache
def pyramids() -> list[npt.NDArray[np.uint8]]:
    """Return all tiles at every level, each ``[tiles, size, size]``, 0 to 255."""
    level = np.stack(
        [
            recipe(np.random.default_rng([variant, *name.encode()])).astype(np.float32)
            for name, (recipe, number) in _RECIPES.items()
            for variant in range(number)
        ]
    )
    levels = []
    for _ in range(LEVELS):
        levels.append(np.rint(level * 255).astype(np.uint8))
        if level.shape[1] > 1:
            level = (level[:, ::2] + level[:, 1::2]) / 2
            level = (level[..., ::2] + level[..., 1::2]) / 2
    return levels
