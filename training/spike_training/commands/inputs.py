# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what an evaluation looks at, without the truth: for anybody's way to depth."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from spike_depth_ros.stream.chunk import PackedPlanes
from spike_training.datasets.clip import Matrix, SpikeClip
from spike_training.disk import check_room, make_folder
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.evaluate import Scenes
from spike_training.evaluation.predictions import sample_name
from spike_training.evaluation.real_scenes import BATCH_SIZE, Look, middle_planes, read_sets
from spike_training.evaluation.verdict import limits_of, with_changes
from spike_training.progress import progress_bar
from spike_training.runs.files import CONFIG
from spike_training.runs.sources import looked_at, make_source, make_target, target_parts
from spike_training.sampling.clip_source import MEAN_RATE
from spike_training.sampling.labelled import LabelledSource, PlaneWindow
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import DataConfig, RunConfig, to_yaml

INDEX = 'index.csv'


class Sample(NamedTuple):
    """What a predictor is given.

    Attributes:
        number: Of the sample in its part.
        planes: ``[planes, H, ceil(W / 8)]`` uint8, ``little``.
        camera: Matrix, ``[3, 3]`` pixels of these planes; None where nothing tells it.
        size: Height and width of the depth map that is expected: less than the planes' where
            pixels are counted together.
        fx: Focal length of that map, pixels: what depth is scored by.
    """

    number: int
    planes: PackedPlanes
    camera: Matrix | None
    size: tuple[int, int]
    fx: float


