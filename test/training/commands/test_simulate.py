# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from kit.clips import CAMERA, HEIGHT, WIDTH, Sliding, write_folder
from kit.refusals import leaving
from spike_depth_ros.base import cli
from spike_depth_ros.base.locks import LOCK, FolderLockError, lock_folder
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.stream.packing import spike_counts
from spike_training.commands.simulate import simulate
from spike_training.errors import ConfigError, DataSetError
from spike_training.sensor.parameters import Sensor
from spike_training.simulation.clip_camera import ClipCamera, frame_clips
from spike_training.simulation.settings import CameraSettings

ROOT = Path(__file__).parents[3]
SETTINGS = {'size': f'{WIDTH}x{HEIGHT}', 'rate': 1000.0, 'planes': 24}


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'made'
    write_folder(root, Sliding(6))
    return {'folder': str(root)}


@pytest.fixture(scope='module')
def simulated(recording, tmp_path_factory):
    out = tmp_path_factory.mktemp('simulated')
    simulate(recording, out, **SETTINGS)
    return out


def windows(out):
    return sorted(out.rglob('*.npz'))


def contents(out):
    return {path.relative_to(out): path.read_bytes() for path in windows(out)}


def test_a_window_lies_around_each_labelled_frame(simulated):
    assert [path.name for path in windows(simulated)] == [f'{k:06d}.npz' for k in range(6)]
    light = [luminance(Sliding().image(k)).ravel() for k in range(6)]
    for index, path in enumerate(windows(simulated)):
        window = open_recording(path)
        assert (window.geometry.width, window.geometry.height) == (WIDTH, HEIGHT)
        assert (len(window.planes), window.rate_hz) == (24, 1000.0)
        rate = spike_counts(window.planes, WIDTH).ravel()
        assert int(np.argmax([np.corrcoef(rate, frame)[0, 1] for frame in light])) == index


def test_the_frame_lies_at_the_middle_plane(recording, simulated):
    clip = frame_clips('folder', recording['folder'])[0]
    camera = ClipCamera(clip, CameraSettings(HEIGHT, WIDTH, SETTINGS['rate']))
    expected = camera.planes(float(clip.times_s[3]) - 12 / SETTINGS['rate'], 24, stream=3)
    np.testing.assert_array_equal(
        open_recording(windows(simulated)[3]).planes, np.concatenate(list(expected))
    )


def test_depth_and_camera_lie_beside(simulated):
    for index, path in enumerate(windows(simulated)):
        window = open_recording(path)
        assert window.truth.planes.tolist() == [12]
        np.testing.assert_allclose(
            window.truth.depth[0], Sliding().depth(index), atol=1e-3, equal_nan=True
        )
        np.testing.assert_allclose(window.camera_matrix, CAMERA)


def test_the_calibration_is_one_that_the_player_reads(simulated):
    path = next(simulated.rglob('camera.yaml'))
    assert yaml.safe_load(path.read_text())['camera_matrix']['data'] == CAMERA.ravel().tolist()
    pytest.importorskip('sensor_msgs')
    from spike_depth_ros.nodes.parts.calibration import camera_info_from_yaml

    info = camera_info_from_yaml(path, WIDTH, HEIGHT)
    assert list(info.k) == CAMERA.ravel().tolist()
    assert (info.p[0], info.p[3], len(info.d)) == (80.0, 0.0, 5)


def test_what_is_there_is_not_simulated_again(recording, simulated, tmp_path, capsys):
    simulate(recording, tmp_path, **SETTINGS)
    sound = contents(tmp_path)
    assert sound == contents(simulated)
    first, second, *_ = windows(tmp_path)
    second.unlink()
    (second.parent / f'.{second.name}.killed.unfinished').write_bytes(b'half')
    before = first.stat().st_mtime_ns
    simulate(recording, tmp_path, **SETTINGS)
    assert '1 windows of 24 planes' in capsys.readouterr().out.splitlines()[-2]
    assert contents(tmp_path) == sound
    assert first.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob('.*unfinished'))


