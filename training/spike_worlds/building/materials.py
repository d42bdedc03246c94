# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Materials as data, and their sampling: a texture, its size on the surface and two colours."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds import atlas
from spike_worlds.building.sampler import Level, Range, Sampler, Value
from spike_worlds.scene import MATERIAL, Array, Column

_LUMINANCE = (0.25, 0.6, 0.15)  # of red, green and blue
_LEAST_CONTRAST = 0.3  # share of a material's contrast that every sample of it has
_OTHER_COLOUR = (0.7, 0.6)  # the dark colour: this much of the bright one, and of another
_LEAST = 0.01  # darkest colour
GREEN = (0.55, 1.0, 0.35)  # tint of leaves
Texture = tuple[str, ...]  # kinds of tiles of the atlas


class Extent(NamedTuple):
    """Metres that a tile of a texture covers across and up."""

    across: Level
    up: Level


class Colour(NamedTuple):
    """Distribution of linear colours."""

    low: float = 0.04  # least brightness, 0 to 1
    high: float = 0.9  # greatest; brightness is uniform over ratios
    vivid: float = 0.5  # strength of the colour, 0 (grey) to 1
    tint: tuple[float, float, float] | None = None  # factors on red, green and blue
    least: float = _LEAST  # darkest colour after tinting


class Grey(NamedTuple):
    """Distribution of colours without a hue."""

    level: Level  # brightness, 0 to 1


@dataclasses.dataclass(frozen=True)
class Material:
    """Distribution of materials."""

    textures: Texture  # kinds of tiles of the atlas, one of whose variants each sample takes
    size: Level | Extent = 1.0  # metres that a tile covers
    bright: Colour | Grey | None = None  # where the texture is 1; None: any, of ``vivid``
    contrast: float = 0.7  # largest difference of the two colours / the bright one
    glow: Level = 0.0  # light of its own, as a share of its colour
    fit: bool = False  # whether the tile lies centred on the face, not shifted at random
    vivid: float = 0.5  # strength of colours that nothing else limits
    dark_share: Range | None = None  # dark colour / bright colour; None: by ``contrast``


