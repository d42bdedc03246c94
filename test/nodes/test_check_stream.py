# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sensor_msgs.msg import Image

from spike_depth_ros.nodes.conversions import spikes_msg
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry, SpikeChunk

pytestmark = pytest.mark.dds

K = np.array([[380.0, 0, 39.5], [0, 380, 23.5], [0, 0, 1]])


def scene(level=1.0):
    """400 planes of a smooth picture with an edge."""
    rate = 0.3 + 0.2 * np.sin(np.arange(80) / 9) * np.cos(np.arange(48) / 7)[:, None]
    rate[:, 40:] *= 0.5
    return np.random.default_rng(0).random((400, 48, 80)) < level * rate


def checked(processes, tmp_path, **content):
    """What check_stream says of a looped recording: its status and its lines by topic."""
    path = tmp_path / 'a.npz'
    np.savez(path, **{'width': 80, 'rate_hz': 20_000.0, 'K': K, **content})
    # Slowly: a best-effort subscriber on a busy machine must lose nothing.
    processes.start('player', path, '--loop', '--speed', 0.2)
    status, output = processes.run('check_stream', '--duration', 3)
    return status, {line[9:19].strip(): line for line in output.splitlines()}


def test_a_good_stream_is_fine(processes, tmp_path):
    status, lines = checked(processes, tmp_path, packed=packing.pack(scene()))
    assert status == 0, lines
    assert 'spike_player: reliable' in lines['publisher']
    assert '80x48 pixels' in lines['sensor']
    assert 'of 40 planes' in lines['packets']
    assert '20000.0 planes/s by stamps' in lines['rate']
    assert 'focal length 380.0 pixels' in lines['camera']
    assert 'little: fits the picture' in lines['bit order']
    assert not [line for line in lines.values() if line.startswith('PROBLEM')]


def test_a_wrong_bit_order_and_a_missing_calibration_are_found(processes, tmp_path):
    status, lines = checked(
        processes, tmp_path, packed=packing.pack(scene(), 'big'), bit_order='little', K=0 * K
    )
    assert status == 1
    assert 'PROBLEM  bit order' in lines['bit order']
    assert 'flip is_bigendian in the publisher' in lines['bit order']
    assert 'PROBLEM  camera' in lines['camera']


def test_a_dark_stream_is_found(processes, tmp_path):
    status, lines = checked(processes, tmp_path, packed=packing.pack(scene(level=0.02)))
    assert status == 1
    assert 'too dark; open the iris' in lines['light']


def test_nobody_publishing_is_found(run_here):
    status, output = run_here('check_stream', '--duration', 0.5)
    assert status == 1
    assert 'no publisher of /spikes: start the driver or spike_player, or remap' in output
    assert '1 problem' in output


@pytest.mark.parametrize('period_s', [0.1, 0.02])  # few packets, and more than are kept waiting
def test_an_unknown_sensor_size_is_found(processes, ros_node, spin, period_s):
    publisher = ros_node.create_publisher(Image, 'spikes', 10)
    chunk = SpikeChunk(packing.pack(scene()[:4]), Geometry(48, 80), 0)
    ros_node.create_timer(period_s, lambda: publisher.publish(spikes_msg(chunk, 'camera')))
    check = processes.start('check_stream', '--duration', 3)
    spin(lambda: check.poll() is not None, what='the end of check_stream')
    status, output = processes.finish('check_stream')
    assert status == 1
    assert output.count('the sensor size is unknown') == 1
    assert 'PROBLEM  sensor' in output
    assert 'or check_stream --size WxH' in output
    assert '2 problems' in output


def test_a_watched_stream_has_a_line_a_second(processes, tmp_path, spin):
    np.savez(tmp_path / 'a.npz', width=80, rate_hz=20_000.0, K=K, packed=packing.pack(scene()))
    processes.start('check_stream', '--watch')
    spin(lambda: 'lost' in processes.log('check_stream'), what='a line without a stream')
    processes.start('player', tmp_path / 'a.npz', '--loop', '--speed', 0.2)
    spin(lambda: 'spikes per pixel' in processes.log('check_stream'), what='the stream')
    spin(lambda: processes.log('check_stream').count('spikes per pixel') > 2, what='more lines')
    processes.stop('check_stream')
    output = processes.log('check_stream')
    lines = [line for line in output.splitlines() if 'spikes per pixel' in line]
    numbers = lines[-1].split()
    assert float(numbers[1]) == pytest.approx(100, rel=0.2)  # a fifth of 20,000 planes/s
    assert float(numbers[3]) == pytest.approx(4000, rel=0.2)
    assert numbers[5:7] == ['0', 'lost']
