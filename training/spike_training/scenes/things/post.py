# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Posts: lamps on an arm, signs, bare poles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range, Value
from spike_training.scenes.scene import CYLINDER, Array


class PostConfig(NamedTuple):
    """Sizes of posts. Lengths in metres.

    Attributes:
        half: Half thickness.
        lamps: Share of lamps.
        not_signs: Share of lamps and bare poles; the rest are signs.
        arm: Half length of a lamp's arm.
        half_arm: Half thickness of it.
        head: Half sizes of the lamp.
        head_below: Of the arm.
        plate: Half width of a sign.
        plate_tall: Half height over that.
        plate_below: From the top to the middle of the sign, over its half width.
        highest: Height of the middle of a sign, at most.
        plate_before: Of the post.
        half_plate: Half thickness of the sign.
    """

    half: Range = (0.02, 0.09)
    lamps: float = 0.35
    not_signs: float = 0.65
    arm: Range = (0.1, 0.6)
    half_arm: float = 0.03
    head: tuple[float, float, float] = (0.25, 0.07, 0.12)
    head_below: float = 0.05
    plate: Range = (0.15, 0.45)
    plate_tall: float = 0.7
    plate_below: float = 0.6
    highest: float = 2.4
    plate_before: float = 0.06
    half_plate: float = 0.012


POST = PostConfig()
METAL = Material(('plain', 'stripes', 'wood'), 0.5, bright=Colour(0.04, 0.6, 0.2))
LAMP = Material(('plain',), bright=Grey(0.85), glow=(0, 2))
SIGN = Material(('sign', 'print', 'poster', 'text'), fit=True, contrast=1.0, vivid=1.0)


def add_posts(site: Site, frame: Frame, mask: Array, tall: Value) -> None:
    """Add posts of half height ``tall``, metres."""
    sampler, number, add_parts = site.sampler, mask.shape[1], site.primitives.add_parts
    metal = site.materials.sample(METAL, number)
    thin, arm = sampler.uniforms(number, POST.half, POST.arm)
    add_parts(frame, mask, [Part((0.0, tall, 0.0), (thin, tall, thin), metal, CYLINDER)])
    kind = sampler(number)
    lamp = site.materials.sample(LAMP, number)
    top = 2 * np.asarray(tall)
    head_high = top - POST.head_below
    parts = [
        Part((arm, top, 0.0), (arm, POST.half_arm, POST.half_arm), metal),
        Part((2 * arm, head_high, 0.0), POST.head, lamp),
    ]
    add_parts(frame, mask & (kind < POST.lamps), parts)
    plate = sampler.uniform(number, POST.plate)
    sign = site.materials.sample(SIGN, number, 2 * plate)
    high = np.minimum(top - POST.plate_below * plate, POST.highest)
    half = (plate, POST.plate_tall * plate, POST.half_plate)
    board = Part((0.0, high, -POST.plate_before), half, sign)
    add_parts(frame, mask & (kind > POST.not_signs), [board])
