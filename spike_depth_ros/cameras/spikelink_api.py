# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declarations of Spike Link Input, the library of the M1K40 camera, for ctypes.

By ``spikelinkapi.h`` and ``spikelinkinput.cpp`` in ``SpikeCV/device/spikevision/m1k40/sdk/
spikelinkapi`` of github.com/Zyj061/SpikeCV, commit 0c5f332b; both were last changed by 8f0e96ff
(2023-10-31). What of it the calls must respect:

- One input a process: a second ``Init`` fails, and its clean-up ends the first one.
- ``Init`` that fails frees the handle; functions assert that it is not null, and that ``Init`` was
  called, or the process ends.
- ``Init`` with a file or driver that is missing crashes: both are checked before.
- ``Close`` while started, and sometimes ``Fini``, wait for themselves forever.
- The memory of frames of more than one plane (``cusum``) overlaps: ask for one plane a frame.
- ``pts`` counts frames that the library delivers; what it drops for lack of frames it prints.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from spike_depth_ros.cameras.base import CameraError

PCI, DUMMY = 0x20, 0x24
"""Device interfaces."""

ONE_BIT = 0x0001_0000
"""Pixel format of one bit."""

MODES = {
    (400, 250): 0x1000,
    (1000, 1000): 0x2000,
    (2000, 1000): 0x3000,
}
"""Display mode of 20000 planes a second, by width and height; that of 40000 is one more."""

UNKNOWN_MODE = 0x8000
NAME_BYTES = 256
STARTED = 3
"""State of an input that delivers."""

Callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
"""Type of the callback: ``void`` in the header (``void *`` in SpikeCV's Python, whose value the
library drops)."""


class Rational(ctypes.Structure):
    """``SVRational``."""

    _fields_ = (('num', ctypes.c_int64), ('den', ctypes.c_int64))


class Picture(ctypes.Structure):
    """``SVPicture``."""

    _fields_ = (
        ('width', ctypes.c_int32),
        ('height', ctypes.c_int32),
        ('format', ctypes.c_uint32),
        ('fps', Rational),
        ('time_base', Rational),
    )


class InitParams(ctypes.Structure):
    """``SpikeLinkInitParams``; ``opaque`` points to those of the interface."""

    _fields_ = (
        ('opaque', ctypes.c_void_p),
        ('type', ctypes.c_uint32),
        ('mode', ctypes.c_uint32),
        ('format', ctypes.c_uint32),
        ('buff_size', ctypes.c_int32),
        ('cusum', ctypes.c_int32),
        ('picture', Picture),
    )


class PciParams(ctypes.Structure):
    """``SpikeLinkQSFPInitParams``; ``channelMode`` 0 reads."""

    _fields_ = (
        ('devName', ctypes.c_char * NAME_BYTES),
        ('channels', ctypes.c_int32),
        ('channelMode', ctypes.c_int32),
    )


class DummyParams(ctypes.Structure):
    """``SpikeLinkDummyInitParams``."""

    _fields_ = (
        ('fileName', ctypes.c_char * NAME_BYTES),
        ('fps', Rational),
        ('duration', ctypes.c_int64),
        ('skip', ctypes.c_int32),
        ('start', ctypes.c_int32),
        ('end', ctypes.c_int32),
        ('repeat', ctypes.c_bool),
    )


class VideoFrame(ctypes.Structure):
    """``SpikeLinkVideoFrame``; ``data[0]`` has ``size`` bytes of packed rows."""

    _fields_ = (
        ('data', ctypes.c_void_p * 3),
        ('linesize', ctypes.c_int32 * 3),
        ('format', ctypes.c_int32),
        ('size', ctypes.c_int32),
        ('width', ctypes.c_int32),
        ('height', ctypes.c_int32),
        ('pts', ctypes.c_int64),
        ('dts', ctypes.c_int64),
        ('duration', ctypes.c_int64),
        ('time_base', Rational),
        ('opaque', ctypes.c_void_p),
    )


_HANDLE = ctypes.c_void_p

_FUNCTIONS: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    'CreateSpikeLinkInputPython': (_HANDLE, ()),
    'Init': (ctypes.c_int32, (_HANDLE, ctypes.POINTER(InitParams))),
    'SetCallbackPython': (None, (_HANDLE, Callback)),
    'IsOpen': (ctypes.c_bool, (_HANDLE,)),
    **dict.fromkeys(('Open', 'Start', 'Stop', 'Close', 'GetState'), (ctypes.c_int32, (_HANDLE,))),
    'ReleaseFrame': (None, (_HANDLE, ctypes.c_void_p)),
    'Fini': (None, (_HANDLE,)),
}
"""Type of the result, and of the arguments, of each function that is called."""

DRIVER_FUNCTIONS = (
    'DevOpen', 'DevClose', 'DevOpenCh', 'DevCloseCh', 'DevSendMBAlloc', 'DevReadMBFree',
    'DevMBRead', 'DevMBSend',
)  # fmt: skip
"""What the library calls of a card's driver library, without a check."""


def load(name: str) -> Any:
    """Load the library and declare its functions.

    Args:
        name: Path, or name that the loader finds.

    Raises:
        CameraError: It cannot be loaded, or lacks a function.
    """
    library = _loaded(name, 'libspikelinkapi.so of the SDK')
    for function, (result, arguments) in _FUNCTIONS.items():
        found = _function(library, name, function)
        found.restype, found.argtypes = result, arguments
    return library


def check_driver(name: str) -> None:
    """Check the driver library of a card, of which the library calls every function.

    Raises:
        CameraError: It cannot be loaded, or lacks a function.
    """
    driver = _loaded(name, 'the driver library of the card, libhda100.so, as device')
    for function in DRIVER_FUNCTIONS:
        _function(driver, name, function)


def _loaded(name: str, expected: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        reason = str(error).removeprefix(f'{name}: ')
        raise CameraError(f'{name}: cannot be loaded ({reason}): expected {expected}') from error


def _function(library: ctypes.CDLL, name: str, function: str) -> Any:
    try:
        return getattr(library, function)
    except AttributeError:
        raise CameraError(
            f'{name}: has no function {function}: expected the library that SpikeCV builds for '
            'M1K40: build it again'
        ) from None
