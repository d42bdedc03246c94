# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import os
import re
import signal
import subprocess
import time
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image as ImageMessage

from kit import streams
from kit.programs import wait_until
from kit.shared_files import shared_files
from scripts import check_demo
from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.evaluation.scores import Output
from spike_depth_ros.io.recording import Recording, TrueDepth
from spike_depth_ros.nodes import demo as demo_command
from spike_depth_ros.nodes.parts import demo_report, process
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.demo_scores import DemoScores, Plan, PlayedTruths, Snapshot
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry

pytestmark = pytest.mark.dds

KEYS = (
    'planes_in planes_per_s windows_out windows_per_s latency_ms_p50 latency_ms_p99 '
    'planes_dropped abs_rel'
)


@pytest.fixture
def spikes():
    return np.random.default_rng(0).random((600, 48, 64)) < np.linspace(0.1, 0.6, 64)


def demo(processes, out, *arguments):
    status, output = processes.run('demo', '--seconds', 1, '--out', out, *arguments)
    assert status == 0, output
    return json.loads((out / 'summary.json').read_text()), output


def test_a_recording_with_truth_is_scored_and_drawn(processes, tmp_path, spikes):
    stream = tmp_path / 'a.npz'
    depth = np.full((2, 48, 64), 3000, np.uint16)
    np.savez(
        stream,
        packed=packing.pack(spikes),
        width=64,
        rate_hz=20_000.0,
        depth=depth,
        depth_planes=[100, 300],
    )
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'depth_999999.png').write_bytes(b'of an earlier run')
    (out / 'summary.json').write_text('{"planes_sent": 1, "windows_out": 1}')
    (out / 'notes.txt').write_text('mine')
    summary, output = demo(processes, out, '--stream', stream)
    assert set(KEYS.split()) <= set(summary)
    assert summary['planes_in'] == summary['planes_sent'] == 20_000
    assert summary['planes_dropped'] == 0
    assert summary['windows_out'] > 2
    assert 0 < summary['latency_ms_p50'] <= summary['latency_ms_p99']
    assert (summary['speed'], summary['losses']) == (1.0, [])
    assert summary['accounting_difference'] == [0, 0]
    assert summary['not_valid'] == []
    assert 'NOT VALID' not in output
    assert 'a.npz: 600 planes, 0.03 s, are repeated for 1 s: what moves jumps back' in output
    assert check_demo.check(summary)[0] == 0
    assert summary['abs_rel'] > summary['abs_rel_median_scaled'] > 0
    assert summary['abs_rel_coverage'] == 1.0
    assert summary['scale'] == 'assumed'
    assert 'assumed: no focal length is known' in output
    assert str(out / 'depth.gif') in output.replace('\n', '')
    drawn = sorted(out.glob('depth_*.png'))
    assert drawn
    assert (out / 'depth_999999.png') not in drawn
    assert not list(out.glob('.*'))
    assert (out / 'notes.txt').read_text() == 'mine'
    with Image.open(out / 'methods.png') as methods:
        assert methods.width > 2 * 64
    with Image.open(drawn[0]) as picture, Image.open(out / 'depth.gif') as animation:
        assert picture.size == animation.size
        assert animation.n_frames >= len(drawn)


@pytest.mark.parametrize('name', ['summary.json', 'depth.gif', 'methods.png'])
def test_a_file_of_another_origin_is_refused_before_anything_starts(run_here, tmp_path, name):
    (tmp_path / name).write_text('{"mine": 1}')
    status, output = run_here('demo', '--out', tmp_path)
    assert (status, output.count('\n')) == (1, 1)
    assert f'{tmp_path / name}: is of no earlier run, and would be replaced' in output
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        (name, '{"mine": 1}')
    ]


