# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures of floors, walls, boxes and pictures, as colour images that repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = 512
"""Rows and columns of a texture."""

Tone = npt.NDArray[Any]
"""``[SIZE, SIZE]`` floats, 0 (the dark colour) to 1 (the bright one)."""
Colour = tuple[float, float, float]


def make_texture(kind: str, seed: int, dark: Colour, bright: Colour) -> npt.NDArray[np.uint8]:
    """Return a texture, ``[SIZE, SIZE, 3]`` uint8, gamma encoded.

    Args:
        kind: One of ``TEXTURES``.
        seed: Seed of its details.
        dark: Colour where its tone is 0, gamma encoded, 0 to 1.
        bright: Colour where its tone is 1.
    """
    rng = np.random.default_rng(seed)
    tone = np.clip(TEXTURES[kind](rng), 0, 1)[..., None]
    colour = np.asarray(dark) + (np.asarray(bright) - np.asarray(dark)) * tone
    if kind in _COLOURFUL:
        colour = colour + 0.5 * (_blocks(rng, 24)[..., None] - 0.5) * (rng.random(3) - 0.5)
    return np.asarray(np.rint(255 * np.clip(colour, 0, 1)), np.uint8)


def noise(rng: np.random.Generator, cells: int, rows: int = 0) -> Tone:
    """Return smooth noise of mean 0.5 that repeats; ``cells`` along the columns."""
    rows = rows or cells
    values = rng.random((rows, cells))
    for axis, count in ((0, rows), (1, cells)):
        place = (np.arange(SIZE) + 0.5) * count / SIZE - 0.5
        low = np.floor(place).astype(int)
        share = place - low
        share = share * share * (3 - 2 * share)
        share = share[:, None] if axis == 0 else share[None, :]
        near, far = np.take(values, low % count, axis), np.take(values, (low + 1) % count, axis)
        values = near + (far - near) * share
    return values


def _octaves(rng: np.random.Generator, cells: int, number: int = 5) -> Tone:
    layers = [noise(rng, min(cells << k, SIZE)) * 0.5**k for k in range(number)]
    total: Tone = np.sum(layers, 0) / sum(0.5**k for k in range(number))
    return total


def _blocks(rng: np.random.Generator, number: int) -> Tone:
    """Return overlapping rectangles of random tones."""
    tone = np.full((SIZE, SIZE), rng.random())
    for _ in range(number):
        top, left = rng.integers(0, SIZE, 2)
        rows, columns = rng.integers(SIZE // 20, SIZE // 2, 2)
        tone[top : top + rows, left : left + columns] = rng.random()
    return tone


def _grid(rows: int, columns: int, shift: float = 0.0) -> tuple[Tone, Tone, npt.NDArray[np.int_]]:
    """Return the place within its cell, down and right, 0 to 1, and the number of the cell."""
    y, x = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing='ij')
    row = np.floor(y * rows).astype(int)
    column = np.floor((x * columns + shift * row) % columns).astype(int)
    return y * rows % 1, (x * columns + shift * row) % 1, row * columns + column


def _joints(down: Tone, right: Tone, rows: int, columns: int, width: float) -> Tone:
    """Return 1 in the joints between cells, which are ``width`` of the texture wide."""
    near = np.minimum(np.minimum(down, 1 - down) / rows, np.minimum(right, 1 - right) / columns)
    return np.asarray(near < width / 2, np.float64)


def _plaster(rng: np.random.Generator) -> Tone:
    return 0.5 + 0.6 * (_octaves(rng, 8) - 0.5) + 0.1 * (rng.random((SIZE, SIZE)) - 0.5)


def _plain(rng: np.random.Generator) -> Tone:
    return 0.7 + 0.15 * (_octaves(rng, 3) - 0.5) + 0.04 * (rng.random((SIZE, SIZE)) - 0.5)


def _concrete(rng: np.random.Generator) -> Tone:
    stains = np.clip(noise(rng, 5) * 2 - 1, 0, 1)
    return 0.5 + 0.9 * (_octaves(rng, 4, 7) - 0.5) - 0.3 * stains


def _carpet(rng: np.random.Generator) -> Tone:
    return 0.5 + 0.5 * (rng.random((SIZE, SIZE)) - 0.5) + 0.4 * (_octaves(rng, 16) - 0.5)


def _grain(rng: np.random.Generator) -> Tone:
    waves = noise(rng, 3, 48) + 0.5 * noise(rng, 6, 200)
    return np.asarray(0.5 + 0.5 * np.sin(6 * np.pi * waves) * noise(rng, 4), np.float64)


def _planks(rng: np.random.Generator) -> Tone:
    rows = int(rng.integers(5, 9))
    down, right, cell = _grid(rows, 2, 0.37)
    tones = rng.random(2 * rows)[cell]
    joints = _joints(down, right, rows, 2, 0.004)
    tone: Tone = (0.3 + 0.45 * tones + 0.35 * (_grain(rng) - 0.5)) * (1 - 0.7 * joints)
    return tone


