# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Puts scenes together, many at a time: every number is a column over the batch.

Only elementary arithmetic touches the numbers (no sine, power or sum over the batch), so that a
scene has the same bits in every batch and on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spike_training.scenes import atlas
from spike_training.scenes.scene import BOX, CYLINDER, MATERIAL, Array

Value = Array | float
_TILES = len(MATERIAL)


class Draws:
    """Uniform random numbers of each scene, handed out column by column.

    Args:
        uniform: ``[B, columns]`` float32 from 0 to below 1.
    """

    def __init__(self, uniform: Array) -> None:
        self._uniform = uniform
        self._next = 0

    def __call__(self, number: int = 1, low: Value = 0.0, high: Value = 1.0) -> Array:
        """``[B, number]`` between two limits."""
        begin, self._next = self._next, self._next + number
        if self._next > self._uniform.shape[1]:
            raise IndexError(f'a scene takes more than {self._uniform.shape[1]} random numbers')
        block = self._uniform[:, begin : self._next]
        return np.asarray(low + (high - low) * block, np.float32)

    def chance(self, number: int, share: Value) -> Array:
        """``[B, number]``, true with a probability."""
        return self(number) < share

    def choose(self, number: int, options: Sequence[float]) -> Array:
        """``[B, number]`` of some values."""
        table = np.asarray(options, np.float32)
        picked: Array = table[(self(number) * len(table)).astype(np.int64)]
        return picked

    def signs(self, number: int) -> Array:
        """``[B, number]`` of -1 and 1."""
        return np.where(self(number) < 0.5, np.float32(-1), np.float32(1))


def turn(angle: Value) -> tuple[Array, Array]:
    """Cosine and sine by arithmetic that is the same everywhere; any angle, to about 1e-6."""
    value = np.asarray(angle, np.float64)
    eighth = value / 8
    square = eighth * eighth
    sine = eighth * (1 - square / 6 * (1 - square / 20 * (1 - square / 42)))
    cosine = 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56)))
    for _ in range(3):
        sine, cosine = 2 * sine * cosine, cosine * cosine - sine * sine
    norm = np.sqrt(sine * sine + cosine * cosine)
    return (cosine / norm).astype(np.float32), (sine / norm).astype(np.float32)


def between(low: float, high: float, share: Array) -> Array:
    """Values spread evenly over ratios: half of them below the geometric mean of the limits."""
    root = np.float32((high / low) ** 0.25)  # share 0, 1/4, ... 1 -> low * root ** (0, 1, ... 4)
    whole = np.minimum(share * 4, 3.999).astype(np.int64)
    rest = share * 4 - whole
    steps = np.asarray([low * root**k for k in range(5)], np.float32)
    values: Array = steps[whole] * (1 - rest) + steps[whole + 1] * rest
    return values.astype(np.float32)


