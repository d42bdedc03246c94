# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recording of a running stream, and swap of a running node's checkpoint, as ``adapt`` does."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from depth_node import HEIGHT, WIDTH, moving_bars

from spike_depth_ros.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.checkpoint import default_checkpoint, load, onnx_path, save
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import stamp_ns
from spike_training.adaptation import ros_commands
from spike_training.errors import TrainingError

pytestmark = pytest.mark.dds

RATE, PERIOD = 5_000, 200_000
K = np.array([[380.0, 0, 31.5], [0, 380, 23.5], [0, 0, 1]])


@pytest.fixture
def player(processes, tmp_path):
    """Play a short recording again and again; return its planes."""
    packed = packing.pack(moving_bars(800))
    np.savez(tmp_path / 'bars.npz', packed=packed, width=WIDTH, rate_hz=float(RATE), K=K)
    processes.start('player', tmp_path / 'bars.npz', '--loop')
    return packed


def test_a_running_stream_is_recorded_and_its_losses_are_reported(player, tmp_path, capsys):
    folder = tmp_path / 'mine'
    path = ros_commands.record('/spikes', folder, 2.0, 1.0)
    assert [one.name for one in folder.iterdir()] == ['recording']
    bag = Bag(path)
    messages = [decode(one.data, IMAGE) for one in bag.messages(['/spikes'])]
    assert not bag.damage
    assert bag.topics['/camera_info'].messages > 2
    stamps = [stamp_ns(message.header.stamp) for message in messages]
    planes = [message.height // HEIGHT for message in messages]
    expected = (stamps[-1] - stamps[0]) // PERIOD + planes[-1]
    told = capsys.readouterr().out
    assert f'{len(messages)} packets' in told
    assert f' {sum(planes)} planes; lost: {expected - sum(planes) or "none"}' in told, told
    assert expected > RATE  # of 2 s, on a machine that may be busy
    twice = np.concatenate([player, player]).tobytes()
    assert all(bytes(message.data) in twice for message in messages[:3])

    # The bag of an interrupted adaptation is used again, for the same topic.
    player_is_not_asked = 0.01
    assert ros_commands.record('spikes', folder, player_is_not_asked, 1.0) == path
    with pytest.raises(TrainingError, match=r'has .*/spikes.*, expected /nowhere: choose another'):
        ros_commands.record('/nowhere', folder, 2.0, 1.0)


def test_what_an_ended_recording_left_is_kept(tmp_path):
    left = tmp_path / ros_commands.UNFINISHED / 'recording'
    left.mkdir(parents=True)
    with pytest.raises(TrainingError, match='has what was recorded before a recording was ended'):
        ros_commands.record('/spikes', tmp_path, 2.0, 1.0)
    assert left.exists()


def test_a_topic_that_is_missing_or_no_image_is_an_error_of_one_line(processes, player, tmp_path):
    out = tmp_path / 'bag'
    status, output = processes.run('recorder', '/spike', '--out', out, '--timeout', 0.5)
    assert status == 1
    assert 'no topic /spike' in output
    status, output = processes.run('recorder', '/camera_info', '--out', out)
    assert status == 1
    assert '/camera_info is sensor_msgs/msg/CameraInfo, expected sensor_msgs/msg/Image' in output
    assert not out.exists()
    status, output = processes.run('recorder', '/spikes', '--out', out, '--max_gb', 1e-7)
    assert status == 1
    assert '/spikes: no packet fits: 1e-07 GB are recorded, the limit' in output
    assert not out.exists()


def test_a_swap_under_load_loses_no_window_and_a_refusal_has_its_reason(
    depth_node, player, listener, spin, tmp_path, capsys
):
    depth_node(policy='every', ring_planes=400_000, spikes__queue_packets=4096)
    spin(lambda: listener.count('planes_windowed') > 0, what='the first window')
    info, weights = load(default_checkpoint())
    new = tmp_path / 'mine.safetensors'
    save(new, weights, info)
    onnx_path(new).write_bytes(onnx_path(default_checkpoint()).read_bytes())
    ros_commands.swap('/spike_depth', new)
    assert capsys.readouterr().out == f'/spike_depth: checkpoint is {new}\n'
    spin(lambda: str(new) in listener.values('model').values(), what='the new model')
    before = listener.count('planes_windowed')
    spin(lambda: listener.count('planes_windowed') > before, what='further windows')
    with pytest.raises(TrainingError, match=r'is written, but not in use: .*no such checkpoint'):
        ros_commands.swap('/spike_depth', tmp_path / 'missing.safetensors')
    assert str(new) in listener.values('model').values()
    assert listener.count('planes_dropped') == 0
    assert listener.values('inference')['windows_failed'] == '0'
