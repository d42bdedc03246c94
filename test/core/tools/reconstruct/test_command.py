# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spike_reconstruct`` as a user runs it: a recording in, a video or pictures out."""

import functools
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from importlib import resources

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from kit import bags, streams
from kit.programs import largest_file, run_program
from kit.refusals import refused
from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tools.reconstruct.command import main

PLANES, HEIGHT, WIDTH = 200, 24, 42


@pytest.fixture(scope='module')
def spikes():
    """A bar that moves to the right, one pixel in ten planes, on a dim ground."""
    rng = np.random.default_rng(0)
    column, plane = np.arange(WIDTH), np.arange(PLANES)[:, None]
    rate = np.where(abs(column - plane // 10 - 8) < 4, 0.6, 0.1)[:, None]
    return rng.random((PLANES, HEIGHT, WIDTH)) < rate


@pytest.fixture
def dat(spikes, tmp_path):
    path = tmp_path / 'bar.dat'
    path.write_bytes(streams.by_rows(spikes))
    return path


def reconstruct(*arguments):
    return main([str(argument) for argument in arguments])


def frames(path):
    video, found = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        found.append(read[1][..., 0])
    return np.array(found)


@pytest.mark.parametrize(
    ('method', 'planes'), [('rate', 100), ('short', preview.SHORT_PLANES), ('interval', 100)]
)
def test_pictures_are_the_previews_of_windows(dat, spikes, tmp_path, capsys, method, planes):
    options = ('--size', f'{WIDTH}x{HEIGHT}', '--method', method, '--planes', 100, '--every', 25)
    assert reconstruct(dat, *options, '--out', tmp_path / 'out') == 0
    starts = range(0, PLANES - planes + 1, 25)
    files = sorted((tmp_path / 'out').iterdir())
    assert [file.name for file in files] == [f'{k:06d}.png' for k in range(len(starts))]
    for first, file in zip(starts, files, strict=True):
        window = Window.from_planes(spikes[first : first + planes], 20_000)
        expected = preview.render(window, method)
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), expected)
    assert f'{len(starts)} pictures, one every 25 planes' in capsys.readouterr().out


def test_learnt_pictures_are_those_of_the_shipped_network(dat, spikes, tmp_path, capsys):
    options = ('--size', f'{WIDTH}x{HEIGHT}', '--method', 'learnt', '--every', 50, '--rate', 500)
    assert reconstruct(dat, *options, '--out', tmp_path / 'out') == 0
    network = ImageEstimator.from_checkpoint(device='cpu')
    files = sorted((tmp_path / 'out').iterdir())
    assert len(files) == 4
    for first, file in zip(range(0, 200, 50), files, strict=True):
        window = Window.from_planes(spikes[first : first + network.info.planes], 500)
        expected = preview.encode(network.predict(window).rate)
        np.testing.assert_array_equal(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), expected)
    # Once, not for each picture.
    assert capsys.readouterr().err.count('plane rate 500 Hz, trained for') == 1


@pytest.mark.parametrize(('name', 'codec'), [('slow.mp4', b'FMP4'), ('slow.webm', b'VP90')])
def test_a_video_shows_the_motion_slowly(dat, tmp_path, capfd, name, codec):
    out = tmp_path / name
    options = ('--size', f'{WIDTH}x{HEIGHT}', '--method', 'short', '--fps', 25)
    assert reconstruct(dat, *options, '--out', out) == 0
    shown = frames(out)
    assert shown.shape == (9, HEIGHT, WIDTH)
    brightest = [np.convolve(frame.mean(axis=0), np.ones(7), 'same').argmax() for frame in shown]
    assert brightest[-1] - brightest[0] == pytest.approx(16, abs=2)
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') == codec
    assert video.get(cv2.CAP_PROP_FPS) == 25
    said = capfd.readouterr()
    assert '9 pictures, one every 20 planes; 40 times slower' in said.out
    assert 'FFMPEG' not in said.err


def decoded_gif(path):
    """Pictures of a .gif, the milliseconds of each, and how often it is shown."""
    with Image.open(path) as gif:
        shown = [
            (np.array(one.convert('RGB')), one.info['duration'])
            for one in ImageSequence.Iterator(gif)
        ]
        return *map(np.array, zip(*shown, strict=True)), gif.info['loop']


