# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest

from kit import streams
from kit.nodes import Heard
from kit.programs import wait_until
from spike_depth_ros.base import cli
from spike_depth_ros.nodes.parts.player_source import open_source
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.nodes.player import PlayerOptions
from spike_depth_ros.stream.decode import chunk_from_msg, stamp_ns
from spike_depth_ros.stream.plane_clock import PlaneClock

PLANES = np.random.default_rng(0).integers(0, 256, (90, 5, 2), dtype=np.uint8)
PLANES[:, :, 1] &= 0b11111  # 13 pixels wide: padding bits are 0


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, packed=PLANES, width=13, rate_hz=30_000.0)
    return path


@pytest.fixture
def heard(ros_node):
    return Heard(ros_node)


def chunks_of(heard):
    return [chunk_from_msg(msg, 5, 13) for msg in heard.packets]


@pytest.mark.dds
def test_every_plane_arrives_in_order_with_stamps_by_plane_count(play, spin, heard, recording):
    sent = play(recording)
    heard.wait(spin, packets=3)
    chunks, cameras = chunks_of(heard), heard.cameras
    assert [chunk.planes for chunk in chunks] == [40, 40, 10]
    np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks]), PLANES)
    assert (sent['planes_sent'], sent['packets_sent'], sent['rate_hz']) == (90, 3, 30_000.0)
    # 30 kHz is no whole number of nanoseconds: stamps are counted, not added up.
    assert [c.t0_ns - sent['first_stamp_ns'] for c in chunks] == [0, 1_333_333, 2_666_666]
    assert heard.packets[0].header.frame_id == 'spike_camera_optical_frame'
    assert (cameras[0].width, cameras[0].height, cameras[0].k[0]) == (13, 5, 0.0)
    assert sent['first_stamp_ns'] in [stamp_ns(camera.header.stamp) for camera in cameras]


@pytest.mark.dds
def test_a_loop_goes_on_counting_and_ends_after_the_planes_asked_for(play, spin, heard, recording):
    arguments = [recording, '--loop', '--planes', 205, '--planes-per-packet', 50, '--speed', 0]
    sent = play(*arguments)
    assert sent['planes_sent'] == 205
    heard.wait(spin, sent['packets_sent'])
    chunks = chunks_of(heard)
    planes = np.concatenate([chunk.data for chunk in chunks])
    np.testing.assert_array_equal(planes, np.concatenate([PLANES, PLANES, PLANES])[:205])
    assert (
        chunks[-1].t0_ns - chunks[0].t0_ns == (205 - chunks[-1].planes) * 1_000_000_000 // 30_000
    )


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.usefixtures('heard')
@pytest.mark.parametrize('speed', [1, 0.5])
def test_the_rate_is_true(play, recording, speed):
    sent = play(recording, '--loop', '--planes', 15_000, '--speed', speed)
    assert sent['planes_per_s'] == pytest.approx(30_000 * speed, rel=0.03)


@pytest.mark.dds
def test_the_calibration_is_published(play, spin, heard, recording, tmp_path):
    calibration = tmp_path / 'camera.yaml'
    calibration.write_text(
        'image_width: 13\nimage_height: 5\ncamera_matrix:\n'
        '  data: [300.0, 0, 6, 0, 301.0, 2, 0, 0, 1]\n'
    )
    play(recording, '--camera-info', calibration)
    heard.wait(spin, packets=3)
    assert list(heard.cameras[0].k) == [300, 0, 6, 0, 301, 2, 0, 0, 1]


@pytest.mark.parametrize('rate', [20_000, 30_000, 999.7, 40_000])
def test_plane_times_do_not_drift(rate):
    clock = PlaneClock(rate)
    for plane in (0, 1, 3, 10**9):
        assert abs(clock.since_start_ns(plane) - plane * 1e9 / rate) <= 1 + 1e-15 * plane * 1e9


