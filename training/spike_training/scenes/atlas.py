# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Texture tiles that repeat without a seam, each with its pyramid of smaller versions.

Tiles hold tones from 0 to 1, which a material maps to two colours. They are made once per process
from fixed seeds with elementary arithmetic, so that every machine has the same ones.

Each recipe is a class with its settings. Lengths are texels, tones and shares 0 to 1; pairs are
limits of a uniform distribution, those of whole numbers without the upper one.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Tile = npt.NDArray[np.floating[Any]]
"""``[SIZE, SIZE]`` float32, 0 to 1."""
Generator = np.random.Generator
SIZE = 256
"""Texels along each side of a tile; row 0 is its bottom."""
LEVELS = 9
"""Levels of a pyramid: 256, 128, ... 1 texels."""
TEXELS = sum((SIZE >> level) ** 2 for level in range(LEVELS))
"""Texels of one tile's pyramid."""
LEVEL_OFFSETS = tuple(sum((SIZE >> k) ** 2 for k in range(level)) for level in range(LEVELS))
"""First texel of each level within a pyramid."""

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


class Recipe(Protocol):
    """Recipe of a kind of tile."""

    def make(self, rng: Generator, /) -> Tile:
        """Make a tile."""
        ...


class Noise(NamedTuple):
    """Noise of several scales, stretched to 0..1.

    Attributes:
        cells: Cells of the coarsest scale along a side; each further scale has twice as many.
        octaves: Number of scales.
        keep: Weight of each scale over that of the one before.
    """

    cells: int
    octaves: int = 5
    keep: float = 0.6

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        total, weight = _canvas(0), np.float32(1)
        for octave in range(self.octaves):
            number = min(self.cells << octave, SIZE)
            total += weight * _lattice(rng, number, number)
            weight = np.float32(weight * self.keep)
        return _stretch(total)


SMUDGE = Noise(4)


def _smudge(rng: Generator, tile: Tile, strength: float) -> Tile:
    return _clip(tile + strength * (SMUDGE.make(rng) - 0.5))


class FaintNoise(NamedTuple):
    """Noise about a tone of 0.5.

    Attributes:
        noise: The noise.
        contrast: Factor on it.
    """

    noise: Noise
    contrast: float

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        return (0.5 + self.contrast * (self.noise.make(rng) - 0.5)).astype(np.float32)


class Leaves(NamedTuple):
    """Noise with dark gaps.

    Attributes:
        noise: The noise.
        contrast: Factor on it.
        offset: Subtracted then; results are clipped.
    """

    noise: Noise = Noise(12, 4, 0.9)
    contrast: float = 1.6
    offset: float = 0.4

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        return _clip(self.contrast * self.noise.make(rng) - self.offset)


class Wood(NamedTuple):
    """Annual rings and grain along v.

    Attributes:
        cells: Cells of the lattices of bends, grain and fine grain, along v and u.
        rings: Number of rings.
        bend: Greatest shift of the rings, in rings.
        weights: Of rings, grain and fine grain.
    """

    cells: tuple[tuple[int, int], ...] = ((2, 3), (3, 48), (6, 128))
    rings: int = 12
    bend: int = 3
    weights: tuple[float, float, float] = (0.35, 0.7, 0.4)

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        bend, grain, fine = (_lattice(rng, *cells) for cells in self.cells)
        rings = np.abs(((bend * self.bend + _GRID[None, :] * self.rings) % 1) * 2 - 1)
        a, b, c = self.weights
        return _stretch(a * rings + b * grain + c * fine)


WOOD = Wood()


class Planks(NamedTuple):
    """Rows of boards, each with one joint.

    Attributes:
        boards: Number of rows.
        contrast: Of the wood.
        tone: Least tone.
        spread: Range of the boards' tones.
    """

    boards: int = 8
    contrast: float = 0.35
    tone: float = 0.1
    spread: float = 0.5

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile, height = _canvas(0), SIZE // self.boards
        for board in range(self.boards):
            wood = WOOD.make(rng) * self.contrast
            cut = int(rng.integers(SIZE))
            left, right = rng.random(2).astype(np.float32) * self.spread
            rows = slice(height * board, height * (board + 1) - 1)
            tile[rows] = wood.T[rows] + self.tone + np.where(np.arange(SIZE) < cut, left, right)
            tile[rows, cut] = 0
        return tile