class Paint:
    """Materials ``[B, k, len(MATERIAL)]`` from tiles and random colours.

    Args:
        draws: Where randomness comes from.
        contrast: Factor on the contrast of textures.
    """

    def __init__(self, draws: Draws, contrast: float = 1.0) -> None:
        self.draws = draws
        self.contrast = contrast

    def colour(
        self, number: int, low: float = 0.04, high: float = 0.9, vivid: float = 0.5
    ) -> Array:
        """Random colours ``[B, number, 3]``, linear: brightness evenly over ratios."""
        bright = between(low, high, self.draws(number))
        strength = self.draws(number) ** 2 * vivid
        tint = np.stack([self.draws(number) for _ in range(3)], -1)
        tint = tint - tint.mean(-1, keepdims=True)
        colour: Array = np.clip(bright[..., None] * (1 + 2 * strength[..., None] * tint), 0.01, 1)
        return colour

    def __call__(
        self,
        tiles: Sequence[str],
        number: int,
        size: Value | tuple[Value, Value] = 1.0,
        dark: Array | None = None,
        bright: Array | None = None,
        contrast: float = 0.7,
        glow: Value = 0.0,
        fit: bool = False,
        vivid: float = 0.5,
    ) -> Array:
        """Materials.

        Args:
            tiles: Kinds of tiles, one of whose variants each material takes.
            number: Materials per scene.
            size: Metres that a tile covers, ``[B, number]``, or across and up.
            dark: Colours where the texture is 0; by default ``contrast`` away from the bright.
            bright: Colours where it is 1; random by default.
            contrast: Largest difference between the two, as a share of the bright one.
            glow: Light of its own.
            fit: Whether the tile lies centred on the face, not shifted at random.
            vivid: Strength of colours.
        """
        draws = self.draws
        variants = [variant for name in tiles for variant in atlas.TILES[name]]
        bright = self.colour(number, vivid=vivid) if bright is None else bright
        if dark is None:
            share = 1 - self.contrast * contrast * (0.3 + 0.7 * draws(number))
            other = self.colour(number, vivid=vivid)
            dark = bright * share[..., None] * (0.7 + 0.6 * other)
        across, up = size if isinstance(size, tuple) else (size, size)
        out = np.zeros((len(bright), number, _TILES), np.float32)
        out[..., 0] = draws.choose(number, variants) * atlas.TEXELS
        out[..., 1], out[..., 2] = 1 / np.asarray(across), 1 / np.asarray(up)
        out[..., 3] = 0.5 if fit else draws(number)
        out[..., 4] = 0.5 if fit else draws(number)
        out[..., 5] = np.maximum(out[..., 1], out[..., 2]) * atlas.SIZE
        out[..., 6] = glow
        out[..., 9:12], out[..., 12:15] = dark, bright
        for place, colour in ((7, out[..., 9:12]), (8, out[..., 12:15])):
            out[..., place] = 0.25 * colour[..., 0] + 0.6 * colour[..., 1] + 0.15 * colour[..., 2]
        return out