WRONG = {
    'no file': ('absent.npz', ['absent.npz']),
    'raw without its size': ('a.dat', ['{raw}']),
    'raw without its rate': ('--rate', ['{raw}', '--size', '13x5']),
    'another size of raw': ('size', ['{raw}', '--size', '13x7', '--rate', '20000']),
    'raw cut by another size': ('--allow-partial', ['{raw}', '--size', '13x7']),
    'another size': ('400x250', ['{npz}', '--size', '400x250']),
    'a pipe without its size': ('pipe', ['-', '--rate', '20000']),
    'half a size': ('--size', ['{npz}', '--size', '400']),
    'rate -1': ('--rate', ['{npz}', '--rate', '-1']),
    'rate 1e-300': ('--rate', ['{npz}', '--rate', '1e-300']),
    **{
        f'fx {fx}': ('--fx', ['{npz}', '--fx', fx])
        for fx in ('nan', 'inf', '1e300', '0.9', '1e-300')
    },
    'no planes in a packet': ('--planes-per-packet', ['{npz}', '--planes-per-packet', '0']),
    'no calibration': ('absent.yaml', ['{npz}', '--camera-info', 'absent.yaml']),
    'rate 0 in the file': ('rate_hz', ['{rateless}']),
    'half a camera in the file': ('cameraless.npz', ['{cameraless}']),
}


@pytest.fixture
def named_files(tmp_path, recording):
    """Files for command lines, by their names there."""
    raw = tmp_path / 'a.dat'
    raw.write_bytes(PLANES.tobytes())
    rateless, cameraless = tmp_path / 'rateless.npz', tmp_path / 'cameraless.npz'
    np.savez(rateless, packed=PLANES, width=13, rate_hz=0)
    np.savez(cameraless, packed=PLANES, width=13, rate_hz=20_000.0, K=np.eye(2))
    return {'raw': raw, 'npz': recording, 'rateless': rateless, 'cameraless': cameraless}


def test_what_cannot_be_played_is_refused(refusals, named_files, capsys):
    def told(*arguments):
        """What the parser says as its last line, or the opening of the source."""
        try:
            options = cli.options(PlayerOptions, 'spike_player', arguments)
        except SystemExit:
            return capsys.readouterr().err.splitlines()[-1]
        with pytest.raises(UserError) as caught:
            open_source(options, lambda: True)
        return str(caught.value)

    rows = {
        name: (named, functools.partial(told, *(one.format(**named_files) for one in arguments)))
        for name, (named, arguments) in WRONG.items()
    }
    refusals('player', rows, None)


@pytest.mark.dds
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{raw}'], 'the sensor size of a raw recording is unknown; give it'),
        (['{npz}', '--fx', 'nan'], "'nan': expected a number, pixels, above 1 and at most 1e+06"),
        (['{npz}', '--report', '{npz}.absent/r.json'], 'r.json: cannot be written; expected a'),
        (['{npz}', '--report', '{raw}'], 'a.dat: exists and is no report of the player'),
        (['caf\udce9.npz'], r'caf\udce9.npz: is not valid UTF-8: rename the file'),
    ],
)
def test_bad_arguments_get_one_line(run_here, named_files, arguments, message):
    status, output = run_here('player', *(part.format(**named_files) for part in arguments))
    assert status != 0
    assert message in output.strip().splitlines()[-1]
    assert 'Traceback' not in output
    assert named_files['raw'].read_bytes() == PLANES.tobytes()


@pytest.mark.dds
@pytest.mark.timed
def test_a_closed_subscriber_side_does_not_hold_the_player(processes, recording):
    status, output = processes.run('player', recording, '--wait', 0.2)
    assert status == 0
    assert 'no subscriber; playing without one' in output


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / 'camera.raw'
    os.mkfifo(path)
    return path


FROM_PIPE = ('--size', '13x5', '--rate', 20_000, '--row-order', 'top_down')


def ends_well(processes, name, number):
    """A signal ends the waiting process with status 0 within seconds."""
    wait_until(
        lambda: 'waiting for a writer' in processes.log(name), 20, lambda: processes.log(name)
    )
    start = time.monotonic()
    processes.stop(name, number)
    assert time.monotonic() - start < 2
    assert processes.log(name).count('waiting for a writer') == 1
    assert 'Traceback' not in processes.log(name)


@pytest.mark.dds
@pytest.mark.timed
def test_idle_standard_input_does_not_hold_the_player(processes):
    player = processes.start('player', '-', *FROM_PIPE, '--wait', 0, stdin=subprocess.PIPE)
    ends_well(processes, 'player', signal.SIGTERM)
    player.stdin.close()


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_named_pipe_without_a_writer_does_not_hold_the_player(processes, pipe, number):
    processes.start('player', pipe, *FROM_PIPE, '--wait', 0)
    ends_well(processes, 'player', number)


