# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera of Spike Link Input; ``cameras.spikelink_api`` names the sources that were read."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spike_depth_ros.base.locks import FileLockError, lock_file
from spike_depth_ros.cameras import spikelink_api as api
from spike_depth_ros.cameras.base import Block, Camera, CameraError, CameraSettings, Sensor
from spike_depth_ros.cameras.capture_ring import CaptureRing, Taken
from spike_depth_ros.cameras.foreign_threads import hold_state
from spike_depth_ros.io.vidar import RawLayout, upright
from spike_depth_ros.stream.chunk import Geometry, PackedPlanes

DRIVER = 'libhda100.so'
"""Driver library where ``device`` names none."""

M1K40_WIDTH, M1K40_STORED = 1000, 1024
"""Columns of M1K40, and of its stored rows: two halves of 500 pixels, 12 marker bits behind each
(``get_row_index`` of ``SpikeCV/spkData/load_dat.py``)."""

LONGEST_GAP_S = 10.0
"""Larger steps of the numbers of frames are another stream, as between stamps."""

FINI_S = 2.0
"""Time after which ``Fini`` is taken to hang, seconds."""


class Input:
    """Input of the library: the one of this process, which is kept for the next camera.

    ``Fini`` of the library may wait for itself forever: it is called only for other settings.
    Until then the library holds its frames, also while the camera is closed.

    Args:
        library: The library.
        name: Its name.
        key: What the input is of: a camera of another one needs another input.

    Attributes:
        library: The library.
        handle: Handle of the input; 0: it is released.
        key: As given.
        keep: Takes each frame, in a thread of the library; None: frames are not wanted.
        entered: Lock that is held while a frame is taken; the callback waits for it only where a
            camera is stopped.
    """

    def __init__(self, library: Any, name: str, key: tuple[object, ...]) -> None:
        self.library, self.key = library, key
        self.keep: Callable[[api.VideoFrame], object] | None = None
        self.entered = threading.Lock()
        self._parameters: tuple[Any, ...] = ()
        self._callback = api.Callback(self._on_frame)
        self.handle = int(library.CreateSpikeLinkInputPython() or 0)
        if not self.handle:
            raise CameraError(f'{name}: made no input: end other programs that use the camera')

    def prepare(self, own: Any, parameters: api.InitParams, device: str) -> None:
        """Call ``Init`` with parameters, which are kept, as the library points to them.

        Raises:
            CameraError: It fails; the library has freed the handle.
        """
        self._parameters = own, parameters
        if status := self.library.Init(self.handle, ctypes.byref(parameters)):
            raise CameraError(
                f'{device}: cannot be prepared (Init returned {status}): check device, '
                'sensor_width and sensor_height'
            )
        self.library.SetCallbackPython(self.handle, self._callback)

    def release(self, name: str) -> None:
        """Release the input.

        Raises:
            CameraError: The library does not come back.
        """
        with self.entered:  # a frame given back during Fini would end the process
            handle, self.handle = self.handle, 0
        # A thread of its own: where it hangs, the process ends without it.
        thread = threading.Thread(target=self.library.Fini, args=(handle,), daemon=True)
        thread.start()
        thread.join(FINI_S)
        if thread.is_alive():
            _INPUTS.append(self)  # its threads may call back still
            raise CameraError(
                f'{name}: does not release the camera before (Fini did not return in '
                f'{FINI_S:g} s): start the node again to use other settings'
            )

    def _on_frame(self, address: int | None) -> None:
        """Take a frame in a thread of the library, and give it back whatever happens."""
        hold_state()
        with self.entered:
            try:
                if self.keep is not None and address:
                    self.keep(api.VideoFrame.from_address(address))
            finally:
                if self.handle and address:
                    self.library.ReleaseFrame(self.handle, address)


_INPUTS: list[Input] = []
"""The input of this process, if there is one; with the handle 0 it hangs where it is released, and
its threads may call back still. Changes under ``_ONE``."""

_ONE = threading.Lock()
"""Held by the one open camera of this process."""