def test_a_gif_has_the_pictures_as_they_are(dat, tmp_path, capsys):
    options = (dat, '--size', f'{WIDTH}x{HEIGHT}', '--method', 'short', '--out')
    assert reconstruct(*options, tmp_path / 'slow.gif', '--fps', 30) == 0
    assert '9 pictures, one every 20 planes; 33.33 times slower' in capsys.readouterr().out
    assert reconstruct(*options, tmp_path / 'slow') == 0
    pictures, durations, loop = decoded_gif(tmp_path / 'slow.gif')
    for shown, file in zip(pictures, sorted((tmp_path / 'slow').iterdir()), strict=True):
        np.testing.assert_array_equal(shown, cv2.imread(str(file)))
    # Hundredths of a second: 9 pictures at 30 a second last 0.3 s.
    assert {*durations} == {30, 40}
    assert durations.sum() == 300
    assert loop == 0  # for ever


def test_a_gif_of_equal_pictures_lasts_as_long(tmp_path):
    np.save(tmp_path / 'dark.npy', np.zeros((200, 24, 42), bool))
    options = ('--rate', 20_000, '--method', 'short', '--fps', 10, '--out', tmp_path / 'dark.gif')
    assert reconstruct(tmp_path / 'dark.npy', *options) == 0
    pictures, durations, _ = decoded_gif(tmp_path / 'dark.gif')
    assert not pictures.any()
    assert durations.sum() == 900


@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason='no ffmpeg on the PATH')
def test_h264_is_written_by_ffmpeg(dat, tmp_path, capfd):
    out = tmp_path / 'slow: 1.mp4'
    options = (dat, '--size', '42x24', '--method', 'short', '--h264', '--out', out)
    assert reconstruct(*options, '--fps', 25) == 0
    assert capfd.readouterr().err == ''.join(
        ['warning: 20000 planes a second assumed: give --rate\n']
    )
    assert frames(out).shape == (9, HEIGHT, WIDTH)
    video = cv2.VideoCapture(str(out))
    assert int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') in (b'h264', b'avc1')
    assert video.get(cv2.CAP_PROP_FPS) == 25
    assert {path.name for path in tmp_path.iterdir()} == {'bar.dat', out.name}


def test_a_video_of_an_odd_size_repeats_its_last_row_and_column(tmp_path):
    spikes = np.zeros((100, 33, 51), bool)
    spikes[:, 32:] = spikes[:, :, 50:] = True
    np.save(tmp_path / 'odd.npy', spikes)
    out = tmp_path / 'slow.mp4'
    assert reconstruct(tmp_path / 'odd.npy', '--rate', 20_000, '--planes', 64, '--out', out) == 0
    shown = frames(out)
    assert shown.shape[1:] == (34, 52)
    assert shown[:, 32:, :].min() > 200
    assert shown[:, :, 50:].min() > 200
    assert shown[:, :30, :48].max() < 50


@pytest.mark.parametrize('fps', ['0.05', '1001', 'nan'])
def test_a_rate_that_no_video_has_is_refused(tmp_path, capsys, fps):
    with pytest.raises(SystemExit):
        reconstruct('a.npy', '--out', tmp_path / 'a.mp4', '--fps', fps)
    said = capsys.readouterr().err
    assert '--fps is ' in said
    assert '0.1 to 1000' in said


def test_a_picture_that_does_not_fit_on_the_disk_is_named_and_not_left(dat, tmp_path, capsys):
    with largest_file(50):
        assert reconstruct(dat, '--size', '42x24', '--rate', 20_000, '--out', tmp_path / 'o') == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'File too large' in line
    assert '000000.png' in line
    assert not list((tmp_path / 'o').glob('*.png'))


def test_a_video_that_cannot_be_written_is_one_line_of_the_process(dat, tmp_path):
    module = 'spike_depth_ros.tools.reconstruct.command'
    options = ('--size', '42x24', '--rate', 20_000, '--fps', 333.333, '--out', tmp_path / 'a.mp4')
    done = run_program(sys.executable, '-m', module, dat, *options)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_bag_gives_the_pictures_of_its_stream(tmp_path, capsys):
    bag = bags.bag(tmp_path / 'bars', planes=300)
    options = ('--method', 'short', '--every', 40)
    assert reconstruct(bag, *options, '--out', tmp_path / 'out') == 0
    assert len(list((tmp_path / 'out').iterdir())) == (300 - preview.SHORT_PLANES) // 40 + 1
    assert capsys.readouterr().err == ''


def test_packets_that_overtake_each_other_give_the_pictures_of_the_whole_stream(tmp_path, capsys):
    messages, pictures = bags.stream(1000), []
    for name, sent in (('in_order', messages), ('overtaken', bags.overtaken(messages))):
        bag = bags.write(tmp_path / f'bag_{name}', sent)
        options = ('--method', 'short', '--every', 40)
        assert reconstruct(bag, *options, '--out', tmp_path / name) == 0
        assert capsys.readouterr().err == ''
        pictures.append([file.read_bytes() for file in sorted((tmp_path / name).iterdir())])
    assert len(pictures[0]) == (1000 - preview.SHORT_PLANES) // 40 + 1
    assert pictures[1] == pictures[0]


