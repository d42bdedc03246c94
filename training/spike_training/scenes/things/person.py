# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""People, standing or walking."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import CYLINDER, ELLIPSOID, Array

COAT = Material(('plain', 'stripes', 'weave', 'checks', 'poster', 'folds'), (0.3, 0.8))
TROUSERS = Material(('plain', 'weave', 'folds'), (0.2, 0.8))
SKIN = Material(('plain',), bright=Colour(0.15, 0.6, 0.3))
HAIR = Material(('leaves', 'folds'), 0.3, bright=Colour(0.02, 0.4, 0.2))


class BodyPart(NamedTuple):
    """Part of a person of mean size.

    Attributes:
        centre: Right, up and forward, metres.
        step: Way forward over the length of a step.
        half: Half sizes, metres.
        kind: Of solid.
    """

    centre: tuple[float, float, float]
    step: float
    half: tuple[float, float, float]
    kind: int


LEG, ARM = (0.075, 0.42, 0.08), (0.055, 0.32, 0.07)
BODY = (
    (TROUSERS, BodyPart((-0.1, 0.42, 0.0), 1.0, LEG, CYLINDER)),
    (TROUSERS, BodyPart((0.1, 0.42, 0.0), -1.0, LEG, CYLINDER)),
    (COAT, BodyPart((0.0, 1.12, 0.0), 0.0, (0.21, 0.36, 0.14), ELLIPSOID)),
    (COAT, BodyPart((-0.23, 1.08, 0.0), 0.5, ARM, ELLIPSOID)),
    (COAT, BodyPart((0.23, 1.08, 0.0), -0.5, ARM, ELLIPSOID)),
    (SKIN, BodyPart((0.0, 1.6, 0.0), 0.0, (0.085, 0.12, 0.1), ELLIPSOID)),
    (HAIR, BodyPart((0.0, 1.65, -0.02), 0.0, (0.095, 0.1, 0.105), ELLIPSOID)),
)
"""Legs, trunk, arms, head and hair of a person 1.75 m tall, each with its material."""
SIZE: Range = (0.85, 1.1)
"""Size over that of the mean."""
STEP = 0.2
"""Greatest way of a foot before or behind the other, metres."""
SHADOW_REACH, SHADOW_HEIGHT = (0.33, 0.28), 1.7


def add_people(site: Site, frame: Frame, mask: Array, speed: Array) -> None:
    """Add people who walk in the direction of their heading.

    Args:
        site: Scenes in construction.
        frame: Poses, ``[B, k]``.
        mask: Those that exist, ``[B, k]``.
        speed: ``[B, k]`` m/s.
    """
    sampler, number = site.sampler, mask.shape[1]
    size = sampler.uniform(number, SIZE)
    velocity = (frame.heading[1] * speed, frame.heading[0] * speed)
    site.ground.shadow(frame, SHADOW_REACH, SHADOW_HEIGHT, mask, velocity)
    materials = {
        kind: site.materials.sample(kind, number) for kind in (COAT, TROUSERS, SKIN, HAIR)
    }
    step = sampler.symmetric(number, STEP)
    parts = []
    for kind, part in BODY:
        x, y, z = part.centre
        ahead = z + part.step * step if part.step else z
        half_x, half_y, half_z = (value * size for value in part.half)
        place, half = (x * size, y * size, ahead * size), (half_x, half_y, half_z)
        parts.append(Part(place, half, materials[kind], part.kind))
    site.primitives.add_parts(frame, mask, parts, velocity)
