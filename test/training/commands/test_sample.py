# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The streams that ship with the package, and the command that writes them."""

import functools
import itertools
import os
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

import spike_depth_ros
from kit.clips import HEIGHT, WIDTH, Sliding, write_folder
from kit.refusals import leaving
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.estimator import StereoEstimator
from spike_depth_ros.stream import packing
from spike_training.commands.sample import sample
from spike_training.datasets import readers
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.stereo import score
from spike_training.evaluation.stereo_pairs import PairsOf
from spike_training.sensor.parameters import IDEAL
from spike_training.simulation import archive
from spike_training.simulation.archive import MARGIN, sharpest_pair, write_archive
from spike_training.simulation.scene_stream import DEPTH_EVERY, scene_stream
from spike_training.simulation.still_pairs import PairCamera
from spike_worlds.generator import SceneGenerator
from spike_worlds.render import render
from spike_worlds.second_eye import second_eye, without_illumination

ASSETS = Path(spike_depth_ros.__file__).parent / 'assets'
OFFICE, STREET, PAIR = (ASSETS / f'{name}.npz' for name in ('office', 'street', 'stereo'))
RATE = 3000.0
PER_FRAME = 100  # a folder of frames has 30 a second


def test_a_recording_is_replaced_with_overwrite_by_one_of_the_umask(tmp_path, command):
    out = tmp_path / 'mine.npz'
    np.savez(out, spikes=np.ones((4, 8, 8), bool))  # as somebody else stores one
    for umask in (0o077, 0o002, 0o022):
        old = os.umask(umask)
        try:
            done = command('sample', '--style', 'indoor', '--size', '64x32', '--planes', 8,
                           '--out', out, '--overwrite', 'true')  # fmt: skip
        finally:
            os.umask(old)
        assert done.returncode == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask
    assert open_recording(out).planes.shape[0] == 8
    assert [path.name for path in tmp_path.iterdir()] == ['mine.npz']


def test_a_recording_that_is_made_meanwhile_stays(tmp_path, monkeypatch, capsys):
    out = tmp_path / 'mine.npz'

    def meanwhile(path, stream):
        out.write_bytes(b'of another process')
        write_archive(path, stream)

    monkeypatch.setattr(archive, 'write_archive', meanwhile)
    sample(out, style='indoor', size='64x32', planes=8)
    assert out.read_bytes() == b'of another process'
    assert open_recording(tmp_path / 'mine_2.npz').planes.shape[0] == 8
    assert 'another process has made it meanwhile' in capsys.readouterr().err


class Blurred(Sliding):
    """Frames 3 and 4 alone are sharp; frame 0 has no depth."""

    def __init__(self):
        super().__init__(6, labelled=(1, 2, 3, 4, 5))

    def image(self, index):
        image = super().image(index)
        return image if index in (3, 4) else cv2.GaussianBlur(image, (0, 0), 3)


@pytest.fixture
def recording(tmp_path):
    write_folder(tmp_path / 'made', Sliding(6))
    return {'folder': str(tmp_path / 'made')}


def test_the_sharpest_pair_with_depth_is_chosen():
    assert sharpest_pair(Blurred()) == 3


def test_a_stream_goes_from_one_frame_to_the_next(recording, tmp_path, capsys):
    out = tmp_path / 'made.npz'
    sample(out, recording, frame=2, size=f'{WIDTH}x{HEIGHT}', rate=RATE)
    assert 'around frames 2 and 3 of folder/made' in capsys.readouterr().out
    made = open_recording(out)
    assert (made.rate_hz, len(made.planes)) == (RATE, MARGIN + PER_FRAME + MARGIN + 1)
    assert made.truth is not None
    np.testing.assert_array_equal(made.truth.planes, [MARGIN, MARGIN + PER_FRAME])
    for number, depth in zip((2, 3), made.truth.depth, strict=True):
        np.testing.assert_allclose(depth, Sliding().depth(number), rtol=0, atol=1.1e-3)  # NaN too
    # Around each of the two planes it shows that frame, and no other.
    spikes = packing.unpack(np.ascontiguousarray(made.planes), WIDTH)
    light = [luminance(Sliding().image(k)).ravel() for k in range(6)]
    for number, plane in zip((2, 3), made.truth.planes, strict=True):
        rate = spikes[plane - 20 : plane + 20].mean(0).ravel()
        assert int(np.argmax([np.corrcoef(rate, frame)[0, 1] for frame in light])) == number


