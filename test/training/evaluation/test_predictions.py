# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Third-party depth maps get the metrics that a network with the same depth gets."""

import csv
import functools
import json
import math
import tracemalloc
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from kit.checkpoints import checkpoint as write
from kit.clips import Sliding, write_folder
from kit.refusals import leaving
from kit.runs import tiny_run
from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.base.locks import FolderLockError, lock_folder
from spike_depth_ros.checkpoint import load
from spike_depth_ros.io.arrays import encode_png
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_training.commands.evaluate import evaluate as run_evaluate
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.predictions import Predictions
from spike_training.evaluation.predictors import Scenes, build_for_evaluation, network_predictor
from spike_training.run_data.sources import make_source, make_target
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import TargetConfig, to_yaml
from spike_training.settings.reading import load_config

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A checkpoint, a config with a target, and its inputs; the maps of the checkpoint."""
    folder = tmp_path_factory.mktemp('predictions')
    write(folder / 'm.safetensors', uncertainty_factor=1.5)
    config = tiny_run(folder, target=TargetConfig(styles=['road'], rate_hz=10e3))
    config.evaluate.scenes = 4
    (folder / 'c.yaml').write_text(to_yaml(config))
    write_inputs(folder / 'c.yaml', folder / 'inputs')
    predict(folder, 'inputs', 'maps')
    dump(folder, config)
    return folder


def write_inputs(config, out, **settings):
    run_evaluate(config, out, inputs_only=True, device='cpu', **settings)


def predict(folder, inputs, maps):
    """Depth of the inputs as a third party would make it: by the installed library alone."""
    estimator = DepthEstimator.from_checkpoint(folder / 'm.safetensors', 'cpu', 'torch', 1)
    (folder / maps).mkdir()
    for line in lines(folder / inputs):
        found = open_recording(folder / inputs / f'{line["name"]}.npz')
        spikes = packing.unpack(found.planes, found.geometry.width)
        window = Window.from_planes(spikes, found.rate_hz)
        depth = estimator.predict(Observation(window, found.camera_matrix[0, 0]))
        np.savez(
            folder / maps / f'{line["name"]}.npz', depth=depth.depth, uncertainty=depth.uncertainty
        )


def dump(folder, config):
    """Depth of the very batches of the evaluation, in metres of the true focal length."""
    info, weights = load(folder / 'm.safetensors')
    predictor = network_predictor(build_for_evaluation(info, weights, CPU), info)
    (folder / 'dumped').mkdir()
    sources = {f'source_{s}': make_source(config, 'test', CPU, [s]) for s in ('indoor', 'road')}
    sources['target_road'] = make_target(config, 'test', CPU, ['road'])
    for name, source in sources.items():
        for batch in Scenes(source, 4, 2):
            scale = (batch.fx / info.canonical_fx).numpy()[:, None, None]
            depth, half_width = (scale * part for part in predictor(batch))
            for k, number in enumerate(batch.index.tolist()):
                arrays = {'depth': depth[k], 'uncertainty': half_width[k]}
                np.savez(folder / 'dumped' / f'{name}_{number:06d}.npz', **arrays)


def lines(folder):
    with (folder / 'index.csv').open(newline='') as file:
        return [*csv.DictReader(file)]


def maps_of(folder):
    return {path.stem: np.load(path)['depth'] for path in (folder / 'maps').glob('*.npz')}


def evaluate(folder, out, maps=None, **settings):
    """The report on depth maps, or on the checkpoint."""
    if maps is None:
        settings['checkpoint'] = folder / 'm.safetensors'
    run_evaluate(
        folder / 'inputs' / 'config.yaml', out, predictions=maps, device='cpu', **settings
    )
    return json.loads(out.read_text())


def written(maps, out, changed=lambda depth: depth.astype(np.float32)):
    out.mkdir()
    for name, depth in maps.items():
        np.save(out / f'{name}.npy', changed(depth))
    return out


THRESHOLDED = {'ordinal': 1e-4, 'flying_pixels': 2e-3, 'edges_seen': 2e-3}
"""Tolerances of shares of pixels or pairs on one side of a threshold."""


def assert_close(found, expected, tolerance=1e-6, where=''):
    """All that is in both trees is the same; numbers within a tolerance."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        here = f'{where}/{name}'
        if isinstance(value, dict):
            assert_close(found[name], value, tolerance, here)
        elif isinstance(value, list):
            numbered = [dict(enumerate(content)) for content in (found[name], value)]
            assert_close(*numbered, tolerance, here)
        elif isinstance(value, float):
            # The last digits may change the order of two nearly equal depths, and the side of a
            # threshold that a pixel is on.
            limit = max(tolerance, THRESHOLDED.get(name, 0.0))
            assert found[name] == pytest.approx(value, rel=limit, abs=limit), here
        else:
            assert found[name] == value, here


