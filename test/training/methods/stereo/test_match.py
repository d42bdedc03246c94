# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch

from kit.runs import tiny_run
from spike_depth_ros.checkpoint import CheckpointError, load, load_info
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.networks.stereo_lite import LAPLACE_68
from spike_depth_ros.stereo.network import StereoNetwork
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_training.errors import ConfigError, NonFiniteError
from spike_training.evaluation import calibration
from spike_training.methods.stereo.augmentation import DARK_RATE, LEAST_GAIN, augment
from spike_training.methods.stereo.match import Match
from spike_training.methods.stereo.match_loss import (
    bad_share,
    disparity_loss,
    held_share,
    laplace_loss,
    volume_loss,
)
from spike_training.methods.stereo.settings import MatchConfig
from spike_training.reports.run_page import PageWriter
from spike_training.runs import pipeline
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Batch, View
from spike_training.sampling.truth import true_disparity
from spike_training.settings.config import check
from spike_training.tasks.base import Given
from spike_training.tasks.stereo import calibrated, evaluate

SMALL = {'disparities': 32, 'stem': 8, 'features': 8, 'groups': 4, 'volume': 4, 'head': 8}
NAN = math.nan


def images(*values):
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1)


def batch_of(counts=10, number=3, side=32, length=32):
    left, right = torch.full((2, number, 4, side, side), counts, dtype=torch.uint8)
    depth = torch.full((number, 1, side, side), 2.0)
    return Batch(
        counts=left,
        planes_per_bin=torch.full((4,), length, dtype=torch.int32),
        rgb=None,
        depth=depth,
        fx=torch.full((number,), 100.0),
        index=torch.arange(number),
        right=View(right, None, depth),
        baseline_m=torch.full((number,), 0.1),
    )


def run_of(out, stage=None, **changes):
    stage = stage or MatchConfig(name='small')
    model = {'architecture': 'stereo_lite', 'bins': 4, 'settings': SMALL}
    data = {'styles': ['indoor']}
    return tiny_run(out, stage, method='stereo', model=model, data=data, **changes)


def test_the_true_disparity_is_focal_length_times_baseline_over_depth():
    batch = batch_of(number=1, side=32)
    depth = images(NAN, math.inf, 0.4, 0.5, 2.0, 20.0, 20.1)
    truth = true_disparity(dataclasses.replace(batch, depth=depth), 100.0)
    torch.testing.assert_close(truth, images(NAN, NAN, NAN, 20.0, 5.0, 0.5, NAN), equal_nan=True)
    assert true_disparity(dataclasses.replace(batch, depth=depth), 19.0)[0, 0, 0, 3].isnan()


def test_unknown_pixels_have_no_loss_and_no_gradient():
    disparity = images(5.0, 8.0, 1.0).requires_grad_()
    truth = images(4.0, NAN, 1.0)
    loss = disparity_loss(disparity, truth)
    assert loss.item() == pytest.approx(math.log(2) / 2)
    (gradient,) = torch.autograd.grad(loss.sum(), disparity)
    assert gradient.flatten()[1:].tolist() == [0, 0]
    found = bad_share(images(1.0, 9.0, 4.1, 3.0), images(1.0, NAN, 1.0, 1.0))
    assert found.item() == pytest.approx(1 / 3)  # an error of the limit is none
    assert held_share(images(1.0, 9.0, 3.0), images(1.0, 9.0, 4.1), truth).item() == 0.0
    nothing = torch.full_like(truth, NAN)
    for value in (disparity_loss(disparity, nothing), laplace_loss(truth, disparity, nothing)):
        assert value.item() == 0


def test_the_likelihood_is_best_at_the_mean_error_and_clips_hopeless_ones():
    truth, disparity = images(*[0.0] * 4), images(1.0, 2.0, 3.0, 6.0)
    scales = torch.linspace(1, 6, 51)
    losses = [laplace_loss(images(*[b * LAPLACE_68] * 4), disparity, truth).item() for b in scales]
    assert scales[int(np.argmin(losses))].item() == pytest.approx(3.0)
    far = laplace_loss(images(LAPLACE_68), images(500.0), images(0.0))
    assert far.item() == pytest.approx(32.0)
    moved = disparity.clone().requires_grad_()
    scale = torch.ones_like(truth).requires_grad_()
    laplace_loss(scale, moved, truth).sum().backward()
    assert scale.grad.abs().max() > 0
    assert moved.grad is None


