# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light of scenes: its direction, the ground that shadows lie on, indirect light."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes.building.materials import MaterialSampler, both, shade
from spike_training.scenes.building.primitives import Frame, Primitives
from spike_training.scenes.building.sampler import (
    ALL,
    ANY_HEADING,
    Range,
    Sampler,
    Value,
    cos_sin,
)
from spike_training.scenes.scene import CYLINDER, Array


@dataclasses.dataclass(frozen=True)
class ShadowConfig:
    """Shapes of shadows on the ground.

    Attributes:
        lean: Way from the thing to the middle of its shadow over the thing's height.
        steepest: Greatest run of the light over its fall.
        lift: Height of the shadow's middle over the ground, metres.
        half_height: Half of its thickness, metres.
    """

    lean: float = 0.35
    steepest: float = 1.2
    lift: float = 0.001
    half_height: float = 0.002


@dataclasses.dataclass(frozen=True)
class AmbienceConfig:
    """Distribution of uneven illumination and contrast.

    Attributes:
        unevenness: Standard part and sampled part of the logarithm of factors on the light; None:
            the square of a sampled share.
        contrast: Exponents on the luminance, uniform over ratios.
    """

    unevenness: Range | None
    contrast: Range


SHADOW = ShadowConfig()
MILD = AmbienceConfig(unevenness=None, contrast=(0.65, 1.6))
HARSH = AmbienceConfig(unevenness=(0.45, 1.05), contrast=(0.5, 2.0))
_LATTICE = (3, 4)  # rows and columns of the factors


def sample_direction(sampler: Sampler, steepness: Range) -> Array:
    """Sample unit vectors ``[B, 3]`` of any bearing, pointing up.

    Args:
        sampler: Random numbers.
        steepness: Height of a vector over its length along the ground.
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
    config = HARSH if harsh else MILD
    rows, columns = _LATTICE
    lattice, strength = sampler.uniform(rows * columns, ALL), sampler(1)
    if config.unevenness is None:
        lattice *= strength**2
    else:
        lattice *= config.unevenness[0] + config.unevenness[1] * strength
    return {
        'occlusion': sampler.uniform(1, (0, occlusion))[:, 0],
        'illumination': lattice.reshape(-1, rows, columns),
        'contrast': sampler.log_uniform(1, config.contrast)[:, 0],
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
            np.clip(-sun[:, [axis]] / sun[:, 1:2], -SHADOW.steepest, SHADOW.steepest)
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
        lean = SHADOW.lean * np.minimum(np.asarray(tall), 2 * np.minimum(*map(np.asarray, reach)))
        x, z = frame.x + lean * self._lean_x, frame.z + lean * self._lean_z
        x, z = np.broadcast_arrays(x.astype(np.float32), z.astype(np.float32))
        dark = np.broadcast_to(self.share, x.shape)
        self.primitives.add(
            (x, self.height + SHADOW.lift, z),
            (reach[0], SHADOW.half_height, reach[1]),
            shade(self.surface, x - self.middle[0], z - self.middle[1], dark),
            kind=CYLINDER,
            mask=mask,
            velocity=velocity,
        )


@dataclasses.dataclass(frozen=True)
class Site:
    """Batch of scenes in construction: sampler, materials and ground of a recipe.

    Attributes:
        sampler: Random numbers.
        materials: Samples materials.
        ground: What things stand on.
    """

    sampler: Sampler
    materials: MaterialSampler
    ground: Ground

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
