# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A reception desk with a raised front and screens, before a panel with a lit sign."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import Range, cos_sin
from spike_training.scenes.halls.config import Hall


class DeskConfig(NamedTuple):
    """Sizes of a reception desk. Lengths in metres, angles in radians.

    Attributes:
        chance: Probability in a lobby.
        nearest: Least distance from the camera.
        farthest: Greatest.
        spread: Greatest way to the side over half of the view's width.
        clear: Distance from the camera that it keeps.
        turned: Greatest angle to the view.
        half_width: Limits.
        front: Half height and half thickness of the front.
        counter_height: Of the middle of the plate on the front.
        counter: Half height and half depth of that.
        counter_rim: Of the plate at either end.
        top_height: Of the middle of the desk's top behind.
        top_along: From the front to its middle.
        top: Half height and half depth.
        end: Half width, half height and half depth of the ends.
        end_along: From the front to their middles.
    """

    chance: float = 0.5
    nearest: float = 2.6
    farthest: float = 12.0
    spread: float = 0.8
    clear: float = 2.6
    turned: float = 0.8
    half_width: Range = (0.8, 2.0)
    front: tuple[float, float] = (0.55, 0.06)
    counter_height: float = 1.12
    counter: tuple[float, float] = (0.025, 0.2)
    counter_rim: float = 0.05
    top_height: float = 0.74
    top_along: float = 0.4
    top: tuple[float, float] = (0.02, 0.35)
    end: tuple[float, float, float] = (0.05, 0.5, 0.35)
    end_along: float = 0.35


class BackConfig(NamedTuple):
    """Panel, sign and screens behind the desk. Lengths in metres.

    Attributes:
        panel: Half height and half thickness.
        panel_rim: At either end of the desk.
        panel_along: From the front to the panel.
        sign_height: Of the middle of the sign.
        sign_along: From the front to the sign.
        sign_width: Half width over that of the desk.
        sign: Half height and half thickness.
        sign_tile: Width of its texture's tile over the desk's half width.
        sign_tall: Height of that tile.
        screens: Places of the screens over the half width.
        screen_height: Of their middles.
        screen: Half sizes.
    """

    panel: tuple[float, float] = (1.25, 0.05)
    panel_rim: float = 0.2
    panel_along: float = 1.2
    sign_height: float = 2.0
    sign_along: float = 1.14
    sign_width: float = 0.8
    sign: tuple[float, float] = (0.3, 0.02)
    sign_tile: float = 1.6
    sign_tall: float = 0.6
    screens: tuple[float, float] = (-0.5, 0.5)
    screen_height: float = 1.05
    screen: tuple[float, float, float] = (0.25, 0.17, 0.02)


DESK, BACK = DeskConfig(), BackConfig()
FRONT = Material(('wood', 'plain', 'ribs', 'stripes', 'planks'), (0.6, 2.0))
TOP = Material(('plain', 'wood', 'slabs'), 1.0)
SIGN = Material(('sign', 'poster', 'print'), fit=True, glow=(0, 2))
SCREEN = Material(('screen',), 0.5, fit=True, contrast=1.0, glow=(0, 1.5))


def add_reception(site: Site, hall: Hall) -> None:
    """Add a reception desk to half of the lobbies."""
    sampler, sample = site.sampler, site.materials.sample
    mask = hall.lobby & sampler.chance(1, DESK.chance)
    at = hall.view.ahead(sampler, 1, DESK.nearest, DESK.farthest, DESK.spread, hall.limits)
    heading = cos_sin(hall.view.yaw + sampler.symmetric(1, DESK.turned))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = mask & hall.view.clear_of(frame, DESK.clear)
    half = sampler.uniform(1, DESK.half_width)
    front, top = sample(FRONT, 1), sample(TOP, 1)
    sign = sample(SIGN, 1, (BACK.sign_tile * half, BACK.sign_tall))
    counter = (half + DESK.counter_rim, *DESK.counter)
    panel = (half + BACK.panel_rim, *BACK.panel)
    sign_half = (BACK.sign_width * half, *BACK.sign)
    parts = [
        Part((0.0, DESK.front[0], 0.0), (half, *DESK.front), front),
        Part((0.0, DESK.counter_height, 0.0), counter, top),
        Part((0.0, DESK.top_height, DESK.top_along), (half, *DESK.top), top),
        Part((-half, DESK.end[1], DESK.end_along), DESK.end, front),
        Part((half, DESK.end[1], DESK.end_along), DESK.end, front),
        Part((0.0, BACK.panel[0], BACK.panel_along), panel, front),
        Part((0.0, BACK.sign_height, BACK.sign_along), sign_half, sign),
    ]
    site.primitives.add_parts(frame, mask, parts)
    aside = half * np.array(BACK.screens, np.float32)
    screens = sample(SCREEN, len(BACK.screens))
    part = Part((aside, BACK.screen_height, DESK.top_along), BACK.screen, screens)
    site.primitives.add_parts(frame, mask, [part])