def test_a_file_cut_within_a_plane_is_read_if_allowed(dat, tmp_path, capsys):
    dat.write_bytes(dat.read_bytes()[:-1])
    options = (dat, '--size', f'{WIDTH}x{HEIGHT}', '--out', tmp_path / 'out')
    assert reconstruct(*options, '--allow-partial') == 0
    assert '20000 planes a second assumed: give --rate' in capsys.readouterr().err


def test_a_gif_has_up_to_300_pictures(tmp_path):
    np.save(tmp_path / 'long.npy', np.random.default_rng(0).random((320, 8, 8)) < 0.3)
    options = ('--rate', 20_000, '--method', 'short', '--every', 1, '--out', tmp_path / 'a.gif')
    assert reconstruct(tmp_path / 'long.npy', *options) == 0
    assert len(decoded_gif(tmp_path / 'a.gif')[0]) == 300


def test_a_video_is_replaced_if_asked_for(dat, tmp_path):
    options = (dat, '--size', '42x24', '--method', 'short', '--out', tmp_path / 'slow.mp4')
    (tmp_path / 'slow.mp4').write_bytes(b'earlier')
    assert reconstruct(*options, '--overwrite') == 0
    assert len(frames(tmp_path / 'slow.mp4')) == 9


@pytest.fixture(scope='module')
def long(spikes, tmp_path_factory):
    """A recording whose video takes long."""
    path = tmp_path_factory.mktemp('recordings') / 'long.npy'
    np.save(path, np.tile(spikes, (300, 1, 1)))
    return path


def handle(hup):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, hup)


def start_long(path, out, *options, hup=None):
    """Start to write a video that takes long."""
    command = [sys.executable, '-m', 'spike_depth_ros.tools.reconstruct.command']
    return subprocess.Popen(
        [*command, str(path), '--out', str(out), '--every', '1', '--planes', '64',
         '--method', 'interval', *options],
        stderr=subprocess.PIPE, text=True,
        # A shell ignores the signal in what it runs in the background, and all below inherit that.
        preexec_fn=functools.partial(handle, hup or signal.SIG_DFL),
    )  # fmt: skip


def wait_for_pictures(folder, *processes):
    """Wait until each of the processes has written pictures."""
    end = time.monotonic() + 60
    while sum(part.stat().st_size > 1000 for part in folder.glob('.*/slow.mp4')) < len(processes):
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_closed_terminal_ends_a_command_unless_it_is_ignored(long, tmp_path):
    out = tmp_path / 'slow.mp4'
    ended, by_nohup = (start_long(long, out, hup=hup) for hup in (None, signal.SIG_IGN))
    wait_for_pictures(tmp_path, ended, by_nohup)
    for process in (ended, by_nohup):
        process.send_signal(signal.SIGHUP)
    assert ended.wait(60) == 143
    assert len(frames(out)) > 0
    with pytest.raises(subprocess.TimeoutExpired):
        by_nohup.wait(0.5)
    by_nohup.terminate()
    assert by_nohup.wait(60) == 143
    assert not [*tmp_path.glob('.*')]


def test_output_to_a_closed_terminal_is_no_error(long, tmp_path):
    out = tmp_path / 'slow.mp4'
    terminal, end = os.openpty()
    command = [sys.executable, '-m', 'spike_depth_ros.tools.reconstruct.command', str(long)]
    process = subprocess.Popen(
        [*command, '--out', str(out), '--every', '1', '--planes', '64', '--method', 'interval'],
        stdin=end, stdout=end, stderr=end, start_new_session=True,
        preexec_fn=functools.partial(handle, signal.SIG_DFL),
    )  # fmt: skip
    wait_for_pictures(tmp_path, process)
    os.close(end)
    os.close(terminal)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 143
    assert len(frames(out)) > 0
    assert not [*tmp_path.glob('.*')]


