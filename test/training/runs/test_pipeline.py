# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole runs, from the command line to a checkpoint that the runtime loads."""

import dataclasses
import functools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.programs import run_training
from kit.runs import tiny_run
from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.checkpoint import CheckpointError, load, load_info, save
from spike_depth_ros.networks.depth_net import SpikeDepthNet
from spike_depth_ros.networks.vit_hybrid import TIMM_NAME
from spike_training.commands.evaluate import evaluate, with_changes
from spike_training.errors import ConfigError, DataSetError
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.bicross.stages.pretrain import Pretrain
from spike_training.run_data.sources import make_source
from spike_training.runs import build, pipeline
from spike_training.runs.build import make_work
from spike_training.runs.export import export
from spike_training.settings.config import ModelConfig, TargetConfig, check, to_yaml
from spike_training.settings.reading import load_config
from spike_training.tasks import depth
from spike_training.tasks.base import REGISTERED, task_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope='module')
def teacher_and_student(tmp_path_factory):
    out = tmp_path_factory.mktemp('runs') / 'two'
    config = tiny_run(
        out,
        PretrainConfig(name='teacher', input='rgb', si='rooted', si_lambda=0.85),
        PretrainConfig(
            name='student', init_from='previous', steps=1, learning_rate=1e-9, width=64
        ),
    )
    pipeline.run(config)
    return config


def test_a_stage_starts_from_the_one_before_where_the_shapes_fit(teacher_and_student):
    out = teacher_and_student.out
    teacher = load(next((out / 'teacher').glob('*.safetensors')))[1]
    student = load(next((out / 'student').glob('*.safetensors')))[1]
    name = 'decoder.readout.grid.weight'
    np.testing.assert_allclose(student[name], teacher[name], atol=1e-4)
    assert student['temporal.rates.0.weight'].shape[1] == 32
    assert teacher['temporal.colours.0.weight'].shape[1] == 3


class TestStartFromAFile:
    """A part of a training that goes on from the checkpoint of another one."""

    def network(self, run, start, **settings):
        """A stage's context and network, which starts from a file."""
        stage = PretrainConfig(name='more', init_from=str(start), **settings)
        config = dataclasses.replace(run, stages=[stage])
        check(config)
        here = build.context(config.resolve(stage), {}, torch.device('cpu'))
        return here, here.init_model(SpikeDepthNet)

    def test_it_has_all_of_its_weights_and_what_they_were_learnt_from(
        self, teacher_and_student, tmp_path
    ):
        info, weights = load(teacher_and_student.out / 'model.safetensors')
        path = tmp_path / 'part.safetensors'
        save(path, weights, dataclasses.replace(info, datasets={'rooms': 'CC BY 4.0'}))
        here, network = self.network(teacher_and_student, path)
        started = network.state_dict()
        assert started.keys() == weights.keys()
        for name, value in weights.items():
            np.testing.assert_array_equal(started[name], value)
        assert here.info.datasets['rooms'] == 'CC BY 4.0'

    def test_what_does_not_fit_is_refused(self, teacher_and_student, tmp_path, refusals):
        run = teacher_and_student
        student = run.out / 'model.safetensors'
        wider = {**run.model.settings, 'features': 12}

        def told(start, **settings):
            with pytest.raises(ConfigError) as caught:
                self.network(run, start, **settings)
            return (
                caught.value.args[0]
                .removeprefix('a setting is wrong:\n  ')
                .replace(str(run.out), 'RUN')
            )

        of = functools.partial
        rows = {
            'no file': ('gone.safetensors', of(told, tmp_path / 'gone.safetensors')),
            'spikes for colours': ('stages[0].init_from is', of(told, student, input='rgb')),
            'another size': ('weight decoder', of(told, student, settings=wider)),
        }
        refusals('start_from_a_file', rows, None)


def test_a_stage_starts_from_imagenet(tmp_path):
    import timm

    torch.manual_seed(1)
    backbone = timm.create_model(TIMM_NAME, embed_dim=48, depth=4, num_heads=3)
    torch.save(backbone.state_dict(), tmp_path / 'timm.pth')
    stage = PretrainConfig(
        name='teacher', input='rgb', init_from='imagenet', imagenet=str(tmp_path / 'timm.pth')
    )
    config = tiny_run(tmp_path, stage)
    config.model = ModelConfig(
        architecture='dpt_hybrid',
        settings={'dim': 48, 'layers': 4, 'heads': 3, 'features': 8},
    )
    here = build.context(config.resolve(stage), {}, torch.device('cpu'))
    network = here.init_model(SpikeDepthNet)
    block = 'blocks.3.attn.qkv.weight'
    torch.testing.assert_close(
        network.encoder.backbone.state_dict()[block], backbone.state_dict()[block]
    )


