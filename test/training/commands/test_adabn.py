# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
from importlib import resources

import numpy as np
import pytest

from kit.checkpoints import checkpoint as write
from kit.datasets import write_dat
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import CheckpointError, load, save
from spike_depth_ros.stream.recording import open_recording
from spike_training.commands.adabn import adabn
from spike_training.errors import ConfigError, DataSetError
from spike_training.settings.config import TargetConfig, to_yaml

STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / 'model.safetensors')


@pytest.fixture
def config(tmp_path):
    def make(**target):
        path = tmp_path / 'config.yaml'
        run = tiny_run(tmp_path, target=TargetConfig(**target) if target else None)
        path.write_text(to_yaml(run))
        return path

    return make


def changed(before, after):
    one, other = load(before)[1], load(after)[1]
    return {name for name in one if not np.array_equal(one[name], other[name])}


def test_statistics_change_and_nothing_else(checkpoint, config, tmp_path):
    out = tmp_path / 'out.safetensors'
    adabn(checkpoint, out, config(styles=['indoor']), batches=2, batch_size=2, device='cpu')
    names = changed(checkpoint, out)
    assert names
    assert all(name.endswith(STATISTICS) for name in names)
    info = load(out)[0]
    assert info.stage == 'pre_src_adabn'
    assert not info.uncertainty_calibrated
    assert not info.metrics


def test_they_are_those_of_the_target(checkpoint, config, tmp_path):
    outs = []
    for k, contrast in enumerate((1.0, 1.0, 2.5)):
        outs.append(tmp_path / f'{k}.safetensors')
        adabn(checkpoint, outs[-1], config(contrast=contrast), batches=1, batch_size=2,
              device='cpu')  # fmt: skip
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert changed(outs[0], outs[2])


def packed(bits):
    return np.packbits(bits, axis=2, bitorder='little')