class MaterialSampler:
    """Samples materials ``[B, k, len(MATERIAL)]``.

    Args:
        sampler: Random numbers.
        contrast: Factor on the contrast of textures.
    """

    def __init__(self, sampler: Sampler, contrast: float = 1.0) -> None:
        self.sampler = sampler
        self.contrast = contrast

    def colour(
        self, number: int, low: float = 0.04, high: float = 0.9, vivid: float = 0.5
    ) -> Array:
        """Sample linear colours ``[B, number, 3]``; their brightness is uniform over ratios."""
        brightness = self.sampler.log_uniform(number, (low, high))
        strength = self.sampler(number) ** 2 * vivid
        hue = np.stack([self.sampler(number) for _ in range(3)], -1)
        hue = hue - hue.mean(-1, keepdims=True)
        colour: Array = np.clip(
            brightness[..., None] * (1 + 2 * strength[..., None] * hue), _LEAST, 1
        )
        return colour

    def sample_colour(self, number: int, colour: Colour | Grey) -> Array:
        """Sample linear colours ``[B, number, 3]`` of a distribution."""
        if isinstance(colour, Grey):
            return grey(self.sampler.level(number, colour.level), number, self.sampler.batch)
        sampled = self.colour(number, colour.low, colour.high, colour.vivid)
        if colour.tint is None:
            return sampled
        tinted: Array = np.clip(sampled * np.array(colour.tint, np.float32), colour.least, 1)
        return tinted

    def sample(
        self,
        material: Material,
        number: int,
        size: Value | tuple[Value, Value] | None = None,
        dark: Array | None = None,
        bright: Array | None = None,
    ) -> Array:
        """Sample materials.

        Args:
            material: Their distribution.
            number: Materials per scene.
            size: Metres that a tile covers, ``[B, number]``, or across and up; in place of those
                of the distribution.
            dark: Colours where the texture is 0, ``[B, number, 3]``; None: of the distribution.
            bright: Colours where it is 1, ``[B, number, 3]``; None: of the distribution.

        Returns:
            ``[B, number, len(MATERIAL)]``.
        """
        sampler = self.sampler
        across, up = self._extent(material.size, number) if size is None else both(size)
        if bright is None and material.bright is not None:
            bright = self.sample_colour(number, material.bright)
        if dark is None and material.dark_share is not None and bright is not None:
            dark = bright * sampler.uniform(number, material.dark_share)[..., None]
        glow = sampler.level(number, material.glow)
        bright = self.colour(number, vivid=material.vivid) if bright is None else bright
        if dark is None:
            some = _LEAST_CONTRAST + (1 - _LEAST_CONTRAST) * sampler(number)
            share = 1 - self.contrast * material.contrast * some
            other = self.colour(number, vivid=material.vivid)
            dark = bright * share[..., None] * (_OTHER_COLOUR[0] + _OTHER_COLOUR[1] * other)
        variants = [variant for name in material.textures for variant in atlas.TILES[name]]
        out = np.zeros((len(bright), number, len(MATERIAL)), np.float32)
        out[..., Column.TEXTURE] = sampler.choose(number, variants) * atlas.TEXELS
        out[..., Column.SCALE_U] = 1 / np.asarray(across)
        out[..., Column.SCALE_V] = 1 / np.asarray(up)
        out[..., Column.OFFSET_U] = 0.5 if material.fit else sampler(number)
        out[..., Column.OFFSET_V] = 0.5 if material.fit else sampler(number)
        densest = np.maximum(out[..., Column.SCALE_U], out[..., Column.SCALE_V])
        out[..., Column.TEXELS] = densest * atlas.SIZE
        out[..., Column.GLOW] = glow
        out[..., Column.DARK], out[..., Column.BRIGHT] = dark, bright
        out[..., Column.DARK_LUMINANCE] = _luminance(out[..., Column.DARK])
        out[..., Column.BRIGHT_LUMINANCE] = _luminance(out[..., Column.BRIGHT])
        return out

    def _extent(self, size: Level | Extent, number: int) -> tuple[Value, Value]:
        if isinstance(size, Extent):
            across = self.sampler.level(number, size.across)
            return across, self.sampler.level(number, size.up)
        return both(self.sampler.level(number, size))


def both(size: Value | tuple[Value, Value]) -> tuple[Value, Value]:
    """Return two sizes; of one number, that number twice."""
    return size if isinstance(size, tuple) else (size, size)


def _luminance(colour: Array) -> Array:
    red, green, blue = _LUMINANCE
    light: Array = red * colour[..., 0] + green * colour[..., 1] + blue * colour[..., 2]
    return light


def shade(surface: Array, x: Array, z: Array, share: Value) -> Array:
    """Return a darker piece of a surface, for shadows that lie on it, its texture unbroken.

    Args:
        surface: Its material, ``[B, 1 or k, len(MATERIAL)]``.
        x: Middle of the piece along the surface's own x, ``[B, k]`` metres.
        z: Middle of the piece along the surface's own z, ``[B, k]`` metres.
        share: Light that is left.
    """
    out = np.repeat(surface, x.shape[1] // surface.shape[1], axis=1)
    out[..., Column.OFFSET_U] += x * out[..., Column.SCALE_U]
    out[..., Column.OFFSET_V] += z * out[..., Column.SCALE_V]
    out[..., Column.REFLECTED] *= np.asarray(share, np.float32)[..., None]
    return out


def grey(level: Value, number: int, batch: int) -> Array:
    """Return colours without a hue, ``[B, number, 3]``."""
    full = np.broadcast_to(np.asarray(level, np.float32), (batch, number))
    return np.repeat(full[..., None], 3, -1)


def repeat(material: Array, number: int) -> Array:
    """Return one material of each scene ``number`` times."""
    return np.repeat(material, number, 1)


def choose(mask: Array, material: Array, other: Array) -> Array:
    """Return the first material where a mask ``[B, 1 or k]`` is true, else the other."""
    chosen: Array = np.where(mask[..., None], material, other)
    return chosen