class SpikeLinkCamera(Camera):
    """SDK of the M1K40 camera (Spike Link Input, libspikelinkapi.so)."""

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__(settings)
        self._input: Input | None = None
        self._ring: CaptureRing | None = None
        self._lock: int | None = None
        self._holds_process = False
        self._started = False
        self._next: int | None = None  # number of the next frame, by the library
        self._planes = self._offset = 0  # since the start; to the number of a frame's first plane
        self._refused = self._refused_before = 0
        self._odd = ''

    def open(self) -> Sensor:
        """Open the device, see :meth:`.Camera.open`."""
        settings = self.settings
        if settings.size is None or not settings.rate_hz:
            raise CameraError(
                'sensor_width, sensor_height or rate_hz is 0, and the SDK does not tell them: '
                'expected those of the camera, such as 1000, 1000 and 20000.0'
            )
        width, height = settings.size
        geometry = Geometry(height, width)
        if settings.bit_order == 'big':
            raise CameraError('bit_order is big: expected auto or little, as the SDK has it')
        self._halves = width == M1K40_WIDTH
        stored = M1K40_STORED if self._halves else width
        if stored % 8:
            raise CameraError(f'sensor_width is {width}: expected a multiple of 8')
        self._stored = Geometry(height, stored)
        self._layout = RawLayout(self._stored, settings.given_row_order or 'top_down')
        self._most_missing = LONGEST_GAP_S * settings.rate_hz
        ring_planes = settings.ring_mb * 1_000_000 // self._stored.plane_bytes
        if ring_planes < settings.frame_planes:
            raise CameraError(
                f'ring_mb is {settings.ring_mb}: expected room for a frame of '
                f'{settings.frame_planes} planes of {self._stored.plane_bytes} bytes'
            )
        try:
            self._open_device(ring_planes)
        except BaseException:
            self.close()
            raise
        return Sensor(geometry, settings.rate_hz)

    def _open_device(self, ring_planes: int) -> None:
        library = api.load(self.settings.library)
        device = self.settings.device or DRIVER
        name = os.fsencode(device)
        if len(name) >= api.NAME_BYTES:
            raise CameraError(f'{device}: expected a path below {api.NAME_BYTES} bytes')
        is_driver = '.so' in Path(device).name
        if is_driver:
            api.check_driver(device)
        elif not Path(device).is_file():
            raise CameraError(f'{device}: no such file; expected {DRIVER}, or a raw file')
        if not _ONE.acquire(blocking=False):
            raise CameraError(
                f'{device}: this process has a camera open; the SDK drives one a process: start '
                'another process'
            )
        self._holds_process = True
        try:
            self._lock = lock_file(_path_of(device))
        except FileLockError as error:
            raise CameraError(f'{error}: end the other one, or name another device') from None
        self._input = found = self._prepared(library, name, is_driver)
        # Of frames of one plane, those that are left out are not copied either.
        self._stride = 1 if self.settings.frame_planes > 1 else self.settings.every_nth
        self._ring = CaptureRing(self._stored.plane_bytes, ring_planes, self._stride)
        status = found.library.Open(found.handle)
        if status or not found.library.IsOpen(found.handle):
            raise CameraError(
                f'{device}: no camera can be opened (Open returned {status}): switch it on, check '
                'its cable and driver, and end other programs that use it'
            )

    def _prepared(self, library: Any, name: bytes, is_driver: bool) -> Input:
        """Return the input of this process, if it is of these settings, or another one."""
        settings = self.settings
        key = (
            settings.library, name, self._stored, settings.rate_hz, settings.frame_planes,
            settings.frames, settings.loop,
        )  # fmt: skip
        before = next(iter(_INPUTS), None)
        if before is not None and before.key == key and before.handle:
            return before
        if before is not None and not before.handle:
            raise CameraError(
                f'{settings.library}: has not released the camera before: start the node again'
            )
        if before is not None:
            _INPUTS.clear()
            before.release(settings.library)
        made = Input(library, settings.library, key)
        made.prepare(*self._init_parameters(name, is_driver), os.fsdecode(name))
        _INPUTS.append(made)
        return made

    def _init_parameters(self, name: bytes, is_driver: bool) -> tuple[Any, api.InitParams]:
        settings, rate = self.settings, api.Rational(round(self.settings.rate_hz * 1000), 1000)
        if is_driver:
            own: Any = api.PciParams(devName=name)
        else:
            own = api.DummyParams(fileName=name, fps=rate, repeat=settings.loop)
        mode = api.MODES.get(settings.size or (0, 0), api.UNKNOWN_MODE)
        if mode != api.UNKNOWN_MODE and settings.rate_hz > 20_000:
            mode += 1
        parameters = api.InitParams(
            opaque=ctypes.cast(ctypes.pointer(own), ctypes.c_void_p),
            type=api.PCI if is_driver else api.DUMMY,
            mode=mode,
            format=api.ONE_BIT,
            buff_size=settings.frames,
            cusum=settings.frame_planes,
            picture=api.Picture(
                width=self._stored.width,
                height=self._stored.height,
                format=api.ONE_BIT,
                fps=rate,
            ),
        )
        return own, parameters

    def start(self) -> None:
        """Begin to take planes, see :meth:`.Camera.start`."""
        assert self._ring is not None
        assert self._input is not None
        self._ring.clear()
        self._next, self._planes = None, 0
        self._input.keep, self._started = self._keep, True
        if status := self._input.library.Start(self._input.handle):
            self.stop()
            raise CameraError(
                f'{self.settings.device or DRIVER}: the camera does not start (Start returned '
                f'{status}): switch it off and on'
            )

    def read(self, most: int, wait_s: float) -> Block | None:
        """Return the next planes, see :meth:`.Camera.read`."""
        assert self._ring is not None
        assert self._input is not None
        taken = self._ring.take(max(1, most // self._stride), wait_s)
        refused, self._refused_before = self._refused - self._refused_before, self._refused
        if self._odd:
            self.warnings.append(self._odd)
            self._odd = ''
        if taken is None:
            if self._input.library.GetState(self._input.handle) != api.STARTED:
                raise CameraError(
                    f'{self.settings.device or DRIVER}: the camera has stopped: plug it in, '
                    'switch it on, and configure and activate the node again'
                )
            if not refused:
                return None
            taken = Taken(np.empty((0, self._stored.plane_bytes), np.uint8), 0)
        planes = self._layout.planes(taken.planes)
        if self._halves:
            planes = upright(joined(taken.planes.reshape(planes.shape)), self._layout.row_order)
        return Block(planes, taken.first, self._stride, taken.missing, taken.overrun, refused)

    def stop(self) -> None:
        """Take no more planes, see :meth:`.Camera.stop`."""
        found = self._input
        if found is None:
            return
        with found.entered:
            found.keep = None
        if self._started:
            self._started = False
            found.library.Stop(found.handle)

    def close(self) -> None:
        """Close the device, see :meth:`.Camera.close`."""
        self.stop()
        found, self._input = self._input, None
        if found is not None and found.library.IsOpen(found.handle):
            found.library.Close(found.handle)
        self._ring = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._holds_process:
            self._holds_process = False
            _ONE.release()

    def _keep(self, frame: api.VideoFrame) -> None:
        """Copy the planes of a frame to the ring."""
        asked, ring, number = self._stored, self._ring, frame.pts
        assert ring is not None
        planes, rest = divmod(frame.size, asked.plane_bytes)
        data, most = frame.data[0], self.settings.frame_planes
        fits = (frame.width, frame.height) == (asked.width, asked.height) and data and not rest
        fits = fits and 0 < planes <= most
        if not fits:
            self._refused += most
            self._odd = (
                f'frames of {frame.width}x{frame.height} and {frame.size} bytes are refused: '
                f'expected {asked.width}x{asked.height} and {asked.plane_bytes} bytes a plane: '
                'correct sensor_width, sensor_height or frame_planes'
            )
            planes = most
        missing = -1 if self._next is None else (number - self._next) * planes
        if 0 <= missing <= self._most_missing:
            ring.miss(missing)
        else:  # the first frame, or another stream
            self._offset = self._planes - number * planes
        self._next, first = number + 1, number * planes + self._offset
        self._planes = first + planes
        if fits and first % self._stride == 0:
            ring.put(data, planes, first)


def joined(planes: PackedPlanes) -> PackedPlanes:
    """Return planes of M1K40 without the marker bits of its rows.

    Args:
        planes: ``[planes, height, 128]`` uint8, bit order little, contiguous: two halves of 64
            bytes with 500 pixels each.

    Returns:
        ``[planes, height, 125]`` uint8.
    """
    words = planes.reshape(-1).view('<u8')
    shifted = words << np.uint64(4)  # also over the ends of words: fast, as it is one array
    shifted[1:] |= words[:-1] >> np.uint64(60)
    right = shifted.view(np.uint8).reshape(planes.shape)[..., 64:127]
    made = np.empty((*planes.shape[:2], M1K40_WIDTH // 8), np.uint8)
    made[..., :62] = planes[..., :62]
    # Pixels 496 to 499 of the left half, and the first four of the right one.
    made[..., 62] = (planes[..., 62] & np.uint8(0x0F)) | (right[..., 0] & np.uint8(0xF0))
    made[..., 63:] = right[..., 1:]
    return made


def _path_of(library: str) -> Path:
    """Return the path of a file or loaded library, to be locked."""
    if Path(library).exists():
        return Path(library)
    lines = Path('/proc/self/maps').read_text(encoding='utf-8', errors='replace').splitlines()
    found = (line.split(maxsplit=5)[-1] for line in lines if line.endswith(f'/{library}'))
    return Path(next(found, library))


BACKEND = SpikeLinkCamera