def test_a_killed_run_goes_on(tmp_path):
    write_folder(tmp_path / 'data', Sliding(60))
    out = tmp_path / 'out'
    command = [
        sys.executable,
        str(ROOT / 'training' / 'run.py'),
        'simulate',
        f'--data.folder={tmp_path / "data"}',
        f'--out={out}',
        *(f'--{key}={value}' for key, value in SETTINGS.items()),
    ]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(windows(out)) < 3:
        assert time.monotonic() < end
        assert run.poll() is None or len(windows(out)) >= 3
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    there = contents(out)
    simulate({'folder': str(tmp_path / 'data')}, out, **SETTINGS)
    assert len(windows(out)) == 60
    for path in windows(out):
        open_recording(path)
    assert there.items() <= contents(out).items()


def test_a_run_goes_on_after_another_one_in_its_folder(recording, tmp_path):
    out = tmp_path / 'out'
    with lock_folder(out), pytest.raises(FolderLockError):  # its text is in the table
        simulate(recording, out, **SETTINGS)
    simulate(recording, out, **SETTINGS)
    assert len(windows(out)) == 6
    assert not (out / LOCK).exists()


def test_from_another_folder_it_is_the_same_data_set_and_another_one_may_come_in(
    recording, simulated, tmp_path, monkeypatch
):
    before = contents(simulated)
    monkeypatch.chdir(Path(recording['folder']).parent)
    write_folder(tmp_path / 'more', Sliding(4))
    simulate({'folder': 'made', 'also': f'folder:{tmp_path / "more"}'}, simulated, **SETTINGS)
    assert before.items() < contents(simulated).items()
    for name in contents(simulated).keys() - before.keys():
        (simulated / name).unlink()


def test_the_sensor_is_chosen_by_file_or_value(recording, simulated, tmp_path, command):
    file = tmp_path / 'sensor.yaml'
    file.write_text('read_noise: 0.05\nhot_pixels: 0.25\nhot_current: 1000.0\n')
    out = tmp_path / 'out'
    options = [f'--{key}={value}' for key, value in SETTINGS.items()]
    chosen = ['--sensor', str(file), '--sensor.hot_pixels', '0.5']
    data = f'--data.folder={recording["folder"]}'
    assert command('simulate', data, f'--out={out}', *options, *chosen).returncode == 0
    noted = yaml.safe_load((out / 'simulation.yaml').read_text())['sensor']
    assert (noted['read_noise'], noted['hot_pixels'], noted['mode']) == (0.05, 0.5, 'keep')
    excess = [
        (spike_counts(open_recording(noisy).planes, WIDTH).astype(int))
        - spike_counts(open_recording(ideal).planes, WIDTH)
        for noisy, ideal in zip(windows(out), windows(simulated), strict=True)
    ]
    # Half of the pixels are hot, some of them hardly; they are the same ones in every window.
    hot = [more > 0.1 * 24 for more in excess]
    assert hot[0].mean() == pytest.approx(0.45, abs=0.07)
    assert (hot[0] == hot[5]).mean() > 0.9


def test_a_damaged_frame_is_left_out_and_named(tmp_path, capsys):
    write_folder(tmp_path / 'data', Sliding(8, damaged=(2,)))
    simulate({'folder': str(tmp_path / 'data')}, tmp_path / 'out', **SETTINGS)
    assert [path.name for path in windows(tmp_path / 'out')] == [
        f'{k:06d}.npz' for k in range(8) if k != 2
    ]
    assert 'frame 2' in capsys.readouterr().out


@pytest.fixture(scope='module')
def cluster():
    """A worker in a process of its own."""
    import distributed

    options = {'dashboard_address': None, 'silence_logs': 50}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as started:
        yield started.scheduler_address


def test_a_cluster_gives_the_same_files(recording, simulated, tmp_path, cluster):
    simulate(recording, tmp_path, **SETTINGS, scheduler=cluster)
    assert contents(tmp_path) == contents(simulated)


def test_a_failure_on_a_worker_is_told(tmp_path, cluster):
    write_folder(tmp_path / 'data', Sliding(12, damaged=(7, 8, 9)))
    where = {'folder': str(tmp_path / 'data')}
    with pytest.raises(DataSetError, match='cannot be used, expected at most 5%'):
        simulate(where, tmp_path / 'out', **SETTINGS, scheduler=cluster)


