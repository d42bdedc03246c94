# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recording of a running stream, and swap of a running node's checkpoint, as ``adapt`` does."""

import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from kit import bags
from kit.nodes import HEIGHT, moving_bars, save_bars
from kit.programs import wait_until
from spike_depth_ros.checkpoint import default_checkpoint, load, onnx_path, save
from spike_depth_ros.io.bags.bag import IMAGE, Bag, decode
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import stamp_ns
from spike_training.adaptation import ros_commands
from spike_training.commands.adapt import adapt
from spike_training.errors import DataSetError, TrainingError

pytestmark = pytest.mark.dds

ROOT = Path(__file__).resolve().parents[2]

RATE, PERIOD = 5_000, 200_000
K = np.array([[380.0, 0, 31.5], [0, 380, 23.5], [0, 0, 1]])


@pytest.fixture
def player(processes, tmp_path):
    """Play a short recording again and again; return its planes."""
    path = save_bars(tmp_path / 'bars.npz', 800, rate_hz=float(RATE), K=K)
    processes.start('player', path, '--loop')
    return packing.pack(moving_bars(800))


SEVERAL = 10 * 40 * HEIGHT * 8
"""Bytes of ten packets."""


def has_packets(bag):
    """Whether several packets are on the disk."""
    return any(file.stat().st_size > SEVERAL for file in bag.glob('*.mcap'))


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


def test_a_refused_recording_of_a_topic_says_how_to_record_anew(tmp_path):
    # Of an adaptation that was interrupted after it.
    bag = bags.write(tmp_path / 'mine' / ros_commands.RECORDING, bags.stream(1000))
    words = rf'expected 5 s or more in all.*; to record anew, remove {re.escape(str(bag))}'
    with pytest.raises(DataSetError, match=words):
        adapt(tmp_path / 'mine.safetensors', watch='/spikes', watch_seconds=0.5)


def test_a_recorder_that_is_asked_to_end_fails_and_leaves_a_whole_bag(processes, player, tmp_path):
    out = tmp_path / 'bag'
    recorder = processes.start('recorder', '/spikes', '--out', out, '--seconds', 60)
    wait_until(lambda: has_packets(out), 60, lambda: processes.log('recorder'))
    recorder.send_signal(signal.SIGINT)
    status, output = processes.finish('recorder')
    assert status == 1, output
    assert re.search(r'packets, .* lost: ', output), output
    assert re.search(
        rf'error: asked to end after [0-9.]+ s, expected 60 s; {re.escape(str(out))} has', output
    ), output
    bag = Bag(out)
    assert bag.topics['/spikes'].messages > 2
    assert not bag.damage


SLOW = """
import sys, time
from spike_depth_ros.io.bags.recorder import BagRecorder
from spike_depth_ros.nodes import recorder

close = BagRecorder.close

def close_slowly(bag):
    print('closing', flush=True)
    time.sleep(1)
    close(bag)

BagRecorder.close = close_slowly
sys.exit(recorder.main())
"""


def test_an_interrupt_while_a_bag_is_completed_leaves_it_whole(processes, player, tmp_path):
    out = tmp_path / 'bag'
    recorder = processes.start('recorder', '/spikes', '--out', out, '--seconds', 0.5, code=SLOW)
    wait_until(lambda: 'closing' in processes.log('recorder'), 60)
    recorder.send_signal(signal.SIGINT)
    status, output = processes.finish('recorder')
    assert status == 0, output
    assert re.search(r'packets, .* lost: ', output), output
    assert not Bag(out).damage


def test_a_terminated_recording_is_not_complete(processes, player, tmp_path, monkeypatch):
    started = []

    class Recorder(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, 'Popen', Recorder)

    def terminate():
        while not is_recording(tmp_path / 'mine'):
            time.sleep(0.05)
        started[0].terminate()

    thread = threading.Thread(target=terminate, daemon=True)
    thread.start()
    with pytest.raises(TrainingError, match=r'asked to end after .* expected 60 s'):
        ros_commands.record('/spikes', tmp_path / 'mine', 60.0, 1.0)
    thread.join()
    assert not (tmp_path / 'mine' / ros_commands.RECORDING).exists()
    assert not Bag(unfinished(tmp_path / 'mine')).damage


def unfinished(folder):
    """The one bag that an adaptation is recording, or was."""
    (left,) = folder.glob(f'{ros_commands.UNFINISHED}*/{ros_commands.RECORDING}')
    return left


def is_recording(folder):
    """Whether an adaptation has several packets on the disk."""
    bags = folder.glob(f'{ros_commands.UNFINISHED}*/{ros_commands.RECORDING}')
    return any(has_packets(bag) for bag in bags)


