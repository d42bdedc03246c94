# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Desks: tops, legs, drawers, computers below; the user sits at the side of negative z."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Extent, Material, repeat
from spike_training.scenes.building.primitives import Frame, Part, corner_parts
from spike_training.scenes.scene import Array

DESKS = 6
"""In a block."""


class DeskConfig(NamedTuple):
    """Sizes of desks, metres.

    Attributes:
        half_top: Half thickness of the top.
        half_leg: Half thickness of a leg.
        inset: From the edge to the middle of a leg.
        legs_below: From the desk's surface to the legs' upper ends.
        panel: Half height of the panel at the rear.
        panel_below: From the desk's surface to its middle.
        panel_inset: From the rear edge to its middle.
        panel_ends: From the desk's end to its end.
        half_panel: Half thickness.
    """

    half_top: float = 0.015
    half_leg: float = 0.025
    inset: float = 0.05
    legs_below: float = 0.04
    panel: float = 0.18
    panel_below: float = 0.25
    panel_inset: float = 0.04
    panel_ends: float = 0.08
    half_panel: float = 0.008


class UnderDeskConfig(NamedTuple):
    """A chest of drawers and a computer below a desk. Lengths in metres.

    Attributes:
        drawers_chance: Probability of the drawers.
        drawers: Half width and half height.
        drawers_depth: Half depth over that of the desk.
        computer_chance: Probability of the computer, at the other end.
        computer: Half sizes.
        computer_along: Its place behind the desk's middle.
        ends: From the desk's end to the middle of either.
    """

    drawers_chance: float = 0.6
    drawers: tuple[float, float] = (0.21, 0.29)
    drawers_depth: float = 0.8
    computer_chance: float = 0.4
    computer: tuple[float, float, float] = (0.09, 0.22, 0.2)
    computer_along: float = 0.1
    ends: float = 0.28


DESK, UNDER_DESK = DeskConfig(), UnderDeskConfig()
DRAWERS = Material(('drawers', 'doors', 'plain'), Extent(0.42, 0.6), fit=True, contrast=0.6)


class Desks(NamedTuple):
    """Desks of a block.

    Attributes:
        frame: Poses, ``[B, DESKS]``.
        mask: Those that exist.
        half_w: Half width, ``[B, 1]`` metres.
        half_d: Half depth.
        top: Height.
    """

    frame: Frame
    mask: Array
    half_w: Array
    half_d: Array
    top: Array


def add_desks(site: Site, desks: Desks, wood: Array, metal: Array) -> None:
    """Add desks of materials ``[B, 1, len(MATERIAL)]``."""
    sampler, add_parts = site.sampler, site.primitives.add_parts
    frame, mask, half_w, half_d, top = desks
    wood, metal = repeat(wood, DESKS), repeat(metal, DESKS)
    site.ground.shadow(frame, half_w, top, mask)
    plate = (half_w, DESK.half_top, half_d)
    parts = [Part((0.0, top - DESK.half_top, 0.0), plate, wood)]
    tall = top / 2 - DESK.legs_below / 2
    leg = (DESK.half_leg, tall, DESK.half_leg)
    parts += corner_parts(half_w - DESK.inset, tall, half_d - DESK.inset, leg, metal)
    panel = (half_w - DESK.panel_ends, DESK.panel, DESK.half_panel)
    panel_at = (0.0, top - DESK.panel_below, half_d - DESK.panel_inset)
    parts.append(Part(panel_at, panel, wood))
    add_parts(frame, mask, parts)

    config = UNDER_DESK
    fronts = site.materials.sample(DRAWERS, DESKS)
    aside = sampler.signs(DESKS) * (half_w - config.ends)
    wide, tall_drawers = config.drawers
    drawers = Part(
        (aside, tall_drawers, 0.0), (wide, tall_drawers, config.drawers_depth * half_d), fronts
    )
    computer = Part((-aside, config.computer[1], config.computer_along), config.computer, metal)
    add_parts(frame, mask & sampler.chance(DESKS, config.drawers_chance), [drawers])
    add_parts(frame, mask & sampler.chance(DESKS, config.computer_chance), [computer])
