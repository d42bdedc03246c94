# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A live stream recorded by ``spike_record``: planes that are lost, beside a plain file's speed.

Our player plays a 400x250 stream (250 MB/s at 20 kHz) through DDS to ``spike_record``, process to
process; before it, as many bytes are written to a plain file of the same folder, packet by packet.

    python -m benchmarks.recording --rounds 3 --json recording.json
    python -m benchmarks.recording --node --seconds 60 --rounds 1

from the repository's root; ``TMPDIR`` chooses the disk. With ``--node`` the depth node works
on the same topic meanwhile. The JSON holds ``machine``, ``settings`` and ``rounds``, each as
described at :func:`measure`; they are printed as a table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.live_stream import (
    LOST,
    ROOT,
    SETTLE_S,
    START_S,
    Subscriber,
    cpu_seconds,
    running,
    session,
    spike_depth,
)
from benchmarks.options import count
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.nodes.parts import process

STREAM = process.asset('street.npz')


def measure(
    seconds: float, rate_hz: float, scratch: Path, subscriber: Subscriber, node: bool
) -> dict[str, float]:
    """Record a stream once, after a plain file of as many bytes.

    Args:
        seconds: Duration of the stream.
        rate_hz: Planes a second.
        scratch: Folder for bag, plain file and logs; bag and plain file are removed.
        subscriber: Of the depth, which the node computes for nobody else.
        node: Start the depth node on the same topic.

    Returns:
        - ``planes_sent``, ``planes_recorded``, ``planes_lost``: by the player's report and the
          recorder's summary; lost are those that were sent and not recorded, with the node those
          that the recorder reports, which begins a moment after the player;
        - ``planes_per_s``: what the player reached;
        - ``recorded_mb_per_s``: of planes, over the time of the player;
        - ``written_mb_per_s``: of the plain file, synced;
        - ``ratio``: of these two;
        - ``recorder_cpu``: CPU seconds of the recorder per second;
        - ``windows_per_s``, ``node_lost``: depth images over the time of the player, and planes
          that the node lost; 0 without a node.

    Raises:
        RuntimeError: A process did not start or ended with an error.
    """
    planes, plane_bytes = round(seconds * rate_hz), open_recording(STREAM).geometry.plane_bytes
    written = write_plainly(scratch / 'plain', planes * plane_bytes)
    subscriber.forget()
    used = _record(planes, rate_hz, scratch, subscriber, node)
    return _results(scratch, subscriber, node, plane_bytes, used, written)


def _record(
    planes: int, rate_hz: float, scratch: Path, subscriber: Subscriber, node: bool
) -> float:
    """Play the stream to the recorder; return CPU seconds that the recorder used meanwhile."""
    seconds, bag = planes / rate_hz, scratch / 'bag'
    recorder = (
        *('-m', 'spike_depth_ros.nodes.recorder', '/spikes', '--out', str(bag)),
        *('--seconds', f'{seconds + 2:g}', '--max-gb', '1000', '--timeout', f'{START_S:g}'),
    )
    player = (
        *('-m', 'spike_depth_ros.nodes.player', str(STREAM), '--loop', '--wait', f'{START_S:g}'),
        *('--rate', f'{rate_hz:g}', '--planes', str(planes)),
        *('--report', str(scratch / 'player.json')),
    )
    try:
        with (
            _depth(scratch, subscriber) if node else contextlib.nullcontext(),
            running('recorder', recorder, ROOT, scratch) as recording,
        ):
            with running('player', player, ROOT, scratch) as playing:
                _wait(playing, seconds, 'player', subscriber)
                used = cpu_seconds().get(recording.pid, 0.0)
            _wait(recording, 2, 'recorder', subscriber)
            subscriber.spin_for(SETTLE_S if node else 0.0, recording)
    finally:
        shutil.rmtree(bag, ignore_errors=True)
    return used


