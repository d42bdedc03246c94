# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from kit.clips import CAMERA, HEIGHT, WIDTH, Sliding, write_folder
from spike_depth_ros.folder_lock import LOCK, FolderLockError, lock_folder
from spike_depth_ros.stream.packing import spike_counts
from spike_depth_ros.stream.recording import open_recording
from spike_depth_ros.video.light import luminance
from spike_training.commands.simulate import simulate
from spike_training.errors import ConfigError, DataSetError
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
    from spike_depth_ros.nodes.calibration import camera_info_from_yaml

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


def test_a_folder_that_another_run_writes_to_is_refused(recording, tmp_path):
    out = tmp_path / 'out'
    with lock_folder(out):
        unfinished = out / '.000000.npz.unfinished'
        unfinished.touch()  # which a run on its own would remove, as a killed one's
        with pytest.raises(FolderLockError, match='out: another process works there'):
            simulate(recording, out, **SETTINGS)
        assert unfinished.exists()
        unfinished.unlink()
    simulate(recording, out, **SETTINGS)
    assert len(windows(out)) == 6
    assert not (out / LOCK).exists()


def test_a_data_set_of_other_options_is_refused_in_the_same_folder(
    recording, simulated, tmp_path, monkeypatch
):
    before = contents(simulated)
    with pytest.raises(ConfigError, match=r'other settings: data\.folder .*,per_metre=2000\.0'):
        simulate({'folder': f'{recording["folder"]},per_metre=2000'}, simulated, **SETTINGS)
    assert contents(simulated) == before
    # From another folder it is the same one, and another set may come in.
    monkeypatch.chdir(Path(recording['folder']).parent)
    write_folder(tmp_path / 'more', Sliding(4))
    simulate({'folder': 'made', 'also': f'folder:{tmp_path / "more"}'}, simulated, **SETTINGS)
    assert before.items() < contents(simulated).items()
    for name in contents(simulated).keys() - before.keys():
        (simulated / name).unlink()


@pytest.mark.parametrize('content', [b'- 1', b'planes: 24\ndata: 3', b'\xff', b'{'])
def test_damaged_settings_of_a_folder_are_other_settings(recording, tmp_path, content):
    (tmp_path / 'simulation.yaml').write_bytes(content)
    with pytest.raises(ConfigError, match='holds a simulation with other settings'):
        simulate(recording, tmp_path, **SETTINGS)


def test_two_recordings_of_one_name_are_refused(recording, tmp_path):
    write_folder(tmp_path / 'other' / 'made', Sliding(6))
    both = {**recording, 'again': f'folder:{tmp_path / "other" / "made"}'}
    with pytest.raises(DataSetError, match='folder/made: two recordings of this name'):
        simulate(both, tmp_path / 'out', **SETTINGS)
    assert windows(tmp_path) == []


def test_other_settings_are_refused_in_the_same_folder(recording, simulated):
    with pytest.raises(ConfigError, match=r'other settings: rate_hz 1000\.0 \(now 2000\.0\)'):
        simulate(recording, simulated, **{**SETTINGS, 'rate': 2000.0})
    assert yaml.safe_load((simulated / 'simulation.yaml').read_text())['rate_hz'] == 1000.0


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


def test_a_folder_of_something_else_is_refused(recording, tmp_path):
    (tmp_path / 'thesis.tex').touch()
    with pytest.raises(ConfigError, match='expected a new or empty folder'):
        simulate(recording, tmp_path, **SETTINGS)


def test_a_damaged_frame_is_left_out_and_named(tmp_path, capsys):
    write_folder(tmp_path / 'data', Sliding(8, damaged=(2,)))
    simulate({'folder': str(tmp_path / 'data')}, tmp_path / 'out', **SETTINGS)
    assert [path.name for path in windows(tmp_path / 'out')] == [
        f'{k:06d}.npz' for k in range(8) if k != 2
    ]
    assert 'frame 2' in capsys.readouterr().out


def test_too_many_damaged_frames_end_it(tmp_path):
    write_folder(tmp_path / 'data', Sliding(12, damaged=(7, 8, 9)))
    with pytest.raises(DataSetError, match='cannot be used, expected at most 5%'):
        simulate({'folder': str(tmp_path / 'data')}, tmp_path / 'out', **SETTINGS)


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


@pytest.mark.parametrize('address', ['tcp://127.0.0.1:1', 'nonsense'])
def test_no_scheduler_at_the_address(recording, tmp_path, monkeypatch, address):
    monkeypatch.setattr('spike_training.dask_client._CONNECT_S', 0.3)
    with pytest.raises(ConfigError, match='no dask scheduler answers there'):
        simulate(recording, tmp_path, **SETTINGS, scheduler=address)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'planes': 0}, 'planes is 0: expected 1 or more'),
        ({'data': {}}, 'no data sets: expected one or more'),
        ({'size': 'big'}, "size is 'big': expected WIDTHxHEIGHT"),
    ],
)
def test_wrong_settings_are_named(recording, tmp_path, wrong, message):
    with pytest.raises(ConfigError, match=message):
        simulate(**{'data': recording, 'out': tmp_path / 'out', **SETTINGS, **wrong})
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('option', ['sensor', 'config'])
def test_options_whose_yaml_grows_are_refused(recording, tmp_path, command, option):
    # Each line repeats the one before nine times: 9^9 values.
    lines = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]']
    lines += [f'a{k}: &a{k} [{", ".join([f"*a{k - 1}"] * 9)}]' for k in range(1, 9)]
    (tmp_path / 'bomb.yaml').write_text('\n'.join(lines))
    data = f'--data.folder={recording["folder"]}'
    out = tmp_path / 'out'
    done = command('simulate', data, f'--out={out}', f'--{option}', tmp_path / 'bomb.yaml')
    assert done.returncode == 2
    assert 'holds more than 100000 values, aliases expanded' in done.stderr.splitlines()[0]
    assert not out.exists()
