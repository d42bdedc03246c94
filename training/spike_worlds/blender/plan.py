# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plan of a room: its parts, and a furnisher that places models without collisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spike_worlds.blender.catalogue import Model
from spike_worlds.blender.geometry import (
    Floats,
    Footprint,
    Point,
    Wall,
    overlap,
    walls_of,
)
from spike_worlds.blender.groups import Groups
from spike_worlds.blender.textures import Colour

THICKNESS = 0.2
"""Thickness of walls, floor and ceiling, metres."""

TRIES = 24
_DOOR_SPACE = 0.8
_WINDOW_SPACE = 0.25
_GAP = 0.01


class Material(NamedTuple):
    """Surface with a procedural texture.

    Attributes:
        kind: One of ``textures.TEXTURES``.
        seed: Seed of its details.
        dark: Colour where the tone is 0.
        bright: Colour where the tone is 1.
        metres: Length of one repetition, metres.
        roughness: 0 (mirror) to 1.
        glow: Emitted light, W/(m2 sr); 0: none.
    """

    kind: str
    seed: int
    dark: Colour
    bright: Colour
    metres: float = 1.0
    roughness: float = 0.7
    glow: float = 0.0


class Item(NamedTuple):
    """Placed model.

    Attributes:
        key: Key of the model.
        position: Middle of its bottom, metres.
        heading: Radians.
        size: Width, depth and height, metres, as in the catalogue.
    """

    key: str
    position: Point
    heading: float
    size: Point

    @property
    def footprint(self) -> Footprint:
        """The box around it."""
        (x, y, z), (width, depth, height) = self.position, self.size
        return Footprint(x, y, width / 2, depth / 2, self.heading, z, z + height)


class Box(NamedTuple):
    """Solid box.

    Attributes:
        centre: Metres.
        size: Along its own axes, metres.
        heading: Radians.
        material: Its surface.
        outside: True beyond the windows, where it lights nothing.
    """

    centre: Point
    size: Point
    heading: float
    material: Material
    outside: bool = False


class Opening(NamedTuple):
    """Hole in a wall.

    Attributes:
        wall: Number of the wall.
        begin: Where it begins along the wall, metres.
        end: Where it ends along the wall, metres.
        bottom: Height of its lower edge, metres.
        top: Height of its upper edge, metres.
        outside: True for a window, False for a way into the next room.
        key: Model in it, or none.
    """

    wall: int
    begin: float
    end: float
    bottom: float
    top: float
    outside: bool
    key: str = ''


class Lamp(NamedTuple):
    """Source of light.

    Attributes:
        position: Metres.
        watts: Power as Blender counts it.
        colour: Linear red, green and blue.
        radius: Metres.
    """

    position: Point
    watts: float
    colour: Colour
    radius: float = 0.05


@dataclasses.dataclass
class Room:
    """Furnished room.

    Attributes:
        kind: Such as ``living``.
        size: Width, depth and height, metres.
        floor: Surface of the floor.
        walls: Surface of each wall.
        ceiling: Surface of the ceiling.
        openings: Windows, doors and gaps.
        items: Placed models.
        boxes: Pictures, rugs, columns, and whatever lies behind the openings.
        lamps: Lamps that are on.
        mode: Kind of light: ``day``, ``mixed``, ``evening``, ``dim``.
        sky: Light of the sky through windows, W/m2.
        sun: Direction of the sun's light and its strength, W/m2; strength 0: none.
    """

    kind: str
    size: Point
    floor: Material
    walls: list[Material]
    ceiling: Material
    openings: list[Opening] = dataclasses.field(default_factory=list)
    items: list[Item] = dataclasses.field(default_factory=list)
    boxes: list[Box] = dataclasses.field(default_factory=list)
    lamps: list[Lamp] = dataclasses.field(default_factory=list)
    mode: str = 'day'
    sky: float = 0.0
    sun: tuple[Point, float] = ((0.0, 0.0, -1.0), 0.0)