def test_only_windows_around_a_plane_with_truth_are_scored():
    depth = np.stack([np.full((2, 3), metres, np.float32) for metres in (1.0, 2.0)])
    truth = TrueDepth(depth, np.array([64, 731]))
    recording = Recording(np.zeros((796, 2, 1), np.uint8), Geometry(2, 3), truth=truth)
    info = load_info(default_checkpoint())
    assert info.planes == 128
    plan = Plan(recording, 20_000.0, 796, info, 'made')
    found = [plan.truth_at(plane) for plane in (64, 127, 128, 129, 667, 668, 731)]
    assert [None if map is None else float(map[0, 0]) for map in found] == [
        1,
        1,
        1,
        None,
        None,
        2,
        2,
    ]

    truths = PlayedTruths(plan, lambda: 1_000)
    taken = [truths.take(1_000 + plane * 50_000) for plane in (30, 64, 128, 129, 664, 860, 1527)]
    depths = [truth and float(array_from_msg(truth.image)[0, 0]) for truth in taken]
    assert depths == [None, 1, 1, None, None, 1, 2]  # 30 is across the seam, 860 after it 64
    assert (truths.accounting.used, truths.accounting.unmatched) == (4, 0)
    assert PlayedTruths(plan, lambda: None).take(1_000) is None  # nothing is played yet

    without = dataclasses.replace(plan, recording=dataclasses.replace(recording, truth=None))
    assert without.truth_at(64) is None


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[pytest.mark.long] if name == 'office' else [])
        for name in demo_command.SAMPLES
    ],
)
def test_each_sample_plays_and_is_scored(processes, tmp_path, name):
    others = tmp_path / 'out' / 'depth_999999.png'  # not of an earlier run
    others.parent.mkdir()
    others.write_bytes(b'mine')
    # Slowly, for several windows: a busy machine takes fewer than a free one.
    arguments = ('--sample', name, '--speed', 0.05, '--seconds', 2)
    summary, _ = demo(processes, tmp_path / 'out', *arguments)
    assert others.read_bytes() == b'mine'
    others.unlink()
    assert summary['stream'] == demo_command.SAMPLES[name]
    assert summary['windows_out'] > 1
    assert 0 < summary['abs_rel_median_scaled'] < 1
    if name == 'stereo':
        right = summary['right']
        assert right['planes_in'] == right['planes_sent'] == summary['planes_sent']
        assert summary['scale'] == 'stereo'
        assert summary['abs_rel'] < 0.15  # metres, as predicted
        with Image.open(next((tmp_path / 'out').glob('depth_*.png'))) as sheet:
            assert sheet.width > 3 * 400  # both eyes and their disparity side by side


@pytest.mark.timed
def test_a_slow_playback_has_true_latencies(processes, tmp_path, spikes):
    stream, calibration = tmp_path / 'a.npz', tmp_path / 'camera.yaml'
    np.savez(stream, packed=packing.pack(spikes), width=64, rate_hz=20_000.0)
    calibration.write_text(
        'image_width: 64\nimage_height: 48\n'
        'camera_matrix: {data: [300, 0, 31.5, 0, 300, 23.5, 0, 0, 1]}\n'
    )
    view = ('--view', '/bin/false')  # which does not hold up the demo
    arguments = ('--stream', stream, '--speed', 0.25, '--camera-info', calibration, *view)
    arguments += ('--seconds', 2)
    summary, output = demo(processes, tmp_path / 'out', *arguments)
    assert summary['scale'] == load_info(default_checkpoint()).scale
    assert 'assumed' not in output
    assert 'warning: spike_view failed: no output' in output
    assert summary['planes_sent'] == 10_000  # in two seconds
    assert 4000 < summary['planes_per_s'] < 5100
    assert 0 < summary['latency_ms_p50'] < 500  # by the stamps alone it would be seconds


def test_a_summary_with_losses_asks_for_another_round(capsys, tmp_path):
    summary = dict.fromkeys(KEYS.split(), 1) | {
        'planes_sent': 100,
        'planes_dropped': 40,
        'player_behind_s_max': 0.2,
        'not_valid': [],
        'losses': [{'planes': 40, 'where': 'lost in the queue', 'remedy': 'play more slowly'}],
        'accounting': {'planes_expected': 100},
        'accounting_difference': [0, 0],
        'speed': 1.0,
    }
    path = tmp_path / 'summary.json'
    path.write_text(json.dumps(summary))
    assert check_demo.main(str(path)) == check_demo.DROPPED
    printed = capsys.readouterr().out
    assert 'player: 100 planes sent at 1/s, at most 0.20 s late' in printed
    assert 'lost: 40 planes lost in the queue; remedy: play more slowly' in printed
    behind = summary | {'planes_dropped': 0, 'not_valid': ['the player was up to 2.0 s behind']}
    assert check_demo.check(behind) == (
        check_demo.DROPPED,
        'not valid: the player was up to 2.0 s behind',
    )
    assert check_demo.check(summary | {'windows_out': 0})[0] == 1
    assert check_demo.check(summary | {'accounting_difference': [40, 0]})[0] == 1
    assert check_demo.check({})[0] == 1


