# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads of native libraries that call Python often.

ctypes makes a thread state for each call of a foreign thread and deletes it behind the call, which
takes 12 microseconds with Python 3.11, most of a callback. A state that is held once stays; it is
given back where the thread's C++ objects are destroyed, at its end. Keys of pthread come too late:
that of Python is cleared before.
"""

from __future__ import annotations

import ctypes
import threading

_AT_END = getattr(ctypes.CDLL(None), '__cxa_thread_atexit_impl', None)
"""Registers a function of the calling thread's end (glibc); None: states are not held."""

_LOCKED = 0
"""Result of ``PyGILState_Ensure`` where the interpreter's lock is held."""

_HELD = threading.local()


def _release(_: int | None) -> None:
    """Give the state back; the end of this call deletes it."""
    ctypes.pythonapi.PyGILState_Release(_LOCKED)


_GIVE_BACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_release)


def hold_state() -> None:
    """Hold the Python thread state of the calling foreign thread until the thread ends."""
    if _AT_END is None or getattr(_HELD, 'held', False):
        return
    _HELD.held = True
    # The last argument is any address of a library that stays loaded.
    if not _AT_END(_GIVE_BACK, None, ctypes.pythonapi.PyGILState_Ensure):
        ctypes.pythonapi.PyGILState_Ensure()
