# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads of native libraries that call Python often.

ctypes makes a thread state for each call of a foreign thread and deletes it behind the call, which
takes 12 microseconds with Python 3.11, most of a callback. A state that is held once stays; when
the thread ends, its C library calls the destructor of a key, which gives it back.
"""

from __future__ import annotations

import ctypes
import threading

_C = ctypes.CDLL(None)
_HELD = threading.local()
_LOCKED = 0
"""Result of ``PyGILState_Ensure`` where the interpreter's lock was held before."""


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _on_end(_: int | None) -> None:
    """Give the state back; the end of this call deletes it."""
    ctypes.pythonapi.PyGILState_Release(_LOCKED)


_KEY = ctypes.c_uint()
_C.pthread_key_create(ctypes.byref(_KEY), _on_end)


def hold_state() -> None:
    """Hold the Python thread state of the calling foreign thread until the thread ends."""
    if getattr(_HELD, 'held', False):
        return
    _HELD.held = True
    ctypes.pythonapi.PyGILState_Ensure()
    _C.pthread_setspecific(_KEY, ctypes.c_void_p(1))
