# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of labels: what is written, what readers make of it, and how a run goes on."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.cameras import lens as make_lens
from kit.clips import CAMERA, HEIGHT, WIDTH, Sliding, write_folder
from kit.refusals import leaving
from kit.videos import MATRICES, write_mp4
from spike_depth_ros.base.locks import FolderLockError, lock_folder
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import packing, preview
from spike_training import teacher
from spike_training.commands.label import label
from spike_training.commands.simulate import simulate
from spike_training.datasets import readers
from spike_training.datasets.labels import FILE, Labels, find_labels, write_labels
from spike_training.errors import ConfigError, DataSetError
from spike_training.labelling.pictures import SpikePictures, find_pictures, numbered
from spike_training.labelling.run import label_all
from spike_training.labelling.settings import LabelSettings, Video, name_source

pytestmark = pytest.mark.usefixtures('one_thread')
RELATIVE = Labels('tiny', 'Apache-2.0', 'a' * 64, relative=True)
METRIC = Labels('tiny', 'Apache-2.0', 'a' * 64, relative=False)


def symmetric(picture):
    """A model whose passes agree: disparity is brightness, of 1 and more."""
    return 1 + picture.astype(np.float32).mean(axis=2) / 16


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    from kit.datasets import make_teacher

    return make_teacher(tmp_path_factory.mktemp('model') / 'tiny')


@pytest.fixture
def pictures(tmp_path):
    write_folder(tmp_path / 'walk', Sliding(6))
    shutil.rmtree(tmp_path / 'walk/depth')
    return f'{tmp_path / "walk"},depth=none'


@pytest.fixture
def spikes(tmp_path):
    """Return a folder with a recording of 600 planes."""
    light = 0.02 + 0.4 * Sliding().image(0).mean(axis=2) / 255
    planes = np.random.default_rng(0).random((600, HEIGHT, WIDTH)) < light
    (tmp_path / 'lab').mkdir()
    np.savez(
        tmp_path / 'lab/a.npz', packed=packing.pack(planes), width=WIDTH, rate_hz=20e3, K=CAMERA
    )
    return tmp_path / 'lab'


def run(out, data=None, labels=RELATIVE, model=symmetric, video=None, **settings):
    """Label without the command; write the origin as it does."""
    chosen = LabelSettings(**settings)
    found = find_pictures(data or {}, video, chosen, out)
    out.mkdir(exist_ok=True)
    write_labels(out, labels)
    return label_all(found, model, labels, chosen.agreement, lambda: None)


def contents(out):
    return {one.relative_to(out): one.read_bytes() for one in out.rglob('*') if one.is_file()}


def test_labelled_pictures_read_back(pictures, tmp_path):
    summary = run(tmp_path / 'out', {'folder': pictures})
    assert (summary.labels, summary.kept, summary.useless) == (6, 1.0, False)
    (clip,) = readers.read('folder', str(tmp_path / 'out'))
    assert (clip.labels, clip.labelled) == (RELATIVE, tuple(range(6)))
    np.testing.assert_array_equal(clip.camera, CAMERA)
    for k in range(6):
        np.testing.assert_array_equal(clip.image(k), Sliding().image(k))
        depth = clip.depth(k)
        assert (depth.min(), depth.max()) == (1, pytest.approx(100))
        scale, shift = np.polyfit((1 / depth).ravel(), symmetric(clip.image(k)).ravel(), 1)
        np.testing.assert_allclose(scale / depth + shift, symmetric(clip.image(k)), rtol=1e-3)


def test_metres_read_back(pictures, tmp_path):
    run(tmp_path / 'out', {'folder': pictures}, METRIC)
    (clip,) = readers.read('folder', str(tmp_path / 'out'))
    assert clip.labels == METRIC
    np.testing.assert_array_equal(clip.depth(0), symmetric(clip.image(0)))


