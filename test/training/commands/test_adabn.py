# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import functools
from importlib import resources

import numpy as np
import pytest
from tiny_runs import tiny_run
from training_files import write

from spike_depth_ros.checkpoint import CheckpointError, load
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


def test_recordings_of_a_camera(checkpoint, tmp_path):
    folder = tmp_path / 'recordings'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, rate in (('a', 0.1), ('b', 0.6)):
        bits = rng.random((200, 32, 48)) < rate
        np.packbits(bits, axis=2, bitorder='little').tofile(folder / f'{name}.dat')
    for where in (folder, folder / 'a.dat'):
        out = tmp_path / f'{where.stem}.safetensors'
        adabn(checkpoint, out, recordings=where, size='48x32', planes=64, batches=1, batch_size=6,
              device='cpu')  # fmt: skip
        assert all(name.endswith(STATISTICS) for name in changed(checkpoint, out))
    assert changed(tmp_path / 'recordings.safetensors', tmp_path / 'a.safetensors')
    with pytest.raises(DataSetError, match=r'expected a \.dat file, or a folder with some'):
        adabn(checkpoint, tmp_path / 'c.safetensors', recordings=tmp_path / 'nothing')


def test_recordings_of_a_clearly_wrong_size_are_refused(checkpoint, tmp_path):
    sample = resources.files('spike_depth_ros') / 'assets' / 'office.npz'
    np.ascontiguousarray(open_recording(sample).planes[:100]).tofile(tmp_path / 'office.dat')
    with pytest.raises(DataSetError, match=r'expected 100 bytes .* --size 400x250'):
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
