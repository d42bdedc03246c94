# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of simulated spikes around the frames of data sets, as files; see docs/simulate.md."""

from __future__ import annotations

import dataclasses
import importlib
import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spike_depth_ros.checkpoint import write_atomically
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import reference_index
from spike_training.datasets.clip import Clip, Matrix
from spike_training.datasets.readers.files import check_share
from spike_training.disk import check_room, make_folder
from spike_training.errors import ConfigError, DataSetError
from spike_training.progress import progress_bar
from spike_training.sampling.clip_planes import (
    CameraSettings,
    ClipCamera,
    Interpolation,
    frame_clips,
    parse_size,
)
from spike_training.sampling.transforms import Transform
from spike_training.sensor.parameters import IDEAL, Sensor

SETTINGS_FILE = 'simulation.yaml'
CAMERA_FILE = 'camera.yaml'

_FRAMES_PER_TASK = 16
_CONNECT_S = 10

Skipped = dict[str, list[str]]
"""Names of frames by the reason for which they were left out."""


def simulate(
    data: dict[str, str],
    out: Path,
    size: str = '400x250',
    rate: float = 20_000.0,
    planes: int = 128,
    transform: Transform = 'aspect',
    mean_rate: float = 0.2,
    interpolation: Interpolation = 'flow',
    sensor: Sensor = IDEAL,
    seed: int = 0,
    scheduler: str = '',
) -> None:
    """Write windows of simulated spikes around the frames of data sets, with depth and camera.

    A window lies around each frame that has depth: out/RECORDING/000012.npz, which spike_player
    plays, and out/RECORDING/camera.yaml. Windows that are there already are not simulated again: a
    run that was ended goes on where it was. One run at a time may write to a folder.

    Args:
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See docs/data_sets.md.
        out: Folder to write to; made if missing.
        size: Width and height of the sensor in pixels.
        rate: Planes per second.
        planes: Planes in a window; the frame lies at its middle one.
        transform: aspect, the largest centred part of the frames; or authors, for KITTI.
        mean_rate: Share of the planes in which a pixel fires, on average over a recording.
        interpolation: From frame to frame along optical flow, or linear: blended.
        sensor: What the pixels add: a YAML file, or single values. The default is ideal.
        seed: Of the charge that pixels begin with, of their noise and of their differences.
        scheduler: Address of a dask cluster to simulate on, such as tcp://node7:8786; its workers
            see data and out under the same paths. Without it, this process simulates.

    Raises:
        ConfigError: A setting cannot be used, or the folder holds another simulation.
        DataSetError: A data set cannot be used.
    """
    width, height = parse_size(size)
    camera = CameraSettings(height, width, rate, transform, mean_rate, interpolation, sensor, seed)
    if planes < 1:
        raise ConfigError(f'planes is {planes}: expected 1 or more')
    if not data:
        raise ConfigError('no data sets: expected one or more, --data.NAME PATH')
    out = out.absolute()
    tasks: list[Task] = []
    skipped: Skipped = {}
    present = 0
    for name, where in data.items():
        for number, clip in enumerate(frame_clips(name, where)):
            _merge(skipped, clip.skipped)
            missing = [k for k in clip.labelled if not window_file(out, clip, k).exists()]
            present += len(clip.labelled) - len(missing)
            tasks += [
                Task(
                    name,
                    where,
                    number,
                    tuple(missing[k : k + _FRAMES_PER_TASK]),
                    camera,
                    planes,
                    out,
                )
                for k in range(0, len(missing), _FRAMES_PER_TASK)
            ]
    total = sum(len(task.frames) for task in tasks)
    wanted_bytes = total * (planes * Geometry(height, width).plane_bytes + 4 * height * width)
    print(
        f'{total} windows of {planes} planes of {size} at {rate:g} Hz, {wanted_bytes / 1e6:.0f} '
        f'MB; {present} are there already',
        flush=True,
    )
    _prepare(out, camera, planes)
    check_room(out, wanted_bytes, 'fewer --planes or a smaller --size')
    with progress_bar() as progress:
        bar = progress.add_task('windows', total=total)
        for done, left_out in _on_cluster(tasks, scheduler) if scheduler else map(run_task, tasks):
            _merge(skipped, left_out)
            check_share(skipped, present + total, ', '.join(data))
            progress.advance(bar, done)
    for reason, names in skipped.items():
        print(f'left out: {", ".join(names)}: {reason}')
    print(f'{out}: written')


def _merge(skipped: Skipped, more: Skipped) -> None:
    for reason, names in more.items():
        known = skipped.setdefault(reason, [])
        known += [name for name in names if name not in known]


@dataclasses.dataclass(frozen=True)
class Task:
    """Some windows of one recording.

    Attributes:
        name: Of the data set.
        where: Its path and options.
        clip: Number of the recording in it.
        frames: Frames that windows are wanted around.
        camera: The camera.
        planes: Planes in a window.
        out: Folder to write to.
    """

    name: str
    where: str
    clip: int
    frames: tuple[int, ...]
    camera: CameraSettings
    planes: int
    out: Path


