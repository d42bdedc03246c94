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
import statistics
import sys
from typing import Any

from benchmarks import report
from benchmarks.live_stream import LOST, argument_parser, measure_rounds, spike_depth

OURS = 'ours'


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    names = ('seconds', 'rounds', 'warm_up', 'rate', 'against', 'loops')
    return {
        'settings': report.settings(options, *names),
        'rounds': [
            {'loops': loops, 'number': number, **found}
            for number, loops, found in measure_rounds(options, [spike_depth(OURS)], options.loops)
        ],
    }


def text(result: dict[str, Any]) -> str:
    """Format the result as two Markdown tables: by busy loops, and every round."""
    return f'{_summary(result)}\n\n{_every_round(result)}'


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
    cells = {
        'loops': '{loops}',
        'round': '{number}',
        'node': '{name}',
        'sent': '{planes_sent}',
        'dropped': '{planes_dropped}',
        **{cause.replace('_', ' '): f'{{planes_{cause}}}' for cause in LOST},
        'windows/s': '{windows_per_s:.1f}',
        'p99 ms': '{latency_ms_p99:.0f}',
        'player at': '{reached:.1%}',
        'behind s': '{player_behind_s:.2f}',
        'node CPU': '{node_cpu:.2f}',
    }
    rate = result['settings']['rate']
    rows = [
        {**found, **found[name], 'name': name, 'reached': found[name]['planes_per_s'] / rate}
        for found in sorted(result['rounds'], key=lambda found: (found['loops'], found['number']))
        for name in _pipelines(found)
    ]
    return report.columns(rows, cells)


def main(args: list[str] | None = None) -> int:
    description = 'Planes lost by player and node beside processes that take the cores.'
    parser = argument_parser('starved', description, rounds=5)
    loops = [0, 1, 2]
    parser.add_argument('--loops', type=int, nargs='+', default=loops, help='default: 0 1 2')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
