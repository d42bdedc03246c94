# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Second eye of recordings: its files or topic, and the calibrations of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from spike_depth_ros.base.schema import refuse
from spike_depth_ros.geometry.calibration import CalibrationError
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stereo.recorded import given_rig, not_calibrated
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tools.arguments import Baseline, FocalLength
from spike_training.datasets.clip import RightSpikes, SpikeClip
from spike_training.datasets.readers.recordings import dat_planes, padded_layout
from spike_training.errors import ConfigError, DataSetError

CALIBRATION_OPTIONS = ('baseline', 'fx', 'camera_info', 'right_camera_info')


@dataclasses.dataclass(frozen=True)
class SecondEye:
    """Second eye of recordings as the command line has it, to the right of the first one."""

    right: tuple[str, ...]
    """Topic of the right eye in bags, a single one; else the right .dat file, or folder of these
    under the names of the left ones, of each recording."""
    baseline: Baseline | None = None
    """Distance from the left to the right camera, metres; None: not given."""
    fx: FocalLength | None = None
    """Focal length of both cameras, pixels; None: not given."""
    camera_info: Path | None = None
    """Calibration of the left camera; None: not given."""
    right_camera_info: Path | None = None
    """Calibration of the right camera; None: not given."""

    def __post_init__(self) -> None:
        refuse(self, ConfigError)

    @property
    def topic(self) -> str:
        """Topic of the right eye in bags.

        Raises:
            ConfigError: Several are given.
        """
        if len(self.right) != 1:
            raise ConfigError(
                f'right is {" and ".join(self.right)}: expected one, the topic of the right eye '
                'in the bags'
            )
        return self.right[0]

    @property
    def is_calibrated(self) -> bool:
        """True if an option says how the cameras are."""
        return any(getattr(self, name) is not None for name in CALIBRATION_OPTIONS)

    def rig(self, known_fx_px: Sequence[float], geometry: Geometry) -> StereoRig:
        """Return the rig of the options.

        Args:
            known_fx_px: Focal lengths that recordings hold, pixels.
            geometry: Size of both sensors.

        Raises:
            ConfigError: The options make none.
        """
        options = SimpleNamespace(**{k: getattr(self, k) for k in CALIBRATION_OPTIONS})
        try:
            rig = given_rig(options, known_fx_px, geometry.width, geometry.height)
            if rig is None:
                raise not_calibrated()
        except CalibrationError as error:
            raise ConfigError(str(error)) from error
        return rig


def right_files(left: Mapping[Path, Sequence[Path]], right: Sequence[str]) -> dict[Path, Path]:
    """Return the right .dat file of each left one, by its resolved path.

    Args:
        left: Files of each recording.
        right: Right file or folder of each recording, in the same order.

    Raises:
        ConfigError: There are more or fewer of them.
        DataSetError: One is missing, or is the left one.
    """
    if len(right) != len(left):
        raise ConfigError(
            f'right has {len(right)} of {len(left)} recordings: expected the right one of each, '
            'in the same order'
        )
    found = {}
    for (recording, own), name in zip(left.items(), right, strict=True):
        for file in own:
            other = Path(name)
            if recording.is_dir():
                other /= file.relative_to(recording)
            if not other.is_file():
                raise DataSetError(f'{other} is no file; expected the right recording of {file}')
            if other.samefile(file):
                raise DataSetError(
                    f'{other}: is the left recording; expected that of the right camera'
                )
            found[file.resolve()] = other
    return found


def add_right_file(clip: SpikeClip, path: Path, row_bytes: int, eye: SecondEye) -> SpikeClip:
    """Return a recording of a .dat file with its right eye; the longer one is cut.

    Args:
        clip: The left eye.
        path: File of the right eye.
        row_bytes: Bytes from row to row, where rows are padded; 0: those of the width.
        eye: Calibrations.

    Raises:
        ConfigError: The options make no rig.
        DataSetError: The file cannot be read.
    """
    planes, load = dat_planes(path, padded_layout(clip.geometry, row_bytes))
    known = [] if clip.camera is None else [float(clip.camera[0, 0])]
    rig = eye.rig(known, clip.geometry)
    return dataclasses.replace(
        clip.between(0, min(planes, clip.planes)),
        camera=np.array(rig.left.p, np.float64).reshape(3, 4)[:, :3],
        rectification=rig.rectifications[0],
        right=RightSpikes(load, rig),
    )


def common_rig(clips: Sequence[SpikeClip]) -> StereoRig | None:
    """Return the rig of all recordings; None: they are of one eye.

    Raises:
        DataSetError: They are of different rigs.
    """
    rigs = [None if clip.right is None else clip.right.rig for clip in clips]
    for clip, rig in zip(clips, rigs, strict=True):
        if rig != rigs[0]:
            raise DataSetError(
                f'{clip.name} and {clips[0].name} have different calibrations of both cameras: '
                'expected recordings of one rig'
            )
    return rigs[0]