def test_the_cross_entropy_is_least_at_the_two_steps_beside_the_truth():
    truth = torch.full((1, 1, 8, 8), 9.0)  # between the steps of 8 and 12 pixels
    probability = torch.full((1, 6, 2, 2), 1e-6)
    probability[:, 2], probability[:, 3] = 0.75, 0.25
    best = volume_loss(probability.log(), truth, pool=1)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert best.item() == pytest.approx(entropy, abs=1e-4)
    assert volume_loss(torch.zeros(1, 6, 2, 2), truth, pool=1).item() == pytest.approx(math.log(6))
    beyond = torch.full((1, 1, 8, 8), 21.0)
    assert volume_loss(torch.zeros(1, 6, 2, 2), beyond, pool=1).item() == 0
    doubled = volume_loss(probability.log(), torch.full((1, 1, 16, 16), 18.0), pool=2)
    assert doubled.item() == pytest.approx(entropy, abs=1e-4)


def test_one_eye_of_each_pair_is_darker_and_each_has_noise_of_its_own():
    torch.manual_seed(0)
    batch = batch_of(counts=30, number=40, length=32)
    found = augment(batch)
    means = [eye.counts.mean(dim=(1, 2, 3)) for eye in (found, found.right)]
    ratio = means[0] / means[1]
    assert ratio.min() < 0.75 < 0.95 < ratio.max()
    assert min(means[0].min(), means[1].min()) > 30 * LEAST_GAIN * 0.98
    for eye in (found, found.right):
        assert eye.counts.dtype == torch.float32
        assert 0 <= eye.counts.min() <= eye.counts.max() <= 32
    dark = augment(batch_of(counts=0, number=8, length=100))
    rates = [eye.counts.median() / 100 for eye in (dark, dark.right)]
    assert all(rate <= 2 * DARK_RATE for rate in rates)
    assert not torch.equal(dark.counts, dark.right.counts)
    hot = [(eye.counts > 10).any(dim=1).float().mean() for eye in (dark, dark.right)]
    assert all(0.0015 < share < 0.0045 for share in hot)


def test_a_mirrored_pair_has_its_eyes_exchanged():
    torch.manual_seed(0)
    batch = batch_of(number=20)
    depth = torch.arange(32.0).expand(20, 1, 32, 32)
    batch = dataclasses.replace(batch, depth=depth, right=View(batch.counts, None, 100 + depth))
    found = augment(batch)
    mirrored = found.depth[:, 0, 0, 0] > 50
    assert 4 < mirrored.sum() < 16
    assert torch.equal(found.depth[mirrored], 100 + depth[mirrored].flip(-1))
    assert torch.equal(found.right.depth[~mirrored], 100 + depth[~mirrored])


def test_the_distance_of_the_eyes_is_drawn_for_each_sample():
    def source(**more):
        return ProceduralSource(
            ('home', 'road'), 3, 32, 48, (32,), bins=4, with_right=True, **more
        )

    usual, drawn = source(), source(baseline_factors=(0.5, 4.0))
    first = drawn.batch(0, 64)
    factors = first.baseline_m / usual.batch(0, 64).baseline_m
    assert 0.5 <= factors.min() < 0.7 < 2.5 < factors.max() <= 4
    assert 0.8 < factors.median() < 2.2  # uniform in its logarithm
    again = drawn.batch(8, 4)
    torch.testing.assert_close(again.baseline_m, drawn.batch(2, 16).baseline_m[:4])
    planes = next(drawn.pairs([0]))
    counted = np.unpackbits(planes[1], axis=2, bitorder='little').sum(axis=0)[:, :48]
    np.testing.assert_array_equal(counted, first.right.counts[0].sum(dim=0).numpy())
    with pytest.raises(ValueError, match=r'baseline_factors is \[2, 1\]: expected two above 0'):
        source(baseline_factors=(2, 1))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    config = run_of(tmp_path_factory.mktemp('match') / 'run')
    config.train.picture_every, config.train.validate_every = 3, 3
    pipeline.run(config)
    PageWriter().write(config.out)
    return config.out


