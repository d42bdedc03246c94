# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Primitives of a batch of scenes, added in groups: each number is an array over the batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from spike_worlds.building.sampler import Value, cos_sin
from spike_worlds.scene import BOX, Array

Triple = tuple[Value, Value, Value]
_THINNEST = 1e-4  # least half size


class Primitives:
    """Primitives of a batch of scenes, added in groups.

    Args:
        batch: Number of scenes.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.kind: list[Array] = []
        self.centre: list[Array] = []
        self.half: list[Array] = []
        self.heading: list[Array] = []
        self.velocity: list[Array] = []
        self.material: list[Array] = []

    def add(
        self,
        centre: tuple[Value, Value, Value],
        half: tuple[Value, Value, Value],
        material: Array,
        kind: int | Array = BOX,
        heading: tuple[Value, Value] = (1.0, 0.0),
        mask: Array | bool = True,
        velocity: tuple[Value, Value] = (0.0, 0.0),
    ) -> None:
        """Add as many primitives to each scene as there are materials.

        Args:
            centre: World position in metres, each ``[B, k]`` or a number.
            half: Half sizes along the primitive's own axes.
            material: ``[B, k, len(MATERIAL)]``.
            kind: BOX, CYLINDER or ELLIPSOID, of all or of each.
            heading: Cosine and sine of the yaw.
            mask: Mask of the primitives that exist.
            velocity: Along x and z, m/s.
        """
        shape = material.shape[:2]

        def full(value: Value) -> Array:
            return np.broadcast_to(np.asarray(value, np.float32), shape)

        self.kind.append(np.where(np.broadcast_to(mask, shape), kind, -1).astype(np.int8))
        self.centre.append(np.stack([full(part) for part in centre], -1))
        self.half.append(np.stack([np.maximum(full(part), _THINNEST) for part in half], -1))
        self.heading.append(np.stack([full(part) for part in heading], -1))
        self.velocity.append(np.stack([full(velocity[0]), full(0.0), full(velocity[1])], -1))
        self.material.append(material)

    def arrays(self) -> dict[str, Array]:
        """Return the fields of ``Scenes`` that describe solids, without the shell's materials."""
        return {
            name: np.ascontiguousarray(np.concatenate(getattr(self, name), axis=1))
            for name in ('kind', 'centre', 'half', 'heading', 'velocity', 'material')
        }

    def add_parts(
        self,
        frame: Frame,
        mask: Array,
        parts: Iterable[Part],
        velocity: tuple[Value, Value] = (0.0, 0.0),
    ) -> None:
        """Add primitives that share poses, for example the legs and the top of each table.

        Args:
            frame: Poses of the thing that they are parts of, ``[B, k]``.
            mask: Things that exist, ``[B, k]``.
            parts: With as many materials as poses, or positions.
            velocity: Of the thing along x and z, m/s.
        """
        for part in parts:
            self.add(
                frame.at(*part.centre),
                part.half,
                part.material,
                kind=part.kind,
                heading=frame.heading,
                mask=mask,
                velocity=velocity,
            )


class Frame:
    """Poses on the floor that parts are placed in: position, height and heading, ``[B, k]``."""

    def __init__(self, x: Array, y: Value, z: Array, heading: tuple[Array, Array]) -> None:
        self.x, self.y, self.z, self.heading = x, y, z, heading

    def at(self, x: Value, y: Value, z: Value) -> tuple[Array, Array, Array]:
        """Return the world position of a point in the frame's own axes."""
        c, s = self.heading
        return self.x + c * x + s * z, np.asarray(self.y + y), self.z + c * z - s * x

    def turned(self, angle: Value) -> tuple[Array, Array]:
        """Return the heading rotated by an angle from the frame's, radians."""
        c, s = self.heading
        cos, sin = cos_sin(angle)
        return c * cos - s * sin, s * cos + c * sin


def corner_parts(
    aside: Value, high: Value, along: Value, half: Triple, material: Array, kind: int = BOX
) -> list[Part]:
    """Return four parts alike at the corners of a rectangle of half sizes ``aside``, ``along``."""
    return [
        Part((x * aside, high, z * along), half, material, kind) for x in (-1, 1) for z in (-1, 1)
    ]


class Part(NamedTuple):
    """A primitive in the axes of a frame."""

    centre: Triple  # right, up and forward, metres
    half: Triple  # half sizes, metres
    material: Array  # ``[B, k, len(MATERIAL)]``
    kind: int | Array = BOX  # BOX, CYLINDER or ELLIPSOID
