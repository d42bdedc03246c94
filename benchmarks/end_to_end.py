# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images a second from a live stream: our node and others in turn, over real DDS processes.

The bundled sample (400x250, looped) is streamed by ``spike_player`` in a process of its own to a
depth node in another, and this process counts the depth images. Rounds of our node and of
``naive_node.py`` alternate on the same transport (the loopback profile, reliable, packets of 40
planes), each with fresh processes, each measured after a warm-up. ``--preview METHOD`` adds our
node with a subscriber to its preview, ``--refine`` our node with ``refine: motion``, ``--against
COMMIT`` node and player of a named commit, ``--view .venv-view/bin/spike_view`` our node with a
view of it beside, ``--stereo`` our node of two cameras, without and with its fill (a window is a
pair there, planes are those of both), ``--frames FILE`` our node with a network that takes frames,
without any and beside a camera of 30 frames/s. ``python training/run.py export --architecture
fuse_lite --out FILE`` makes one; its weights change no time.

    python -m benchmarks.end_to_end --against COMMIT --json end_to_end.json

from the repository's root, with torch installed (the naive node needs it). The JSON holds
``machine``, ``settings``, ``rounds`` (each with a side per pipeline) and ``medians``: of each
side over the rounds, and ``ours_over``, for every other pipeline the median over rounds of the
ratio of windows/s. What a side holds is described at ``live_stream.measure``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.frame_camera import FrameCamera
from benchmarks.live_stream import (
    Pipeline,
    fused,
    measure_rounds,
    previewing,
    refining,
    spike_depth,
    spike_stereo,
    viewed,
)
from benchmarks.live_stream import argument_parser as live_arguments

OURS = 'ours'


def naive(rate_hz: float) -> Pipeline:
    """Return the pipeline that ours is compared with; its player is ours."""
    return Pipeline(
        'naive', ('-m', 'benchmarks.naive_node', '--ros-args', '-p', f'rate_hz:={rate_hz:.1f}')
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    pipelines = [spike_depth(OURS)]
    if not options.without_naive:
        import torch  # noqa: F401 - a process of the first round would fail without it

        pipelines.append(naive(options.rate))
    pipelines += map(previewing, options.preview)
    if options.refine:
        pipelines.append(refining())
    if options.stereo:
        pipelines += map(spike_stereo, ('none', 'mono'))
    if options.network is not None:
        if not options.network.exists():
            raise report.InputError(f'--network {options.network}: no such file')
        pipelines.append(spike_stereo('none', options.network.resolve()))
    if options.frames is not None:
        if not options.frames.exists():
            raise report.InputError(f'--frames {options.frames}: no such file')
        checkpoint = options.frames.resolve()
        pipelines += (fused(checkpoint, camera) for camera in (None, FrameCamera.of_sample()))
    if options.view is not None:
        if not options.view.exists():
            raise report.InputError(
                f'--view {options.view}: no such command: make view-environment'
            )
        pipelines.append(viewed(options.view))
    rounds = [found for _, _, found in measure_rounds(options, pipelines)]
    names = list(rounds[0])
    return {
        'settings': report.settings(options, 'seconds', 'rounds', 'warm_up', 'rate', 'against'),
        'rounds': rounds,
        'medians': {name: _medians([found[name] for found in rounds]) for name in names},
        'ours_over': {
            name: statistics.median(
                found[OURS]['windows_per_s'] / found[name]['windows_per_s'] for found in rounds
            )
            for name in names
            if name != OURS
        },
    }


def _medians(sides: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(side[name] for side in sides) for name in sides[0]}


def text(result: dict[str, Any]) -> str:
    """Format the result as a Markdown table: medians, then every round."""
    cells = {
        '': '{title}, {name}',
        'ours / it': '{ratio}',
        'windows/s': '{windows_per_s:.1f}',
        'latency p50 ms': '{latency_ms_p50:.1f}',
        'p99 ms': '{latency_ms_p99:.1f}',
        'planes in': '{planes_in:.0f}',
        'dropped': '{planes_dropped:.0f}',
        'planes/s': '{planes_per_s:.0f}',
        **{f'{who} CPU': f'{{{who}_cpu:.2f}}' for who in ('node', 'player', 'other')},
        'previews/s': '{previews_per_s:.1f}',
        'with frame': '{framed:.0%}',
    }
    rows = []
    titled = [('median', result['medians'])]
    titled += [(f'round {n}', found) for n, found in enumerate(result['rounds'], 1)]
    for title, found in titled:
        for name in (OURS, *result['ours_over']):
            ratio = found[OURS]['windows_per_s'] / found[name]['windows_per_s']
            if title == 'median' and name != OURS:
                ratio = result['ours_over'][name]
            told = f'{ratio:.2f}' if name != OURS else ''
            rows.append({'title': title, 'name': name, 'ratio': told, **found[name]})
    return report.columns(rows, cells)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    description = 'Depth images a second from a live stream: our node and others in turn.'
    made = live_arguments('end_to_end', description, rounds=3)
    made.add_argument('--without-naive', action='store_true', help='leave the naive node out')
    made.add_argument(
        '--preview',
        nargs='+',
        default=[],
        metavar='METHOD',
        help='measure our node also with a subscriber to its preview by these methods',
    )
    made.add_argument(
        '--refine', action='store_true', help='measure our node also with refine: motion'
    )
    made.add_argument('--stereo', action='store_true', help='measure our node of two cameras also')
    made.add_argument(
        '--network',
        type=Path,
        metavar='FILE',
        help='measure our node of two cameras also with this matching network',
    )
    made.add_argument(
        '--frames',
        type=Path,
        metavar='FILE',
        help='measure our node also with this network of spikes and frames, without and with them',
    )
    made.add_argument(
        '--view',
        type=Path,
        metavar='COMMAND',
        help='measure our node also with this spike_view beside it, which writes to a file: '
        '.venv-view/bin/spike_view',
    )
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
