# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of a data set: counts, depth and firing rates of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.terminal import print_table
from spike_training.datasets.clip import Clip, SpikeClip
from spike_training.errors import DataSetError, FrameError
from spike_training.reports.contact_sheet import firing_rates
from spike_training.reports.pixel_speed import pixel_speed
from spike_training.sampling.labelled import LabelledSource
from spike_training.sampling.sample import Batch

DEPTH_EDGES_M = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0, 80.0, 200.0, 1e3)
"""Edges of the bins of the histogram of depth, metres."""

_PICTURES = 6
_BAR = 40


def measure_samples(source: LabelledSource, frames: int) -> tuple[dict[str, Any], list[Batch]]:
    """Return statistics of some samples, and a few samples to show.

    Args:
        source: Source of the samples.
        frames: Number of samples, evenly spread; all if there are fewer.

    Returns:
        Statistics for JSON, and samples, each a batch of one.

    Raises:
        DataSetError: No sample can be used, or too many cannot.
    """
    chosen = source.spread(frames)
    wanted = {chosen[k * len(chosen) // _PICTURES] for k in range(_PICTURES)}
    metres, rates, known, sky = [], [], [], []
    shown, relative = [], False
    for number in chosen:
        batch = source.usable([number])
        if batch is None:
            continue
        depth = batch.depth.numpy()
        relative |= batch.relative is not None
        if batch.relative is None:
            metres.append(depth[np.isfinite(depth)])
        known.append(float(np.isfinite(depth).mean()))
        sky.append(float(np.isposinf(depth).mean()))
        rates.append(firing_rates(batch)[0])
        if number in wanted:
            shown.append(batch)
    source.check()
    if not rates:
        raise DataSetError(f'{source.recording(0)}: none of {len(chosen)} frames can be used')
    depths, rate = np.concatenate([np.empty(0, np.float32), *metres]), np.stack(rates)
    marks = (1, 5, 50, 95, 99)
    return {
        'samples': len(rates),
        'skipped': source.skipped,
        'depth': {
            'relative': relative,
            'known_share': float(np.mean(known)),
            'sky_share': float(np.mean(sky)),
            'percentiles_m': _percentiles(depths, marks),
            'edges_m': DEPTH_EDGES_M,
            'histogram': np.histogram(depths, DEPTH_EDGES_M)[0].tolist(),
        },
        'firing_rate': {
            'mean': float(rate.mean()),
            'percentiles': _percentiles(rate, marks),
            'never_share': float((rate == 0).mean()),
            'always_share': float((rate == 1).mean()),
        },
    }, shown


def describe_clip(clip: Clip | SpikeClip) -> dict[str, Any]:
    """Return name, size, camera, length, rate and motion of a clip, for JSON."""
    camera = clip.camera
    common = {
        'name': clip.name,
        'camera': None if camera is None else np.round(camera, 3).tolist(),
        'skipped': clip.skipped,
        'pixels_per_s': pixel_speed(clip),
    }
    if isinstance(clip, SpikeClip):
        return common | {
            'planes': clip.planes,
            'labelled': len(clip.depths),
            'size': [clip.geometry.height, clip.geometry.width],
            'seconds': clip.planes / clip.rate_hz,
            'rate_hz': clip.rate_hz,
            'longest_gap_s': None,
        }
    gaps = np.diff(clip.times_s) if clip.video else np.empty(0)
    return common | {
        'frames': len(clip),
        'labelled': len(clip.labelled),
        'poses': 0 if clip.poses is None else len(clip.poses.times_s),
        'size': _size(clip),
        'seconds': float(clip.times_s[-1] - clip.times_s[0]),
        'rate_hz': 1 / float(np.median(gaps)) if gaps.size else None,
        'longest_gap_s': float(gaps.max()) if gaps.size else None,
    }


def print_report(name: str, report: Mapping[str, Any]) -> None:
    """Print the main statistics, and the histogram of depth."""
    clips, depth, rate = report['clips'], report['depth'], report['firing_rate']
    unit = 'frames' if 'frames' in clips[0] else 'planes'
    frames, labelled = (sum(clip[key] for clip in clips) for key in (unit, 'labelled'))
    skipped = [clip['skipped'] for clip in clips] + [report['skipped']]
    left_out = sum(len(names) for reasons in skipped for names in reasons.values())
    print(
        f'{name}: {len(clips)} recordings, {frames} {unit}, {labelled} with depth, {left_out} '
        f'left out; metrics of {report["samples"]}'
    )
    for reasons in skipped:
        for reason, names in reasons.items():
            print(f'  left out, {reason}: {len(names)}, for instance {names[0]}')
    if poses := sum(clip.get('poses', 0) for clip in clips):
        print(f'  pose of the camera: at {poses} of {frames} frames')
    print(f'  {_time_line(clips, unit)}')
    rates = rate['percentiles']
    print(
        f'  firing rate: mean {rate["mean"]:.3f}, 5 % below {rates["5"]:.3f}, 5 % above '
        f'{rates["95"]:.3f}; never {rate["never_share"]:.1%}, always {rate["always_share"]:.1%}'
    )
    metres = depth['percentiles_m']
    if depth['relative']:
        print(f'  depth: relative, without metres; known {depth["known_share"]:.1%}')
    elif not metres:
        print('  depth: none')
    if not metres:
        return
    print(
        f'  depth: known {depth["known_share"]:.1%}, sky {depth["sky_share"]:.1%}; median '
        f'{metres["50"]:.3g} m, 1 % below {metres["1"]:.3g} m, 1 % above {metres["99"]:.3g} m'
    )
    rows = []
    total = max(sum(depth['histogram']), 1)
    most = max(max(depth['histogram']), 1)
    for low, high, count in zip(
        DEPTH_EDGES_M[:-1], DEPTH_EDGES_M[1:], depth['histogram'], strict=True
    ):
        if count:
            bar = '#' * max(round(_BAR * count / most), 1)
            rows.append([f'{low:g} to {high:g}', f'{count / total:.1%}', bar.ljust(_BAR)])
    print_table(Table(['metres', 'share', ''], rows))


def _time_line(clips: Sequence[Mapping[str, Any]], unit: str) -> str:
    """Return duration, rate, longest gap and motion of clips, which show a wrong time base."""
    rates, gaps, speeds = (
        [clip[key] for clip in clips if clip[key] is not None]
        for key in ('rate_hz', 'longest_gap_s', 'pixels_per_s')
    )
    if not rates:
        return 'time: single images'
    longest = f', longest gap {max(gaps):.3g} s' if gaps else ''
    low, high = (f'{rate:.5g}' for rate in (min(rates), max(rates)))
    return (
        f'time: {sum(clip["seconds"] for clip in clips):.4g} s, '
        f'{low if low == high else f"{low} to {high}"} {unit}/s{longest}; '
        + (f'motion {np.median(speeds):.3g} pixels/s' if speeds else 'motion unknown')
    )


def _size(clip: Clip) -> list[int] | None:
    """Return rows and columns of the first labelled frame that can be read."""
    for index in clip.labelled:
        try:
            return list(clip.image(index).shape[:2])
        except FrameError:
            continue
    return None


def _percentiles(values: npt.NDArray[Any], marks: Sequence[int]) -> dict[str, float]:
    if not values.size:
        return {}
    found = np.percentile(values, marks)
    return {str(mark): float(value) for mark, value in zip(marks, found, strict=True)}
