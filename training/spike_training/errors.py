# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exceptions that end a run, each with a message for the user."""

from __future__ import annotations

from spike_depth_ros.base.errors import one_line as one_line
from spike_depth_ros.base.errors import printable


class ConfigError(ValueError):
    """Invalid settings; the message lists all problems.

    Args:
        text: The message, each of its lines made printable and bounded.
    """

    def __init__(self, text: str) -> None:
        super().__init__('\n'.join(map(printable, text.split('\n'))))


class TrainingError(RuntimeError):
    """Failure of training; the message is one line.

    Args:
        text: The message.
    """

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class DataSetError(RuntimeError):
    """Data set that cannot be used; the message has the problem and the expected value."""


class FrameError(DataSetError):
    """Frame or depth map that cannot be used; others of the data set may be usable."""


class NonFiniteError(TrainingError):
    """Loss or gradient that is NaN or infinite.

    Attributes:
        step: First such step, from 0.
    """

    def __init__(self, step: int, where: str = '') -> None:
        what = f'loss or gradient of step {step} is not finite'
        super().__init__(f'{what}: {where}' if where else what)
        self.step = step
