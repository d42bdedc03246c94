# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light of scenes, the ground that shadows lie on, and shells: skies, walls and sizes."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_worlds.building.materials import (
    Grey,
    Material,
    MaterialSampler,
    both,
    choose,
    shade,
)
from spike_worlds.building.primitives import Frame, Primitives
from spike_worlds.building.sampler import ALL, ANY_HEADING, Range, Sampler, Value, cos_sin
from spike_worlds.scene import CYLINDER, Array

# --- Light of scenes: its direction, the ground that shadows lie on, indirect light.

# Shapes of shadows on the ground.
SHADOW_LEAN = 0.35  # way from the thing to the middle of its shadow / height of the thing
SHADOW_STEEPEST = 1.2  # greatest run / fall of the light


# Uneven illumination and contrast. Exponents on the luminance are uniform over ratios.
MILD_CONTRAST, HARSH_CONTRAST = (0.65, 1.6), (0.5, 2.0)
HARSH_UNEVENNESS = (0.45, 1.05)  # least logarithm of factors on the light, and range above it
_LATTICE = (3, 4)  # rows and columns of the factors


def sample_direction(sampler: Sampler, steepness: Range) -> Array:
    """Sample unit vectors ``[B, 3]`` of any bearing, pointing up.

    Steepness is the height of a vector over its length along the ground.
    """
    c, s = cos_sin(sampler.uniform(1, ANY_HEADING))
    vector = np.concatenate([s, sampler.uniform(1, steepness), c], 1)
    unit: Array = vector / np.sqrt(1 + vector[:, 1:2] * vector[:, 1:2])
    return unit


def sample_ambience(sampler: Sampler, occlusion: float, harsh: bool = False) -> dict[str, Array]:
    """Sample the fields of ``Scenes`` for indirect light, without flicker.

    Args:
        sampler: Random numbers.
        occlusion: Greatest share of the light that ambient occlusion takes.
        harsh: Whether light is uneven and contrasts are unusual in all scenes, not in a few.
    """
    rows, columns = _LATTICE
    lattice, strength = sampler.uniform(rows * columns, ALL), sampler(1)
    least, more = HARSH_UNEVENNESS
    lattice *= least + more * strength if harsh else strength**2
    return {
        'occlusion': sampler.uniform(1, (0, occlusion))[:, 0],
        'illumination': lattice.reshape(-1, rows, columns),
        'contrast': sampler.log_uniform(1, HARSH_CONTRAST if harsh else MILD_CONTRAST)[:, 0],
        'flicker': np.zeros((len(lattice), 3), np.float32),
    }


class Ground:
    """Floor or road that things stand on, with their shadows.

    Args:
        primitives: Those of the scenes, which shadows are added to.
        surface: The ground's material, ``[B, 1, len(MATERIAL)]``.
        sun: Direction to the light, ``[B, 3]``.
        share: Share of the light that is left in shadows, ``[B, 1]``.
        middle: World position of the surface's own origin, each ``[B, 1]`` or a number.
        height: Of the surface, metres.
    """

    def __init__(
        self,
        primitives: Primitives,
        surface: Array,
        sun: Array,
        share: Array,
        middle: tuple[Value, Value] = (0.0, 0.0),
        height: Value = 0.0,
    ) -> None:
        self.primitives, self.surface = primitives, surface
        self.sun, self.share = sun, share
        self.middle, self.height = middle, height
        self._lean_x, self._lean_z = (
            np.clip(-sun[:, [axis]] / sun[:, 1:2], -SHADOW_STEEPEST, SHADOW_STEEPEST)
            for axis in (0, 2)
        )

    def shadow(
        self,
        frame: Frame,
        reach: Value | tuple[Value, Value],
        tall: Value,
        mask: Array | bool = True,
        velocity: tuple[Value, Value] = (0.0, 0.0),
    ) -> None:
        """Add a dark patch under things of half widths ``reach``, away from the light.

        Args:
            frame: Poses of the things, ``[B, k]``.
            reach: Half size of the patch, or half sizes along x and z, metres.
            tall: Heights of the things, metres: tall ones throw their shadow further.
            mask: Those that have one.
            velocity: Of the things along x and z, m/s.
        """
        reach = both(reach)
        lean = SHADOW_LEAN * np.minimum(np.asarray(tall), 2 * np.minimum(*map(np.asarray, reach)))
        x, z = frame.x + lean * self._lean_x, frame.z + lean * self._lean_z
        x, z = np.broadcast_arrays(x.astype(np.float32), z.astype(np.float32))
        dark = np.broadcast_to(self.share, x.shape)
        self.primitives.add(
            (x, self.height + 0.001, z),
            (reach[0], 0.002, reach[1]),
            shade(self.surface, x - self.middle[0], z - self.middle[1], dark),
            kind=CYLINDER,
            mask=mask,
            velocity=velocity,
        )


