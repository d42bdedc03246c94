# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Export of the samples of an evaluation, without true depth, for third-party methods."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spike_depth_ros.base.locks import LOCK, lock_folder
from spike_depth_ros.base.results import UnfinishedFolder, place_results
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_training.datasets.clip import Matrix
from spike_training.disk import check_room
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.predictions import sample_name
from spike_training.evaluation.scores import EvaluationSet
from spike_training.progress import progress_bar
from spike_training.sampling.labelled import LabelledSource, PlaneWindow
from spike_training.sampling.procedural import ProceduralSource

INDEX = 'index.csv'
CONFIG = 'config.yaml'


class Sample(NamedTuple):
    """Input of a predictor.

    Attributes:
        number: Number of the sample in its set.
        planes: ``[planes, H, ceil(W / 8)]`` uint8, ``little``.
        camera: Camera matrix, ``[3, 3]``, in pixels of these planes; None where unknown.
        size: Height and width of the expected depth map; smaller than those of the planes where
            pixels are binned.
        fx: Focal length of that map, pixels, for scoring its depth.
    """

    number: int
    planes: PackedPlanes
    camera: Matrix | None
    size: tuple[int, int]
    fx: float


def write_inputs(out: Path, sets: Sequence[EvaluationSet], config: str) -> None:
    """Write the samples of some sets.

    The files are NAME.npz for each sample: the spikes in the format of spike_player, with the
    camera matrix where it is known; index.csv with names and sizes; and config.yaml. See
    docs/reference/third_party_maps.md.

    Args:
        out: Folder to write; created if missing.
        sets: Sets to write.
        config: Settings of the evaluation, YAML.

    Raises:
        ConfigError: The folder is not empty.
        FolderLockError: It cannot be made, or another process writes to it.
        DataSetError: No sample can be used, or a data set cannot.
    """
    with lock_folder(out), UnfinishedFolder(out) as name:
        folder = Path(name)
        if any(one.name not in (LOCK, folder.name) for one in out.iterdir()):
            raise ConfigError(f'{out} is not empty: choose another --out')
        number = sum(one.samples.number for one in sets)
        largest = max(max(one.planes) * one.height * -(-one.width // 8) for one in sets)
        check_room(out, number * largest, 'or write fewer samples')
        rows = _write_all(folder, sets, number)
        text = io.StringIO(newline='')
        table = csv.DictWriter(text, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
        (folder / CONFIG).write_text(config, encoding='utf-8')
        (folder / INDEX).write_bytes(text.getvalue().encode())
        place_results(folder, out, overwrite=False)
    print(f'{out}: {len(rows)} samples; {INDEX} has the names of the maps to predict')


def _write_all(
    folder: Path, sets: Sequence[EvaluationSet], number: int
) -> list[dict[str, object]]:
    """Write the samples, and return the lines of the index."""
    rows = []
    with progress_bar() as bar:
        task = bar.add_task('samples', total=number)
        for one in sets:
            for sample in samples(one):
                rows.append(_write(folder, one, sample))
                bar.advance(task)
    if not rows:
        raise DataSetError(f'{", ".join(one.name for one in sets)}: no sample can be used')
    return rows


def samples(one: EvaluationSet) -> Iterator[Sample]:
    """Yield the samples of a set in the order of its evaluation.

    Args:
        one: Set of generated scenes or of recordings.

    Yields:
        The samples. Samples of recordings that cannot be used are left out, as in the evaluation.
    """
    source = one.samples.source
    for step, batch in enumerate(one.samples):
        numbers, focal = batch.index.tolist(), batch.fx.tolist()
        if isinstance(source, LabelledSource):
            windows: Iterable[PlaneWindow] = map(source.window, numbers)
        else:
            assert isinstance(source, ProceduralSource)
            cameras = [Calibration.centred(fx, one.width, one.height).matrix for fx in focal]
            windows = map(PlaneWindow, source.windows(step, len(numbers)), cameras)
        for number, window, fx in zip(numbers, windows, focal, strict=True):
            yield Sample(number, window.planes, window.camera, (one.height, one.width), fx)


def _write(out: Path, part: EvaluationSet, sample: Sample) -> dict[str, object]:
    """Write a sample and return its line of the index."""
    name = sample_name(part.name, sample.number)
    if not math.isfinite(sample.fx):
        raise DataSetError(f'{name}: no focal length is known; give it with the option fx')
    height, width = sample.size
    planes, rows, _ = sample.planes.shape
    arrays = {
        'packed': sample.planes,
        # Width of the planes: larger than the map's where pixels are binned.
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