def test_what_a_killed_command_left_is_removed_by_the_next_and_a_stop_leaves_a_video(
    dat, long, tmp_path, capsys
):
    out = tmp_path / 'slow.mp4'
    killed, stopped = (start_long(long, out) for _ in range(2))
    wait_for_pictures(tmp_path, killed, stopped)
    stopped.send_signal(signal.SIGSTOP)
    killed.kill()
    killed.wait()
    left = {*tmp_path.glob('.incomplete_*')}
    size = f'{WIDTH}x{HEIGHT}'
    assert reconstruct(dat, '--size', size, '--rate', 20_000, '--out', tmp_path / 'other.mp4') == 0
    (kept,) = {*tmp_path.glob('.incomplete_*')}
    (removed,) = left - {kept}
    assert f'{removed}: removed, a killed run left it unfinished' in capsys.readouterr().err
    stopped.send_signal(signal.SIGCONT)
    stopped.terminate()
    error = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 143, error
    assert 'the pictures so far are kept' in error
    assert 0 < len(frames(out)) < 59_000
    assert {one.name for one in tmp_path.iterdir()} == {'bar.dat', 'other.mp4', 'slow.mp4'}


@pytest.mark.parametrize('options', [(), ('--overwrite',)])
def test_two_processes_that_are_interrupted_leave_whole_videos(long, tmp_path, options):
    out = tmp_path / 'slow.mp4'
    processes = [start_long(long, out, *options) for _ in range(2)]
    wait_for_pictures(tmp_path, *processes)
    errors = []
    for process in processes:
        process.send_signal(signal.SIGINT)
        errors.append(process.communicate(timeout=60)[1])
        assert process.returncode == 130, errors
    other = f'another process has made it meanwhile: the result is {tmp_path / "slow_2.mp4"}'
    assert all('the pictures so far are kept' in error for error in errors)
    made = {one.name for one in tmp_path.iterdir()}
    assert made == ({'slow.mp4'} if options else {'slow.mp4', 'slow_2.mp4'})
    assert all(0 < len(frames(tmp_path / name)) < 59_000 for name in made)
    assert [other in error for error in errors] == [False, not options]


@pytest.mark.parametrize('name', ['slow.mp4', 'slow.webm', 'slow.gif', 'pictures'])
@pytest.mark.parametrize('umask', [0o077, 0o002])
def test_results_have_the_umask_of_the_user(dat, tmp_path, name, umask):
    out = tmp_path / name
    before = os.umask(umask)
    try:
        assert reconstruct(dat, '--size', '42x24', '--method', 'short', '--out', out) == 0
    finally:
        os.umask(before)
    files = [*out.iterdir()] if out.is_dir() else [out]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o666 & ~umask}
    if out.is_dir():
        assert stat.S_IMODE(out.stat().st_mode) == 0o777 & ~umask


def test_a_link_laid_out_for_the_unfinished_video_is_not_followed(dat, tmp_path):
    others = tmp_path / 'others'
    others.write_text('mine')
    (tmp_path / '.slow.unfinished.mp4').symlink_to(others)
    options = ('--size', '42x24', '--method', 'short', '--out', tmp_path / 'slow.mp4')
    assert reconstruct(dat, *options) == 0
    assert not (tmp_path / 'slow.mp4').is_symlink()
    assert others.read_text() == 'mine'


SIZE = ('bar.dat', '--size', '42x24', '--out')
SHORT = ('--method', 'short')
REFUSED = {
    'no size': ('--size', 'bar.dat', '--out', 'new'),
    'a part of a plane': ('cut.dat', 'cut.dat', *SIZE[1:], 'new'),
    'more planes than there are': (
        '200 planes', *SIZE, 'new', '--method', 'rate', '--planes', 201,
    ),
    'another format': ('a.avi', *SIZE, 'a.avi'),
    'a fast gif': ('--fps 60', *SIZE, 'a.gif', '--fps', 60),
    'a long gif': (
        'a.gif: 301', 'long.npy', '--rate', 20_000, *SHORT, '--every', 1, '--out', 'a.gif',
    ),
    'h264 of a .webm': ('--h264', *SIZE, 'a.webm', '--h264'),
    'h264 without ffmpeg': ('--h264', *SIZE, 'a.mp4', '--h264'),
    'no folder': ('absent', *SIZE, 'absent/a.mp4'),
    'a checkpoint of no network': ('--method learnt', *SIZE, 'new', '--checkpoint', 'a'),
    'a checkpoint of another task': (
        'field task', *SIZE, 'new', '--method', 'learnt', '--checkpoint', 'unet_lite',
    ),
    'a rate that no video has': ('a.mp4', *SIZE, 'a.mp4', '--fps', 333.333, '--rate', 20_000),
    'a folder that is not empty': ('not empty', *SIZE, '.'),
    **{
        f'{option[0]} of a bag': (option[0], 'bars', *option, '--out', 'new')
        for option in (('--bit-order', 'big'), ('--row-order', 'bottom_up'), ('--allow-partial',))
    },
    'a short bag': ('--planes', 'bars', '--method', 'rate', '--rate', 20_000, '--out', 'new'),
    'onto a video': ('mine.mp4', *SIZE, 'mine.mp4', *SHORT),
    'onto a link': ('link.mp4', *SIZE, 'link.mp4', *SHORT),
    'onto a link with --overwrite': ('link.mp4', *SIZE, 'link.mp4', *SHORT, '--overwrite'),
    **{
        ' '.join((f'onto {name}, a link to nothing', *overwrite)): (
            name, *SIZE, name, *SHORT, *overwrite,
        )
        for name in ('gone.mp4', 'gone.webm', 'gone')
        for overwrite in ((), ('--overwrite',))
    },
}  # fmt: skip


