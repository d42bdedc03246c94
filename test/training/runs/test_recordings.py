# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs on recordings: their batches, their sides, and labels of the target that nobody reads."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.datasets import HEIGHT, WIDTH, write_dat, write_vkitti
from kit.runs import tiny_run
from spike_depth_ros.checkpoint import load, load_info
from spike_training.datasets.readers import files
from spike_training.engine.fabric import make_fabric
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import Estimate
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    PretrainConfig,
)
from spike_training.run_data.evaluation_sets import Baselines, config_sets, evaluate_sets
from spike_training.run_data.recordings import check_recordings, open_recordings, recorded_source
from spike_training.run_data.sources import (
    make_source,
    make_target,
    sample_frames,
    scored_parts,
    with_steps,
)
from spike_training.runs import pipeline
from spike_training.runs.build import describe
from spike_training.sampling.clip_source import ClipSource, shift_placement
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import BatchSpec, DataConfig, TargetConfig
from spike_training.settings.reading import load_config, read_arguments
from spike_training.tables.plan import load_table

ROOT = Path(__file__).resolve().parents[3]
CPU = torch.device('cpu')
SIDES = ('train', 'calibration', 'test')


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    return write_vkitti(tmp_path_factory.mktemp('sets') / 'vkitti')


@pytest.fixture(scope='module')
def spikes(tmp_path_factory):
    return write_dat(tmp_path_factory.mktemp('sets') / 'dat', depth=2.0)


def data_of(where, **changes):
    settings = {'height': 32, 'width': 48, 'planes': [32], 'rate_hz': 1280.0} | changes
    return DataConfig(recordings={'vkitti': f'{where},variation=clone'}, **settings)


def source_of(data, split='train', names=(), labels=True, **changes):
    return recorded_source(data, split, 8, 16, CPU, 3, names, BatchSpec(**changes), labels)


def nothing(batch):
    shape = batch.depth[:, 0].shape
    return Estimate(np.ones(shape, np.float32), np.ones(shape, np.float32))