def shaded(surface: Array, x: Array, z: Array, share: Value) -> Array:
    """A darker piece of a surface, for shadows that lie on it, with its texture unbroken.

    Args:
        surface: Its material, ``[B, 1 or k, len(MATERIAL)]``.
        x: Where on the surface the piece's middle lies, in its own axes, ``[B, k]`` metres.
        z: Likewise.
        share: Light that is left.
    """
    out = np.repeat(surface, x.shape[1] // surface.shape[1], axis=1)
    out[..., 3] += x * out[..., 1]
    out[..., 4] += z * out[..., 2]
    out[..., 7:] *= np.asarray(share, np.float32)[..., None]
    return out


def grey(level: Value, number: int, batch: int) -> Array:
    """Colourless ``[B, number, 3]``."""
    full = np.broadcast_to(np.asarray(level, np.float32), (batch, number))
    return np.repeat(full[..., None], 3, -1)


class Solids:
    """The solids of a batch of scenes, gathered group by group.

    Args:
        batch: Number of scenes.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.kind: list[Array] = []
        self.centre: list[Array] = []
        self.half: list[Array] = []
        self.turn: list[Array] = []
        self.velocity: list[Array] = []
        self.material: list[Array] = []

    def add(
        self,
        centre: tuple[Value, Value, Value],
        half: tuple[Value, Value, Value],
        material: Array,
        kind: int | Array = BOX,
        heading: tuple[Value, Value] = (1.0, 0.0),
        there: Array | bool = True,
        velocity: tuple[Value, Value] = (0.0, 0.0),
    ) -> None:
        """Adds as many solids to each scene as there are materials.

        Args:
            centre: World position, each ``[B, k]`` or a number.
            half: Half sizes along the solid's own axes.
            material: ``[B, k, len(MATERIAL)]``.
            kind: Of all, or of each.
            heading: Cosine and sine of the yaw.
            there: Which are there at all.
            velocity: Along x and z, m/s.
        """
        shape = material.shape[:2]

        def full(value: Value) -> Array:
            return np.broadcast_to(np.asarray(value, np.float32), shape)

        self.kind.append(np.where(np.broadcast_to(there, shape), kind, -1).astype(np.int8))
        self.centre.append(np.stack([full(part) for part in centre], -1))
        self.half.append(np.stack([np.maximum(full(part), 1e-4) for part in half], -1))
        self.turn.append(np.stack([full(part) for part in heading], -1))
        self.velocity.append(np.stack([full(velocity[0]), full(0.0), full(velocity[1])], -1))
        self.material.append(material)

    def arrays(self) -> dict[str, Array]:
        """The fields of ``Scenes`` that describe solids, without the shell's materials."""
        return {
            name: np.ascontiguousarray(np.concatenate(getattr(self, name), axis=1))
            for name in ('kind', 'centre', 'half', 'turn', 'velocity', 'material')
        }


class Frame:
    """Poses on the floor that parts are placed in: position, height and heading, ``[B, k]``."""

    def __init__(self, x: Array, y: Value, z: Array, heading: tuple[Array, Array]) -> None:
        self.x, self.y, self.z, self.heading = x, y, z, heading

    def at(self, x: Value, y: Value, z: Value) -> tuple[Array, Array, Array]:
        """World position of a point in the frame's own axes."""
        c, s = self.heading
        return self.x + c * x + s * z, np.asarray(self.y + y), self.z + c * z - s * x


def camera_axes(pitch: Array, yaw: Array, roll: Array) -> Array:
    """Right, up and forward of cameras, ``[B, 3, 3]``; angles ``[B]`` in radians."""
    (cos_p, sin_p), (cos_y, sin_y), (cos_r, sin_r) = turn(pitch), turn(yaw), turn(roll)
    nought = np.zeros_like(cos_p)
    forward = np.stack([sin_y * cos_p, sin_p, cos_y * cos_p], -1)
    level = np.stack([cos_y, nought, -sin_y], -1)
    raised = np.stack([-sin_y * sin_p, cos_p, -cos_y * sin_p], -1)
    right = cos_r[:, None] * level - sin_r[:, None] * raised
    up = sin_r[:, None] * level + cos_r[:, None] * raised
    axes: Array = np.stack([right, up, forward], 1)
    return axes


def direction(draws: Draws, low: float, high: float) -> Array:
    """Unit vectors ``[B, 3]`` of any bearing, pointing up.

    Args:
        draws: Where randomness comes from.
        low: Least height of a vector over its length along the ground.
        high: Greatest.
    """
    c, s = turn(draws(1, 0, 6.2831853))
    vector = np.concatenate([s, draws(1, low, high), c], 1)
    unit: Array = vector / np.sqrt(1 + vector[:, 1:2] * vector[:, 1:2])
    return unit


def ambience(draws: Draws, corners: float, harsh: bool = False) -> dict[str, Array]:
    """The fields of ``Scenes`` for light that has no lamp of its own, and does not flicker.

    Args:
        draws: Where randomness comes from.
        corners: The most light that corners may lose.
        harsh: Whether light is uneven and contrasts are unusual in all scenes, not in few.
    """
    lattice, strength = draws(12, -1, 1), draws(1)
    lattice *= 0.45 + 1.05 * strength if harsh else strength**2
    exponents = (0.5, 2.0) if harsh else (0.65, 1.6)
    return {
        'corners': draws(1, 0, corners)[:, 0],
        'uneven': lattice.reshape(-1, 3, 4),
        'contrast': between(*exponents, draws(1))[:, 0],
        'flicker': np.zeros((len(lattice), 3), np.float32),
    }


def visible(
    solids: dict[str, Array], eye: Array, axes: Array, focal: Array, distance: Value
) -> dict[str, Array]:
    """What of the solids a camera may see, moved to the front of their arrays.

    Args:
        solids: Fields of ``Scenes`` that describe solids.
        eye: Camera position, ``[B, 3]``.
        axes: Its right, up and forward, ``[B, 3, 3]``.
        focal: Focal length over image width, ``[B]``.
        distance: Solids nearer to the eye than this are taken away too, metres; of all scenes, or
            of each, ``[B, 1]``.
    """
    half = solids['half']
    away = eye[:, None] - solids['centre']
    c, s = solids['turn'][..., 0], solids['turn'][..., 1]
    x, z = c * away[..., 0] - s * away[..., 2], s * away[..., 0] + c * away[..., 2]
    gaps = [
        np.maximum(np.abs(part) - half[..., axis], 0)
        for axis, part in enumerate((x, away[..., 1], z))
    ]
    there = gaps[0] * gaps[0] + gaps[1] * gaps[1] + gaps[2] * gaps[2] >= distance * distance
    # A ball around the solid against the planes through the eye and the image's left and right.
    reach = np.sqrt(
        half[..., 0] * half[..., 0] + half[..., 1] * half[..., 1] + half[..., 2] * half[..., 2]
    )
    aside, ahead = (
        away[..., 0] * axis[:, :1] + away[..., 1] * axis[:, 1:2] + away[..., 2] * axis[:, 2:]
        for axis in (axes[:, 0], -axes[:, 2])
    )
    tangent = (0.51 / focal)[:, None]
    outside = np.abs(aside) - tangent * ahead > reach * np.sqrt(1 + tangent * tangent)
    there &= ~outside & (ahead > -reach) & (solids['kind'] >= 0)
    order = np.argsort(~there, axis=1, kind='stable')[:, : max(int(there.sum(1).max()), 1)]
    rows = np.arange(len(eye))[:, None]
    seen = {name: array[rows, order] for name, array in solids.items()}
    seen['kind'] = np.where(there[rows, order], seen['kind'], np.int8(-1))
    return seen


class Ground:
    """The floor or road that things stand on, where their shadows lie.

    Args:
        solids: Where shadows are added to.
        surface: The ground's material, ``[B, 1, len(MATERIAL)]``.
        sun: Direction to the light, ``[B, 3]``.
        share: Light that is left in shadows, ``[B, 1]``.
        middle: World position of the surface's own origin, each ``[B, 1]`` or a number.
        height: Of the surface.
    """

    def __init__(
        self,
        solids: Solids,
        surface: Array,
        sun: Array,
        share: Array,
        middle: tuple[Value, Value] = (0.0, 0.0),
        height: Value = 0.0,
    ) -> None:
        self.solids, self.surface = solids, surface
        self.sun, self.share = sun, share
        self.middle, self.height = middle, height
        self._lean_x, self._lean_z = (
            np.clip(-sun[:, [axis]] / sun[:, 1:2], -1.2, 1.2) for axis in (0, 2)
        )

    def shadow(
        self,
        x: Array,
        z: Array,
        reach: tuple[Value, Value],
        tall: Value,
        there: Array | bool = True,
        velocity: tuple[Value, Value] = (0.0, 0.0),
    ) -> None:
        """A dark patch under things of half widths ``reach``, away from the light.

        Args:
            x: Where they stand, ``[B, k]``.
            z: Likewise.
            reach: Half sizes of the patch along x and z.
            tall: Heights of the things: tall ones throw their shadow further.
            there: Which have one.
            velocity: Of the things along x and z.
        """
        lean = 0.35 * np.minimum(np.asarray(tall), 2 * np.minimum(*map(np.asarray, reach)))
        x, z = x + lean * self._lean_x, z + lean * self._lean_z
        x, z = np.broadcast_arrays(x.astype(np.float32), z.astype(np.float32))
        dark = np.broadcast_to(self.share, x.shape)
        material = shaded(self.surface, x - self.middle[0], z - self.middle[1], dark)
        self.solids.add(
            (x, self.height + 0.001, z), (reach[0], 0.002, reach[1]), material, kind=CYLINDER,
            there=there, velocity=velocity,
        )  # fmt: skip
