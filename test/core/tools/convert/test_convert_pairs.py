# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spike_convert`` with two cameras: two files in, one bag out, and each eye back."""

import functools
import re

import numpy as np
import pytest

from kit import bags, streams
from kit.cameras import write_calibration
from kit.refusals import refused
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, decode
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.decode import chunk_from_msg, depth_from_msg
from spike_depth_ros.tools.convert.command import main

PLANES, HEIGHT, WIDTH = 210, 12, 21
SIZE = ('--size', f'{WIDTH}x{HEIGHT}', '--rate', 20_000)
RIG = ('--baseline', 0.12, '--fx', 43)
EYES = ('left', 'right')
K = np.array([[30.0, 0, 10], [0, 30, 6], [0, 0, 1]])


@pytest.fixture
def spikes():
    """Planes of each eye."""
    rng = np.random.default_rng(0)
    return {eye: rng.random((PLANES, HEIGHT, WIDTH)) < 0.3 for eye in EYES}


@pytest.fixture
def files(spikes, tmp_path):
    """A raw file of each eye."""
    paths = [tmp_path / f'{eye}.dat' for eye in EYES]
    for path, planes in zip(paths, spikes.values(), strict=True):
        path.write_bytes(streams.by_rows(planes))
    return paths


def archive(path, planes, **content):
    np.savez(path, **{'packed': packing.pack(planes), 'width': WIDTH, 'rate_hz': 4e4, **content})
    return path


def convert(*arguments):
    return main([str(argument) for argument in arguments])


def messages(path, topic, kind=IMAGE):
    return [decode(one.data, kind) for one in Bag(path).messages([topic])]


def calibrations(path):
    """The first calibration of each camera of a bag."""
    found = (messages(path, f'/{eye}/camera_info', CAMERA_INFO)[0] for eye in EYES)
    return [Calibration.from_message(one) for one in found]


def test_two_files_become_one_bag_of_a_rig(files, spikes, tmp_path, capsys):
    left, right = files
    out = tmp_path / 'bag'
    assert convert(left, '--right', right, *RIG, *SIZE, '--out', out) == 0
    told = capsys.readouterr().out
    assert told.count(f'{PLANES} planes of {WIDTH}x{HEIGHT} little at 20000 Hz') == 2
    assert told.endswith('; baseline 0.12 m, focal length 43 pixels\n')
    rig = StereoRig.from_baseline(0.12, 43.0, WIDTH, HEIGHT)
    assert calibrations(out) == [rig.left, rig.right]
    assert rig.right.p[3] == -43 * 0.12
    for eye in EYES:
        packets = messages(out, f'/{eye}/spikes')
        chunks = [chunk_from_msg(packet, HEIGHT, WIDTH) for packet in packets]
        found = np.concatenate([one.data for one in chunks])
        np.testing.assert_array_equal(found, packing.pack(spikes[eye]))
        assert chunks[0].t0_ns == 1_000_000_000
        assert {one.header.frame_id for one in packets} == {f'{eye}_spike_camera_optical_frame'}
    order = [one.topic for one in Bag(out).messages([f'/{eye}/spikes' for eye in EYES])]
    assert order == ['/left/spikes', '/right/spikes'] * 6
    assert set(Bag(out).topics) == {
        f'/{eye}/{name}' for eye in EYES for name in ('spikes', 'camera_info')
    }


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_each_eye_comes_back_byte_by_byte(files, tmp_path, storage):
    out = tmp_path / 'bag'
    options = (*RIG, *SIZE, '--storage', storage)
    assert convert(files[0], '--right', files[1], *options, '--out', out) == 0
    for eye, file in zip(EYES, files, strict=True):
        back = tmp_path / f'back_{eye}.dat'
        assert convert(out, '--topic', f'{eye}/spikes', '--out', back) == 0  # its own size, too
        assert back.read_bytes() == file.read_bytes()


