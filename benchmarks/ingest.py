# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packets into the ring of windows, in one process: planes a second, beside a copy of the bytes.

    python -m benchmarks.ingest --json ingest.json

from the repository's root. Packets of 40 planes of the bundled sample, as messages of the topic,
are checked, counted and stored by ``Ingest``, without DDS. The JSON holds ``machine``,
``settings`` and ``ingest``: ``ours_ms`` and ``copy_ms`` of a packet, ``planes_per_s``, and
``ours_over_copy``, the median of each repetition's ratio; the copy is ``np.copyto`` of its bytes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.options import count
from benchmarks.packing import SAMPLE
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream.decode import PACKED
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.stream.plane_clock import NANOSECONDS, PLANES_PER_PACKET, PlaneClock

WINDOW = 128
RATE_HZ = 20_000.0


def packets(number: int) -> list[types.SimpleNamespace]:
    """Messages of consecutive packets of the sample, looped."""
    recording = open_recording(SAMPLE)
    geometry, clock = recording.geometry, PlaneClock(RATE_HZ)
    made = []
    for first in range(0, number * PLANES_PER_PACKET, PLANES_PER_PACKET):
        chosen = np.arange(first, first + PLANES_PER_PACKET) % len(recording.planes)
        sec, nanosec = divmod(clock.since_start_ns(first), NANOSECONDS)
        stamp = types.SimpleNamespace(sec=sec + 1, nanosec=nanosec)
        made.append(
            types.SimpleNamespace(
                header=types.SimpleNamespace(stamp=stamp, frame_id='camera'),
                height=PLANES_PER_PACKET * geometry.height,
                width=geometry.row_bytes,
                encoding=PACKED,
                is_bigendian=int(geometry.bit_order == 'big'),
                step=geometry.row_bytes,
                data=np.ascontiguousarray(recording.planes[chosen]).ravel(),
            )
        )
    return made


def measure(number: int, repetitions: int) -> dict[str, float]:
    """Time of a packet, ours and the copy's in turn.

    Raises:
        AssertionError: Planes were not counted as received.
    """
    geometry, sent = open_recording(SAMPLE).geometry, packets(number)
    settings = StreamSettings(
        WINDOW,
        spike_rate_hz=RATE_HZ,
        sensor_width=geometry.width,
        sensor_height=geometry.height,
    )
    target = np.empty_like(sent[0].data)

    def ours() -> float:
        ingest = Ingest(settings, {}.setdefault)
        ingest.on_spikes(sent[0])  # makes the ring
        started = time.perf_counter()
        for packet in sent[1:]:
            ingest.on_spikes(packet)
        took = time.perf_counter() - started
        assert ingest.accounting().received == number * PLANES_PER_PACKET
        return took

    def copy() -> float:
        started = time.perf_counter()
        for packet in sent[1:]:
            np.copyto(target, packet.data)
        return time.perf_counter() - started

    times = report.in_turn({'ours': ours, 'copy': copy}, repetitions)
    ours_s = statistics.median(times['ours']) / (number - 1)
    return {
        'ours_ms': 1e3 * ours_s,
        'copy_ms': 1e3 * statistics.median(times['copy']) / (number - 1),
        'planes_per_s': PLANES_PER_PACKET / ours_s,
        'ours_over_copy': statistics.median(
            a / b for a, b in zip(times['ours'], times['copy'], strict=True)
        ),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result is as this module's description has it."""
    return {
        'settings': report.settings(options, 'packets', 'repetitions'),
        'ingest': measure(options.packets, options.repetitions),
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    cells = {
        'planes/s': '{planes_per_s:.0f}',
        'ms a packet': '{ours_ms:.3f}',
        'copy ms': '{copy_ms:.3f}',
        'ours / copy': '{ours_over_copy:.2f}',
    }
    return report.columns([result['ingest']], cells)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = report.parser('ingest', 'Packets into the ring of windows, beside a copy.')
    made.add_argument('--packets', type=count, default=100, help='of 40 planes. Default: 100')
    made.add_argument('--repetitions', type=count, default=50, help='default: 50')
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
