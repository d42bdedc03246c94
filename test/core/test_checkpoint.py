# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import hashlib
import importlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save as serialise

from kit import checkpoints
from kit.programs import largest_file
from spike_depth_ros.base import unshared_files
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.checkpoint import (
    ALL_SHIPPED,
    MAX_METADATA_BYTES,
    METADATA_KEY,
    SHIPPED,
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    hash_weights,
    load,
    load_info,
    load_with_correction,
    onnx_path,
    save,
)
from spike_depth_ros.estimator import DepthEstimator, ImageEstimator
from spike_depth_ros.runtime import onnx
from spike_depth_ros.runtime.onnx import OnnxBackend
from spike_depth_ros.stereo.network import StereoNetwork
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.tasks.base import (
    FORMAT_VERSION,
    OPTIONAL,
    TASKS,
    CheckpointInfo,
    SpikeInfo,
    TaskKind,
)
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.upsample import UpsampleInfo

INFO = DepthInfo(
    architecture='dpt_tiny',
    settings={'dim': 24, 'grid': (2, 3)},
    planes=128,
    planes_range=(16, 1280),
    bins=32,
    rate_hz_range=(10_000.0, 40_000.0),
    min_depth=0.5,
    max_depth=50.0,
    canonical_fx=400.0,
    fx_range=(200.0, 800.0),
    stage='random',
    package_version='0.1.0',
    datasets={'procedural': 'CC0-1.0'},
    metrics={'abs_rel': 0.25},
)
TENSORS = {
    'b.weight': np.arange(6, dtype=np.float16).reshape(2, 3),
    'a.batches': np.array(7, dtype=np.int64),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'model.safetensors'
    save(path, TENSORS, INFO)
    return path


def with_metadata(path, **changes):
    """The saved file again, with other metadata; 'absent' takes a field away."""
    path.write_bytes(content_with(load_info(path), **changes))
    return path


def content_with(info, **changes):
    """Content of a file whose metadata have other fields; 'absent' takes one away."""
    fields = json.loads(info.to_json()) | changes
    fields = {name: value for name, value in fields.items() if value != 'absent'}
    return serialise(TENSORS, {METADATA_KEY: json.dumps(fields)})


def numbered(folder, rows):
    """Path of the file of the next row."""
    (folder / str(len(rows))).mkdir()
    return folder / str(len(rows)) / 'model.safetensors'


def test_round_trip_keeps_every_field_and_tensor(saved):
    info, tensors = load(saved)
    assert info == dataclasses.replace(
        INFO, settings={'dim': 24, 'grid': [2, 3]}, weights_sha256=hash_weights(TENSORS)
    )
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert tensors[name].shape == value.shape
        np.testing.assert_array_equal(tensors[name], value)


def correction():
    faulty = np.zeros((20, 30), bool)
    faulty[4, 5] = True
    return SensorCorrection(faulty, np.full((20, 30), 1.5), np.full((20, 30), 99.0))


def test_a_correction_is_read_back_and_kept_apart_from_the_weights(saved):
    info = save(saved, TENSORS, INFO, correction())
    assert info.weights_sha256 != hash_weights(TENSORS)
    _, tensors, found = load_with_correction(saved)
    assert tensors.keys() == load(saved)[1].keys() == TENSORS.keys()
    for name in ('faulty', 'gain', 'dark'):
        np.testing.assert_array_equal(getattr(found, name), getattr(correction(), name))
    save(saved, TENSORS, INFO)
    assert load_with_correction(saved)[2] is None


CORRECTIONS = {
    'gain of another size': {'gain': np.ones((20, 31), np.float16)},
    'gain of 0': {'gain': np.zeros((20, 30), np.float16)},
    'dark that is NaN': {'dark': np.full((20, 30), np.nan, np.float16)},
    'dark of another type': {'dark': np.ones((20, 30), np.float32)},
    'measured of another type': {'measured': np.zeros(2)},
    'measured missing': {'measured': None},
    'one too many': {'other': np.zeros(2)},
}


def test_malformed_corrections_are_refused(tmp_path, refusals):
    paths, rows = {}, {}
    for name, changes in CORRECTIONS.items():
        tensors = {**TENSORS, **correction().tensors()}
        tensors |= {f'sensor.{one}': value for one, value in changes.items()}
        paths[name] = path = numbered(tmp_path, rows)
        save(path, {one: value for one, value in tensors.items() if value is not None}, INFO)
        rows[name] = next(iter(changes)), functools.partial(load_with_correction, path)
    path = numbered(tmp_path, rows)
    save(path, TENSORS, dataclasses.replace(INFO, sensor_size=(20, 31)), correction())
    rows['of another sensor'] = '31x20', functools.partial(load_with_correction, path)
    path = numbered(tmp_path, rows)
    save(path, TENSORS, UPSAMPLE, correction())
    rows['of a task without a sensor'] = 'upsample', functools.partial(load, path, UpsampleInfo)
    refusals('sensor_correction', rows, CheckpointError)
    for path in paths.values():
        with pytest.raises(CheckpointError, match='sensor correction: '):
            load(path)


def test_metadata_text_is_frozen():
    """A change here is a change of the format: raise FORMAT_VERSION, and read the old one."""
    digest = hashlib.sha256(INFO.to_json().encode()).hexdigest()
    assert (FORMAT_VERSION, digest[:16]) == (1, '2172b41bc683fe49')


def test_the_same_content_gives_the_same_bytes(saved, tmp_path):
    again = tmp_path / 'again.safetensors'
    save(again, dict(reversed(TENSORS.items())), INFO)
    assert again.read_bytes() == saved.read_bytes()


def test_hash_sees_name_type_shape_and_value():
    base = {'w': np.zeros((2, 3), np.float16)}
    others = [
        {'v': base['w']},
        {'w': base['w'].astype(np.float32)},
        {'w': base['w'].reshape(3, 2)},
        {'w': base['w'] + np.float16(1)},
    ]
    hashes = {hash_weights(tensors) for tensors in [base, *others]}
    assert len(hashes) == 5


def test_save_replaces_as_a_whole_and_leaves_nothing_behind(saved, monkeypatch):
    before = saved.read_bytes()

    def full(handle):
        raise OSError('no space left')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='no space'):
        save(saved, TENSORS, dataclasses.replace(INFO, planes=64))
    assert saved.read_bytes() == before
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_file_that_the_disk_does_not_take_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match=r'a\.json') as caught, largest_file(100):
        write_atomically(tmp_path / 'a.json', bytes(1000))
    assert caught.value.filename == str(tmp_path / 'a.json')
    assert not [*tmp_path.iterdir()]