def test_nothing_takes_relative_depth_of_windows_for_metres(spikes, tmp_path):
    run(tmp_path / 'out', {'npz': str(spikes)}, every=200)
    path = min((tmp_path / 'out').rglob('*.npz'))
    opened = open_recording(path)
    assert opened.truth is None
    assert opened.relative_depth is not None
    (first, *_) = readers.read('npz', str(tmp_path / 'out'))
    np.testing.assert_array_equal(first.depths[0](), opened.relative_depth.depth[0])


def test_several_recordings_lie_in_folders_of_their_names(tmp_path):
    for name in ('a', 'b'):
        write_folder(tmp_path / 'all' / name, Sliding(3))
    run(tmp_path / 'out', {'folder': f'{tmp_path / "all"},depth=none'})
    clips = readers.read('folder', str(tmp_path / 'out'))
    assert [clip.name for clip in clips] == [f'folder/out/folder/all/{name}' for name in 'ab']
    assert {clip.labels for clip in clips} == {RELATIVE}
    (alone,) = readers.read('folder', str(tmp_path / 'out/folder/all/a'))
    assert alone.labels == RELATIVE


def test_gaps_between_frames_stay(pictures, tmp_path):
    folder = tmp_path / 'walk/images'
    for number in (5, 4, 3, 2, 1):  # 0, 2, 4, 8, 12, 14
        (folder / f'{number:05d}.png').rename(folder / f'{(0, 2, 4, 8, 12, 14)[number]:05d}.png')
    (recording,) = find_pictures(
        {'folder': f'{pictures},frame_hz=10'}, None, LabelSettings(), tmp_path / 'out'
    )
    assert recording.frame_hz == pytest.approx(5)
    run(tmp_path / 'out', {'folder': f'{pictures},frame_hz=10'})
    (clip,) = readers.read('folder', f'{tmp_path / "out"},frame_hz=5')
    np.testing.assert_allclose(clip.times_s, [0, 0.2, 0.4, 0.8, 1.2, 1.4])


@pytest.mark.parametrize(
    ('frames', 'numbers', 'frame_hz'),
    [
        ((0, 1, 2, 4), (0, 1, 2, 4), 30),
        ((0, 3, 5, 8, 10), (0, 3, 5, 8, 10), 30),  # gaps of three and two frames
        ((0, 2, 4, 8), (0, 1, 2, 4), 15),
        ((0, 1, 2.53, 4.11, 5.72), (0, 10, 25, 41, 57), 300),  # by no clock
    ],
)
def test_numbers_of_frames_tell_their_times(frames, numbers, frame_hz):
    rate, found = numbered(np.array(frames) / 30 + 7)
    assert found.tolist() == [*numbers]
    assert rate == pytest.approx(frame_hz, rel=1e-4)
    np.testing.assert_allclose(found / rate, np.array(frames) / 30, atol=0.5 / rate)


def test_pictures_of_another_size_are_left_out(pictures, tmp_path, capsys, weights):
    for number in range(6, 40):
        shutil.copy(tmp_path / 'walk/images/00000.png', tmp_path / f'walk/images/{number:05d}.png')
    cv2.imwrite(str(tmp_path / 'walk/images/00003.png'), np.zeros((20, 30, 3), np.uint8))
    summary = run(tmp_path / 'out', {'folder': pictures})
    assert summary.labels == 39
    (reason,) = summary.skipped
    assert reason == f'pictures of 30x20 and {WIDTH}x{HEIGHT} pixels: expected one size'


def test_every_third_frame_keeps_its_time(pictures, tmp_path):
    run(tmp_path / 'out', {'folder': pictures}, every=3)
    (clip,) = readers.read('folder', f'{tmp_path / "out"},frame_hz=10')
    np.testing.assert_allclose(clip.times_s, [0, 0.3])