class Bricks(NamedTuple):
    """Courses of bricks, every other one shifted by half a brick.

    Attributes:
        rows: Courses on a tile.
        columns: Bricks of a course.
        joint: Width of the joints.
        spread: Range of the bricks' tones.
        tone: Least tone.
        rough: Noise of the surface.
        roughness: Factor on that.
        darker: Subtracted in the end.
    """

    rows: int
    columns: int
    joint: int
    spread: float
    tone: float = 0.1
    rough: Noise = Noise(16, 3)
    roughness: float = 0.15
    darker: float = 0.07

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile = _canvas(1.0)
        height, width = SIZE // self.rows, SIZE // self.columns
        rough = self.roughness * self.rough.make(rng)
        for row in range(self.rows):
            for column in range(self.columns):
                left = column * width + (width // 2 if row % 2 else 0)
                across = np.arange(left, left + width - self.joint) % SIZE
                tone = self.tone + self.spread * rng.random()
                tile[row * height : row * height + height - self.joint, across] = tone
        return _clip(tile + rough - self.darker)


class Tiles(NamedTuple):
    """Square tiles with joints.

    Attributes:
        number: Of tiles along a side.
        joint: Width of the joints.
        spread: Range of the tiles' tones.
        check: Difference between neighbouring tiles.
        tone: Mean.
        joint_tone: Of the joints.
        smudge: Contrast of stains.
    """

    number: int
    joint: int
    spread: float
    check: float = 0.0
    tone: float = 0.6
    joint_tone: float = 0.05
    smudge: float = 0.12

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        number, size = self.number, SIZE // self.number
        tones = self.tone + self.spread * (rng.random((number, number)) - 0.5)
        parity = np.add.outer(np.arange(number), np.arange(number)) % 2
        tones = tones - self.check * (parity - 0.5)
        tile = np.kron(tones, np.ones((size, size))).astype(np.float32)
        edge = np.arange(SIZE) % size < self.joint
        tile[edge, :] = tile[:, edge] = self.joint_tone
        return _smudge(rng, np.clip(tile, 0, 1), self.smudge)


class Stripes(NamedTuple):
    """Stripes along v.

    Attributes:
        number: Of stripes.
        smudge: Contrast of stains.
    """

    number: int
    smudge: float = 0.1

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tones = np.repeat(rng.random(self.number), SIZE // self.number)
        return _smudge(rng, np.tile(tones, (SIZE, 1)).astype(np.float32), self.smudge)


class Weave(NamedTuple):
    """Cloth of threads of random tones.

    Attributes:
        threads: Along each side.
        smudge: Contrast of stains.
    """

    threads: int = 64
    smudge: float = 0.2

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        width = SIZE // self.threads
        warp = np.repeat(rng.random(self.threads).astype(np.float32), width)[None, :]
        weft = np.repeat(rng.random(self.threads), width)[:, None]
        cross = np.add.outer(np.arange(SIZE) // width, np.arange(SIZE) // width) % 2
        thread = cross.astype(np.float32)
        return _smudge(rng, np.clip(thread * warp + (1 - thread) * weft, 0, 1), self.smudge)


class Books(NamedTuple):
    """Rows of spines, dark gaps above them, boards between.

    Attributes:
        shelves: Number of rows.
        gap: Tone of gaps.
        board: Thickness of boards.
        board_tone: Of boards.
        width: Of a book.
        height: Least height over that of a row, and the range above it.
        missing: Probability of a gap in place of a book.
        band: Least height of a band in the inverse tone, and its least way from the top.
        band_height: Of a band.
    """

    shelves: int = 3
    gap: float = 0.02
    board: int = 6
    board_tone: float = 0.6
    width: tuple[int, int] = (3, 13)
    height: tuple[float, float] = (0.5, 0.4)
    missing: float = 0.08
    band: tuple[int, int] = (10, 8)
    band_height: int = 5

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile, row, (lowest, below) = _canvas(self.gap), SIZE // self.shelves, self.band
        for shelf in range(self.shelves):
            low, x = shelf * row, 0
            tile[low : low + self.board] = self.board_tone
            while x < SIZE:
                width = _integer(rng, self.width)
                tall = int(row * (self.height[0] + self.height[1] * rng.random()))
                if rng.random() > self.missing:
                    tone = rng.random()
                    band = low + _integer(rng, (lowest, max(tall - below, lowest + 1)))
                    spine = slice(x, x + width - 1)
                    tile[low + self.board : low + tall, spine] = tone
                    tile[band : band + self.band_height, spine] = 1 - tone
                x += width
        return tile


class Goods(NamedTuple):
    """Shelves with boxes and tins.

    Attributes:
        shelves: Number of rows.
        gap: Tone of gaps.
        board: Thickness of boards.
        board_tone: Of boards.
        width: Of a thing.
        height: Of a thing.
        missing: Probability of a gap in place of a thing.
        space: Between things, and at either side of a thing's label.
    """

    shelves: int = 4
    gap: float = 0.05
    board: int = 5
    board_tone: float = 0.55
    width: tuple[int, int] = (10, 36)
    height: tuple[int, int] = (18, 54)
    missing: float = 0.15
    space: int = 2

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile, row = _canvas(self.gap), SIZE // self.shelves
        for shelf in range(self.shelves):
            low, x = shelf * row, 0
            tile[low : low + self.board] = self.board_tone
            while x < SIZE:
                width, tall = _integer(rng, self.width), _integer(rng, self.height)
                if rng.random() > self.missing:
                    tone, label = rng.random(2)
                    body = tile[low + self.board : low + tall, x : x + width - self.space]
                    body[...] = tone
                    body[tall // 4 : tall // 2, self.space : -self.space] = label
                x += width
        return tile


class Text(NamedTuple):
    """Lines of words of random dots on white.

    Attributes:
        line: Distance of lines; letters are half as tall.
        ink: Darkness of dots.
        margins: At bottom and top, and at the sides.
        ragged: Limits of the way from the right margin to the end of a line.
        blank: Probability of an empty line.
        longest: Length of words over the distance of lines, at most.
        density: Share of dots.
    """

    line: int
    ink: float = 0.9
    margins: tuple[int, int] = (12, 14)
    ragged: tuple[int, int] = (0, 60)
    blank: float = 0.12
    longest: int = 5
    density: float = 0.55

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile, line, (edge, side) = _canvas(1.0), self.line, self.margins
        tall = max(line // 2, 1)
        for top in range(edge, SIZE - edge, line):
            x, end = side, SIZE - side - _integer(rng, self.ragged)
            if rng.random() < self.blank:
                continue
            while x < end:
                word = _integer(rng, (line, self.longest * line))
                dots = rng.random((tall, word)) < self.density
                region = tile[top : top + tall, x : min(x + word, end)]
                region[...] = 1 - self.ink * dots[:, : region.shape[1]]
                x += word + line // 2
        return tile


class Poster(NamedTuple):
    """Overlapping rectangles and discs over a gradient: a picture, a label, a cover.

    Attributes:
        shapes: Number of shapes.
        size: Least half size of a shape over the tile, and the range above it.
        rectangles: Share of rectangles.
        caption: Probability of a caption.
        text: Letters of the caption.
        caption_size: Height and width of the caption.
        caption_at: Limits of its left and lower edge.
        border: Width of the border.
        border_tone: Of the border.
    """

    shapes: tuple[int, int] = (6, 22)
    size: tuple[float, float] = (0.03, 0.3)
    rectangles: float = 0.5
    caption: float = 0.6
    text: Text = Text(8)
    caption_size: tuple[int, int] = (64, 112)
    caption_at: tuple[int, int] = (128, 160)
    border: int = 5
    border_tone: float = 0.95

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        slope = rng.random(2).astype(np.float32)
        tile = (slope[0] * _GRID[:, None] + slope[1] * _GRID[None, :]) / 2
        v, u = np.meshgrid(_GRID, _GRID, indexing='ij')
        for _ in range(_integer(rng, self.shapes)):
            cu, cv, tone = rng.random(3)
            su, sv = self.size[0] + self.size[1] * rng.random(2) ** 2
            if rng.random() < self.rectangles:
                inside = (np.abs(u - cu) < su) & (np.abs(v - cv) < sv)
            else:
                inside = (u - cu) ** 2 + (v - cv) ** 2 < su * su
            tile = np.where(inside, tone, tile)
        if rng.random() < self.caption:
            left, low = (_integer(rng, (0, end)) for end in self.caption_at)
            (tall, wide), (edge, side) = self.caption_size, self.text.margins
            words = self.text.make(rng)[edge : edge + tall, side : side + wide]
            tile[low : low + tall, left : left + wide] = words
        border = self.border
        tile[:border] = tile[-border:] = self.border_tone
        tile[:, :border] = tile[:, -border:] = self.border_tone
        picture: Tile = tile.astype(np.float32)
        return picture


class Facade(NamedTuple):
    """Windows in storeys, some of them lit or behind blinds, on plaster or bricks.

    Attributes:
        columns: Windows of a storey.
        storeys: Number of storeys.
        wall: Mean tone and contrast of plaster.
        bricks: Courses of bricks.
        brick_share: Probability of bricks.
        brick_mix: Weights of plaster and of joints in a wall of bricks.
        width: Least width of a window over the room of each, and the range above it.
        height: Likewise.
        ledge: Height of a ledge below each storey.
        ledge_shade: Factor on its tone.
        frame: Width of the frames, whose tone is 1.
        pane: Least tone of a pane, and the range above it.
        lit: Probability of a lit window.
        lit_tone: Of its pane.
        mullion: Tone of the line in the middle.
        blind: Tone of blinds.
    """

    columns: int
    storeys: int
    wall: tuple[float, float] = (0.72, 0.3)
    bricks: Bricks = Bricks(32, 16, 1, 0.5)
    brick_share: float = 0.5
    brick_mix: tuple[float, float] = (0.8, 0.25)
    width: tuple[float, float] = (0.35, 0.4)
    height: tuple[float, float] = (0.4, 0.3)
    ledge: int = 3
    ledge_shade: float = 0.8
    frame: int = 2
    pane: tuple[float, float] = (0.03, 0.3)
    lit: float = 0.12
    lit_tone: float = 0.8
    mullion: float = 0.9
    blind: float = 0.7

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile = self.wall[0] + self.wall[1] * (SMUDGE.make(rng) - 0.5)
        height, width = SIZE // self.storeys, SIZE // self.columns
        if rng.random() < self.brick_share:
            plaster, joint = self.brick_mix
            tile = plaster * tile + joint * (1 - self.bricks.make(rng))
        share_u = self.width[0] + self.width[1] * rng.random()
        share_v = self.height[0] + self.height[1] * rng.random()
        tall, wide = int(height * share_v), int(width * share_u)
        for row in range(self.storeys):
            tile[row * height : row * height + self.ledge] *= self.ledge_shade
            for column in range(self.columns):
                v = row * height + (height - tall) // 2
                u = column * width + (width - wide) // 2
                self._draw_window(rng, tile[v : v + tall, u : u + wide])
        return _clip(tile)

    def _draw_window(self, rng: Generator, window: Tile) -> None:
        tall, wide = window.shape
        inside = slice(self.frame, wide - self.frame)
        window[...] = 1.0
        pane = self.pane[0] + self.pane[1] * rng.random() ** 2
        if rng.random() < self.lit:
            pane = self.lit_tone
        window[self.frame : tall - self.frame, inside] = pane
        window[self.frame : tall - self.frame, wide // 2] = self.mullion
        window[tall - int(tall * rng.random() ** 3) :, inside] = self.blind


class Keys(NamedTuple):
    """Keyboard.

    Attributes:
        rows: Rows of keys.
        pitch: Distance of rows.
        widths: Of keys, each as likely.
        gap: Between keys of a row, and at their ends.
        least: Width of the rest of a row that has no key.
        key: Lower and upper edge of a key in its row.
        mark: Likewise of the letter.
        mark_at: Left and right edge of the letter on its key.
        tones: Of gaps, keys and letters.
    """

    rows: int = 5
    pitch: int = 50
    widths: tuple[int, ...] = (14, 14, 14, 20, 30)
    gap: int = 4
    least: int = 10
    key: tuple[int, int] = (8, 48)
    mark: tuple[int, int] = (22, 34)
    mark_at: tuple[int, int] = (4, 9)
    tones: tuple[float, float, float] = (0.1, 0.45, 0.9)

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        gap_tone, key_tone, mark_tone = self.tones
        tile, end = _canvas(gap_tone), SIZE - self.gap
        left, right = self.mark_at
        for row in range(self.rows):
            low, x = row * self.pitch, self.gap
            while x < SIZE - self.least:
                width = int(rng.choice(self.widths))
                tile[low + self.key[0] : low + self.key[1], x : min(x + width, end)] = key_tone
                marked = slice(x + left, min(x + right, end))
                tile[low + self.mark[0] : low + self.mark[1], marked] = mark_tone
                x += width + self.gap
        return tile


class Screen(NamedTuple):
    """Windows with text on a picture, in a dark frame.

    Attributes:
        picture: Noise of the picture.
        level: Least tone of the picture and its contrast.
        windows: Number of windows.
        at: Limits of their left and lower edge.
        size: Limits of their width and height.
        line: Limits of the distance of lines of text.
        light: Probability of a light window.
        dark: Contrast of the others.
        bar: Height of the title bar.
        bar_tone: Of the title bar.
        frame: Height and width of the frame.
        frame_tone: Of the frame.
    """

    picture: Noise = Noise(2, 3)
    level: tuple[float, float] = (0.3, 0.4)
    windows: tuple[int, int] = (1, 4)
    at: tuple[int, int] = (8, 110)
    size: tuple[int, int] = (70, 130)
    line: tuple[int, int] = (5, 9)
    light: float = 0.6
    dark: float = 0.9
    bar: int = 8
    bar_tone: float = 0.55
    frame: tuple[int, int] = (8, 6)
    frame_tone: float = 0.02

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile = self.level[0] + self.level[1] * self.picture.make(rng)
        for _ in range(_integer(rng, self.windows)):
            left, low = rng.integers(*self.at, 2).tolist()
            wide, tall = rng.integers(*self.size, 2).tolist()
            page = Text(_integer(rng, self.line)).make(rng)[:tall, :wide]
            page = page if rng.random() < self.light else 1 - self.dark * page
            tile[low : low + tall, left : left + wide] = page
            tile[low + tall - self.bar : low + tall, left : left + wide] = self.bar_tone
        high, broad = self.frame
        tile[:high] = tile[-high:] = self.frame_tone
        tile[:, :broad] = tile[:, -broad:] = self.frame_tone
        return tile.astype(np.float32)


class Doors(NamedTuple):
    """Fronts of a cabinet: panels with gaps, inner frames and handles.

    Attributes:
        columns: Panels along u.
        rows: Panels along v.
        wood: Mean tone and contrast.
        inset: Limits of the way from a panel's edge to its inner frame.
        flat: Inset up to which a panel has no inner frame.
        gap: Width of gaps.
        gap_tone: Of gaps.
        shadow: Tone of the lower and left edge of the inner frame.
        edge: Tone of the upper and right one.
        handle: Half height of the handle; left and right edge, from that of the panel.
        handle_tone: Of handles.
    """

    columns: int
    rows: int
    wood: tuple[float, float] = (0.65, 0.15)
    inset: tuple[int, int] = (0, 14)
    flat: int = 4
    gap: int = 3
    gap_tone: float = 0.02
    shadow: float = 0.3
    edge: float = 0.95
    handle: tuple[int, int, int] = (8, 14, 10)
    handle_tone: float = 0.98

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        tile = self.wood[0] + self.wood[1] * (WOOD.make(rng) - 0.5)
        height, width = SIZE // self.rows, SIZE // self.columns
        inset = _integer(rng, self.inset)
        for v in range(0, self.rows * height, height):
            for u in range(0, self.columns * width, width):
                self._draw_panel(tile[v : v + height, u : u + width], inset)
        return tile.astype(np.float32)

    def _draw_panel(self, panel: Tile, inset: int) -> None:
        height, width = panel.shape
        panel[: self.gap] = panel[:, : self.gap] = self.gap_tone
        if inset > self.flat:
            across, up = slice(inset, width - inset), slice(inset, height - inset)
            panel[inset + self.gap, across] = self.shadow
            panel[height - inset, across] = self.edge
            panel[up, inset] = self.shadow
            panel[up, width - inset] = self.edge
        half, left, right = self.handle
        rows = slice(height // 2 - half, height // 2 + half)
        panel[rows, width - left : width - right] = self.handle_tone


class Folds(NamedTuple):
    """Folds of cloth along v.

    Attributes:
        cells: Cells of the lattices of folds and fine folds, along v and u.
        fine: Weight of fine folds.
    """

    cells: tuple[tuple[int, int], ...] = ((2, 24), (4, 60))
    fine: float = 0.3

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        folds, fine = (_lattice(rng, *cells) for cells in self.cells)
        return _stretch((folds + self.fine * fine).astype(np.float32))


class Mosaic(NamedTuple):
    """Squares of random tones.

    Attributes:
        number: Along each side.
    """

    number: int = 16

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        size = SIZE // self.number
        tones = rng.random((self.number, self.number))
        return np.kron(tones, np.ones((size, size))).astype(np.float32)


class Ribs(NamedTuple):
    """Ribs along v.

    Attributes:
        number: Of ribs.
        smudge: Contrast of stains.
    """

    number: int = 16
    smudge: float = 0.1

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        wave = np.abs(((_GRID * self.number) % 1) * 2 - 1)
        return _smudge(rng, np.tile(wave, (SIZE, 1)).astype(np.float32), self.smudge)


class Sign(NamedTuple):
    """Bars, and in half of them a ring, on white with a dark border.

    Attributes:
        border: Half size within the border, over the tile.
        border_tone: Of the border.
        tone: Of the ground.
        ring_share: Probability of a ring.
        ring: Inner and outer radius, over the tile.
        ring_tone: Of the ring.
        bars: Number of bars.
        at: Limits of their left and lower edge.
        height: Of a bar.
        width: Limits of their width.
        bar_tone: Of bars.
    """

    border: float = 0.44
    border_tone: float = 0.1
    tone: float = 0.95
    ring_share: float = 0.5
    ring: tuple[float, float] = (0.28, 0.42)
    ring_tone: float = 0.15
    bars: tuple[int, int] = (1, 4)
    at: tuple[int, int] = (60, 170)
    height: int = 24
    width: tuple[int, int] = (20, 60)
    bar_tone: float = 0.05

    def make(self, rng: Generator) -> Tile:
        """Make a tile."""
        v, u = np.meshgrid(_GRID - 0.5, _GRID - 0.5, indexing='ij')
        outside = np.maximum(np.abs(u), np.abs(v)) > self.border
        tile = np.where(outside, self.border_tone, self.tone)
        if rng.random() < self.ring_share:
            radius = np.hypot(u, v)
            ring = (radius > self.ring[0]) & (radius < self.ring[1])
            tile = np.where(ring, self.ring_tone, tile)
        for _ in range(_integer(rng, self.bars)):
            low, left = rng.integers(*self.at, 2)
            right = left + _integer(rng, self.width)
            tile[low : low + self.height, left:right] = self.bar_tone
        return tile.astype(np.float32)


class Dash(NamedTuple):
    """White below, black above.

    Attributes:
        white: Share of the tile.
    """

    white: float = 0.5

    def make(self, _: Generator) -> Tile:
        """Make a tile."""
        tile = _canvas(0.0)
        tile[: int(SIZE * self.white)] = 1.0
        return tile


_RECIPES: dict[str, tuple[Recipe, int]] = {
    'plain': (FaintNoise(Noise(2, 4), 0.12), 2),
    'plaster': (FaintNoise(Noise(4, 6, 0.75), 0.5), 3),
    'clouds': (Noise(3, 6), 2),
    'gravel': (Noise(32, 4, 1.0), 2),
    'leaves': (Leaves(), 2),
    'wood': (WOOD, 3),
    'planks': (Planks(), 2),
    'bricks': (Bricks(16, 8, 2, 0.5), 2),
    'blocks': (Bricks(8, 4, 3, 0.35), 1),
    'tiles': (Tiles(8, 3, 0.2), 2),
    'slabs': (Tiles(4, 3, 0.35), 2),
    'checks': (Tiles(8, 0, 0.1, 0.7), 1),
    'stripes': (Stripes(16), 2),
    'weave': (Weave(), 2),
    'books': (Books(), 3),
    'goods': (Goods(), 2),
    'text': (Text(8), 2),
    'print': (Text(18), 1),
    'poster': (Poster(), 8),
    'facade': (Facade(4, 4), 4),
    'tower': (Facade(8, 8), 2),
    'keys': (Keys(), 1),
    'screen': (Screen(), 3),
    'doors': (Doors(2, 1), 2),
    'drawers': (Doors(2, 4), 2),
    'door': (Doors(1, 2), 1),
    'folds': (Folds(), 1),
    'mosaic': (Mosaic(), 1),
    'ribs': (Ribs(), 1),
    'sign': (Sign(), 3),
    'dash': (Dash(), 1),
}
"""Recipe of each kind of tile, and number of variants."""


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
            recipe.make(np.random.default_rng([variant, *name.encode()])).astype(np.float32)
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
