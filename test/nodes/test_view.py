# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""spike_view: topics joined by stamp, and the real viewer where .venv-view is."""

import contextlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from kit import cameras
from spike_depth_ros import DepthEstimator, Observation
from spike_depth_ros.base import cli
from spike_depth_ros.pages.depth_colours import DEPTH_COLOURS
from spike_depth_ros.stream.decode import PacketError
from spike_depth_ros.tasks.fused import FusedInfo
from spike_depth_ros.tools.recorded_windows import RecordedWindows
from spike_depth_ros.tools.view import command

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from spike_depth_ros.nodes.parts.conversions import depth_msg, preview_msg, stamp_msg
from spike_depth_ros.nodes.parts.depth_topics import DepthTopics

ROOT = Path(__file__).parents[2]
VIEW = ROOT / '.venv-view' / 'bin' / 'spike_view'
OFFICE = ROOT / 'spike_depth_ros' / 'assets' / 'office.npz'
PORT = 19610

K = [300.0, 0.0, 1.5, 0.0, 300.0, 1.0, 0.0, 0.0, 1.0]


class Subscriber:
    """Takes the place of a node: keeps the callbacks, by topic."""

    def __init__(self, namespace='/'):
        self.callbacks = {}
        self.get_namespace = lambda: namespace

    def create_subscription(self, kind, topic, callback, qos):
        self.callbacks[topic] = callback
        self.topic_name = topic
        return self


def send(
    node, stamp, topics=('depth/image', 'depth/uncertainty', 'depth/camera_info'), metres=2.0
):
    header = Header(stamp=stamp_msg(stamp))
    image = np.full((3, 4), metres, np.float32)
    messages = {
        'depth/image': depth_msg(image, header),
        'depth/uncertainty': depth_msg(image / 10, header),
        'depth/camera_info': CameraInfo(header=header, k=K),
    }
    for topic in topics:
        node.callbacks[topic](messages[topic])


def test_images_of_one_stamp_are_taken_once():
    node = Subscriber()
    topics = DepthTopics(node)
    assert topics.take() is None
    send(node, 1, ['depth/image', 'depth/camera_info'])
    send(node, 2, ['depth/uncertainty'])
    assert topics.take() is None
    send(node, 3, metres=3.0)
    send(node, 4, ['depth/image'], metres=4.0)
    frame = topics.take()
    assert (frame.stamp_ns, frame.matrix, frame.picture) == (3, tuple(K), None)
    assert (frame.depth == 3.0).all()
    assert frame.uncertainty == pytest.approx(0.3)
    assert topics.take() is None
    send(node, 4, ['depth/uncertainty', 'depth/camera_info'])
    assert topics.take().stamp_ns == 4
    for stamp in range(5, 100):  # messages that never match do not pile up
        send(node, stamp, ['depth/image'])
    assert len(topics._messages['depth']) == 4


def test_diagnostics_of_another_namespace_are_not_shown():
    node = Subscriber(namespace='/left')
    topics = DepthTopics(node)
    for name in ('left/spike_depth', 'right/spike_depth'):
        lost = KeyValue(key='planes_lost_in_transport', value='777' if name[0] == 'r' else '0')
        node.callbacks['/diagnostics'](
            DiagnosticArray(status=[
                DiagnosticStatus(
                    name=f'{name}: stream', level=DiagnosticStatus.WARN, message=name,
                    values=[lost],
                )
            ])
        )  # fmt: skip
    send(node, 1)
    frame = topics.take()
    assert frame.notes == ('left/spike_depth stream: left/spike_depth',)


def test_the_status_of_a_source_is_not_the_stream_of_the_node():
    node = Subscriber()
    topics = DepthTopics(node)
    for name, key, level in (
        ('spike_depth: stream', 'planes_lost_in_transport', DiagnosticStatus.WARN),
        ('video_source: stream', 'planes_sent', DiagnosticStatus.OK),
        ('spike_stereo: right stream', 'planes_lost_in_queue', DiagnosticStatus.WARN),
    ):
        values = [KeyValue(key=key, value='80')]
        status = DiagnosticStatus(name=name, level=level, message='told', values=values)
        node.callbacks['/diagnostics'](DiagnosticArray(status=[status]))
    send(node, 1)
    frame = topics.take()
    assert frame.values['lost'] == {'in transport': 80.0, 'in queue': 0.0}
    assert frame.notes == ('spike_depth stream: told', 'spike_stereo right stream: told')