def _parquet(rng: np.random.Generator) -> Tone:
    number = 6
    down, right, cell = _grid(number, number)
    across = (cell // number + cell % number) % 2 == 0
    strip = np.floor(np.where(across, down, right) * 4).astype(int)
    edge = np.where(across, down, right) * 4 % 1
    tones = rng.random(4 * number * number)[cell * 4 + strip]
    joints = np.maximum(_joints(down, right, number, number, 0.003), edge < 0.03)
    tone: Tone = (0.35 + 0.5 * tones + 0.2 * (_octaves(rng, 32) - 0.5)) * (1 - 0.6 * joints)
    return tone


def _tiles(rng: np.random.Generator) -> Tone:
    number = int(rng.integers(3, 7))
    down, right, cell = _grid(number, number)
    tones = rng.random(number * number)[cell]
    face = 0.7 + 0.25 * (tones - 0.5) + 0.3 * (_octaves(rng, 6) - 0.5)
    if rng.random() < 0.3:  # a chessboard
        face = face - 0.6 * ((cell // number + cell % number) % 2)
    joints = _joints(down, right, number, number, 0.012)
    tone: Tone = face * (1 - joints) + 0.25 * joints
    return tone


def _bricks(rng: np.random.Generator) -> Tone:
    down, right, cell = _grid(12, 4, 0.5)
    tones = rng.random(48)[cell]
    joints = _joints(down, right, 12, 4, 0.014)
    face = 0.2 + 0.4 * tones + 0.3 * (_octaves(rng, 32) - 0.5)
    tone: Tone = face * (1 - joints) + 0.9 * joints
    return tone


def _stripes(rng: np.random.Generator) -> Tone:
    number = int(rng.integers(6, 20))
    _, right, _ = _grid(1, number)
    tone: Tone = np.where(right < rng.uniform(0.3, 0.7), 0.8, 0.35) + 0.1 * (
        _octaves(rng, 32) - 0.5
    )
    return tone


def _dots(rng: np.random.Generator) -> Tone:
    number = int(rng.integers(5, 12))
    down, right, _ = _grid(number, number, 0.5)
    turned = np.arctan2(down - 0.5, right - 0.5) * int(rng.integers(2, 7))
    petals = np.hypot(down - 0.5, right - 0.5) * (1 + 0.35 * np.sin(turned))
    tone: Tone = np.where(petals < 0.28, 0.3, 0.75) + 0.1 * (_octaves(rng, 16) - 0.5)
    return tone


def _marble(rng: np.random.Generator) -> Tone:
    veins = np.abs(_octaves(rng, 4, 6) - 0.5)
    tone: Tone = 0.85 - 0.9 * np.exp(-veins * 30) * noise(rng, 6)
    return tone


def _picture(rng: np.random.Generator) -> Tone:
    tone = 0.5 * _blocks(rng, 12) + 0.5 * _octaves(rng, 4)
    y, x = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing='ij')
    for _ in range(8):
        row, column, radius = rng.random(3) * (SIZE, SIZE, SIZE / 5)
        tone[(y - row) ** 2 + (x - column) ** 2 < radius**2] = rng.random()
    return tone


def _paper(rng: np.random.Generator) -> Tone:
    tone = np.full((SIZE, SIZE), 0.95)
    for row in range(30, SIZE - 30, 18):
        if rng.random() < 0.85:
            end = int(rng.uniform(0.4, 0.95) * SIZE)
            words = rng.random(SIZE) < 0.75
            tone[row : row + 6, 30:end] = np.where(words[30:end], 0.2, 0.95)
    if rng.random() < 0.5:
        top = int(rng.integers(40, SIZE // 2))
        tone[top : top + SIZE // 3, 60:-60] = 0.3 + 0.5 * _blocks(rng, 9)[: SIZE // 3, 60:-60]
    return tone


def _facade(rng: np.random.Generator) -> Tone:
    rows, columns = int(rng.integers(4, 9)), int(rng.integers(4, 9))
    down, right, cell = _grid(rows, columns)
    panes = 0.1 + 0.4 * rng.random(rows * columns)[cell]
    inside = (abs(down - 0.5) < 0.3) & (abs(right - 0.5) < 0.25)
    return np.where(inside, panes, 0.75 + 0.2 * (_octaves(rng, 32) - 0.5))


TEXTURES: dict[str, Callable[[np.random.Generator], Tone]] = {
    'plain': _plain,
    'plaster': _plaster,
    'concrete': _concrete,
    'carpet': _carpet,
    'grain': _grain,
    'planks': _planks,
    'parquet': _parquet,
    'tiles': _tiles,
    'bricks': _bricks,
    'stripes': _stripes,
    'dots': _dots,
    'marble': _marble,
    'picture': _picture,
    'paper': _paper,
    'facade': _facade,
}
"""Recipe of each kind."""

_COLOURFUL = ('picture', 'paper')