class TestBatches:
    def test_the_sides_share_no_place(self, streets):
        sides = [source_of(data_of(streets), side) for side in SIDES]
        names = [{side.recording(k) for k in range(len(side))} for side in sides]
        assert [len(found) for found in names] == [3, 1, 1]
        assert len(set.union(*names)) == 5

    def test_a_scene_is_on_the_same_side_in_clear_weather_and_in_fog(self, streets):
        places = []
        for variation in ('clone', 'fog'):
            data = DataConfig(recordings={'vkitti': f'{streets},variation={variation}'})
            side = source_of(data, 'test')
            places.append({side.recording(k).rpartition('/')[0] for k in range(len(side))})
        assert places[0] == places[1]

    def test_what_trains_in_clear_weather_is_not_tested_on_in_fog(self, tmp_path, refusals):
        twenty, some = tmp_path / 'all', tmp_path / 'some'
        write_vkitti(twenty, scenes=20, frames=2)
        write_vkitti(some, scenes=3, frames=2)

        def foggy(where, **tests):
            return DataConfig(recordings={'vkitti': f'{where},variation=fog'}, **tests)

        clear = data_of(twenty)
        check_recordings(clear, foggy(twenty))
        check_recordings(clear, DataConfig())
        check_recordings(clear, foggy(twenty, test_recordings={'vkitti': str(some)}))
        # With tests of its own, more of it trains.
        own = dataclasses.replace(clear, test_recordings={'vkitti': str(some)})
        mixed = DataConfig(mixed_recordings=clear.recordings, mixed_styles=['road'])
        check_recordings(mixed, foggy(twenty))
        of = functools.partial
        rows = {
            'fog at places of training': ('vkitti', of(check_recordings, clear, foggy(some))),
            'tests of its own': ('vkitti', of(check_recordings, own, foggy(twenty))),
            'mixed places': ('vkitti', of(check_recordings, mixed, foggy(some))),
        }
        one, two = (
            data_of(write_vkitti(tmp_path / str(scenes), scenes=scenes, frames=20))
            for scenes in (1, 2)
        )
        check_recordings(one, two)  # parts of the time are shared out alike
        own = dataclasses.replace(one, test_recordings=two.recordings)
        rows['parts of the time'] = 'trains at (1)', of(check_recordings, own, two)
        refusals('recordings_at_places', rows, DataSetError)

    def test_recordings_that_cannot_be_used_are_refused(self, streets, spikes, tmp_path, refusals):
        def told(data, **changes):
            with pytest.raises(DataSetError) as caught:
                source_of(data, **changes)
            return ' '.join(str(caught.value).replace(str(streets.parent), 'SETS').split())

        where = f'{spikes},size=64x32'
        data = DataConfig(recordings={'dat': where}, height=32, width=64, rate_hz=1280.0)
        both = dataclasses.replace(data, recordings={**data.recordings, 'vkitti': str(streets)})
        of = functools.partial
        rows = {
            'no folder': ('is missing; expected', of(told, data_of(tmp_path / 'nothing'))),
            'of another rate': ('20000 planes a second, the settings say 1280', of(told, data)),
            'spikes for colours': (
                'dat',
                of(told, dataclasses.replace(data, rate_hz=20e3), rgb=True),
            ),
            'spikes and colours': ('holds frames and dat/', of(told, both)),
        }
        refusals('recordings_of_a_run', rows, None)

    def test_a_relative_place_is_that_of_the_present_folder(self, tmp_path, monkeypatch):
        for name, scenes in (('few', 5), ('more', 6)):
            write_vkitti(tmp_path / name / 'set', scenes=scenes)
            monkeypatch.chdir(tmp_path / name)
            (found,) = open_recordings(data_of('set')).sets
            assert len(found.clips) == scenes

    def test_they_are_functions_of_seed_and_step_on_any_number_of_processes(self, streets):
        data = data_of(streets, flip=True, random_crop=True, planes=[16, 32])
        whole = source_of(data, rgb=True).batch(5, 4)
        again = source_of(dataclasses.replace(data, workers=3), rgb=True)
        parts = [again.batch(5, 2, rank, 2) for rank in range(2)]
        for field in ('index', 'counts', 'rgb', 'depth', 'fx'):
            both = torch.cat([getattr(part, field) for part in parts])
            assert torch.equal(getattr(whole, field).nan_to_num(), both.nan_to_num())
        other = recorded_source(data, 'train', 8, 16, CPU, seed=4).batch(5, 4)
        assert not torch.equal(whole.index, other.index)

    def test_what_is_mirrored_is_mirrored_in_spikes_colours_and_depth(self, streets):
        plain, flipping = (source_of(data_of(streets, flip=flip), rgb=True) for flip in (0, 1))
        mirrored = []
        for step in range(3):
            one, other = plain.batch(step, 4), flipping.batch(step, 4)
            for k in range(4):
                same = torch.equal(one.rgb[k], other.rgb[k])
                mirrored.append(not same)
                for field in ('counts', 'rgb', 'depth'):
                    wanted = getattr(one, field)[k]
                    wanted = wanted if same else wanted.flip(-1)
                    found = getattr(other, field)[k]
                    assert torch.equal(wanted.nan_to_num(), found.nan_to_num())
        assert 2 < sum(mirrored) < 10
        # What is not for training is as it is.
        calm = source_of(data_of(streets, flip=True), 'calibration', rgb=True)
        assert torch.equal(
            calm.batch(0, 4).rgb,
            source_of(data_of(streets), 'calibration', rgb=True).batch(0, 4).rgb,
        )

    def test_parts_of_a_frame_are_drawn_anew_in_each_epoch(self, streets):
        source = source_of(data_of(streets, random_crop=True, height=32, width=32), rgb=True)
        seen = [{}, {}]
        for epoch in range(2):
            batch = source.batch(epoch, len(source))
            seen[epoch] = dict(zip(batch.index.tolist(), batch.rgb, strict=True))
        assert seen[0].keys() == seen[1].keys()
        assert sum(not torch.equal(seen[0][k], seen[1][k]) for k in seen[0]) > len(source) / 2
        # Shifted from the left border to the right one; the camera's centre goes along.
        placement = files_placement(32, 32)
        ends = [shift_placement(placement, place) for place in (0.0, 1.0)]
        assert [end.left for end in ends] == [0, WIDTH - HEIGHT]
        centres = [end.camera(files.camera_matrix(1, 1, 50, 20))[0, 2] for end in ends]
        assert centres[0] - centres[1] == pytest.approx((WIDTH - HEIGHT) * 32 / HEIGHT)

    def test_a_network_of_rgb_has_no_spikes_simulated(self, streets):
        batch = source_of(data_of(streets), rgb=True, spikes=False).batch(0, 2)
        assert batch.counts.shape == (2, 1, 32, 48)
        assert batch.counts.max() == 0
        both = source_of(data_of(streets), rgb=True).batch(0, 2)
        assert torch.equal(batch.rgb, both.rgb)
        assert torch.equal(batch.depth.nan_to_num(), both.depth.nan_to_num())
        assert both.counts.max() > 0

    def test_spikes_of_larger_pixels_are_those_of_four(self, spikes):
        where = f'{spikes},size=64x32,rate_hz=1280,fx=50'
        data = DataConfig(16, recordings={'dat': where}, planes=[32], rate_hz=1280.0)
        data = dataclasses.replace(data, height=16, width=32)
        source = source_of(data)
        assert isinstance(source, SpikeSource)
        assert source.binning == 2
        found = source.sample(0, 32)
        whole = source_of(dataclasses.replace(data, height=32, width=64)).sample(0, 32)
        sums = whole.counts.float().unflatten(2, (16, 2)).unflatten(4, (32, 2)).sum(dim=(3, 5))
        assert torch.equal(found.counts.float(), sums)
        assert found.planes_per_bin.tolist() == [4 * n for n in whole.planes_per_bin.tolist()]
        assert found.fx.item() == pytest.approx(25.0)
        part = source_of(dataclasses.replace(data, height=16, width=48)).sample(0, 32)
        assert torch.equal(part.counts, whole.counts[:, :, 8:24, 8:56])


