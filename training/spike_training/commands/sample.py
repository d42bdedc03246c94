# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``sample``: the short streams that ship with the package."""

from __future__ import annotations

from pathlib import Path

from spike_training.disk import make_folder
from spike_training.errors import ConfigError
from spike_training.scenes import sample_scene
from spike_training.simulation.archive import sharpest_pair, stream_between, write_archive
from spike_training.simulation.bag import choose_clip
from spike_training.simulation.clip_camera import (
    CameraSettings,
    ClipCamera,
    Interpolation,
    frame_clips,
    parse_size,
)


def sample(
    out: Path,
    data: dict[str, str] | None = None,
    clip: str = '',
    frame: int | None = None,
    size: str = '400x250',
    rate: float = 20_000.0,
    mean_rate: float = 0.2,
    interpolation: Interpolation = 'flow',
    seed: int = 0,
) -> None:
    """Write a short stream with its depth as one .npz archive, which player and demo play.

    Without data: 20 ms of a generated street. With data: what an ideal spike camera sees from one
    frame of a recording to the next, with the measured depth of both, and 64 planes more at
    either end.

    Args:
        out: The archive to write, .npz (docs/wire_format.md).
        data: One data set by name: --data.office folder:PATH. See docs/data_sets.md.
        clip: Which recording of the data set, by name; needed where it has several.
        frame: Number of the first frame; if not given, that of the sharpest pair of neighbouring
            frames with much depth.
        size: With data: width and height of the sensor in pixels.
        rate: With data: planes per second.
        mean_rate: With data: share of the planes in which a pixel fires, on average over the
            recording.
        interpolation: With data: between the frames along optical flow, or linear: blended.
        seed: With data: of the charge that pixels begin with.

    Raises:
        ConfigError: A setting cannot be used.
        DataSetError: The data set cannot be used.
    """
    if out.suffix != '.npz':
        raise ConfigError(f'{out}: expected a file that ends with .npz')
    make_folder(out.parent)
    if data is None:
        write_archive(out, sample_scene.street_stream())
        print(f'{out}: written')
        return
    if len(data) != 1:
        raise ConfigError(f'{len(data)} data sets: expected one, --data.NAME PATH')
    width, height = parse_size(size)
    settings = CameraSettings(
        height, width, rate, mean_rate=mean_rate, interpolation=interpolation, seed=seed
    )
    ((name, where),) = data.items()
    chosen = choose_clip(frame_clips(name, where), clip)
    first = sharpest_pair(chosen) if frame is None else frame
    if not 0 <= first < len(chosen) - 1:
        raise ConfigError(f'frame is {first}: expected 0 to {len(chosen) - 2} in {chosen.name}')
    stream = stream_between(ClipCamera(chosen, settings), first)
    write_archive(out, stream)
    count = len(stream['packed'])
    print(f'{out}: {count} planes around frames {first} and {first + 1} of {chosen.name}')