class Furnisher:
    """Furnisher of a room: every model stands free, within the walls, and not before a door.

    Args:
        room: Room without furniture.
        groups: Models by their use.
        rng: Random numbers.
    """

    def __init__(self, room: Room, groups: Groups, rng: np.random.Generator) -> None:
        self.room, self.groups, self.rng = room, groups, rng
        self.walls = walls_of(*room.size[:2])
        self.solids: list[Footprint] = []
        """Taken space: things, and the space before doors and windows."""
        self._favourites: dict[str, Model] = {}

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return bool(self.rng.random() < probability)

    def number(self, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        return int(self.rng.integers(low, high + 1))

    def uniform(self, low: float, high: float) -> float:
        """Return a number between two."""
        return float(self.rng.uniform(low, high))

    def model(self, group: str, alike: bool = False) -> Model | None:
        """Choose a model of a group; None if it has none.

        Args:
            group: Name of the group.
            alike: True for the same model each time in this room.
        """
        if alike and group in self._favourites:
            return self._favourites[group]
        models = self.groups[group]
        if not models:
            return None
        chosen = models[int(self.rng.integers(len(models)))]
        self._favourites.setdefault(group, chosen)
        return chosen

    def fits(self, space: Footprint, ignored: Sequence[Footprint] = ()) -> bool:
        """Return True if a box lies in the room and overlaps nothing but what is ignored."""
        corners, size = space.corners(), np.asarray(self.room.size[:2])
        if (corners < -1e-6).any() or (corners > size + 1e-6).any():
            return False
        if space.top > self.room.size[2] + 1e-6:
            return False
        return not any(overlap(space, one) for one in self.solids if one not in ignored)

    def put(
        self,
        model: Model,
        at: Floats,
        heading: float,
        bottom: float = 0.0,
        ignored: Sequence[Footprint] = (),
    ) -> Item | None:
        """Place a model if it fits there.

        Args:
            model: The model.
            at: Floor point of its middle.
            heading: Radians.
            bottom: Height of its bottom.
            ignored: Things that it may overlap.
        """
        item = Item(model.key, (float(at[0]), float(at[1]), bottom), heading, model.size)
        if not self.fits(item.footprint, ignored):
            return None
        self.room.items.append(item)
        self.solids.append(item.footprint)
        return item

    def against_wall(
        self,
        group: str,
        walls: Sequence[int] = (0, 1, 2, 3),
        elevation: float | None = None,
        alike: bool = False,
        tries: int = TRIES,
    ) -> Item | None:
        """Place a model with its back to a wall.

        Args:
            group: Group of the model.
            walls: Numbers of the walls to choose from.
            elevation: Height of its bottom; None: that of the catalogue.
            alike: See :meth:`model`.
            tries: Places to try.
        """
        for _ in range(tries):
            model = self.model(group, alike)
            if model is None:
                return None
            wall = self.walls[walls[int(self.rng.integers(len(walls)))]]
            width, depth, _ = model.size
            if width > wall.length:
                continue
            place = self.uniform(width / 2, wall.length - width / 2)
            gap = _GAP if model.elevation else self.uniform(_GAP, 0.06)
            bottom = model.elevation if elevation is None else elevation
            at = wall.point(place, depth / 2 + gap)
            if item := self.put(model, at, wall.heading, bottom):
                return item
        return None

    def free(
        self, group: str, margin: float = 0.3, turned: bool = True, tries: int = TRIES
    ) -> Item | None:
        """Place a model somewhere on the floor.

        Args:
            group: Group of the model.
            margin: Least distance to the walls.
            turned: True for any heading, False for quarter turns.
            tries: Places to try.
        """
        for _ in range(tries):
            model = self.model(group)
            if model is None:
                return None
            heading = self.uniform(0, 2 * np.pi) if turned else np.pi / 2 * self.number(0, 3)
            reach = margin + max(model.size[:2]) / 2
            room = np.asarray(self.room.size[:2])
            if (room < 2 * reach).any():
                continue
            at = reach + self.rng.random(2) * (room - 2 * reach)
            if item := self.put(model, at, heading):
                return item
        return None

    def beside(
        self,
        item: Item,
        group: str,
        side: str,
        gap: float,
        place: float = 0.0,
        inwards: bool = False,
        alike: bool = False,
        jitter: float = 0.0,
    ) -> Item | None:
        """Place a model beside another one.

        Args:
            item: The other one.
            group: Group of the model.
            side: ``front``, ``back``, ``left`` or ``right`` of the other one.
            gap: Distance between them; below 0 the model is pushed under the other.
            place: Offset along that side.
            inwards: True if it faces the other one, False if it faces the same way.
            alike: See :meth:`model`.
            jitter: Largest turn, radians.
        """
        model = self.model(group, alike)
        if model is None:
            return None
        turn = {'front': 0.0, 'right': np.pi / 2, 'back': np.pi, 'left': -np.pi / 2}[side]
        outward = item.heading + turn
        out = np.array([np.sin(outward), -np.cos(outward)])
        along = np.array([np.cos(outward), np.sin(outward)])
        half = item.size[1] / 2 if side in ('front', 'back') else item.size[0] / 2
        heading = outward + np.pi if inwards else item.heading
        across = inwards or side in ('front', 'back')
        own = model.size[1] / 2 if across else model.size[0] / 2
        at = np.asarray(item.position[:2]) + out * (half + gap + own) + along * place
        heading += self.uniform(-jitter, jitter)
        return self.put(model, at, heading, 0.0, [item.footprint] if gap < 0 else ())

    def on_top(self, item: Item, model_top: float | None, group: str, number: int) -> int:
        """Place models on another one; return how many found a place.

        Args:
            item: The other one.
            model_top: Height above its bottom at which things stand on it; None: nothing does.
            group: Group of the models.
            number: How many to try.
        """
        if model_top is None:
            return 0
        placed = 0
        surface = item.position[2] + model_top
        axes = item.footprint.axes()
        for _ in range(number):
            model = self.model(group)
            if model is None:
                return placed
            heading = item.heading + self.uniform(-0.6, 0.6)
            reach = np.asarray(item.size[:2]) / 2 - np.hypot(*model.size[:2]) / 2
            if (reach < 0).any():
                reach = np.asarray(item.size[:2]) / 2 - np.asarray(model.size[:2]) / 2
                heading = item.heading
                if (reach < 0).any():
                    continue
            at = np.asarray(item.position[:2]) + (self.rng.uniform(-1, 1, 2) * reach) @ axes
            placed += self.put(model, at, heading, surface, [item.footprint]) is not None
        return placed

    def keep_clear(self, opening: Opening) -> None:
        """Keep the space before a door or window free of furniture."""
        wall = self.walls[opening.wall]
        space = _WINDOW_SPACE if opening.outside else _DOOR_SPACE
        at = wall.point((opening.begin + opening.end) / 2, space / 2)
        self.solids.append(
            Footprint(
                float(at[0]), float(at[1]), (opening.end - opening.begin) / 2, space / 2,
                wall.heading, opening.bottom, opening.top,
            )
        )  # fmt: skip

    def panel(
        self,
        material: Material,
        size: tuple[float, float],
        bottom: float,
        thickness: float = 0.025,
        wall: int | None = None,
    ) -> bool:
        """Hang a panel, such as a picture, on a wall; return False if no place was found."""
        for _ in range(TRIES // 2):
            number = self.number(0, 3) if wall is None else wall
            own: Wall = self.walls[number]
            if size[0] > own.length:
                continue
            place = self.uniform(size[0] / 2, own.length - size[0] / 2)
            at = own.point(place, thickness / 2 + 0.001)
            space = Footprint(
                float(at[0]), float(at[1]), size[0] / 2, thickness / 2, own.heading,
                bottom, bottom + size[1],
            )  # fmt: skip
            if self.fits(space):
                centre = (space.x, space.y, bottom + size[1] / 2)
                box = Box(centre, (size[0], thickness, size[1]), own.heading, material)
                self.room.boxes.append(box)
                self.solids.append(space)
                return True
        return False
