# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things on desks: screens, keyboard, mouse, paper, books, lamp, cables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Extent, Grey, Material
from spike_training.scenes.building.primitives import Part
from spike_training.scenes.building.sampler import Range
from spike_training.scenes.offices.desk import DESKS, Desks
from spike_training.scenes.scene import CYLINDER, ELLIPSOID, Array
from spike_training.scenes.things.small import GOODS_TEXTURE, MOST_BOXES, SmallThings


class MonitorConfig(NamedTuple):
    """One or two screens on a desk. Lengths in metres.

    Attributes:
        chance: Probability of the first.
        double: Probability of a second.
        half_width: Limits.
        half_height: Limits.
        lift: Height of the lower edge.
        pair_aside: Way of each of two from the middle, over the desk's half width.
        aside: Greatest way of a single one, likewise.
        along: Of its face, over the desk's half depth.
        shift: Added to that.
        tube: Probability of a tube monitor, as deep as it is wide.
        tube_depth: Half depth of one over its half width.
        half_depth: Of flat ones.
        face: From the face to the middle of the picture, before it.
        rim: Of the housing around the picture.
        half_face: Half thickness of the picture.
        neck: Half width and half depth of the neck.
        foot: Half sizes of the foot.
    """

    chance: float = 0.85
    double: float = 0.4
    half_width: Range = (0.19, 0.33)
    half_height: Range = (0.13, 0.2)
    lift: Range = (0.06, 0.16)
    pair_aside: float = 0.5
    aside: float = 0.4
    along: float = 0.45
    shift: Range = (-0.04, 0.08)
    tube: float = 0.15
    tube_depth: float = 0.8
    half_depth: float = 0.018
    face: float = 0.003
    rim: float = 0.015
    half_face: float = 0.004
    neck: tuple[float, float] = (0.025, 0.02)
    foot: tuple[float, float, float] = (0.11, 0.008, 0.08)


class InputConfig(NamedTuple):
    """Keyboard and mouse. Lengths in metres.

    Attributes:
        shift: Greatest way of the keyboard from the middle to either side.
        along: Of both, over the desk's half depth.
        keyboard_chance: Probability of a keyboard.
        keyboard: Half sizes.
        mouse_chance: Probability of a mouse.
        mouse: Half sizes.
        mouse_aside: From the keyboard to the mouse.
        mouse_height: Of its middle.
    """

    shift: float = 0.25
    along: float = -0.4
    keyboard_chance: float = 0.85
    keyboard: tuple[float, float, float] = (0.21, 0.011, 0.075)
    mouse_chance: float = 0.75
    mouse: tuple[float, float, float] = (0.03, 0.016, 0.055)
    mouse_aside: float = 0.3
    mouse_height: float = 0.015


class PaperConfig(NamedTuple):
    """Sheets of paper, and rows of books. Lengths in metres.

    Attributes:
        chance: Probability of paper.
        half: Half sizes of a sheet.
        height: Of its middle.
        aside: Greatest way to either side over the desk's half width.
        along: Over its half depth.
        books_chance: Probability of a row of books.
        books_half_width: Limits.
        books_half: Half height and half depth.
        books_aside: Greatest way to either side over the desk's half width.
        books_along: Over its half depth.
    """

    chance: float = 0.7
    half: tuple[float, float, float] = (0.105, 0.003, 0.148)
    height: float = 0.002
    aside: float = 0.8
    along: Range = (-0.8, 0.2)
    books_chance: float = 0.3
    books_half_width: Range = (0.08, 0.25)
    books_half: tuple[float, float] = (0.13, 0.09)
    books_aside: float = 0.7
    books_along: float = 0.7


class DeskLampConfig(NamedTuple):
    """A lamp on an arm. Lengths in metres.

    Attributes:
        chance: Probability.
        height: Of the arm.
        aside: Over the desk's half width.
        along: Over its half depth.
        foot: Half sizes of the foot.
        pole: Half thickness of the pole.
        arm: Half sizes of the arm.
        arm_reach: From the pole to the middle of the arm.
        head: Half sizes of the head.
        head_reach: From the pole to the middle of the head.
        head_below: Of the arm.
    """

    chance: float = 0.3
    height: Range = (0.35, 0.5)
    aside: float = -0.85
    along: float = 0.5
    foot: tuple[float, float, float] = (0.08, 0.01, 0.08)
    pole: float = 0.01
    arm: tuple[float, float, float] = (0.13, 0.01, 0.01)
    arm_reach: float = 0.12
    head: tuple[float, float, float] = (0.06, 0.05, 0.06)
    head_reach: float = 0.24
    head_below: float = 0.02


