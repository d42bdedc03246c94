# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pavements, verges, kerbs, lane lines, crossings and patches of the road."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Ground, Site
from spike_training.scenes.building.materials import Extent, Grey, Material, choose
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.scene import Array, Column
from spike_training.scenes.streets.config import GRASS, SIDES, Street


class VergeConfig(NamedTuple):
    """Pavements, kerbs and strips of grass along the road. Lengths in metres.

    Attributes:
        half_width: Of pavement or verge.
        along: Middle of all that lies along the road.
        half_length: Of it.
        kerb_aside: Middle of the kerb beyond the road's edge.
        kerb: Half width of the kerb.
        kerb_lift: Of its upper side over the pavement, halved.
        strip_aside: Middle of a strip of grass beyond the pavement's end.
        strip: Half width of it.
        strip_lift: Of its middle over the pavement.
        half_strip: Half height.
        strip_chance: Probability on each side.
    """

    half_width: float = 40.0
    along: float = 60.0
    half_length: float = 100.0
    kerb_aside: float = 0.06
    kerb: float = 0.08
    kerb_lift: float = 0.005
    strip_aside: float = 1.5
    strip: Range = (0.5, 1.5)
    strip_lift: float = 0.02
    half_strip: float = 0.03
    strip_chance: float = 0.4


class LineConfig(NamedTuple):
    """Lines at both edges and between the lanes. Lengths in metres.

    Attributes:
        aside: Their places over the half width of the road.
        unbroken: Probability of each without gaps.
        period: Of dashes.
        white: Brightness of the lines.
        dark: Of the gaps between dashes, which have the asphalt's grey.
        half_width: Limits.
        half_height: Of lines and crossings, and height of their middles.
        chance: Probability of each.
        one_middle: Probability of one line in the middle in place of two.
    """

    aside: tuple[float, float, float, float] = (-0.95, -0.33, 0.33, 0.95)
    unbroken: tuple[float, float, float, float] = (0.8, 0.3, 0.3, 0.8)
    period: Range = (4.0, 12.0)
    white: Range = (0.5, 1.0)
    dark: Range = (0.1, 0.35)
    half_width: Range = (0.05, 0.1)
    half_height: float = 0.004
    chance: float = 0.8
    one_middle: float = 0.5


class CrossingConfig(NamedTuple):
    """A crossing. Lengths in metres.

    Attributes:
        chance: Probability in a street.
        distance: Along the road, uniform over ratios.
        half_width: Along the road.
    """

    chance: float = 0.3
    distance: Range = (6, 30)
    half_width: float = 1.8


class PatchConfig(NamedTuple):
    """Patches, manholes and signs on the road. Lengths in metres.

    Attributes:
        number: Of places for them.
        chance: Probability of each.
        aside: Greatest way from the middle over the half width of the road.
        distance: Along the road, uniform over ratios.
        half_width: Limits.
        half_length: Limits.
        height: Of the middle.
        half_height: Half thickness.
    """

    number: int = 4
    chance: float = 0.5
    aside: float = 0.9
    distance: Range = (3, 40)
    half_width: Range = (0.2, 1.2)
    half_length: Range = (0.2, 2.5)
    height: float = 0.002
    half_height: float = 0.003


VERGE, LINE, CROSSING, PATCH = VergeConfig(), LineConfig(), CrossingConfig(), PatchConfig()
COUNTRY_VERGE = Material(('leaves', 'gravel', 'clouds'), (0.8, 4.0), contrast=0.8, bright=GRASS)
PAVEMENT = Material(
    ('slabs', 'tiles', 'gravel', 'plaster', 'blocks'),
    (0.6, 3.0),
    bright=Grey((0.2, 0.6)),
    contrast=0.5,
)
KERBSTONE = Material(('blocks', 'plain', 'tiles'), Extent(0.12, 2.0), bright=Grey((0.3, 0.8)))
STRIP = Material(('leaves', 'gravel'), (0.8, 3.0), contrast=0.8, bright=GRASS)
DASH = Material(('dash',))
PATCH_SURFACE = Material(
    ('plain', 'plaster', 'gravel', 'sign'), (0.5, 2.0), bright=Grey((0.05, 0.5))
)