@pytest.mark.dds
@pytest.mark.timed
def test_a_writer_that_falls_silent_does_not_hold_the_player(processes, spin, heard, pipe):
    processes.start('player', pipe, *FROM_PIPE)
    with pipe.open('wb', buffering=0) as writer:
        writer.write(PLANES[:50].tobytes())
        spin(lambda: heard.packets, what='the first packet')
        start = time.monotonic()
        processes.stop('player', signal.SIGTERM)
        assert time.monotonic() - start < 2


@pytest.mark.dds
@pytest.mark.timed
@pytest.mark.parametrize(('speed', 'slower'), [(1, '0.5'), (0.5, '0.25')])
def test_a_player_that_is_behind_says_so_once_with_its_remedy(
    processes, spin, heard, pipe, speed, slower
):
    player = processes.start('player', pipe, *FROM_PIPE, '--speed', speed)
    with pipe.open('wb', buffering=0) as writer:
        for number in range(1, 4):
            writer.write(PLANES[:40].tobytes())
            spin(lambda n=number: len(heard.packets) >= n, what='a packet')
            time.sleep(0.6)
    spin(lambda: player.poll() is not None, what='the end of the player')
    told = [line for line in processes.log('player').splitlines() if ' s behind' in line]
    assert len(told) == 1
    assert f'does not reach {20_000 * speed:.0f} planes/s: play more slowly, as by' in told[0]
    assert told[0].endswith(f' --speed {slower}, or a live camera by --speed 0')


@pytest.mark.dds
@pytest.mark.timed
def test_a_named_pipe_is_played_from_its_first_bytes_to_its_end(
    processes, spin, heard, pipe, tmp_path
):
    report, others = tmp_path / 'report.json', tmp_path / 'others'
    others.write_text('mine')
    (tmp_path / 'report.json.part').symlink_to(others)
    player = processes.start('player', pipe, *FROM_PIPE, '--report', report)
    time.sleep(1.5)  # the stream's clock must not run meanwhile
    with pipe.open('wb') as writer:
        writer.write(PLANES.tobytes())
    spin(lambda: player.poll() is not None, what='the end of the player')
    assert player.returncode == 0, processes.log('player')
    heard.wait(spin, json.loads(report.read_text())['packets_sent'])
    chunks = chunks_of(heard)
    np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks]), PLANES)
    assert 0.004 < json.loads(report.read_text())['seconds'] < 0.5
    assert others.read_text() == 'mine'  # a link laid out for the unfinished report


LAYOUTS = {
    'whole': (streams.whole, '--packing whole'),
    'head': (streams.with_head, '--skip-columns 16'),
}


@pytest.mark.dds
@pytest.mark.parametrize(('where', 'writer'), [('file', 'head'), ('pipe', 'whole')])
def test_a_layout_that_fits_by_chance_is_told_and_its_option_plays_it(
    processes, spin, heard, tmp_path, where, writer
):
    scene = streams.scene()
    write, option = LAYOUTS[writer]
    path = tmp_path / 'a.dat'
    path.write_bytes(write(scene))
    given = ('--size', '346x260', '--rate', 20_000)

    def played(name, *options):
        source = path if where == 'file' else '-'
        with path.open('rb') as stdin:
            player = processes.start('player', source, *given, *options, name=name, stdin=stdin)
            spin(lambda: player.poll() is not None, what='the end of the player')
        return player.returncode, processes.log(name)

    with path.open('r+b') as file:
        file.truncate(path.stat().st_size // 11440 * 11440)
    status, log = played('wrong', '--wait', 0)
    assert status == 0
    assert log.count('its bytes repeat as in planes of 346x260') == 1
    assert f': try {option}\n' in log
    path.write_bytes(write(scene))
    heard.packets.clear()
    status, log = played('right', *option.split())
    assert status == 0
    assert 'repeat as in' not in log
    heard.wait(spin, packets=3)
    planes = np.concatenate([chunk_from_msg(msg, 260, 346).data for msg in heard.packets])
    np.testing.assert_array_equal(
        np.unpackbits(planes, axis=2, bitorder='little')[..., :346], scene
    )


@pytest.mark.dds
def test_a_pipe_has_no_other_axes(run_here):
    given = ('-', '--size', '13x5', '--rate', 20_000, '--axes', 'hwt')
    status, output = run_here('player', *given)
    assert status == 1
    assert 'is a pipe, which has one plane after another: leave out --axes hwt' in output