class CableConfig(NamedTuple):
    """Thin strips over the top, and one down behind it. Lengths in metres.

    Attributes:
        number: Of strips.
        chance: Probability of each.
        aside: Greatest way to either side over the desk's half width.
        along: Over its half depth.
        half_length: Limits.
        half: Half thickness, and height of the middle.
        heading: Radians.
        down_chance: Probability of the one behind.
        down_aside: Its place over that of the keyboard.
        down_behind: From the rear edge to its middle.
        down_half: Half thickness.
    """

    number: int = 3
    chance: float = 0.6
    aside: float = 0.7
    along: Range = (-0.2, 0.7)
    half_length: Range = (0.08, 0.3)
    half: float = 0.004
    heading: Range = (0, 3.14)
    down_chance: float = 0.6
    down_aside: float = 2
    down_behind: float = 0.01
    down_half: float = 0.005


MONITOR, INPUT, PAPER = MonitorConfig(), InputConfig(), PaperConfig()
LAMP, CABLE = DeskLampConfig(), CableConfig()
PLASTIC = Material(('plain',), 0.5, bright=Grey((0.02, 0.4)))
PICTURE = Material(('screen', 'screen', 'text', 'plain'), fit=True, contrast=1.0, glow=(0, 1.5))
KEYS = Material(('keys',), Extent(0.42, 0.15), fit=True, contrast=0.9)
SHEET = Material(('text', 'print', 'poster'), Extent(0.21, 0.3), fit=True, contrast=0.9)
BOOKS = Material(('books',), Extent(0.5, 0.9), fit=True, contrast=1.0)
BULB = Material(('plain',), 0.5, glow=(0, 2.5))
THINGS = SmallThings(
    size=(0.025, 0.12),
    width=(0.3, 1.4),
    height=(0.2, 1.2),
    depth=(0.3, 1.2),
    aside=0.92,
    along=(-0.85, 0.9),
    chance=0.6,
    kinds=MOST_BOXES,
    material=Material((*GOODS_TEXTURE, 'books', 'books'), fit=True, vivid=0.8),
    number=7,
)


def add_equipment(site: Site, desks: Desks) -> None:
    """Add screens, keyboard, mouse, lamp, books, paper, cups and cables to each desk."""
    sampler = site.sampler
    dark = site.materials.sample(PLASTIC, DESKS)
    double = sampler.chance(DESKS, MONITOR.double)
    _add_monitor(site, desks, -1, sampler.chance(DESKS, MONITOR.chance), double, dark)
    _add_monitor(site, desks, 1, double, double, dark)
    shift = _add_keyboard(site, desks, dark)
    _add_paper(site, desks)
    for _ in range(THINGS.number):
        _add_thing(site, desks)
    _add_books(site, desks)
    _add_lamp(site, desks, dark)
    _add_cables(site, desks, dark, CABLE.down_aside * shift)


def _add_monitor(
    site: Site, desks: Desks, side: int, mask: Array, double: Array, dark: Array
) -> None:
    sampler, config, top = site.sampler, MONITOR, desks.top
    wide, tall = sampler.uniforms(DESKS, config.half_width, config.half_height)
    lift = sampler.uniform(DESKS, config.lift)
    single = sampler.symmetric(DESKS, config.aside) * desks.half_w
    aside = np.where(double, side * config.pair_aside * desks.half_w, single)
    along = config.along * desks.half_d + sampler.uniform(DESKS, config.shift)
    tube = sampler.chance(DESKS, config.tube)
    deep = np.where(tube, config.tube_depth * wide, config.half_depth)
    picture = site.materials.sample(PICTURE, DESKS, (2 * wide, 2 * tall))
    high, back = top + lift + tall, along + deep
    visible = (wide - config.rim, tall - config.rim, config.half_face)
    neck = (config.neck[0], lift / 2, config.neck[1])
    parts = [
        Part((aside, high, back), (wide, tall, deep), dark),
        Part((aside, high, along - config.face), visible, picture),
        Part((aside, top + lift / 2, back), neck, dark),
        Part((aside, top + config.foot[1], back), config.foot, dark, CYLINDER),
    ]
    site.primitives.add_parts(desks.frame, desks.mask & mask, parts)


def _put(site: Site, desks: Desks, part: Part, chance: float) -> None:
    """Add a part to some of the desks."""
    mask = desks.mask & site.sampler.chance(DESKS, chance)
    site.primitives.add_parts(desks.frame, mask, [part])