def test_a_cut_raw_recording_is_played_as_given_and_without_truth_gives_null(
    run_here, processes, tmp_path, spikes
):
    stream = tmp_path / 'a.dat'
    stream.write_bytes(packing.pack(spikes, 'big').tobytes()[:-5])
    arguments = ['--stream', stream, '--size', '64x48', '--rate', 10_000, '--bit-order', 'big']
    status, output = run_here('demo', '--out', tmp_path / 'out', *arguments)
    assert (status, output.count('\n')) == (1, 1)
    assert '--allow-partial' in output
    arguments += ['--row-order', 'top_down', '--checkpoint', default_checkpoint(), '--fx', 300]
    summary, output = demo(processes, tmp_path / 'out', *arguments, '--allow-partial')
    assert summary['abs_rel'] is None
    assert summary['planes_in'] == 10_000
    assert summary['stream'] == 'a.dat'
    assert summary['scale'] == load_info(default_checkpoint()).scale
    assert 'assumed' not in output


def test_one_window_of_each_part_is_kept_and_those_with_truth_are_scored():
    recording = Recording(np.zeros((796, 2, 1), np.uint8), Geometry(2, 3))
    plan = Plan(recording, 20_000.0, 796, load_info(default_checkpoint()), 'made')
    scores = DemoScores(plan, lambda: 0, (0.1, 100.0))
    depth, truth = np.full((2, 3), 2.0, np.float32), np.full((2, 3), 2.5, np.float32)
    for plane in (10, 100, 101, 400):  # the first is across the seam
        known = truth if plane == 100 else None
        output = Output(0, plane * 50_000, depth, depth, (0.1, 100.0), lambda: None, known)
        assert scores.add(output) == {}
    assert [one.plane for one in scores.snapshots.values()] == [100, 400]
    assert scores.errors.abs_rel == scores.headline()['abs_rel'] == pytest.approx(0.2)
    assert scores.scaled_errors.abs_rel == pytest.approx(0)


def snapshot(depth, uncertainty, truth=None):
    preview = np.zeros(depth.shape, np.uint8)
    output = Output(0, 0, depth, uncertainty, (0.1, 100.0), lambda: preview, truth)
    return Snapshot(64, output)


@pytest.mark.parametrize('scale', ['assumed', 'metric', None])
def test_pictures_and_table_show_whether_the_scale_is_assumed(tmp_path, monkeypatch, scale):
    recording = Recording(np.zeros((796, 20, 4), np.uint8), Geometry(20, 32))
    plan = Plan(recording, 20_000.0, 796, load_info(default_checkpoint()), 'made')
    image, captions = np.ones((20, 32), np.float32), []
    strip = demo_report.pictures.strip
    monkeypatch.setattr(
        demo_report.pictures,
        'strip',
        lambda *panels, caption: captions.append(caption) or strip(*panels, caption=caption),
    )
    demo_report.draw(plan, {0: snapshot(image, image)}, tmp_path, scale)
    assert captions
    assert all(caption.endswith('scale: assumed.') == (scale == 'assumed') for caption in captions)
    assert demo_report.scale_text(scale).startswith(scale or 'unknown')


def test_without_truth_the_last_panel_is_the_uncertainty_over_depth(monkeypatch, tmp_path):
    sheets, drawn = [], []
    strip, panel = demo_report.pictures.strip, demo_report.pictures.uncertainty_panel
    monkeypatch.setattr(
        demo_report.pictures,
        'strip',
        lambda panels, caption: sheets.append(panels) or strip(panels, caption=caption),
    )
    monkeypatch.setattr(
        demo_report.pictures,
        'uncertainty_panel',
        lambda image, *rest: drawn.append((image, *rest)) or panel(image, *rest),
    )
    depth = np.full((20, 32), 2.0, np.float32)
    depth[0, 0] = np.inf
    uncertainty = np.full_like(depth, 0.5)
    recording = Recording(np.zeros((796, 20, 4), np.uint8), Geometry(20, 32))
    plan = Plan(recording, 20_000.0, 796, load_info(default_checkpoint()), 'made')
    demo_report.draw(plan, {0: snapshot(depth, uncertainty)}, tmp_path, 'metric')
    assert [title for _, title in sheets[0]][3] == 'uncertainty over depth (no truth here)'
    assert all(image is not None for image, _ in sheets[0])
    percent, high, unit = next(one for one in drawn if len(one) == 3)
    assert (unit, high) == ('%', 25.0)
    assert np.isnan(percent[0, 0])
    assert (percent[1:] == 25).all()
    demo_report.draw(plan, {0: snapshot(depth, uncertainty, depth)}, tmp_path, 'metric')
    assert [title for _, title in sheets[1]][3] == 'relative error'


@pytest.fixture
def raw_office(tmp_path):
    """Raw planes of the sample, 400x250 with the least significant bit first."""
    with np.load(process.asset('office.npz')) as sample:
        packed = sample['packed'][:100]
    path = tmp_path / 'office.dat'
    path.write_bytes(np.ascontiguousarray(packed[:, ::-1]).tobytes())
    return path


