# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``make bench`` measures: the main benchmarks one after the other, in five minutes.

    python -m benchmarks.suite --out bench_out

from the repository's root. The folder gets ``results.json`` with ``machine``, ``busy`` (true if
other processes used much of the machine before) and ``results``, a list of ``name``, ``value``,
``unit`` and ``ratio``: to what ``against`` names, in the same run, which may be compared between
runs and machines; null where there is none. ``--quick`` takes a third of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import end_to_end, ingest, packing, recording, report

BUSY = 0.2
"""Cores that other processes use, before the first benchmark, from which the machine is busy."""

WATCHED_S = 3.0
"""Time over which these are measured, seconds."""

NAIVE = 'naive node'


def entry(
    name: str, value: float, unit: str, ratio: float | None = None, against: str | None = None
) -> dict[str, Any]:
    """One of ``results``."""
    return {'name': name, 'value': value, 'unit': unit, 'ratio': ratio, 'against': against}


def of_end_to_end(quick: bool) -> Iterator[dict[str, Any]]:
    """Windows a second of a live stream, beside the naive node."""
    args = ['--rounds', '1' if quick else '5', '--seconds', '5' if quick else '8']
    found = end_to_end.run(end_to_end.argument_parser().parse_args(args))
    ours, over = found['medians'][end_to_end.OURS], found['ours_over']['naive']
    yield entry('end to end', ours['windows_per_s'], 'windows/s', over, NAIVE)
    yield entry('latency, median', ours['latency_ms_p50'], 'ms')
    yield entry('latency, 99 %', ours['latency_ms_p99'], 'ms')
    lost = sum(each[end_to_end.OURS]['planes_dropped'] for each in found['rounds'])
    yield entry('planes lost, end to end', lost, 'planes')


def of_packing(quick: bool) -> Iterator[dict[str, Any]]:
    """Counts of packed planes beside numpy, and the parts of a prediction."""
    args = ['--repetitions', '20' if quick else '100']
    found = packing.run(packing.argument_parser().parse_args(args))
    for work in found['work']:
        name = f'{work["name"]}, {work["planes"]} planes'
        yield entry(name, work['ours_ms'], 'ms', work['numpy_over_ours'], 'numpy')
    for one in found['predict']:
        name = f'predict, {one["planes"]} planes'
        yield entry(name, one['total_ms'], 'ms', one['total_ms'] / one['network_ms'], 'network')


def of_recording(quick: bool) -> Iterator[dict[str, Any]]:
    """A recorded stream: what of it reaches the bag."""
    args = ['--rounds', '1' if quick else '3', '--seconds', '5' if quick else '8']
    rounds = recording.run(recording.argument_parser().parse_args(args))['rounds']
    speed = statistics.median(one['recorded_mb_per_s'] for one in rounds)
    share = statistics.median(one['planes_recorded'] / one['planes_sent'] for one in rounds)
    yield entry('recording', speed, 'MB/s', share, 'sent')
    yield entry('planes lost, recording', sum(one['planes_lost'] for one in rounds), 'planes')


def of_ingest(quick: bool) -> Iterator[dict[str, Any]]:
    """Packets into the ring of windows, beside a copy of their bytes."""
    args = ['--repetitions', '100' if quick else '500']
    found = ingest.run(ingest.argument_parser().parse_args(args))['ingest']
    yield entry('ingest', found['planes_per_s'], 'planes/s', found['ours_over_copy'], 'copy')


def cores_used(seconds: float) -> float:
    """Cores that all processes use together, over some seconds."""

    def ticks() -> tuple[int, int]:
        first = Path('/proc/stat').read_text().split('\n', 1)[0]
        used = [int(value) for value in first.split()[1:9]]
        return sum(used), used[3] + used[4]  # idle, waiting for a disk

    before, idle_before = ticks()
    time.sleep(seconds)
    after, idle = ticks()
    share = 1 - (idle - idle_before) / max(1, after - before)
    return share * (os.cpu_count() or 1)


PARTS = (of_packing, of_ingest, of_recording, of_end_to_end)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all parts, write ``results.json``, and return its content."""
    found = report.machine()
    used = cores_used(WATCHED_S)
    busy = used > BUSY
    if busy:
        print(
            f'warning: other processes use {used:.1f} cores of this machine: the results are '
            'marked busy',
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
