# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameter ``checkpoint`` set again and again while planes arrive at 20 kHz.

Forty times, in about 25 s. ``SPIKE_DEPTH_SWAPS=200`` sets it 200 times; ``-s`` prints the figures.
"""

import dataclasses
import itertools
import os
import subprocess
import threading
import time

import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from kit.nodes import HEIGHT, PERIOD, RATE, WIDTH, assert_balanced, moving_bars, set_parameter
from spike_depth_ros.checkpoint import default_checkpoint, load, onnx_path, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.nodes.parts.conversions import depth_msg
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import stamp_ns
from spike_depth_ros.stream.window import Window

pytestmark = [pytest.mark.dds, pytest.mark.long]

SWAPS = int(os.environ.get('SPIKE_DEPTH_SWAPS', '40'))
WINDOW = 128
PLACES = 3  # windows of the stream that differ: it begins again after them
# Many seconds: what is tested are the swaps, not how busy the machine is.
RING_PLANES, QUEUE_PACKETS = 400_000, 4096
FX = 380.0
LONGEST_PAUSE_S = 10.0
"""Far above what a swap takes: the machine may be busy. The figures have the pause itself."""

REFUSALS = {
    'truncated': 'truncated or not a .safetensors file',
    'other geometry': 'field sensor_size is 640x480, expected 64x48',
    'missing': 'no such checkpoint',
}
"""Bad files that the parameter refuses, and the reason."""

DAMAGED_EXPORT = 'the new model was not loaded, the old one runs on'
"""Bad files whose metadata are good: the node finds out while it loads them."""


@pytest.fixture
def models(tmp_path):
    """Two models whose depth differs, and files that are none, by name."""
    info, tensors = load(default_checkpoint())
    export = onnx_path(default_checkpoint()).read_bytes()
    changes = {
        'shipped': {},
        'nearer': {'canonical_fx': 2 * info.canonical_fx},
        'other geometry': {'sensor_size': (480, 640)},
        'damaged export': {},
    }
    paths = {name: tmp_path / f'{name}.safetensors' for name in (*changes, 'truncated', 'missing')}
    for name, fields in changes.items():
        save(paths[name], tensors, dataclasses.replace(info, **fields))
        onnx_path(paths[name]).write_bytes(export)
    onnx_path(paths['damaged export']).write_bytes(export[:-1])
    paths['truncated'].write_bytes(paths['shipped'].read_bytes()[:-1])
    return paths


def expected_depth(spikes, model):
    """Bytes of the depth image of each of the places, and of the model that gave it."""
    estimator = DepthEstimator.from_checkpoint(model, threads=1)
    for first in range(0, len(spikes), WINDOW):
        window = Window.from_planes(spikes[first : first + WINDOW], RATE)
        yield bytes(
            depth_msg(
                estimator.predict(Observation(window, FX)).published_depth(), Image().header
            ).data
        )


class Stream:
    """Planes into the standard input of a player, in a loop until closed; then whole windows."""

    def __init__(self, pipe, block):
        self.windows = 0
        self._pipe, self._block = pipe, block
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self):
        while not self._closing.is_set():
            self._pipe.write(self._block)
            self.windows += PLACES
        self._pipe.close()

    def close(self):
        self._closing.set()
        self._thread.join()
        return self.windows


def start(depth_node, processes, checkpoint):
    """Start the node, and a player that is fed by this process."""
    depth_node(
        policy='every',
        window=WINDOW,
        threads=1,
        checkpoint=checkpoint,
        ring_planes=RING_PLANES,
        spikes__queue_packets=QUEUE_PACKETS,
        **{'qos_overrides./depth/image.publisher.depth': 10_000},
    )
    size = ['--size', f'{WIDTH}x{HEIGHT}', '--rate', RATE, '--fx', FX, '--queue', QUEUE_PACKETS]
    return processes.start('player', '-', *size, stdin=subprocess.PIPE)


@pytest.mark.timed  # at the full rate
@pytest.mark.timeout(100 + 10 * SWAPS)
@pytest.mark.kind
def test_models_are_changed_at_20_khz_without_a_lost_window_or_plane(
    ros_node, processes, depth_node, listener, spin, models
):
    images, times = [], []
    ros_node.create_subscription(
        Image, 'depth/image', lambda image: (images.append(image), times.append(time.monotonic())),
        QoSProfile(depth=10_000),
    )  # fmt: skip
    spikes = moving_bars(PLACES * WINDOW)
    made_by = {
        (place, data): name
        for name in ('shipped', 'nearer')
        for place, data in enumerate(expected_depth(spikes, models[name]))
    }
    assert len(made_by) == 2 * PLACES
    player = start(depth_node, processes, models['shipped'])
    stream = Stream(player.stdin, packing.pack(spikes)[:, ::-1].tobytes())

    def model_of(image):
        place = (stamp_ns(image.header.stamp) - stamp_ns(images[0].header.stamp)) // PERIOD
        return made_by.get((place // WINDOW % PLACES, bytes(image.data)))

    def depth_by(name, more=3):
        """Depth images go on, in the end by one model."""
        wanted = len(images) + more
        spin(
            lambda: len(images) >= wanted and model_of(images[-1]) == name,
            timeout=60,
            what=f'depth by {name}',
        )

    def refused_while_loading():
        return processes.log('depth').count(f'[spike_depth]: {DAMAGED_EXPORT}')

    in_use, taken, refused = 'shipped', [], 0
    bad = itertools.cycle([*REFUSALS, 'damaged export'])
    depth_by(in_use)
    began = time.monotonic()
    try:
        for number in range(SWAPS):
            if number % 2 == 0:
                in_use = 'nearer' if in_use == 'shipped' else 'shipped'
                assert set_parameter(ros_node, spin, 'checkpoint', str(models[in_use])).successful
                taken.append(in_use)
            elif (name := next(bad)) in REFUSALS:
                result = set_parameter(ros_node, spin, 'checkpoint', str(models[name]))
                assert not result.successful
                assert REFUSALS[name] in result.reason
            else:
                assert set_parameter(ros_node, spin, 'checkpoint', str(models[name])).successful
                refused += 1
                spin(lambda n=refused: refused_while_loading() == n, 60, 'the refusal')
            depth_by(in_use)
        took_s = time.monotonic() - began
    finally:
        windows = stream.close()

    spin(lambda: len(images) >= windows, timeout=60, what='every window')
    assert processes.finish('player')[0] == 0
    sent = windows * WINDOW
    spin(lambda: listener.count('planes_windowed') == sent, what='the accounting')
    assert_balanced(listener.accounting(), sent=sent)
    assert listener.count('planes_dropped') == 0
    assert len(images) == windows
    stamps = [stamp_ns(image.header.stamp) for image in images]
    assert set(np.diff(stamps)) == {WINDOW * PERIOD}
    # Each image is the very one of one of the models, and these changed as they were set.
    by = [model_of(image) for image in images]
    assert [name for name, _ in itertools.groupby(by)] == ['shipped', *taken]
    assert listener.values('inference')['windows_failed'] == '0'
    assert listener.values('process')['internal_errors'] == '0'
    pauses = np.diff(times)
    print(
        f'\n{SWAPS} values of checkpoint in {took_s:.0f} s at {RATE} planes/s of 64x48: '
        f'{len(taken)} models taken, {SWAPS - len(taken)} bad files refused\n'
        f'{windows} windows and {sent} planes, none lost; pauses between depth images: median '
        f'{1e3 * np.median(pauses):.1f} ms, 99 % {1e3 * np.percentile(pauses, 99):.0f} ms, '
        f'longest {1e3 * pauses.max():.0f} ms'
    )
    assert pauses.max() < LONGEST_PAUSE_S
