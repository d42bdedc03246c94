# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind fuse: what is drawn, what it learns, and what its checkpoints are."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml

from kit.runs import tiny_run
from spike_depth_ros.checkpoint import load, save
from spike_depth_ros.tasks.fused import FusedInfo
from spike_training.commands.evaluate import evaluate
from spike_training.errors import ConfigError
from spike_training.evaluation.calibration import calibrate
from spike_training.evaluation.predictors import Scenes, build_for_evaluation, predict
from spike_training.methods.fuse.settings import FuseConfig
from spike_training.reports.run_page import PageWriter
from spike_training.run_data.sources import make_frames
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage, make_work
from spike_training.runs.memory import noise
from spike_training.sampling import procedural
from spike_training.sampling.frames import CONDITIONS, MISSING, Shot, draw_shot
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import ModelConfig
from spike_training.settings.reading import load_config

# One run trains and is exported, which takes a minute on a busy machine.
pytestmark = [pytest.mark.usefixtures('one_thread'), pytest.mark.timeout(300)]
CPU = torch.device('cpu')
SMALL = {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2}


def run_of(out, settings=SMALL, **changes):
    model = ModelConfig(architecture='fuse_lite', bins=9, settings=settings)
    return tiny_run(out, FuseConfig(name='fuse'), method='fuse', model=model, **changes)


def test_the_memory_of_a_run_is_that_of_batches_with_frames(tmp_path):
    here = context(run_of(tmp_path).resolve(run_of(tmp_path).stages[0]), {}, torch.device('cpu'))
    batch = noise(here, 2, 32, 48)
    assert batch.frame.shape == (2, 3, 32, 48)
    assert batch.has_spikes.all()