@pytest.mark.parametrize('size', ['400x125', '800x125'])
def test_a_wrong_sensor_size_is_named_before_anything_starts(run_here, tmp_path, raw_office, size):
    out = tmp_path / 'out'
    arguments = ['--stream', raw_office, '--size', size, '--rate', 20_000, '--out', out]
    status, output = run_here('demo', *arguments, '--checkpoint', 'absent.safetensors')
    assert status == 1  # the checkpoint is looked for afterwards
    warning = (
        f'warning: {raw_office}: its bytes repeat as in planes of 400x250 pixels, not {size}: try '
        '--size 400x250 (make demo ... SIZE=400x250)'
    )
    assert output.splitlines()[0] == warning
    assert not (out / 'depth.log').exists()


@pytest.mark.parametrize(
    ('write', 'option', 'variable'),
    [
        (streams.whole, '--packing whole', 'PACKING=whole'),
        (streams.with_head, '--skip-columns 16', 'SKIP_COLUMNS=16'),
    ],
)
def test_another_layout_is_told_before_anything_starts_and_read(
    run_here, tmp_path, write, option, variable
):
    path = tmp_path / 'a.dat'
    path.write_bytes(write(streams.scene()))
    given = ('--stream', path, '--size', '346x260', '--out', tmp_path / 'out')
    status, output = run_here('demo', *given, '--allow-partial')  # without a rate nothing starts
    assert status == 1
    assert output.splitlines()[0].endswith(f': try {option} (make demo ... {variable})')
    status, output = run_here('demo', *given, *option.split())
    assert status == 1
    first, second = output.splitlines()
    assert first == 'a.dat: 346x260 pixels; bit order little fits the picture'
    assert 'the plane rate is not in the recording' in second


@pytest.mark.parametrize(
    ('bit_order', 'text'),
    [
        ('little', 'office.dat: 400x250 pixels; bit order little fits the picture'),
        ('big', 'try --bit-order little (make demo ... BIT_ORDER=little)'),
    ],
)
def test_the_stripes_of_a_recording_are_looked_at_before_it_is_played(
    run_here, tmp_path, raw_office, bit_order, text
):
    arguments = ['--stream', raw_office, '--size', '400x250', '--bit-order', bit_order]
    # Without a rate nothing starts.
    status, output = run_here('demo', *arguments, '--out', tmp_path / 'out')
    assert status == 1
    assert text in output.splitlines()[0]
    assert output.startswith('warning') == (bit_order == 'big')
    assert 'the plane rate is not in the recording' in output.splitlines()[1]


@pytest.mark.parametrize(
    ('seconds', 'speed', 'repeated'),
    [(0.005, 1, False), (0.006, 1, True), (8, 1, True), (0.01, 0.5, False), (0.011, 0.5, True)],
)
def test_a_short_recording_is_told_to_be_repeated(run_here, tmp_path, seconds, speed, repeated):
    stream = tmp_path / 'my [red].npz'
    np.savez(stream, packed=np.zeros((100, 48, 8), np.uint8), width=64, rate_hz=20_000.0)
    arguments = ('--stream', stream, '--seconds', seconds, '--speed', speed)
    arguments += ('--out', tmp_path / 'out', '--checkpoint', 'absent.safetensors')
    status, output = run_here('demo', *arguments)
    assert status == 1  # the checkpoint is looked for afterwards
    told = f'my [red].npz: 100 planes, 0.005 s, are repeated for {seconds:g} s: what moves jumps'
    assert output.count(told) == output.count('repeated for') == repeated


@pytest.mark.timed
def test_a_run_whose_player_was_held_up_is_not_valid(processes, tmp_path, spikes, ros_node, spin):
    stream, heard = tmp_path / 'a.npz', []
    np.savez(stream, packed=packing.pack(spikes), width=64, rate_hz=20_000.0)
    # The player sends its camera before it begins, and spikes only then.
    ros_node.create_subscription(ImageMessage, 'spikes', heard.append, qos_profile_sensor_data)
    arguments = ('--stream', stream, '--seconds', 3, '--out', tmp_path / 'out')
    started = processes.start('demo', *arguments)
    spin(lambda: heard, what='a packet of the player')
    # As one that gets no time of a processor.
    _, player = children(started)[:2]
    os.kill(player, signal.SIGSTOP)
    time.sleep(2)
    os.kill(player, signal.SIGCONT)
    _, output = processes.finish('demo')
    summary = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    (reason,) = summary['not_valid']
    assert re.fullmatch(r'the player was up to [12]\.\d s behind', reason)
    line = f'NOT VALID: {reason}: play more slowly (make demo ... SPEED=0.5)\n'
    assert output.count(line) == 1
    assert check_demo.check(summary)[0] in (check_demo.DROPPED, 1)