def test_plots_and_notes_come_from_diagnostics():
    node = Subscriber()
    topics = DepthTopics(node)

    def status(task, level, message, **values):
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        return DiagnosticStatus(name=f'cam: {task}', level=level, message=message, values=pairs)

    def diagnostics(level):
        lost = {'planes_lost_in_transport': '40', 'planes_lost_in_queue': '2'}
        times = {'age_ms_p50': '9.5', 'age_ms_p99': '20', 'predict_ms_p50': '7'}
        node.callbacks['/diagnostics'](
            DiagnosticArray(
                status=[
                    status('stream', level, 'planes were lost', **lost),
                    status('inference', DiagnosticStatus.OK, 'fine', **times, predict_ms_p99='8'),
                    status('model', DiagnosticStatus.OK, 'fine', scale_factor='1.25'),
                    status('process', DiagnosticStatus.ERROR, 'not of this view'),
                ]
            )
        )

    send(node, 1)
    assert topics.take().values['scale'] == {'factor': 1.0}
    diagnostics(DiagnosticStatus.WARN)
    node.callbacks['spikes/image'](preview_msg(np.eye(5, dtype=np.uint8), Header()))
    send(node, 2)
    frame = topics.take()
    assert frame.values == {
        'latency': {'age, median': 9.5, 'age, 99 %': 20.0, 'network, median': 7.0},
        'lost': {'in transport': 40.0, 'in queue': 2.0},
        'scale': {'factor': 1.25},
    }
    assert frame.notes == ('cam stream: planes were lost',)
    assert (frame.picture == np.eye(5)).all()
    diagnostics(DiagnosticStatus.OK)
    send(node, 3)
    assert topics.take().notes == ()


def test_the_picture_is_that_of_the_camera_of_depth():
    node = Subscriber()
    topics = DepthTopics(node)
    plain, rectified = np.zeros((3, 4), np.uint8), np.full((3, 4), 9, np.uint8)
    seconds = 10**9

    def pictures(stamp, **images):
        for topic, image in images.items():
            header = Header(stamp=stamp_msg(stamp))
            node.callbacks[f'spikes/{topic}'](preview_msg(image, header))

    pictures(seconds, image=plain)
    send(node, seconds)
    assert (topics.take().picture == 0).all()
    pictures(2 * seconds, image_rect=rectified, image=plain)
    send(node, 2 * seconds)
    assert (topics.take().picture == 9).all()
    pictures(4 * seconds, image=plain)  # a node that rectifies no longer
    send(node, 4 * seconds)
    assert (topics.take().picture == 0).all()


def test_another_kind_of_image_is_an_error_of_one_line():
    node = Subscriber()
    topics = DepthTopics(node)
    send(node, 1)
    node.callbacks['depth/image'](Image(header=Header(stamp=stamp_msg(1)), encoding='rgb8'))
    with pytest.raises(PacketError, match=r"^depth/image: encoding 'rgb8'; expected"):
        topics.take()
    node.callbacks['spikes/image'](Image(encoding='mono8', width=9, step=3))
    send(node, 2)
    with pytest.raises(PacketError, match=r'^spikes/image: .*width 9 and step 3; expected mono8'):
        topics.take()


@pytest.mark.skipif(importlib.util.find_spec('rerun') is not None, reason='Rerun is installed')
@pytest.mark.parametrize('arguments', [[], ['my.dat'], ['--ros-args', '-r', '__ns:=/a']])
def test_without_rerun_the_command_to_install_it_is_told(arguments, capsys):
    assert command.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('spike_view: error: ')
    assert 'make view-environment' in line


def frames_of(monkeypatch, *arguments):
    """Run the command on a recording; return the frames that a view gets."""
    frames = []
    shown = SimpleNamespace(add=frames.append, is_over=lambda: False, stay=lambda: None)
    outputs = SimpleNamespace(open_view=lambda _: contextlib.nullcontext(shown))
    monkeypatch.setitem(sys.modules, 'spike_depth_ros.tools.view.outputs', outputs)
    spec = importlib.util.find_spec('spike_depth_ros.tools.view.recorded')
    recorded = importlib.util.module_from_spec(spec)  # for this test alone
    spec.loader.exec_module(recorded)
    recorded.run(cli.options(command.ViewOptions, 'spike_view', arguments))
    return frames