def source(condition=None, **changes):
    given = {'seed': 5, 'height': 32, 'width': 48, 'bins': 9, 'with_frame': True} | changes
    return ProceduralSource(('road', 'home'), condition=condition, **given)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of a complete run."""
    train = {'picture_every': 3, 'validate_every': 3}
    config = run_of(
        tmp_path_factory.mktemp('runs') / 'run',
        data={'width': 64, 'styles': ['road']},
        train=train,
    )
    pipeline.run(config)
    PageWriter().write(config.out)
    return config.out


class TestShots:
    def test_they_are_functions_of_seed_and_sample(self):
        assert draw_shot(1, 2) == draw_shot(1, 2)
        assert len({draw_shot(1, k).noise for k in range(50)}) == 50

    @pytest.mark.parametrize('dropped', [0.0, 0.15, 0.5])
    def test_dropped_is_a_share_of_frames_and_one_of_spikes(self, dropped):
        shots = [draw_shot(0, k, dropped=dropped) for k in range(2000)]
        for has in ('has_frame', 'has_spikes'):
            share = sum(not getattr(shot, has) for shot in shots) / len(shots)
            assert share == pytest.approx(dropped, abs=0.03)
        assert all(shot.has_frame or shot.has_spikes for shot in shots)

    def test_frames_of_other_scenes_are_a_share_of_their_own(self):
        shots = [draw_shot(0, k, dropped=0.15, other_scene=0.2) for k in range(2000)]
        others = [shot for shot in shots if shot.other_scene]
        assert len(others) / len(shots) == pytest.approx(0.2, abs=0.03)
        assert all(shot.has_frame and shot.has_spikes for shot in others)
        without = [draw_shot(0, k, dropped=0.15) for k in range(2000)]
        assert all(a == b for a, b in zip(shots, without, strict=True) if not a.other_scene)

    def test_nothing_is_dropped_where_a_condition_is_given(self):
        shots = [draw_shot(0, k, 'blurred', dropped=0.5) for k in range(50)]
        assert all(shot.has_frame and shot.has_spikes and shot.exposure_s for shot in shots)

    @pytest.mark.parametrize('condition', CONDITIONS)
    def test_each_condition_changes_what_it_says(self, condition):
        shot = draw_shot(0, 3, condition)
        changed = {
            field.name
            for field in dataclasses.fields(Shot)
            if getattr(shot, field.name) != field.default and field.name != 'noise'
        }
        expected = {
            'blurred': {'exposure_s'}, 'over_exposed': {'gain'}, 'dark': {'gain'},
            'boxes': {'boxes'}, 'old': {'age_s'}, 'shifted': {'shift'},
            'spikes_dark': {'light'}, 'spikes_lost': {'lost'},
            'frame_missing': {'has_frame'}, 'spikes_missing': {'has_spikes'},
            'other_scene': {'other_scene'},
        }  # fmt: skip
        assert changed == expected.get(condition, set())


class TestFrames:
    def test_clean_ones_are_the_colours_of_the_scene(self):
        batch = source('clean', with_rgb=True).batch(0, 4)
        assert batch.has_spikes.all()
        assert (batch.frame - batch.rgb).abs().mean() < 0.03  # noise

    def test_a_batch_is_a_function_of_its_number(self):
        one, other = source().batch(1, 4), source().batch(1, 4)
        assert torch.equal(one.frame.nan_to_num(-1), other.frame.nan_to_num(-1))
        assert torch.equal(one.counts, other.counts)
        assert torch.equal(one.has_spikes, other.has_spikes)

    def test_depth_is_the_same_whatever_goes_wrong(self):
        clean = source('clean').batch(0, 4)
        for condition in CONDITIONS:
            assert torch.equal(source(condition).batch(0, 4).depth, clean.depth)

    @pytest.mark.parametrize('condition', ['blurred', 'old', 'shifted', 'boxes', 'other_scene'])
    def test_damage_of_frames_leaves_the_spikes(self, condition):
        clean, damaged = source('clean').batch(0, 4), source(condition).batch(0, 4)
        assert torch.equal(damaged.counts, clean.counts)
        assert not torch.equal(damaged.frame, clean.frame)

    def test_blur_is_the_mean_of_the_light_over_the_exposure(self, monkeypatch):
        clean, blurred = source('clean').batch(0, 4), source('blurred').batch(0, 4)
        monkeypatch.setattr(procedural, 'INSTANTS', 41)
        fine = source('blurred').batch(0, 4)
        error, blur = ((one.frame - fine.frame).abs().mean() for one in (blurred, clean))
        assert blur > 0.003
        assert error < 0.15 * blur

    @pytest.mark.parametrize('condition', ['spikes_dark', 'spikes_lost', 'spikes_missing'])
    def test_damage_of_spikes_leaves_the_frame(self, condition):
        clean, damaged = source('clean').batch(0, 4), source(condition).batch(0, 4)
        assert damaged.counts.sum() < 0.9 * clean.counts.sum()
        assert torch.equal(damaged.frame, clean.frame)

    def test_frames_of_other_scenes_are_those_of_the_next_samples(self):
        clean, some = source('clean').batch(0, 8), source(other_scene=0.5).batch(0, 8)
        shots = [draw_shot(5, k, other_scene=0.5) for k in range(8)]
        others = [k for k, shot in enumerate(shots) if shot.other_scene and k < 7]
        assert 0 < len(others) < 7
        for k in others:  # but for its noise, the frame that the next sample would have
            assert (some.frame[k] - clean.frame[k + 1]).abs().mean() < 0.03
            assert (some.frame[k] - clean.frame[k]).abs().mean() > 0.05

    def test_what_is_dropped_is_missing_in_batches(self):
        batch = source(dropped=0.5).batch(0, 8)
        assert torch.equal(batch.frame.isnan().all(3).all(2).all(1), batch.has_spikes)
        assert 0 < batch.has_spikes.sum() < 8
        assert source(dropped=0.0).batch(0, 8).has_spikes.all()

    def test_what_is_missing_is_marked(self):
        frame_missing, spikes_missing = (source(condition).batch(0, 2) for condition in MISSING)
        assert frame_missing.frame.isnan().all()
        assert frame_missing.has_spikes.all()
        assert spikes_missing.frame.isfinite().all()
        assert not spikes_missing.has_spikes.any()


class TestStage:
    def test_nan_in_all_depths_teaches_nothing(self, tmp_path):
        work = make_work(context(run_of(tmp_path).resolve(run_of(tmp_path).stages[0]), {}, CPU))
        batch = work.train.batch(0, 2)
        blind = dataclasses.replace(batch, depth=torch.full_like(batch.depth, torch.nan))
        work.stage(blind, 'train')['loss'].backward()
        assert not any(p.grad is not None and p.grad.any() for p in work.stage.parameters())

    @pytest.mark.parametrize('uses', ['spikes', 'frame'])
    def test_a_control_does_not_see_the_other(self, tmp_path, uses):
        config = run_of(tmp_path, {**SMALL, 'uses': uses})
        network = make_stage(context(config.resolve(config.stages[0]), {}, CPU)).network.eval()
        for vectors in network.missing:
            torch.nn.init.normal_(vectors)
        batch = source('clean').batch(0, 2)
        instead = {'spikes': 'other_scene', 'frame': 'spikes_dark'}[uses]
        other = source(instead).batch(0, 2)
        with torch.no_grad():
            one, two = (predict(network, each, 'spikes').depth for each in (batch, other))
        assert torch.equal(one, two)

    def test_a_checkpoint_names_its_frames(self, trained):
        info, _ = load(trained / 'model.safetensors', FusedInfo)
        assert (info.task, info.scale, info.max_age_s) == ('fused', 'metric', 0.1)
        assert [*(trained / 'fuse' / 'pictures').iterdir()]

    def test_the_uncertainty_is_calibrated_on_undamaged_scenes(self, trained):
        config = load_config(trained / 'config.yaml')
        info, weights = load(trained / 'model.safetensors', FusedInfo)
        assert info.uncertainty_calibrated
        network = build_for_evaluation(info, weights, CPU)
        source = ProceduralSource(
            tuple(config.data.styles), height=32, width=64, planes=(32, 64), bins=9,
            split='calibration', with_frame=True, condition='clean',
        )  # fmt: skip
        again = calibrate(network, info, Scenes(source, 2 * len(config.data.styles), 2))
        assert again.uncertainty_factor == pytest.approx(info.uncertainty_factor)
        assert again.uncertainty_powers == pytest.approx(info.uncertainty_powers)

    def test_a_run_is_scored_by_condition(self, trained):
        report = json.loads((trained / 'report.json').read_text())
        assert report['task'] == 'fused'
        assert [scores['part'] for scores in report['sets'].values()] == [*CONDITIONS]
        metrics = load(trained / 'model.safetensors', FusedInfo)[0].metrics
        for condition in CONDITIONS:
            own = report['sets'][f'source_{condition}']['predictors']['network']
            assert metrics[f'{condition}_abs_rel'] == pytest.approx(own['abs_rel'], abs=1e-4)
        page = (trained / 'index.html').read_text()
        assert 'Depth from spikes and a frame' in page
        assert 'frame missing' in page

    @pytest.mark.long  # a minute of torch.export
    def test_the_export_takes_a_frame_or_none(self, tmp_path):
        config = run_of(tmp_path / 'run')
        config.data.width = 64
        config.evaluate.export = True
        pipeline.run(config)
        session = onnxruntime.InferenceSession(str(config.out / 'model.onnx'))
        counts = np.ones((1, 9, 32, 64), np.uint16)
        feeds = {'counts': counts, 'planes_per_bin': np.full(9, 14, np.int32)}
        seen, missing = (np.full((1, 3, 32, 64), value, np.float32) for value in (0.5, np.nan))
        with_frame, without = (
            session.run(['depth'], feeds | {'frame': frame})[0] for frame in (seen, missing)
        )
        assert with_frame.shape == without.shape == (1, 1, 32, 64)
        assert np.isfinite(without).all()
        assert not np.array_equal(with_frame, without)


class TestEvaluate:
    def score(self, trained, out, **options):
        evaluate(
            trained / 'config.yaml', out / 'r.json', trained / 'model.safetensors', device='cpu',
            **options,
        )  # fmt: skip
        return json.loads((out / 'r.json').read_text())

    def test_a_checkpoint_is_scored_by_condition(self, trained, tmp_path, capsys):
        assert self.score(trained, tmp_path) == json.loads((trained / 'report.json').read_text())
        printed = capsys.readouterr().out
        for condition in CONDITIONS:
            assert re.search(f'^│ {condition.replace("_", " ")} +│', printed, re.MULTILINE)
        assert 'median-depth baseline, per pixel' in printed

    @pytest.mark.parametrize(
        ('options', 'named'),
        [
            ({'planes': [32]}, 'planes'),
            ({'mean_rate': 0.3}, 'mean_rate'),
            ({'data': {'tum': 'x'}}, 'data'),
        ],
    )
    def test_options_of_spikes_alone_are_refused(self, trained, tmp_path, options, named):
        with pytest.raises(ConfigError) as caught:
            self.score(trained, tmp_path, **options)
        expected = f'{named} given: expected none for a network of spikes and a frame'
        assert str(caught.value) == expected

    def test_recordings_of_a_config_are_refused(self, trained, tmp_path):
        tree = yaml.safe_load(Path('training/configs/smoke.yaml').read_text())
        tree['data']['recordings'] = {'kitti': 'x'}
        tree['target'] = None
        tree['stages'] = tree['stages'][:1]
        (tmp_path / 'config.yaml').write_text(yaml.safe_dump(tree))
        with pytest.raises(ConfigError, match='has recordings: expected generated scenes alone'):
            evaluate(
                tmp_path / 'config.yaml', tmp_path / 'r.json', trained / 'model.safetensors',
                device='cpu',
            )  # fmt: skip
        with pytest.raises(ConfigError, match='has recordings: expected generated scenes alone'):
            make_frames(
                load_config(tmp_path / 'config.yaml'), 'test', torch.device('cpu'), 'clean'
            )

    def test_a_size_that_the_network_cannot_take_is_refused(self, trained, tmp_path):
        info, weights = load(trained / 'model.safetensors', FusedInfo)
        pooled = dataclasses.replace(info, settings={**info.settings, 'pool': 4})
        save(tmp_path / 'pooled.safetensors', weights, pooled)
        files = tmp_path / 'r.json', tmp_path / 'pooled.safetensors'
        with pytest.raises(ConfigError, match=r'height is 32 and .* 64: expected multiples of 64'):
            evaluate(trained / 'config.yaml', *files, device='cpu')
