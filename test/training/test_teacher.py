# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The foundation model of depth in a local folder, and every folder that is none."""

import json
import shutil

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


def test_a_picture_of_another_shape_than_any_model_sees(made):
    with pytest.raises(FrameError, match='200x3 pixels do not fit the model'):
        Teacher(find_teacher(made, 'Apache-2.0'), CPU)(picture(3, 200))


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


@pytest.mark.parametrize('licence', ['', '  ', 'a\nb'])
def test_no_licence(folder, licence):
    with pytest.raises(ConfigError, match='licence is not given'):
        find_teacher(folder, licence)


def change(folder, **values):
    path = folder / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def without_weights(folder):
    (folder / 'model.safetensors').unlink()


def pickled(folder):
    (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (shutil.rmtree, 'expected a local folder with'),
        (lambda folder: (folder / 'config.json').unlink(), 'config.json cannot be read'),
        (lambda folder: (folder / 'config.json').write_text('[' * 9999), 'cannot be read'),
        (lambda folder: (folder / 'config.json').write_text('[]'), 'model type is None'),
        (lambda folder: change(folder, model_type='dpt'), "model type is 'dpt'"),
        (lambda folder: change(folder, backbone_config=None), 'no backbone_config'),
        (
            lambda folder: (folder / 'preprocessor_config.json').unlink(),
            'preprocessor_config.json is missing',
        ),
        (without_weights, 'it has no weights'),
        (pickled, 'pytorch_model.bin is pickled and can run code'),
    ],
)
def test_folders_that_are_no_model(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ConfigError, match=message) as error:
        find_teacher(folder, 'Apache-2.0')
    assert '\n' not in str(error.value)


def test_a_name_of_the_hub_is_not_downloaded(tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match='nothing is downloaded by name'):
        find_teacher(Path('depth-anything/Depth-Anything-V2-Small-hf'), 'Apache-2.0')


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


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (cut, 'cannot be used'),
        (lambda folder: (folder / 'model.safetensors').write_bytes(b''), 'cannot be used'),
        (lambda folder: (folder / 'preprocessor_config.json').write_text('{'), 'cannot be used'),
        (without_a_tensor, r'weights do not fit config\.json: missing'),
        (of_another_size, r'weights do not fit config\.json: missing'),
        (lambda folder: change(folder, head_hidden_size=9), 'do not fit|cannot be used'),
        (lambda folder: change(folder, head_hidden_size='wide'), 'cannot be used'),
        (lambda folder: change(folder, head_in_index=99), 'cannot be used'),
        (lambda folder: change(folder, patch_size=0), 'cannot be used'),
        (without_numbers, 'its predictions are not finite, expected trained weights'),
        (
            lambda folder: of_backbone(folder, num_hidden_layers=10**6),
            r'num_hidden_layers is 1000000, expected at most \d+ for these weights',
        ),
        (lambda folder: of_pictures(folder, image_mean=[0.5, 0.5]), 'expected three numbers each'),
        (lambda folder: of_pictures(folder, image_std=[0, 1, 1]), 'the last ones above 0'),
        (lambda folder: of_pictures(folder, size={'height': 0, 'width': 0}), 'cannot be used'),
        (lambda folder: of_pictures(folder, ensure_multiple_of=0), 'cannot be used'),
    ],
)
def test_damaged_models(folder, spoil, message):
    spoil(folder)
    files = find_teacher(folder, 'Apache-2.0')
    with pytest.raises(DataSetError, match=message) as error:
        Teacher(files, CPU)
    assert '\n' not in str(error.value)


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
