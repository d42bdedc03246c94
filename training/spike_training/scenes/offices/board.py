# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whiteboards with writing and notes, pin boards, large screens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from spike_training.scenes.building.light import Site
from spike_training.scenes.building.materials import Grey, Material
from spike_training.scenes.building.sampler import QUARTER_TURN, Range, cos_sin
from spike_training.scenes.rooms.config import Room


class BoardConfig(NamedTuple):
    """Boards on the far wall and both side walls. Lengths in metres.

    Attributes:
        number: Boards in a room, one on each wall.
        half_width: Limits.
        half_height: Limits.
        height: Of their middles.
        along: Greatest way from the middle of the wall, over its half length.
        half_frame: Half thickness of the frame.
        rim: Width of the frame around the board.
        half_board: Half thickness of the board.
        room_height: Height of rooms too low for boards.
    """

    number: int = 3
    half_width: Range = (0.5, 1.3)
    half_height: Range = (0.35, 0.6)
    height: float = 1.5
    along: float = 0.7
    half_frame: float = 0.02
    rim: float = 0.025
    half_board: float = 0.028
    room_height: float = 2.2


BOARD = BoardConfig()
WALLS = (0.0, -1.0, 1.0)
"""0 for the far wall, else the sign of a side wall."""
SURFACE = Material(
    ('text', 'plain', 'poster', 'screen'), bright=Grey((0.6, 0.95)), fit=True, contrast=0.9
)
FRAME = Material(('plain',), 0.6)


def add_boards(site: Site, room: Room) -> None:
    """Add a framed board to each of three walls."""
    sampler, number = site.sampler, BOARD.number
    wide, tall = sampler.uniforms(number, BOARD.half_width, BOARD.half_height)
    board = site.materials.sample(SURFACE, number, (2 * wide, 2 * tall))
    frame = site.materials.sample(FRAME, number)
    side = np.array(WALLS, np.float32)
    along = sampler.symmetric(number, BOARD.along)
    for thick, rim, material in (
        (BOARD.half_frame, BOARD.rim, frame),
        (BOARD.half_board, 0.0, board),
    ):
        x = np.where(side == 0, along * room.half_x, side * (room.half_x - thick))
        z = np.where(side == 0, room.half_z - thick, along * room.half_z)
        site.primitives.add(
            (x, BOARD.height, z),
            (wide + rim, tall + rim, thick),
            material,
            heading=cos_sin(np.broadcast_to(np.abs(side) * QUARTER_TURN, along.shape)),
            mask=room.height > BOARD.room_height,
        )
