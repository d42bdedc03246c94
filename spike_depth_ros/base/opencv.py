# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV, imported when something of it is used: ``from spike_depth_ros import opencv as cv2``.

The library estimates depth without it, and pip does not install it: a ROS installation has its
own, which a second one would hide.
"""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Return an attribute of ``cv2``.

    Raises:
        ImportError: It is not installed.
        AttributeError: It has no such attribute.
    """
    if name.startswith('__'):
        raise AttributeError(name)
    try:
        cv2 = importlib.import_module('cv2')
    except ImportError as error:
        raise ImportError(
            f'OpenCV is missing ({error}): pip install opencv-python-headless, or, of a ROS '
            'installation, python3-opencv',
            name='cv2',
        ) from error
    found = globals()[name] = getattr(cv2, name)  # found at once the next time
    return found
