# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory, latency and plane accounting of the depth node over an hour of live stream.

``spike_player`` streams the bundled sample (400x250, looped) to a depth node at the full
rate, each in a process of its own, over real DDS (the loopback profile). Beside the subscriber
that measures there is a slow one, which takes one depth image a second, and one that comes and
goes: a process that subscribes to all images of the node for three seconds, ends, and is started
again. Before the measurement the node is stopped (SIGSTOP) four times for almost as long as its
queue of packets bridges: the middleware keeps the memory of the fullest queue, up to 256 MB, so
that a later stall of the machine would look like a leak.

    python -m benchmarks.soak --minutes 60 --json soak.json

from the repository's root. The JSON holds ``machine``, ``settings``, ``figures``, ``samples`` (the
memory of node and player, every ten seconds: ``s``, ``node_mb``, ``player_mb``) and ``checks``: by
name whether it holds, or null where the run is too short for it. The exit status is 1 if one does
not hold:

- ``accounting``: planes published (as the player counts them) = planes that the node expected;
  these = received + lost; received = windowed + skipped by policy + overwritten + refused +
  pending.
- ``growth``: memory of node and player grows by less than 5 MB after the warm-up, without the
  three largest steps: in the first minutes allocators take some MB at once, a leak grows in each
  second. Only where the slope is not checked.
- ``slope``: memory of the node grows by less than 0.1 MB/min after minute 5 (least squares; from
  20 minutes on).
- ``latency``: p50 and p99 of the last ten minutes are within 20 % of those of minutes 5 to 15
  (from 30 minutes on).
- ``visitors``: the subscriber that comes and goes came at least twice, and images reached it.

A short form, ``--minutes 0.5 --rate 2000``, is a test.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import report
from benchmarks.live_stream import (
    START_S,
    Subscriber,
    playing,
    running,
    session,
    spike_depth,
    wait_for_player,
)

SAMPLE_S = 1.0
KEPT_EVERY = 10
"""Of the samples of memory, so many to one in the JSON."""

VISIT_S = 3.0
STALLS = 4
STALL_S = 0.9
BETWEEN_STALLS_S = 2.0
MB = 1e6

MAX_GROWTH_MB = 5.0
STEPS_LEFT_OUT = 3
MAX_SLOPE_MB = 0.1
MAX_CHANGE = 0.2
COUNTERS = ('expected', 'received', 'lost_in_transport', 'lost_in_queue', 'missed_resubscribing',
            'windowed', 'skipped_by_policy', 'overwritten', 'refused', 'pending')  # fmt: skip

# Another process: for how long it stays, and holds each image back, and what it subscribes to. It
# prints the number of images that came; Fast DDS writes to the same standard output.
VISITOR = """
import sys, time
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
count, pause = 0, float(sys.argv[2])
def take(msg):
    global count
    count += 1
    print('image', count, flush=True)
    time.sleep(pause)
rclpy.init()
node = rclpy.create_node('visitor')
for topic in sys.argv[3:]:
    node.create_subscription(Image, topic, take, QoSProfile(depth=5))
end = time.monotonic() + float(sys.argv[1])
try:
    while time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
"""


class Visitors:
    """Subscribers in processes of their own: a slow one, and one that comes and goes.

    Attributes:
        visits: How often the second one came.
        images: Images that reached it, in all.
    """

    def __init__(self) -> None:
        self.visits = 0
        self.images = 0
        self._leaving = threading.Event()
        self._slow: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._come_and_go, name='visitors')

    def __enter__(self) -> Visitors:
        self._slow = _visitor(1e9, 1.0, 'depth/image')
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        assert self._slow is not None
        # Not SIGKILL, after which 256 MB of shared memory would be left.
        self._slow.send_signal(signal.SIGINT)
        self._slow.communicate()

    def _come_and_go(self) -> None:
        while not self._leaving.is_set():
            child = _visitor(VISIT_S, 0.0, 'depth/image', 'depth/uncertainty', 'spikes/image')
            counts = re.findall(r'^image (\d+)$', child.communicate()[0], re.MULTILINE)
            self.visits += 1
            self.images += int(counts[-1]) if counts else 0
            self._leaving.wait(VISIT_S)


def _visitor(seconds: float, pause_s: float, *topics: str) -> subprocess.Popen[str]:
    command = [sys.executable, '-c', VISITOR, str(seconds), str(pause_s), *topics]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    )


def resident_mb(pid: int) -> float:
    """Return the memory of its own that a process holds, 1e6 bytes; no files, no segments."""
    fields = dict(
        line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines()
    )
    return int(fields['RssAnon'].split()[0]) * 1024 / MB


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the stream; the result is as this module's description has it."""
    seconds = 60 * options.minutes
    planes = round((STALLS * (STALL_S + BETWEEN_STALLS_S) + seconds + 2.0) * options.rate)
    with session(options.rate) as (subscriber, scratch):
        pipeline = spike_depth('the node')
        with (
            running('node', pipeline.node, pipeline.tree, scratch) as node,
            playing(pipeline, subscriber, node, options.rate, planes, scratch) as player,
            Visitors() as visitors,
        ):
            _fill_queue(subscriber, node)
            began = time.monotonic()
            samples = _watch(subscriber, node, player, began + seconds)
            sent = wait_for_player(subscriber, node, player, scratch)
            # The node publishes its counters once a second, those of the last planes too.
            sent_planes = sent['planes_sent']
            subscriber.spin_until(
                lambda: subscriber.planes('expected') >= sent_planes, START_S, node
            )
            subscriber.spin_for(2.5, node)
        counted = {name: subscriber.planes(name) for name in COUNTERS}
        ages = np.array(subscriber.latencies_ms)
        at_s = np.array(subscriber.arrivals_s) - began
    figures = _figures(samples, ages, at_s, seconds, options.warm_up)
    figures |= {
        'planes_sent': sent['planes_sent'],
        'planes_per_s': sent['planes_per_s'],
        **{f'planes_{name}': value for name, value in counted.items()},
        'visits': visitors.visits,
        'images_of_visits': visitors.images,
        'subscriber_images': len(ages),
    }
    return {
        'settings': report.settings(options, 'minutes', 'warm_up', 'rate'),
        'figures': figures,
        'checks': checks(figures, options.minutes),
        'samples': samples[::KEPT_EVERY],
    }


