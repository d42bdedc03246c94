# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the demo: metrics, a table and pictures."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from spike_depth_ros.base.results import has_keys
from spike_depth_ros.estimator import DepthEstimator, ImageEstimator
from spike_depth_ros.evaluation import metrics
from spike_depth_ros.evaluation.scores import Output
from spike_depth_ros.evaluation.truth import enlarged
from spike_depth_ros.nodes.parts import diagnostic_values as keys
from spike_depth_ros.nodes.parts.demo_scores import DemoScores, Plan, Snapshot
from spike_depth_ros.nodes.parts.live_evaluation import DepthNodeStatus, LiveEvaluation
from spike_depth_ros.nodes.parts.losses import ActiveRemedies, losses
from spike_depth_ros.observation import Observation
from spike_depth_ros.pages import pictures
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.depth_colours import Rgb
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.accounting import PlaneAccounting
from spike_depth_ros.stream.window import Window, reference_index

RESULTS = ('summary.json', f'depth_{"[0-9]" * 6}*.png', 'depth.gif', 'methods.png')
"""Patterns of the files that a run writes, beside the logs."""

PNG_FILES = 4
"""Number of snapshots that are also written as PNG."""

GIF_FPS = 5.0

MIN_SPEED = 0.1
"""Slowest advised playback, times real time."""

LATE_S = 0.1
"""Delay of the player from which the table names it, seconds."""

MOST_LATE_S = 1.0
"""Delay of the player above which a run is not valid, seconds."""

LEAST_IMAGES_PER_S = 2.0
"""Depth images a second below which a run is not valid, where the stream has twice as many."""


def is_result(path: Path) -> bool:
    """Return True for a file of ``RESULTS`` in a folder with the summary of a demo."""
    summary = path.with_name('summary.json')
    return path.is_file() and has_keys(summary, 'planes_sent', 'windows_out')


def summarise(
    plan: Plan, heard: LiveEvaluation[DemoScores], sent: dict[str, Any], took_s: float
) -> dict[str, Any]:
    """Summarise a run for ``summary.json``; None for missing values."""
    node, arrivals, scores = heard.depth_node, heard.arrivals, heard.live.scores
    accounting = node.stream.accounting()
    # Losses at the end leave no gap between stamps: planes sent after the last (or before the
    # first) received one were lost before the node's queue.
    unseen = sent['planes_sent'] - accounting.expected
    lost = dataclasses.replace(accounting, lost_in_transport=accounting.lost_in_transport + unseen)
    slower = max(plan.speed / 2, MIN_SPEED)
    advice = f'play more slowly (make demo ... SPEED={slower:g})' if plan.speed > MIN_SPEED else ''
    latency = arrivals.latency_ms(lambda stamps: plan.due_ns(stamps, sent['first_stamp_ns']))
    scored = scores if scores is not None and scores.errors.pixels else None
    return {
        'stream': plan.name,
        **(_of_pair(node, sent) if plan.is_pair else {}),
        'planes_sent': sent['planes_sent'],
        'planes_in': accounting.received,
        'planes_per_s': sent['planes_per_s'],
        'not_valid': _not_valid(plan, len(arrivals), sent),
        'remedy': advice or 'leave the machine more free CPU time',
        'windows_out': len(arrivals),
        'windows_per_s': arrivals.per_s(),
        'latency_ms_p50': latency and latency[0],
        'latency_ms_p99': latency and latency[1],
        'planes_dropped': lost.dropped,
        'losses': [
            loss._asdict()
            for loss in losses(lost, PlaneAccounting(), ActiveRemedies.here(True, advice))
        ],
        'abs_rel': scored and scored.errors.abs_rel,
        'abs_rel_median_scaled': scored and scored.scaled_errors.abs_rel,
        'abs_rel_coverage': scored and scored.errors.coverage,
        'planes_per_window': plan.info.planes,
        'checkpoint': Path(node.model.get(keys.CHECKPOINT, '')).name,
        'weights': plan.info.stage,
        'weights_sha256': plan.info.weights_sha256,
        'scale': node.model.get(keys.SCALE),
        'backend': node.model.get(keys.BACKEND),
        'device': node.model.get(keys.DEVICE),
        'cpus': len(os.sched_getaffinity(0)),
        'seconds': took_s,
        'speed': plan.speed,
        'player_behind_s_max': sent['behind_s_max'],
        'accounting': {
            key: node.stream.count(key)
            for key in node.stream
            if key.startswith('planes_') and key != keys.PLANES_PER_S
        },
        'accounting_difference': list(accounting.check()),
    }


