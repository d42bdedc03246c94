# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Choice, exposure, encoding and storing of the views of a room."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from spike_worlds import rendered_set
from spike_worlds.blender.catalogue import Catalogue
from spike_worlds.blender.groups import group_models
from spike_worlds.blender.layout import make_room
from spike_worlds.blender.plan import Room
from spike_worlds.blender.render import RoomRenderer
from spike_worlds.blender.views import INTERVAL_S, View, sample_view

Pixels = npt.NDArray[np.floating[Any]]

ATTEMPTS = 8
"""Cameras of which the first good one is taken; else the best."""

_LEVELS = (0.12, 0.3)
"""Mean linear light of an image, relative to what saturates."""
_QUALITY = 95
_LUMINANCE = (0.2126, 0.7152, 0.0722)
_BRIGHT = 95.0
_NEAREST_M, _MEDIAN_M, _SPAN, _FINITE = 0.18, 0.6, 1.5, 0.6


class RoomWriter:
    """Writer of the views of rooms.

    Args:
        catalogue: Models.
        options: Folder, seed and size of the images, of the command.
    """

    def __init__(self, catalogue: Catalogue, options: argparse.Namespace) -> None:
        self._out, self._seed = Path(options.out), int(options.seed)
        self._groups = group_models(catalogue.models)
        self._renderer = RoomRenderer(catalogue.models, options.width, options.height)

    @property
    def broken(self) -> dict[str, str]:
        """Reasons by the keys of the models that could not be read so far."""
        return self._renderer.broken

    def render(self, number: int, views: Sequence[int]) -> Iterator[str]:
        """Render views of a room; yield the name of each once it is stored.

        Args:
            number: Number of the room.
            views: Numbers of the views.
        """
        folder = self._out / rendered_set.room_name(number)
        folder.mkdir(exist_ok=True)
        for half in folder.glob('.view_*'):  # of an interrupted process
            shutil.rmtree(half)
        room = make_room(self._seed, number, self._groups)
        self._renderer.build(room, np.random.default_rng([self._seed, number, 0, 1]))
        for view_number in views:
            name = rendered_set.view_name(view_number)
            view, depth, attempt = self._choose(room, number, view_number)
            frames = [
                self._renderer.colour(*view.at(time_s), view.focal) for time_s in (0.0, INTERVAL_S)
            ]
            part = folder / f'.{name}'
            part.mkdir()
            self._store(part, room, view, depth, frames, [number, view_number, attempt])
            part.replace(folder / name)
            yield f'{folder.name}/{name} ({room.kind}, {room.mode})'

    def _choose(self, room: Room, number: int, view_number: int) -> tuple[View, Pixels, int]:
        """Return the first camera whose view is good, its depth, and the number of attempts."""
        best: tuple[float, View, Pixels, int] | None = None
        for attempt in range(ATTEMPTS):
            view = sample_view(room, self._seed, number, view_number, attempt)
            depth = self._renderer.depth(view.eye, view.axes, view.focal)
            score = _rate_view(depth)
            if best is None or score > best[0]:
                best = score, view, depth, attempt
            if score >= 1:
                break
        assert best is not None
        return best[1:]

    def _store(
        self,
        folder: Path,
        room: Room,
        view: View,
        depth: Pixels,
        frames: Sequence[Pixels],
        origin: list[int],
    ) -> None:
        height, width = depth.shape
        level = np.random.default_rng([self._seed, *origin, 2]).uniform(*_LEVELS)
        gain = level / _meter(frames[0])
        for name, light in zip(rendered_set.FRAMES, frames, strict=True):
            image = Image.fromarray(_encode_srgb(light * gain))
            image.save(folder / name, quality=_QUALITY, subsampling=0)
        Image.fromarray(_encode_depth(depth)).save(folder / rendered_set.DEPTH)
        names = [*rendered_set.FRAMES, rendered_set.DEPTH]
        about = {
            'kind': room.kind,
            'camera': view.matrix(width, height).tolist(),
            'times_s': [0.0, INTERVAL_S],
            'eye': view.eye.tolist(),
            'axes': view.axes.tolist(),
            'velocity': view.velocity.tolist(),
            'turning': view.turning.tolist(),
            'light': room.mode,
            'mean_rate': view.mean_rate,
            'exposure': gain,
            'bytes': {name: (folder / name).stat().st_size for name in names},
        }
        text = json.dumps(about, indent=1)
        (folder / rendered_set.VIEW).write_text(text + '\n', encoding='utf-8')


def _meter(light: Pixels) -> float:
    """Return the mean luminance of linear light, ``[H, W, 3]``, above 0.

    What is brighter than 95 percent of the image counts as that, or one lamp would darken all.
    """
    luminance = light @ _LUMINANCE
    return max(float(np.minimum(luminance, np.percentile(luminance, _BRIGHT)).mean()), 1e-9)


def _rate_view(depth: Pixels) -> float:
    """Return how good a view is; 1 or more: good.

    Nothing is too near, the middle is not too near, the depth varies, and not all is sky.

    Args:
        depth: ``[H, W]`` metres, infinite for sky.
    """
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return 0.0
    nearest, low, middle, high = np.percentile(finite, (2, 5, 50, 95))
    limits = (_NEAREST_M, _MEDIAN_M, _SPAN, _FINITE)
    found = (nearest, middle, high / max(low, 1e-6), finite.size / depth.size)
    return float(min(value / limit for value, limit in zip(found, limits, strict=True)))


def _encode_srgb(light: Pixels) -> npt.NDArray[np.uint8]:
    """Encode linear light, 0 to 1, as sRGB (IEC 61966-2-1); above 1 it saturates."""
    light = np.clip(light, 0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * curve), np.uint8)


def _encode_depth(depth: Pixels) -> npt.NDArray[np.uint16]:
    """Encode depth, metres, as it is stored."""
    stored = np.clip(np.rint(depth * rendered_set.PER_METRE), 1, rendered_set.SKY - 1)
    return np.where(np.isfinite(depth), stored, rendered_set.SKY).astype(np.uint16)