def test_a_recording_is_shown_at_the_planes_of_a_network_without_its_frames(
    tmp_path, monkeypatch, capsys
):
    np.save(tmp_path / 'a.npy', np.zeros((300, 16, 16), bool))
    with contextlib.closing(DepthEstimator.from_checkpoint(device='cpu', threads=1)) as network:
        given = {field.name: getattr(network.info, field.name) for field in fields(network.info)}
        given |= {'task': 'fused', 'inputs': ('spikes', 'rgb'), 'max_age_s': 0.1}
        fused = FusedInfo(**given | {'reference_plane': 'last'})
        loaded = SimpleNamespace(info=fused, predict=network.predict)
        monkeypatch.setattr(DepthEstimator, 'from_checkpoint', lambda _: loaded)
        frames = frames_of(monkeypatch, str(tmp_path / 'a.npy'), '--rate', '20000')
    assert [frame.stamp_ns for frame in frames] == [127 * 50_000, 255 * 50_000]
    assert 'warning: no frames are read: depth is of the spikes alone' in capsys.readouterr().err


def test_the_picture_of_a_recording_is_rectified_as_its_depth(tmp_path, monkeypatch):
    spikes = np.zeros((128, cameras.HEIGHT, cameras.WIDTH), bool)
    spikes[:, 38:43, 318:323] = True  # a bright square far from the middle
    np.save(tmp_path / 'a.npy', spikes)
    cameras.write_calibration(tmp_path / 'camera.yaml', cameras.PLUMB_BOB)
    (frame,) = frames_of(
        monkeypatch, str(tmp_path / 'a.npy'), '--rate', '20000',
        '--camera-info', str(tmp_path / 'camera.yaml'),
    )  # fmt: skip
    rows, columns = np.nonzero(frame.picture > 128)
    k, target = (np.array(one).reshape(3, 3) for one in (cameras.PLUMB_BOB.k, frame.matrix))
    point = np.array([[[320.0, 40.0]]])
    ((expected,),) = cv2.undistortPoints(point, k, np.array(cameras.PLUMB_BOB.d), P=target)
    assert np.abs(expected - (320, 40)).max() > 4
    assert (columns.mean(), rows.mean()) == pytest.approx(expected, abs=1.0)


# From here on with the real Rerun.

real = [
    pytest.mark.long,
    pytest.mark.skipif(not VIEW.exists(), reason='no .venv-view: make view-environment'),
]