def _not_valid(plan: Plan, windows: int, sent: dict[str, Any]) -> list[str]:
    """Return why the figures of a run tell nothing of the depth node; empty if they do.

    Args:
        plan: Plan of the run.
        windows: Depth images that came out.
        sent: Report of the player.
    """
    reasons = []
    if (behind_s := sent['behind_s_max']) > MOST_LATE_S:
        reasons.append(f'the player was up to {behind_s:.1f} s behind')
    images_per_s = windows / max(sent['seconds'], plan.planes / plan.rate_hz / plan.speed)
    # A slow or short stream has fewer windows itself.
    possible = plan.rate_hz * plan.speed / plan.info.planes
    if images_per_s < min(LEAST_IMAGES_PER_S, possible / 2):
        reasons.append(
            f'{images_per_s:.2g} depth images a second came out, expected '
            f'{min(LEAST_IMAGES_PER_S, possible / 2):.2g} or more'
        )
    return reasons


def _of_pair(node: DepthNodeStatus, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the right camera and of the pairs."""
    accounting = node.right_stream.accounting()
    unseen = sent['right']['planes_sent'] - accounting.expected
    return {
        'right': {
            'planes_sent': sent['right']['planes_sent'],
            'planes_in': accounting.received,
            'planes_dropped': accounting.dropped + unseen,
        },
        **{
            key: None if math.isnan(value := node.stereo.number(key)) else value
            for key in (keys.MATCHED_SHARE, keys.FILL_FACTOR, keys.BASELINE_M)
        },
    }


def draw(plan: Plan, snapshots: dict[int, Snapshot], out: Path, scale: str | None) -> list[Path]:
    """Write PNG files of some snapshots and a GIF of all, in the recording's order.

    Args:
        plan: Plan of the run.
        snapshots: Complete snapshots by their part of the recording.
        out: Folder to write to.
        scale: Kind of the scale, from the node's diagnostics.

    Returns:
        The files.
    """
    ordered = [snapshots[place] for place in sorted(snapshots)]
    if not ordered:
        return []
    outputs = [one.output for one in ordered]
    near, far = _depth_limits(outputs)
    high = max(_finite(one.uncertainty, 95) for one in outputs) or 1.0
    relative = max(_finite(_relative_uncertainty(one), 95) for one in outputs) or 1.0
    if plan.is_pair:
        alone = _alone(plan, ordered)
        sheets = [
            _pair_sheet(plan, snapshot, (near, far), one)
            for snapshot, one in zip(ordered, alone, strict=True)
        ]
    else:
        sheets = [_sheet(plan, one, (near, far), high, relative, scale) for one in ordered]
    files = []
    for index in sorted({round(i) for i in np.linspace(0, len(sheets) - 1, PNG_FILES)}):
        files.append(out / f'depth_{ordered[index].plane:06d}.png')
        pictures.save_png(sheets[index], files[-1])
    files.append(out / 'depth.gif')
    pictures.save_gif(sheets, files[-1], GIF_FPS)
    return files


def draw_methods(plan: Plan, out: Path) -> Path:
    """Draw the middle of the recording by every method of the preview.

    Args:
        plan: Plan of the run.
        out: Folder for ``methods.png``.

    Returns:
        The written file.
    """
    length = min(plan.length, plan.info.planes)
    window = _window(plan, (plan.length - length) // 2, length)
    titles = {
        'rate': f'rate: mean of {length} planes',
        'short': f'short: mean of {min(preview.SHORT_PLANES, length)} planes',
        'interval': 'interval: inter-spike intervals',
    }
    panels: list[tuple[Rgb | None, str]] = [
        (pictures.spike_panel(preview.render(window, method)), titles[method])
        for method in preview.METHODS
    ]
    network = ImageEstimator.from_checkpoint(device='cpu')
    learnt = None
    if length >= network.info.planes:
        learnt = pictures.spike_panel(preview.encode(network.predict(window).rate))
    panels.append((learnt, f'learnt: {network.info.architecture}'))
    file = out / 'methods.png'
    pictures.save_png(pictures.strip(panels, f'{plan.name}, one instant.'), file)
    return file


def _window(plan: Plan, first: int, length: int) -> Window:
    """Return the window of the recording from a first plane on."""
    reference = reference_index('middle', length)
    period_ns = round(1e9 / plan.rate_hz)
    return Window(
        data=np.ascontiguousarray(plan.recording.read(first, first + length)),
        geometry=plan.recording.geometry,
        t0_ns=0,
        period_ns=period_ns,
        reference_plane=reference,
        reference_ns=reference * period_ns,
    )


def _alone(plan: Plan, snapshots: list[Snapshot]) -> list[npt.NDArray[np.float32]]:
    """Predict depth by the left camera alone, for the windows of snapshots."""
    network = DepthEstimator.from_checkpoint(plan.checkpoint, device='cpu')
    matrix = plan.recording.camera_matrix
    fx_px = None if matrix is None else float(matrix[0, 0])
    length = min(plan.length, network.info.planes)
    found = []
    for snapshot in snapshots:
        first = snapshot.plane - reference_index('middle', length)
        window = _window(plan, min(max(first, 0), plan.length - length), length)
        found.append(network.predict(Observation(window, fx_px)).depth)
    return found


def _finite(image: npt.NDArray[np.float32], percent: float) -> float:
    values = image[np.isfinite(image)]
    return float(np.percentile(values, percent)) if values.size else 0.0


def _depth_limits(outputs: list[Output]) -> tuple[float, float]:
    near = min((_finite(one.depth, 1) for one in outputs), default=0.0)
    far = max((_finite(one.depth, 99) for one in outputs), default=0.0)
    return (near, max(far, 1.05 * near)) if near > 0 else (1.0, 10.0)


def _relative_uncertainty(output: Output) -> npt.NDArray[np.float32]:
    """Return uncertainty / depth in percent; NaN where depth is not finite."""
    shares = np.full_like(output.uncertainty, np.nan)
    finite = np.isfinite(output.depth)
    return np.divide(100 * output.uncertainty, output.depth, out=shares, where=finite)


def _sheet(
    plan: Plan,
    snapshot: Snapshot,
    limits: tuple[float, float],
    high: float,
    relative_high: float,
    scale: str | None,
) -> Rgb:
    """Draw one snapshot; without truth the fourth panel is uncertainty relative to depth.

    Args:
        plan: Plan of the run.
        snapshot: Output for one window.
        limits: Nearest and farthest depth of the colours, metres.
        high: Largest uncertainty of the colours, metres.
        relative_high: Largest relative uncertainty of the colours, percent.
        scale: Kind of the scale, from the node's diagnostics.
    """
    output = snapshot.output
    weights = plan.info.stage
    label = (
        'RANDOM WEIGHTS: depth is meaningless' if weights == 'random' else f'weights: {weights}'
    )
    return pictures.strip(
        [
            (_spikes(output), 'spikes, intervals'),
            (pictures.depth_panel(output.depth, *limits), 'depth'),
            (pictures.uncertainty_panel(output.uncertainty, high), 'uncertainty (68 %)'),
            _error(output, relative_high),
        ],
        caption=f'{plan.name}, plane {snapshot.plane} = '
        f'{1e3 * snapshot.plane / plan.rate_hz:.2f} ms. '
        f'{plan.info.architecture}, {label}.{" scale: assumed." if scale == "assumed" else ""}',
    )


def _spikes(output: Output) -> Rgb:
    preview = output.preview()
    assert preview is not None
    return pictures.spike_panel(preview)


def _error(output: Output, high: float) -> tuple[Rgb, str]:
    """Draw the error of a window, or without truth its relative uncertainty up to ``high`` %."""
    if output.truth is None:
        panel = pictures.uncertainty_panel(_relative_uncertainty(output), high, '%')
        return panel, 'uncertainty over depth (no truth here)'
    depth = enlarged(output.depth, output.truth)
    relative = metrics.relative_error(depth, output.truth, *output.depth_range)
    return pictures.error_panel(relative), 'relative error'


def _pair_sheet(
    plan: Plan,
    snapshot: Snapshot,
    limits: tuple[float, float],
    alone: npt.NDArray[np.float32],
) -> Rgb:
    """Draw one snapshot of two cameras.

    Args:
        plan: Plan of the run.
        snapshot: Output for one pair.
        limits: Nearest and farthest depth of the colours, metres.
        alone: Depth of the left camera alone, metres, as that of the snapshot.
    """
    output = snapshot.output
    disparity = output.others['disparity']
    widest = max(_finite(disparity, 99), 1.0)
    return pictures.strip(
        [
            (_spikes(output), 'left spikes, rectified'),
            (pictures.spike_panel(output.others['right']), 'right spikes, rectified'),
            (pictures.uncertainty_panel(disparity, widest, 'px'), 'disparity'),
            (pictures.depth_panel(output.depth, *limits), 'depth, filled'),
            (pictures.depth_panel(alone, *limits), 'depth of the left camera alone'),
            _error(output, 50.0),
        ],
        caption=f'{plan.name}, {plan.recording.baseline_m:g} m apart, plane {snapshot.plane} = '
        f'{1e3 * snapshot.plane / plan.rate_hz:.2f} ms.',
        columns=3,
    )


def scale_text(scale: str | None) -> str:
    """Return the kind of the scale, with a remedy if it is assumed."""
    if scale == 'assumed':
        return 'assumed: no focal length is known; give --fx or --camera-info (FX=, CAMERA_INFO=)'
    return scale or 'unknown'


def _pair_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of two cameras."""
    if 'right' not in summary:
        return []
    right, matched = summary['right'], summary[keys.MATCHED_SHARE]
    baseline_m = summary[keys.BASELINE_M]
    return [
        ('right camera', f'{right["planes_in"]} planes in, {right["planes_dropped"]} dropped'),
        ('baseline', '-' if baseline_m is None else f'{baseline_m:g} m'),
        ('matched pixels', '-' if matched is None else f'{matched:.0%}, the rest filled'),
    ]


def show(console: Console, summary: dict[str, Any], out: Path, files: list[Path]) -> None:
    """Print the summary as a table, and the paths of the results."""

    def text(key: str, form: str) -> str:
        return '-' if summary[key] is None else format(summary[key], form)

    abs_rel = text('abs_rel', '.3f')
    if summary['abs_rel'] is not None and summary['abs_rel_coverage'] < 1:
        abs_rel += f' INCOMPLETE: {text("abs_rel_coverage", ".2%")} of the truth has a prediction'
    behind_s = summary['player_behind_s_max']
    player_row = [('the player', f'was up to {behind_s:.2f} s late')] if behind_s > LATE_S else []
    rows = (
        ('planes in', f'{summary["planes_in"]} at {text("planes_per_s", ".0f")}/s'),
        ('planes dropped', text('planes_dropped', 'd')),
        *_pair_rows(summary),
        *(('', f'{loss["planes"]} {loss["where"]}') for loss in summary['losses']),
        *(('remedy', loss['remedy']) for loss in summary['losses']),
        *player_row,
        ('depth images', f'{summary["windows_out"]} at {text("windows_per_s", ".1f")}/s'),
        (
            'latency',
            f'{text("latency_ms_p50", ".1f")} ms median, {text("latency_ms_p99", ".1f")} ms p99',
        ),
        ('AbsRel against truth', abs_rel),
        ('median-scaled', text('abs_rel_median_scaled', '.3f')),
        ('scale', scale_text(summary['scale'])),
        ('model', f'{summary["checkpoint"]} ({summary["weights"]} weights)'),
        ('ran on', f'{summary["device"]} by {summary["backend"]}, {summary["cpus"]} CPUs'),
    )
    print_table(Table(['', ''], rows, names=True))
    for reason in summary['not_valid']:
        console.print(f'NOT VALID: {reason}: {summary["remedy"]}', soft_wrap=True)
    if summary['weights'] == 'random':
        console.print('The weights are random: depth and error are meaningless.')
    if files:
        console.print(f'pictures: {files[-1]} and {len(files) - 1} PNG files', soft_wrap=True)
    console.print(f'figures:  {out / "summary.json"}', soft_wrap=True)
