# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the recipes of streets: sizes, verges, and shadows on them."""

from __future__ import annotations

import dataclasses

from spike_training.scenes.building.light import Ground, Site
from spike_training.scenes.building.materials import Colour
from spike_training.scenes.building.primitives import Frame
from spike_training.scenes.scene import Array

SIDES = (-1, 1)  # left and right of the road
GREEN = (0.5, 1.0, 0.35)  # tint of grass and leaves
GRASS = Colour(0.1, 0.5, 0.3, tint=GREEN)


@dataclasses.dataclass(frozen=True)
class Street:
    """Sizes of a batch of streets."""

    country: Array  # those that are country roads, ``[B, 1]``
    edge: Array  # half width of the road, ``[B, 1]`` metres
    kerb: Array  # height of what lies beside it, ``[B, 1]`` metres
    walk: Array  # width of the pavements left and right, ``[B, 2]`` metres


def add_shadows(
    verges: list[Ground], side: Array, frame: Frame, reach: Array, tall: Array, mask: Array
) -> None:
    """Add shadows of things that stand left (-1) or right (1) of the road.

    Args:
        verges: The ground left and right.
        side: Of each thing, ``[B, k]``.
        frame: Poses of the things.
        reach: Half sizes of the shadows, metres.
        tall: Heights of the things, metres.
        mask: Those that exist.
    """
    for sign, verge in zip(SIDES, verges, strict=True):
        verge.shadow(frame, reach, tall, mask & (side == sign))


def on(site: Site, ground: Ground) -> Site:
    """Return a site with other ground."""
    return dataclasses.replace(site, ground=ground)
