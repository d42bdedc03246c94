# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what an evaluation looks at, without the truth: for anybody's way to depth."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from spike_depth_ros.chunk import PackedPlanes
from spike_training.config import RunConfig, to_yaml
from spike_training.data.clip import Matrix
from spike_training.data.labelled import LabelledSource, PlaneWindow
from spike_training.data.procedural import ProceduralSource
from spike_training.disk import check_room, make_folder
from spike_training.engine.evaluate import Scenes
from spike_training.engine.fabric import choose_device
from spike_training.errors import ConfigError
from spike_training.predictions import sample_name
from spike_training.progress import progress_bar
from spike_training.scenes import looked_at, make_source, make_target, target_parts
from spike_training.verdict import limits_of, with_changes

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
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
    planes: Sequence[int] = (),
    scenes: int | None = None,
) -> None:
    """Write the samples that evaluate scores, without the truth, for another way to depth.

    The folder then holds NAME.npz for each sample: the spikes as spike_player reads them, with
    the camera matrix where it is known; index.csv, which tells names and sizes; and config.yaml,
    for "evaluate --predictions". See docs/evaluation.md.

    Args:
        config: The config.yaml of a run, or a config of one: where the scenes come from.
        out: Folder to write; made if missing, refused unless empty.
        device: cpu, cuda, or auto: a GPU where torch sees one. Scenes made on another kind of
            device may differ in single spikes.
        planes: Lengths of the windows; those of the config if none are given.
        scenes: Test scenes of each style; as the config says if not given.

    Raises:
        ConfigError: The settings are wrong, or the folder holds something.
        DataSetError: A data set cannot be used.
    """
    settings = with_changes(config, planes, scenes)
    make_folder(out)
    if any(out.iterdir()):
        raise ConfigError(f'{out} is not empty: choose another --out')
    parts = [*_parts(settings, choose_device(device))]
    number = sum(part.number for _, part, _ in parts)
    data = settings.data
    plane_bytes = data.height * -(-data.width // 8)
    check_room(out, number * max(data.planes) * plane_bytes, 'or write fewer --scenes')
    rows = []
    with progress_bar() as bar:
        task = bar.add_task('samples', total=number)
        for name, part, rate_hz in parts:
            for sample in samples(part):
                rows.append(_write(out, sample_name(name, sample.number), sample, rate_hz))
                bar.advance(task)
    with (out / INDEX).open('w', newline='', encoding='utf-8') as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    settings = dataclasses.replace(settings, out=Path('runs/inputs'))
    (out / 'config.yaml').write_text(to_yaml(settings), encoding='utf-8')
    print(f'{out}: {len(rows)} samples')


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


def _parts(config: RunConfig, device: torch.device) -> Iterator[tuple[str, Scenes, float]]:
    """Name, scenes and plane rate of each part that is scored."""
    sizes, fx = config.evaluate, limits_of(config).canonical_fx
    for part in config.data.parts:
        source = make_source(config, 'test', device, [part])
        seen = looked_at(source, sizes.scenes, sizes.batch_size, fx)
        yield f'source_{part}', seen, config.data.rate_hz
    for part in target_parts(config):
        assert config.target is not None
        target = make_target(config, 'test', device, [part])
        seen = looked_at(target, sizes.scenes, sizes.batch_size, fx)
        yield f'target_{part}', seen, config.target.data(config.data).rate_hz


def _write(out: Path, name: str, sample: Sample, rate_hz: float) -> dict[str, object]:
    """Writes a sample; its line in the index."""
    planes, height, _ = sample.planes.shape
    wide = sample.size[1] * (height // sample.size[0])
    arrays = {
        'packed': sample.planes,
        'width': np.array(wide),
        'bit_order': np.array('little'),
        'rate_hz': np.array(rate_hz),
    }
    if sample.camera is not None:
        arrays['K'] = sample.camera
    np.savez_compressed(out / f'{name}.npz', **arrays)
    return {
        'name': name,
        'height': sample.size[0],
        'width': sample.size[1],
        'fx': f'{sample.fx:.9g}',
        'planes': planes,
        'rate_hz': f'{rate_hz:.9g}',
    }


def _centred(fx: float, height: int, width: int) -> Matrix:
    """The matrix of a camera whose centre is that of its image."""
    return np.array([[fx, 0, (width - 1) / 2], [0, fx, (height - 1) / 2], [0, 0, 1]], np.float64)