# Each line repeats the one before nine times: 9^9 values.
BOMB = '\n'.join([
    'a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]',
    *(f'a{k}: &a{k} [{", ".join([f"*a{k - 1}"] * 9)}]' for k in range(1, 9)),
])  # fmt: skip


def test_what_simulate_refuses(refusals, recording, simulated, tmp_path, monkeypatch, command):
    """Nothing is written; only frames that turn out to be damaged come after some windows."""
    rows = {}

    def row(name, named, out=tmp_path / 'new', **changes):
        given = {'data': recording, 'out': out, **SETTINGS, **changes}
        rows[name] = named, leaving(tmp_path, functools.partial(simulate, **given))

    def place(name, file, content=b''):
        folder = tmp_path / name
        folder.mkdir()
        (folder / file).write_bytes(content)
        return folder

    # Settings.
    row('planes 0', 'planes', planes=0)
    row('no data set', 'data sets', data={})
    row('no size', 'size', size='big')
    monkeypatch.setattr('spike_training.dask_client._CONNECT_S', 0.1)
    for address in ('tcp://127.0.0.1:1', 'nonsense'):
        rows[f'no scheduler at {address}'] = (
            address,
            functools.partial(
                simulate, recording, tmp_path / 'of_no_one', **SETTINGS, scheduler=address
            ),
        )
    write_folder(tmp_path / 'other' / 'made', Sliding(6))
    both = {**recording, 'again': f'folder:{tmp_path / "other" / "made"}'}
    row('two of one name', 'folder/made', data=both)
    write_folder(tmp_path / 'damaged', Sliding(12, damaged=(7, 8, 9)))
    call = functools.partial(simulate, {'folder': str(tmp_path / 'damaged')},
                             tmp_path / 'of_damaged', **SETTINGS)  # fmt: skip
    rows['frames that are damaged'] = 'of 12 frames', call

    # The folder.
    row('a folder of something else', 'taken', place('taken', 'thesis.tex'))
    # A run on its own would remove what a killed one has left.
    in_use = place('locked', '.000000.npz.unfinished')

    def locked():
        with lock_folder(in_use):
            return leaving(in_use, functools.partial(simulate, recording, in_use, **SETTINGS))()

    rows['a folder in use'] = 'locked', locked
    for number, content in enumerate((b'- 1', b'planes: 24\ndata: 3', b'\xff', b'{')):
        folder = place(f'damaged_{number}', 'simulation.yaml', content)
        row(f'damaged settings {content}', folder.name, folder)
    shutil.copytree(simulated, tmp_path / 'simulated')
    row('another rate', 'rate_hz', tmp_path / 'simulated', rate=2000.0)
    data = {'folder': f'{recording["folder"]},per_metre=2000'}
    row('other options of a reader', 'data.folder', tmp_path / 'simulated', data=data)
    differing = {
        r'\d of 12 frames (.*?)\(.*\)': r'N of 12 frames \1(...)',  # by how many at once
        r'(other settings: \w+ None).*;': r'\1 ...;',  # long texts are cut
        r'answers there \(.*\)': 'answers there (<why, of dask>)',
    }
    refusals('simulate', rows, (ConfigError, DataSetError, FolderLockError), differing)

    (tmp_path / 'bomb.yaml').write_text(BOMB)
    rows = {}
    for option in ('sensor', 'config'):
        given = ('simulate', f'--data.folder={recording["folder"]}', f'--out={tmp_path / "new"}',
                 f'--{option}', tmp_path / 'bomb.yaml')  # fmt: skip

        def told(given=given):
            done = command(*given)
            assert done.returncode == 2
            return done.stderr.splitlines()[0]

        rows[f'--{option} that grows'] = 'aliases expanded', leaving(tmp_path, told)
    refusals('simulate_options', rows, None)


@pytest.mark.parametrize('as_file', [True, False])
def test_a_sensor_without_shot_noise_may_be_given(tmp_path, as_file):
    file = tmp_path / 'sensor.yaml'
    file.write_text('electrons: .inf\n')
    given = ['--sensor', str(file)] if as_file else ['--sensor.electrons', '.inf']
    found = cli.parse(simulate, ['--data.a', 'b', '--out', 'c', *given])
    assert found['sensor'] == Sensor(electrons=math.inf)
