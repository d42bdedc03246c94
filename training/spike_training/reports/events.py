# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics and a picture of the events of recordings, to check them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.depth_colours import Rgb
from spike_training.datasets.clip import Clip
from spike_training.errors import DataSetError, FrameError
from spike_training.events.stream import Events
from spike_training.events.voxels import voxel_grid

WINDOW_S = 0.05
"""Time before a frame whose events are measured, seconds; that of Sun et al."""

BRIGHTER, DARKER = (214, 40, 40), (29, 78, 216)
"""Colours of the two polarities, on white."""

_PICTURES = 4


def measure_events(clips: Sequence[Clip], frames: int) -> tuple[dict[str, Any], Rgb]:
    """Return statistics of the events before some frames, and frames beside their events.

    Args:
        clips: Recordings with events, one or more.
        frames: Number of frames, spread over all.

    Returns:
        Statistics for JSON, and the picture: red brighter, blue darker.

    Raises:
        DataSetError: The events of no frame can be read.
    """
    every = [(clip, number) for clip in clips for number in clip.labelled]
    chosen = [
        every[k * len(every) // min(frames, len(every))] for k in range(min(frames, len(every)))
    ]
    rates, positive, left_out = [], [], dict[str, list[str]]()
    panels: list[tuple[Rgb | None, str]] = []
    for place, (clip, frame) in enumerate(chosen):
        assert clip.events is not None
        stop_s = float(clip.times_s[frame])
        try:
            events, image = clip.events(stop_s - WINDOW_S, stop_s), clip.image(frame)
        except FrameError as error:
            left_out.setdefault(str(error), []).append(f'{clip.name}, frame {frame}')
            continue
        rates.append(len(events) / WINDOW_S)
        if len(events):
            positive.append(float((events.polarity > 0).mean()))
        if place % max(1, len(chosen) // _PICTURES) == 0:
            panels += [
                (image, f'{clip.name}, frame {frame}'),
                (event_panel(events), f'{len(events)} events in {1e3 * WINDOW_S:g} ms'),
            ]
    if not rates:
        raise DataSetError(f'{clips[0].name}: {next(iter(left_out), "no frame has depth")}')
    report = {
        'frames': len(rates),
        'window_s': WINDOW_S,
        'rate_hz': {'median': float(np.median(rates)), 'largest': max(rates)},
        'empty_windows': int(np.sum(np.array(rates) == 0)),
        'brighter_share': float(np.mean(positive)) if positive else None,
        'skipped': left_out,
    }
    return report, pictures.strip(panels, 'red: brighter, blue: darker', 2)


def event_panel(events: Events) -> Rgb:
    """Draw events on white, ``[H, W, 3]``: the colour of what prevails in a pixel."""
    total = voxel_grid(events, 1)[0].numpy()
    found: Rgb = np.full((*total.shape, 3), 255, np.uint8)
    found[total > 0] = BRIGHTER
    found[total < 0] = DARKER
    return found


def print_events(report: Mapping[str, Any]) -> None:
    """Print the statistics of events."""
    rates, share = report['rate_hz'], report['brighter_share']
    of = 'no events' if share is None else f'{share:.0%} brighter'
    print(
        f'  events before {report["frames"]} frames: median {rates["median"]:.3g} a second, at '
        f'most {rates["largest"]:.3g}, {of}; {report["empty_windows"]} windows of '
        f'{1e3 * report["window_s"]:g} ms without an event'
    )
    for reason, names in report['skipped'].items():
        print(f'  left out, {reason}: {len(names)}, for instance {names[0]}')
