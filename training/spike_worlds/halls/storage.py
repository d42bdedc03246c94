# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Racks, pallets and machines of warehouses and workshops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Grey, Material, repeat
from spike_worlds.building.primitives import Frame, Part, corner_parts
from spike_worlds.building.sampler import QUARTER_TURN, cos_sin
from spike_worlds.halls.config import ByKind, FloorThings, Hall
from spike_worlds.scene import CYLINDER, Array

# --- Rows of racks with aisles between them: uprights, beams, goods on every level.

RACK_CHANCE = 0.75  # probability in a warehouse
RACK_ROWS = 4  # number of rows, two at each side of the camera
RACK_BAYS = 3  # in each row
RACK_LEVELS = 3  # of each bay
RACK_AISLE = (1.5, 3.2)  # between rows
RACK_SIZES = ((0.4, 0.6), (0.9, 1.5))  # half depth of a row, half length of a bay
RACK_LEVEL = (0.6, 1.9)  # height of a level
RACK_HEADROOM = 0.5  # least height above all levels, m
RACK_ACROSS = 0.3  # probability of aisles along x
RACK_BESIDE = 0.25  # greatest way of the aisle's middle from the camera / width of the aisle
RACK_START = (-1.5, 4.0)  # of the first bay, before the camera
RACK_TAKEN = 0.9  # probability of each bay
RACK_POST = 0.04  # half thickness of an upright
RACK_FOOT = 0.12  # height of the lowest board's upper side

# Two groups of goods on each level of a bay.
GOODS_ASIDE = (-0.5, 0.5)  # their middles / half length of the bay
GOODS_HALF_WIDTH = (0.25, 0.46)  # half width / half length of the bay
GOODS_HALF_HEIGHT = (0.2, 0.44)  # half height / height of a level
GOODS_HIGHEST = (0.3, 0.9)  # greatest half height, m
GOODS_WIDE = (0.5, 1.0)  # width of a texture's tile / width of the group
GOODS_ALONG = 0.1  # greatest shift in depth
GOODS_DEPTH = (0.6, 0.98)  # half depth / half depth of the rack
GOODS_CHANCE = 0.75  # probability of each group
RACK_STEEL = Material(('plain', 'stripes'), 0.6, vivid=1.0)
RACK_BOARD = Material(('wood', 'plain', 'planks'), 1.2)
GOODS_MATERIAL = Material(
    ('goods', 'plain', 'print', 'wood', 'poster', 'folds', 'stripes', 'weave'),
    fit=True,
    contrast=0.95,
)


class _Racks(NamedTuple):
    """Sampled sizes of the racks, ``[B, 1]`` metres."""

    deep: Array
    bay: Array
    level: Array


def add_racks(site: Site, hall: Hall) -> None:
    """Add racks to most warehouses."""
    sampler = site.sampler
    mask = hall.warehouse & sampler.chance(1, RACK_CHANCE)
    aisle = sampler.uniform(1, RACK_AISLE)
    deep, bay = sampler.uniforms(1, *RACK_SIZES)
    highest = (hall.height - RACK_HEADROOM) / RACK_LEVELS
    level = np.minimum(sampler.uniform(1, RACK_LEVEL), highest)
    across = sampler.chance(1, RACK_ACROSS)
    frame = _place_racks(site, hall, across, aisle, _Racks(deep, bay, level))
    half_x, half_z = np.where(across, bay, deep), np.where(across, deep, bay)
    mask = mask & _are_inside(hall, frame, half_x, half_z)
    mask = mask & sampler.chance(RACK_ROWS * RACK_BAYS, RACK_TAKEN)
    _add_rack_frames(site, frame, mask, _Racks(deep, bay, level), (half_x, half_z))
    for k in range(RACK_LEVELS):
        for aside in GOODS_ASIDE:
            _add_goods(site, frame, mask, _Racks(deep, bay, level), k, aside)


def _place_racks(site: Site, hall: Hall, across: Array, aisle: Array, sizes: _Racks) -> Frame:
    """Sample poses of bays: the aisle that the camera stands in has rows at its two sides."""
    sampler, view = site.sampler, hall.view
    index = np.arange(RACK_ROWS * RACK_BAYS)
    stand = np.where(across, view.z, view.x)
    middle = stand + sampler.symmetric(1, RACK_BESIDE) * aisle
    row = index // RACK_BAYS - 0.5 * (RACK_ROWS - 1)
    lateral = middle + row * (aisle + 2 * sizes.deep)
    cos, sin = cos_sin(view.yaw)
    forward = np.sign(np.where(across, sin, cos))  # along the aisle
    start = np.where(across, view.x, view.z) + forward * sampler.uniform(1, RACK_START)
    along = start + forward * 2 * sizes.bay * (index % RACK_BAYS)
    x, z = np.where(across, along, lateral), np.where(across, lateral, along)
    heading = cos_sin(np.where(across, 0.0, QUARTER_TURN) + 0 * x)
    return Frame(x, 0.0, z, heading)


