# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stairs of two flights with a landing; cameras at their foot, on the landing, above."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_training.scenes.builder import Draws, Frame, Ground, Paint, turn
from spike_training.scenes.places.parts import QUARTER, Part, add_parts
from spike_training.scenes.scene import BOX, CYLINDER, Array

_STEPS = 9


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a camera in a stairwell stands and looks, ``[B, 1]`` each.

    Attributes:
        x: World position, metres.
        z: Likewise.
        floor: Height of what it stands on, metres.
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
        there: Scenes that have it, ``[B, 1]``.
        free: Those where it stands free on posts, not between the walls of a stairwell.
        frame: Foot of the first flight, which leads along the frame's z.
        half_w: Half width of a flight, metres.
        rise: Height of a step, metres.
        going: Depth of a step, metres.
        gap: Half of the distance between the flights, metres.
        landing: Half depth of landing and gallery, metres.
    """

    there: Array
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
        end = _STEPS * self.going + 2 * self.landing
        inside = (np.abs(aside) < 2 * self.half_w + self.gap + margin) & (along < end + margin)
        covered: Array = self.there & inside & (along > -2 * self.landing - margin)
        return covered

    def build(self, draws: Draws, paint: Paint, ground: Ground) -> None:
        """Add steps, landing, gallery, balusters and handrails."""
        step = np.arange(_STEPS, dtype=np.float32)
        run = _STEPS * self.going
        mid = _STEPS * self.rise
        surface = paint(
            ('slabs', 'wood', 'plaster', 'gravel', 'plain', 'tiles'),
            1,
            draws(1, 0.5, 2.0),
            bright=paint.colour(1, 0.12, 0.8, 0.2),
        )
        edge = paint(('plain', 'stripes'), 1, 1.0)
        rail = paint(('plain', 'wood'), 1, 1.0)
        surfaces, edges, rails = (np.repeat(part, _STEPS, 1) for part in (surface, edge, rail))
        closed = draws.chance(1, 0.6)  # solid flights, or boards with gaps
        lined, railed = draws.chance(1, 0.4), self.there & draws.chance(1, 0.85)
        thin = draws(1, 0.008, 0.025)
        frame = self.frame
        for second in (False, True):
            aside = (self.half_w + self.gap) * (1 if second else -1)
            top = (step + 1) * self.rise + (mid if second else 0.0)
            along = (step + 0.5) * self.going
            along = run - along if second else along
            # The upper flight is a slab in steps, which one can see below.
            deep = np.where(closed, np.where(second, 1.6 * self.rise, top), 0.05)
            half = (self.half_w, deep / 2, self.going / 2 + 0.015)
            add_parts(
                ground, frame, self.there, [((aside, top - deep / 2, along), half, surfaces, BOX)]
            )
            nose: Part = (
                (aside, top - 0.015, along + self.going / 2 * (1 if second else -1)),
                (self.half_w, 0.016, 0.02),
                edges,
                BOX,
            )
            add_parts(ground, frame, self.there & lined, [nose])
            for hand in (-1, 1):
                place = aside + hand * (self.half_w - 0.03)
                add_parts(
                    ground,
                    frame,
                    railed & ((hand > 0) != second),
                    [
                        ((place, top + 0.45, along), (thin, 0.45, thin), rails, CYLINDER),
                        (
                            (place, top + 0.92, along),
                            (0.025, 0.03, self.going / 2 + 0.02),
                            rails,
                            BOX,
                        ),
                    ],
                )
        wide = 2 * self.half_w + self.gap
        slab = draws(1, 0.08, 0.15)
        add_parts(
            ground,
            frame,
            self.there,
            [
                (
                    (0.0, mid - slab, run + self.landing),
                    (wide, slab, self.landing),
                    surface,
                    BOX,
                ),
                (
                    (0.0, 2 * mid - slab, -self.landing),
                    (wide, slab, self.landing),
                    surface,
                    BOX,
                ),
            ],
        )
        for level, along in (
            (mid, run + 2 * self.landing - 0.1),
            (2 * mid, 0.1 - 2 * self.landing),
        ):
            tall = level / 2 - slab
            pair: list[Part] = [
                ((k * (wide - 0.1), tall, along), (0.07, tall, 0.07), rail, CYLINDER)
                for k in (-1, 1)
            ]
            add_parts(ground, frame, self.free, pair)
        # The gallery's railing beside the upper flight, over the lower one.
        posts = self.half_w * (np.arange(6, dtype=np.float32) / 2.5 - 1)
        aside = -(self.half_w + self.gap) + posts
        add_parts(
            ground,
            frame,
            railed,
            [
                ((aside, 2 * mid + 0.45, -0.05), (thin, 0.45, thin), rails[:, :6], CYLINDER),
                (
                    (-(self.half_w + self.gap), 2 * mid + 0.92, -0.05),
                    (self.half_w + self.gap, 0.03, 0.025),
                    rail,
                    BOX,
                ),
            ],
        )


def stairs(
    draws: Draws, shell: tuple[Array, Array, Array], there: Array, well: Array
) -> tuple[Flight, Standing]:
    """Sample a staircase and where the camera of a stairwell stands.

    Args:
        draws: Random numbers.
        shell: Half sizes along x and z and the height of the room, ``[B, 1]`` metres.
        there: Scenes with stairs, ``[B, 1]``.
        well: Those of them that are stairwells; elsewhere stairs stand free in the room.
    """
    half_x, half_z, height = shell
    gap = draws(1, 0.03, 0.25)
    half_w = np.minimum(draws(1, 0.45, 0.9), np.where(well, (half_x - gap) / 2, 0.9))
    half_w = half_w.astype(np.float32)
    # Two flights reach a gallery below the ceiling that one can stand on.
    rise = np.minimum(draws(1, 0.15, 0.19), (height - 1.2) / (2 * _STEPS))
    going = np.minimum(draws(1, 0.25, 0.32), np.where(well, (2 * half_z - 2.4) / _STEPS, 1.0))
    landing = np.where(well, (2 * half_z - _STEPS * going) / 4, draws(1, 0.5, 0.8))
    run = _STEPS * going
    x = np.where(well, 0.0, draws(1, -0.7, 0.7) * np.maximum(half_x - 2.0, 0.0))
    z = np.where(well, 2 * landing - half_z, draws(1, -0.6, 0.3) * half_z)
    angle = np.where(well, 0.0, QUARTER * draws.choose(1, [0, 1, 2, 3]))
    frame = Frame(x.astype(np.float32), 0.0, z.astype(np.float32), turn(angle))
    flight = Flight(
        there=there,
        free=there & ~well,
        frame=frame,
        half_w=half_w,
        rise=rise.astype(np.float32),
        going=going.astype(np.float32),
        gap=gap,
        landing=landing.astype(np.float32),
    )
    where = draws(1)
    foot, middle = where < 0.4, (where >= 0.4) & (where < 0.7)
    stand_x = draws(1, -1, 1) * np.maximum(half_w + gap, 0.1)
    depth = landing * draws(1, 0.5, 1.6)
    stand_z = np.where(middle, z + run + depth, z - depth)
    level = np.where(foot, 0.0, np.where(middle, _STEPS * rise, 2 * _STEPS * rise))
    back = np.where(middle, 2 * QUARTER, 0.0)
    standing = Standing(
        x=stand_x.astype(np.float32),
        z=stand_z.astype(np.float32),
        floor=level.astype(np.float32),
        yaw=(back + draws(1, -0.8, 0.8)).astype(np.float32),
        pitch=np.where(foot, np.float32(0.1), np.float32(-0.35)),
        reach=landing.astype(np.float32),
    )
    return flight, standing