def test_saved_file_is_readable_by_others(saved):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o644


@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_anywhere_is_refused(tmp_path_factory, share):
    path = tmp_path_factory.mktemp('cut') / 'model.safetensors'
    save(path, TENSORS, INFO)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r'model\.safetensors: truncated or not') as caught:
        load_info(path)
    assert '\n' not in str(caught.value)


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path_factory, position, flip):
    path = tmp_path_factory.mktemp('flip') / 'model.safetensors'
    save(path, TENSORS, INFO)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= flip
    path.write_bytes(content)
    try:
        _, tensors = load(path)
    except CheckpointError:
        return
    # The byte was in a note of the metadata.
    assert hash_weights(tensors) == hash_weights(TENSORS)


def test_a_damaged_weight_is_refused_by_its_hash(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    load_info(saved)
    with pytest.raises(CheckpointError, match=r'\(field weights_sha256\): the file is damaged'):
        load(saved)


def test_a_long_value_is_shortened_in_the_message(saved):
    with_metadata(saved, scale='x' * 10_000)
    with pytest.raises(CheckpointError, match='field scale is') as caught:
        load_info(saved)
    assert len(str(caught.value)) < 300 + len(str(saved))


BAD_FIELDS = [
    ('format_version', 0),
    ('inputs', []),
    ('outputs', 'depth'),
    ('outputs', ['depth']),
    ('architecture', ''),
    ('settings', [1]),
    ('planes', 0),
    ('planes', True),
    ('planes_range', [1280, 16]),
    ('bins', 1.5),
    ('bins', 10**9),
    ('planes', 10**9),
    ('settings', {'pool': 0}),
    ('settings', {'pool': 17}),
    ('settings', {'pool': True}),
    ('bins', 100_000),
    ('settings', {'dim': 100_000}),
    ('settings', {'heads': -1}),
    ('settings', {'stem': 10**30}),
    ('settings', {'dim': 12 * 10**6}),
    ('settings', {'blocks': 10**6}),
    ('settings', {'grid': [10**5, 10**5]}),
    ('settings', {'grid': [16, 10**9]}),
    ('settings', {'scale': float('nan')}),
    ('rate_hz_range', [20000.0]),
    ('bit_mapping', 'sign'),
    ('sensor_size', [250]),
    ('reference_plane', 'centre'),
    ('min_depth', -1.0),
    ('min_depth', 50.0),
    ('max_depth', '80'),
    ('canonical_fx', 0.0),
    ('fx_range', None),
    ('uncertainty_factor', 0.0),
    ('uncertainty_powers', [0.0]),
    ('uncertainty_powers', [0.0, 0.0]),
    ('uncertainty_powers', [float('nan'), 1.0]),
    ('uncertainty_powers', [5.0, 1.0]),
    ('uncertainty_powers', [True, '1']),
    ('uncertainty_calibrated', 1),
    ('scale', 'yards'),
    ('stage', None),
    ('datasets', {'kitti': None}),
    ('metrics', {'abs_rel': 'good'}),
    ('metrics', {'psnr': float('inf')}),
    ('metrics', {'abs_rel': float('nan')}),
    ('package_version', 1),
    ('commit', ''),
    ('weights_sha256', 'abc'),
    ('onnx_sha256', 7),
]


def test_bad_metadata_are_refused(tmp_path, saved, refusals):
    """A field that is wrong, missing or unknown is named; so is what is no checkpoint."""
    info, rows = load_info(saved), {}

    def row(name, named, content):
        path = numbered(tmp_path, rows)
        path.write_bytes(content)
        rows[name] = named, functools.partial(load_info, path)

    def stored(**changes):
        return content_with(info, **changes)

    absent = tmp_path / 'none.safetensors'
    rows['no file'] = str(absent), functools.partial(load_info, absent)
    rows['a folder'] = str(tmp_path), functools.partial(load_info, tmp_path)
    row('of another program', '.safetensors', serialise(TENSORS, {'format': 'pt'}))
    row('no JSON', '.safetensors', serialise(TENSORS, {METADATA_KEY: '{"task": '}))
    deep = '[' * 100_000 + ']' * 100_000
    row('nested too deeply', '.safetensors', serialise(TENSORS, {METADATA_KEY: deep}))
    row('above the limit', '.safetensors', stored(commit='x' * MAX_METADATA_BYTES))
    # Before its fields are judged.
    row('of a newer format', 'format_version', stored(format_version=FORMAT_VERSION + 1, new=1))
    row('an unknown field', 'novelty', stored(novelty=1))
    for task in ('flow', '', None, ['depth']):
        row(f'task {task!r}', 'field task', stored(task=task, max_flow=9.0, min_depth='absent'))
    row('no planes', 'planes', stored(planes='absent'))
    for name, value in BAD_FIELDS:
        # Of a lower bound above the upper one the upper one is named.
        named = 'max_depth' if (name, value) == ('min_depth', 50.0) else name
        row(f'{name} {value!r}', f'safetensors: field {named}', stored(**{name: value}))
    for kind, size in (('BF16', 2), ('F8_E4M3', 1)):  # numpy has neither
        header = {
            '__metadata__': {METADATA_KEY: INFO.to_json()},
            'a.weight': {'dtype': kind, 'shape': [4], 'data_offsets': [0, 4 * size]},
        }
        text = json.dumps(header).encode()
        row(f'weights of {kind}', kind, len(text).to_bytes(8, 'little') + text + bytes(4 * size))
        rows[f'weights of {kind}'] = (
            kind,
            functools.partial(load, *rows[f'weights of {kind}'][1].args),
        )
    flow = functools.partial(dataclasses.replace, INFO, task='flow')
    rows['depth as another task'] = 'field task', flow
    unknown = functools.partial(load_info, find_checkpoint('unet_light'))
    rows['a name that is not shipped'] = 'unet_light', unknown
    refusals('checkpoint', rows, CheckpointError)


@pytest.mark.parametrize('task', TASKS)
def test_each_field_that_is_missing_or_of_another_type_is_named(task):
    good = json.loads(checkpoints.info(task).to_json())
    for field in dataclasses.fields(TASKS[task].info):
        others = [{**good, field.name: value} for value in ([[1]], -1.5)]
        if not field.metadata.get(OPTIONAL):
            others.append({name: one for name, one in good.items() if name != field.name})
        for bad in others:
            with pytest.raises(CheckpointError, match=rf'field {field.name}\b'):
                CheckpointInfo.from_json(json.dumps(bad))


def test_a_field_that_came_later_is_stored_only_if_set():
    assert 'uncertainty_powers' not in INFO.to_json()
    other = dataclasses.replace(INFO, uncertainty_powers=(0.1, 0.9))
    assert DepthInfo.from_json(INFO.to_json()).uncertainty_powers == (0.0, 1.0)
    assert DepthInfo.from_json(other.to_json()).uncertainty_powers == (0.1, 0.9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowInfo(SpikeInfo):
    task: str = 'flow'
    outputs: tuple[str, ...] = ('flow',)
    max_flow: float


@pytest.fixture
def saved_flow(monkeypatch, tmp_path):
    """A checkpoint of another task, which this version knows."""
    monkeypatch.setitem(TASKS, 'flow', TaskKind('flow', FlowInfo, ('dpt_tiny',), ('flow',)))
    common = {
        field.name: getattr(INFO, field.name)
        for field in dataclasses.fields(SpikeInfo)
        if field.name not in ('task', 'outputs')
    }
    path = tmp_path / 'flow.safetensors'
    save(path, TENSORS, FlowInfo(**common, max_flow=9.0))
    return path


def test_another_task_has_the_common_fields_and_its_own(saved_flow):
    for kind in (FlowInfo, SpikeInfo, CheckpointInfo):
        info, tensors = load(saved_flow, kind)
        assert isinstance(info, FlowInfo)
        assert (info.task, info.outputs, info.max_flow, info.planes) == ('flow', ('flow',), 9, 128)
        assert tensors.keys() == TENSORS.keys()
    fields = json.loads(info.to_json())
    assert 'max_flow' in fields
    assert 'min_depth' not in fields


UPSAMPLE = UpsampleInfo(
    architecture='any',
    settings={'width': 8},
    factors=(2, 4, 8, 16),
    stage='random',
    package_version='0.1.0',
)


@pytest.fixture
def saved_upsample(tmp_path):
    """A checkpoint of a task without spikes."""
    path = tmp_path / 'upsample.safetensors'
    save(path, TENSORS, UPSAMPLE)
    return path


@pytest.mark.parametrize('changes', [{}, {'inputs': ('depth', 'rgb'), 'factors': (8,)}])
def test_a_task_without_spikes_has_no_field_of_theirs(saved_upsample, changes):
    save(saved_upsample, TENSORS, dataclasses.replace(UPSAMPLE, **changes))
    info, tensors = load(saved_upsample, UpsampleInfo)
    expected = dataclasses.replace(UPSAMPLE, **changes, weights_sha256=hash_weights(TENSORS))
    assert load_info(saved_upsample, CheckpointInfo) == info == expected
    assert tensors.keys() == TENSORS.keys()
    own = {field.name for field in dataclasses.fields(SpikeInfo)}
    own -= {field.name for field in dataclasses.fields(CheckpointInfo)}
    assert 'planes' in own
    assert not own & json.loads(info.to_json()).keys()


def test_bad_metadata_of_a_task_without_spikes_are_refused(tmp_path, refusals):
    rows = {}
    bad = [('inputs', ['rgb', 'depth']), ('inputs', ['spikes'])]
    bad += [('outputs', ['depth', 'uncertainty'])]
    factors = ([], 4, [3], [1, 2], [32], [4, 2], [2, 2], [2.0], ['2'], [[2]])
    bad += [('factors', value) for value in factors]
    bad += [(name, 'absent') for name in ('factors', 'inputs', 'outputs')]
    for name, value in bad:
        path = numbered(tmp_path, rows)
        path.write_bytes(content_with(UPSAMPLE, **{name: value}))
        rows[f'{name} {value!r}'] = (
            f'field {name}',
            functools.partial(load_info, path, UpsampleInfo),
        )
    refusals('checkpoint_upsample', rows, CheckpointError)


def test_a_checkpoint_of_another_task_is_refused(saved, saved_flow, saved_upsample, refusals):
    spikes = functools.partial(load, kind=SpikeInfo)
    rows = {}
    for path, readers in (
        (saved_flow, {'depth': (load_info, load, DepthEstimator.from_checkpoint)}),
        (
            saved_upsample,
            {
                'depth': (load_info, load, DepthEstimator.from_checkpoint),
                'image': (ImageEstimator.from_checkpoint,),
                'stereo': (StereoNetwork.from_checkpoint,),
                'any of spikes': (spikes,),
            },
        ),
        (saved, {'upsample': (functools.partial(load, kind=UpsampleInfo),)}),
    ):
        for wanted, calls in readers.items():
            for number, read in enumerate(calls):
                row = f'{path.stem} as {wanted} {number}'
                rows[row] = f'{path}: field task', functools.partial(read, path)
    refusals('checkpoint_task', rows, CheckpointError)


def metadata_of(path):
    if path.suffix == '.onnx':
        session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        return session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    with safe_open(path, framework='numpy') as file:
        return file.metadata()[METADATA_KEY]


@pytest.mark.parametrize('name', ALL_SHIPPED)
def test_the_shipped_metadata_are_written_as_they_were_read(name):
    path = find_checkpoint(name)
    for file in (path, onnx_path(path)):
        text = metadata_of(file)
        info = CheckpointInfo.from_json(text)
        assert (type(info), info.to_json()) == (TASKS[info.task].info, text)


@pytest.mark.parametrize('name', ALL_SHIPPED)
def test_a_shipped_file_is_saved_with_the_bytes_it_has(name, tmp_path):
    path = find_checkpoint(name)
    info, weights, correction = load_with_correction(path, CheckpointInfo)
    save(tmp_path / path.name, weights, info, correction)
    assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_the_shipped_checkpoint_says_what_it_is():
    info, tensors = load(default_checkpoint())
    assert (info.architecture, info.stage, info.scale) == ('unet_lite', 'bicross', 'metric')
    assert info.planes_range == (32, 512)
    assert 2e6 <= sum(value.size for value in tensors.values()) <= 4e6


@pytest.mark.parametrize('name', SHIPPED)
def test_a_shipped_model_is_found_by_its_name(name):
    path = find_checkpoint(name)
    info = load_info(path)
    assert info.architecture == name
    assert info.uncertainty_calibrated
    licences = set(info.datasets.values())
    if 'rendered' in info.datasets:
        # CC BY: whoever has the file has the names of the authors too.
        licences.remove(info.datasets['rendered'])
        named = re.search(r'by the authors in (\S+)', info.datasets['rendered'])[1]
        assert 'CC BY 3.0' in (path.parent / named).read_text()
    assert licences == {'Apache-2.0'}
    for file in (path, onnx_path(path)):
        assert file.stat().st_size <= 8 * 2**20


def test_a_checkpoint_is_a_file_unless_it_is_a_shipped_name(tmp_path):
    assert default_checkpoint() == find_checkpoint('') == find_checkpoint(SHIPPED[0])
    assert find_checkpoint(tmp_path / SHIPPED[0]) == tmp_path / SHIPPED[0]


def test_the_multiple_of_the_input_follows_from_the_pixels_averaged_first():
    info = load_info(default_checkpoint())
    for settings, multiple in (({}, 16), ({'pool': 1}, 16), ({'pool': 4}, 64)):
        assert dataclasses.replace(info, settings=settings).multiple == multiple
    with pytest.raises(CheckpointError, match=r'settings\.pool'):
        _ = dataclasses.replace(info, settings={'pool': 'two'}).multiple


LOADS = """
import sys, time
from spike_depth_ros.checkpoint import CheckpointError, load
whole = refused = 0
load(sys.argv[1])
print('begins', flush=True)
until = time.monotonic() + 2
while time.monotonic() < until:
    try:
        load(sys.argv[1])
        whole += 1
    except CheckpointError as error:
        assert '\\n' not in str(error)
        refused += 1
print(whole, refused)
"""


def test_a_checkpoint_that_is_written_meanwhile_ends_no_process(tmp_path):
    path = tmp_path / 'model.safetensors'
    content = default_checkpoint().read_bytes()
    path.write_bytes(content)
    assert path.stat().st_size > 7_000_000
    reader = subprocess.Popen(
        [sys.executable, '-c', LOADS, str(path)], stdout=subprocess.PIPE, text=True
    )
    reader.stdout.readline()
    while reader.poll() is None:  # as cp does
        path.write_bytes(content)
        time.sleep(0.002)
    assert reader.returncode == 0
    assert sum(map(int, reader.stdout.read().split())) > 1


def test_an_export_that_is_replaced_while_it_is_loaded_is_that_which_was_compared(
    tmp_path, monkeypatch
):
    path = tmp_path / 'model.safetensors'
    for copied in (path, onnx_path(path)):
        shutil.copy(default_checkpoint().with_suffix(copied.suffix), copied)
    export, other = onnx_path(path), onnx_path(default_checkpoint().with_stem('recon_lite'))

    def compared(*given):
        check(*given)
        shutil.copy(other, export)

    check = onnx._check_export
    monkeypatch.setattr(onnx, '_check_export', compared)
    for largest in (unshared_files.MAX_READ_BYTES, 0):  # in memory, and by a copy
        monkeypatch.setattr(unshared_files, 'MAX_READ_BYTES', largest)
        shutil.copy(onnx_path(default_checkpoint()), export)
        OnnxBackend(export, load_info(path)).close()


@pytest.mark.parametrize('kind', ['safetensors', 'onnx'])
def test_of_a_large_file_a_private_copy_is_read_and_its_size_told(
    tmp_path, monkeypatch, capsys, kind
):
    expected = load(default_checkpoint())
    monkeypatch.setattr(unshared_files, 'MAX_READ_BYTES', 1_000_000)
    path = default_checkpoint()
    assert load_info(path) == expected[0]
    assert capsys.readouterr().err == ''
    if kind == 'onnx':
        path = onnx_path(path)
        OnnxBackend(path, expected[0]).close()
    else:
        tensors = load(path)[1]
        assert tensors.keys() == expected[1].keys()
        for name, value in tensors.items():
            np.testing.assert_array_equal(value, expected[1][name])
    megabytes = f'{path.stat().st_size / 1e6:.0f} MB'
    assert capsys.readouterr().err == (
        f'{path}: {megabytes}, read from a copy in {tempfile.gettempdir()}\n'
    )
    cut = tmp_path / 'model.safetensors'
    cut.write_bytes(default_checkpoint().read_bytes()[:-100])
    with pytest.raises(CheckpointError, match='truncated or not a'):
        load_info(cut)


def test_metadata_are_still_found_where_they_stood():
    with pytest.warns(UserWarning, match='StereoInfo is in spike_depth_ros.tasks.stereo'):
        from spike_depth_ros.checkpoint import StereoInfo
    assert StereoInfo is TASKS['stereo'].info
    with pytest.raises(ImportError):
        from spike_depth_ros.checkpoint import FlowInfo  # noqa: F401


def test_every_class_that_is_said_to_open_a_task_does():
    for kind in TASKS.values():
        if kind.opened_by:
            module, _, name = kind.opened_by.rpartition('.')
            assert callable(getattr(importlib.import_module(module), name).from_checkpoint)
