# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Slow-motion videos and pictures of recordings; implementation of ``spike_reconstruct``."""

from __future__ import annotations

import abc
import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import check_utf8, naming, printable
from spike_depth_ros.base.locks import LOCK, lock_folder
from spike_depth_ros.base.progress import progress
from spike_depth_ros.base.results import (
    UnfinishedFolder,
    check_new_file,
    place_result,
    write_atomically,
)
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.io.recording import RecordingError
from spike_depth_ros.io.video.frames import COUNTED, quiet
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.reconstruct.command import ReconstructOptions
from spike_depth_ros.tools.recorded_windows import RecordedWindows

SHORTEN = 'choose another --method, or fewer --planes'
"""Advice to the user whose recording is shorter than a window."""

CODECS = {'.mp4': 'mp4v', '.webm': 'VP90'}
"""Codec of a video by its suffix, as OpenCV names it."""

MAX_GIF = 300
"""Pictures of a .gif at most: it is large, and viewers hold all of it."""

MAX_GIF_FPS = 50.0
"""Pictures a second of a .gif at most."""

Grey = npt.NDArray[np.uint8]


class FileWriter(abc.ABC):
    """Writer of all pictures into one file.

    Args:
        path: File to write; :meth:`close` puts it there, with the pictures so far.
        fps: Pictures a second.
        overwrite: Replace an existing file.

    Attributes:
        path: The file; another one once :meth:`close` finds that a process has made it meanwhile.

    Raises:
        ResultFileError: The file exists, or is no file.
        OSError: The file cannot be written, or not all pictures are in it.
    """

    def __init__(self, path: Path, fps: float, overwrite: bool) -> None:
        check_new_file(path, overwrite)
        self.path, self._overwrite = path, overwrite
        self._folder = UnfinishedFolder(path.parent)
        self._unfinished = Path(self._folder.name) / path.name
        check_utf8(str(self._unfinished))
        self._fps = fps
        self._number = 0

    @abc.abstractmethod
    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``."""

    @abc.abstractmethod
    def _complete(self) -> int:
        """Complete the unfinished file; return the number of pictures in it."""

    def close(self) -> None:
        """Complete the file, and check it, as OpenCV does not report a full disk."""
        with self._folder:
            if not self._number:
                return
            written = self._complete()
            if written < self._number:
                raise OSError(
                    f'{self.path}: {written} of {self._number} pictures were written: free space '
                    'on that disk'
                )
            self.path = place_result(self._unfinished, self.path, self._overwrite)


class VideoWriter(FileWriter):
    """Writer of a video: MPEG-4 (.mp4) or VP9 (.webm)."""

    _file: cv2.VideoWriter | None = None

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``; these videos have even sizes alone."""
        image = np.pad(image, [(0, side % 2) for side in image.shape], 'edge')
        if self._file is None:
            quiet()  # the error below has the reason
            code = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix])
            with _without_stderr():
                opened = cv2.VideoWriter(str(self._unfinished), code, self._fps, image.shape[::-1])
            if not opened.isOpened():
                raise OSError(
                    f'{self.path}: cannot be written as a video of {_size(image)} and '
                    f'{self._fps:g} pictures a second: choose another --fps, such as 30'
                )
            self._file = opened
        self._file.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        self._number += 1

    def _complete(self) -> int:
        assert self._file is not None
        self._file.release()
        video = cv2.VideoCapture(str(self._unfinished))
        if self.path.suffix in COUNTED:
            written = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        else:
            written = sum(1 for _ in iter(video.grab, False))
        video.release()
        return written


