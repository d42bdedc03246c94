# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``simulate``: windows of simulated spikes around the frames of data sets."""

from __future__ import annotations

from pathlib import Path

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.base.values import Count
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tools.arguments import parse_size
from spike_training.choices import MEAN_RATE, Interpolation, Transform
from spike_training.disk import check_room
from spike_training.errors import ConfigError, DataSetError
from spike_training.sensor.parameters import IDEAL, Sensor
from spike_training.simulation.settings import CameraSettings


@checked(ConfigError)
def simulate(
    data: dict[str, str],
    out: Path,
    size: str = '400x250',
    rate: float = 20_000.0,
    planes: Count = 128,
    transform: Transform = 'aspect',
    mean_rate: float = MEAN_RATE,
    interpolation: Interpolation = 'flow',
    sensor: Sensor = IDEAL,
    seed: int = 0,
    scheduler: str = '',
) -> None:
    """Write windows of simulated spikes around the frames of data sets, with depth and camera.

    Each frame with depth has a window around it: out/RECORDING/000012.npz, for spike_player, with
    out/RECORDING/camera.yaml. Existing windows are not simulated again: run the same command to
    resume. Only one run at a time may write to a folder; a second one is refused.

    Args:
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See
            docs/reference/data_sets.md.
        out: Folder to write to; made if missing.
        size: Width and height of the sensor in pixels.
        rate: Planes per second.
        planes: Planes in a window; the frame is at its middle one.
        transform: aspect, the largest centred part of the frames; or authors, for KITTI.
        mean_rate: Share of the planes in which a pixel fires, on average over a recording.
        interpolation: Between frames: flow, along optical flow; or linear, blended.
        sensor: Noise and mismatch of the pixels: a YAML file, or single values. The default is
            ideal.
        seed: Seed of the pixels' initial charge, noise and mismatch.
        scheduler: Address of a dask cluster to simulate on, such as tcp://node7:8786; its workers
            need data and out under the same paths. If not given, this process simulates.

    Raises:
        ConfigError: A setting cannot be used, or the folder holds another simulation.
        DataSetError: A data set cannot be used.
        FolderLockError: Another run writes to the folder.
    """
    width, height = parse_size(size, ConfigError)
    camera = CameraSettings(height, width, rate, transform, mean_rate, interpolation, sensor, seed)
    if not data:
        raise ConfigError('no data sets: expected one or more, --data.NAME PATH')
    from spike_training.datasets.readers.files import check_share, note_skipped
    from spike_training.progress import progress_bar
    from spike_training.simulation.cluster import run_on_cluster
    from spike_training.simulation.windows import plan_windows, prepare_folder, run_task

    out = out.absolute()
    tasks, present, skipped, notes = plan = plan_windows(data, camera, planes, out)
    if not plan.missing + present:
        raise DataSetError(f'{", ".join(data)}: no frame has depth, expected one or more')
    nbytes = plan.missing * (planes * Geometry(height, width).plane_bytes + 4 * height * width)
    print(
        f'{plan.missing} windows of {planes} planes of {size} at {rate:g} Hz, {nbytes / 1e6:.0f} '
        f'MB; {present} are there already',
        flush=True,
    )
    for note in notes:
        print(note, flush=True)
    with lock_folder(out), progress_bar() as progress:
        prepare_folder(out, camera, planes, data)
        check_room(out, nbytes, 'fewer --planes or a smaller --size')
        results = run_on_cluster(tasks, scheduler) if scheduler else map(run_task, tasks)
        bar = progress.add_task('windows', total=plan.missing)
        for done, left_out in results:
            for reason, names in left_out.items():
                note_skipped(skipped, reason, *names)
            check_share(skipped, present + plan.missing, ', '.join(data))
            progress.advance(bar, done)
    for reason, names in skipped.items():
        print(f'left out: {", ".join(names)}: {reason}')
    print(f'{out}: written')