def files_placement(height, width):
    from spike_depth_ros.io.video.placement import Placement

    return Placement.aspect((HEIGHT, WIDTH), height, width)


class TestLabelsOfTheTarget:
    def test_no_depth_file_is_opened(self, streets, spikes, monkeypatch):
        def refuse(*_):
            raise AssertionError('a label of the target was read')

        config = tiny_run(Path())
        config.data = data_of(streets)
        for where in ({'vkitti': f'{streets},variation=fog'},
                      {'dat': f'{spikes},size=64x32,rate_hz=1280'}):  # fmt: skip
            config.target = TargetConfig(recordings=where)
            source = make_target(config, 'train', CPU, labels=False)
            with monkeypatch.context() as patch:
                patch.setattr(files, 'read_depth', refuse)
                assert source.batch(0, 2).depth.isnan().all()
                with pytest.raises(AssertionError, match='was read'):
                    make_target(config, 'test', CPU).batch(0, 2)

    @pytest.mark.parametrize('kind', ['frames', 'spikes'])
    def test_poisoned_they_change_not_a_bit(self, streets, tmp_path, kind):
        results = []
        for name, depth in (('clean', 3.0), ('poisoned', np.nan)):
            if kind == 'frames':
                target = {'vkitti': str(write_vkitti(tmp_path / name, 3, 3, ('fog',), depth))}
            else:
                where = write_dat(tmp_path / name, depth=depth)
                target = {'dat': f'{where},size=64x32,rate_hz=1280'}
            results.append(self.trained(tmp_path / f'{name}_run', streets, target))
        assert results[0] == results[1]

    def trained(self, out, streets, target):
        """The weights that a stage across domains ends with."""
        config = tiny_run(
            out,
            PretrainConfig(name='pre_src'),
            CrossDomainConfig(
                name='bicross', init_from='pre_src',
                adapt=AdaptConfig(adabn_batches=1, deploy='label_free', remove_drift=True),
            ),
            target=TargetConfig(recordings=target),
        )  # fmt: skip
        config.data = data_of(streets, flip=True)
        config.train = dataclasses.replace(config.train, steps=2, validate_every=1)
        config.train.validate_batches = 1
        fabric, trained = make_fabric('cpu', 1, '32-true'), {}
        for stage in config.stages:
            trained[stage.name] = pipeline.train_stage(config.resolve(stage), trained, fabric)
        info, weights = load(trained['bicross'])
        assert info.datasets == {'vkitti': 'CC BY-NC-SA 3.0'} | (
            {} if 'vkitti' in target else {'dat': "the user's"}
        )
        return {name: value.tobytes() for name, value in weights.items()}