def add_surfaces(site: Site, street: Street) -> list[Ground]:
    """Add what lies beside and on the road.

    Returns:
        The ground left and right of it.
    """
    verge = _add_verges(site, street)
    _add_lines(site, street)
    _add_patches(site, street)
    ground, edge = site.ground, street.edge
    return [
        Ground(
            site.primitives,
            verge[:, [k]],
            ground.sun,
            ground.share,
            (sign * (edge + VERGE.half_width), VERGE.along),
            street.kerb,
        )
        for k, sign in enumerate(SIDES)
    ]


def _add_verges(site: Site, street: Street) -> Array:
    """Add pavements or verges, kerbs, strips of grass; return the materials of the first."""
    sampler, sample, add = site.sampler, site.materials.sample, site.primitives.add
    edge, kerb, country = street.edge, street.kerb, street.country
    side = np.array(SIDES, np.float32)
    width, along, long = VERGE.half_width, VERGE.along, VERGE.half_length
    slab = choose(country, sample(COUNTRY_VERGE, 2), sample(PAVEMENT, 2)).astype(np.float32)
    add((side * (edge + width), kerb / 2, along), (width, kerb / 2, long), slab)
    high = kerb / 2 + VERGE.kerb_lift
    stone = sample(KERBSTONE, 2)
    place = (side * (edge + VERGE.kerb_aside), high, along)
    add(place, (VERGE.kerb, high, long), stone, mask=~country)
    grass = sample(STRIP, 2)
    beside = side * (edge + street.walk + VERGE.strip_aside)
    add(
        (beside, kerb + VERGE.strip_lift, along),
        (sampler.uniform(2, VERGE.strip), VERGE.half_strip, long),
        grass,
        mask=sampler.chance(2, VERGE.strip_chance),
    )
    return slab


def _add_lines(site: Site, street: Street) -> None:
    """Add lines along the road, and a crossing."""
    sampler, materials, number = site.sampler, site.materials, len(LINE.aside)
    edge, thin = street.edge, LINE.half_height
    white = materials.sample_colour(number, Grey(LINE.white))
    dark = materials.sample_colour(number, Grey(LINE.dark))
    period = sampler.uniform(number, LINE.period)
    line = materials.sample(DASH, number, (1.0, period), bright=white, dark=dark)
    unbroken = sampler.chance(number, np.array(LINE.unbroken, np.float32))
    line[..., Column.DARK] = choose(unbroken, line[..., Column.BRIGHT], line[..., Column.DARK])
    light, shade = line[..., Column.BRIGHT_LUMINANCE], line[..., Column.DARK_LUMINANCE]
    line[..., Column.DARK_LUMINANCE] = np.where(unbroken, light, shade)
    lanes = np.concatenate([place * edge for place in LINE.aside], 1)
    middle = sampler.chance(1, LINE.one_middle)
    lanes[:, 1:2] = np.where(middle, 0.0, lanes[:, 1:2])
    mask = sampler.chance(number, LINE.chance)
    mask[:, 2:3] &= ~middle
    half = (sampler.uniform(number, LINE.half_width), thin, VERGE.half_length)
    site.primitives.add((lanes, thin, VERGE.along), half, line, mask=mask)
    bars = materials.sample(DASH, 1, bright=white[:, :1], dark=dark[:, :1])
    site.primitives.add(
        (0.0, thin, sampler.log_uniform(1, CROSSING.distance)),
        (CROSSING.half_width, thin, edge),
        bars,
        heading=cos_sin(np.full_like(edge, QUARTER_TURN)),
        mask=sampler.chance(1, CROSSING.chance) & ~street.country,
    )


def _add_patches(site: Site, street: Street) -> None:
    sampler, number = site.sampler, PATCH.number
    surface = site.materials.sample(PATCH_SURFACE, number)
    x = sampler.symmetric(number, PATCH.aside) * street.edge
    z = sampler.log_uniform(number, PATCH.distance)
    half_w, half_l = sampler.uniforms(number, PATCH.half_width, PATCH.half_length)
    site.primitives.add(
        (x, PATCH.height, z),
        (half_w, PATCH.half_height, half_l),
        surface,
        mask=sampler.chance(number, PATCH.chance),
    )
