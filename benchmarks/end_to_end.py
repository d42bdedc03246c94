# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images a second from a live stream: our node and others in turn, over real DDS processes.

The bundled sample (400x250, looped) is streamed by ``spike_player`` in a process of its own to a
depth node in another, and this process counts the depth images. Rounds of our node and of
``naive_node.py`` alternate on the same transport (the loopback profile, reliable, packets of 40
planes), each with fresh processes, each measured after a warm-up. ``--preview METHOD`` adds our
node with a subscriber to its preview, ``--against COMMIT`` node and player of a named commit.

    python -m benchmarks.end_to_end --against COMMIT --json end_to_end.json

from the repository's root, with torch installed (the naive node needs it). The JSON holds
``machine``, ``settings``, ``rounds`` (each with a side per pipeline) and ``medians``: of each
side over the rounds, and ``ours_over``, for every other pipeline the median over rounds of the
ratio of windows/s. What a side holds is described at ``live_stream.measure``.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from typing import Any

from benchmarks import report
from benchmarks.live_stream import (
    Pipeline,
    Timing,
    argument_parser,
    measure,
    previewing,
    session,
    spike_depth,
)
from benchmarks.named_commit import worktree

OURS = 'ours'


def naive(rate_hz: float) -> Pipeline:
    """Return the pipeline that ours is compared with; its player is ours."""
    return Pipeline(
        'naive', ('-m', 'benchmarks.naive_node', '--ros-args', '-p', f'rate_hz:={rate_hz:.1f}')
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    machine = report.machine()
    timing = Timing(options.rate, options.warm_up, options.seconds)
    rounds: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        pipelines = [spike_depth(OURS)]
        if not options.without_naive:
            import torch  # noqa: F401 - a process of the first round would fail without it

            pipelines.append(naive(options.rate))
        pipelines += map(previewing, options.preview)
        if options.against:
            tree = stack.enter_context(worktree(options.against))
            pipelines.append(spike_depth(options.against, tree))
        subscriber, scratch = stack.enter_context(session(options.rate))
        for number in range(1, options.rounds + 1):
            sides: dict[str, Any] = {}
            for pipeline in pipelines:
                print(f'round {number} of {options.rounds}: {pipeline.name}', file=sys.stderr)
                sides[pipeline.name] = measure(pipeline, subscriber, timing, scratch)
            rounds.append(sides)
            pipelines.append(pipelines.pop(0))  # what ran before it changes for each
    names = list(rounds[0])
    return {
        'machine': machine,
        'settings': {
            name: getattr(options, name)
            for name in ('seconds', 'rounds', 'warm_up', 'rate', 'against')
        },
        'rounds': rounds,
        'medians': {name: _medians([sides[name] for sides in rounds]) for name in names},
        'ours_over': {
            name: statistics.median(
                sides[OURS]['windows_per_s'] / sides[name]['windows_per_s'] for sides in rounds
            )
            for name in names
            if name != OURS
        },
    }


def _medians(sides: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(side[name] for side in sides) for name in sides[0]}


def text(result: dict[str, Any]) -> str:
    """Format the result as a Markdown table: medians, then every round."""
    header = ('', 'ours / it', 'windows/s', 'latency p50 ms', 'p99 ms', 'planes in', 'dropped')
    header = (*header, 'planes/s', 'node CPU', 'player CPU', 'other CPU', 'previews/s')
    rows = []
    titled = [('median', result['medians'])]
    titled += [(f'round {n}', sides) for n, sides in enumerate(result['rounds'], 1)]
    for title, sides in titled:
        for name in (OURS, *result['ours_over']):
            side = sides[name]
            ratio = sides[OURS]['windows_per_s'] / side['windows_per_s']
            if title == 'median' and name != OURS:
                ratio = result['ours_over'][name]
            rows.append(
                (
                    f'{title}, {name}',
                    f'{ratio:.2f}' if name != OURS else '',
                    *(_fixed(side, 1, 'windows_per_s', 'latency_ms_p50', 'latency_ms_p99')),
                    *(_fixed(side, 0, 'planes_in', 'planes_dropped', 'planes_per_s')),
                    *(_fixed(side, 2, 'node_cpu', 'player_cpu', 'other_cpu')),
                    *(_fixed(side, 1, 'previews_per_s')),
                )
            )
    return report.machine_line(result['machine']) + '\n\n' + report.table(header, rows)


def _fixed(side: dict[str, float], digits: int, *keys: str) -> list[str]:
    return [f'{side[key]:.{digits}f}' for key in keys]


def main(args: list[str] | None = None) -> int:
    description = 'Depth images a second from a live stream: our node and others in turn.'
    parser = argument_parser('end_to_end', description, rounds=3)
    parser.add_argument('--without-naive', action='store_true', help='leave the naive node out')
    parser.add_argument(
        '--preview',
        nargs='+',
        default=[],
        metavar='METHOD',
        help='measure our node also with a subscriber to its preview by these methods',
    )
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
