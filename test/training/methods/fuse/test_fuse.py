# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind fuse: what is drawn, what it learns, and what its checkpoints are."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_runs import tiny_run

from spike_depth_ros.checkpoint import FusedInfo, load
from spike_training.evaluation.predictors import predict
from spike_training.methods.fuse.settings import FuseConfig
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage, make_work
from spike_training.sampling.frames import CONDITIONS, DROPPED, MISSING, Shot, draw_shot
from spike_training.sampling.procedural import ProceduralSource
from spike_training.settings.config import ModelConfig, problems_of

pytestmark = pytest.mark.usefixtures('one_thread')
CPU = torch.device('cpu')
SMALL = {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2}


def run_of(out, settings=SMALL, **changes):
    config = tiny_run(out, FuseConfig(name='fuse', **changes), method='fuse')
    config.model = ModelConfig(architecture='fuse_lite', bins=9, settings=settings)
    return config


def source(condition=None, **changes):
    given = {'seed': 5, 'height': 32, 'width': 48, 'bins': 9, 'with_frame': True} | changes
    return ProceduralSource(('road', 'home'), condition=condition, **given)


class TestShots:
    def test_they_are_functions_of_seed_and_sample(self):
        assert draw_shot(1, 2) == draw_shot(1, 2)
        assert len({draw_shot(1, k).noise for k in range(50)}) == 50

    def test_shares_of_what_is_missing(self):
        shots = [draw_shot(0, k) for k in range(2000)]
        for has in ('has_frame', 'has_spikes'):
            share = sum(not getattr(shot, has) for shot in shots) / len(shots)
            assert share == pytest.approx(DROPPED, abs=0.03)
        assert all(shot.has_frame or shot.has_spikes for shot in shots)

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

    @pytest.mark.parametrize('condition', ['spikes_dark', 'spikes_lost', 'spikes_missing'])
    def test_damage_of_spikes_leaves_the_frame(self, condition):
        clean, damaged = source('clean').batch(0, 4), source(condition).batch(0, 4)
        assert damaged.counts.sum() < 0.9 * clean.counts.sum()
        assert torch.equal(damaged.frame, clean.frame)

    def test_what_is_missing_is_marked(self):
        frame_missing, spikes_missing = (source(condition).batch(0, 2) for condition in MISSING)
        assert frame_missing.frame.isnan().all()
        assert frame_missing.has_spikes.all()
        assert spikes_missing.frame.isfinite().all()
        assert not spikes_missing.has_spikes.any()


class TestStage:
    def test_nan_in_all_depths_teaches_nothing(self, tmp_path):
        work = make_work(context(run_of(tmp_path).stages[0].resolve(run_of(tmp_path)), {}, CPU))
        batch = work.train.batch(0, 2)
        blind = dataclasses.replace(batch, depth=torch.full_like(batch.depth, torch.nan))
        work.stage(blind, 'train')['loss'].backward()
        assert not any(p.grad is not None and p.grad.any() for p in work.stage.parameters())

    @pytest.mark.parametrize('uses', ['spikes', 'frame'])
    def test_a_control_does_not_see_the_other(self, tmp_path, uses):
        config = run_of(tmp_path, {**SMALL, 'uses': uses})
        network = make_stage(context(config.stages[0].resolve(config), {}, CPU)).network.eval()
        for vectors in network.missing:
            torch.nn.init.normal_(vectors)
        batch = source('clean').batch(0, 2)
        instead = {'spikes': 'other_scene', 'frame': 'spikes_dark'}[uses]
        other = source(instead).batch(0, 2)
        with torch.no_grad():
            one, two = (predict(network, each, 'spikes').depth for each in (batch, other))
        assert torch.equal(one, two)

    def test_a_whole_run(self, tmp_path):
        config = run_of(tmp_path / 'run')
        config.evaluate.export = True
        config.train.picture_every = config.train.validate_every = 3
        pipeline.run(config)
        info, _ = load(config.out / 'model.safetensors', FusedInfo)
        assert (info.task, info.scale, info.max_age_s) == ('fused', 'metric', 0.1)
        assert info.uncertainty_calibrated
        assert [*(config.out / 'fuse' / 'pictures').iterdir()]
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

    @pytest.mark.parametrize(
        ('changes', 'told'),
        [
            ({'input': 'rgb'}, "input is 'rgb': expected spikes"),
        ],
    )
    def test_wrong_settings_are_told(self, tmp_path, changes, told):
        assert any(told in one for one in problems_of(run_of(tmp_path, **changes)))

    def test_recordings_have_no_frames(self, tmp_path):
        config = run_of(tmp_path)
        config.data.recordings = {'kitti': 'x'}
        told = 'data.recordings is given: expected none, generated scenes alone have frames'
        assert any(told in one for one in problems_of(config))
