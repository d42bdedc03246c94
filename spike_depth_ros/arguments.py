# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types of command-line arguments that several commands take."""

from __future__ import annotations

import argparse


def sensor_size(text: str) -> tuple[int, int]:
    """Parse a sensor size such as 400x250 to (width, height) in pixels."""
    try:
        width, height = (int(part) for part in text.lower().split('x'))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a size; expected WIDTHxHEIGHT, for example 400x250'
        ) from None
    if width < 1 or height < 1:
        raise argparse.ArgumentTypeError(f'{text!r}: width and height must be at least 1')
    return width, height


def positive(text: str) -> float:
    """Parse a number above 0 and at most 1e6."""
    value = float(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f'{text}: expected above 0 and at most 1e6')
    return value


def not_negative(text: str) -> float:
    """Parse a finite number of at least 0."""
    value = float(text)
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text}: expected 0 or more')
    return value


def count(text: str) -> int:
    """Parse an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text}: expected at least 1')
    return value