def test_a_run_ends_in_a_calibrated_checkpoint_of_its_task(trained):
    path = trained / 'model.safetensors'
    info = load_info(path, StereoInfo)
    assert (info.task, info.inputs, info.disparities) == ('stereo', ('spikes', 'right'), 32)
    assert (info.bins, info.planes_range, info.stage) == (4, (32, 64), 'small')
    assert info.uncertainty_calibrated
    assert info.uncertainty_factor > 0
    report = json.loads((trained / 'report.json').read_text())
    assert report['task'] == 'stereo'
    for name, scores in report['sets'].items():
        assert [row['method'] for row in scores['rows']] == ['network', 'sgbm']
        assert scores['rows'][0]['coverage'] == 1
        assert 0 <= scores['interval_coverage'] <= 1
        assert info.metrics[f'{name}_bad2'] == scores['rows'][0]['bad2']
    page = (trained / 'index.html').read_text()
    assert 'Disparity from spikes' in page
    assert 'Disparity of pairs' in page
    assert StereoNetwork.from_checkpoint(path, 'cpu', 'torch', 1).info == info
    with pytest.raises(CheckpointError, match="field task is 'stereo', expected 'depth'"):
        DepthEstimator.from_checkpoint(path)


def test_the_factor_is_what_holds_68_percent_of_the_calibration_scenes(trained, monkeypatch):
    config = run_of(trained)
    info, weights = load(trained / 'model.safetensors', StereoInfo)
    plain = dataclasses.replace(info, uncertainty_factor=1.0, uncertainty_calibrated=False)
    again = calibrated(config, plain, weights, torch.device('cpu'))
    assert again.uncertainty_factor == pytest.approx(info.uncertainty_factor, rel=1e-5)
    monkeypatch.setattr(calibration, 'INTERVAL', 0.9)
    wider = calibrated(config, plain, weights, torch.device('cpu'))
    assert wider.uncertainty_factor > 1.1 * again.uncertainty_factor
    with pytest.raises(ConfigError, match='stage pre_src of the config is of one camera'):
        calibrated(tiny_run(trained), info, weights, torch.device('cpu'))


def test_coverage_does_not_depend_on_the_batches(trained):
    config, found = run_of(trained), []
    info, weights = load(trained / 'model.safetensors', StereoInfo)
    for size in (1, config.evaluate.batch_size):
        sizes = dataclasses.replace(config.evaluate, batch_size=size)
        again = dataclasses.replace(config, evaluate=sizes)
        report = evaluate(again, info, weights, torch.device('cpu'), Given())
        found.append([one['interval_coverage'] for one in report['sets'].values()])
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_resumed_run_has_the_weights_of_one_that_was_not_stopped(trained, tmp_path, monkeypatch):
    out = tmp_path / 'run'
    config = run_of(out)
    config.train.save_every = 1
    kept = Match.forward

    def stop(stage, batch, phase):
        if phase == 'train' and int(batch.index[0]) >= 4:  # the third step
            raise KeyboardInterrupt
        return kept(stage, batch, phase)

    monkeypatch.setattr(Match, 'forward', stop)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config)
    monkeypatch.setattr(Match, 'forward', kept)
    pipeline.run(dataclasses.replace(config, resume=True))
    found = load(out / 'model.safetensors', StereoInfo)[1]
    expected = load(trained / 'model.safetensors', StereoInfo)[1]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(
        'spike_training.methods.stereo.match.disparity_loss',
        lambda disparity, truth: disparity.mean(dim=(1, 2, 3)) * math.nan,
    )
    with pytest.raises(NonFiniteError, match='its batch is in'):
        pipeline.run(run_of(tmp_path / 'run'))


def test_a_run_goes_on_from_the_file_of_another(trained, tmp_path):
    path = tmp_path / 'start.safetensors'
    shutil.copy(trained / 'model.safetensors', path)
    stage = MatchConfig(name='again', init_from=str(path))
    check(run_of(tmp_path / 'run', stage))