def start_watching(folder):
    """Start an adaptation to a running topic, and wait until its recorder has written planes."""
    process = subprocess.Popen(
        [
            sys.executable, ROOT / 'training' / 'run.py', 'adapt', '--watch', '/spikes',
            '--watch_seconds', '60', '--out', folder.with_suffix('.safetensors'),
        ],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    wait_until(lambda: is_recording(folder), 60)
    return process, unfinished(folder)


def assert_left(bag, told):
    assert f'interrupted: {bag} has what was recorded' in told
    assert 'adapt to it by --recordings' in told
    assert not Bag(bag).damage


def test_an_interrupt_while_recording_leaves_a_whole_bag_and_says_what_to_do(player, tmp_path):
    def interrupt():
        wait_until(lambda: is_recording(tmp_path / 'mine'), 60)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        with pytest.raises(TrainingError) as caught:
            adapt(tmp_path / 'mine.safetensors', watch='/spikes', watch_seconds=60.0)
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    left = unfinished(tmp_path / 'mine')
    wait_until((left / 'metadata.yaml').exists, 30)  # the recorder was terminated
    assert_left(left, str(caught.value))


def assert_recorder_ends(process, number, left):
    """End what started a recorder; the recorder ends, too, and its bag is whole."""
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
    (recorder,) = (Path('/proc', child) for child in children)
    process.send_signal(number)
    process.wait(60)
    try:
        wait_until(
            lambda: not recorder.exists() or 'State:\tZ' in (recorder / 'status').read_text(),
            30,
            lambda: 'the recorder goes on',
        )
    finally:
        if recorder.exists():
            os.kill(int(recorder.name), signal.SIGKILL)
    assert not Bag(left).damage


@pytest.mark.long
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_recorder_ends_with_the_adaptation_that_started_it(player, tmp_path, number):
    process, left = start_watching(tmp_path / 'mine')
    with process:
        assert_recorder_ends(process, number, left)
        errors = process.stderr.read()
    assert process.returncode == 1, errors
    assert_left(left, errors)


RECORD = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
from spike_training.adaptation import ros_commands

ros_commands.record('/spikes', pathlib.Path(sys.argv[1]), 60.0, 1.0)
"""


def test_a_recorder_ends_with_the_process_that_started_it(processes, player, tmp_path):
    folder = tmp_path / 'mine'
    process = processes.start('record', folder, ROOT / 'training', code=RECORD)
    wait_until(lambda: is_recording(folder), 60, lambda: processes.log('record'))
    assert_recorder_ends(process, signal.SIGKILL, unfinished(folder))
    assert processes.finish('record')[0] == -signal.SIGKILL


@pytest.mark.parametrize('rest', ['part', 'k3x_0q9z'])  # of an earlier version, of this one
def test_what_an_ended_recording_left_is_kept(tmp_path, rest):
    left = tmp_path / f'{ros_commands.UNFINISHED}{rest}' / 'recording'
    left.mkdir(parents=True)
    with pytest.raises(TrainingError, match='has what was recorded before a recording was ended'):
        ros_commands.record('/spikes', tmp_path, 2.0, 1.0)
    assert left.exists()


def test_a_link_laid_out_for_the_unfinished_recording_is_not_followed(player, tmp_path):
    others, folder = tmp_path / 'others', tmp_path / 'mine'
    others.mkdir()
    folder.mkdir()
    (folder / '.recording.part').symlink_to(others)
    bag = ros_commands.record('/spikes', folder, 0.3, 1.0)
    assert Bag(bag).topics['/spikes'].messages > 0
    assert {one.name for one in folder.iterdir()} == {'.recording.part', 'recording'}
    assert not any(others.iterdir())


def test_a_topic_that_cannot_be_recorded_is_refused(refused_here, player, tmp_path):
    out = tmp_path / 'bag'
    wrong = {
        'no such topic': ('/spike', ('/spike', '--timeout', 0.5)),
        'no image': ('/camera_info', ('/camera_info',)),
        'no packet fits': ('/spikes', ('/spikes', '--max-gb', 1e-7)),
        'no packet fits, in underscores': ('/spikes', ('/spikes', '--max_gb', 1e-7)),
    }
    rows = {name: (named, (*given, '--out', out), {}) for name, (named, given) in wrong.items()}
    # What else is there may not be known yet, or nothing.
    refused_here('recorder', 'recorder', rows, replace={'; (the nearest|none is) known.*': ''})
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


LIMITED = """
import os, resource, sys, threading, time
from spike_depth_ros.nodes import recorder

def bags():  # by walk: folders go while they are searched
    found = os.walk(os.path.dirname(sys.argv[3]))
    return {os.path.join(at, name) for at, _, names in found for name in names if '.mcap' in name}

def limit():  # not before DDS has its shared memory
    while bags() <= before:
        time.sleep(0.01)
    sys.dont_write_bytecode = True  # it would be cut short, too
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))

