# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``sample``: short streams such as those that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.results import UnfinishedFolder, place_result
from spike_depth_ros.base.values import Count, file_of
from spike_depth_ros.tools.arguments import parse_size
from spike_training.choices import MEAN_RATE, Interpolation, Style
from spike_training.disk import check_new, make_folder
from spike_training.errors import ConfigError
from spike_training.simulation.settings import CameraSettings, check_stream

PLANES = 400
"""Planes of a generated scene, unless told otherwise."""


@checked(ConfigError)
def sample(
    out: Annotated[Path, file_of('.npz')],
    data: dict[str, str] | None = None,
    clip: str = '',
    frame: int | None = None,
    style: Style | None = None,
    index: int = 0,
    planes: Count = PLANES,
    size: str = '400x250',
    rate: float = 20_000.0,
    mean_rate: float = MEAN_RATE,
    interpolation: Interpolation = 'flow',
    seed: int = 0,
    right: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a short stream with its depth as one .npz archive, for the player and the demo.

    With data: spikes of an ideal camera from one frame of a recording to the next, with the
    measured depth of both, and 64 more planes at either end. With a style: a generated scene in
    motion, with its exact depth every 20 planes; it is one of split test, never trained on. With
    right: two parallel cameras in such a scene, as far apart as in training
        (docs/tasks/two_cameras.md).

    Args:
        out: The archive to write, .npz (docs/reference/wire_format.md); an existing one is
            refused without
            overwrite.
        data: One data set by name: --data.office folder:PATH. See docs/reference/data_sets.md.
        clip: With data: name of the recording in the data set; needed if it has several.
        frame: With data: number of the first frame; if not given, that of the sharpest pair of
            neighbouring frames with much depth.
        style: Kind of generated scene: indoor, road, home, outdoor, hall, office
            (docs/reference/worlds.md).
        index: With a style: number of the scene, 0 or more.
        planes: With a style: number of planes.
        size: Width and height of the sensor in pixels.
        rate: Planes per second.
        mean_rate: With data: share of the planes in which a pixel fires, on average over the
            recording.
        interpolation: With data: between frames: flow, along optical flow; or linear, blended.
        seed: With data: seed of the pixels' initial charge; with a style: seed of the scenes.
        right: With a style: write the right eye of a rig of two cameras, too; depth is the left
            one's.
        overwrite: Replace an existing file.

    Raises:
        ConfigError: A setting cannot be used.
        DataSetError: The data set cannot be used.
    """
    check_new(out, overwrite)
    sources = list((data or {}).items())
    if len(sources) + (style is not None) != 1:
        raise ConfigError(
            f'{len(sources)} data sets and style {style}: expected one data set, '
            '--data.NAME PATH, or one style, --style road'
        )
    of_data = {
        'clip': bool(clip), 'frame': frame is not None, 'mean_rate': mean_rate != MEAN_RATE,
        'interpolation': interpolation != 'flow',
    }  # fmt: skip
    of_style = {'index': index != 0, 'planes': planes != PLANES, 'right': right}
    others, expected = (
        (of_style, 'a style, such as --style home') if style is None else (of_data, '--data.NAME')
    )
    if given := [name for name, is_given in others.items() if is_given]:
        raise ConfigError(f'{", ".join(given)} is given: expected it with {expected}')
    from spike_training.simulation.archive import sharpest_pair, stream_between, write_archive
    from spike_training.simulation.bag import choose_clip
    from spike_training.simulation.clip_camera import ClipCamera, frame_clips

    width, height = parse_size(size, ConfigError)
    if style is not None:
        stream, shown = _generated(style, seed, index, (height, width), planes, rate, right)
    else:
        settings = CameraSettings(
            height, width, rate, mean_rate=mean_rate, interpolation=interpolation, seed=seed
        )
        chosen = choose_clip(frame_clips(*sources[0]), clip)
        first = sharpest_pair(chosen) if frame is None else frame
        if not 0 <= first < len(chosen) - 1:
            raise ConfigError(
                f'frame is {first}: expected 0 to {len(chosen) - 2} in {chosen.name}'
            )
        stream = stream_between(ClipCamera(chosen, settings), first)
        shown = f'around frames {first} and {first + 1} of {chosen.name}'
    make_folder(out.parent)
    with UnfinishedFolder(out.parent) as name:
        write_archive(Path(name) / out.name, stream)
        out = place_result(Path(name) / out.name, out, overwrite)
    print(f'{out}: {len(stream["packed"])} planes {shown}')


def _generated(
    style: Style,
    seed: int,
    index: int,
    size: tuple[int, int],
    planes: int,
    rate: float,
    right: bool,
) -> tuple[dict[str, Any], str]:
    """Return the stream of a generated scene, and its description."""
    height, width = size
    from spike_training.simulation.scene_stream import DEPTH_EVERY, scene_stream
    from spike_worlds.generator import SceneGenerator
    from spike_worlds.second_eye import BASELINE_M, BASELINES_M

    check_stream(height, width, rate, planes, 1 + right, -(-planes // DEPTH_EVERY))
    try:
        scene = SceneGenerator(seed, style, 'test').sample(index)
        baseline_m = BASELINES_M.get(style, BASELINE_M) if right else None
        stream = scene_stream(scene, height, width, planes, rate, baseline_m)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    eyes = '' if baseline_m is None else f' by two eyes, {baseline_m:g} m apart,'
    return stream, f'{eyes} of scene {index} of style {style}, seed {seed}'.strip()