def _results(
    scratch: Path,
    subscriber: Subscriber,
    node: bool,
    plane_bytes: int,
    recorder_cpu_s: float,
    written_mb_per_s: float,
) -> dict[str, float]:
    """Return the results of a round, described at :func:`measure`."""
    sent = json.loads((scratch / 'player.json').read_text())
    recorded, lost = read_summary(scratch / 'recorder.log')
    if not node or not recorded:  # with the node, the player does not wait for the recorder
        lost = sent['planes_sent'] - recorded
    duration = sent['planes_sent'] / sent['planes_per_s']
    recorded_mb_per_s = recorded * plane_bytes / duration / 1e6
    return {
        'planes_sent': sent['planes_sent'],
        'planes_recorded': recorded,
        'planes_lost': lost,
        'planes_per_s': sent['planes_per_s'],
        'recorded_mb_per_s': recorded_mb_per_s,
        'written_mb_per_s': written_mb_per_s,
        'ratio': recorded_mb_per_s / written_mb_per_s,
        'recorder_cpu': recorder_cpu_s / duration,
        'windows_per_s': len(subscriber.arrivals_s) / duration,
        'node_lost': sum(subscriber.planes(name) for name in LOST),
    }


def read_summary(log: Path) -> tuple[int, int]:
    """Planes that the recorder received, and that it knows to be lost; 0 without a summary."""
    found = re.search(r' (\d+) planes; lost: (none|\d+)', log.read_text())
    if found is None:
        return 0, 0
    return int(found[1]), 0 if found[2] == 'none' else int(found[2])


@contextlib.contextmanager
def _depth(scratch: Path, subscriber: Subscriber) -> Iterator[None]:
    """Run the depth node, which is ready when its diagnostics come."""
    with running('depth', spike_depth('depth').node, ROOT, scratch) as child:
        if not subscriber.spin_until(lambda: bool(subscriber.streams), START_S, child):
            raise RuntimeError('the depth node does not start')
        yield


def write_plainly(path: Path, nbytes: int) -> float:
    """Write a file packet by packet, sync and remove it; return MB per second."""
    packet = np.random.default_rng(0).bytes(process.PACKET_BYTES)
    start = time.monotonic()
    with path.open('wb') as file:
        for _ in range(max(1, round(nbytes / len(packet)))):
            file.write(packet)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    speed = size / (time.monotonic() - start) / 1e6
    path.unlink()
    return speed


def _wait(
    child: subprocess.Popen[bytes], seconds: float, name: str, subscriber: Subscriber
) -> None:
    """Wait for the end of a process, and count depth images meanwhile."""
    if not subscriber.spin_until(lambda: child.poll() is not None, 2 * seconds + START_S, child):
        raise RuntimeError(f'the {name} does not end')


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all rounds; the result is as this module's description has it."""
    rounds = []
    with session(options.rate) as (subscriber, scratch):
        for number in range(1, options.rounds + 1):
            print(f'round {number}', file=sys.stderr)
            rounds.append(
                measure(options.seconds, options.rate, scratch, subscriber, options.node)
            )
    return {
        'settings': report.settings(options, 'seconds', 'rounds', 'rate', 'node'),
        'rounds': rounds,
    }


def text(result: dict[str, Any]) -> str:
    """Format the result as a Markdown table of every round."""
    cells = {
        'round': '{number}',
        'sent': '{planes_sent}',
        'recorded': '{planes_recorded}',
        'lost': '{planes_lost}',
        'player at': '{reached:.1%}',
        'MB/s': '{recorded_mb_per_s:.0f}',
        'file MB/s': '{written_mb_per_s:.0f}',
        'ratio': '{ratio:.2f}',
        'CPU': '{recorder_cpu:.2f}',
        'windows/s': '{windows_per_s:.1f}',
        'node lost': '{node_lost}',
    }
    rate = result['settings']['rate']
    rows = [
        {'number': number, 'reached': one['planes_per_s'] / rate, **one}
        for number, one in enumerate(result['rounds'], 1)
    ]
    return report.columns(rows, cells)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = report.parser('recording', 'Planes lost by spike_record.')
    add = made.add_argument
    add('--seconds', type=float, default=8.0, help='duration of the stream. Default: 8')
    add('--rounds', type=count, default=3, help='default: 3')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    add('--node', action='store_true', help='with the depth node on the same topic')
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
