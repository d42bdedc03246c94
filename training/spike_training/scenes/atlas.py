# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texture tiles that repeat without a seam, each with its pyramid of smaller versions.

Tiles hold shares from 0 to 1 between two colours that a material chooses. They are made once per
process from fixed seeds with elementary arithmetic, so that every machine has the same ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Tile = npt.NDArray[np.floating[Any]]
"""``[SIZE, SIZE]`` float32, 0 to 1."""
SIZE = 256
"""Texels along each side of a tile; row 0 is its bottom."""
LEVELS = 9
"""Levels of a pyramid: 256, 128, ... 1 texels."""
TEXELS = sum((SIZE >> level) ** 2 for level in range(LEVELS))
"""Texels of one tile's pyramid."""
LEVEL_OFFSETS = tuple(sum((SIZE >> k) ** 2 for k in range(level)) for level in range(LEVELS))
"""Where each level begins within a pyramid."""

_GRID = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE


def _lattice(rng: np.random.Generator, cells_v: int, cells_u: int) -> Tile:
    """Smoothly blended random values on a periodic grid of cells."""
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


def _clouds(rng: np.random.Generator, cells: int, octaves: int = 5, keep: float = 0.6) -> Tile:
    """Noise of several scales, stretched to 0..1."""
    total = np.zeros((SIZE, SIZE), np.float32)
    weight = np.float32(1)
    for octave in range(octaves):
        number = min(cells << octave, SIZE)
        total += weight * _lattice(rng, number, number)
        weight = np.float32(weight * keep)
    return _stretch(total)


def _stretch(tile: Tile) -> Tile:
    least, most = tile.min(), tile.max()
    stretched: Tile = np.clip((tile - least) / (most - least), 0, 1).astype(np.float32)
    return stretched


def _canvas(level: float) -> Tile:
    return np.full((SIZE, SIZE), level, np.float32)


def _smudged(rng: np.random.Generator, tile: Tile, strength: float) -> Tile:
    return np.clip(tile + strength * (_clouds(rng, 4) - 0.5), 0, 1).astype(np.float32)


def _plain(rng: np.random.Generator) -> Tile:
    return (0.5 + 0.12 * (_clouds(rng, 2, 4) - 0.5)).astype(np.float32)


def _plaster(rng: np.random.Generator) -> Tile:
    return (0.5 + 0.5 * (_clouds(rng, 4, 6, 0.75) - 0.5)).astype(np.float32)


def _cloudy(rng: np.random.Generator) -> Tile:
    return _clouds(rng, 3, 6, 0.6)


def _gravel(rng: np.random.Generator) -> Tile:
    return _clouds(rng, 32, 4, 1.0)


def _leaves(rng: np.random.Generator) -> Tile:
    return np.clip(1.6 * _clouds(rng, 12, 4, 0.9) - 0.4, 0, 1).astype(np.float32)


def _wood(rng: np.random.Generator) -> Tile:
    bend, grain, fine = _lattice(rng, 2, 3), _lattice(rng, 3, 48), _lattice(rng, 6, 128)
    rings = np.abs(((bend * 3 + _GRID[None, :] * 12) % 1) * 2 - 1)
    return _stretch(0.35 * rings + 0.7 * grain + 0.4 * fine)


def _planks(rng: np.random.Generator) -> Tile:
    tile = _canvas(0)
    for board in range(8):
        wood = _wood(rng) * 0.35
        cut = int(rng.integers(SIZE))
        tone = rng.random(2).astype(np.float32) * 0.5
        rows = slice(32 * board, 32 * board + 31)
        tile[rows] = (wood.T)[rows] + 0.1 + np.where(np.arange(SIZE) < cut, tone[0], tone[1])
        tile[rows, cut] = 0
    return tile