def _fill_queue(subscriber: Subscriber, node: subprocess.Popen[bytes]) -> None:
    """Stop the node several times, so that its queue of packets takes its memory."""
    for _ in range(STALLS):
        node.send_signal(signal.SIGSTOP)
        try:
            time.sleep(STALL_S)
        finally:
            node.send_signal(signal.SIGCONT)
        subscriber.spin_for(BETWEEN_STALLS_S, node)


def _watch(
    subscriber: Subscriber,
    node: subprocess.Popen[bytes],
    player: subprocess.Popen[bytes],
    until_s: float,
) -> list[dict[str, float]]:
    """Take images and sample the memory of both processes up to a time."""
    began, samples = time.monotonic(), []
    while time.monotonic() < until_s and player.poll() is None:
        samples.append(
            {
                's': round(time.monotonic() - began, 1),
                'node_mb': resident_mb(node.pid),
                'player_mb': resident_mb(player.pid),
            }
        )
        subscriber.spin_for(SAMPLE_S, node)
    return samples


def _figures(
    samples: list[dict[str, float]],
    ages: npt.NDArray[np.float64],
    at_s: npt.NDArray[np.float64],
    seconds: float,
    warm_up_s: float,
) -> dict[str, float | None]:
    """Memory and latency; None where the run is too short for a figure."""
    ages, at_s = ages[at_s >= 0], at_s[at_s >= 0]  # without the stalls before
    later = [sample for sample in samples if sample['s'] >= warm_up_s]
    if len(later) < 10:
        raise RuntimeError(f'{len(later)} samples after the warm-up; expected 10: give more time')
    figures: dict[str, float | None] = {}
    for name in ('node', 'player'):
        values = [sample[f'{name}_mb'] for sample in later]
        figures[f'{name}_mb'] = statistics.median(values[-5:])
        figures[f'{name}_growth_mb'] = sum(sorted(np.diff(values).tolist())[:-STEPS_LEFT_OUT])
        settled = [(s['s'] / 60, s[f'{name}_mb']) for s in samples if s['s'] >= 300]
        figures[f'{name}_slope_mb_per_min'] = (
            float(np.polyfit(*np.transpose(settled), 1)[0]) if seconds >= 1200 else None
        )
    parts = {'early': (300, 900), 'late': (seconds - 600, seconds)}
    for part, (first, last) in parts.items():
        chosen = ages[(at_s >= first) & (at_s < last)]
        for percent in (50, 99):
            figures[f'latency_ms_p{percent}_{part}'] = (
                float(np.percentile(chosen, percent)) if seconds >= 1800 else None
            )
    figures['latency_ms_p50'], figures['latency_ms_p99'] = map(
        float, np.percentile(ages, [50, 99])
    )
    return figures


def checks(figures: dict[str, Any], minutes: float) -> dict[str, bool | None]:
    """Compare the figures with what the module's description names; None: not checked."""
    planes = {name: figures[f'planes_{name}'] for name in COUNTERS}
    never_in = ('lost_in_transport', 'lost_in_queue', 'missed_resubscribing')
    lost = sum(planes[cause] for cause in never_in)
    places = ('windowed', 'skipped_by_policy', 'overwritten', 'refused', 'pending')
    growth = [figures[f'{name}_growth_mb'] for name in ('node', 'player')]
    slope = figures['node_slope_mb_per_min']
    changes = [
        abs(figures[f'latency_ms_p{percent}_late'] / figures[f'latency_ms_p{percent}_early'] - 1)
        for percent in (50, 99)
        if minutes >= 30
    ]
    return {
        'accounting': figures['planes_sent'] == planes['expected'] == planes['received'] + lost
        and planes['received'] == sum(planes[place] for place in places),
        'growth': max(growth) < MAX_GROWTH_MB if slope is None else None,
        'slope': slope < MAX_SLOPE_MB if slope is not None else None,
        'latency': max(changes) <= MAX_CHANGE if changes else None,
        'visitors': figures['visits'] >= 2 and figures['images_of_visits'] > 0,
    }


def text(result: dict[str, Any]) -> str:
    """Format the result as two Markdown tables: figures and checks."""
    rows = [
        (name, f'{value:.6g}') for name, value in result['figures'].items() if value is not None
    ]
    words = {True: 'holds', False: 'DOES NOT HOLD', None: 'run too short'}
    held = [(name, words[value]) for name, value in result['checks'].items()]
    return report.table(('figure', 'value'), rows) + '\n\n' + report.table(('check', ''), held)


def main(args: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    description = 'Memory, latency and plane accounting of the depth node over an hour.'
    parser = report.parser('soak', description)
    add = parser.add_argument
    add('--minutes', type=float, default=60.0, help='default: 60')
    add('--warm-up', type=float, default=15.0, help='before memory counts, seconds. Default: 15')
    add('--rate', type=float, default=20_000.0, help='planes a second. Default: 20000')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
