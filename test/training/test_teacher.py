# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The foundation model of depth in a local folder, and every folder that is none."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kit.datasets import make_teacher
from spike_training.errors import ConfigError, DataSetError, FrameError
from spike_training.teacher import Teacher, find_teacher

pytestmark = pytest.mark.usefixtures('one_thread')
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp('teacher'))


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / 'model')


def picture(height=40, width=64):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('metric', [False, True])
def test_values_are_those_of_the_pipeline(tmp_path, metric):
    import transformers

    folder = make_teacher(tmp_path / 'model', seed=1, metric=metric)
    files = find_teacher(folder, 'Apache-2.0')
    assert files.relative is not metric
    expected = transformers.pipeline('depth-estimation', model=str(folder), device='cpu')(
        Image.fromarray(picture())
    )['predicted_depth']
    found = Teacher(files, CPU)(picture())
    assert (found.dtype, found.shape) == (np.float32, (40, 64))
    np.testing.assert_array_equal(found, expected.clamp_min(0).numpy())


def test_weights_in_several_files_are_the_same_model(made, tmp_path):
    import transformers

    model = transformers.DepthAnythingForDepthEstimation.from_pretrained(made)
    model.save_pretrained(tmp_path, max_shard_size='100KB')
    shutil.copy(made / 'preprocessor_config.json', tmp_path)
    whole, parts = (find_teacher(one, 'Apache-2.0') for one in (made, tmp_path))
    assert len(parts.weights) > 1
    assert parts.sha256() != whole.sha256()
    np.testing.assert_array_equal(*(Teacher(one, CPU)(picture()) for one in (whole, parts)))


def test_no_weight_learns_and_none_is_of_half_precision(folder):
    model = Teacher(find_teacher(folder, 'Apache-2.0'), CPU).model
    assert not model.training
    assert {(one.requires_grad, one.dtype) for one in model.parameters()} == {
        (False, torch.float32)
    }


@pytest.mark.parametrize('size', [(1, 1), (1, 2), (2, 1), (3, 5), (3, 3)])
def test_the_smallest_pictures(made, size):
    found = Teacher(find_teacher(made, 'Apache-2.0'), CPU)(picture(*size))
    assert found.shape == size
    assert np.isfinite(found).all()


def test_rows_are_not_taken_for_channels(made):
    teacher = Teacher(find_teacher(made, 'Apache-2.0'), CPU)
    wide = picture(3, 6)
    np.testing.assert_array_equal(teacher(wide), teacher(np.asfortranarray(wide)))
    seen = teacher.processor(images=wide, input_data_format='channels_last')['pixel_values'][0]
    assert seen.shape[-1] > seen.shape[-2]


@pytest.mark.parametrize(
    ('licence', 'non_commercial'),
    [
        ('Apache-2.0', False),
        ('CC-BY-NC-4.0', True),
        ('cc-by-nc-sa-4.0', True),
        ('research, non-commercial', True),
        ('MIT', False),
    ],
)
def test_licences(folder, licence, non_commercial):
    files = find_teacher(folder, f' {licence} ')
    assert (files.licence, files.non_commercial) == (licence, non_commercial)


def change(folder, **values):
    path = folder / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def cut(folder):
    path = folder / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-100])


def without_a_tensor(folder):
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / 'model.safetensors')
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, folder / 'model.safetensors', {'format': 'pt'})


def without_numbers(folder):
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / 'model.safetensors')
    nothing = {name: torch.full_like(value, torch.nan) for name, value in tensors.items()}
    save_file(nothing, folder / 'model.safetensors', {'format': 'pt'})


def of_backbone(folder, **changes):
    backbone = json.loads((folder / 'config.json').read_text())['backbone_config']
    change(folder, backbone_config=backbone | changes)


def of_pictures(folder, **changes):
    path = folder / 'preprocessor_config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def of_another_size(folder):
    backbone = json.loads((folder / 'config.json').read_text())['backbone_config']
    change(folder, backbone_config=backbone | {'num_hidden_layers': 5})