class TestRuns:
    def test_a_whole_run_from_clear_to_foggy(self, streets, tmp_path):
        config = tiny_run(
            tmp_path / 'run',
            PretrainConfig(name='teacher', input='rgb', epochs=1),
            CrossModalityConfig(
                name='mono', teacher='teacher', init_from='teacher', steps=2
            ),
            CrossDomainConfig(
                name='bicross', init_from='mono', steps=2,
                adapt=AdaptConfig(adabn_batches=1),
            ),
            target=TargetConfig(recordings={'vkitti': f'{streets},variation=fog'}),
        )  # fmt: skip
        config.data = data_of(streets, flip=True)
        config.train.picture_every = 100
        pipeline.run(config)
        info = load_info(config.out / 'model.safetensors')
        assert info.datasets == {'vkitti': 'CC BY-NC-SA 3.0'}
        # 725 pixels at 60 rows, seen at 32.
        assert info.fx_range[0] <= 725 * 32 / 60 <= info.fx_range[1] <= 725 * 32 / 60 + 1
        assert info.uncertainty_calibrated
        assert {'vkitti_abs_rel', 'target_vkitti_abs_rel'} <= info.metrics.keys()
        # An epoch is 3 scenes of 4 frames; the run as it was says steps.
        written = load_config(config.out / 'config.yaml')
        assert (written.stages[0].steps, written.stages[0].epochs) == (6, None)
        pipeline.run(dataclasses.replace(config, resume=True))

    def test_frames_that_cannot_be_used_are_named_in_the_report(self, tmp_path, capsys):
        sets = write_vkitti(tmp_path / 'vkitti', scenes=5, frames=25, variations=('clone',))
        config = tiny_run(tmp_path)
        config.data = data_of(sets)
        config.evaluate.scenes = 30
        tests = source_of(config.data, 'test')
        scene = tests.recording(0).split('/')[2]
        broken = sets / 'vkitti_1.3.1_rgb' / scene / 'clone'
        (broken / '00003.png').write_bytes(b'no picture')
        source = make_source(config, 'test', CPU)
        seen = sample_frames(source, 30, 2, 400.0)
        assert sum(len(batch.index) for batch in seen) == 24
        sets = config_sets(config, CPU, 400.0)
        baselines = Baselines(config, 400.0, CPU)
        report = evaluate_sets(sets, lambda name: nothing, config.model, baselines)
        (skipped,) = report['source_vkitti']['skipped'].values()
        assert skipped == [f'vkitti/1.3.1/{scene}/clone, frame 3']
        for index in range(6):
            (broken / f'{index:05d}.png').write_bytes(b'no picture')
        with pytest.raises(DataSetError, match='3 of 10 frames cannot be used'):
            [*sample_frames(make_source(config, 'test', CPU), 10, 2, 400.0)]

    def test_samples_that_others_stand_in_for_are_told(self, tmp_path):
        sets = write_vkitti(tmp_path / 'vkitti', variations=('clone',))
        config = tiny_run(tmp_path / 'run', PretrainConfig(epochs=1))
        config.data = data_of(sets)
        train = source_of(config.data)
        name = train.recording(0)
        (sets / 'vkitti_1.3.1_rgb' / name.split('/', 2)[2] / '00001.png').write_bytes(b'')
        pipeline.run(config)
        (line,) = (config.out / 'pre_src' / 'warnings.jsonl').read_text().splitlines()
        assert f'others stand in for them: 1, the last one {name}, frame 1"' in line

    def test_a_target_without_depth_is_not_scored(self, streets, tmp_path):
        config = tiny_run(tmp_path)
        config.data = data_of(streets)
        bare = write_dat(tmp_path / 'dat')
        config.target = TargetConfig(recordings={'dat': f'{bare},size=64x32,rate_hz=1280'})
        assert scored_parts(config.target_data) == []
        # So all but one of the recordings train, with windows that overlap.
        source = make_target(config, 'train', CPU, labels=False)
        assert {source.recording(k) for k in range(len(source))} < {'dat/0', 'dat/1', 'dat/2'}
        assert len(source) == 2 * (1 + (160 - 32) // 8)

    def test_epochs_count_the_labelled_frames_of_the_side_that_trains(self, streets, tmp_path):
        config = tiny_run(
            tmp_path,
            PretrainConfig(epochs=3),
            CrossDomainConfig(name='b', init_from='previous', epochs=1),
            target=TargetConfig(recordings={'vkitti': f'{streets}'}),
        )
        config.data = data_of(streets)
        config.train.accumulate = 2
        steps = [stage.steps for stage in with_steps(config, 1).stages]
        assert steps == [9, 6]  # 12 and 24 frames in batches of 4
        assert [stage.steps for stage in with_steps(config, 3).stages] == [3, 2]

    def test_a_table_counts_in_steps_too(self, streets, tmp_path):
        (tmp_path / 'base.yaml').write_text(
            f'data: {{height: 32, width: 48, recordings: {{vkitti: {streets}}}}}\n'
            f'target: {{recordings: {{vkitti: {streets}}}}}\n'
            'train: {batch_size: 2, tensorboard: false, picture_every: 0}\n'
        )
        (tmp_path / 'table.yaml').write_text(
            'base: base.yaml\nstages: {pre_src: {epochs: 2}}\n'
            'rows: [{name: pre_src, stage: pre_src}]\nreference: pre_src\n'
        )
        (row,) = load_table(tmp_path / 'table.yaml').rows
        assert [stage.steps for stage in row.config.stages] == [24]


@pytest.mark.parametrize('real', [False, True], ids=['made', 'real'])
def test_a_real_target_is_an_override_of_mini(request, tmp_path, real):
    """What --target.recordings.dat PATH does to mini.yaml."""
    if real:
        where = request.getfixturevalue('real_data') / 'spikes' / 'sreds'
    else:
        where = write_dat(tmp_path / 'dat', planes=200, height=250, width=400)
    config = ['--config', str(ROOT / 'training' / 'configs' / 'mini.yaml'), '--out', 'x']
    option = ['--target.recordings.dat', str(where)]
    assert read_arguments([*config, *option])
    settings = load_config(ROOT / 'training' / 'configs' / 'mini.yaml')
    settings.target.recordings = {'dat': str(where)}
    assert not isinstance(make_source(settings, 'train', CPU), ClipSource)
    source = make_target(settings, 'train', CPU, labels=False)
    batch = source.batch(0, 2)
    assert batch.counts.shape == (2, 32, 96, 144)
    assert source.binning == 2
    assert batch.counts.max() > 0


def test_a_checkpoint_knows_the_cameras_of_what_its_stage_looked_at(streets, spikes, tmp_path):
    learnt = PretrainConfig(name='learnt')
    adapted = CrossDomainConfig(name='adapted', init_from='learnt')
    bound = PretrainConfig(name='bound', domain='target')
    target = TargetConfig(
        recordings={'dat': f'{spikes},size=64x32,rate_hz=2560,fx=99'}, rate_hz=2560.0, planes=[64]
    )
    config = tiny_run(tmp_path, learnt, adapted, bound, target=target)
    config.data = data_of(streets)
    source, both, own = (describe(config.resolve(stage)) for stage in config.stages)
    assert source.fx_range[0] == pytest.approx(725 * 32 / 60, abs=1)
    assert own.fx_range == (99, 99)
    assert both.fx_range == (99, source.fx_range[1])
    assert both.rate_hz_range == (1280, 2560)
    assert both.planes_range == (32, 64)
    assert [sorted(info.datasets) for info in (source, both, own)] == [
        ['vkitti'], ['dat', 'vkitti'], ['dat'],
    ]  # fmt: skip


@pytest.mark.parametrize('depth', [None, 2.0], ids=['without depth', 'with depth'])
@pytest.mark.parametrize(
    ('filling', 'words'),
    [
        (0, 'mean firing rate of 0 a plane, expected 0.005 or more'),
        (255, '100% of the pixels fire in every plane, expected at most 50%'),
        (0x5A, '0.00% of the picture changes'),
    ],
)
def test_nothing_is_learnt_from_recordings_that_show_nothing(tmp_path, depth, filling, words):
    where = write_dat(tmp_path / 'dat', depth=depth)
    for path in where.glob('*.dat'):
        planes = np.full((160, 32, 8), filling if filling in (0, 255) else 0, np.uint8)
        if filling not in (0, 255):  # the same picture again and again
            planes[::4] = np.random.default_rng(filling).integers(0, 256, (32, 8), np.uint8)
        planes.tofile(path)
    config = tiny_run(tmp_path / 'run')
    data = DataConfig(
        32, 48, recordings={'dat': f'{where},size=64x32,rate_hz=1280'}, planes=[32], rate_hz=1280.0
    )
    config.target = TargetConfig(recordings=data.recordings, planes=[32], rate_hz=1280.0)
    with pytest.raises(DataSetError, match=words):
        make_target(config, 'train', CPU, labels=False)
    make_target(config, 'test' if depth else 'calibration', CPU, labels=False)
    if depth:
        config.data = data
        if filling == 0x5A:  # its depth teaches
            assert source_of(data).batch(0, 2).counts.max() > 0
        else:
            with pytest.raises(DataSetError, match=words):
                source_of(data)
