# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny set of rendered rooms, written without Blender, and a catalogue without archives."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from spike_worlds import rendered_set
from spike_worlds.blender.catalogue import Model

HEIGHT, WIDTH = 32, 48


def write_rooms(root: Path, rooms: int = 4, views: int = 5, focal: float = 40.0) -> Path:
    """Write a set whose view k of room r is a wall at ``1 + r + k / 10`` metres below sky."""
    root.mkdir(parents=True, exist_ok=True)
    manifest = {'format': rendered_set.FORMAT, 'version': rendered_set.VERSION}
    (root / rendered_set.MANIFEST).write_text(json.dumps(manifest))
    for room in range(rooms):
        for view in range(views):
            write_view(root, room, view, focal)
    return root


def write_view(root: Path, room: int, view: int, focal: float = 40.0) -> Path:
    folder = root / rendered_set.room_name(room) / rendered_set.view_name(view)
    folder.mkdir(parents=True)
    texture = np.random.default_rng([room, view]).integers(40, 220, (HEIGHT, WIDTH, 3), np.uint8)
    for name, shift in zip(rendered_set.FRAMES, (0, 1), strict=True):
        Image.fromarray(np.roll(texture, shift, 1)).save(folder / name, quality=95)
    depth = np.full((HEIGHT, WIDTH), 1000 + 1000 * room + 100 * view, np.uint16)
    depth[:4] = rendered_set.SKY
    Image.fromarray(depth).save(folder / rendered_set.DEPTH)
    files = (*rendered_set.FRAMES, rendered_set.DEPTH)
    about = {
        'camera': [[focal, 0, (WIDTH - 1) / 2], [0, focal, (HEIGHT - 1) / 2], [0, 0, 1]],
        'times_s': [0.0, 0.01],
        'mean_rate': 0.2,
        'bytes': {name: (folder / name).stat().st_size for name in files},
    }
    (folder / rendered_set.VIEW).write_text(json.dumps(about))
    return folder


def models() -> dict[str, Model]:
    """Return models of the sizes of real furniture, without archives."""
    pieces = [
        ('sofa', 'Sofa', 'Living room', (2.0, 0.9, 0.8), 0.4),
        ('coffee', 'Coffee table', 'Living room', (1.1, 0.6, 0.45), 0.45),
        ('stand', 'TV stand', 'Living room', (1.3, 0.45, 0.5), 0.5),
        ('tv', 'TV', 'Living room', (0.8, 0.15, 0.5), None),
        ('table', 'Table', 'Living room', (1.4, 0.8, 0.75), 0.75),
        ('chair', 'Chair', 'Living room', (0.45, 0.5, 0.9), 0.45),
        ('bookcase', 'Bookcase', 'Living room', (0.9, 0.35, 1.8), 1.8),
        ('plant', 'Plant', 'Living room', (0.6, 0.6, 1.1), None),
        ('vase', 'Vase', 'Miscellaneous', (0.2, 0.2, 0.3), None),
        ('bed', 'Bed', 'Bedroom', (1.6, 2.1, 0.9), 0.5),
        ('wardrobe', 'Wardrobe', 'Bedroom', (1.8, 0.6, 2.0), 2.0),
        ('desk', 'Desk', 'Office', (1.4, 0.7, 0.74), 0.74),
        ('swivel', 'Office chair', 'Office', (0.6, 0.6, 1.0), 0.5),
        ('laptop', 'Laptop', 'Office', (0.34, 0.25, 0.26), None),
        ('lower', 'Lower cabinet', 'Kitchen', (0.6, 0.6, 0.88), 0.88),
        ('box', 'Box', 'Miscellaneous', (0.5, 0.4, 0.4), 0.4),
        ('bench', 'Bench', 'Living room', (1.2, 0.45, 0.45), 0.45),
        ('door', 'Door', 'Doors and windows', (0.9, 0.15, 2.1), None),
    ]
    made = {key: Model(key, name, kind, size, 0.0, top) for key, name, kind, size, top in pieces}
    for key, name, kind, size, elevation in (
        ('upper', 'Upper cabinet', 'Kitchen', (0.6, 0.35, 0.7), 1.45),
        ('window', 'Window', 'Doors and windows', (1.1, 0.3, 1.3), 0.85),
        ('radiator', 'Radiator', 'Miscellaneous', (0.6, 0.1, 0.6), 0.12),
    ):
        made[key] = Model(key, name, kind, size, elevation)
    return made