def test_archives_have_the_same_bytes_each_time(tmp_path):
    arrays = {'packed': np.arange(24, dtype=np.uint8).reshape(2, 3, 4), 'text': np.array('little')}
    for name in ('one.npz', 'two.npz'):
        write_archive(tmp_path / name, arrays)
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'two.npz').read_bytes()
    with np.load(tmp_path / 'one.npz') as archive:
        np.testing.assert_array_equal(archive['packed'], arrays['packed'])
        assert str(archive['text']) == 'little'


def test_the_office_ships_with_its_depth_and_its_licence():
    office = open_recording(OFFICE)
    assert (office.geometry.width, office.geometry.height) == (400, 250)
    assert (office.rate_hz, len(office.planes)) == (20_000.0, 796)
    assert office.truth is not None
    np.testing.assert_array_equal(office.truth.planes, [64, 731])
    assert np.isfinite(office.truth.depth).mean() > 0.6
    assert 0.5 < np.nanmin(office.truth.depth) < np.nanmax(office.truth.depth) < 8
    assert OFFICE.stat().st_size <= 8 << 20
    assert 'Copyright (c) 2020 Arda Duzceker' in OFFICE.with_suffix('.LICENSE.txt').read_text()


@pytest.mark.long
def test_the_office_is_what_the_command_makes(real_data, tmp_path):
    where = real_data / 'rgbd' / 'hololens_000'
    sample(tmp_path / 'office.npz', {'office': f'folder:{where}'})
    with np.load(tmp_path / 'office.npz') as made, np.load(OFFICE) as committed:
        assert sorted(made.files) == sorted(committed.files)
        for name in set(made.files) - {'packed'}:
            np.testing.assert_array_equal(made[name], committed[name])
        # Elsewhere a processor may round the flow's last bit otherwise.
        wrong = np.unpackbits(made['packed'] ^ committed['packed']).mean()
    assert wrong < 1e-3


# A generated scene


def test_the_street_ships_with_its_depth():
    street = open_recording(STREET)
    assert (street.geometry.width, street.geometry.height) == (400, 250)
    assert (street.rate_hz, len(street.planes)) == (20_000.0, 400)
    assert street.truth is not None
    np.testing.assert_array_equal(street.truth.planes, np.arange(0, 400, DEPTH_EVERY))
    assert np.isfinite(street.truth.depth).mean() > 0.8
    assert 2 < np.nanmin(street.truth.depth) < 4
    assert 60 < np.nanmax(street.truth.depth) <= 65
    rate = packing.unpack(street.planes, 400).mean(axis=0)
    low, median, high = np.percentile(rate, [1, 50, 99])
    assert 0.02 < low < 0.8 * median < median < 0.4
    assert 1.2 * median < high < 0.9
    assert STREET.stat().st_size <= 8 << 20


@pytest.mark.long
def test_the_street_is_what_the_command_makes(tmp_path):
    sample(tmp_path / 'street.npz', style='road')
    with np.load(tmp_path / 'street.npz') as made, np.load(STREET) as committed:
        assert sorted(made.files) == sorted(committed.files)
        for name in set(made.files) - {'packed', 'depth'}:
            np.testing.assert_array_equal(made[name], committed[name])
        # Elsewhere a processor may round the last bit of light and depth otherwise.
        assert (made['depth'] != committed['depth']).mean() < 1e-3
        wrong = np.unpackbits(made['packed'] ^ committed['packed']).mean()
    assert wrong < 1e-4


def test_depth_and_light_of_a_stream_are_those_of_its_plane():
    scene = SceneGenerator(0, 'road', 'test').sample(0)
    stream = scene_stream(scene, 50, 80, 60, 2000.0)
    assert stream['packed'].shape == (60, 50, 10)
    focal = float(scene.focal[0]) * 80
    np.testing.assert_allclose(stream['K'], [[focal, 0, 39.5], [0, focal, 24.5], [0, 0, 1]])
    np.testing.assert_array_equal(stream['depth_planes'], [0, 20, 40])
    spikes = packing.unpack(stream['packed'], 80)
    for plane, millimetres in zip((0, 20, 40), stream['depth'], strict=True):
        exact = render(scene.later(plane / 2000), 50, 80, 'cpu').depth[0].numpy()
        known = exact <= 65
        np.testing.assert_array_equal(millimetres > 0, known)
        np.testing.assert_allclose(millimetres[known] / 1000, exact[known], rtol=2.6e-4)
    # The rate around a plane looks like the scene at that plane rather than at another one.
    light = [
        render(scene.later(at / 2000), 50, 80, 'cpu').luminance[0].numpy()
        for at in range(0, 60, 5)
    ]
    for plane in (10, 45):
        rate = spikes[plane - 10 : plane + 10].mean(0).ravel()
        alike = [np.corrcoef(rate, np.clip(image, 0, 3).ravel())[0, 1] for image in light]
        assert abs(5 * int(np.argmax(alike)) - plane) <= 5