def test_the_size_is_that_of_the_camera_of_the_topic(tmp_path, capsys):
    sent = [(f'/left{topic}', at, message) for topic, at, message in bags.stream(200)]
    wide = bags.camera(width=2 * bags.WIDTH, height=bags.HEIGHT // 2)  # fits the bytes, too
    sent += [
        (f'/right{topic}', at, wide if 'info' in topic else message)
        for topic, at, message in bags.stream(200)
    ]
    for topic, _, message in sent:
        if topic == '/right/spikes':
            message.width = message.step = 2 * message.width
            message.height //= 2
    bag = bags.write(tmp_path / 'bag', sorted(sent, key=lambda one: one[1]))
    for eye, size in (('left', '48x32'), ('right', '96x16')):
        out = tmp_path / f'{eye}.dat'
        assert convert(bag, '--topic', f'{eye}/spikes', '--out', out) == 0
        assert f'--size {size} ' in capsys.readouterr().out
    line = refused(capsys, main, bag, '--out', tmp_path / 'both.dat', keeps=tmp_path)
    assert '2 topics called spikes: name the stream' in line


def test_calibrations_of_both_come_from_files(files, tmp_path, capsys):
    rig = StereoRig.from_baseline(0.2, 50.0, WIDTH, HEIGHT)
    for eye in EYES:
        write_calibration(tmp_path / f'{eye}.yaml', getattr(rig, eye))
    given = ('--camera-info', tmp_path / 'left.yaml', '--right-camera-info')
    both = (files[0], '--right', files[1], *SIZE)
    out = tmp_path / 'bag'
    assert convert(*both, *given, tmp_path / 'right.yaml', '--out', out) == 0
    assert StereoRig(*calibrations(out)).baseline_m == pytest.approx(0.2)
    assert 'baseline 0.2 m, focal length 50 pixels' in capsys.readouterr().out


def test_archives_keep_what_they_hold(spikes, tmp_path):
    depth = {'depth': bags.slope(HEIGHT, WIDTH)[None], 'depth_planes': [60]}
    left = archive(tmp_path / 'left.npz', spikes['left'], K=K, **depth)
    right = archive(tmp_path / 'right.npz', spikes['right'][:100], K=K)
    out = tmp_path / 'bag'
    assert convert(left, '--right', right, '--baseline', 0.1, '--out', out) == 0
    (truth,) = messages(out, '/left/depth/truth')
    assert depth_from_msg(truth).shape == (HEIGHT, WIDTH)
    assert truth.header.frame_id == 'left_spike_camera_optical_frame'
    assert '/right/depth/truth' not in Bag(out).topics
    assert StereoRig(*calibrations(out)).fx_px == 30.0
    planes = [sum(one.height // HEIGHT for one in messages(out, f'/{e}/spikes')) for e in EYES]
    assert planes == [PLANES, 100]


def test_an_archive_of_two_eyes_is_a_rig(spikes, tmp_path):
    content = {'packed_right': packing.pack(spikes['right']), 'K': K, 'baseline_m': 0.3}
    shifted = K + np.array([[0, 0, 2.0], [0, 0, 0], [0, 0, 0]])
    both = archive(tmp_path / 'both.npz', spikes['left'], K_right=shifted, **content)
    assert convert(both, '--out', tmp_path / 'bag') == 0
    rig = StereoRig(*calibrations(tmp_path / 'bag'))
    assert (rig.baseline_m, rig.fx_px, rig.offset_px) == (pytest.approx(0.3), 30.0, -2.0)
    chunks = [
        chunk_from_msg(one, HEIGHT, WIDTH) for one in messages(tmp_path / 'bag', '/right/spikes')
    ]
    np.testing.assert_array_equal(
        np.concatenate([one.data for one in chunks]), content['packed_right']
    )


BOTH = ('left.dat', '--right', 'right.dat', *SIZE)
PAIRS = {
    'no calibration': ('--baseline and --fx', *BOTH),
    'no baseline': ('--fx', *BOTH, '--fx', 43),
    'no focal length': ('--baseline', *BOTH, '--baseline', 1),
    'other focal lengths': (
        '30 and 60', 'a.npz', '--right', 'b.npz', '--baseline', 1, '--rate', 20_000,
    ),
    'a baseline and a calibration': (
        '--baseline and --camera-info', *BOTH, '--camera-info', 'c', '--baseline', 1,
    ),
    'a calibration of the left camera twice': (
        'right camera', *BOTH, '--camera-info', 'left.yaml', '--right-camera-info', 'left.yaml',
    ),
    'a baseline of one camera': ('--baseline', 'left.dat', *SIZE, *RIG),
    'a right calibration of one camera': (
        '--right-camera-info', 'left.dat', *SIZE, '--right-camera-info', 'c',
    ),
    'the same file twice': ('left.dat', 'left.dat', '--right', './left.dat', *SIZE, *RIG),
    'no right file': ('no.dat', 'left.dat', '--right', 'no.dat', *SIZE, *RIG),
    'a bag as the right one': ('bag', 'left.dat', '--right', 'bag', *SIZE, *RIG),
    'a right file of a bag': ('--right', 'bag', '--right', 'right.dat'),
    'a baseline of a bag': ('--baseline', 'bag', '--baseline', 1),
    'another size': ('small.npz', 'a.npz', '--right', 'small.npz', *RIG),
    'another rate': ('b.npz', 'a.npz', '--right', 'b.npz', *RIG),
    'both as the right one': ('both.npz', 'a.npz', '--right', 'both.npz', *RIG),
    'both as the left one': ('both.npz', 'both.npz', '--right', 'a.npz', *RIG),
    'a right file that is cut': ('cut.dat', 'left.dat', '--right', 'cut.dat', *SIZE, *RIG),
}  # fmt: skip


@pytest.mark.parametrize('baseline', ['0', '-0.1', '12', '1e9', '1e+300', '1e-300', 'nan'])
def test_what_is_no_distance_of_two_eyes_is_refused(capsys, baseline):
    with pytest.raises(SystemExit, match='2'):
        main(['a.dat', '--out', 'b', '--right', 'c.dat', f'--baseline={baseline}'])
    assert re.search(r'--baseline is .*: expected .*0.001 to 10 metres', capsys.readouterr().err)


def test_what_is_no_pair_is_refused_in_one_line(
    files, spikes, tmp_path, capsys, monkeypatch, refusals
):
    monkeypatch.chdir(tmp_path)
    bags.bag(tmp_path / 'bag', planes=200)
    write_calibration(
        tmp_path / 'left.yaml', StereoRig.from_baseline(0.2, 50.0, WIDTH, HEIGHT).left
    )
    archive(tmp_path / 'a.npz', spikes['left'], K=K)
    archive(tmp_path / 'b.npz', spikes['right'], K=2 * K, rate_hz=5e4)
    archive(tmp_path / 'small.npz', spikes['right'][:, 1:])
    archive(
        tmp_path / 'both.npz', spikes['left'], K=K, K_right=K, baseline_m=0.1,
        packed_right=packing.pack(spikes['right']),
    )  # fmt: skip
    (tmp_path / 'cut.dat').write_bytes(files[1].read_bytes()[:-5])
    rows = {
        name: (
            named,
            functools.partial(refused, capsys, main, *given, '--out', 'new', keeps=tmp_path),
        )
        for name, (named, *given) in PAIRS.items()
    }
    refusals('spike_convert_pair', rows, None)
