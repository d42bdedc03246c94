# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of windows of spikes in ``.npz`` archives, as ``simulate`` and ``label`` write them.

Each archive is a recording of its own, optionally with plane rate, camera matrix, depth and right
eye; docs/reference/wire_format.md describes the format. Archives and ``.npy`` files of only
unpacked planes are read as well.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from spike_depth_ros.base.values import Number
from spike_depth_ros.geometry.calibration import CalibrationError
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.layout_check import axes_problem
from spike_depth_ros.io.recording import Eye, Recording, RecordingError, open_recording
from spike_depth_ros.io.vidar import Axes
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.tools.arguments import OptionalFocalLength, PlaneRate
from spike_training.datasets.clip import Depth, RightSpikes, SpikeClip
from spike_training.datasets.labels import Labels, find_labels
from spike_training.datasets.readers import files, recordings
from spike_training.datasets.readers.options import checked
from spike_training.errors import DataSetError, FrameError

TREE = """\
  ROOT/RECORDING/000012.npz    (as simulate writes them: packed, width, rate_hz, K, depth,
                                depth_planes; of two eyes also packed_right, K_right, baseline_m;
                                folders may be deeper, and ROOT may be a file)
  ROOT/NAME.npz or NAME.npy    (or one array [planes, height, width] of 0 and 1)"""

SET = files.DataSet('npz', TREE)

SUFFIXES = ('.npz', '.npy')


@checked
def read(
    root: Path,
    rate_hz: PlaneRate = 20_000.0,
    fx: OptionalFocalLength = 0.0,
    axes: Literal['', Axes] = '',
    skip_columns: Number = 0,
) -> list[SpikeClip]:
    """Read the recordings in a folder and its subfolders; only those with depth, where any has.

    Each file is opened once to check it, and again to read its planes on demand.

    Args:
        root: Folder, or one file of it.
        rate_hz: Planes a second of files without a plane rate.
        fx: Focal length in pixels of files without a camera matrix, with the principal point in
            the middle; 0: unknown.
        axes: Axes of unpacked arrays: thw, planes, rows, columns; or hwt. If not given, thw, and
            files whose spikes clearly are of hwt are refused.
        skip_columns: Columns at the left of unpacked arrays that are no pixels.

    Raises:
        DataSetError: There is no file, too many are damaged, or the unit of depth is wrong.
    """
    given = Given(axes or None, skip_columns)
    if root.is_file():
        if root.suffix not in SUFFIXES:
            raise DataSetError(f'{root}: expected a .npz or .npy file, or a folder of them')
        found, top = [root], root.parent
    else:
        SET.check_folder(root)
        # Windows of one folder in the order of time, which may have more digits than six.
        paths = files.natural(path for path in root.rglob('*') if _is_recording(path))
        found = sorted(paths, key=lambda path: path.parent)
        top = root
        if not found:
            raise SET.missing(root / 'RECORDING/000000.npz')
    clips, damaged = [], []
    labels = {folder: find_labels(folder, top) for folder in {path.parent for path in found}}
    for path in found:
        name = f'npz/{path.relative_to(top).with_suffix("").as_posix()}'
        try:
            clips.append(_clip(path, name, rate_hz, fx, labels[path.parent], given))
        except (CalibrationError, RecordingError) as error:
            if len(found) == 1:
                raise DataSetError(str(error)) from error
            damaged.append(path.name)
    reasons = {'damaged': damaged} if damaged else {}
    files.check_share(reasons, len(found), f'npz/{root.name}')
    if labelled := [clip for clip in clips if clip.depth_planes]:
        clips = labelled
        first = next((one for one in clips if not (one.labels and one.labels.relative)), None)
        if first is not None:
            recordings.check_depth(first.name, first.depths[0], files.DepthEncoding().plausible_m)
    clips[0].skipped.update(reasons)
    return clips


def _is_recording(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith('.') and path.is_file()


class Given(NamedTuple):
    """Options of unpacked arrays, see :func:`read`."""

    axes: Axes | None
    skip_columns: int

    def open(self, path: Path, eye: Eye = 'left') -> Recording:
        """Open an eye of a file.

        Raises:
            RecordingError: It cannot be read.
        """
        return open_recording(path, eye=eye, axes=self.axes, skip_columns=self.skip_columns)


def _clip(
    path: Path, name: str, rate_hz: float, fx: float, labels: Labels | None, given: Given
) -> SpikeClip:
    """Return the clip of one file, whose planes are not kept in memory."""
    opened = given.open(path)
    if doubt := axes_problem(opened):
        raise DataSetError(f'{doubt}: try the option axes=hwt')
    camera = opened.camera_matrix
    if camera is None:
        camera = recordings.centred_camera(fx, opened.geometry)

    def planes_of(eye: Eye) -> Callable[[int, int], PackedPlanes]:
        return lambda start, stop: _again(path, given, eye).planes[start:stop]

    truth, right = opened.truth, None
    if truth is None and opened.relative_depth is not None:
        truth = opened.relative_depth
        if labels is None or not labels.relative:
            raise DataSetError(
                f'{path}: has relative depth, expected labels.json of whoever made it beside it, '
                'or in a folder above that is read'
            )
    elif labels is not None and labels.relative:
        labels = None  # of other files
    if opened.baseline_m is not None:
        right = RightSpikes(planes_of('right'), _rig(path, opened))
    planes = () if truth is None else tuple(int(plane) for plane in truth.planes)
    return SpikeClip(
        name,
        opened.geometry,
        len(opened.planes),
        rate_hz if opened.rate_hz is None else opened.rate_hz,
        camera,
        planes_of('left'),
        planes,
        tuple(_depth(path, number, given) for number in range(len(planes))),
        right=right,
        labels=labels if planes else None,
    )


def _rig(path: Path, left: Recording) -> StereoRig:
    """Return the rig of an archive of two eyes."""
    right = open_recording(path, eye='right')
    assert left.camera_matrix is not None
    assert right.camera_matrix is not None
    assert left.baseline_m is not None
    size = (left.geometry.height, left.geometry.width)
    try:
        return files.parallel_rig(left.camera_matrix, right.camera_matrix, left.baseline_m, size)
    except CalibrationError as error:
        raise CalibrationError(f'{path}: {error}') from error


def _depth(path: Path, number: int, given: Given) -> Callable[[], Depth]:
    """Return a function that reads one of a file's depth maps."""

    def read_map() -> Depth:
        found = _again(path, given)
        truth = found.truth or found.relative_depth
        if truth is None or number >= len(truth.planes):
            raise FrameError(f'{path}: its depth is gone')
        depth: Depth = truth.depth[number]
        if found.truth is not None:
            files.check_unit(f'{path}: depth at plane {truth.planes[number]}', depth)
        return depth

    return read_map


def _again(path: Path, given: Given, eye: Eye = 'left') -> Recording:
    """Open an eye of a file that was readable before."""
    try:
        return given.open(path, eye)
    except RecordingError as error:
        raise FrameError(str(error)) from error
