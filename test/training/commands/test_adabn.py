# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
import itertools
from importlib import resources

import numpy as np
import pytest

from kit.checkpoints import checkpoint as write
from kit.datasets import write_dat
from kit.refusals import leaving
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import CheckpointError, load, save
from spike_depth_ros.io.recording import open_recording
from spike_training.commands.adabn import adabn
from spike_training.errors import ConfigError, DataSetError
from spike_training.settings.config import TargetConfig, to_yaml

STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


@pytest.fixture
def checkpoint(tmp_path):
    return write(tmp_path / 'model.safetensors')


@pytest.fixture
def config(tmp_path):
    numbers = itertools.count()

    def make(**target):
        path = tmp_path / f'config_{next(numbers)}.yaml'
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
    with pytest.raises(DataSetError):  # its text is in the table
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


def test_an_existing_file_is_replaced_if_asked_for(checkpoint, config, tmp_path):
    out = write(tmp_path / 'other.safetensors')
    adabn(checkpoint, out, config(styles=['indoor']), batches=1, batch_size=2, device='cpu',
          overwrite=True)  # fmt: skip
    assert load(out)[0].stage == 'pre_src_adabn'


def test_what_adabn_refuses(refusals, checkpoint, config, tmp_path, command):
    """No file is written or replaced."""
    rows = {}

    def row(name, named, file=checkpoint, out=None, of=None, **settings):
        out = out or tmp_path / 'new.safetensors'
        given = {'batches': 1, 'batch_size': 2, 'device': 'cpu', **settings}
        rows[name] = named, leaving(tmp_path, functools.partial(adabn, file, out, of, **given))

    indoor = config(styles=['indoor'])

    # Recordings that show nothing.
    dat = {'size': '48x32', 'rate_hz': 40.0, 'planes': 64, 'batch_size': 4}
    replaced = write(tmp_path / 'replaced.safetensors', stage='before')
    for name, (planes, named) in {
        'cap on': (noise(0.0), '0 a plane'),
        'cap on, few spikes': (noise(0.002), '0.002'),
        'cap on, dark current': (noise(0.015), '0.00%'),
        'cap on, warm sensor': (noise(0.2), '0.00%'),
        'saturated': (noise(1.0), '100% of the pixels'),
        'nearly saturated': (noise(0.98), '0.00%'),
        'still': (still(), '0.00%'),
        'short': (moving(0.2)[:199], '4.97 s'),
    }.items():
        file = tmp_path / f'{name}.dat'
        planes.tofile(file)
        row(name, named, out=replaced, recordings=file, overwrite=True, **dat)
    row('no recordings', 'nothing', recordings=tmp_path / 'nothing')
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    (tmp_path / 'office').mkdir()
    np.ascontiguousarray(open_recording(sample).planes[:100]).tofile(tmp_path / 'office/a.dat')
    row('another size', '800x125', recordings=tmp_path / 'office', size='800x125')
    write_dat(tmp_path / 'dark', clips=1, planes=160, height=32, width=48)
    for file in (tmp_path / 'dark').iterdir():
        file.write_bytes(bytes(file.stat().st_size))
    dark = config(recordings={'dat': f'{tmp_path / "dark"},size=48x32'}, planes=[32])
    row('a dark target of a run', '0 a plane', of=dark)

    # Networks.
    for end, bias in (('far', 40.0), ('near', -40.0)):
        path = write(tmp_path / f'{end}.safetensors')
        info, weights = load(path)
        weights['depth_head.conv3.bias'] = np.full_like(weights['depth_head.conv3.bias'], bias)
        save(path, weights, info)
        row(f'{end} end of the range', '100%', path, replaced, indoor, overwrite=True)
    path = write(tmp_path / 'rgb.safetensors', inputs=('rgb',), bins=3)
    row('of rgb', 'rgb.safetensors', path, of=indoor)
    sizes = {'dim': 48, 'layers': 4, 'heads': 3, 'features': 8, 'temporal_features': 8}
    path = write(tmp_path / 'hybrid.safetensors', architecture='dpt_hybrid', settings=sizes)
    row('without batch norm', 'hybrid.safetensors', path, of=indoor)

    # Options and outputs.
    row('neither config nor recordings', 'one of the two')
    row('no target', 'target', of=config())
    row('planes 0', 'planes', recordings=tmp_path, planes=0)
    row('a batch of one', 'batch_size', of=indoor, batch_size=1)
    (tmp_path / 'file').touch()
    row('below a file', 'file', out=tmp_path / 'file' / 'x.safetensors', of=indoor)
    for name in ('model', 'model.json', 'model.safetensors'):
        row(f'to {name}', 'out', out=tmp_path / name, of=indoor)
    row('over a file', 'replaced.safetensors', out=replaced, of=indoor)
    refusals('adabn', rows, (CheckpointError, ConfigError, DataSetError))

    ended = command('adabn', '--checkpoint', checkpoint, '--recordings', tmp_path / 'still.dat',
                    '--size', '48x32', '--rate_hz', 40, '--out', tmp_path / 'new.safetensors',
                    '--device', 'cpu')  # fmt: skip
    assert (ended.returncode, ended.stderr.count('\n')) == (1, 1)