@pytest.fixture(scope='module')
def rig_stream():
    """Two eyes in a scene at 80x50, and the scene as they see it."""
    scene = SceneGenerator(0, 'indoor', 'test').sample(3)
    return scene_stream(scene, 50, 80, 60, 2000.0, 0.2), without_illumination(scene)


def test_both_eyes_of_a_stream_see_their_plane(rig_stream):
    stream, scene = rig_stream
    right = second_eye(scene, np.array([0.2]))
    assert float(stream['baseline_m']) == 0.2
    np.testing.assert_array_equal(stream['K_right'], stream['K'])
    gain = None
    for name, eye in (('packed', scene), ('packed_right', right)):
        assert stream[name].shape == (60, 50, 10)
        rate = packing.unpack(stream[name], 80).mean(0)
        light = render(eye.later(30 / 2000), 50, 80, 'cpu').luminance[0].numpy()
        lit = (rate > 0.02) & (rate < 0.9)
        assert np.corrcoef(rate[lit], light[lit])[0, 1] > 0.9
        # Both have the exposure of the left eye.
        gain = gain or np.median(rate[lit] / light[lit])
        assert np.median(rate[lit] / light[lit]) == pytest.approx(gain, rel=0.05)
    exact = render(scene, 50, 80, 'cpu').depth[0].numpy()
    np.testing.assert_allclose(stream['depth'][0] / 1000, exact, rtol=0, atol=1.1e-3)


def test_the_eyes_have_other_charges(rig_stream):
    _, scene = rig_stream
    both = scene_stream(scene, 50, 80, 20, 2000.0, 1e-9)
    assert (both['packed'] != both['packed_right']).mean() > 0.05


def test_one_eye_is_as_before():
    scene = SceneGenerator(0, 'indoor', 'test').sample(3)
    stream = scene_stream(scene, 20, 32, 20, 2000.0)
    assert not {'packed_right', 'K_right', 'baseline_m'} & stream.keys()


def test_a_pair_that_is_written_is_read_as_either_eye(tmp_path, capsys):
    out = tmp_path / 'pair.npz'
    sample(out, style='road', planes=40, size='80x50', right=True)
    assert 'by two eyes, 0.5 m apart, of scene 0 of style road' in capsys.readouterr().out
    left, right = open_recording(out), open_recording(out, eye='right')
    assert left.baseline_m == right.baseline_m == 0.5
    assert left.planes.shape == right.planes.shape == (40, 50, 10)
    assert left.truth is not None
    assert (left.planes != right.planes).any()


def test_the_pair_ships_with_its_depth():
    left, right = open_recording(PAIR), open_recording(PAIR, eye='right')
    for eye in (left, right):
        assert (eye.geometry.width, eye.geometry.height) == (400, 250)
        assert (eye.rate_hz, len(eye.planes), eye.baseline_m) == (20_000.0, 320, 0.1)
    assert left.truth is not None
    np.testing.assert_array_equal(left.truth.planes, np.arange(0, 320, DEPTH_EVERY))
    assert np.isfinite(left.truth.depth).mean() > 0.99
    assert 1 < np.nanmin(left.truth.depth) < 1.5 < 5 < np.nanmax(left.truth.depth) < 7
    assert PAIR.stat().st_size <= 6_000_000


def test_the_shipped_pair_is_matched_at_its_depth():
    (clip,) = readers.read('npz', str(PAIR))
    camera = PairCamera(128, clip.rate_hz, IDEAL, 0)
    (pair,) = PairsOf([clip], camera, (0.2,), 1)
    left, right = pair.windows[None]
    found = StereoEstimator(min_depth_m=1.0).predict(Observation(left, right=right, rig=pair.rig))
    scores = score(pair, found.disparity)
    assert scores['coverage'] > 0.75
    assert scores['bad2_answered'] < 0.1
    assert scores['ratio'] == pytest.approx(1, abs=0.01)


