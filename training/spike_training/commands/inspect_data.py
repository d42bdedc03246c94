# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is in a data set: counts, depth, firing rates, and a sheet of pictures to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from spike_depth_ros import pictures
from spike_depth_ros.checkpoint import write_atomically
from spike_training.datasets import readers
from spike_training.datasets.clip import Clip, Depth, SpikeClip
from spike_training.errors import DataSetError, FrameError
from spike_training.evaluation.report import to_json
from spike_training.sampling.clip_source import MEAN_RATE, ClipSource
from spike_training.sampling.sample import Batch
from spike_training.sampling.spike_source import SpikeSource

DEPTH_EDGES_M = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 50.0, 80.0, 200.0, 1e3)
"""Edges of the bins of the histogram of depth, metres."""

_PICTURES = 6
_SPARSE = 0.3
_BATCH = 8
_BAR = 40


def inspect_data(
    data: dict[str, str],
    out: Path,
    frames: int = 40,
    height: int = 256,
    width: int = 384,
    planes: int = 128,
    rate_hz: float = 20_000.0,
    mean_rate: float = MEAN_RATE,
) -> None:
    """Look at data sets: counts, a histogram of depth, firing rates, and a sheet of pictures.

    Writes OUT/NAME.json and OUT/NAME.png for each data set: image, firing rate and depth of some
    frames. Look whether they are upright, aligned, and of the right unit.

    Args:
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. See docs/data_sets.md.
        out: Folder to write to; made if missing.
        frames: Labelled frames that the figures are of, spread over the set.
        height: Rows that frames are brought to; recordings of spikes keep theirs.
        width: Columns that frames are brought to.
        planes: Length of the windows of spikes.
        rate_hz: Planes a second that are simulated.
        mean_rate: Share of the planes in which a pixel fires, on average over an image.

    Raises:
        DataSetError: A data set cannot be used.
    """
    if not data or frames < 1:
        raise DataSetError(
            f'{len(data)} data sets and {frames} frames: expected at least one of each, '
            '--data.NAME PATH'
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, where in data.items():
        clips = readers.read(name, where)
        recorded = [clip for clip in clips if isinstance(clip, SpikeClip)]
        source: ClipSource | SpikeSource
        if recorded:
            source = SpikeSource(recorded, planes)
        else:
            source = ClipSource(
                [clip for clip in clips if isinstance(clip, Clip)],
                height,
                width,
                (planes,),
                rate_hz,
                mean_rate=mean_rate,
                with_rgb=True,
            )
        report, shown = look(source, frames)
        report = {'clips': [describe(clip) for clip in clips], **report}
        write_atomically(out / f'{name}.json', to_json(report))
        title = 'simulated' if not recorded else 'recorded'
        pictures.save_png(sheet(shown, title), out / f'{name}.png')
        show(name, report)
        print(f'{out / name}.png: pictures; {out / name}.json: all figures')


def look(source: ClipSource | SpikeSource, frames: int) -> tuple[dict[str, Any], list[Batch]]:
    """Figures of some samples, and the few that are shown.

    Args:
        source: The samples.
        frames: How many, evenly spread; all if there are not so many.

    Returns:
        Figures for JSON, and samples, each a batch of one.

    Raises:
        DataSetError: None of them can be used, or too many cannot.
    """
    chosen = source.spread(frames)
    wanted = {chosen[k * len(chosen) // _PICTURES] for k in range(_PICTURES)}
    metres, rates, known, sky = [], [], [], []
    shown = []
    for number in chosen:
        batch = source.usable([number])
        if batch is None:
            continue
        depth = batch.depth.numpy()
        metres.append(depth[np.isfinite(depth)])
        known.append(float(np.isfinite(depth).mean()))
        sky.append(float(np.isposinf(depth).mean()))
        rates.append(firing_rate(batch))
        if number in wanted:
            shown.append(batch)
    source.check()
    if not rates:
        raise DataSetError(f'{source.recording(0)}: none of {len(chosen)} frames can be used')
    depths, rate = np.concatenate(metres), np.stack(rates)
    marks = (1, 5, 50, 95, 99)
    return {
        'samples': len(rates),
        'skipped': source.skipped,
        'depth': {
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


def describe(clip: Clip | SpikeClip) -> dict[str, Any]:
    """What a clip says of itself, for JSON."""
    camera = clip.camera
    common = {
        'name': clip.name,
        'camera': None if camera is None else np.round(camera, 3).tolist(),
        'skipped': clip.skipped,
    }
    if isinstance(clip, SpikeClip):
        return common | {
            'planes': clip.planes,
            'labelled': len(clip.depths),
            'size': [clip.geometry.height, clip.geometry.width],
            'seconds': clip.planes / clip.rate_hz,
        }
    return common | {
        'frames': len(clip),
        'labelled': len(clip.labelled),
        'size': _size(clip),
        'seconds': float(clip.times_s[-1] - clip.times_s[0]),
    }


def firing_rate(batch: Batch) -> npt.NDArray[np.float32]:
    """Share of the planes in which each pixel of a batch of one fired, ``[H, W]``."""
    spikes = batch.counts[0].numpy().sum(0, dtype=np.float32)
    rate: npt.NDArray[np.float32] = spikes / np.float32(batch.planes_per_bin.sum())
    return rate


def sheet(samples: Sequence[Batch], kind: str) -> pictures.Rgb:
    """Image (where there is one), firing rate and depth of samples, a row for each.

    Args:
        samples: Batches of one.
        kind: How the spikes came about, for the title.

    Returns:
        The sheet. All depths share one scale; the square root of the rate is shown, stretched to
        its brightest hundredth.
    """
    depths = [batch.depth[0, 0].numpy() for batch in samples]
    finite = np.concatenate([depth[np.isfinite(depth)] for depth in depths])
    low, high = (
        (float(end) for end in np.percentile(finite, (0.5, 99.5))) if finite.size else (1.0, 2.0)
    )
    panels: list[tuple[pictures.Rgb | None, str]] = []
    for batch, depth in zip(samples, depths, strict=True):
        rate = firing_rate(batch)
        bright = np.sqrt(np.minimum(rate / max(float(np.percentile(rate, 99)), 1e-6), 1))
        if batch.rgb is not None:
            colour = (batch.rgb[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            panels.append((colour, f'{int(batch.index[0])}: fx {float(batch.fx[0]):.0f} px'))
        panels.append(
            (
                pictures.spike_panel((bright * 255).astype(np.uint8)),
                f'{kind} rate, mean {rate.mean():.2f}',
            )
        )
        shown = None
        if not np.isnan(depth).all():
            shown = pictures.depth_panel(_thick(depth), low, max(high, low * 1.01))
        panels.append((shown, 'depth'))
    return pictures.strip(panels, pictures.LEGEND, len(panels) // len(samples))


def show(name: str, report: Mapping[str, Any]) -> None:
    """Prints the few figures that matter, and the histogram of depth."""
    clips, depth, rate = report['clips'], report['depth'], report['firing_rate']
    unit = 'frames' if 'frames' in clips[0] else 'planes'
    frames, labelled = (sum(clip[key] for clip in clips) for key in (unit, 'labelled'))
    skipped = [clip['skipped'] for clip in clips] + [report['skipped']]
    left_out = sum(len(names) for reasons in skipped for names in reasons.values())
    print(
        f'{name}: {len(clips)} recordings, {frames} {unit}, {labelled} with depth, {left_out} '
        f'left out; figures of {report["samples"]}'
    )
    for reasons in skipped:
        for reason, names in reasons.items():
            print(f'  left out, {reason}: {len(names)}, for instance {names[0]}')
    rates = rate['percentiles']
    print(
        f'  firing rate: mean {rate["mean"]:.3f}, 5 % below {rates["5"]:.3f}, 5 % above '
        f'{rates["95"]:.3f}; never {rate["never_share"]:.1%}, always {rate["always_share"]:.1%}'
    )
    metres = depth['percentiles_m']
    if not metres:
        print('  depth: none')
        return
    print(
        f'  depth: known {depth["known_share"]:.1%}, sky {depth["sky_share"]:.1%}; median '
        f'{metres["50"]:.3g} m, 1 % below {metres["1"]:.3g} m, 1 % above {metres["99"]:.3g} m'
    )
    table = Table(box=None, padding=(0, 1))
    for column in ('metres', 'share', ''):
        table.add_column(column, justify='left' if not column else 'right')
    total = max(sum(depth['histogram']), 1)
    most = max(max(depth['histogram']), 1)
    for low, high, count in zip(
        DEPTH_EDGES_M[:-1], DEPTH_EDGES_M[1:], depth['histogram'], strict=True
    ):
        if count:
            bar = '#' * max(round(_BAR * count / most), 1)
            table.add_row(f'{low:g} to {high:g}', f'{count / total:.1%}', bar)
    Console(width=99).print(table)


def _size(clip: Clip) -> list[int] | None:
    """Rows and columns of the first labelled frame that can be read."""
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


def _thick(depth: Depth) -> Depth:
    """Depth to look at: single points of a laser scanner are drawn three pixels wide."""
    known = np.isfinite(depth)
    if known.mean() > _SPARSE:
        return depth
    far = np.float32(1e9)
    near = cv2.erode(np.where(known, depth, far), np.ones((3, 3), np.uint8))
    drawn: Depth = np.where(known | (near == far), depth, near)
    return drawn
