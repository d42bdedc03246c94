# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``inspect``: counts, depth, firing rates and pictures of data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import INSIDE, Count, Positive
from spike_training.choices import MEAN_RATE
from spike_training.disk import make_folder
from spike_training.errors import ConfigError, DataSetError


@checked(ConfigError)
def inspect_data(
    data: dict[str, str],
    out: Path,
    frames: int = 40,
    height: Count = 256,
    width: Count = 384,
    planes: Count = 128,
    rate_hz: Positive = 20_000.0,
    mean_rate: Annotated[float, INSIDE] = MEAN_RATE,
) -> None:
    """Inspect data sets: counts, a histogram of depth, firing rates, and a sheet of pictures.

    Writes OUT/NAME.json and OUT/NAME.png for each data set: image, depth and firing rate of some
    frames. Check that they are upright, aligned, and of the right unit. OUT/NAME_events.png has
    frames beside events, where there are some.

    Args:
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See
            docs/reference/data_sets.md.
        out: Folder to write to; made if missing.
        frames: Number of labelled frames to measure, spread over the set.
        height: Rows to which frames are resized; recordings of spikes keep theirs.
        width: Columns to which frames are resized.
        planes: Length of the windows of spikes.
        rate_hz: Simulated planes a second.
        mean_rate: Share of the planes in which a pixel fires, on average over an image.

    Raises:
        ConfigError: A setting is out of its range, or the folder cannot be made.
        DataSetError: A data set cannot be used.
    """
    if not data or frames < 1:
        raise DataSetError(
            f'{len(data)} data sets and {frames} frames: expected at least one of each, '
            '--data.NAME PATH'
        )
    from spike_depth_ros.base.results import write_atomically
    from spike_depth_ros.pages import pictures
    from spike_training.datasets import readers
    from spike_training.datasets.clip import Clip, SpikeClip
    from spike_training.evaluation.report import to_json
    from spike_training.reports.contact_sheet import contact_sheet
    from spike_training.reports.data_set import describe_clip, measure_samples, print_report
    from spike_training.reports.events import measure_events, print_events
    from spike_training.sampling.clip_source import ClipSource
    from spike_training.sampling.sample import collate
    from spike_training.sampling.spike_source import SpikeSource

    make_folder(out)
    for name, where in data.items():
        clips = readers.read(name, where)
        frames_of = [clip for clip in clips if isinstance(clip, Clip)]
        recorded = [clip for clip in clips if isinstance(clip, SpikeClip)]
        source = (
            SpikeSource(recorded, planes)
            if recorded
            else ClipSource(
                frames_of, height, width, (planes,), rate_hz, mean_rate=mean_rate, with_rgb=True
            )
        )
        report, shown = measure_samples(source, frames)
        report = {'clips': [describe_clip(clip) for clip in clips], **report}
        write_atomically(out / f'{name}.json', to_json(report))
        with_events = [clip for clip in frames_of if clip.events is not None]
        if with_events:
            report['events'], drawn = measure_events(with_events, frames)
            pictures.save_png(drawn, out / f'{name}_events.png')
            write_atomically(out / f'{name}.json', to_json(report))
        title = 'recorded rate' if recorded else 'simulated rate'
        pictures.save_png(contact_sheet(collate(shown), title), out / f'{name}.png')
        print_report(name, report)
        if with_events:
            print_events(report['events'])
            print(f'{out / name}_events.png: frames beside their events')
        print(f'{out / name}.png: pictures; {out / name}.json: all metrics')