@pytest.mark.long
def test_the_pair_is_what_the_command_makes(tmp_path):
    sample(tmp_path / 'made.npz', style='indoor', index=3, planes=320, right=True)
    with np.load(tmp_path / 'made.npz') as made, np.load(PAIR) as committed:
        assert sorted(made.files) == sorted(committed.files)
        for name in set(made.files) - {'packed', 'packed_right', 'depth'}:
            np.testing.assert_array_equal(made[name], committed[name])
        # Elsewhere a processor may round the last bit of light and depth otherwise.
        assert (made['depth'] != committed['depth']).mean() < 1e-3
        for name in ('packed', 'packed_right'):
            wrong = np.unpackbits(made[name] ^ committed[name]).mean()
            assert wrong < 1e-4


def test_nothing_moves_half_a_pixel_between_rendered_images(monkeypatch):
    scene = SceneGenerator(0, 'road', 'test').sample(0)
    seen = []

    def watched(scenes, *size):
        seen.append((float(scenes.eye[0, 2]), render(scenes, *size)))
        return seen[-1][1]

    monkeypatch.setattr('spike_training.simulation.scene_stream.render', watched)
    scene_stream(scene, 50, 80, 60, 2000.0)
    along = sorted({way: image.flow.norm(dim=1).max() for way, image in seen}.items())
    speed = float(scene.linear_velocity[0, 2])
    for (way, flow), (next_way, _) in itertools.pairwise(along):
        assert float(flow) * (next_way - way) / speed <= 0.51


def test_what_sample_refuses(refusals, recording, tmp_path, command):
    """Nothing is written, and an existing recording stays."""
    rows = {}

    def row(name, named, out='made.npz', of=None, **settings):
        call = functools.partial(sample, tmp_path / out, of, **settings)
        rows[name] = named, leaving(tmp_path, call)

    # Of a data set.
    row('no .npz', 'made.dat', 'made.dat', recording)
    row('frame 5', 'frame', of=recording, frame=5)
    row('frame -1', 'frame', of=recording, frame=-1)
    row('no size', 'size', of=recording, size='large')
    row('a data set and a style', 'style', of=recording, style='road')
    row('options of a style', 'index, planes', of=recording, index=1, planes=9)
    row('two eyes', 'right', of=recording, right=True)
    call = functools.partial(sharpest_pair, Sliding(6, labelled=(0, 2, 4)))
    rows['no two neighbours with depth'] = 'neighbouring', call
    # Of a generated scene.
    row('neither', '--data.NAME')
    row('index -1', 'index', style='road', index=-1)
    row('planes 0', 'planes', style='road', planes=0)
    row('planes of petabytes', 'bytes', style='road', planes=10**12)
    row('two eyes of gigabytes', 'bytes', style='road', planes=200_000, right=True)
    row('a large sensor', 'size', style='road', size='5000x4000')
    row('rate 1e7', 'rate', style='road', rate=1e7)
    row('many images', 'images', style='home', rate=1.0, planes=40_000)
    row('half a size', 'size', style='road', size='0x3')
    row('frame of a style', 'frame', style='road', frame=7)
    row('mean_rate of a style', 'mean_rate', style='road', mean_rate=0.9)
    # Where it is to lie.
    np.savez(tmp_path / 'mine.npz', spikes=np.ones((4, 8, 8), bool))
    (tmp_path / 'link.npz').symlink_to('mine.npz')
    (tmp_path / 'folder.npz').mkdir()
    row('an existing recording', 'mine.npz', 'mine.npz', style='indoor')
    row('an existing link', 'link.npz', 'link.npz', style='indoor')
    row('a link to replace', 'link.npz', 'link.npz', style='indoor', overwrite=True)
    refusals('sample', rows, (ConfigError, DataSetError))
    for name, told, given in (('mine.npz', '--overwrite true', ()),
                              ('folder.npz', 'a file .npz', ('--overwrite', 'true'))):  # fmt: skip
        done = command('sample', '--style', 'indoor', '--size', '64x32', '--planes', 8, '--out',
                       tmp_path / name, *given)  # fmt: skip
        assert done.returncode == 2
        assert name in done.stderr
        assert told in done.stderr