class TestFigures:
    @pytest.mark.parametrize(
        ('maps', 'tolerance'),
        # The library predicts one window at a time, which changes the last digits of floats.
        [('dumped', 1e-6), ('maps', 1e-5)],
    )
    def test_are_those_of_the_checkpoint_that_made_the_maps(
        self, folder, tmp_path, maps, tolerance
    ):
        expected = evaluate(folder, tmp_path / 'expected.json')
        found = evaluate(folder, tmp_path / 'found.json', folder / maps)
        assert found.pop('stage') == 'predictions'
        assert found.pop('weights_sha256') is None
        assert found.pop('predictions')['used'] == 12
        del expected['stage'], expected['weights_sha256']
        assert_close(found, expected, tolerance)

    def test_without_uncertainty_nothing_is_said_of_it(self, folder, tmp_path):
        expected = evaluate(folder, tmp_path / 'expected.json', folder / 'maps')
        maps = written(maps_of(folder), tmp_path / 'npy')
        found = evaluate(folder, tmp_path / 'found.json', maps)
        for name in ('source_indoor', 'source_road'):
            one, other = found['sets'][name], expected['sets'][name]
            assert_close(one['tables'], other['tables'])
            assert one['uncertainty']['interval_coverage'] is None
            assert one['uncertainty']['coverage'] == 0

    def test_of_whole_millimetres(self, folder, tmp_path):
        maps = {
            name: np.rint(depth * 1000).clip(1, 65535).astype(np.uint16)
            for name, depth in maps_of(folder).items()
        }
        maps['source_road_000001'][3, 4] = 0  # no prediction
        (tmp_path / 'png').mkdir()
        for name, millimetres in maps.items():
            Image.fromarray(millimetres).save(tmp_path / 'png' / f'{name}.png')
        rounded = written(
            maps, tmp_path / 'npy', lambda stored: np.where(stored, stored / 1000, np.nan)
        )
        found = evaluate(folder, tmp_path / 'a.json', tmp_path / 'png', per_metre=1000.0)
        expected = evaluate(folder, tmp_path / 'b.json', rounded)
        for report in (found, expected):
            del report['predictions']['sha256']
        assert found['predictions']['holes'] == {'source_road_000001': round(1 / (32 * 48), 6)}
        assert_close(found, expected, 1e-9)

    @pytest.mark.parametrize('ours', [False, True])
    def test_65535_is_no_prediction_or_beyond_the_range_in_a_file_of_ours(
        self, folder, tmp_path, ours
    ):
        maps = maps_of(folder)
        maps = {
            name: np.rint(1000.0 * d.clip(0, 60).astype(float)) / 1000 for name, d in maps.items()
        }
        (tmp_path / 'png').mkdir()
        for depth in maps.values():
            depth[3, 4:20] = np.inf if ours else np.nan
        for name, depth in maps.items():
            stored = np.where(np.isfinite(depth), np.rint(1000 * depth), 65535).astype(np.uint16)
            (tmp_path / f'png/{name}.png').write_bytes(encode_png(stored, ours))
        floats = written(maps, tmp_path / 'npy', lambda depth: depth)
        found = evaluate(folder, tmp_path / 'a.json', tmp_path / 'png', per_metre=1000.0)
        expected = evaluate(folder, tmp_path / 'b.json', floats)
        for report in (found, expected):
            del report['predictions']['sha256']
        assert len(found['predictions']['holes']) == (0 if ours else 12)
        assert_close(found, expected, 1e-9)

    def test_metres_are_those_of_the_camera_not_of_the_network(self, folder, tmp_path):
        truth = {}
        source = make_target(load_config(folder / 'c.yaml'), 'test', CPU, ['road'])
        for step in range(2):
            batch = source.batch(step, 2)
            for number, depth in zip(batch.index.tolist(), batch.depth[:, 0], strict=True):
                truth[f'target_road_{number:06d}'] = depth.numpy()
        assert truth.keys() == {n['name'] for n in lines(folder / 'inputs')} & truth.keys()
        maps = written(maps_of(folder) | truth, tmp_path / 'maps')
        found = evaluate(folder, tmp_path / 'new' / 'r.json', maps)
        tables = found['sets']['target_road']['tables']['network']
        metrics = tables['raw']['mean_over_pixels']
        assert metrics['abs_rel'] == pytest.approx(0, abs=1e-6)
        assert metrics['rmse'] == pytest.approx(0, abs=1e-4)