def test_what_cannot_be_done_is_one_line(dat, tmp_path, monkeypatch, capsys, refusals):
    """And nothing is written or replaced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PATH', str(tmp_path))
    (tmp_path / 'cut.dat').write_bytes(dat.read_bytes()[:-1])
    np.save('long.npy', np.zeros((321, 8, 8), bool))
    bags.bag('bars', planes=30)
    (tmp_path / 'mine.mp4').write_bytes(b'mine')
    (tmp_path / 'link.mp4').symlink_to(tmp_path / 'mine.mp4')
    for name in ('gone.mp4', 'gone.webm', 'gone'):
        (tmp_path / name).symlink_to(tmp_path / 'nowhere')
    rows = {
        name: (named, functools.partial(refused, capsys, main, *given, keeps=tmp_path))
        for name, (named, *given) in REFUSED.items()
    }
    # Of so few planes chance decides whether a size is suggested.
    refusals('spike_reconstruct', rows, None, {r' \(its bytes repeat[^)]*\)': ''})


@pytest.mark.parametrize('name', ['.', 'caf\udce9.mp4'])
def test_paths_that_are_not_utf_8_are_one_line(dat, tmp_path, monkeypatch, capsys, name):
    (tmp_path / 'caf\udce9').mkdir()
    monkeypatch.chdir(tmp_path / 'caf\udce9')
    recording = dat if name != '.' else 'caf\udce9/a.dat'
    assert reconstruct(recording, '--size', '42x24', '--out', name) == 1
    error = capsys.readouterr().err
    assert 'is not valid UTF-8: rename the file or its folder' in error
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('slow.mp4', 'of 9 pictures were written: free space'),
        ('slow.webm', 'of 9 pictures were written: free space'),
        ('slow.gif', 'File too large'),
    ],
)
def test_a_video_that_does_not_fit_on_the_disk_is_an_error(dat, tmp_path, capsys, name, text):
    options = ('--size', '42x24', '--method', 'short', '--overwrite')
    out = tmp_path / name
    out.write_bytes(b'earlier')
    with largest_file(1000):
        assert reconstruct(dat, *options, '--out', out) == 1
    error = capsys.readouterr().err
    assert text in error
    assert name in error
    assert out.read_bytes() == b'earlier'
    assert {path.name for path in tmp_path.iterdir()} == {'bar.dat', name}


def test_a_folder_that_another_process_writes_to_is_refused(dat, tmp_path, capsys):
    given = (dat, '--size', f'{WIDTH}x{HEIGHT}', '--out', tmp_path / 'out')
    with lock_folder(tmp_path / 'out'):
        assert reconstruct(*given) == 1
    errors = capsys.readouterr().err
    assert 'out: another process works there' in errors
    assert errors.count('\n') == 1
    assert reconstruct(*given) == 0


def test_a_recording_that_is_cut_meanwhile_is_one_line(dat, tmp_path, monkeypatch, capsys):
    out, render = tmp_path / 'slow.mp4', preview.render

    def cut(window, method):
        os.truncate(dat, 100 * HEIGHT * 6)
        return render(window, method)

    monkeypatch.setattr(preview, 'render', cut)
    options = ('--size', f'{WIDTH}x{HEIGHT}', '--rate', 20_000, '--planes', 64, '--every', 30)
    assert reconstruct(dat, *options, '--method', 'rate', '--out', out) == 1
    error = capsys.readouterr().err
    assert '100 planes are left, expected 124 or more: copy or record it again' in error
    assert error.count('\n') == 1
    assert len(frames(out)) == 2


def test_a_wrong_size_is_told(tmp_path, capsys):
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    path = tmp_path / 'office.dat'
    np.ascontiguousarray(open_recording(sample).planes[:30, ::-1]).tofile(path)
    given = ('--method', 'rate', '--planes', 30, '--every', 30)
    for size, told in (('400x250', False), ('400x125', True)):
        assert reconstruct(path, '--size', size, *given, '--out', tmp_path / size) == 0
        assert ('try --size 400x250' in capsys.readouterr().err) == told
