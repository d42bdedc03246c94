# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bicycles on their stands: two thin wheels, a frame, a saddle and handlebars."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.scene import BOX, CYLINDER, ELLIPSOID, Array


class BicyclePart(NamedTuple):
    """Part of a bicycle.

    Attributes:
        along: Its middle, over half of the distance between the axles.
        high: Likewise, over the axles' height.
        half: Half sizes: metres, or a share of what the next one is.
        scales: What each half size is a share of: ``m`` none, ``w`` half of the distance between
            the axles, ``h`` the axles' height.
        kind: Of solid.
    """

    along: float
    high: float
    half: tuple[float, float, float]
    scales: str
    kind: int


WHEEL: Range = (0.24, 0.35)
"""Half diameter, metres."""
HALF_BASE = 1.55
"""Half of the distance between the axles, over that."""
HALF_TYRE = 0.022
"""Half thickness, metres."""
SHADOW_REACH, SHADOW_HEIGHT = (0.7, 0.3), 0.6
"""Metres."""
FRAME = (
    BicyclePart(0.0, 1.75, (0.95, 0.022, 0.02), 'wmm', BOX),
    BicyclePart(-0.1, 1.0, (0.9, 0.02, 0.02), 'wmm', BOX),
    BicyclePart(-0.35, 1.6, (0.02, 0.95, 0.02), 'mhm', CYLINDER),
    BicyclePart(0.95, 2.0, (0.02, 1.0, 0.02), 'mhm', CYLINDER),
)
SADDLE = BicyclePart(-0.35, 2.65, (0.13, 0.03, 0.07), 'mmm', ELLIPSOID)
HANDLEBARS = BicyclePart(0.9, 3.0, (0.03, 0.018, 0.27), 'mmm', BOX)
TYRE = Material(('plain',), 0.3, bright=Grey((0.02, 0.12)))
LACQUER = Material(('plain', 'stripes'), 0.4, vivid=0.9)


def add_bicycles(site: Site, frame: Frame, mask: Array) -> None:
    """Add bicycles."""
    number = mask.shape[1]
    tyre, lacquer = site.materials.sample(TYRE, number), site.materials.sample(LACQUER, number)
    axle = site.sampler.uniform(number, WHEEL)
    site.ground.shadow(frame, SHADOW_REACH, SHADOW_HEIGHT, mask)
    base = HALF_BASE * axle
    parts = [
        Part((end * base, axle, 0.0), (axle, axle, HALF_TYRE), tyre, ELLIPSOID) for end in (-1, 1)
    ]
    for row in (*FRAME, SADDLE, HANDLEBARS):
        x, y, z = (
            value * {'w': base, 'h': axle}[scale] if scale != 'm' else value
            for value, scale in zip(row.half, row.scales, strict=True)
        )
        material = tyre if row is SADDLE else lacquer
        parts.append(Part((row.along * base, row.high * axle, 0.0), (x, y, z), material, row.kind))
    site.primitives.add_parts(frame, mask, parts)
