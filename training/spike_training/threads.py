# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Number of CPU threads."""

from __future__ import annotations

import contextlib


def limit_threads(threads: int) -> None:
    """Limit the CPU threads of torch and OpenCV; 0: leave their defaults, one per core.

    Call it before anything is computed: threads that exist spin while they wait for work.
    """
    if threads:
        import torch

        torch.set_num_threads(threads)
        with contextlib.suppress(ImportError):
            import cv2

            cv2.setNumThreads(threads)