def test_labelled_windows_read_back(spikes, tmp_path):
    summary = run(tmp_path / 'out', {'npz': str(spikes)}, every=200, planes=64)
    assert summary.labels == 3
    clips = readers.read('npz', str(tmp_path / 'out'))
    assert [clip.name for clip in clips] == [f'npz/npz/a/{k:06d}' for k in (32, 232, 432)]
    (recorded,) = readers.read('npz', str(spikes))
    for clip, plane in zip(clips, (32, 232, 432), strict=True):
        assert (clip.labels, clip.planes, clip.depth_planes) == (RELATIVE, 64, (32,))
        assert clip.rate_hz == 20e3
        np.testing.assert_array_equal(clip.camera, CAMERA)
        np.testing.assert_array_equal(clip.load(0, 64), recorded.load(plane - 32, plane + 32))
        depth = clip.depths[0]()
        assert np.isfinite(depth).all()
        light = Sliding().image(0).mean(axis=2)
        assert np.corrcoef((1 / depth).ravel(), light.ravel())[0, 1] > 0.15  # spikes are noise
    (alone,) = readers.read('npz', str(tmp_path / 'out/npz/a/000232.npz'))
    assert alone.labels == RELATIVE
    assert (tmp_path / 'out/npz/a/camera.yaml').is_file()


def test_the_picture_of_a_window_is_that_of_its_plane(spikes, tmp_path):
    from spike_depth_ros.stream.window import Window

    seen = []
    run(
        tmp_path / 'out', {'npz': str(spikes)}, every=500, planes=400,
        model=lambda picture: seen.append(picture) or symmetric(picture),
    )  # fmt: skip
    (recorded,) = readers.read('npz', str(spikes))
    planes = np.ascontiguousarray(recorded.load(0, 400))
    expected = preview.render(Window(planes, recorded.geometry, 0, 50_000, 200, 0))
    np.testing.assert_array_equal(seen[1][..., 0], expected)
    np.testing.assert_array_equal(seen[0], seen[1][:, ::-1])


def test_a_wide_lens_is_rectified_planes_too(spikes, tmp_path):
    (recorded,) = readers.read('npz', str(spikes))
    lens = Rectification(make_lens('plumb_bob', (-0.3, 0.1, 0, 0, 0), 60.0, 40.0, WIDTH, HEIGHT))
    clip = dataclasses.replace(recorded, rectification=lens)
    settings, out = LabelSettings(every=500, planes=64), tmp_path / 'out'
    found = SpikePictures(clip, out, settings, preview.render, preview.MOST_PLANES)
    assert label_all([found], symmetric, RELATIVE, 0.1, lambda: None).kept == 1.0
    clip, _ = readers.read('npz', str(out))
    row, column, known = lens.nearest(HEIGHT, WIDTH)
    assert 0.3 < known.mean() < 1
    before = packing.unpack(np.ascontiguousarray(recorded.load(0, 64)), WIDTH, 'little')
    after = packing.unpack(np.ascontiguousarray(clip.load(0, 64)), WIDTH, 'little')
    np.testing.assert_array_equal(after, before[:, row, column])
    np.testing.assert_array_equal(np.isfinite(clip.depths[0]()), known)


def test_without_a_camera_matrix_none_is_written(tmp_path):
    planes = np.random.default_rng(0).random((200, HEIGHT, WIDTH)) < 0.2
    (tmp_path / 'lab').mkdir()
    np.save(tmp_path / 'lab/a.npy', planes)
    run(tmp_path / 'out', {'npz': str(tmp_path / 'lab')})
    (clip,) = readers.read('npz', str(tmp_path / 'out'))
    assert clip.camera is None
    assert not (tmp_path / 'out/npz/a/camera.yaml').exists()


def test_the_learnt_picture(spikes, tmp_path):
    assert run(tmp_path / 'out', {'npz': str(spikes)}, picture='learnt').labels == 1