class H264Writer(FileWriter):
    """Writer of an H.264 video (.mp4) by the program ``ffmpeg`` of this machine."""

    _process: subprocess.Popen[bytes] | None = None

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``; these videos have even sizes alone."""
        image = np.pad(image, [(0, side % 2) for side in image.shape], 'edge')
        if self._process is None:
            self._process = self._start(image)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its status has the reason
            self._process.stdin.write(image.tobytes())
        self._number += 1

    def _start(self, image: Grey) -> subprocess.Popen[bytes]:
        """Start ffmpeg, which takes pictures of the size of this one."""
        given = f'-f rawvideo -pix_fmt gray -video_size {_size(image)} -framerate {self._fps} -i -'
        made = '-c:v libx264 -pix_fmt yuv420p -movflags +faststart'
        with self._said.open('wb') as said:
            return subprocess.Popen(
                [
                    'ffmpeg',
                    '-v',
                    'error',
                    *given.split(),
                    *made.split(),
                    f'file:{self._unfinished}',
                ],
                stdin=subprocess.PIPE,
                stderr=said,
                start_new_session=True,  # Ctrl-C ends this process, which then completes the file
            )

    @property
    def _said(self) -> Path:
        return Path(self._folder.name) / 'errors.txt'

    def _complete(self) -> int:
        assert self._process is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        if self._process.returncode:
            said = self._said.read_text(encoding='utf-8', errors='replace').strip()
            raise OSError(
                f'{self.path}: ffmpeg ended with {self._process.returncode}'
                f'{said and f" ({printable(said)})"}: free space on that disk, or write a .webm'
            )
        return self._number


class GifWriter(FileWriter):
    """Writer of a .gif of at most :data:`MAX_GIF` pictures, which are held in memory."""

    def __init__(self, path: Path, fps: float, overwrite: bool) -> None:
        if fps > MAX_GIF_FPS:
            raise RecordingError(
                f'--fps {fps:g}: expected at most {MAX_GIF_FPS:g} for a .gif, which viewers slow '
                'down beyond, or a .webm'
            )
        super().__init__(path, fps, overwrite)
        self._pictures: list[Grey] = []

    def write(self, image: Grey) -> None:
        """Write one picture, ``[height, width]``."""
        if self._number == MAX_GIF:
            self._number = 0  # nothing is kept
            raise RecordingError(_too_many(self.path, f'more than {MAX_GIF}'))
        self._pictures.append(image)
        self._number += 1

    def _complete(self) -> int:
        from PIL import Image

        # Whole hundredths of a second, whose sum is right.
        ends = np.round(100 / self._fps * np.arange(self._number + 1)).astype(int)
        first, *others = map(Image.fromarray, self._pictures)
        with naming(self.path):
            # Pillow makes one picture of equal ones, which lasts as long.
            first.save(
                self._unfinished,
                save_all=True,
                append_images=others,
                duration=(10 * np.diff(ends)).tolist(),
                loop=0,
            )
        return self._number


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what C code prints: OpenCV calls each tag in a .webm unsupported, and writes it."""
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    try:
        with open(os.devnull, 'wb') as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _too_many(path: Path, number: str) -> str:
    return (
        f'--out {path}: {number} pictures, expected at most {MAX_GIF} in a .gif: a larger '
        '--every, or a .webm'
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


def run(options: ReconstructOptions) -> None:
    """Write the pictures of a recording, and print their number.

    Args:
        options: The options of the command.

    Raises:
        ValueError: The recording or the options cannot be used.
        OSError: A file cannot be read or written.
    """
    planes, render = _method(options)
    windows = RecordedWindows(options, planes, options.every, rectify=False, shorten=SHORTEN)
    suffix = options.out.suffix
    if suffix not in ('', '.gif', *CODECS):
        raise RecordingError(
            f'--out {options.out}: expected a video, {", ".join(CODECS)} or .gif, or a folder'
        )
    if suffix == '.gif' and windows.total is not None and windows.total > MAX_GIF:
        raise RecordingError(_too_many(options.out, str(windows.total)))
    video = suffix != ''
    if options.h264 and suffix != '.mp4':
        raise RecordingError(f'--h264: expected it with --out of an .mp4, not {options.out}')
    if options.h264 and shutil.which('ffmpeg') is None:
        raise RecordingError(
            '--h264: no program ffmpeg on the PATH: install it, or write a .webm, which plays in '
            'browsers, too'
        )
    if video and not options.out.parent.is_dir():
        raise RecordingError(f'--out {options.out}: no folder {options.out.parent}: make it first')
    number, rate_hz = 0, 0.0
    with contextlib.nullcontext() if video else lock_folder(options.out):
        writer: FileWriter | PictureWriter
        if video:
            writer = _kind(options)(options.out, options.fps, options.overwrite)
        else:
            writer = PictureWriter(options.out)
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


def _kind(options: ReconstructOptions) -> type[FileWriter]:
    """Return the writer of a video."""
    if options.h264:
        return H264Writer
    return GifWriter if options.out.suffix == '.gif' else VideoWriter


def _method(options: ReconstructOptions) -> tuple[int, Callable[[Window], Grey]]:
    """Return the planes of a window and the function from it to a picture."""
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
