# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slow-motion videos and pictures of recordings; implementation of ``spike_reconstruct``."""

from __future__ import annotations

import argparse
import contextlib
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros import preview
from spike_depth_ros.errors import check_utf8
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.folder_lock import LOCK, lock_folder
from spike_depth_ros.progress import progress
from spike_depth_ros.recorded_windows import RecordedWindows
from spike_depth_ros.result_files import UnfinishedFolder, move_to_new, write_atomically
from spike_depth_ros.stream.recording import RecordingError
from spike_depth_ros.stream.window import Window
from spike_depth_ros.video.frames import quiet

SHORTEN = 'choose another --method, or fewer --planes'
"""Advice to the user whose recording is shorter than a window."""

Grey = npt.NDArray[np.uint8]


class Writer(Protocol):
    """Destination of pictures.

    Attributes:
        path: Its file or folder.
    """

    path: Path

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``."""


class VideoWriter:
    """Writer of an MPEG-4 video.

    Args:
        path: File to write; :meth:`close` puts it there, with the frames so far.
        fps: Pictures a second.
        overwrite: Replace an existing file.

    Attributes:
        path: The file; another one once :meth:`close` finds that a process has made it meanwhile.

    Raises:
        RecordingError: The file exists.
        OSError: The file cannot be written, or not all pictures are in it.
    """

    def __init__(self, path: Path, fps: float, overwrite: bool) -> None:
        if path.exists() and not overwrite:
            raise RecordingError(f'--out {path}: exists: choose another file, or add --overwrite')
        self.path, self._overwrite = path, overwrite
        self._folder = UnfinishedFolder(path.parent)
        self._unfinished = Path(self._folder.name) / path.name
        check_utf8(str(self._unfinished))
        self._fps = fps
        self._file: cv2.VideoWriter | None = None
        self._number = 0

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``; MPEG-4 has even sizes alone."""
        image = np.pad(image, [(0, side % 2) for side in image.shape], 'edge')
        if self._file is None:
            quiet()  # the error below has the reason
            code = cv2.VideoWriter.fourcc(*'mp4v')
            size = image.shape[::-1]
            opened = cv2.VideoWriter(str(self._unfinished), code, self._fps, size)
            if not opened.isOpened():
                raise OSError(
                    f'{self.path}: cannot be written as a video of {_size(image)} and '
                    f'{self._fps:g} pictures a second: choose another --fps, such as 30'
                )
            self._file = opened
        self._file.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        self._number += 1

    def close(self) -> None:
        """Complete the file, and check it, as OpenCV does not report a full disk."""
        with self._folder:
            if self._file is not None:
                self._file.release()
                self._check()
                self._place()

    def _place(self) -> None:
        if self._overwrite:
            self._unfinished.replace(self.path)
            return
        wanted, self.path = self.path, move_to_new(self._unfinished, self.path)
        if self.path != wanted:
            print(
                f'warning: {wanted}: another process has made it meanwhile: the video is '
                f'{self.path}',
                file=sys.stderr,
            )

    def _check(self) -> None:
        """Raise an error unless the completed file has all pictures."""
        video = cv2.VideoCapture(str(self._unfinished))
        written = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        video.release()
        if written < self._number:
            raise OSError(
                f'{self.path}: {written} of {self._number} pictures were written: free space on '
                'that disk'
            )


class PictureWriter:
    """Writer of numbered pictures.

    Args:
        folder: New or empty folder.

    Raises:
        RecordingError: The folder is not empty.
        OSError: A file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if any(one.name != LOCK for one in folder.iterdir()):
            raise RecordingError(f'--out {folder}: is not empty; expected a new or empty folder')
        self._folder = self.path = folder
        self._number = 0

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``."""
        png = cv2.imencode('.png', image)[1].tobytes()
        write_atomically(self._folder / f'{self._number:06d}.png', png, sync=False)
        self._number += 1

    def close(self) -> None:
        """Do nothing; all pictures are complete."""


def run(options: argparse.Namespace) -> None:
    """Write the pictures of a recording, and print their number.

    Args:
        options: From ``spike_depth_ros.reconstruction.command.argument_parser``.

    Raises:
        ValueError: The recording or the options cannot be used.
        OSError: A file cannot be read or written.
    """
    planes, render = _method(options)
    windows = RecordedWindows(options, planes, options.every, rectify=False, shorten=SHORTEN)
    if options.out.suffix not in ('', '.mp4'):
        raise RecordingError(f'--out {options.out}: expected a video, .mp4, or a folder')
    video = options.out.suffix == '.mp4'
    if video and not options.out.parent.is_dir():
        raise RecordingError(f'--out {options.out}: no folder {options.out.parent}: make it first')
    number, rate_hz = 0, 0.0
    with contextlib.nullcontext() if video else lock_folder(options.out):
        writer = (
            VideoWriter(options.out, options.fps, options.overwrite)
            if video
            else PictureWriter(options.out)
        )
        with contextlib.closing(writer), progress('pictures', windows.total) as advance:
            for window in windows:
                writer.write(render(window))
                number, rate_hz = number + 1, window.rate_hz
                advance(1)
    for text in windows.problems:
        print(f'warning: {text}', file=sys.stderr)
    slower = rate_hz / options.every / options.fps
    print(
        f'{writer.path}: {number} pictures, one every {options.every} planes'
        + (f'; {slower:.4g} times slower at {rate_hz:.6g} planes a second' if video else '')
    )


def _method(options: argparse.Namespace) -> tuple[int, Callable[[Window], Grey]]:
    """Return the planes of a window and the function from it to a picture.

    Raises:
        ValueError: The network cannot be used.
    """
    if options.method != 'learnt':
        if options.checkpoint is not None:
            raise RecordingError('--checkpoint: expected it with --method learnt')
        short = options.method == 'short'
        planes = preview.SHORT_PLANES if short else options.planes
        return planes, functools.partial(preview.render, method=options.method)
    network = ImageEstimator.from_checkpoint(options.checkpoint)
    noted: set[str] = set()

    def render(window: Window) -> Grey:
        picture = network.predict(window)
        for note in {*picture.notes} - noted:
            noted.add(note)
            print(f'warning: {note}', file=sys.stderr)
        return preview.encode(picture.rate)

    return network.info.planes, render


def _size(image: Grey) -> str:
    return f'{image.shape[1]}x{image.shape[0]}'
