# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stairs of two flights with a landing; cameras at their foot, on the landing, above."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_worlds.building.light import Site
from spike_worlds.building.materials import Colour, Material, repeat
from spike_worlds.building.primitives import Frame, Part
from spike_worlds.building.sampler import ALL, QUARTER_TURN, Sampler, cos_sin
from spike_worlds.scene import CYLINDER, Array

STAIRS_STEPS = 9  # in each flight
STAIRS_HALF_GAP = (0.03, 0.25)  # half of the distance between the flights
STAIRS_HALF_WIDTH = (0.45, 0.9)  # of a flight
STAIRS_FREE_WIDTH = 0.9  # greatest half width of stairs that stand free
STAIRS_RISE = (0.15, 0.19)  # height of a step
STAIRS_HEADROOM = 1.2  # between gallery and ceiling, at least
STAIRS_GOING = (0.25, 0.32)  # depth of a step
STAIRS_FREE_GOING = 1.0  # greatest depth of a step of stairs that stand free
STAIRS_LANDINGS = 2.4  # length of landing and gallery together in a stairwell, at least
STAIRS_LANDING = (0.5, 0.8)  # half depth of landing and gallery of stairs that stand free
STAIRS_WALLS = 2.0  # from their foot to the side walls, at least
STAIRS_ASIDE = 0.7  # greatest way from the middle of the room / free length
STAIRS_ALONG = (-0.6, 0.3)  # place / half length of the room

# Parts of stairs.
STRUCTURE_CLOSED = 0.6  # probability of solid flights; the others are boards with gaps
STRUCTURE_BOARD = 0.05  # thickness of the boards, m
STRUCTURE_SLAB = 1.6  # thickness of a solid upper flight / rise of a step
STRUCTURE_LINED = 0.4  # probability of a line on the steps' edges
STRUCTURE_LANDING_SLAB = (0.08, 0.15)  # half thickness of landing and gallery

# Railings of stairs.
RAILING_CHANCE = 0.85  # probability of railings
RAILING_HALF = (0.008, 0.025)  # half thickness of a baluster
RAILING_TALL = 0.45  # half height of balusters
RAILING_INSET = 0.03  # from the edge of the steps to the balusters
RAILING_HEIGHT = 0.92  # of the handrail above the steps, m
RAILING_HAND = (0.025, 0.03)  # half width and half height of the handrail
RAILING_GALLERY_POSTS = 6  # number of balusters at the gallery
RAILING_GALLERY_STEP = 2.5  # number of steps between them / half of the gallery's railing

# Cameras in stairwells.
STANDING_FOOT = 0.4  # share of cameras at the foot
STANDING_NOT_ABOVE = 0.7  # share of cameras at the foot and on the landing
STANDING_FREE = 0.1  # least half width of the places of cameras
STANDING_DEPTH = (0.5, 1.6)  # from the flights / half depth of the landing
STANDING_TURNED = 0.8  # greatest angle to the flights
STANDING_FOOT_PITCH = 0.1  # mean pitch at the foot
STANDING_ABOVE_PITCH = -0.35  # mean pitch elsewhere
SURFACE = Material(
    ('slabs', 'wood', 'plaster', 'gravel', 'plain', 'tiles'),
    (0.5, 2.0),
    bright=Colour(0.12, 0.8, 0.2),
)
EDGE = Material(('plain', 'stripes'), 1.0)
RAIL = Material(('plain', 'wood'), 1.0)
_Steps = tuple[Array, Array, Array]  # middles to the side, heights of surfaces, places in depth


@dataclasses.dataclass(frozen=True)
class Standing:
    """Cameras in stairwells, ``[B, 1]`` each."""

    x: Array  # world position
    z: Array
    floor: Array  # height of their floor
    yaw: Array
    pitch: Array  # mean view upwards: upwards from the foot, downwards from above
    reach: Array  # half depth of the flat floor around the camera


