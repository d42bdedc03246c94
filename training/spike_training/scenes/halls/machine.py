# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Machines, workbenches and tanks: housings with panels, a screen, guards and pipes."""

from __future__ import annotations

from typing import NamedTuple

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.halls.config import ByKind, FloorThings, Hall
from spike_training.scenes.scene import CYLINDER, Array


class MachineConfig(NamedTuple):
    """Sizes of machines. Lengths in metres, angles in radians.

    Attributes:
        slanted: Greatest angle to the walls.
        half_width: Limits.
        half_height: Limits.
        half_depth: Limits.
        shadow: Half size of the shadow over the half width.
        plinth: Half height of the plinth.
        plinth_rim: Of the plinth around the housing.
    """

    slanted: float = 0.1
    half_width: Range = (0.5, 1.5)
    half_height: Range = (0.4, 1.1)
    half_depth: Range = (0.4, 0.9)
    shadow: float = 1.2
    plinth: float = 0.06
    plinth_rim: float = 0.08


class AttachmentConfig(NamedTuple):
    """Things on machines and before them; shares are of the housing's half sizes.

    Attributes:
        tower: Half height of a second housing on top, metres.
        tower_aside: Greatest share from the middle.
        tower_half: Shares of half width and half depth.
        pipe: Half thickness of a pipe, metres.
        pipe_at: Shares to the side and back.
        half_pipe: Half height, metres.
        panel_aside: Share to the side of the screen.
        panel_height: Of the screen's middle, metres.
        panel_before: Of the housing, metres.
        panel: Half sizes of the screen, metres.
        stand: Half sizes of its stand, metres.
    """

    tower: Range = (0.2, 0.6)
    tower_aside: float = 0.4
    tower_half: tuple[float, float] = (0.45, 0.6)
    pipe: Range = (0.04, 0.14)
    pipe_at: tuple[float, float] = (-0.7, 0.5)
    half_pipe: float = 0.8
    panel_aside: float = 0.6
    panel_height: float = 1.3
    panel_before: float = 0.1
    panel: tuple[float, float, float] = (0.18, 0.14, 0.04)
    stand: tuple[float, float, float] = (0.03, 0.65, 0.03)


class TankConfig(NamedTuple):
    """A tank beside a machine. Lengths in metres.

    Attributes:
        chance: Probability.
        half: Half thickness.
        half_height: Limits.
        beside: From the machine to its middle, over its half thickness.
    """

    chance: float = 0.35
    half: Range = (0.3, 0.8)
    half_height: Range = (0.6, 1.5)
    beside: float = 1.1


MACHINES = FloorThings(4, 2.0, 2.2, ByKind(warehouse=0.45), farthest=14.0)
MACHINE, ATTACHMENT, TANK = MachineConfig(), AttachmentConfig(), TankConfig()
BODY = Material(('plain', 'ribs', 'doors', 'drawers', 'plaster'), (0.6, 2.0), vivid=0.9)
DARK = Material(('plain', 'folds', 'ribs'), 0.8, bright=Grey((0.02, 0.3)))
PANEL = Material(('screen', 'keys', 'text'), 0.4, fit=True, contrast=1.0, glow=(0, 1))


def add_machines(site: Site, hall: Hall) -> None:
    """Add machines to warehouses."""
    sampler, number = site.sampler, MACHINES.number
    at = hall.sample_poses(sampler, MACHINES)
    slanted = sampler.symmetric(1, MACHINE.slanted)
    heading = cos_sin(slanted + QUARTER_TURN * sampler.choose(number, (0, 1)))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = hall.sample_mask(sampler, MACHINES, frame)
    half_w, tall, half_d = sampler.uniforms(
        number, MACHINE.half_width, MACHINE.half_height, MACHINE.half_depth
    )
    body, dark, panel = (site.materials.sample(kind, number) for kind in (BODY, DARK, PANEL))
    site.ground.shadow(frame, MACHINE.shadow * half_w, 2 * tall, mask)
    low, rim = MACHINE.plinth, MACHINE.plinth_rim
    parts = [
        Part((0.0, tall, 0.0), (half_w, tall, half_d), body),
        Part((0.0, low, 0.0), (half_w + rim, low, half_d + rim), dark),
        *_attachments(site, (half_w, tall, half_d), dark, panel),
    ]
    site.primitives.add_parts(frame, mask, parts)
    tank, high = sampler.uniforms(number, TANK.half, TANK.half_height)
    drum = Part((half_w + TANK.beside * tank, high, 0.0), (tank, high, tank), dark, CYLINDER)
    site.primitives.add_parts(frame, mask & sampler.chance(number, TANK.chance), [drum])


def _attachments(
    site: Site, sizes: tuple[Array, Array, Array], dark: Array, panel: Array
) -> list[Part]:
    """Sample a tower, a pipe, and a screen on its stand."""
    sampler, number, config = site.sampler, MACHINES.number, ATTACHMENT
    half_w, tall, half_d = sizes
    tower = sampler.uniform(number, config.tower)
    shift = sampler.symmetric(number, config.tower_aside)
    pipe = sampler.uniform(number, config.pipe)
    wide, deep = config.tower_half
    tower_half = (wide * half_w, tower, deep * half_d)
    pipe_x, pipe_z = config.pipe_at
    pipe_at = (pipe_x * half_w, 2 * tall + config.half_pipe, pipe_z * half_d)
    aside, before = config.panel_aside * half_w, -half_d - config.panel_before
    return [
        Part((shift * half_w, 2 * tall + tower, 0.0), tower_half, dark),
        Part(pipe_at, (pipe, config.half_pipe, pipe), dark, CYLINDER),
        Part((aside, config.panel_height, before), config.panel, panel),
        Part((aside, config.stand[1], before), config.stand, dark),
    ]