def refusal(folder):
    """The reason to refuse the only map of a folder."""
    predictions = Predictions(folder, 1000.0)
    depth, _ = predictions._canonical(
        'a_000000', (32, 48), 1.0, False, SimpleNamespace(canonical_fx=1.0)
    )
    assert np.isnan(depth).all()
    ((reason, names),) = predictions.refused.items()
    assert names == ['a_000000']
    return reason


def bomb(folder, kind):
    """Write a map that is small on disk, and would expand to tens of megabytes."""
    zeros, path = bytes(10_000_000), folder / 'a_000000.npz'
    if kind == 'png':
        Image.fromarray(np.zeros((4000, 4000), np.uint16)).save(path.with_suffix('.png'))
        return
    if kind == 'sparse':
        with path.with_suffix('.npy').open('wb') as file:
            file.truncate(4 << 30)
        return
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        with archive.open('depth.npy', 'w') as file:
            if kind == 'header':
                file.write(b'\x93NUMPY\x02\x00' + (40_000_000).to_bytes(4, 'little'))
            else:
                kinds = {'text': '<U65536'}
                np.lib.format.write_array_header_1_0(
                    file,
                    {
                        'shape': (32, 48),
                        'fortran_order': False,
                        'descr': kinds.get(kind, '<f8'),
                    },
                )
            for _ in range({'text': 0, 'second': 0}.get(kind, 4)):
                file.write(zeros)
        if kind == 'second':
            with archive.open('other.npy', 'w') as file:
                file.write(zeros)


class TestWhatIsWrongWithMaps:
    def test_is_named_and_counted(self, folder, tmp_path, capsys):
        maps = maps_of(folder)
        out = written(maps, tmp_path / 'maps')
        names = [f'source_indoor_{k:06d}' for k in range(4)]
        (out / f'{names[0]}.npy').unlink()
        np.save(out / f'{names[1]}.npy', maps[names[1]][:, :-1])
        np.save(out / f'{names[2]}.npy', maps[names[2]].astype(np.int64))
        holes = maps[names[3]].copy()
        holes[:8] = np.nan
        np.save(out / f'{names[3]}.npy', holes)
        (out / 'source_road_000000.npy').write_bytes(b'nonsense')
        np.save(out / 'source_road_000009.npy', holes)
        (out / 'readme.txt').write_text('mine')
        report = evaluate(folder, tmp_path / 'r.json', out)

        found = report['predictions']
        assert (found['maps'], found['used']) == (12, 8)
        assert found['missing'] == [names[0]]
        assert found['extra'] == ['source_road_000009']
        assert found['holes'] == {names[3]: 0.25}
        assert found['refused'] == {
            'depth of shape [32, 47], expected [32, 48]': [names[1]],
            'depth of int64, expected floats in metres, or uint16 and per_metre': [names[2]],
            'cannot be read: ValueError': ['source_road_000000'],
        }
        table = report['sets']['source_indoor']['tables']['network']['raw']
        assert not table['complete']
        assert 0.1 < table['coverage'] < 0.25
        assert table['mean_over_pixels']['abs_rel'] > 0
        assert report['sets']['target_road']['tables']['network']['raw']['complete']
        printed = capsys.readouterr()
        # Predictions and shuffled predictions of both, and their mean where no map has all pixels.
        assert printed.out.count('INCOMPLETE') == 5
        assert f'warning: 1 maps are missing: {names[0]}\n' in printed.err
        assert 'cannot be used (depth of int64' in printed.err
        assert len(printed.err.splitlines()) == 6

    def test_millimetres_as_metres_are_refused_and_a_bad_network_is_not(
        self, folder, tmp_path, capsys
    ):
        maps = maps_of(folder)
        names = [f'source_indoor_{k:06d}' for k in range(4)]
        columns = np.arange(48) * np.ones((32, 1))
        wrong = maps | {
            names[0]: 1000 * maps[names[0]],
            names[1]: np.full_like(maps[names[1]], 1e-3),
            names[2]: np.full_like(maps[names[2]], 250.0),
            names[3]: np.zeros_like(maps[names[3]]),
            'source_road_000000': np.full_like(maps[names[0]], np.inf),
            'source_road_000001': -maps[names[1]],
            'source_road_000002': np.full_like(maps[names[0]], 65504.0),  # of half precision
            'source_road_000003': np.where(columns < 3, 2500.0, 2.5),  # 6 % in millimetres
            'target_road_000000': np.where(columns < 3, 1e10, 2.5),  # 1 / 0, but for an epsilon
        }
        report = evaluate(folder, tmp_path / 'r.json', written(wrong, tmp_path / 'maps'))
        (reason,) = report['predictions']['refused']
        assert reason == (
            'median depth above 300 m, expected metres as floats, or integers and per_metre: is '
            'the unit right?'
        )
        assert report['predictions']['refused'][reason] == [names[0]]
        assert report['predictions']['used'] == 11
        assert report['predictions']['near'] == [names[1]]
        assert report['predictions']['far'] == ['source_road_000003']
        printed = capsys.readouterr().err
        assert f'1 maps cannot be used ({reason}): {names[0]}' in printed
        assert f'median depth below 0.05 m (is the unit right?): {names[1]}\n' in printed
        assert 'far limit (is the unit right?): source_road_000003\n' in printed