def write_inputs(
    config: Path,
    out: Path,
    data: dict[str, str] | None = None,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
    planes: Sequence[int] = (),
    scenes: int | None = None,
    frames: int = 100,
    mean_rate: float = MEAN_RATE,
) -> None:
    """Write the samples that an evaluation scores, without the truth, for another way to depth.

    Those of evaluate; or, with data, of evaluate_real. The folder then holds NAME.npz for each
    sample: the spikes as spike_player reads them, with the camera matrix where it is known;
    index.csv, which tells names and sizes; and config.yaml, for the evaluation of the depth maps.
    See docs/predictions.md.

    Args:
        config: The config.yaml of a run, or a config of one: where the scenes come from.
        out: Folder to write; made if missing, refused unless empty.
        data: Data sets by name, as for evaluate_real: --data.kitti PATH; none: what the config
            is tested on.
        device: cpu, cuda, or auto: a GPU where torch sees one. Scenes made on another kind of
            device may differ in single spikes.
        planes: Lengths of the windows; those of the config if none are given, with data the
            middle one of them.
        scenes: Test scenes of each style; as the config says if not given.
        frames: With data: labelled frames of each data set.
        mean_rate: With data: share of the planes in which a pixel fires.

    Raises:
        ConfigError: The settings are wrong, or the folder holds something.
        DataSetError: A data set cannot be used.
    """
    settings = with_changes(config, planes, scenes)
    make_folder(out)
    if any(out.iterdir()):
        raise ConfigError(f'{out} is not empty: choose another --out')
    if data:
        parts = [*_recorded(settings, data, frames, mean_rate)]
    else:
        parts = [*_parts(settings, choose_device(device))]
    number = sum(part.scenes.number for part in parts)
    longest = max(max(part.planes) for part in parts)
    size = settings.data.height * -(-settings.data.width // 8)
    check_room(out, number * longest * size, 'or write fewer samples')
    rows = []
    with progress_bar() as bar:
        task = bar.add_task('samples', total=number)
        for part in parts:
            for sample in samples(part.scenes):
                rows.append(_write(out, part, sample))
                bar.advance(task)
    if not rows:
        raise DataSetError(f'{", ".join(part.name for part in parts)}: no sample can be used')
    with (out / INDEX).open('w', newline='', encoding='utf-8') as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    # Where a run of these settings would go is nobody's matter but the reader's.
    settings = dataclasses.replace(settings, out=Path('runs/inputs'))
    (out / CONFIG).write_text(to_yaml(settings), encoding='utf-8')
    print(f'{out}: {len(rows)} samples; {INDEX} tells the names of the maps to predict')


@dataclasses.dataclass(frozen=True)
class Part:
    """Samples that are scored together.

    Attributes:
        name: What their names begin with.
        scenes: Makes them.
        planes: Window lengths.
        rate_hz: Planes a second; of recorded spikes their own is near to it.
    """

    name: str
    scenes: Scenes
    planes: Sequence[int]
    rate_hz: float


def samples(scenes: Scenes) -> Iterator[Sample]:
    """What an evaluation of these scenes looks at, in its order.

    Args:
        scenes: Procedural, or of recordings.

    Yields:
        The samples. What cannot be used of recordings is left out, as the evaluation does.
    """
    source: Any = scenes.source
    for step, batch in enumerate(scenes):
        height, width = batch.depth.shape[2:]
        numbers, focal = batch.index.tolist(), batch.fx.tolist()
        if isinstance(source, LabelledSource):
            windows: Iterable[PlaneWindow] = map(source.window, numbers)
        else:
            assert isinstance(source, ProceduralSource)
            cameras = [_centred(fx, height, width) for fx in focal]
            windows = map(PlaneWindow, source.windows(step, len(numbers)), cameras)
        for number, window, fx in zip(numbers, windows, focal, strict=True):
            yield Sample(number, window.planes, window.camera, (height, width), fx)


def _parts(config: RunConfig, device: torch.device) -> Iterator[Part]:
    """What evaluate scores."""
    sizes, fx = config.evaluate, limits_of(config).canonical_fx

    def part(name: str, source: ProceduralSource | LabelledSource, data: DataConfig) -> Part:
        seen = looked_at(source, sizes.scenes, sizes.batch_size, fx)
        return Part(name, seen, source.planes, data.rate_hz)

    for name in config.data.parts:
        source = make_source(config, 'test', device, [name])
        yield part(f'source_{name}', source, config.data)
    for name in target_parts(config):
        assert config.target is not None  # a target has parts
        target = make_target(config, 'test', device, [name])
        yield part(f'target_{name}', target, config.target.data(config.data))


def _recorded(
    config: RunConfig, data: dict[str, str], frames: int, mean_rate: float
) -> Iterator[Part]:
    """What evaluate_real scores."""
    look = Look(config, middle_planes(config), mean_rate)
    for name, clips in read_sets(data, frames).items():
        source = look.source(clips)
        rates = {clip.rate_hz for clip in clips if isinstance(clip, SpikeClip)}
        rate_hz = max(rates, default=config.data.rate_hz)
        yield Part(name, looked_at(source, frames, BATCH_SIZE, math.nan), source.planes, rate_hz)


def _write(out: Path, part: Part, sample: Sample) -> dict[str, object]:
    """Writes a sample; its line in the index."""
    name = sample_name(part.name, sample.number)
    if not math.isfinite(sample.fx):
        raise DataSetError(f'{name}: no focal length is known; give it with the option fx')
    height, width = sample.size
    planes, rows, _ = sample.planes.shape
    arrays = {
        'packed': sample.planes,
        # Of the planes: more than the map's where pixels are counted together.
        'width': np.array(width * (rows // height)),
        'bit_order': np.array('little'),
        'rate_hz': np.array(part.rate_hz),
    }
    if sample.camera is not None:
        arrays['K'] = sample.camera
    np.savez_compressed(out / f'{name}.npz', **arrays)
    return {
        'name': name,
        'height': height,
        'width': width,
        'fx': f'{sample.fx:.9g}',
        'planes': planes,
        'rate_hz': f'{part.rate_hz:.9g}',
    }


def _centred(fx: float, height: int, width: int) -> Matrix:
    """The matrix of a camera whose centre is that of its image."""
    return np.array([[fx, 0, (width - 1) / 2], [0, fx, (height - 1) / 2], [0, 0, 1]], np.float64)
