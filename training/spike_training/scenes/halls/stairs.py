# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stairs of two flights with a landing; cameras at their foot, on the landing, above."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Colour, Material, repeat
from spike_training.scenes.building.primitives import Frame, Part
from spike_training.scenes.building.sampler import ALL, QUARTER_TURN, Range, Sampler, cos_sin
from spike_training.scenes.scene import CYLINDER, Array


class StairsConfig(NamedTuple):
    """Sizes and places of stairs. Lengths in metres.

    Attributes:
        steps: In each flight.
        half_gap: Half of the distance between the flights.
        half_width: Of a flight.
        free_width: Greatest half width of stairs that stand free.
        rise: Height of a step.
        headroom: Between gallery and ceiling, at least.
        going: Depth of a step.
        free_going: Greatest depth of a step of stairs that stand free.
        landings: Length of landing and gallery together in a stairwell, at least.
        landing: Half depth of landing and gallery of stairs that stand free.
        walls: From their foot to the side walls, at least.
        aside: Greatest way from the middle of the room, over the free length.
        along: Place over the room's half length.
    """

    steps: int = 9
    half_gap: Range = (0.03, 0.25)
    half_width: Range = (0.45, 0.9)
    free_width: float = 0.9
    rise: Range = (0.15, 0.19)
    headroom: float = 1.2
    going: Range = (0.25, 0.32)
    free_going: float = 1.0
    landings: float = 2.4
    landing: Range = (0.5, 0.8)
    walls: float = 2.0
    aside: float = 0.7
    along: Range = (-0.6, 0.3)


class StructureConfig(NamedTuple):
    """Parts of stairs. Lengths in metres.

    Attributes:
        closed: Probability of solid flights; the others are boards with gaps.
        board: Thickness of these boards.
        slab: Thickness of a solid upper flight over the rise of a step.
        overlap: Of each step over the next.
        lined: Probability of a line on the steps' edges.
        nose_below: From the step's surface to the middle of the line.
        nose: Half height and half depth of the line.
        landing_slab: Half thickness of landing and gallery.
        post: Half thickness of the posts that carry them.
        post_inset: From their edges to its middle.
    """

    closed: float = 0.6
    board: float = 0.05
    slab: float = 1.6
    overlap: float = 0.015
    lined: float = 0.4
    nose_below: float = 0.015
    nose: tuple[float, float] = (0.016, 0.02)
    landing_slab: Range = (0.08, 0.15)
    post: float = 0.07
    post_inset: float = 0.1


class RailingConfig(NamedTuple):
    """Railings of stairs. Lengths in metres.

    Attributes:
        chance: Probability of railings.
        half: Half thickness of a baluster.
        tall: Half height of balusters.
        inset: From the edge of the steps to the balusters.
        height: Of the handrail over the steps.
        hand: Half width and half height of the handrail.
        overlap: Of each piece of it over the next.
        gallery_posts: Number of balusters at the gallery.
        gallery_step: Number of steps between them over half of the gallery's railing.
        gallery_along: From the edge to the gallery's railing.
    """

    chance: float = 0.85
    half: Range = (0.008, 0.025)
    tall: float = 0.45
    inset: float = 0.03
    height: float = 0.92
    hand: tuple[float, float] = (0.025, 0.03)
    overlap: float = 0.02
    gallery_posts: int = 6
    gallery_step: float = 2.5
    gallery_along: float = -0.05


class StandingConfig(NamedTuple):
    """Cameras in stairwells. Angles in radians.

    Attributes:
        foot: Share of cameras at the foot.
        not_above: Share of cameras at the foot and on the landing.
        free: Least half width of their places, metres.
        depth: From the flights, over the half depth of the landing.
        turned: Greatest angle to the flights.
        foot_pitch: Mean pitch at the foot.
        above_pitch: Mean pitch elsewhere.
    """

    foot: float = 0.4
    not_above: float = 0.7
    free: float = 0.1
    depth: Range = (0.5, 1.6)
    turned: float = 0.8
    foot_pitch: float = 0.1
    above_pitch: float = -0.35


STAIRS, STRUCTURE = StairsConfig(), StructureConfig()
RAILING, STANDING = RailingConfig(), StandingConfig()
SURFACE = Material(
    ('slabs', 'wood', 'plaster', 'gravel', 'plain', 'tiles'),
    (0.5, 2.0),
    bright=Colour(0.12, 0.8, 0.2),
)
EDGE = Material(('plain', 'stripes'), 1.0)
RAIL = Material(('plain', 'wood'), 1.0)


@dataclasses.dataclass(frozen=True)
class Standing:
    """Cameras in stairwells, ``[B, 1]`` each.

    Attributes:
        x: World position, metres.
        z: Likewise.
        floor: Height of their floor, metres.
        yaw: Radians.
        pitch: Mean view upwards, radians: upwards from the foot, downwards from above.
        reach: Half depth of the flat floor around the camera, metres.
    """

    x: Array
    z: Array
    floor: Array
    yaw: Array
    pitch: Array
    reach: Array


