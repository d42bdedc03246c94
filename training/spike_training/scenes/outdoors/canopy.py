# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A roof on four posts, a pergola or an awning close to the camera or over it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part, corner_parts
from spike_training.scenes.building.sampler import Range, cos_sin
from spike_training.scenes.outdoors.config import ByKind, Place
from spike_training.scenes.scene import CYLINDER


class CanopyConfig(NamedTuple):
    """Sizes of canopies. Lengths in metres, angles in radians.

    Attributes:
        chance: Probability in each kind of place.
        nearest: Least distance from the camera.
        farthest: Greatest.
        spread: Greatest way to the side over half of the view's width.
        turned: Greatest angle to the view.
        half_width: Limits.
        half_depth: Limits.
        half_height: Limits.
        headroom: Half of the least height over the camera.
        post: Half thickness of a post.
        closed: Probability of a roof; else there are beams.
        roof_lift: Of the roof's middle over the posts.
        half_roof: Half thickness.
        eaves: Of roof and beams beyond the posts.
        beams: Number of them.
        beam_lift: Of their middles over the posts.
        beam: Half height and half width of a beam.
    """

    chance: ByKind = ByKind(yard=0.25, park=0.08)
    nearest: float = 1.0
    farthest: float = 5.0
    spread: float = 0.7
    turned: float = 0.8
    half_width: Range = (1.0, 2.5)
    half_depth: Range = (0.9, 2.0)
    half_height: Range = (1.05, 1.4)
    headroom: float = 0.2
    post: Range = (0.03, 0.08)
    closed: float = 0.5
    roof_lift: float = 0.06
    half_roof: float = 0.04
    eaves: float = 0.2
    beams: int = 6
    beam_lift: float = 0.05
    beam: tuple[float, float] = (0.06, 0.03)


CANOPY = CanopyConfig()
WOOD = Material(('wood', 'plain', 'planks'), (0.4, 1.0))
CLOTH = Material(('stripes', 'plain', 'planks', 'ribs', 'folds'), (0.6, 2.0), vivid=0.8)


def add_canopy(site: Site, place: Place) -> None:
    """Add a canopy to some yards and parks."""
    sampler, view, config = site.sampler, place.view, CANOPY
    mask = sampler.chance(1, place.by_kind(config.chance))
    at = view.ahead(sampler, 1, config.nearest, config.farthest, config.spread)
    heading = cos_sin(view.yaw + sampler.symmetric(1, config.turned))
    frame = Frame(at.x, 0.0, at.z, heading)
    half_w, half_d, tall = sampler.uniforms(
        1, config.half_width, config.half_depth, config.half_height
    )
    tall = np.maximum(tall, 0.5 * view.height + config.headroom)
    wood, cloth = site.materials.sample(WOOD, 1), site.materials.sample(CLOTH, 1)
    thin = sampler.uniform(1, config.post)
    site.ground.shadow(frame, (half_w, half_d), 2 * tall, mask)
    posts = corner_parts(half_w, tall, half_d, (thin, tall, thin), wood, CYLINDER)
    site.primitives.add_parts(frame, mask, posts)
    closed = sampler.chance(1, config.closed)
    eaves = config.eaves
    half = (half_w + eaves, config.half_roof, half_d + eaves)
    roof = Part((0.0, 2 * tall + config.roof_lift, 0.0), half, cloth)
    site.primitives.add_parts(frame, mask & closed, [roof])
    middle = 0.5 * (config.beams - 1)
    high = 2 * tall + config.beam_lift
    beams = [
        Part((0.0, high, (k - middle) / middle * half_d), (half_w + eaves, *config.beam), wood)
        for k in range(config.beams)
    ]
    site.primitives.add_parts(frame, mask & ~closed, beams)
