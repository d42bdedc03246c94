# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of windows of simulated spikes around frames of data sets (docs/tasks/simulate.md)."""

from __future__ import annotations

import dataclasses
import io
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from spike_depth_ros.base.locks import LOCK
from spike_depth_ros.base.results import PART_SUFFIX, write_atomically
from spike_depth_ros.base.safe_yaml import read_yaml
from spike_depth_ros.stream.window import reference_index
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, Matrix
from spike_training.datasets.labels import write_labels
from spike_training.datasets.readers.files import note_skipped
from spike_training.disk import make_folder
from spike_training.errors import ConfigError, DataSetError
from spike_training.simulation.clip_camera import ClipCamera, describe_gaps, frame_clips
from spike_training.simulation.settings import CameraSettings

SETTINGS_FILE = 'simulation.yaml'
CAMERA_FILE = 'camera.yaml'

_FRAMES_PER_TASK = 16

Skipped = dict[str, list[str]]
"""Names of frames by the reason for which they were left out."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Windows of one recording to simulate.

    Attributes:
        name: Of the data set.
        where: Its path and options.
        clip: Number of the recording in it.
        frames: Frames to simulate windows around.
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


class Plan(NamedTuple):
    """Tasks of a simulation.

    Attributes:
        tasks: Windows that are missing.
        present: Number of windows that exist.
        skipped: Frames that readers of the data sets left out.
        notes: Lines about gaps between frames.
    """

    tasks: list[Task]
    present: int
    skipped: Skipped
    notes: list[str]

    @property
    def missing(self) -> int:
        """Number of windows to simulate."""
        return sum(len(task.frames) for task in self.tasks)


def plan_windows(data: Mapping[str, str], camera: CameraSettings, planes: int, out: Path) -> Plan:
    """Find the windows that do not exist yet.

    Args:
        data: Paths and options of data sets by name.
        camera: The camera.
        planes: Planes in a window.
        out: Folder to write to.

    Raises:
        DataSetError: A data set cannot be used.
    """
    plan, named = Plan([], 0, {}, []), set()
    for name, where in data.items():
        for number, clip in enumerate(frame_clips(name, where)):
            if clip.name in named:
                raise DataSetError(
                    f'{clip.name}: two recordings of this name: simulate them one by one, each '
                    'into its own folder'
                )
            named.add(clip.name)
            plan.notes.extend(describe_gaps(clip))
            for reason, names in clip.skipped.items():
                note_skipped(plan.skipped, reason, *names)
            missing = [k for k in clip.labelled if not window_file(out, clip, k).exists()]
            plan = plan._replace(present=plan.present + len(clip.labelled) - len(missing))
            for k in range(0, len(missing), _FRAMES_PER_TASK):
                frames = tuple(missing[k : k + _FRAMES_PER_TASK])
                plan.tasks.append(Task(name, where, number, frames, camera, planes, out))
    return plan


def run_task(task: Task) -> tuple[int, Skipped]:
    """Simulate some windows, in this process or on a worker.

    Returns:
        Number of frames processed, and those left out.

    Raises:
        DataSetError: Too many frames, or the data set, cannot be used.
    """
    camera = _camera(task)
    folder = task.out / camera.clip.name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CAMERA_FILE).exists():
        if camera.clip.labels is not None:
            write_labels(folder, camera.clip.labels)
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
    """Return the path of the window around a frame."""
    return out / clip.name / f'{index:06d}.npz'


def calibration(matrix: Matrix, width: int, height: int, name: str) -> str:
    """Return a camera without distortion as ``camera_calibration`` writes one.

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


def prepare_folder(
    out: Path, camera: CameraSettings, planes: int, data: Mapping[str, str]
) -> None:
    """Make the folder, write its settings, and remove unfinished files of a killed run.

    Raises:
        ConfigError: It cannot be made, or holds something else or another simulation.
    """
    settings: dict[str, Any] = {'planes': planes, **dataclasses.asdict(camera)}
    places = {name: readers.whole_place(name, where) for name, where in data.items()}
    path = out / SETTINGS_FILE
    if path.exists():
        try:
            found = read_yaml(path)
        except (yaml.YAMLError, ValueError):
            found = None
        found = found if isinstance(found, dict) else {}
        known = found.get('data')
        known = known if isinstance(known, dict) else {}
        places = known | places  # further data sets may come in
        wanted = settings | {f'data.{name}': places[name] for name in known}
        found |= {f'data.{name}': where for name, where in known.items()}
        differing = [key for key, value in wanted.items() if found.get(key) != value]
        if differing:
            listed = ', '.join(f'{key} {found.get(key)} (now {wanted[key]})' for key in differing)
            raise ConfigError(
                f'{out} holds a simulation with other settings: {listed}; use those, or another '
                'folder'
            )
    elif out.exists() and (not out.is_dir() or any(one.name != LOCK for one in out.iterdir())):
        raise ConfigError(f'{out}: expected a new or empty folder, or one of a simulation')
    make_folder(out)
    write_atomically(path, yaml.safe_dump({**settings, 'data': places}, sort_keys=False).encode())
    for part in out.rglob(f'.*{PART_SUFFIX}'):
        part.unlink()


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
    """Return the arrays of a frame's file (docs/reference/wire_format.md); None: unusable."""
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