@dataclasses.dataclass(frozen=True)
class Flight:
    """A staircase: a flight up to a landing, and a flight back from there to a gallery.

    Attributes:
        mask: Scenes that have it, ``[B, 1]``.
        free: Those where it stands free on posts, not between the walls of a stairwell.
        frame: Foot of the first flight, which leads along the frame's z.
        half_w: Half width of a flight, metres.
        rise: Height of a step, metres.
        going: Depth of a step, metres.
        gap: Half of the distance between the flights, metres.
        landing: Half depth of landing and gallery, metres.
    """

    mask: Array
    free: Array
    frame: Frame
    half_w: Array
    rise: Array
    going: Array
    gap: Array
    landing: Array

    def covers(self, x: Array, z: Array, margin: float) -> Array:
        """Mask of the positions on or under the stairs, ``[B, k]``; False where there are none."""
        c, s = self.frame.heading
        x, z = x - self.frame.x, z - self.frame.z
        aside: Array = c * x - s * z
        along: Array = s * x + c * z
        end = STAIRS.steps * self.going + 2 * self.landing
        inside = (np.abs(aside) < 2 * self.half_w + self.gap + margin) & (along < end + margin)
        covered: Array = self.mask & inside & (along > -2 * self.landing - margin)
        return covered

    def build(self, site: Site) -> None:
        """Add steps, landing, gallery, balusters and handrails."""
        sampler, sample = site.sampler, site.materials.sample
        surface, edge, rail = sample(SURFACE, 1), sample(EDGE, 1), sample(RAIL, 1)
        closed = sampler.chance(1, STRUCTURE.closed)
        lined = sampler.chance(1, STRUCTURE.lined)
        railed = self.mask & sampler.chance(1, RAILING.chance)
        thin = sampler.uniform(1, RAILING.half)
        for second in (False, True):
            steps = self._steps(second)
            self._add_steps(site, steps, second, closed, surface)
            self._add_edges(site, steps, second, lined, edge)
            self._add_railings(site, steps, second, railed, (thin, rail))
        slab = sampler.uniform(1, STRUCTURE.landing_slab)
        self._add_landings(site, slab, surface)
        self._add_posts(site, slab, rail)
        self._add_gallery_railing(site, railed, thin, rail)

    @property
    def _storey(self) -> Array:
        """Height of the landing, metres."""
        return STAIRS.steps * self.rise

    def _steps(self, second: bool) -> tuple[Array, Array, Array]:
        """Return middles of a flight's steps to the side, heights of surfaces, and depths."""
        step = np.arange(STAIRS.steps, dtype=np.float32)
        aside = (self.half_w + self.gap) * (1 if second else -1)
        top = (step + 1) * self.rise + (self._storey if second else 0.0)
        along = (step + 0.5) * self.going
        return aside, top, STAIRS.steps * self.going - along if second else along

    def _add_steps(
        self,
        site: Site,
        steps: tuple[Array, Array, Array],
        second: bool,
        closed: Array,
        surface: Array,
    ) -> None:
        aside, top, along = steps
        # The upper flight is a stepped slab with free space below.
        solid = np.where(second, STRUCTURE.slab * self.rise, top)
        deep = np.where(closed, solid, STRUCTURE.board)
        half = (self.half_w, deep / 2, self.going / 2 + STRUCTURE.overlap)
        step = Part((aside, top - deep / 2, along), half, repeat(surface, STAIRS.steps))
        site.primitives.add_parts(self.frame, self.mask, [step])

    def _add_edges(
        self,
        site: Site,
        steps: tuple[Array, Array, Array],
        second: bool,
        lined: Array,
        edge: Array,
    ) -> None:
        aside, top, along = steps
        front = along + self.going / 2 * (1 if second else -1)
        nose = Part(
            (aside, top - STRUCTURE.nose_below, front),
            (self.half_w, *STRUCTURE.nose),
            repeat(edge, STAIRS.steps),
        )
        site.primitives.add_parts(self.frame, self.mask & lined, [nose])

    def _add_railings(
        self,
        site: Site,
        steps: tuple[Array, Array, Array],
        second: bool,
        railed: Array,
        looks: tuple[Array, Array],
    ) -> None:
        """Add balusters and a handrail at one side of a flight, of a thickness and material."""
        (aside, top, along), thin, rails = steps, looks[0], repeat(looks[1], STAIRS.steps)
        wide, high = RAILING.hand
        for hand in (-1, 1):
            place = aside + hand * (self.half_w - RAILING.inset)
            piece = (wide, high, self.going / 2 + RAILING.overlap)
            post = (thin, RAILING.tall, thin)
            parts = [
                Part((place, top + RAILING.tall, along), post, rails, CYLINDER),
                Part((place, top + RAILING.height, along), piece, rails),
            ]
            site.primitives.add_parts(self.frame, railed & ((hand > 0) != second), parts)

    def _add_landings(self, site: Site, slab: Array, surface: Array) -> None:
        half = (2 * self.half_w + self.gap, slab, self.landing)
        run, mid = STAIRS.steps * self.going, self._storey
        parts = [
            Part((0.0, mid - slab, run + self.landing), half, surface),
            Part((0.0, 2 * mid - slab, -self.landing), half, surface),
        ]
        site.primitives.add_parts(self.frame, self.mask, parts)

    def _add_posts(self, site: Site, slab: Array, material: Array) -> None:
        """Add the posts of landing and gallery of stairs that stand free."""
        wide, inset, thick = 2 * self.half_w + self.gap, STRUCTURE.post_inset, STRUCTURE.post
        run, mid = STAIRS.steps * self.going, self._storey
        ends = (run + 2 * self.landing - inset, inset - 2 * self.landing)
        for level, along in zip((mid, 2 * mid), ends, strict=True):
            tall = level / 2 - slab
            half = (thick, tall, thick)
            pair = [
                Part((side * (wide - inset), tall, along), half, material, CYLINDER)
                for side in (-1, 1)
            ]
            site.primitives.add_parts(self.frame, self.free, pair)

    def _add_gallery_railing(self, site: Site, railed: Array, thin: Array, rail: Array) -> None:
        """Add the gallery's railing beside the upper flight, over the lower one."""
        number, level = RAILING.gallery_posts, 2 * self._storey
        shares = np.arange(number, dtype=np.float32) / RAILING.gallery_step - 1
        aside = -(self.half_w + self.gap) + self.half_w * shares
        wide, high = RAILING.hand
        along, post = RAILING.gallery_along, (thin, RAILING.tall, thin)
        hand = Part(
            (-(self.half_w + self.gap), level + RAILING.height, along),
            (self.half_w + self.gap, high, wide),
            rail,
        )
        balusters = Part(
            (aside, level + RAILING.tall, along), post, repeat(rail, number), CYLINDER
        )
        site.primitives.add_parts(self.frame, railed, [balusters, hand])