def _are_inside(hall: Hall, frame: Frame, half_x: Array, half_z: Array) -> Array:
    """Mask of the bays inside of the hall; afterwards poses are float32."""
    inside: Array = (np.abs(frame.x) < hall.half_x - half_x) & (
        np.abs(frame.z) < hall.half_z - half_z
    )
    frame.x, frame.z = frame.x.astype(np.float32), frame.z.astype(np.float32)
    return inside


def _add_rack_frames(
    site: Site, frame: Frame, mask: Array, sizes: _Racks, reach: tuple[Array, Array]
) -> None:
    """Add uprights, boards and beams."""
    number, (deep, bay, level) = mask.shape[1], sizes
    steel = site.materials.sample(RACK_STEEL, 2)
    post, beam = repeat(steel[:, :1], number), repeat(steel[:, 1:], number)
    board = repeat(site.materials.sample(RACK_BOARD, 1), number)
    tall = RACK_LEVELS * level / 2
    site.ground.shadow(frame, reach, 1.0, mask)
    upright = (RACK_POST, tall, RACK_POST)
    parts = corner_parts(bay, tall, deep, upright, post)
    for k in range(RACK_LEVELS):
        high = level * k + RACK_FOOT
        plate = (bay, 0.02, deep)
        parts.append(Part((0.0, high - 0.03, 0.0), plate, board))
        parts += [
            Part((0.0, high - 0.05, side * deep), (bay, 0.05, 0.025), beam) for side in (-1, 1)
        ]
    site.primitives.add_parts(frame, mask, parts)


def _add_goods(site: Site, frame: Frame, mask: Array, sizes: _Racks, k: int, aside: float) -> None:
    """Add a group of goods to level ``k`` of each bay."""
    sampler, number, (deep, bay, level) = site.sampler, mask.shape[1], sizes
    wide = bay * sampler.uniform(number, GOODS_HALF_WIDTH)
    high = level * sampler.uniform(number, GOODS_HALF_HEIGHT)
    high = np.minimum(high, sampler.uniform(number, GOODS_HIGHEST))
    tile = (2 * wide * sampler.uniform(number, GOODS_WIDE), 2 * high)
    material = site.materials.sample(GOODS_MATERIAL, number, tile)
    along = sampler.symmetric(number, GOODS_ALONG)
    half = (wide, high, deep * sampler.uniform(number, GOODS_DEPTH))
    part = Part((aside * bay, level * k + RACK_FOOT + high, along), half, material)
    site.primitives.add_parts(frame, mask & sampler.chance(number, GOODS_CHANCE), [part])


# --- Pallets, empty or with boxes stacked in up to three layers.

PALLET_SKIDS = (-0.35, 0.0, 0.35)  # places of the skids in depth
PALLET_SKID = (0.6, 0.055, 0.05)  # half sizes of a skid

# Boxes on a pallet.
LOAD_LAYERS = (0, 1, 2, 3, 3)  # numbers of layers
LOAD_HALF_HEIGHT = (0.12, 0.32)  # of a box
LOAD_CHANCE = 0.93  # probability of each box
LOAD_SIZE = (0.42, 0.58)  # varied size of a box, m
LOAD_DEPTH = 0.7  # half depth / varied size
LOAD_FOOT = 0.14  # height of the lowest boxes
PALLETS = FloorThings(5, 1.2, 1.5, ByKind(warehouse=0.6, corridor=0.08), farthest=12.0)
PALLET_WOOD = Material(('planks', 'wood'), 1.0)
LOAD_BOXES = Material(('print', 'plain', 'goods', 'poster', 'folds', 'wood'), contrast=0.9)


def add_pallets(site: Site, hall: Hall) -> None:
    """Add pallets to warehouses and some corridors."""
    at = hall.sample_poses(site.sampler, PALLETS)
    mask = hall.sample_mask(site.sampler, PALLETS, at)
    wood = site.materials.sample(PALLET_WOOD, PALLETS.number)
    parts = [Part((0.0, 0.125, 0.0), (0.6, 0.015, 0.4), wood)]
    parts += [Part((0.0, PALLET_SKID[1], along), PALLET_SKID, wood) for along in PALLET_SKIDS]
    site.ground.shadow(at, 0.65, 0.6, mask)
    site.primitives.add_parts(at, mask, parts)
    _add_load(site, at, mask)


def _add_load(site: Site, at: Frame, mask: Array) -> None:
    """Add layers of two boxes."""
    sampler, number = site.sampler, PALLETS.number
    layers, high = sampler.choose(number, LOAD_LAYERS), sampler.uniform(number, LOAD_HALF_HEIGHT)
    material = site.materials.sample(LOAD_BOXES, number, (0.6, 2 * high))
    for layer in range(max(LOAD_LAYERS)):
        for side in (-1, 1):
            deep = LOAD_DEPTH * sampler.uniform(number, LOAD_SIZE)
            raised = LOAD_FOOT + (2 * layer + 1) * high
            box = Part((side * 0.3, raised, 0.0), (0.29, high, deep), material)
            chosen = mask & (layers > layer) & sampler.chance(number, LOAD_CHANCE)
            site.primitives.add_parts(at, chosen, [box])


