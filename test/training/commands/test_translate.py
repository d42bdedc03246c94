# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures and recordings in another look, by a translator."""

import numpy as np
import pytest
import torch
from PIL import Image

from kit import checkpoints, readable
from kit.pictures import picture
from spike_depth_ros.checkpoint import CheckpointError, save
from spike_depth_ros.networks.registry import weights_of
from spike_training.commands.translate import translate
from spike_training.datasets import readers
from spike_training.errors import ConfigError, DataSetError

HEIGHT, WIDTH = 24, 40


def darker(path, **fields):
    """A translator that takes 0.25 off each channel."""
    info = checkpoints.info('translation', size=(HEIGHT, WIDTH), **fields)
    network = checkpoints.network(info)
    torch.nn.init.constant_(network.change.bias, -0.25)
    save(path, weights_of(network), info)
    return path


@pytest.fixture
def nir(tmp_path):
    root = readable.folder(tmp_path / 'set', number=3)
    for k in range(3):
        picture(root / f'right/{k:05d}.png', 100 + k)
    return f'{root},modality=nir,depth=none'


def shown(path):
    with Image.open(path) as image:
        return np.array(image)


def test_pictures_are_changed_and_read_again(tmp_path, nir, capsys):
    checkpoint = darker(tmp_path / 'nir.safetensors', takes='nir')
    out = tmp_path / 'out'
    translate(checkpoint, {'folder': nir}, out, every=2)
    assert 'folder/set: 2 pictures\n' in capsys.readouterr().out
    folder = out / 'folder/set'
    assert sorted(path.name for path in (folder / 'images').iterdir()) == [
        '000000.png', '000002.png',
    ]  # fmt: skip
    (before,) = readers.read('folder', nir)
    (after,) = readers.read('folder', f'{folder},depth=none')
    assert after.image(1).shape == (HEIGHT, WIDTH, 3)
    expected = np.clip(before.image(2).astype(int) - 64, 0, 255)
    assert abs(after.image(1).astype(int) - expected).max() <= 1
    np.testing.assert_allclose(after.camera, before.camera, rtol=1e-6)


def test_the_right_camera_of_a_pair(tmp_path, nir):
    checkpoint = darker(tmp_path / 'nir.safetensors', takes='nir')
    pair = nir.replace('modality', 'right=right,baseline=0.1,right_modality')
    with pytest.raises(DataSetError, match=r'pictures of colour, and the translator takes nir'):
        translate(checkpoint, {'folder': pair}, tmp_path / 'left')
    assert not (tmp_path / 'left').exists()
    translate(checkpoint, {'folder': pair}, tmp_path / 'out', camera='right')
    assert shown(tmp_path / 'out/folder/set/images/000001.png')[5, 5].tolist() == [37, 0, 0]


def test_recordings_are_pictures_of_their_rates(tmp_path):
    """Half the pixels fire in each plane: those of the mean rate are at half the brightness."""
    rows = np.zeros((160, 20, 40), bool)
    rows[:, :, ::2] = True
    np.savez(tmp_path / 'a.npz', packed=np.packbits(rows, axis=-1, bitorder='little'),
             width=40, rate_hz=20_000.0)  # fmt: skip
    checkpoint = darker(tmp_path / 'rates.safetensors')
    translate(checkpoint, {'npz': f'{tmp_path},fx=30'}, tmp_path / 'out', planes=64)
    found = sorted((tmp_path / 'out').rglob('*.png'))
    assert [path.name for path in found] == ['000000.png', '000001.png']
    with pytest.raises(DataSetError, match='160 planes: expected 200 or more, see --planes'):
        translate(checkpoint, {'npz': f'{tmp_path},fx=30'}, tmp_path / 'more', planes=200)


def test_no_file_is_overwritten(tmp_path, nir):
    checkpoint = darker(tmp_path / 'nir.safetensors', takes='nir')
    (tmp_path / 'out').mkdir()
    with pytest.raises(ConfigError, match='out, which exists'):
        translate(checkpoint, {'folder': nir}, tmp_path / 'out')
    with pytest.raises(ConfigError, match='no data set is given'):
        translate(checkpoint, {}, tmp_path / 'new')


def test_a_checkpoint_of_another_task_is_refused(tmp_path, nir):
    path = checkpoints.checkpoint(tmp_path / 'depth.safetensors')
    with pytest.raises(CheckpointError, match=r'translation') as error:
        translate(path, {'folder': nir}, tmp_path / 'out')
    assert '\n' not in str(error.value)


def test_pictures_of_another_size_are_refused(tmp_path, nir):
    info = checkpoints.info('translation', size=(256, 384), takes='nir')
    path = tmp_path / 'large.safetensors'
    save(path, weights_of(checkpoints.network(info)), info)
    with pytest.raises(DataSetError, match=r'40x24 pixels, .* learnt on 384x256: expected a size'):
        translate(path, {'folder': nir}, tmp_path / 'out')


def test_pictures_that_cannot_be_read_are_counted(tmp_path, nir, capsys):
    checkpoint = darker(tmp_path / 'nir.safetensors', takes='nir')
    path = tmp_path / 'set/images/00001.png'
    path.write_bytes(path.read_bytes()[:40])
    translate(checkpoint, {'folder': nir}, tmp_path / 'out')
    assert '2 pictures, 1 left out' in capsys.readouterr().out
    (tmp_path / 'set/images/00002.png').write_bytes(b'no picture')
    with pytest.raises(DataSetError, match='2 of 3 frames cannot be used'):
        translate(checkpoint, {'folder': nir}, tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_a_missing_right_camera_is_named(tmp_path, nir):
    checkpoint = darker(tmp_path / 'nir.safetensors', takes='nir')
    with pytest.raises(DataSetError, match='has no right camera'):
        translate(checkpoint, {'folder': nir}, tmp_path / 'out', camera='right')