def _bricks(rows: int, columns: int, joint: int, spread: float) -> Callable[..., Tile]:
    def make(rng: np.random.Generator) -> Tile:
        tile = _canvas(1.0)
        height, width = SIZE // rows, SIZE // columns
        rough = 0.15 * _clouds(rng, 16, 3)
        for row in range(rows):
            for column in range(columns):
                left = column * width + (width // 2 if row % 2 else 0)
                across = (np.arange(left, left + width - joint)) % SIZE
                tone = 0.1 + spread * rng.random()
                tile[row * height : row * height + height - joint, across] = tone
        return np.clip(tile + rough - 0.07, 0, 1).astype(np.float32)

    return make


def _tiles(number: int, joint: int, spread: float, check: float = 0.0) -> Callable[..., Tile]:
    def make(rng: np.random.Generator) -> Tile:
        size = SIZE // number
        tones = 0.6 + spread * (rng.random((number, number)) - 0.5)
        parity = np.add.outer(np.arange(number), np.arange(number)) % 2
        tones = tones - check * (parity - 0.5)
        tile = np.kron(tones, np.ones((size, size))).astype(np.float32)
        edge = np.arange(SIZE) % size < joint
        tile[edge, :] = 0.05
        tile[:, edge] = 0.05
        return _smudged(rng, np.clip(tile, 0, 1), 0.12)

    return make


def _stripes(number: int) -> Callable[..., Tile]:
    def make(rng: np.random.Generator) -> Tile:
        tones = np.repeat(rng.random(number), SIZE // number)
        tile = np.tile(tones, (SIZE, 1)).astype(np.float32)
        return _smudged(rng, tile, 0.1)

    return make


def _weave(rng: np.random.Generator) -> Tile:
    lines = rng.random(64).astype(np.float32)
    warp, weft = np.repeat(lines, 4)[None, :], np.repeat(rng.random(64), 4)[:, None]
    thread = (np.add.outer(np.arange(SIZE) // 4, np.arange(SIZE) // 4) % 2).astype(np.float32)
    return _smudged(rng, np.clip(thread * warp + (1 - thread) * weft, 0, 1), 0.2)


def _books(rng: np.random.Generator, shelves: int = 3) -> Tile:
    """Rows of spines, dark gaps above them, boards between."""
    tile = _canvas(0.02)
    height = SIZE // shelves
    for shelf in range(shelves):
        low, x = shelf * height, 0
        tile[low : low + 6] = 0.6
        while x < SIZE:
            width = int(rng.integers(3, 13))
            tall = int(height * (0.5 + 0.4 * rng.random()))
            if rng.random() > 0.08:
                tone, band = rng.random(), int(rng.integers(10, max(tall - 8, 11)))
                tile[low + 6 : low + tall, x : x + width - 1] = tone
                tile[low + band : low + band + 5, x : x + width - 1] = 1 - tone
            x += width
    return tile


def _goods(rng: np.random.Generator) -> Tile:
    """Shelves with boxes and tins."""
    tile = _canvas(0.05)
    for shelf in range(4):
        low, x = shelf * 64, 0
        tile[low : low + 5] = 0.55
        while x < SIZE:
            width, tall = int(rng.integers(10, 36)), int(rng.integers(18, 54))
            if rng.random() > 0.15:
                tone, mark = rng.random(2)
                body = tile[low + 5 : low + tall, x : x + width - 2]
                body[...] = tone
                body[tall // 4 : tall // 2, 2:-2] = mark
            x += width
    return tile


def _text(line: int, ink: float = 0.9) -> Callable[..., Tile]:
    def make(rng: np.random.Generator) -> Tile:
        tile = _canvas(1.0)
        for top in range(12, SIZE - 12, line):
            x = 14
            end = SIZE - 14 - int(rng.integers(0, 60))
            if rng.random() < 0.12:
                continue
            while x < end:
                word = int(rng.integers(line, 5 * line))
                letters = rng.random((max(line // 2, 1), word)) < 0.55
                region = tile[top : top + max(line // 2, 1), x : min(x + word, end)]
                region[...] = 1 - ink * letters[:, : region.shape[1]]
                x += word + line // 2
        return tile

    return make


def _poster(rng: np.random.Generator) -> Tile:
    """Overlapping rectangles and discs over a gradient: a picture, a label, a cover."""
    direction = rng.random(2).astype(np.float32)
    tile = (direction[0] * _GRID[:, None] + direction[1] * _GRID[None, :]) / 2
    v, u = np.meshgrid(_GRID, _GRID, indexing='ij')
    for _ in range(int(rng.integers(6, 22))):
        cu, cv, tone = rng.random(3)
        su, sv = 0.03 + 0.3 * rng.random(2) ** 2
        if rng.random() < 0.5:
            inside = (np.abs(u - cu) < su) & (np.abs(v - cv) < sv)
        else:
            inside = (u - cu) ** 2 + (v - cv) ** 2 < su * su
        tile = np.where(inside, tone, tile)
    if rng.random() < 0.6:
        left, low = int(rng.integers(0, 128)), int(rng.integers(0, 160))
        tile[low : low + 64, left : left + 112] = _text(8)(rng)[12:76, 14:126]
    tile[:5] = tile[-5:] = 0.95
    tile[:, :5] = tile[:, -5:] = 0.95
    picture: Tile = tile.astype(np.float32)
    return picture


def _facade(columns: int, storeys: int) -> Callable[..., Tile]:
    def make(rng: np.random.Generator) -> Tile:
        tile = 0.72 + 0.3 * (_clouds(rng, 4) - 0.5)
        height, width = SIZE // storeys, SIZE // columns
        if rng.random() < 0.5:
            tile = 0.8 * tile + 0.25 * (1 - _bricks(32, 16, 1, 0.5)(rng))
        share_u, share_v = 0.35 + 0.4 * rng.random(), 0.4 + 0.3 * rng.random()
        tall, wide = int(height * share_v), int(width * share_u)
        for row in range(storeys):
            tile[row * height : row * height + 3] *= 0.8
            for column in range(columns):
                v = row * height + (height - tall) // 2
                u = column * width + (width - wide) // 2
                tile[v : v + tall, u : u + wide] = 1.0
                pane = 0.03 + 0.3 * rng.random() ** 2
                if rng.random() < 0.12:
                    pane = 0.8
                tile[v + 2 : v + tall - 2, u + 2 : u + wide - 2] = pane
                tile[v + 2 : v + tall - 2, u + wide // 2] = 0.9
                blind = int(tall * rng.random() ** 3)
                tile[v + tall - blind : v + tall, u + 2 : u + wide - 2] = 0.7
        return np.clip(tile, 0, 1).astype(np.float32)

    return make


def _keys(rng: np.random.Generator) -> Tile:
    tile = _canvas(0.1)
    for row in range(5):
        x = 4
        while x < SIZE - 10:
            width = int(rng.choice([14, 14, 14, 20, 30]))
            tile[8 + row * 50 : 48 + row * 50, x : min(x + width, SIZE - 4)] = 0.45
            tile[22 + row * 50 : 34 + row * 50, x + 4 : min(x + 9, SIZE - 4)] = 0.9
            x += width + 4
    return tile


def _screen(rng: np.random.Generator) -> Tile:
    """Windows with text on a picture, in a dark frame."""
    tile = 0.3 + 0.4 * _clouds(rng, 2, 3)
    for _ in range(int(rng.integers(1, 4))):
        left, low = (int(value) for value in rng.integers(8, 110, 2))
        wide, tall = (int(value) for value in rng.integers(70, 130, 2))
        page = _text(int(rng.integers(5, 9)))(rng)[:tall, :wide]
        page = page if rng.random() < 0.6 else 1 - 0.9 * page
        tile[low : low + tall, left : left + wide] = page
        tile[low + tall - 8 : low + tall, left : left + wide] = 0.55
    tile[:8] = tile[-8:] = 0.02
    tile[:, :6] = tile[:, -6:] = 0.02
    return tile.astype(np.float32)


def _doors(columns: int, rows: int) -> Callable[..., Tile]:
    """Fronts of a cabinet: panels with gaps, inner frames and handles."""

    def make(rng: np.random.Generator) -> Tile:
        tile = 0.65 + 0.15 * (_wood(rng) - 0.5)
        height, width = SIZE // rows, SIZE // columns
        inset = int(rng.integers(0, 14))
        for row in range(rows):
            for column in range(columns):
                v, u = row * height, column * width
                tile[v : v + 3, u : u + width] = 0.02
                tile[v : v + height, u : u + 3] = 0.02
                if inset > 4:
                    tile[v + inset + 3, u + inset : u + width - inset] = 0.3
                    tile[v + height - inset, u + inset : u + width - inset] = 0.95
                    tile[v + inset : v + height - inset, u + inset] = 0.3
                    tile[v + inset : v + height - inset, u + width - inset] = 0.95
                mid = v + height // 2
                tile[mid - 8 : mid + 8, u + width - 14 : u + width - 10] = 0.98
        return tile.astype(np.float32)

    return make


def _folds(rng: np.random.Generator) -> Tile:
    fold = _lattice(rng, 2, 24)
    return _stretch((fold + 0.3 * _lattice(rng, 4, 60)).astype(np.float32))


def _mosaic(rng: np.random.Generator) -> Tile:
    return np.kron(rng.random((16, 16)), np.ones((16, 16))).astype(np.float32)


def _ribs(rng: np.random.Generator) -> Tile:
    wave = np.abs(((_GRID * 16) % 1) * 2 - 1)
    return _smudged(rng, np.tile(wave, (SIZE, 1)).astype(np.float32), 0.1)


def _sign(rng: np.random.Generator) -> Tile:
    v, u = np.meshgrid(_GRID - 0.5, _GRID - 0.5, indexing='ij')
    tile = np.where(np.maximum(np.abs(u), np.abs(v)) > 0.44, 0.1, 0.95)
    if rng.random() < 0.5:
        tile = np.where((np.hypot(u, v) > 0.28) & (np.hypot(u, v) < 0.42), 0.15, tile)
    for _ in range(int(rng.integers(1, 4))):
        top, left = rng.integers(60, 170, 2)
        tile[top : top + 24, left : left + int(rng.integers(20, 60))] = 0.05
    return tile.astype(np.float32)


def _dash(rng: np.random.Generator) -> Tile:
    tile = _canvas(0.0)
    tile[: SIZE // 2] = 1.0
    return tile


_RECIPES: dict[str, tuple[Callable[..., Tile], int]] = {
    'plain': (_plain, 2),
    'plaster': (_plaster, 3),
    'clouds': (_cloudy, 2),
    'gravel': (_gravel, 2),
    'leaves': (_leaves, 2),
    'wood': (_wood, 3),
    'planks': (_planks, 2),
    'bricks': (_bricks(16, 8, 2, 0.5), 2),
    'blocks': (_bricks(8, 4, 3, 0.35), 1),
    'tiles': (_tiles(8, 3, 0.2), 2),
    'slabs': (_tiles(4, 3, 0.35), 2),
    'checks': (_tiles(8, 0, 0.1, 0.7), 1),
    'stripes': (_stripes(16), 2),
    'weave': (_weave, 2),
    'books': (_books, 3),
    'goods': (_goods, 2),
    'text': (_text(8), 2),
    'print': (_text(18), 1),
    'poster': (_poster, 8),
    'facade': (_facade(4, 4), 4),
    'tower': (_facade(8, 8), 2),
    'keys': (_keys, 1),
    'screen': (_screen, 3),
    'doors': (_doors(2, 1), 2),
    'drawers': (_doors(2, 4), 2),
    'door': (_doors(1, 2), 1),
    'folds': (_folds, 1),
    'mosaic': (_mosaic, 1),
    'ribs': (_ribs, 1),
    'sign': (_sign, 3),
    'dash': (_dash, 1),
}


def _first() -> dict[str, tuple[int, ...]]:
    names, start = {}, 0
    for name, (_, number) in _RECIPES.items():
        names[name] = tuple(range(start, start + number))
        start += number
    return names


TILES = _first()
"""Numbers of the tiles of each kind."""


@functools.cache
def pyramids() -> list[npt.NDArray[np.uint8]]:
    """All tiles at every level, each ``[tiles, size, size]``, 0 to 255."""
    level = np.stack(
        [
            make(np.random.default_rng([variant, *name.encode()])).astype(np.float32)
            for name, (make, number) in _RECIPES.items()
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