def test_its_own_registered_pictures(tmp_path):
    planes = np.random.default_rng(0).random((300, HEIGHT, WIDTH)) < 0.2
    (tmp_path / 'lab').mkdir()
    packing.pack(planes)[:, ::-1].tofile(tmp_path / 'lab/a.dat')
    for plane in (5, 100, 120, 295):
        path = tmp_path / f'lab/image/a_{plane:06d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), Sliding().image(1)[..., ::-1])
    where = {'dat': f'{tmp_path / "lab"},size={WIDTH}x{HEIGHT}'}
    (recorded,) = readers.read('dat', where['dat'])
    assert recorded.image_planes == (5, 100, 120, 295)
    run(tmp_path / 'out', where, picture='frame')
    assert sorted(one.name for one in (tmp_path / 'out').rglob('*.npz')) == [
        '000100.npz', '000120.npz',
    ]  # fmt: skip
    (clip, _) = readers.read('npz', str(tmp_path / 'out'))
    expected = symmetric(np.repeat(Sliding().image(1).mean(axis=2, keepdims=True), 3, axis=2))
    shades = 1 / clip.depths[0]()
    assert np.corrcoef(shades.ravel(), expected.ravel())[0, 1] > 0.99


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 25, (96, 64))
    for k in range(frames):
        writer.write(np.full((64, 96, 3), (0, 0, 30 * (k % 7)), np.uint8))
    writer.release()
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / 'walk.avi', 7)


def test_a_video_becomes_a_folder(video, tmp_path):
    found = find_pictures({}, Video(video, hfov_deg=90), LabelSettings(every=2), tmp_path / 'out')
    seen = [(one.number, int(one.picture[..., 0].mean())) for one in found[0].see()]
    assert [number for number, _ in seen] == [0, 2, 4, 6]
    assert np.allclose([shade for _, shade in seen], [0, 60, 120, 180], atol=4)
    run(tmp_path / 'out', video=Video(video, hfov_deg=90), every=2)
    (clip,) = readers.read('folder', f'{tmp_path / "out"},frame_hz=25')
    assert len(clip) == 4
    assert clip.camera.tolist() == [
        [pytest.approx(48), 0, 47.5],
        [0, pytest.approx(48), 31.5],
        [0, 0, 1],
    ]


def test_labels_of_a_varying_rate_keep_its_times(tmp_path, capsys):
    times = [0.0, 0.04, 0.08, 0.5, 0.51, 1.9]
    images = [np.full((48, 64, 3), 40 * k, np.uint8) for k in range(6)]
    video = write_mp4(tmp_path / 'walk.mp4', images, [*times, 2.0])
    run(tmp_path / 'out', video=Video(video, fx_px=50))
    again = find_pictures({}, Video(video, fx_px=50), LabelSettings(), tmp_path / 'out')
    assert list(again[0].see()) == []
    (clip,) = readers.read('folder', str(tmp_path / 'out'))
    np.testing.assert_allclose(clip.times_s, times, atol=1e-3)
    shades = [clip.image(k).mean() for k in range(6)]
    np.testing.assert_allclose(shades, [40 * k for k in range(6)], atol=8)


def test_a_turned_video_has_the_focal_length_that_is_given(tmp_path):
    images = [np.full((48, 64, 3), 90, np.uint8)] * 3
    video = write_mp4(tmp_path / 'walk.mp4', images, matrix=MATRICES[6])
    (found,) = find_pictures({}, Video(video, fx_px=50), LabelSettings(), tmp_path / 'out')
    assert found.camera.tolist() == [[50, 0, 23.5], [0, 50, 31.5], [0, 0, 1]]


def test_a_video_that_was_cut_is_labelled_up_to_there(tmp_path):
    video = write_video(tmp_path / 'walk.avi', 30)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    summary = run(tmp_path / 'out', video=Video(video, fx_px=50))
    assert 3 <= summary.labels < 20
    ((reason, names),) = summary.skipped.items()
    assert f'it ends after frame {summary.labels}, expected' in reason
    assert names == [f'walk.avi, frame {summary.labels}']


def command(weights, out, **options):
    given = {'teacher': weights, 'licence': 'Apache-2.0', 'threads': 1} | options
    label(out, **given)