def test_maps_that_cannot_be_used_are_refused_without_being_expanded(refusals, tmp_path):
    rows = {}
    for kind in ('array', 'header', 'second', 'text', 'png', 'sparse'):

        def bounded(place=tmp_path / kind, kind=kind):
            place.mkdir()
            bomb(place, kind)
            tracemalloc.start()
            try:
                reason = refusal(place)
                assert tracemalloc.get_traced_memory()[1] < 5e6
            finally:
                tracemalloc.stop()
            return reason

        rows[kind] = 'expected', bounded
    (tmp_path / 'picture').mkdir()
    Image.fromarray(np.zeros((32, 48), np.uint8)).save(tmp_path / 'picture/a_000000.png')
    rows['a picture of depth'] = 'uint8', functools.partial(refusal, tmp_path / 'picture')
    refusals('prediction_map', rows, None)


def test_predictions_that_cannot_be_scored_are_refused(refusals, folder, tmp_path):
    """No report is written, and no input."""
    rows = {}

    def row(name, named, call):
        rows[name] = named, leaving(tmp_path, call)

    maps = maps_of(folder)
    for name, named, of in (
        ('no map', 'none of 12', written({}, tmp_path / 'none')),
        ('whole numbers', 'per_metre', written(maps, tmp_path / 'int',
                                               lambda depth: depth.astype(np.uint16))),
        ('millimetres as metres', 'unit', written(maps, tmp_path / 'mm',
                                                  lambda depth: 1000 * depth)),
    ):  # fmt: skip
        row(name, named, functools.partial(evaluate, folder, tmp_path / 'r.json', of))
    row('no folder', 'nothing', functools.partial(Predictions, tmp_path / 'nothing'))
    both = written({}, tmp_path / 'both')
    for suffix in ('npy', 'png'):
        (both / f'a.{suffix}').touch()
    row('two of one name', 'a.npy', functools.partial(Predictions, both))
    both = {'checkpoint': tmp_path, 'predictions': tmp_path}
    row('per_metre 0', 'per_metre', functools.partial(
        run_evaluate, folder / 'c.yaml', tmp_path / 'r.json', predictions=tmp_path, per_metre=0.0
    ))  # fmt: skip
    for name, given in (('nothing to score', {}), ('two to score', both)):
        call = functools.partial(run_evaluate, folder / 'c.yaml', tmp_path / 'r.json', **given)
        row(name, 'one of the four', call)
    row('inputs over maps', 'mm', functools.partial(write_inputs, folder / 'c.yaml',
                                                    tmp_path / 'mm'))  # fmt: skip
    (tmp_path / 'locked').mkdir()

    def locked():
        with lock_folder(tmp_path / 'locked'):
            write_inputs(folder / 'c.yaml', tmp_path / 'locked')

    row('inputs into a folder in use', 'locked', locked)
    refusals('predictions', rows, (ConfigError, DataSetError, FolderLockError))