before = bags()

threading.Thread(target=limit, daemon=True).start()
sys.exit(recorder.main())
"""


def test_on_a_full_disk_the_report_is_of_what_the_bag_holds(processes, player, tmp_path):
    out = tmp_path / 'bag'
    status, output = processes.run(
        'recorder', '/spikes', '--out', out, '--seconds', 60, code=LIMITED
    )
    assert status == 1, output
    assert 'File too large: free space there' in output
    held = [decode(one.data, IMAGE) for one in Bag(out).messages(['/spikes'])]
    planes = sum(message.height for message in held) // HEIGHT
    assert held
    assert f'{out}: {len(held)} packets, ' in output
    assert f' MB, {planes} planes; ' in output
    assert 'packets more arrived and are not in the bag' in output


def spikes_of(bag, topic):
    """Messages of a topic, which the bag may not have."""
    chosen = [topic] if topic in bag.topics else []
    return [decode(one.data, IMAGE) for one in bag.messages(chosen)]


def test_on_a_full_disk_the_bag_of_one_eye_stays_where_the_other_never_came(
    processes, ros_node, tmp_path
):
    path = save_bars(tmp_path / 'bars.npz', 800, rate_hz=float(RATE), K=K)
    processes.start('player', path, '--loop', '--ros-args', '-r', '__ns:=/right', name='right')
    ros_node.create_publisher(Image, '/left/spikes', 10)  # silent
    out = tmp_path / 'bag'
    status, output = processes.run('recorder', '--stereo', '--out', out, code=LIMITED)
    assert status == 1, output
    assert '/left/spikes: no packet fits: ' in output
    held = spikes_of(Bag(out), '/right/spikes')
    assert held
    assert f'{out}: /left/spikes: 0 packets, ' in output
    assert f'/right/spikes: {len(held)} packets, ' in output


def test_on_a_full_disk_the_report_has_what_the_bag_holds_of_each_camera(processes, tmp_path):
    path = save_bars(tmp_path / 'bars.npz', 800, rate_hz=float(RATE), K=K)
    for eye in ('left', 'right'):
        processes.start('player', path, '--loop', '--ros-args', '-r', f'__ns:=/{eye}', name=eye)
    out = tmp_path / 'bag'
    status, output = processes.run(
        'recorder', '--stereo', '--out', out, '--seconds', 60, code=LIMITED
    )
    assert status == 1, output
    assert 'File too large: free space there' in output
    (report,) = [line for line in output.splitlines() if line.startswith(f'{out}: ')]
    parts = report.removeprefix(f'{out}: ').split(' | ')
    for part, eye in zip(parts, ('left', 'right'), strict=True):
        held = spikes_of(Bag(out), f'/{eye}/spikes')  # the other may have filled the disk before
        planes = sum(message.height for message in held) // HEIGHT
        assert part.startswith(f'/{eye}/spikes: {len(held)} packets, ')
        assert f' MB, {planes} planes; ' in part
        assert 'packets more arrived and are not in the bag' in part


def test_a_bag_is_not_replaced_by_what_a_full_disk_cut_short(processes, player, tmp_path):
    out, beside = tmp_path / 'bag', tmp_path / 'bag_incomplete'
    out.mkdir()
    (out / 'old.mcap').touch()

    def record(code):
        arguments = ('/spikes', '--out', out, '--seconds', 60, '--overwrite')
        status, output = processes.run('recorder', *arguments, code=code)
        assert status == 1, output
        assert [one.name for one in out.iterdir()] == ['old.mcap']
        assert not list(tmp_path.glob('.incomplete_*'))
        return output

    output = record(LIMITED)
    assert f'{beside}: {len(list(Bag(beside).messages(["/spikes"])))} packets, ' in output
    words = f'{beside} has what was recorded before, {out} is as it was'
    assert f'{out}: File too large: free space there; {words}' in output
    assert '.incomplete_' not in output
    output = record(LIMITED.replace('1_500_000', '100_000'))
    assert 'no packet fits: ' in output
    assert not (tmp_path / 'bag_incomplete_2').exists()


def test_what_a_killed_recorder_recorded_over_a_bag_is_kept(processes, player, tmp_path):
    out, beside = tmp_path / 'bag', tmp_path / 'bag_incomplete'
    out.mkdir()
    (out / 'old.mcap').touch()
    arguments = ('/spikes', '--out', out, '--overwrite', '--seconds')
    killed = processes.start('recorder', *arguments, 60)
    wait_until(lambda: any(one.stat().st_size > 1e6 for one in tmp_path.glob('.*/bag/*.mcap')), 60)
    killed.kill()
    killed.wait()
    (left,) = tmp_path.glob('.*/bag/*.mcap')
    content = left.read_bytes()
    status, output = processes.run('recorder', *arguments, 0.2)
    assert status == 0, output
    assert f'{beside}: is what a killed run had recorded' in output
    assert (beside / left.name).read_bytes() == content
    assert len(list(Bag(out).messages(['/spikes']))) > 1
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_dir()) == ['bag', beside.name]


def test_a_publisher_that_ends_is_named(processes, tmp_path):
    path = save_bars(tmp_path / 'bars.npz', 800, rate_hz=float(RATE), K=K)
    # What a player has just sent without acknowledgement may be lost when it ends.
    ends = ('--loop', '--planes', RATE // 2, '--reliability', 'best_effort')
    processes.start('player', path, *ends)
    status, output = processes.run(
        'recorder', '/spikes', '--out', tmp_path / 'bag', '--seconds', 2.5
    )
    assert status == 0, output
    assert 'warning: /spikes: its publisher has gone\n' in output
    report = output.strip().splitlines()[-1]
    assert '; its publisher has gone' in report
    assert re.search(r'packets, .*; no packet for [1-4]\.[0-9] s', report)


def test_useless_stamps_and_another_reliability_are_named(processes, ros_node, spin, tmp_path):
    publisher = ros_node.create_publisher(Image, '/spikes', 10)
    stamps = iter([1, 5, 3, 0, 0, *range(6, 10**6)])

    def publish():
        if publisher.get_subscription_count():
            message = Image(height=HEIGHT, width=8, step=8, encoding='mono8')
            message.header.stamp.sec = second = next(stamps)
            message.data = bytes(8 * HEIGHT)
            publisher.publish(message)
            if second == 1:
                # The recorder discovers the publisher later than that the recorder, and misses
                # what is sent before; it acknowledges once it has.
                assert publisher.wait_for_all_acked(Duration(seconds=30))

    timer = ros_node.create_timer(0.02, publish)
    recorder = processes.start(
        'recorder', '/spikes', '--out', tmp_path / 'bag', '--seconds', 3, '--timeout', 30
    )
    log = functools.partial(processes.log, 'recorder')
    spin(lambda: '2 packets with a stamp of 0' in log(), what='the warning of stamps')
    ros_node.destroy_publisher(publisher)
    publisher = ros_node.create_publisher(
        Image, '/spikes', QoSProfile(depth=10, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    )
    spin(lambda: recorder.poll() is not None, what='the end of the recorder')
    timer.cancel()
    status, output = processes.finish('recorder')
    assert status == 0, output
    report = output.strip().splitlines()[-1]
    assert 'a publisher has become best effort, whose packets do not arrive here' in report
    assert '2 packets with a stamp of 0; 1 packets with a stamp that goes back' in report


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_before_there_is_a_topic_is_no_success(
    processes, ros_node, spin, tmp_path, number
):
    recorder = processes.start('recorder', '/nowhere', '--out', tmp_path / 'bag', '--timeout', 60)
    name = f'_spike_inspect_{recorder.pid}'
    spin(lambda: name in ros_node.get_node_names(), what='the recorder')
    recorder.send_signal(number)
    status, output = processes.finish('recorder')
    assert status == 1
    assert output.endswith('error: asked to end before anything was recorded\n')
    assert output.count('\n') == 1
    assert not (tmp_path / 'bag').exists()


def test_a_bag_is_replaced_only_if_asked_for(run_here, player, tmp_path):
    out = tmp_path / 'bag'
    record = functools.partial(
        run_here, 'recorder', '/spikes', '--out', out, '--seconds', 0.3, '--timeout', 60
    )
    out.mkdir()
    (out / 'mine.txt').touch()
    status, output = record()
    assert status == 1
    assert 'exists: choose another folder, or add --overwrite' in output
    status, output = record('--overwrite')
    assert status == 1
    assert 'expected a folder that holds a bag alone' in output
    (out / 'mine.txt').rename(out / 'old.mcap')
    status, output = record('--overwrite', '--max_gb', 1e-7)  # nothing fits
    assert status == 1
    assert [one.name for one in out.iterdir()] == ['old.mcap']
    status, output = record('--overwrite')
    assert status == 0, output
    assert Bag(out).topics['/spikes'].messages > 0
    assert not (out / 'old.mcap').exists()
    assert not list(tmp_path.glob('.incomplete_*'))