@dataclasses.dataclass(frozen=True)
class Flight:
    """A staircase: a flight up to a landing, and a flight back from there to a gallery."""

    mask: Array  # scenes that have it, ``[B, 1]``
    free: Array  # those where it stands free on posts, not between the walls of a stairwell
    frame: Frame  # foot of the first flight, which leads along the frame's z
    half_w: Array  # half width of a flight
    rise: Array  # height of a step
    going: Array  # depth of a step
    gap: Array  # half of the distance between the flights
    landing: Array  # half depth of landing and gallery

    def covers(self, x: Array, z: Array, margin: float) -> Array:
        """Mask of the positions on or under the stairs, ``[B, k]``; False where there are none."""
        c, s = self.frame.heading
        x, z = x - self.frame.x, z - self.frame.z
        aside: Array = c * x - s * z
        along: Array = s * x + c * z
        end = STAIRS_STEPS * self.going + 2 * self.landing
        inside = (np.abs(aside) < 2 * self.half_w + self.gap + margin) & (along < end + margin)
        covered: Array = self.mask & inside & (along > -2 * self.landing - margin)
        return covered

    def build(self, site: Site) -> None:
        """Add steps, landing, gallery, balusters and handrails."""
        sampler, sample = site.sampler, site.materials.sample
        surface, edge, rail = sample(SURFACE, 1), sample(EDGE, 1), sample(RAIL, 1)
        closed = sampler.chance(1, STRUCTURE_CLOSED)
        lined = sampler.chance(1, STRUCTURE_LINED)
        railed = self.mask & sampler.chance(1, RAILING_CHANCE)
        thin = sampler.uniform(1, RAILING_HALF)
        for second in (False, True):
            steps = self._steps(second)
            self._add_steps(site, steps, second, closed, surface)
            self._add_edges(site, steps, second, lined, edge)
            self._add_railings(site, steps, second, railed, (thin, rail))
        slab = sampler.uniform(1, STRUCTURE_LANDING_SLAB)
        self._add_landings(site, slab, surface)
        self._add_posts(site, slab, rail)
        self._add_gallery_railing(site, railed, thin, rail)

    @property
    def _storey(self) -> Array:
        """Height of the landing, metres."""
        return STAIRS_STEPS * self.rise

    def _steps(self, second: bool) -> _Steps:
        """Return the steps of a flight."""
        step = np.arange(STAIRS_STEPS, dtype=np.float32)
        aside = (self.half_w + self.gap) * (1 if second else -1)
        top = (step + 1) * self.rise + (self._storey if second else 0.0)
        along = (step + 0.5) * self.going
        return aside, top, STAIRS_STEPS * self.going - along if second else along

    def _add_steps(
        self, site: Site, steps: _Steps, second: bool, closed: Array, surface: Array
    ) -> None:
        aside, top, along = steps
        # The upper flight is a stepped slab with free space below.
        solid = np.where(second, STRUCTURE_SLAB * self.rise, top)
        deep = np.where(closed, solid, STRUCTURE_BOARD)
        half = (self.half_w, deep / 2, self.going / 2 + 0.015)
        step = Part((aside, top - deep / 2, along), half, repeat(surface, STAIRS_STEPS))
        site.primitives.add_parts(self.frame, self.mask, [step])

    def _add_edges(
        self, site: Site, steps: _Steps, second: bool, lined: Array, edge: Array
    ) -> None:
        aside, top, along = steps
        front = along + self.going / 2 * (1 if second else -1)
        half, edges = (self.half_w, 0.016, 0.02), repeat(edge, STAIRS_STEPS)
        nose = Part((aside, top - 0.015, front), half, edges)
        site.primitives.add_parts(self.frame, self.mask & lined, [nose])

    def _add_railings(
        self, site: Site, steps: _Steps, second: bool, railed: Array, looks: tuple[Array, Array]
    ) -> None:
        """Add balusters and a handrail at one side of a flight, of a thickness and material."""
        (aside, top, along), thin, rails = steps, looks[0], repeat(looks[1], STAIRS_STEPS)
        wide, high = RAILING_HAND
        for hand in (-1, 1):
            place = aside + hand * (self.half_w - RAILING_INSET)
            piece = (wide, high, self.going / 2 + 0.02)
            post = (thin, RAILING_TALL, thin)
            parts = [
                Part((place, top + RAILING_TALL, along), post, rails, CYLINDER),
                Part((place, top + RAILING_HEIGHT, along), piece, rails),
            ]
            site.primitives.add_parts(self.frame, railed & ((hand > 0) != second), parts)

    def _add_landings(self, site: Site, slab: Array, surface: Array) -> None:
        half = (2 * self.half_w + self.gap, slab, self.landing)
        run, mid = STAIRS_STEPS * self.going, self._storey
        parts = [
            Part((0.0, mid - slab, run + self.landing), half, surface),
            Part((0.0, 2 * mid - slab, -self.landing), half, surface),
        ]
        site.primitives.add_parts(self.frame, self.mask, parts)

    def _add_posts(self, site: Site, slab: Array, material: Array) -> None:
        """Add the posts of landing and gallery of stairs that stand free."""
        wide, inset, thick = 2 * self.half_w + self.gap, 0.1, 0.07
        run, mid = STAIRS_STEPS * self.going, self._storey
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
        number, level = RAILING_GALLERY_POSTS, 2 * self._storey
        shares = np.arange(number, dtype=np.float32) / RAILING_GALLERY_STEP - 1
        aside = -(self.half_w + self.gap) + self.half_w * shares
        wide, high = RAILING_HAND
        along, post = -0.05, (thin, RAILING_TALL, thin)
        hand = Part(
            (-(self.half_w + self.gap), level + RAILING_HEIGHT, along),
            (self.half_w + self.gap, high, wide),
            rail,
        )
        balusters = Part(
            (aside, level + RAILING_TALL, along), post, repeat(rail, number), CYLINDER
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
    (half_x, half_z, height), steps = shell, STAIRS_STEPS
    gap = sampler.uniform(1, STAIRS_HALF_GAP)
    widest = np.where(well, (half_x - gap) / 2, STAIRS_FREE_WIDTH)
    half_w = np.minimum(sampler.uniform(1, STAIRS_HALF_WIDTH), widest)
    # Two flights reach a gallery with headroom below the ceiling.
    highest = (height - STAIRS_HEADROOM) / (2 * steps)
    rise = np.minimum(sampler.uniform(1, STAIRS_RISE), highest)
    deepest = np.where(well, (2 * half_z - STAIRS_LANDINGS) / steps, STAIRS_FREE_GOING)
    going = np.minimum(sampler.uniform(1, STAIRS_GOING), deepest)
    rest = (2 * half_z - steps * going) / 4
    landing = np.where(well, rest, sampler.uniform(1, STAIRS_LANDING))
    free_x = np.maximum(half_x - STAIRS_WALLS, 0.0)
    x = np.where(well, 0.0, sampler.symmetric(1, STAIRS_ASIDE) * free_x)
    z = np.where(well, 2 * landing - half_z, sampler.uniform(1, STAIRS_ALONG) * half_z)
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

    Foot of the stairs along z, rise, going and landing are exact: as they were sampled.
    """
    (z, rise, going, landing), steps = exact, STAIRS_STEPS
    where = sampler(1)
    foot = where < STANDING_FOOT
    middle = (where >= STANDING_FOOT) & (where < STANDING_NOT_ABOVE)
    x = sampler.uniform(1, ALL) * np.maximum(flight.half_w + flight.gap, STANDING_FREE)
    depth = landing * sampler.uniform(1, STANDING_DEPTH)
    along = np.where(middle, z + steps * going + depth, z - depth)
    level = np.where(foot, 0.0, np.where(middle, steps * rise, 2 * steps * rise))
    back = np.where(middle, 2 * QUARTER_TURN, 0.0)
    pitches = np.float32(STANDING_FOOT_PITCH), np.float32(STANDING_ABOVE_PITCH)
    return Standing(
        x=x.astype(np.float32),
        z=along.astype(np.float32),
        floor=level.astype(np.float32),
        yaw=(back + sampler.symmetric(1, STANDING_TURNED)).astype(np.float32),
        pitch=np.where(foot, *pitches),
        reach=landing.astype(np.float32),
    )