def moving(rate):
    """A bar, four times as bright, that moves over noise: 200 planes, 5 s at 40 Hz."""
    chance = np.full((200, 32, 48), rate)
    for plane in range(200):
        chance[plane, :, plane * 32 // 200 :][:, :16] *= 4
    return packed(np.random.default_rng(0).random(chance.shape) < chance)


def noise(rate, planes=200):
    return packed(np.random.default_rng(0).random((planes, 32, 48)) < rate)


def still():
    return packed(np.random.default_rng(0).random((200, 32, 48)) < np.linspace(0, 0.8, 48))


NOTHING = {
    'cap on': (noise(0.0), 'mean firing rate of 0 a plane, expected 0.005 or more'),
    'cap on, few spikes': (noise(0.002), 'mean firing rate of 0.002'),
    'cap on, dark current': (noise(0.015), '0.00% of the picture changes'),
    'cap on, warm sensor': (noise(0.2), '0.00% of the picture changes'),
    'saturated': (noise(1.0), '100% of the pixels fire in every plane, expected at most 50%'),
    'nearly saturated': (noise(0.98), '0.00% of the picture changes'),
    'still': (still(), '0.00% of the picture changes over the recording, expected 0.50%'),
    'short': (moving(0.2)[:199], '4.97 s recorded, expected 5 s or more'),
}


@pytest.mark.parametrize('kind', NOTHING)
def test_no_model_from_nothing(command, checkpoint, tmp_path, kind):
    planes, words = NOTHING[kind]
    planes.tofile(tmp_path / 'one.dat')
    out = write(tmp_path / 'out.safetensors', stage='before')
    before = out.read_bytes()
    ended = command(
        'adabn', '--checkpoint', checkpoint, '--recordings', tmp_path / 'one.dat', '--size',
        '48x32', '--rate_hz', 40, '--planes', 64, '--batches', 1, '--batch_size', 4, '--out', out,
        '--overwrite', 'true', '--device', 'cpu',
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert words in line
    assert out.read_bytes() == before


def test_one_of_several_that_shows_nothing_is_told(checkpoint, tmp_path, capsys):
    folder = tmp_path / 'three'
    folder.mkdir()
    for name, planes in (('car', moving(0.2)), ('cap', noise(0.0)), ('sun', noise(1.0))):
        planes.tofile(folder / f'{name}.dat')
    adabn(checkpoint, tmp_path / 'out.safetensors', recordings=folder, size='48x32', rate_hz=40.0,
          planes=64, batches=1, batch_size=6, device='cpu')  # fmt: skip
    cap, sun = (line for line in capsys.readouterr().err.splitlines() if 'shows nothing' in line)
    assert cap.startswith(
        'warning: cap shows nothing, leave it out: mean firing rate of 0 a plane'
    )
    assert sun.startswith('warning: sun shows nothing, leave it out: 100% of the pixels fire in')


def test_lamps_that_flicker_are_not_motion_nor_a_fault(checkpoint, tmp_path):
    rng = np.random.default_rng(0)
    light = 1 + 0.5 * np.sin(np.arange(200) / 5)[:, None, None]
    still = np.kron(rng.random((4, 6)), np.ones((8, 8)))
    packed(rng.random((200, 32, 48)) < 0.5 * still * light).tofile(tmp_path / 'still.dat')
    use = functools.partial(
        adabn, checkpoint, tmp_path / 'out.safetensors', size='48x32', rate_hz=40.0, planes=64,
        batches=1, batch_size=4, device='cpu',
    )  # fmt: skip
    with pytest.raises(DataSetError, match=r'0\.00% of the picture changes'):
        use(recordings=tmp_path / 'still.dat')
    walk = np.stack([np.roll(still, plane // 8, 1) for plane in range(200)])
    packed(rng.random((200, 32, 48)) < 0.5 * walk * light).tofile(tmp_path / 'walk.dat')
    use(recordings=tmp_path / 'walk.dat')
    assert (tmp_path / 'out.safetensors').exists()


def test_a_still_camera_at_several_places_is_enough(checkpoint, tmp_path):
    folder = tmp_path / 'places'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place in range(3):
        chance = np.kron(rng.random((4, 6)), np.ones((8, 8))) * 0.6
        packed(rng.random((200, 32, 48)) < chance).tofile(folder / f'{place}.dat')
    out = tmp_path / 'out.safetensors'
    adabn(checkpoint, out, recordings=folder, size='48x32', rate_hz=40.0, planes=64, batches=1,
          batch_size=6, device='cpu')  # fmt: skip
    assert out.exists()


@pytest.mark.parametrize(('bias', 'end'), [(40.0, 'far'), (-40.0, 'near')])
def test_depth_at_an_end_of_the_range_is_not_written(config, tmp_path, bias, end):
    path = write(tmp_path / f'{end}.safetensors')
    info, weights = load(path)
    weights['depth_head.conv3.bias'] = np.full_like(weights['depth_head.conv3.bias'], bias)
    save(path, weights, info)
    out = write(tmp_path / 'out.safetensors', stage='before')
    before = out.read_bytes()
    with pytest.raises(DataSetError, match=r'100% of the pixels .* one end of 0\.3 to 80 m'):
        adabn(path, out, config(styles=['indoor']), batches=1, batch_size=2, device='cpu',
              overwrite=True)  # fmt: skip
    assert out.read_bytes() == before


def test_a_dark_target_of_a_run_is_refused(checkpoint, config, tmp_path):
    write_dat(tmp_path / 'dat', height=32, width=48)
    for file in (tmp_path / 'dat').iterdir():
        file.write_bytes(bytes(file.stat().st_size))
    path = config(recordings={'dat': f'{tmp_path / "dat"},size=48x32'}, planes=[32])
    with pytest.raises(DataSetError, match='mean firing rate of 0 a plane'):
        adabn(checkpoint, tmp_path / 'out.safetensors', path, batches=1, batch_size=2)
    assert not (tmp_path / 'out.safetensors').exists()


def test_recordings_of_a_camera(checkpoint, tmp_path):
    folder = tmp_path / 'recordings'
    folder.mkdir()
    for name, rate in (('a', 0.1), ('b', 0.2)):
        moving(rate).tofile(folder / f'{name}.dat')
    for where in (folder, folder / 'a.dat'):
        out = tmp_path / f'{where.stem}.safetensors'
        adabn(checkpoint, out, recordings=where, size='48x32', rate_hz=40.0, planes=64, batches=1,
              batch_size=6, device='cpu')  # fmt: skip
        assert all(name.endswith(STATISTICS) for name in changed(checkpoint, out))
    assert changed(tmp_path / 'recordings.safetensors', tmp_path / 'a.safetensors')
    with pytest.raises(DataSetError, match=r'expected a \.dat file, or a folder with some'):
        adabn(checkpoint, tmp_path / 'c.safetensors', recordings=tmp_path / 'nothing')


def test_recordings_of_a_clearly_wrong_size_are_refused(checkpoint, tmp_path):
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    np.ascontiguousarray(open_recording(sample).planes[:100]).tofile(tmp_path / 'office.dat')
    with pytest.raises(DataSetError, match=r'not 800x125: try --size 400x250'):
        adabn(checkpoint, tmp_path / 'a.safetensors', recordings=tmp_path, size='800x125')


def test_a_network_of_rgb_is_refused(config, tmp_path):
    path = write(tmp_path / 'rgb.safetensors', inputs=('rgb',), bins=3)
    with pytest.raises(CheckpointError, match='it sees rgb, expected spikes'):
        adabn(path, tmp_path / 'out.safetensors', config(styles=['indoor']))


def test_a_network_without_batch_norm_is_refused(config, tmp_path):
    sizes = {'dim': 48, 'layers': 4, 'heads': 3, 'features': 8, 'temporal_features': 8}
    path = write(tmp_path / 'hybrid.safetensors', architecture='dpt_hybrid', settings=sizes)
    with pytest.raises(CheckpointError, match='dpt_hybrid has no batch norm, so there are no'):
        adabn(path, tmp_path / 'out.safetensors', config(styles=['indoor']))


def test_what_it_cannot_work_with(checkpoint, config, tmp_path):
    out = tmp_path / 'out.safetensors'
    with pytest.raises(ConfigError, match='expected one of the two'):
        adabn(checkpoint, out)
    with pytest.raises(ConfigError, match='target is null, expected a target'):
        adabn(checkpoint, out, config())
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match='file: cannot be made'):
        adabn(checkpoint, tmp_path / 'file' / 'x.safetensors', config(styles=['road']))
    with pytest.raises(ConfigError, match='planes is 0'):
        adabn(checkpoint, out, recordings=tmp_path, planes=0)
    with pytest.raises(ConfigError, match='batch_size 1: expected'):
        adabn(checkpoint, out, config(styles=['road']), batch_size=1)


@pytest.mark.parametrize('name', ['model', 'model.json', 'model.safetensors'])
def test_no_other_file_is_replaced(checkpoint, config, tmp_path, name):
    before = checkpoint.read_bytes()
    with pytest.raises(ConfigError, match=r'expected a file \.safetensors other than checkpoint'):
        adabn(checkpoint, tmp_path / name, config(styles=['indoor']), device='cpu')
    assert checkpoint.read_bytes() == before


def test_an_existing_file_is_replaced_only_if_asked_for(checkpoint, config, tmp_path):
    out = write(tmp_path / 'other.safetensors')
    before = out.read_bytes()
    use = functools.partial(
        adabn, checkpoint, out, config(styles=['indoor']), batches=1, batch_size=2, device='cpu'
    )
    with pytest.raises(ConfigError, match='which exists: choose another one, or give --overwrite'):
        use()
    assert out.read_bytes() == before
    use(overwrite=True)
    assert load(out)[0].stage == 'pre_src_adabn'
