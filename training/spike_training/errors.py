# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ends a run, each with a message for its user."""

from __future__ import annotations

from spike_depth_ros.errors import one_line as one_line
from spike_depth_ros.errors import printable


class ConfigError(ValueError):
    """Settings that cannot be used; the message lists everything that is wrong with them.

    Args:
        text: The message, each of its lines made printable and bounded.
    """

    def __init__(self, text: str) -> None:
        super().__init__('\n'.join(map(printable, text.split('\n'))))


class TrainingError(RuntimeError):
    """Training that cannot go on; the message is one line.

    Args:
        text: The message.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class DataSetError(RuntimeError):
    """A data set that cannot be used: what is missing or wrong, and what was expected."""


class FrameError(DataSetError):
    """One frame or depth map that cannot be used; others may."""


class NonFiniteError(TrainingError):
    """A loss or a gradient was NaN or infinite.

    Attributes:
        step: The first step where that was so, from 0.
    """

    def __init__(self, step: int, where: str = '') -> None:
        what = f'loss or gradient of step {step} is not finite'
        super().__init__(f'{what}: {where}' if where else what)
        self.step = step
