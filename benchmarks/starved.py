# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Planes lost on a machine that is busy: player and node beside processes that take its cores.

Rounds of our player and node and of those of a named commit alternate as in ``end_to_end.py``,
beside no, one and two busy loops (``--loops``), each of which takes all that a core gives it.

    python -m benchmarks.starved --against COMMIT --json starved.json

from the repository's root. The JSON holds ``machine``, ``settings`` and ``rounds``: each with
``loops``, ``number`` and a side per pipeline, as described at ``live_stream.measure``. Printed are
sums of planes and medians of the rest by busy loops ("player at" is the lowest of the rounds),
then every round.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from typing import Any

from benchmarks import report
from benchmarks.live_stream import (
    LOST,
    Timing,
    argument_parser,
    busy,
    measure,
    session,
    spike_depth,
)
from benchmarks.named_commit import worktree

OURS = 'ours'


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    machine = report.machine()
    timing = Timing(options.rate, options.warm_up, options.seconds)
    rounds: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        pipelines = [spike_depth(OURS)]
        if options.against:
            tree = stack.enter_context(worktree(options.against))
            pipelines.append(spike_depth(options.against, tree))
        subscriber, scratch = stack.enter_context(session(options.rate))
        for number in range(1, options.rounds + 1):
            for loops in options.loops:
                sides: dict[str, Any] = {'loops': loops, 'number': number}
                for pipeline in pipelines:
                    print(f'round {number}, {loops} loops: {pipeline.name}', file=sys.stderr)
                    with busy(loops):
                        sides[pipeline.name] = measure(pipeline, subscriber, timing, scratch)
                rounds.append(sides)
            pipelines.append(pipelines.pop(0))  # what ran before it changes for each
    return {
        'machine': machine,
        'settings': {
            name: getattr(options, name)
            for name in ('seconds', 'rounds', 'warm_up', 'rate', 'against', 'loops')
        },
        'rounds': rounds,
    }


def text(result: dict[str, Any]) -> str:
    """Format the result as two Markdown tables: by busy loops, and every round."""
    return '\n\n'.join(
        (report.machine_line(result['machine']), _summary(result), _every_round(result))
    )


def _summary(result: dict[str, Any]) -> str:
    rate = result['settings']['rate']
    header = ('loops', 'node', 'rounds', 'sent', 'dropped', 'windows/s', 'p99 ms', 'player at')
    rows = []
    for loops in sorted({sides['loops'] for sides in result['rounds']}):
        rounds = [sides for sides in result['rounds'] if sides['loops'] == loops]
        for name in _pipelines(rounds[0]):
            of = {key: [sides[name][key] for sides in rounds] for key in rounds[0][name]}
            rows.append(
                (
                    f'{loops}',
                    name,
                    f'{len(rounds)}',
                    f'{sum(of["planes_sent"])}',
                    f'{sum(of["planes_dropped"])}',
                    f'{statistics.median(of["windows_per_s"]):.1f}',
                    f'{statistics.median(of["latency_ms_p99"]):.0f}',
                    f'{min(of["planes_per_s"]) / rate:.1%}',
                )
            )
    return report.table(header, rows)


def _pipelines(sides: dict[str, Any]) -> list[str]:
    return sorted((key for key in sides if key not in ('loops', 'number')), key=OURS.__ne__)


def _every_round(result: dict[str, Any]) -> str:
    causes = (name.replace('_', ' ') for name in LOST)
    header = ('loops', 'round', 'node', 'sent', 'dropped', *causes)
    header = (*header, 'windows/s', 'p99 ms', 'player at', 'behind s', 'node CPU')
    rows = []
    rate = result['settings']['rate']
    for sides in sorted(result['rounds'], key=lambda sides: (sides['loops'], sides['number'])):
        for name in _pipelines(sides):
            side = sides[name]
            rows.append(
                (
                    f'{sides["loops"]}',
                    f'{sides["number"]}',
                    name,
                    f'{side["planes_sent"]}',
                    f'{side["planes_dropped"]}',
                    *(f'{side[f"planes_{cause}"]}' for cause in LOST),
                    f'{side["windows_per_s"]:.1f}',
                    f'{side["latency_ms_p99"]:.0f}',
                    f'{side["planes_per_s"] / rate:.1%}',
                    f'{side["player_behind_s"]:.2f}',
                    f'{side["node_cpu"]:.2f}',
                )
            )
    return report.table(header, rows)


def main(args: list[str] | None = None) -> int:
    description = 'Planes lost by player and node beside processes that take the cores.'
    parser = argument_parser('starved', description, rounds=5)
    loops = [0, 1, 2]
    parser.add_argument('--loops', type=int, nargs='+', default=loops, help='default: 0 1 2')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