@pytest.fixture(scope='module')
def lite_weights(tmp_path_factory):
    import timm

    torch.manual_seed(2)
    path = tmp_path_factory.mktemp('imagenet') / 'lite.pth'
    torch.save(timm.create_model('tf_efficientnet_lite0').state_dict(), path)
    return path


@pytest.mark.parametrize('rate', [0.0, 0.3])
def test_a_backbone_of_imagenet_is_frozen_or_learns_slowly(tmp_path, lite_weights, rate):
    stage = PretrainConfig(
        init_from='imagenet', imagenet=str(lite_weights), backbone_lr_scale=rate, si='absolute'
    )
    config = tiny_run(tmp_path / 'run', stage)
    config.model = ModelConfig(architecture='unet_lite', settings={'dim': 16, 'features': 8})
    work = build.make_work(build.context(config.resolve(stage), {}, torch.device('cpu')))
    assert set(build.describe(config.resolve(stage)).datasets) == {
        'procedural scenes of this package', 'weights learnt on ImageNet-1k',
    }  # fmt: skip
    groups = work.stage.optimizers()['main']
    slow = sum(p.numel() for g in groups if g['lr_scale'] == rate for p in g['params'])
    assert (slow > 1e6) == bool(rate)

    started = torch.load(lite_weights, weights_only=True)
    pipeline.run(config)
    trained = load(tmp_path / 'run' / 'model.safetensors')[1]
    prefix = 'encoder.backbone.'
    moved = [
        name
        for name, value in trained.items()
        if name.startswith(prefix)
        and not np.allclose(value, started[name[len(prefix) :]].numpy(), rtol=1e-3, atol=1e-4)
    ]
    assert bool(moved) == bool(rate)
    if rate:  # statistics too, where the backbone learns
        assert any(name.endswith('running_var') for name in moved)
    assert (np.abs(trained['temporal.rates.weight']).max() > 0) == bool(rate)
    # What follows the backbone learns in both cases.
    assert (trained['encoder.merge.0.1.running_mean'] != 0).all()


def test_what_the_checkpoint_says_of_itself(teacher_and_student):
    out = teacher_and_student.out
    info = load_info(out / 'model.safetensors')
    assert info.stage == 'student'
    assert info.inputs == ('spikes',)
    assert info.scale == 'metric'
    assert info.planes_range == (32, 64)
    assert info.rate_hz_range == (20_000.0, 20_000.0)
    assert info.uncertainty_calibrated
    assert info.canonical_fx == pytest.approx(400.0 * 64 / 48)  # of the stage that trained it
    teacher = load_info(next((out / 'teacher').glob('*.safetensors')))
    assert teacher.canonical_fx == 400.0
    assert info.uncertainty_factor != 1
    # The student looks at images of 64 columns.
    assert 0 < 1.2 * info.fx_range[0] < info.fx_range[1] < 4 * 64
    report = json.loads((out / 'report.json').read_text())
    assert report['weights_sha256'] == info.weights_sha256
    assert set(report['sets']) == {'source_indoor', 'source_road'}
    found = report['sets']['source_road']['predictors']['network']['abs_rel']
    assert info.metrics['road_abs_rel'] == pytest.approx(found, abs=1e-4)


def test_the_runtime_loads_it(teacher_and_student):
    path = teacher_and_student.out / 'model.safetensors'
    estimator = DepthEstimator.from_checkpoint(path, 'cpu', 'torch', 1)
    spikes = np.random.default_rng(0).random((64, 32, 48)) < 0.2
    prediction = estimator.predict(Observation(Window.from_planes(spikes, 20_000.0), 60.0))
    assert prediction.scale == 'metric'
    assert np.isfinite(prediction.depth).all()