def _add_keyboard(site: Site, desks: Desks, dark: Array) -> Array:
    """Add keyboard and mouse; return the keyboard's way from the desk's middle."""
    keys = site.materials.sample(KEYS, DESKS)
    shift = site.sampler.symmetric(DESKS, INPUT.shift)
    front = INPUT.along * desks.half_d
    keyboard = Part((shift, desks.top + INPUT.keyboard[1], front), INPUT.keyboard, keys)
    place = (shift + INPUT.mouse_aside, desks.top + INPUT.mouse_height, front)
    _put(site, desks, keyboard, INPUT.keyboard_chance)
    _put(site, desks, Part(place, INPUT.mouse, dark, ELLIPSOID), INPUT.mouse_chance)
    return shift


def _add_paper(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    material = site.materials.sample(SHEET, DESKS)
    aside = sampler.symmetric(DESKS, PAPER.aside) * desks.half_w
    along = sampler.uniform(DESKS, PAPER.along) * desks.half_d
    sheet = Part((aside, desks.top + PAPER.height, along), PAPER.half, material)
    _put(site, desks, sheet, PAPER.chance)


def _add_thing(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    size = sampler.log_uniform(DESKS, THINGS.size)
    tall = size * sampler.uniform(DESKS, THINGS.height)
    aside = sampler.symmetric(DESKS, THINGS.aside) * desks.half_w
    along = sampler.uniform(DESKS, THINGS.along) * desks.half_d
    wide = size * sampler.uniform(DESKS, THINGS.width)
    deep = size * sampler.uniform(DESKS, THINGS.depth)
    site.primitives.add(
        desks.frame.at(aside, desks.top + tall, along),
        (wide, tall, deep),
        site.materials.sample(THINGS.material, DESKS, 2 * size),
        kind=sampler.kinds(DESKS, THINGS.kinds),
        heading=sampler.headings(DESKS),
        mask=desks.mask & sampler.chance(DESKS, THINGS.chance),
    )


def _add_books(site: Site, desks: Desks) -> None:
    sampler = site.sampler
    row = site.materials.sample(BOOKS, DESKS)
    aside = sampler.symmetric(DESKS, PAPER.books_aside) * desks.half_w
    tall, deep = PAPER.books_half
    wide = sampler.uniform(DESKS, PAPER.books_half_width)
    place = (aside, desks.top + tall, PAPER.books_along * desks.half_d)
    _put(site, desks, Part(place, (wide, tall, deep), row), PAPER.books_chance)


def _add_lamp(site: Site, desks: Desks, dark: Array) -> None:
    sampler, top = site.sampler, desks.top
    high, aside = sampler.uniform(DESKS, LAMP.height), LAMP.aside * desks.half_w
    bulb = site.materials.sample(BULB, DESKS)
    mask = desks.mask & sampler.chance(DESKS, LAMP.chance)
    along = LAMP.along * desks.half_d
    head = top + high - LAMP.head_below
    pole = (LAMP.pole, high / 2, LAMP.pole)
    parts = [
        Part((aside, top + LAMP.foot[1], along), LAMP.foot, dark, CYLINDER),
        Part((aside, top + high / 2, along), pole, dark, CYLINDER),
        Part((aside + LAMP.arm_reach, top + high, along), LAMP.arm, dark),
        Part((aside + LAMP.head_reach, head, along), LAMP.head, bulb, ELLIPSOID),
    ]
    site.primitives.add_parts(desks.frame, mask, parts)


def _add_cables(site: Site, desks: Desks, dark: Array, down: Array) -> None:
    """Add cables on the desk, and one ``down`` metres from its middle behind it."""
    sampler = site.sampler
    for _ in range(CABLE.number):
        aside = sampler.symmetric(DESKS, CABLE.aside) * desks.half_w
        along = sampler.uniform(DESKS, CABLE.along) * desks.half_d
        site.primitives.add(
            desks.frame.at(aside, desks.top + CABLE.half, along),
            (sampler.uniform(DESKS, CABLE.half_length), CABLE.half, CABLE.half),
            dark,
            heading=sampler.headings(DESKS, CABLE.heading),
            mask=desks.mask & sampler.chance(DESKS, CABLE.chance),
        )
    tall = 0.5 * desks.top
    half = (CABLE.down_half, tall, CABLE.down_half)
    behind = Part((down, tall, desks.half_d + CABLE.down_behind), half, dark, CYLINDER)
    _put(site, desks, behind, CABLE.down_chance)