def test_random_weights_give_a_warning(weights, pictures, tmp_path, capsys):
    command(weights, tmp_path / 'out', data={'folder': pictures})
    printed = capsys.readouterr().out
    assert 'warning: less than half of the pixels are kept: the labels are of no use' in printed
    assert (tmp_path / 'out/labels.png').stat().st_size > 1000
    (clip,) = readers.read('folder', str(tmp_path / 'out'))
    assert (clip.labels.teacher, clip.labels.relative) == ('tiny', True)


def test_agreeing_passes_do_not(weights, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(teacher.Teacher, '__call__', lambda self, picture: symmetric(picture))
    command(weights, tmp_path / 'out', data={'folder': pictures})
    printed = capsys.readouterr().out
    assert '6 labels, 100% of the pixels kept' in printed
    assert 'warning' not in printed


def test_a_run_goes_on(weights, pictures, tmp_path, capsys):
    out = tmp_path / 'out'
    command(weights, out, data={'folder': pictures})
    whole = contents(out)
    (out / 'relative_depth/000002.npy').unlink()
    (out / 'relative_depth/.000002.npy.x.unfinished').write_bytes(b'half')
    before = (out / 'relative_depth/000001.npy').stat().st_mtime_ns
    capsys.readouterr()
    command(weights, out, data={'folder': pictures})
    assert '1 labels by tiny' in capsys.readouterr().out
    assert (out / 'relative_depth/000001.npy').stat().st_mtime_ns == before
    del whole[(out / 'labels.png').relative_to(out)]
    assert {name: contents(out).get(name) for name in whole} == whole
    assert not [*out.rglob('.*')]
    command(weights, out, data={'folder': pictures})
    assert '0 labels by tiny' in capsys.readouterr().out


def test_sources_are_told_apart_by_their_whole_place(tmp_path, monkeypatch):
    found = []
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found.append(name_source({'folder': 'walk,depth=none'}, None))
        found.append(name_source({}, Video(Path('walk.mp4'), fx_px=300.0)))
    assert len({*map(tuple, found)}) == 4
    monkeypatch.chdir(tmp_path)
    assert name_source({'folder': 'one/walk,depth=none'}, None) == found[0]


def test_unreadable_pictures_are_named(weights, tmp_path, capsys):
    write_folder(tmp_path / 'a', Sliding(6, damaged=(2,)))
    command(weights, tmp_path / 'out', data={'folder': f'{tmp_path / "a"},depth=none'})
    assert 'left out: folder/a, frame 2: ' in capsys.readouterr().out
    assert len(readers.read('folder', str(tmp_path / 'out'))[0]) == 5


def test_a_full_disk_leaves_no_half_file(pictures, tmp_path, monkeypatch):
    import errno

    from spike_training.labelling import files

    write = files.write_atomically

    def full(path, content, sync=True):
        if path.name == '000003.npy':
            raise OSError(errno.ENOSPC, 'No space left on device', str(path))
        write(path, content, sync)

    monkeypatch.setattr(files, 'write_atomically', full)
    with pytest.raises(OSError, match='No space left'):
        run(tmp_path / 'out', {'folder': pictures})
    monkeypatch.undo()
    summary = run(tmp_path / 'out', {'folder': pictures})
    assert 1 <= summary.labels <= 3


def test_passes_that_are_not_numbers(pictures, tmp_path):
    summary = run(
        tmp_path / 'out', {'folder': pictures},
        model=lambda picture: np.full(picture.shape[:2], np.nan, np.float32),
    )  # fmt: skip
    assert (summary.labels, summary.kept, summary.useless) == (6, 0.0, True)
    (clip,) = readers.read('folder', str(tmp_path / 'out'))
    assert np.isnan(clip.depth(0)).all()


def test_simulated_windows_keep_the_origin(pictures, tmp_path):
    run(tmp_path / 'out', {'folder': pictures}, METRIC)
    where = {'folder': f'{tmp_path / "out"},frame_hz=10'}
    simulate(where, tmp_path / 'windows', size='90x60', rate=1000.0, planes=24)
    clips = readers.read('npz', str(tmp_path / 'windows'))
    assert {clip.labels for clip in clips} == {METRIC}


def test_pictures_without_depth(pictures):
    (clip,) = readers.read('folder', pictures)
    assert (len(clip), clip.labelled, clip.depth(0)) == (6, (), None)


def test_single_images_stand_still(pictures):
    (clip,) = readers.read('folder', f'{pictures},frame_hz=0')
    assert not clip.video


def test_origin_is_found_up_to_the_root_alone(tmp_path):
    inner = tmp_path / 'a/b'
    inner.mkdir(parents=True)
    write_labels(tmp_path, RELATIVE)
    assert find_labels(inner, tmp_path) == RELATIVE
    assert find_labels(inner, tmp_path / 'a') is None


def test_the_origin_is_json_that_people_can_read(weights, pictures, tmp_path):
    command(weights, tmp_path / 'out', data={'folder': pictures}, licence='CC-BY-NC-4.0')
    kept = json.loads((tmp_path / 'out/labels.json').read_text())
    assert kept['licence'] == 'CC-BY-NC-4.0'
    assert (kept['picture'], kept['every'], kept['agreement']) == ('interval', 0, 0.1)


def test_what_label_refuses(refusals, weights, pictures, spikes, video, tmp_path):
    """Nothing is written, but of pictures of which too many turn out to be damaged."""
    from kit.datasets import make_teacher

    rows, out = {}, tmp_path / 'out'

    def row(name, named, model=weights, out=tmp_path / 'new', **options):
        call = functools.partial(command, model, out, **options)
        rows[name] = named, leaving(tmp_path, call)

    frames, recorded = {'folder': pictures}, {'npz': str(spikes)}
    # Settings.
    for name, value in (
        ('agreement', 0.0), ('agreement', float('nan')), ('agreement', 7.0), ('every', -1),
        ('planes', 0), ('planes', 10**9), ('threads', -1), ('licence', ''), ('picture', 'learnt'),
    ):  # fmt: skip
        row(f'{name} {value!r}', name, **({'data': frames} | {name: value}))
    row('a lens of frames', 'fx', data=frames, fx=100.0)
    row('no pictures', '--data', data=None)
    row('frames and a video', '--video', data=frames, video='walk.mp4')
    row('no lens', 'camera matrix', video=video)
    row('two lenses', 'camera matrix', video=video, fx=100.0, hfov=60.0)
    for fx in (-5.0, 0.9, float('nan')):
        row(f'fx {fx:g}', 'fx', video=video, fx=fx)
    row('a view of half a circle', 'hfov', video=video, hfov=180.0)
    turned = write_mp4(tmp_path / 'turned.mp4', [np.full((48, 64, 3), 90, np.uint8)] * 3,
                       matrix=MATRICES[6])  # fmt: skip
    row('the view of a turned video', 'give fx', video=turned, hfov=60.0)
    # Pictures and recordings.
    row('no such video', 'a.mp4', video=tmp_path / 'a.mp4', fx=50.0)
    (tmp_path / 'text.mp4').write_bytes(b'no video')
    row('no video', 'text.mp4', video=tmp_path / 'text.mp4', fx=50.0)
    row('recordings too short', '700 planes', data=recorded, planes=700)
    row('recordings without pictures', 'pictures of its own', data=recorded, picture='frame')
    row('frames and recordings', 'one kind', data=frames | recorded)
    write_folder(tmp_path / 'b', Sliding(6, damaged=(2, 3)))
    damaged = {'folder': f'{tmp_path / "b"},depth=none'}
    rows['frames that are damaged'] = (
        '2 of 6 frames',
        functools.partial(command, weights, tmp_path / 'of_damaged', data=damaged),
    )
    # Where they are to lie.
    for name, where in (('folder', pictures), ('npz', str(spikes))):
        inside = readers.root_of(name, where) / 'labels'
        row(f'in the data set, {name}', 'lies in the data set', out=inside, data={name: where})
    for name in ('locked', 'taken'):
        (tmp_path / name).mkdir()
    (tmp_path / 'taken/thesis.tex').touch()

    def locked():
        with lock_folder(tmp_path / 'locked'):
            command(weights, tmp_path / 'locked', data=frames)

    rows['a folder in use'] = 'locked', leaving(tmp_path, locked)
    row('a folder of something else', 'taken', out=tmp_path / 'taken', data=frames)
    # What labels there are of.
    command(weights, out, data=frames)
    for name, value in (('agreement', 0.2), ('every', 2), ('licence', 'MIT')):
        row(f'another {name}', name, out=out, **({'data': frames} | {name: value}))
    row('another model', 'sha256', make_teacher(tmp_path / 'tiny', seed=1), out, data=frames)
    shutil.copytree(tmp_path / 'walk', tmp_path / 'other')
    other = {'folder': f'{tmp_path / "other"},depth=none'}
    row('other pictures', 'source', out=out, data=other)
    errors = ConfigError, DataSetError, FolderLockError
    refusals('label', rows, errors, {r'[0-9a-f]{64}': '<sha256>'})


@pytest.mark.parametrize('setting', dataclasses.fields(LabelSettings), ids=lambda one: one.name)
def test_a_setting_below_its_range_is_named(setting):
    if setting.name != 'picture':  # a choice, of the command line
        with pytest.raises(ConfigError, match=f'{setting.name} is -1'):
            LabelSettings(**{setting.name: -1})


def test_labels_that_cannot_be_read_are_refused(refusals, pictures, spikes, tmp_path):
    rows = {}

    def row(name, named, where, reader='folder'):
        rows[name] = named, functools.partial(readers.read, reader, str(where))

    def labelled(name, labels=RELATIVE, model=symmetric, data=None):
        run(tmp_path / name, data or {'folder': pictures}, labels, model)
        return tmp_path / name

    def far(picture):
        return 1e4 * symmetric(picture)

    # Metres that are none; with another origin these are metres all the same.
    for reader, data, origin in (('folder', {'folder': pictures}, ''),
                                 ('npz', {'npz': str(spikes)}, 'npz/a')):  # fmt: skip
        for labels in (METRIC, RELATIVE):
            kind = 'relative' if labels.relative else 'metric'
            out = labelled(f'far_{reader}_{kind}', METRIC, far, data)
            write_labels(out / origin, labels)
            row(f'far, {kind}, by {reader}', 'is the unit right', out, reader)
    # Relative depth of unknown origin.
    for name, make in {
        'no origin': lambda path: None,
        'a link of nothing': lambda path: path.symlink_to(tmp_path / 'gone'),
        'a folder': Path.mkdir,
        **{f'damaged {content[:20]}': functools.partial(Path.write_text, data=content)
           for content in ('{', '[]', '{"teacher": 3}', '[' * 9999)},
    }.items():  # fmt: skip
        out = labelled(f'of_{len(rows)}')
        assert not (out / 'depth').exists()
        (out / FILE).unlink()
        make(out / FILE)
        row(name, f'of_{len(rows)}', out)
    out = labelled('fields')
    for name in {field.name for field in dataclasses.fields(Labels)}:
        given = {key: value for key, value in dataclasses.asdict(RELATIVE).items() if key != name}
        for content in (given, given | {name: 3}):
            (out / FILE).write_text(json.dumps(content))
            with pytest.raises(DataSetError, match=rf'labels\.json: .*{name}'):
                readers.read('folder', str(out))
    window = min(labelled('windows', data={'npz': str(spikes)}).rglob('*.npz'))
    for origin in (tmp_path / 'windows').rglob(FILE):
        origin.unlink()
    row('a window of no origin', window.name, window, 'npz')
    # Options.
    row('depth no', 'depth', pictures.replace('=none', '=no'))
    row('frame_hz -1', 'frame_hz', f'{pictures},frame_hz=-1')
    simulated = functools.partial(simulate, {'folder': pictures}, tmp_path / 'simulated')
    rows['no depth to simulate'] = 'no frame has depth', simulated
    refusals('labels', rows, DataSetError)