@pytest.mark.parametrize(
    ('rate_hz', 'windows', 'told'),
    [
        (20_000.0, 15, ['1.9 depth images a second came out, expected 2 or more']),
        (20_000.0, 16, []),
        # Three windows of 128 planes a second: half of them are enough.
        (384.0, 11, ['1.4 depth images a second came out, expected 1.5 or more']),
        (384.0, 12, []),
    ],
)
def test_a_run_of_few_images_is_not_valid(rate_hz, windows, told):
    info = types.SimpleNamespace(planes=128)
    plan = types.SimpleNamespace(planes=round(8 * rate_hz), rate_hz=rate_hz, speed=1.0, info=info)
    sent = {'behind_s_max': 0.1, 'seconds': 8.0}
    assert demo_report._not_valid(plan, windows, sent) == told


def test_what_cannot_be_shown_is_refused_before_anything_starts(refused_here, tmp_path, spikes):
    file, depth = tmp_path / 'a.npz', np.full((1, 48, 64), 1500.0)
    np.savez(file, packed=packing.pack(spikes), width=64, rate_hz=20_000, depth=depth)
    wrong = {
        'no file': ('absent.dat', ('--stream', 'absent.dat', '--size', '64x48')),
        'no checkpoint': ('absent.safetensors', ('--checkpoint', 'absent.safetensors')),
        'onnx by cuda': ('backend', ('--device', 'cuda', '--backend', 'onnx')),
        'true depth in mm': ('"depth"', ('--stream', file)),
    }
    out = ('--out', tmp_path / 'out')
    rows = {name: (named, (*out, *given), {}) for name, (named, given) in wrong.items()}
    refused_here('demo', 'demo', rows)


def children(process):
    """The living child processes, by their ids."""
    threads = Path(f'/proc/{process.pid}/task').glob('*/children')
    return [int(number) for file in threads for number in file.read_text().split()]


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_the_children_too(processes, tmp_path, number):
    out = tmp_path / 'out'
    started = processes.start('demo', '--seconds', 60, '--out', out)

    def ready(child, name):  # it is no copy of the demo any more, and has DDS
        return name in Path(f'/proc/{child}/cmdline').read_text() and shared_files([child])

    def play():
        found = children(started)
        return len(found) == 2 and all(map(ready, found, ('nodes.depth', 'nodes.player')))

    wait_until(play, 40, lambda: processes.log('demo'))
    both = children(started)
    started.send_signal(number)
    status, output = processes.finish('demo')
    assert status == (130 if number == signal.SIGINT else 143)
    assert 'Traceback' not in output
    assert output.strip().splitlines()[-1] in ('spike_demo: ended by a signal', 'interrupted')
    assert not [child for child in both if Path(f'/proc/{child}').exists()]


def test_a_depth_node_that_does_not_show_up_ends_the_demo(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo_command, 'NODE_WITHIN_S', 0.0)
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert demo_command.main(['spike_demo', '--out', str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert 'the depth node did not start within 0 s' in error
    assert str(tmp_path / 'depth.log') in error
    assert error.count('\n') == 1
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)] == handlers


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_within_native_code_ends_it_alike(tmp_path, monkeypatch, capsys, number):
    def run(self, plan):
        try:
            signal.raise_signal(number)
        except BaseException:  # as rclpy's conversions of arguments do
            raise RuntimeError('Unable to convert call argument') from None

    monkeypatch.setattr(demo_command.Demo, 'run', run)
    assert demo_command.main(['spike_demo', '--out', str(tmp_path)]) == 128 + number
    assert 'Traceback' not in capsys.readouterr().err

    def fail(self, plan):
        raise RuntimeError('another one')

    monkeypatch.setattr(demo_command.Demo, 'run', fail)
    with pytest.raises(RuntimeError, match='another one'):
        demo_command.main(['spike_demo', '--out', str(tmp_path)])


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_child_is_started_leaves_it_known(tmp_path, monkeypatch, number):
    started = []

    class Slow(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), number)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    made = demo_command.Demo(demo_command.DemoOptions(out=tmp_path / 'out'))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(demo_command.subprocess, 'Popen', Slow)
            with pytest.raises(KeyboardInterrupt):
                made._start('depth', ['--help'])
        assert made._children == started
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
        for child in started:
            child.wait()