def own_environment(**variables):
    left = ('PYTHONPATH', 'LD_LIBRARY_PATH', 'AMENT_PREFIX_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
    displays = ('DISPLAY', 'WAYLAND_DISPLAY')
    kept = {name: value for name, value in os.environ.items() if name not in left + displays}
    return kept | variables


def view(*arguments, **variables):
    return subprocess.run(
        [VIEW, *map(str, arguments)],
        env=own_environment(**variables),
        capture_output=True,
        text=True,
        timeout=100,
    )


def started(*arguments, log):
    with log.open('wb') as file:
        return subprocess.Popen(
            [VIEW, *map(str, arguments)],
            env=own_environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
            # A shell's background job, which may run the tests, ignores SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def wait_for(condition, seconds=30.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


READ = """
import sys
import numpy as np
from rerun.chunk import RrdReader

KEPT = {
    ('/depth/metres', 'DepthImage:buffer', np.float32),
    ('/depth/colours', 'Image:buffer', np.uint8),
    ('/depth/bar', 'Image:buffer', np.uint8),
    ('/spikes', 'Image:buffer', np.uint8),
    ('/camera', 'Pinhole:image_from_camera', np.float32),
    ('/points', 'Points3D:positions', np.float32),
    ('/points', 'Points3D:colors', np.uint32),
}
found = {}
for chunk in RrdReader(sys.argv[1]).stream().to_chunks():
    for path, column, kind in KEPT:
        if str(chunk.entity_path) != path:
            continue
        batch = chunk.to_record_batch()
        for row in range(batch.num_rows):
            values = batch.column(column)[row].values
            while hasattr(values, 'flatten') and 'list' in str(values.type):
                values = values.flatten()
            name = column.replace('DepthImage:buffer', 'metres').replace('Image:buffer', path)
            stamp = batch.column('stamp')[row].value
            found[f'{stamp} {name}'] = values.to_numpy().view(kind)
np.savez(sys.argv[2], **found)
"""


IMPATIENT = """
import os, sys
os.environ['RUST_LOG'] = 'off'  # as the command sets it before it imports Rerun
from spike_depth_ros.tools.view import outputs
outputs.WRITES_S = 2.0
from spike_depth_ros.tools.view.command import main
sys.exit(main())
"""
"""The command, which waits for a file two seconds in place of twenty."""


@pytest.mark.skipif(not VIEW.exists(), reason='needs make view-environment')
@pytest.mark.parametrize('blocks', [1, 300])
def test_a_file_that_cannot_be_written_whole_replaces_nothing(tmp_path, blocks):
    look = tmp_path / 'look.rrd'
    look.write_text('old')
    done = subprocess.run(
        ['sh', '-c', f'ulimit -f {blocks}; exec "$@"', 'sh',
         VIEW.with_name('python'), '-c', IMPATIENT, OFFICE, '--every', '1', '--save', look,
         '--overwrite'],
        env={**own_environment(), 'PYTHONDONTWRITEBYTECODE': '1'},  # it would be cut short, too
        capture_output=True,
        text=True,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert 'cannot be written whole' in done.stderr
    assert 'look.rrd stays as it was' in done.stderr
    assert done.stderr.count('\n') == 1
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [('look.rrd', 'old')]


def read_back(file, tmp_path):
    """Return the arrays of each frame, flat, by its stamp and their names."""
    out = tmp_path / 'frames.npz'
    python = VIEW.with_name('python')
    subprocess.run([python, '-c', READ, file, out], env=own_environment(), check=True, timeout=60)
    frames = {}
    with np.load(out) as arrays:
        for key in arrays:
            stamp, name = key.split(' ', 1)
            frames.setdefault(int(stamp), {})[name] = arrays[key]
    return frames


class TestReal:
    pytestmark = real

    def test_a_file_reads_back_the_same_depth(self, tmp_path):
        look = tmp_path / 'look.rrd'
        done = view(OFFICE, '--every', 300, '--save', look)
        assert (done.returncode, done.stderr) == (0, '')
        assert done.stdout.startswith(f'{look}: 3 frames, ')
        rerun, *bound, shown = shlex.split(done.stdout.partition('to look at it: ')[2])
        assert (os.access(rerun, os.X_OK), shown) == (True, str(look))
        assert bound == ['--bind', '127.0.0.1']
        assert [*tmp_path.iterdir()] == [look]
        frames = read_back(look, tmp_path)
        options = cli.options(command.ViewOptions, 'spike_view', [str(OFFICE)])
        estimator = DepthEstimator.from_checkpoint()
        windows = RecordedWindows(options, estimator.info.planes, 300, True, '')
        expected = {
            window.reference_ns: estimator.predict(Observation(window, window.camera.fx_px))
            for window in windows
        }
        assert frames.keys() == expected.keys()
        for stamp, prediction in expected.items():
            depth = prediction.published_depth().ravel()
            assert np.array_equal(frames[stamp]['metres'], depth, equal_nan=True)

    def test_depth_is_near_bright_beside_a_bar_and_points_are_grey_as_the_spikes(self, tmp_path):
        look = tmp_path / 'look.rrd'
        view(OFFICE, '--every', 300, '--save', look)
        frame, *_ = (one for _, one in sorted(read_back(look, tmp_path).items()))
        depth = frame['metres'].reshape(250, 400)
        colours = frame['/depth/colours'].reshape(250, 400, 3)
        order = {tuple(colour): place for place, colour in enumerate(DEPTH_COLOURS.tolist())}
        places = np.array([order[tuple(one)] for one in colours.reshape(-1, 3).tolist()])
        near, far = depth.ravel()[places == 0].max(), depth.ravel()[places == 255].min()
        assert np.all(np.diff(places[np.argsort(depth.ravel())]) >= 0)  # the nearer the brighter
        middle = np.abs(depth.ravel() / np.sqrt(near * far) - 1) < 0.01
        assert places[middle].mean() == pytest.approx(127, abs=4)  # logarithmic
        bar = frame['/depth/bar'].reshape(250, -1, 3)
        shown = [order[tuple(one)] for one in bar[30:-30, 12].tolist()]
        assert shown == sorted(shown, reverse=True)  # far above
        assert len(set(shown)) > 150
        # Points, as their definition says, and in the picture's grey.
        step, (fx, fy, cx, cy) = 2, frame['Pinhole:image_from_camera'][[0, 4, 6, 7]]  # by columns
        rows, columns = np.mgrid[0:250:step, 0:400:step].reshape(2, -1)
        z = depth[rows, columns]
        expected = np.stack([(columns - cx) / fx * z, (rows - cy) / fy * z, z], axis=1)
        points = frame['Points3D:positions'].reshape(-1, 3)
        np.testing.assert_allclose(points, expected, rtol=1e-4, atol=1e-5)
        grey = frame['/spikes'].reshape(250, 400)[rows, columns].astype(np.uint32)
        assert len(np.unique(grey)) > 50
        np.testing.assert_array_equal(frame['Points3D:colors'], grey * 0x01010100 + 255)

    def test_wrong_use_is_an_error_of_one_line(self, tmp_path):
        (tmp_path / 'old.rrd').write_bytes(b'old')
        for arguments, reason in (
            ([OFFICE], 'no display for a window: add --web for a browser, or --save'),
            ([OFFICE, '--save', tmp_path / 'look.mp4'], 'ends with .rrd'),
            ([OFFICE, '--save', tmp_path / 'none' / 'look.rrd'], 'make it first'),
            ([OFFICE, '--save', tmp_path / 'old.rrd'], 'exists: choose another name'),
            ([OFFICE, '--save', tmp_path / 'a.rrd', '--web'], 'give one of them'),
            ([tmp_path / 'none.dat', '--save', tmp_path / 'a.rrd'], 'no such file'),
            ([OFFICE, '--every', 9, '--max-gb', '1e-9', '--save', tmp_path / 'a.rrd'], None),
            ([OFFICE, '--topic', '/spikes', '--save', tmp_path / 'b.rrd'], 'leave out --topic'),
            (['--fx', 300, '--save', tmp_path / 'b.rrd'], '--fx: needs a recording'),
        ):
            done = view(*arguments)
            (line,) = done.stderr.splitlines()
            if reason is None:
                assert (done.returncode, 'the limit' in line) == (0, True)
                continue
            assert done.returncode == 1
            assert line.startswith('spike_view: error: ')
            assert reason in line
        assert (tmp_path / 'old.rrd').read_bytes() == b'old'
        assert {path.name for path in tmp_path.iterdir()} == {'old.rrd', 'a.rrd'}
        line = view(OFFICE, DISPLAY=':973').stderr.splitlines()[-1]
        assert 'the viewer ended: ' in line
        assert '--web' in line

    def test_a_browser_is_served_on_the_loopback_alone(self, tmp_path):
        log = tmp_path / 'log'
        one = started(OFFICE, '--web', '--port', PORT, log=log)
        try:
            wait_for(lambda: 'all is shown' in log.read_text())
            assert f'http://127.0.0.1:{PORT}/?url=' in log.read_text()
            viewers = children(one.pid)
            assert viewers
            found = [address for pid in (one.pid, *viewers) for address in listening(pid)]
            assert sorted(found) == [('127.0.0.1', PORT), ('127.0.0.1', PORT + 1)]
            nice = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (one.pid, *viewers)]
            assert nice == [19] * len(nice)
            (home,) = [
                line.partition('=')[2]
                for line in environment(viewers[0])
                if line.startswith('XDG_CONFIG_HOME=')
            ]
            settings = json.loads((Path(home) / 'rerun' / 'analytics.json').read_text())
            assert settings['analytics_enabled'] is False
            other = view(OFFICE, '--web', '--port', PORT - 1)
            assert other.returncode == 1
            assert f'port {PORT}: Address already in use: choose another' in other.stderr
        finally:
            one.send_signal(signal.SIGINT)
        assert one.wait(20) == 130
        assert log.read_text().splitlines()[-1] == 'interrupted'
        assert not any(Path(f'/proc/{pid}').exists() for pid in viewers)
        assert not Path(home).exists()

    def test_a_viewer_that_hangs_or_dies_holds_nothing_up(self, tmp_path):
        log = tmp_path / 'log'
        one = started(OFFICE, '--every', 1, '--web', '--port', PORT, log=log)
        try:
            (viewer,) = wait_for(lambda: 'look at' in log.read_text() and children(one.pid))
            os.kill(viewer, signal.SIGSTOP)
            wait_for(lambda: 'does not answer' in log.read_text())
            memory = resident_mb(one.pid)
            time.sleep(3.0)
            assert resident_mb(one.pid) < memory + 50
        finally:
            one.send_signal(signal.SIGINT)
        assert one.wait(20) == 130
        assert re.search(r'\n\d+ frames were left out\n', log.read_text())
        assert not Path(f'/proc/{viewer}').exists()
        one = started(OFFICE, '--every', 1, '--web', '--port', PORT, log=log)
        (viewer,) = wait_for(lambda: 'look at' in log.read_text() and children(one.pid))
        os.kill(viewer, signal.SIGKILL)
        assert one.wait(20) == 1
        assert 'error: the viewer ended' in log.read_text().splitlines()[-1]
        one = started(OFFICE, '--web', '--port', PORT, log=log)
        (viewer,) = wait_for(lambda: 'look at' in log.read_text() and children(one.pid))
        one.kill()
        one.wait(20)
        wait_for(lambda: not Path(f'/proc/{viewer}').exists())

    def test_a_full_disk_ends_the_file_and_leaves_what_was_there(self, tmp_path):
        disk = tmp_path / 'disk'
        disk.mkdir()
        mount = f'mount -t tmpfs -o size=104m none {disk} && echo old > {disk}/look.rrd'
        look = f'{VIEW} {OFFICE} --every 2 --save {disk}/look.rrd --overwrite'
        check = f'{VIEW.with_name("rerun")} rrd verify {disk}/look.rrd; ls -A {disk}'
        done = subprocess.run(
            ['unshare', '-Urm', 'sh', '-c', f'{mount}; {look}; echo $?; {check}'],
            env=own_environment(),
            capture_output=True,
            text=True,
            timeout=100,
        )
        if 'unshare' in done.stderr or 'mount:' in done.stderr:
            pytest.skip(f'no mounts here: {done.stderr}')
        assert 'less than 100 MB are free there: the file ends after' in done.stderr
        assert '\n1\n' in done.stdout
        assert '1 file verified without error' in done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == 'look.rrd'

    @pytest.mark.dds
    @pytest.mark.kind
    def test_topics_are_shown_while_the_node_runs(self, tmp_path, processes):
        log, look = tmp_path / 'log', tmp_path / 'look.rrd'
        processes.start('depth')
        one = started('--save', look, log=log)
        try:
            wait_for(
                lambda: 'no node publishes' in log.read_text() or 'no depth' in log.read_text()
            )
            processes.start('player', OFFICE, '--loop', '--speed', '0.25')
            time.sleep(6.0)
        finally:
            one.send_signal(signal.SIGINT)
        assert one.wait(20) == 0
        frames = read_back(look, tmp_path)
        stamps = np.array(sorted(frames))
        assert 3 < len(stamps) < 31
        # Five a second at most, of a stream at a quarter of its speed.
        assert np.diff(stamps).mean() > 0.8 * 0.25 * 0.2e9
        assert all(frame['metres'].size == 400 * 250 for frame in frames.values())
        processes.stop_all()


def children(pid):
    return [
        int(path.parent.name)
        for path in Path('/proc').glob('[0-9]*/stat')
        if (fields := stat(path)) and int(fields[1]) == pid and b'rerun' in command_line(path)
    ]


def stat(path):
    try:
        return path.read_text().rpartition(')')[2].split()
    except OSError:
        return []


def command_line(path):
    try:
        return path.with_name('cmdline').read_bytes()
    except OSError:
        return b''


def environment(pid):
    return Path(f'/proc/{pid}/environ').read_text().split('\0')


def resident_mb(pid):
    status = Path(f'/proc/{pid}/status').read_text()
    return int(re.search(r'VmRSS:\s+(\d+) kB', status)[1]) / 1000


def listening(pid):
    """Return address and port of each listening TCP socket of a process."""
    sockets = set()
    for descriptor in Path(f'/proc/{pid}/fd').iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except OSError:
            continue
    found = []
    for table in ('tcp', 'tcp6'):
        for line in Path(f'/proc/{pid}/net/{table}').read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] != '0A' or f'socket:[{fields[9]}]' not in sockets:
                continue
            address, port = fields[1].split(':')
            number = bytes.fromhex(address)[::-1]
            shown = '.'.join(map(str, number)) if table == 'tcp' else address
            found.append((shown, int(port, 16)))
    return found