def test_the_rgb_teacher_is_not_exported(teacher_and_student, tmp_path):
    teacher = next((teacher_and_student.out / 'teacher').glob('*.safetensors'))
    with pytest.raises(CheckpointError, match="the task 'depth' of rgb is for training alone"):
        export(tmp_path / 'x.safetensors', checkpoint=teacher)


def test_the_runtime_refuses_the_rgb_teacher(teacher_and_student):
    path = next((teacher_and_student.out / 'teacher').glob('*.safetensors'))
    with pytest.raises(ValueError, match=r"field inputs is \['rgb'\], expected spikes"):
        DepthEstimator.from_checkpoint(path, 'cpu', 'torch', 1)


@pytest.mark.parametrize('domain', ['data', 'target'])
def test_missing_recordings_are_told_before_anything_is_trained(tmp_path, domain):
    config = tiny_run(tmp_path / 'run', PretrainConfig(name='one'), target=TargetConfig())
    recordings = {'sevenscenes': str(tmp_path / 'nowhere')}
    changed = dataclasses.replace(getattr(config, domain), recordings=recordings)
    with pytest.raises(DataSetError, match='nowhere is missing'):
        pipeline.run(dataclasses.replace(config, **{domain: changed}))
    assert not (tmp_path / 'run').exists()


def test_a_run_is_not_trained_over_or_continued_as_another(teacher_and_student, refusals):
    run = teacher_and_student
    other = tiny_run(run.out, *run.stages, resume=True, seed=1, train={'clip_norm': 2.0})

    def told(config):
        with pytest.raises(ConfigError) as caught:
            pipeline.run(config)
        return str(caught.value).replace(str(run.out), 'RUN')

    rows = {
        'a folder with a run': ('RUN', functools.partial(told, run)),
        'other settings': ('train.clip_norm, seed', functools.partial(told, other)),
    }
    refusals('folder_of_a_run', rows, None)


def test_a_run_that_was_refused_is_begun_anew_once_corrected(tmp_path, monkeypatch):
    config = tiny_run(tmp_path / 'run', PretrainConfig(name='one', steps=1))

    def refuse(here):
        raise DataSetError('40000 planes a second, the settings say 20000')

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, 'make_work', refuse)
        with pytest.raises(DataSetError):
            pipeline.run(config)
    assert (config.out / 'config.yaml').is_file()
    config.train.clip_norm = 2.0
    pipeline.run(config)
    assert load_config(config.out / 'config.yaml').train.clip_norm == 2.0
    assert (config.out / 'model.safetensors').is_file()
    with pytest.raises(ConfigError, match='holds a run already'):
        pipeline.run(config)


def test_settings_of_the_user_are_not_replaced_by_those_of_a_run(tmp_path):
    (tmp_path / 'config.yaml').write_text('# mine\n')
    config = tiny_run(tmp_path)
    with pytest.raises(ConfigError, match=r'config\.yaml is of no run, and would be replaced'):
        pipeline.run(config)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ('config.yaml', '# mine\n')
    ]


def test_a_run_goes_on_with_batches_made_by_others(teacher_and_student, tmp_path):
    out = tmp_path / 'run'
    shutil.copytree(teacher_and_student.out, out)
    before = json.loads((out / 'report.json').read_text())
    config = tiny_run(out, *teacher_and_student.stages, resume=True)
    config.train.prefetch, config.data.workers = 2, 1
    pipeline.run(config)
    again = json.loads((out / 'report.json').read_text())
    assert again == before


def test_the_weights_are_kept_where_the_evaluation_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise DataSetError('1 labelled samples, expected 2 or more')

    config = tiny_run(tmp_path / 'run')
    monkeypatch.setattr(depth, 'evaluate_network', fail)
    with pytest.raises(DataSetError, match='1 labelled samples'):
        pipeline.run(config)
    info = load_info(tmp_path / 'run' / 'model.safetensors')
    assert info.uncertainty_calibrated
    assert not info.metrics


def test_a_metric_that_is_not_finite_costs_no_checkpoint(tmp_path, monkeypatch):
    task = task_of('depth')
    found = dataclasses.replace(task, metrics=lambda _: {'psnr': math.inf, 'rmse': 1.0})
    monkeypatch.setitem(REGISTERED, 'depth', found)
    pipeline.run(tiny_run(tmp_path / 'run'))
    assert load_info(tmp_path / 'run' / 'model.safetensors').metrics == {'rmse': 1.0}