def run_task(task: Task) -> tuple[int, Skipped]:
    """Simulates some windows, in this process or on a worker.

    Returns:
        Number of frames seen to, and those left out.

    Raises:
        DataSetError: Too many of them, or the data set cannot be used.
    """
    camera = _camera(task)
    folder = task.out / camera.clip.name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CAMERA_FILE).exists():
        settings = camera.settings
        content = calibration(camera.matrix, settings.width, settings.height, camera.clip.name)
        write_atomically(folder / CAMERA_FILE, content.encode())
    for index in task.frames:
        arrays = _window(camera, index, task.planes)
        if arrays is not None:
            content_bytes = io.BytesIO()
            np.savez(content_bytes, **arrays)
            write_atomically(window_file(task.out, camera.clip, index), content_bytes.getvalue())
    return len(task.frames), camera.skipped


def window_file(out: Path, clip: Clip, index: int) -> Path:
    """The file of the window around a frame."""
    return out / clip.name / f'{index:06d}.npz'


def calibration(matrix: Matrix, width: int, height: int, name: str) -> str:
    """A camera without distortion as ``camera_calibration`` writes one.

    Args:
        matrix: ``[3, 3]`` pixels.
        width: Columns.
        height: Rows.
        name: Of the camera.
    """

    def table(values: Any) -> dict[str, Any]:
        array = np.atleast_2d(np.asarray(values, np.float64))
        rows, columns = array.shape
        return {'rows': rows, 'cols': columns, 'data': array.ravel().tolist()}

    content = {
        'image_width': width,
        'image_height': height,
        'camera_name': name,
        'camera_matrix': table(matrix),
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': table(np.zeros(5)),
        'rectification_matrix': table(np.eye(3)),
        'projection_matrix': table(np.hstack([matrix, np.zeros((3, 1))])),
    }
    text: str = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    return text


_LAST = threading.local()
"""The newest camera of each thread: tasks of one recording come one after the other."""


def _camera(task: Task) -> ClipCamera:
    key = (task.name, task.where, task.clip, task.camera)
    if getattr(_LAST, 'key', None) != key:
        _LAST.key = None
        _LAST.camera = ClipCamera(frame_clips(task.name, task.where)[task.clip], task.camera)
        _LAST.key = key
    camera: ClipCamera = _LAST.camera
    return camera


def _window(camera: ClipCamera, index: int, planes: int) -> dict[str, Any] | None:
    """What the file around a frame holds (docs/wire_format.md); None if it cannot be used."""
    clip, settings = camera.clip, camera.settings
    depth = camera.depth(index)
    if depth is None or camera.light(index) is None:
        return None
    middle = reference_index('middle', planes)
    start_s = float(clip.times_s[index]) - middle / settings.rate_hz
    return {
        'packed': np.concatenate(list(camera.planes(start_s, planes, index))),
        'width': np.array(settings.width),
        'bit_order': np.array('little'),
        'rate_hz': np.array(settings.rate_hz),
        'K': camera.matrix,
        'depth': depth[None],
        'depth_planes': np.array([middle]),
    }


def _prepare(out: Path, camera: CameraSettings, planes: int) -> None:
    """Makes the folder, notes its settings, and clears away what a killed run left unfinished."""
    settings = {'planes': planes, **dataclasses.asdict(camera)}
    path = out / SETTINGS_FILE
    if path.exists():
        try:
            found = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
        except yaml.YAMLError:
            found = {}
        differing = [key for key, value in settings.items() if found.get(key) != value]
        if differing:
            told = ', '.join(f'{key} {found.get(key)} (now {settings[key]})' for key in differing)
            raise ConfigError(
                f'{out} holds a simulation with other settings: {told}; take those, or another '
                'folder'
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f'{out}: expected a new or empty folder, or one of a simulation')
    make_folder(out)
    write_atomically(path, yaml.safe_dump(settings, sort_keys=False).encode())
    for part in out.rglob('.*.npz.*'):
        part.unlink()


def _on_cluster(tasks: Sequence[Task], address: str) -> Iterator[tuple[int, Skipped]]:
    """Runs tasks on the workers of a dask cluster; results come as they are ready."""
    try:
        distributed: Any = importlib.import_module('distributed')
    except ImportError as error:
        raise ConfigError(f'--scheduler needs dask: pip install distributed ({error})') from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f'scheduler is {address!r}: no dask scheduler answers there '
            f'({" ".join(str(error).split())}); start one with dask scheduler'
        ) from error
    with client:
        futures = client.map(run_task, tasks, pure=False)
        try:
            for future in distributed.as_completed(futures):
                yield future.result()
        except distributed.KilledWorker as error:
            raise DataSetError(
                f'workers of {address} died ({" ".join(str(error).split())}): have they enough '
                'memory? What is done is kept; run the same command again'
            ) from error
        finally:
            client.cancel(futures)
