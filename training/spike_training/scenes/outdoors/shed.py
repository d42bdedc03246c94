# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sheds and garages with a door, a window and a roof of shrinking steps."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Extent, Material
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.outdoors.config import ByKind, Place, Things


class ShedConfig(NamedTuple):
    """Sizes of sheds. Lengths in metres.

    Attributes:
        half_width: Limits.
        half_height: Limits.
        half_depth: Limits.
        shadow: Half size of the shadow over that of the shed.
        roof_lift: Of the flat roof's middle over the shed.
        half_roof: Half thickness.
        eaves: Of the flat roof around the shed.
        door: Half sizes.
        door_aside: Over the half width.
        window: Half sizes of the window beside the door.
        window_aside: Over the half width.
        window_height: Of the middles of both windows.
        side_window: Half sizes of the window at the side.
        side_along: Its place behind the middle.
    """

    half_width: Range = (0.9, 2.2)
    half_height: Range = (0.95, 1.35)
    half_depth: Range = (0.8, 2.0)
    shadow: float = 1.3
    roof_lift: float = 0.05
    half_roof: float = 0.06
    eaves: float = 0.15
    door: tuple[float, float, float] = (0.42, 0.95, 0.03)
    door_aside: float = -0.4
    window: tuple[float, float, float] = (0.3, 0.3, 0.03)
    window_aside: float = 0.5
    window_height: float = 1.3
    side_window: tuple[float, float, float] = (0.03, 0.3, 0.35)
    side_along: float = 0.2


class PitchedRoof(NamedTuple):
    """A pitched roof of steps. Lengths in metres.

    Attributes:
        chance: Probability.
        steps: Number of them.
        step: Height of each.
        half_step: Half of that.
        side_eaves: Over the shed at its sides.
        end_eaves: Likewise at its ends.
    """

    chance: float = 0.6
    steps: int = 4
    step: float = 0.16
    half_step: float = 0.08
    side_eaves: float = 0.05
    end_eaves: float = 0.1


SHEDS = Things(2, 4.0, ByKind(14, 40, 90), 3.6, ByKind(0.35, 0.15, 0.25))
SHED, PITCHED = ShedConfig(), PitchedRoof()
BODY = Material(
    ('planks', 'wood', 'ribs', 'bricks', 'plaster'), (0.8, 2.0), bright=Colour(0.08, 0.8, 0.6)
)
ROOF = Material(('ribs', 'tiles', 'plain', 'planks'), (0.6, 2.0))
DOOR = Material(('door', 'planks', 'ribs', 'doors'), Extent(1.0, 2.0), fit=True)
GLASS = Material(('screen', 'clouds', 'doors'), 0.8, fit=True, contrast=1.0)


def add_sheds(site: Site, place: Place) -> None:
    """Add sheds."""
    sampler, number, sample, config = site.sampler, SHEDS.number, site.materials.sample, SHED
    frame = place.sample_poses(sampler, SHEDS)
    mask = place.sample_mask(sampler, SHEDS, frame)
    half_w, tall, half_d = sampler.uniforms(
        number, config.half_width, config.half_height, config.half_depth
    )
    body, roof, door, glass = (sample(kind, number) for kind in (BODY, ROOF, DOOR, GLASS))
    reach = (config.shadow * half_w, config.shadow * half_d)
    site.ground.shadow(frame, reach, 2 * tall, mask)
    eaves, high = config.eaves, config.window_height
    flat = (half_w + eaves, config.half_roof, half_d + eaves)
    door_at = (config.door_aside * half_w, config.door[1], -half_d)
    parts = [
        Part((0.0, tall, 0.0), (half_w, tall, half_d), body),
        Part((0.0, 2 * tall + config.roof_lift, 0.0), flat, roof),
        Part(door_at, config.door, door),
        Part((config.window_aside * half_w, high, -half_d), config.window, glass),
        Part((half_w, high, config.side_along), config.side_window, glass),
    ]
    site.primitives.add_parts(frame, mask, parts)
    pitched = mask & sampler.chance(number, PITCHED.chance)
    for k in range(PITCHED.steps):
        raised = 2 * tall + PITCHED.step + PITCHED.step * k
        wide = half_w * (1 - k / PITCHED.steps) + PITCHED.side_eaves
        half = (wide, PITCHED.half_step, half_d + PITCHED.end_eaves)
        site.primitives.add_parts(frame, pitched, [Part((0.0, raised, 0.0), half, roof)])