def test_what_a_stage_draws_before_its_first_step_is_of_the_seed(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Pretrain, 'begin', lambda *_: drawn.append(torch.rand(3)))
    config = tiny_run(tmp_path / 'run')
    for seed in (1, 2):
        torch.manual_seed(seed)
        make_work(build.context(config.resolve(config.stages[0]), {}, torch.device('cpu')))
    assert torch.equal(*drawn)


def test_evaluating_the_checkpoint_gives_the_figures_of_the_run(teacher_and_student, tmp_path):
    out = teacher_and_student.out
    evaluate(out / 'config.yaml', tmp_path / 'again.json', out / 'model.safetensors', device='cpu')
    before, again = (
        (f / n).read_text() for f, n in ((out, 'report.json'), (tmp_path, 'again.json'))
    )
    assert json.loads(again) == json.loads(before)


def test_windows_that_are_asked_for_are_those_of_source_and_target(tmp_path):
    config = tiny_run(tmp_path, target=TargetConfig(planes=[96]))
    (tmp_path / 'config.yaml').write_text(to_yaml(config))
    changed = with_changes(tmp_path / 'config.yaml', [16], 4)
    assert changed.data.planes == changed.target_data.planes == [16]
    assert changed.evaluate.scenes == 4
    # Whole batches of 2: three scenes are batches of one.
    assert with_changes(tmp_path / 'config.yaml', [], 3).evaluate.batch_size == 1


def test_training_calibration_and_test_scenes_never_meet(tmp_path):
    config = tiny_run(tmp_path)
    sources = [
        make_source(config, split, torch.device('cpu'))
        for split in ('train', 'calibration', 'test')
    ]
    depths = [source.batch(0, 2).depth for source in sources]
    for i in range(3):
        assert not torch.equal(depths[i], depths[i - 1])


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.kind
def test_smoke(tmp_path):
    """Train by the shipped smoke.yaml to the end: the losses fall."""
    out = tmp_path / 'run'
    result = run_training('bicross', '--config', 'training/configs/smoke.yaml', '--out', out)
    assert result.returncode == 0, result.stderr
    for name in ('teacher', 'mono_cross', 'bicross'):
        text = (out / name / 'scalars.jsonl').read_text()
        lines = [*map(json.loads, text.splitlines())]
        losses = [line['train/loss'] for line in lines if 'train/loss' in line]
        # The last stage starts from a trained network: so few steps show that it holds, no more.
        share = {'teacher': 0.8, 'mono_cross': 1.0, 'bicross': 1.1}[name]
        assert np.mean(losses[-3:]) < share * np.mean(losses[:3])
        assert any('validation/loss' in line for line in lines)
        assert (out / name / 'pictures').is_dir()
    # The projection has something to distil, and the discriminator does not win.
    mono, bicross = (
        json.loads((out / name / 'scalars.jsonl').read_text().splitlines()[-2])
        for name in ('mono_cross', 'bicross')
    )
    assert mono['train/spread'] > 0.02
    assert 0.3 < bicross['train/discriminator_accuracy'] < 0.9
    assert 'target_road' in json.loads((out / 'report.json').read_text())['sets']
    assert 'target, road: the network ' in result.stdout
    assert 'warning: no page' not in result.stderr
    text = (out / 'index.html').read_text()
    assert 'finished' in text
    assert len(text) < 2e6
    spikes = np.random.default_rng(0).random((128, 64, 96)) < 0.2
    observation = Observation(Window.from_planes(spikes, 20_000.0), 100.0)
    for backend in ('onnx', 'torch'):
        estimator = DepthEstimator.from_checkpoint(out / 'model.safetensors', 'cpu', backend, 1)
        assert np.isfinite(estimator.predict(observation).depth).all()


def test_a_checkpoint_names_what_the_stages_before_it_learnt_from(teacher_and_student, tmp_path):
    config = teacher_and_student
    info, weights = load(config.out / 'model.safetensors')
    path = tmp_path / 'teacher.safetensors'
    save(path, weights, dataclasses.replace(info, datasets={'rooms': 'CC BY 4.0'}))
    student = config.resolve(config.stages[1])
    here = build.context(student, {'teacher': path}, torch.device('cpu'))
    assert here.info.datasets == {
        'rooms': 'CC BY 4.0', 'procedural scenes of this package': 'Apache-2.0',
    }  # fmt: skip