def sample_stairs(
    sampler: Sampler, shell: tuple[Array, Array, Array], mask: Array, well: Array
) -> tuple[Flight, Standing]:
    """Sample a staircase, and the place of the camera in a stairwell.

    Args:
        sampler: Random numbers.
        shell: Half sizes along x and z and the height of the room, ``[B, 1]`` metres.
        mask: Scenes with stairs, ``[B, 1]``.
        well: Those of them that are stairwells; elsewhere stairs stand free in the room.
    """
    half_x, half_z, height = shell
    config, steps = STAIRS, STAIRS.steps
    gap = sampler.uniform(1, config.half_gap)
    widest = np.where(well, (half_x - gap) / 2, config.free_width)
    half_w = np.minimum(sampler.uniform(1, config.half_width), widest)
    # Two flights reach a gallery with headroom below the ceiling.
    highest = (height - config.headroom) / (2 * steps)
    rise = np.minimum(sampler.uniform(1, config.rise), highest)
    deepest = np.where(well, (2 * half_z - config.landings) / steps, config.free_going)
    going = np.minimum(sampler.uniform(1, config.going), deepest)
    rest = (2 * half_z - steps * going) / 4
    landing = np.where(well, rest, sampler.uniform(1, config.landing))
    free_x = np.maximum(half_x - config.walls, 0.0)
    x = np.where(well, 0.0, sampler.symmetric(1, config.aside) * free_x)
    z = np.where(well, 2 * landing - half_z, sampler.uniform(1, config.along) * half_z)
    angle = np.where(well, 0.0, QUARTER_TURN * sampler.choose(1, range(4)))
    flight = Flight(
        mask=mask,
        free=mask & ~well,
        frame=Frame(x.astype(np.float32), 0.0, z.astype(np.float32), cos_sin(angle)),
        half_w=half_w.astype(np.float32),
        rise=rise.astype(np.float32),
        going=going.astype(np.float32),
        gap=gap,
        landing=landing.astype(np.float32),
    )
    return flight, _sample_standing(sampler, flight, (z, rise, going, landing))


def _sample_standing(
    sampler: Sampler, flight: Flight, exact: tuple[Array, Array, Array, Array]
) -> Standing:
    """Sample cameras at the foot, on the landing, on the gallery.

    Args:
        sampler: Random numbers.
        flight: The stairs.
        exact: Foot of the stairs along z, rise, going and landing as they were sampled.
    """
    z, rise, going, landing = exact
    config, steps = STANDING, STAIRS.steps
    where = sampler(1)
    foot = where < config.foot
    middle = (where >= config.foot) & (where < config.not_above)
    x = sampler.uniform(1, ALL) * np.maximum(flight.half_w + flight.gap, config.free)
    depth = landing * sampler.uniform(1, config.depth)
    along = np.where(middle, z + steps * going + depth, z - depth)
    level = np.where(foot, 0.0, np.where(middle, steps * rise, 2 * steps * rise))
    back = np.where(middle, 2 * QUARTER_TURN, 0.0)
    pitches = np.float32(config.foot_pitch), np.float32(config.above_pitch)
    return Standing(
        x=x.astype(np.float32),
        z=along.astype(np.float32),
        floor=level.astype(np.float32),
        yaw=(back + sampler.symmetric(1, config.turned)).astype(np.float32),
        pitch=np.where(foot, *pitches),
        reach=landing.astype(np.float32),
    )