class TestInputs:
    def test_hold_the_spikes_and_no_truth(self, folder):
        config = load_config(folder / 'inputs' / 'config.yaml')
        source = make_target(config, 'test', CPU, ['road'])
        index = {line['name']: line for line in lines(folder / 'inputs')}
        assert len(index) == 12
        for step in range(2):
            batch = source.batch(step, 2)
            for k, number in enumerate(batch.index.tolist()):
                path = folder / 'inputs' / f'target_road_{number:06d}.npz'
                with np.load(path) as arrays:
                    assert {*arrays} == {'packed', 'width', 'bit_order', 'rate_hz', 'K'}
                found, line = open_recording(path), index[path.stem]
                assert found.rate_hz == float(line['rate_hz']) == 10e3
                assert (line['height'], line['width']) == ('32', '48')
                assert len(found.planes) == int(line['planes'])
                fx = batch.fx[k].item()
                assert float(line['fx']) == pytest.approx(fx, rel=1e-8)
                np.testing.assert_allclose(
                    found.camera_matrix, [[fx, 0, 23.5], [0, fx, 15.5], [0, 0, 1]]
                )
                counts, _ = packing.bin_counts(found.planes, 48)
                np.testing.assert_array_equal(counts, batch.counts[k])

    def test_all_are_written_or_none(self, folder, tmp_path, monkeypatch):
        out, write_one, calls = tmp_path / 'inputs', np.savez_compressed, []

        def interrupted(*given, **arrays):
            calls.append(given)
            if len(calls) == 2:
                raise KeyboardInterrupt
            write_one(*given, **arrays)

        with monkeypatch.context() as patch:
            patch.setattr(np, 'savez_compressed', interrupted)
            with pytest.raises(KeyboardInterrupt):
                write_inputs(folder / 'c.yaml', out)
        assert list(tmp_path.iterdir()) == []
        (out / '.incomplete_abcd1234').mkdir(parents=True)  # of a killed process
        with lock_folder(out), pytest.raises(FolderLockError):  # its text is in the table
            write_inputs(folder / 'c.yaml', out)
        write_inputs(folder / 'c.yaml', out)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == {
            path.name: path.read_bytes() for path in (folder / 'inputs').iterdir()
        }

    def test_the_config_names_no_folder_of_its_writer(self, folder):
        assert str(folder) not in (folder / 'inputs' / 'config.yaml').read_text()


class TestOfRecordings:
    def test_figures_are_those_of_the_checkpoint(self, folder, tmp_path):
        write_folder(tmp_path / 'one', Sliding())
        (tmp_path / 'm.safetensors').write_bytes((folder / 'm.safetensors').read_bytes())
        data = {'folder': f'{tmp_path / "one"},frame_hz=10'}
        write_inputs(folder / 'c.yaml', tmp_path / 'inputs', data=data, samples=4)
        assert [line['name'] for line in lines(tmp_path / 'inputs')] == [
            'folder_000000', 'folder_000001', 'folder_000003', 'folder_000004',
        ]  # fmt: skip
        predict(tmp_path, 'inputs', 'maps')
        settings = {'data': data, 'samples': 4, 'device': 'cpu', 'planes': [64]}
        reports = []
        for what in ({'checkpoint': tmp_path / 'm.safetensors'},
                     {'predictions': tmp_path / 'maps'}):  # fmt: skip
            run_evaluate(folder / 'c.yaml', tmp_path / 'r.json', **what, **settings)
            reports.append(json.loads((tmp_path / 'r.json').read_text()))
        expected, found = reports
        assert found['predictions']['used'] == 4
        assert_close(found['sets'], expected['sets'], 1e-5)

    def test_windows_of_frames_hold_the_spikes_that_are_counted(self):
        source = ClipSource([Sliding()], 30, 45, planes=(48,), rate_hz=600.0)
        for number in range(6):
            batch, window = source.samples([number]), source.window(number)
            counts, _ = packing.bin_counts(window.planes, 45)
            np.testing.assert_array_equal(counts, batch.counts[0])
            assert window.camera[0, 0] == pytest.approx(batch.fx[0].item())

    @pytest.mark.parametrize(('size', 'binning'), [(None, 1), ((16, 16), 2)])
    def test_windows_of_spikes_are_the_part_that_is_seen(self, size, binning):
        rng = np.random.default_rng(0)
        spikes = rng.random((80, 41, 52)) < 0.3
        packed = packing.pack(spikes, 'big')
        camera = np.array([[70.0, 0, 25.0], [0, 70, 20], [0, 0, 1]])
        clip = SpikeClip(
            'one', Geometry(41, 52, 'big'), 80, 1e4, camera,
            lambda start, stop: packed[start:stop],
            (40,), (lambda: np.ones((41, 52), np.float32),),
        )  # fmt: skip
        source = SpikeSource([clip], 32, size=size)
        batch, window = source.samples([0]), source.window(0)
        assert source.binning == binning
        rows, columns = source.height * binning, source.width * binning
        found = packing.unpack(window.planes, columns).reshape(
            32, source.height, binning, source.width, binning
        )
        np.testing.assert_array_equal(found.sum(axis=(2, 4)), batch.counts[0])
        # The point that the optical axis meets is the same one.
        top, left = (20 - window.camera[1, 2], 25 - window.camera[0, 2])
        expected = spikes[24:56, int(top) : int(top) + rows, int(left) : int(left) + columns]
        np.testing.assert_array_equal(packing.unpack(window.planes, columns), expected)
        assert math.isclose(batch.fx[0].item(), 70 / binning)
