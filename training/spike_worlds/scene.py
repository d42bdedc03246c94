# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A batch of scenes as arrays: sampled by recipes, read by the renderer.

World axes: x right, y up, z forward, metres; the floor or ground is y = 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""float32 unless said otherwise; bool for masks."""

BOX, CYLINDER, ELLIPSOID = 0, 1, 2
"""Kinds of solids. Cylinders are upright; all rotate about the upright axis."""
MATERIAL = (
    'tile', 'scale_u', 'scale_v', 'offset_u', 'offset_v', 'texels', 'glow',
    'light0', 'light1', 'red0', 'green0', 'blue0', 'red1', 'green1', 'blue1',
)  # fmt: skip
"""Columns of a material.

Texture: index of its pyramid in the atlas; tiles per metre and offset along both surface
directions; texels per metre along the denser one. ``glow`` is emitted light as a share of the
colour. Then luminance and colour (linear) where the texture is 0 and where it is 1.
"""


class Column:
    """Indices of a material's columns, and slices of those that belong together."""

    TEXTURE = MATERIAL.index('tile')
    SCALE_U = MATERIAL.index('scale_u')
    SCALE_V = MATERIAL.index('scale_v')
    OFFSET_U = MATERIAL.index('offset_u')
    OFFSET_V = MATERIAL.index('offset_v')
    TEXELS = MATERIAL.index('texels')
    GLOW = MATERIAL.index('glow')
    DARK_LUMINANCE = MATERIAL.index('light0')
    BRIGHT_LUMINANCE = MATERIAL.index('light1')
    DARK = slice(MATERIAL.index('red0'), MATERIAL.index('blue0') + 1)
    BRIGHT = slice(MATERIAL.index('red1'), MATERIAL.index('blue1') + 1)
    SCALES = slice(SCALE_U, SCALE_V + 1)
    UNLIT = slice(TEXTURE, GLOW + 1)
    """Columns that light does not change."""
    REFLECTED = slice(DARK_LUMINANCE, len(MATERIAL))
    """Luminance and colours."""


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Batch of ``B`` scenes of ``N`` solids each, within a shell seen from inside.

    Attributes:
        kind: ``[B, N]`` int8: BOX, CYLINDER, ELLIPSOID; -1 for none, after all others.
        centre: ``[B, N, 3]``.
        half: Half sizes along the solid's own axes, ``[B, N, 3]``.
        heading: Cosine and sine of its yaw (positive rotates x towards -z), ``[B, N, 2]``.
        velocity: Metres per second, ``[B, N, 3]``.
        material: ``[B, N, len(MATERIAL)]``.
        shell_material: ``[B, 5, len(MATERIAL)]``: floor, side walls, end walls, ceiling, sky.
        shell: Lowest and highest corner of the room, ``[B, 2, 3]``.
        open: 1 where all of the shell but its floor is sky, ``[B]``.
        focal: Focal length over image width, ``[B]``.
        eye: Camera position, ``[B, 3]``.
        axes: The camera's right, up and forward, ``[B, 3, 3]``.
        linear_velocity: Camera velocity in the world, m/s, ``[B, 3]``.
        angular_velocity: Of the camera, rad/s: pitch (upwards), yaw (to the right) and roll
            (clockwise), ``[B, 3]``.
        sun: Direction to the sun or window, unit length, ``[B, 3]``.
        light: Strength of sun, sky and lamp, ``[B, 3]``.
        lamp: Position of the lamp, ``[B, 3]``.
        occlusion: Greatest share of the light that ambient occlusion takes, from 0 to 1, ``[B]``.
        illumination: Logarithms of factors on the light over the image, ``[B, 3, 4]``.
        contrast: Exponent on the luminance behind the lens, ``[B]``.
        haze: Depth in metres at which half of the light is scattered, ``[B]``.
        blur: Softness of the lens, from 0 to 1, ``[B]``.
        rate: Target mean firing rate of the exposure, ``[B]``.
        seed: Seed of the pixels' initial charge, ``[B]`` int64.
        flicker: Modulated share of the light of lamps on mains, their frequency in Hz, and the
            phase at the first plane of a window in periods, ``[B, 3]``.
    """

    kind: Array
    centre: Array
    half: Array
    heading: Array
    velocity: Array
    material: Array
    shell_material: Array
    shell: Array
    open: Array
    focal: Array
    eye: Array
    axes: Array
    linear_velocity: Array
    angular_velocity: Array
    sun: Array
    light: Array
    lamp: Array
    occlusion: Array
    illumination: Array
    contrast: Array
    haze: Array
    blur: Array
    rate: Array
    seed: Array
    flicker: Array

    @staticmethod
    def concatenate(parts: Sequence[Scenes]) -> Scenes:
        """Concatenate scenes in their order; short lists of solids are padded."""
        most = max(part.kind.shape[1] for part in parts)
        padded = [_pad(part, most) for part in parts]
        return Scenes(
            **{
                field.name: np.concatenate([getattr(part, field.name) for part in padded])
                for field in _FIELDS
            }
        )

    def take(self, chosen: slice | Array) -> Scenes:
        """Return some of the scenes, without columns of solids that are empty in all of them."""
        parts = {field.name: getattr(self, field.name)[chosen] for field in _FIELDS}
        most = max(int((parts['kind'] >= 0).sum(1).max()), 1)
        for name in _SOLID_FIELDS:
            parts[name] = parts[name][:, :most]
        return Scenes(**parts)

    def later(self, seconds: float | Array) -> Scenes:
        """Return the scenes after a time: camera and solids have moved, light has not.

        The time is one for all, or ``[B]``; negative: before.

        Rotation is exact for one axis at a time, and to the second order of small angles for
        several together.
        """
        right, up, forward = (self.axes[:, k] for k in range(3))
        after = np.broadcast_to(seconds, len(self.eye))[:, None]
        pitch, yaw, roll = (
            (self.angular_velocity[:, k, None] * after).astype(np.float64) for k in range(3)
        )
        up, forward = _rotate(up, forward, -pitch)
        right, forward = _rotate(right, forward, -yaw)
        right, up = _rotate(right, up, -roll)
        return dataclasses.replace(
            self,
            centre=(self.centre + self.velocity * after[:, None]).astype(np.float32),
            eye=(self.eye + self.linear_velocity * after).astype(np.float32),
            axes=np.stack([right, up, forward], 1).astype(np.float32),
        )


def _rotate(a: Array, b: Array, angle: Array) -> tuple[Array, Array]:
    """Rotate two directions in their plane, a towards b."""
    c, s = np.cos(angle), np.sin(angle)
    return c * a + s * b, c * b - s * a


_FIELDS = dataclasses.fields(Scenes)
_SOLID_FIELDS = ('kind', 'centre', 'half', 'heading', 'velocity', 'material')


def _pad(scenes: Scenes, most: int) -> Scenes:
    """Pad the solids of scenes to a number."""
    missing = most - scenes.kind.shape[1]
    parts = {}
    for name, value in zip(_SOLID_FIELDS, (-1, 0, 1, 1, 0, 0), strict=True):
        array = getattr(scenes, name)
        width = [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)
        parts[name] = np.pad(array, width, constant_values=value)
    return dataclasses.replace(scenes, **parts)