@dataclasses.dataclass(frozen=True)
class Site:
    """Batch of scenes in construction: sampler, materials and ground of a recipe."""

    sampler: Sampler
    materials: MaterialSampler
    ground: Ground  # what things stand on

    @classmethod
    def create(
        cls, materials: MaterialSampler, floor: Array, steepness: Range, shadow: Range
    ) -> Site:
        """Return scenes of nothing but ground.

        Args:
            materials: Samples materials.
            floor: Material of the ground, ``[B, 1, len(MATERIAL)]``.
            steepness: Of the light, see :func:`sample_direction`.
            shadow: Share of the light that is left in shadows.
        """
        sampler = materials.sampler
        sun = sample_direction(sampler, steepness)
        share = sampler.uniform(1, shadow)
        return cls(sampler, materials, Ground(Primitives(sampler.batch), floor, sun, share))

    @property
    def primitives(self) -> Primitives:
        """All primitives so far."""
        return self.ground.primitives


# --- Shells of scenes: skies, walls and sizes.


class SkyConfig(NamedTuple):
    """Colours of skies."""

    brightness: Range  # of the bright parts
    dark_share: Range  # the dark colour as a share of the bright one


CLOUDS = Material(('clouds', 'plain'), (3.0, 8.0), contrast=0.4)
BLUE = (0.9, 1.0, 1.15)  # factors on red, green and blue
FAR = 400.0  # half size of the shell of open scenes


def sample_sky(site: Site, config: SkyConfig) -> Array:
    """Sample materials of skies, ``[B, 1, len(MATERIAL)]``."""
    bright = site.materials.sample_colour(1, Grey(config.brightness))
    sky = dataclasses.replace(CLOUDS, dark_share=config.dark_share)
    return site.materials.sample(sky, 1, bright=bright * np.array(BLUE, np.float32))


def sample_walls(site: Site, wall: Material, alike: float, bright: Array | None = None) -> Array:
    """Sample materials of side and end walls, ``[B, 2, len(MATERIAL)]``.

    Args:
        site: Scenes in construction.
        wall: Distribution of the materials.
        alike: Probability of end walls like the side walls.
        bright: Colours where the texture is 1, ``[B, 2, 3]``, in place of those of ``wall``.
    """
    walls = site.materials.sample(wall, 2, bright=bright)
    same = site.sampler.chance(1, alike)
    walls[:, 1:] = choose(same, walls[:, :1], walls[:, 1:])
    return walls


def closed_shell(half_x: Array, half_z: Array, height: Array) -> Array:
    """Return lowest and highest corner of rooms of half sizes and heights ``[B, 1]``, metres."""
    low = np.concatenate([-half_x, 0 * height, -half_z], 1)
    high = np.concatenate([half_x, height, half_z], 1)
    shell: Array = np.stack([low, high], 1).astype(np.float32)
    return shell


def open_shell(batch: int) -> Array:
    """Return lowest and highest corner of the shell of open scenes, ``[B, 2, 3]``."""
    far = np.full(batch, FAR, np.float32)
    return np.stack([np.stack([-far, 0 * far, -far], 1), np.stack([far, far, far], 1)], 1)
