# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``make bench`` measures: the main benchmarks one after the other, in five minutes.

    python -m benchmarks.suite --out bench_out

from the repository's root. The folder gets ``results.json`` with ``machine``, ``busy`` (true if
other processes used much of the machine before) and ``results``, a list of ``name``, ``value``,
``unit`` and ``ratio``: of ours to another way in the same run (``against`` names it), which may be
compared between machines; null where there is none. ``--quick`` takes a third of the time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import end_to_end, ingest, packing, recording, report

BUSY = 0.2
"""Load for each core, before the first benchmark, from which the machine counts as busy."""

NAIVE = 'naive node'


def entry(
    name: str, value: float, unit: str, ratio: float | None = None, against: str | None = None
) -> dict[str, Any]:
    """One of ``results``."""
    return {'name': name, 'value': value, 'unit': unit, 'ratio': ratio, 'against': against}


def of_end_to_end(quick: bool) -> Iterator[dict[str, Any]]:
    """Windows a second of a live stream, beside the naive node."""
    args = ['--rounds', '1' if quick else '3', '--seconds', '5' if quick else '8']
    found = end_to_end.run(end_to_end.argument_parser().parse_args(args))
    ours, over = found['medians'][end_to_end.OURS], found['ours_over']['naive']
    yield entry('end to end', ours['windows_per_s'], 'windows/s', over, NAIVE)
    latencies = [found['medians'][name] for name in (end_to_end.OURS, 'naive')]
    for key, name in (('latency_ms_p50', 'latency, median'), ('latency_ms_p99', 'latency, 99 %')):
        mine, naive = (each[key] for each in latencies)
        yield entry(name, mine, 'ms', naive / mine, NAIVE)
    lost = sum(each[end_to_end.OURS]['planes_dropped'] for each in found['rounds'])
    yield entry('planes lost, end to end', lost, 'planes')


def of_packing(quick: bool) -> Iterator[dict[str, Any]]:
    """Counts of packed planes beside numpy, and the parts of a prediction."""
    args = ['--repetitions', '20' if quick else '50']
    found = packing.run(packing.argument_parser().parse_args(args))
    for work in found['work']:
        name = f'{work["name"]}, {work["planes"]} planes'
        yield entry(name, work['ours_ms'], 'ms', work['numpy_over_ours'], 'numpy')
    for one in found['predict']:
        name = f'predict, {one["planes"]} planes'
        yield entry(name, one['total_ms'], 'ms', one['total_ms'] / one['network_ms'], 'network')


def of_recording(quick: bool) -> Iterator[dict[str, Any]]:
    """A recorded stream, beside a plain file."""
    args = ['--rounds', '1' if quick else '3', '--seconds', '5' if quick else '8']
    rounds = recording.run(recording.argument_parser().parse_args(args))['rounds']
    speed, ratio = (
        statistics.median(one[key] for one in rounds) for key in ('recorded_mb_per_s', 'ratio')
    )
    yield entry('recording', speed, 'MB/s', ratio, 'plain file')
    yield entry('planes lost, recording', sum(one['planes_lost'] for one in rounds), 'planes')


def of_ingest(quick: bool) -> Iterator[dict[str, Any]]:
    """Packets into the ring of windows, beside a copy of their bytes."""
    args = ['--repetitions', '20' if quick else '50']
    found = ingest.run(ingest.argument_parser().parse_args(args))['ingest']
    yield entry('ingest', found['planes_per_s'], 'planes/s', found['ours_over_copy'], 'copy')


PARTS = (of_packing, of_ingest, of_recording, of_end_to_end)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all parts, write ``results.json``, and return its content."""
    found = report.machine()
    busy = found['load_1min'] > BUSY * found['cores']
    if busy:
        print(
            f'warning: a load of {found["load_1min"]:.1f} on {found["cores"]} cores: other '
            'processes take time, and results are marked busy',
            file=sys.stderr,
        )
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise report.InputError(f'--out {options.out}: {error.strerror}') from None
    results, started = [], time.monotonic()
    for part in PARTS:
        print(f'{part.__doc__ or ""}'.splitlines()[0], file=sys.stderr, flush=True)
        results += part(options.quick)
    result = {
        'settings': {'quick': options.quick, 'seconds': time.monotonic() - started},
        'busy': busy,
        'results': results,
    }
    path = options.out / 'results.json'
    path.write_text(json.dumps({'machine': found, **result}, indent=2) + '\n')
    return result


def text(result: dict[str, Any]) -> str:
    """Format the results as a Markdown table."""
    rows = [
        {
            **one,
            'value': f'{one["value"]:.4g}' if one['unit'] != 'planes' else f'{one["value"]:.0f}',
            'ratio': '' if one['ratio'] is None else f'{one["ratio"]:.2f}',
            'against': one['against'] or '',
        }
        for one in result['results']
    ]
    cells = {name: f'{{{name}}}' for name in ('name', 'value', 'unit', 'ratio', 'against')}
    busy = '\n\nThe machine was busy: compare nothing.' if result['busy'] else ''
    return f'{report.columns(rows, cells)}{busy}'


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = report.parser('suite', 'The main benchmarks one after the other.')
    made.add_argument('--out', type=Path, default=Path('bench_out'), help='default: bench_out')
    made.add_argument('--quick', action='store_true', help='in a third of the time')
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