# --- Machines, workbenches and tanks: housings with panels, a screen, guards and pipes.

MACHINE_SLANTED = 0.1  # greatest angle to the walls
MACHINE_SIZES = ((0.5, 1.5), (0.4, 1.1), (0.4, 0.9))  # half width, half height, half depth

# Things on machines and before them; shares are of the housing's half sizes.
ATTACHMENT_TOWER = (0.2, 0.6)  # half height of a second housing on top
ATTACHMENT_TOWER_ASIDE = 0.4  # greatest share from the middle
ATTACHMENT_TOWER_HALF = (0.45, 0.6)  # shares of half width and half depth
ATTACHMENT_PIPE = (0.04, 0.14)  # half thickness of a pipe
ATTACHMENT_PIPE_AT = (-0.7, 0.5)  # shares to the side and back
ATTACHMENT_HALF_PIPE = 0.8  # half height
ATTACHMENT_PANEL_ASIDE = 0.6  # share to the side of the screen
ATTACHMENT_STAND = (0.03, 0.65, 0.03)  # half sizes of the stand of the screen

# A tank beside a machine.
TANK_CHANCE = 0.35  # probability
TANK_SIZES = ((0.3, 0.8), (0.6, 1.5))  # half thickness, half height
MACHINES = FloorThings(4, 2.0, 2.2, ByKind(warehouse=0.45), farthest=14.0)
MACHINE_BODY = Material(('plain', 'ribs', 'doors', 'drawers', 'plaster'), (0.6, 2.0), vivid=0.9)
MACHINE_DARK = Material(('plain', 'folds', 'ribs'), 0.8, bright=Grey((0.02, 0.3)))
MACHINE_PANEL = Material(('screen', 'keys', 'text'), 0.4, fit=True, contrast=1.0, glow=(0, 1))


def add_machines(site: Site, hall: Hall) -> None:
    """Add machines to warehouses."""
    sampler, number = site.sampler, MACHINES.number
    at = hall.sample_poses(sampler, MACHINES)
    slanted = sampler.symmetric(1, MACHINE_SLANTED)
    heading = cos_sin(slanted + QUARTER_TURN * sampler.choose(number, (0, 1)))
    frame = Frame(at.x, 0.0, at.z, heading)
    mask = hall.sample_mask(sampler, MACHINES, frame)
    half_w, tall, half_d = sampler.uniforms(number, *MACHINE_SIZES)
    body, dark, panel = (
        site.materials.sample(kind, number) for kind in (MACHINE_BODY, MACHINE_DARK, MACHINE_PANEL)
    )
    site.ground.shadow(frame, 1.2 * half_w, 2 * tall, mask)
    low, rim = 0.06, 0.08
    parts = [
        Part((0.0, tall, 0.0), (half_w, tall, half_d), body),
        Part((0.0, low, 0.0), (half_w + rim, low, half_d + rim), dark),
        *_attachments(site, (half_w, tall, half_d), dark, panel),
    ]
    site.primitives.add_parts(frame, mask, parts)
    tank, high = sampler.uniforms(number, *TANK_SIZES)
    drum = Part((half_w + 1.1 * tank, high, 0.0), (tank, high, tank), dark, CYLINDER)
    site.primitives.add_parts(frame, mask & sampler.chance(number, TANK_CHANCE), [drum])


def _attachments(
    site: Site, sizes: tuple[Array, Array, Array], dark: Array, panel: Array
) -> list[Part]:
    """Sample a tower, a pipe, and a screen on its stand."""
    sampler, number = site.sampler, MACHINES.number
    half_w, tall, half_d = sizes
    tower = sampler.uniform(number, ATTACHMENT_TOWER)
    shift = sampler.symmetric(number, ATTACHMENT_TOWER_ASIDE)
    pipe = sampler.uniform(number, ATTACHMENT_PIPE)
    wide, deep = ATTACHMENT_TOWER_HALF
    tower_half = (wide * half_w, tower, deep * half_d)
    pipe_x, pipe_z = ATTACHMENT_PIPE_AT
    pipe_at = (pipe_x * half_w, 2 * tall + ATTACHMENT_HALF_PIPE, pipe_z * half_d)
    aside, before = ATTACHMENT_PANEL_ASIDE * half_w, -half_d - 0.1
    return [
        Part((shift * half_w, 2 * tall + tower, 0.0), tower_half, dark),
        Part(pipe_at, (pipe, ATTACHMENT_HALF_PIPE, pipe), dark, CYLINDER),
        Part((aside, 1.3, before), (0.18, 0.14, 0.04), panel),
        Part((aside, ATTACHMENT_STAND[1], before), ATTACHMENT_STAND, dark),
    ]