def test_folders_that_are_no_model_are_refused(refusals, made, tmp_path, monkeypatch):
    rows = {}

    def row(name, named, spoil=lambda folder: None, licence='Apache-2.0'):
        folder = shutil.copytree(made, tmp_path / str(len(rows)) / 'model')
        spoil(folder)
        rows[name] = named, functools.partial(find_teacher, folder, licence)

    def text(file, content):
        return lambda folder: (folder / file).write_text(content)

    def without(file):
        return lambda folder: (folder / file).unlink()

    for licence in ('', '  ', 'a\nb'):
        row(f'licence {licence!r}', 'licence', licence=licence)
    row('no folder', 'model', shutil.rmtree)
    row('no config.json', 'config.json', without('config.json'))
    row('config.json of brackets', 'config.json', text('config.json', '[' * 9999))
    row('config.json of a list', 'model type', text('config.json', '[]'))
    row('another model', 'model type', lambda folder: change(folder, model_type='dpt'))
    row('no backbone', 'backbone', lambda folder: change(folder, backbone_config=None))
    file = 'preprocessor_config.json'
    row('no processor', file, without(file))
    row('no weights', 'no weights', without('model.safetensors'))
    row('pickled weights', 'pytorch_model.bin', lambda folder: (
        (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')
    ))  # fmt: skip
    monkeypatch.chdir(tmp_path)
    hub = Path('depth-anything/Depth-Anything-V2-Small-hf')
    call = functools.partial(find_teacher, hub, 'Apache-2.0')
    rows['a name of the hub'] = 'nothing is downloaded by name', call
    refusals('teacher', rows, ConfigError)


def test_damaged_models_are_refused(refusals, made, tmp_path):
    rows = {}

    def row(name, named, spoil=lambda folder: None, **changes):
        folder = shutil.copytree(made, tmp_path / str(len(rows)) / 'model')
        spoil(folder)
        change(folder, **changes)

        def call():
            files = find_teacher(folder, 'Apache-2.0')  # of which the weights are not read
            return Teacher(files, CPU)

        rows[name] = named, call

    def text(file, content):
        return lambda folder: (folder / file).write_text(content)

    row('cut weights', 'model', cut)
    row('empty weights', 'model', text('model.safetensors', ''))
    row('cut settings of pictures', 'model', text('preprocessor_config.json', '{'))
    row('a tensor less', 'config.json', without_a_tensor)
    row('another number of layers', 'config.json', of_another_size)
    for name, value in (('head_hidden_size', 9), ('head_hidden_size', 'wide'),
                        ('head_in_index', 99), ('patch_size', 0)):  # fmt: skip
        row(f'{name} {value}', 'model', **{name: value})
    row('weights of NaN', 'finite', without_numbers)
    row('a million layers', 'num_hidden_layers',
        lambda folder: of_backbone(folder, num_hidden_layers=10**6))  # fmt: skip
    for name, named, changes in (
        ('two means', 'three numbers', {'image_mean': [0.5, 0.5]}),
        ('a deviation of 0', 'above 0', {'image_std': [0, 1, 1]}),
        ('no pixels', 'model', {'size': {'height': 0, 'width': 0}}),
        ('multiples of 0', 'model', {'ensure_multiple_of': 0}),
    ):
        row(name, named, functools.partial(of_pictures, **changes))
    whole = Teacher(find_teacher(made, 'Apache-2.0'), CPU)
    rows['a picture of 3x200'] = '200x3', functools.partial(whole, picture(3, 200))
    of_libraries = {
        r'(model: cannot be used: )(?!weights|its|config|preproc).*': r'\1<why, of a library>',
        r'(weights do not fit config.json: \w+) .*': r'\1 <tensor>',
        r'(pixels do not fit the model: ).*': r'\1<why, of transformers>',
        r'at most \d+ for these weights': 'at most N for these weights',
    }
    refusals('teacher_model', rows, (DataSetError, FrameError), of_libraries)


def test_no_code_of_the_folder_is_run(folder, tmp_path):
    (folder / 'evil.py').write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    of_pictures(
        folder,
        auto_map={'AutoImageProcessor': 'evil.Evil'},
        image_processor_type='Evil',
    )
    change(folder, auto_map={'AutoModelForDepthEstimation': 'evil.Evil'})
    Teacher(find_teacher(folder, 'Apache-2.0'), CPU)
    assert not (tmp_path / 'ran').exists()


def test_weights_that_are_written_to_meanwhile_change_nothing(folder):
    teacher = Teacher(find_teacher(folder, 'Apache-2.0'), CPU)
    image = np.random.default_rng(0).integers(0, 256, (70, 70, 3), np.uint8)
    before = teacher(image)
    path = folder / 'model.safetensors'
    with path.open('r+b') as file:
        file.write(bytes(path.stat().st_size))
    np.testing.assert_array_equal(teacher(image), before)
