# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads and memory of what a process computes on the CPU."""

from __future__ import annotations

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # options of mallopt, from malloc.h


def configure_cpu(threads: int) -> None:
    """Limit the CPU threads of torch and OpenCV, and keep the memory that is freed.

    Call it before anything is computed: threads that exist spin while they wait for work. By
    default glibc gives large blocks back at once, and a training step, whose activations are such
    blocks, waits for the kernel to clear their pages again.

    Args:
        threads: Number of threads; 0: leave the defaults, one per core.
    """
    _keep_memory()
    if threads:
        import torch

        torch.set_num_threads(threads)
        with contextlib.suppress(ImportError):
            import cv2

            cv2.setNumThreads(threads)


def _keep_memory() -> None:
    """Have glibc keep freed memory for the next allocations; no effect without glibc."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)  # large blocks come from the heap, too
        mallopt(_M_TRIM_THRESHOLD, -1)  # whose end is never given back
