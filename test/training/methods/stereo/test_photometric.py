# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training on pairs without labels."""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from kit import checkpoints
from kit.datasets import write_paper_sets
from kit.runs import TARGET, tiny_run
from spike_depth_ros.checkpoint import load, save
from spike_depth_ros.networks.dpn import Dpn
from spike_depth_ros.networks.registry import weights_of
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.errors import ConfigError
from spike_training.evaluation.rates import picture
from spike_training.evaluation.statistics import batch_norms
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.stereo.augmentation import LEAST_GAIN, change_light
from spike_training.methods.stereo.photometric import (
    Disparities,
    Eyes,
    eyes_of,
    pictures_of,
    uncertainty_loss,
)
from spike_training.methods.stereo.settings import PhotometricConfig, PhotometricSettings
from spike_training.reports.run_page import PageWriter
from spike_training.run_data.recordings import focal_lengths
from spike_training.run_data.sources import make_target, samples_of
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage, make_work
from spike_training.runs.dry_run import dry_run
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.sample import Pair
from spike_training.settings.config import DataConfig, ModelConfig, TargetConfig, check
from spike_training.settings.reading import load_config

LITE = {'dim': 8, 'features8': 8, 'features': 8, 'head': 4}
DPN = {'width': 8}
CPU = torch.device('cpu')
LEVELS = PhotometricSettings(levels=3)


def run_of(out, architecture='unet_lite', target=None, **settings):
    """A run of a small network; siamese unless the architecture is dpn."""
    own = {'photometric': LEVELS, 'right': 'predicted' if architecture == 'dpn' else 'siamese'}
    stage = PhotometricConfig(name='pairs', **own | settings)
    sizes = DPN if architecture == 'dpn' else LITE
    model = ModelConfig(architecture, sizes, bins=9, canonical_fx=60.0)
    data = {'styles': ['indoor']}
    found = tiny_run(out, stage, method='stereo', model=model, data=data, target=target)
    check(found)
    return found


def stage_of(config):
    here = config.resolve(config.stages[-1])
    torch.manual_seed(0)
    return make_stage(context(here, {}, CPU))


@pytest.fixture(scope='module')
def batch():
    source = ProceduralSource(
        seed=3, height=32, width=48, planes=(64,), bins=9, with_right=True, with_rgb=True
    )
    return source.batch(0, 4)


@pytest.fixture
def spikes(batch):
    return dataclasses.replace(batch, rgb=None)


@pytest.mark.parametrize('architecture', ['unet_lite', 'dpn'])
def test_every_parameter_learns_without_a_label(tmp_path, spikes, architecture):
    stage = stage_of(run_of(tmp_path, architecture))
    unknown = torch.full_like(spikes.depth, math.nan)
    right = dataclasses.replace(spikes.right, depth=unknown)
    found = stage(dataclasses.replace(spikes, depth=unknown, right=right), 'val')
    assert found['loss'].isfinite()
    found['loss'].backward()
    without = [n for n, p in stage.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@pytest.mark.parametrize('architecture', ['unet_lite', 'dpn'])
def test_the_depth_of_pairs_changes_no_weight(tmp_path, spikes, architecture):
    stage = stage_of(run_of(tmp_path, architecture))
    gradients = []
    for depth in (spikes.depth, 3 * spikes.depth, torch.full_like(spikes.depth, math.nan)):
        torch.manual_seed(0)
        given = dataclasses.replace(
            spikes, depth=depth, right=dataclasses.replace(spikes.right, depth=depth)
        )
        stage.zero_grad()
        stage(given, 'val')['loss'].backward()
        gradients.append(torch.cat([one.grad.flatten() for one in stage.parameters()]))
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


def test_depth_follows_the_stated_baseline(tmp_path, spikes):
    """The same pictures of eyes twice as far apart show the same disparities of depth twice."""
    config = run_of(tmp_path, 'dpn')
    stage = stage_of(config).eval()
    assert isinstance(stage.network, Dpn)
    eyes = eyes_of(spikes)
    one = stage.disparities(eyes)
    twice = stage.disparities(eyes._replace(baseline_m=2 * eyes.baseline_m))
    for level, (a, b) in enumerate(zip(one.of_left, twice.of_left, strict=True)):
        torch.testing.assert_close(b, 2 * a)
        assert a.shape == (4, 1, 32 >> level, 48 >> level)
    left = one.of_left[0] * (stage.network.baseline_m / eyes.baseline_m)[:, None, None, None]
    depth = stage.network(spikes.counts, spikes.planes_per_bin).depth
    seen = (depth > 0.31) & (depth < 79)
    torch.testing.assert_close(
        (60.0 * stage.network.baseline_m / left)[seen], depth[seen], rtol=1e-3, atol=1e-3
    )


def test_both_eyes_go_through_one_siamese_network(tmp_path, spikes):
    stage = stage_of(run_of(tmp_path)).eval()
    eyes = eyes_of(spikes)
    found = stage.disparities(eyes)
    for k, of_eye in enumerate((found.of_left, found.of_right)):
        alone = stage.network(eyes.images[:, k], eyes.planes_per_bin)
        expected = (60.0 * spikes.baseline_m)[:, None, None, None] / alone.depth
        torch.testing.assert_close(of_eye[0], expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.uncertainty[k], alone.uncertainty, rtol=1e-4, atol=1e-4)


class TestPictures:
    def test_colours_are_compared_as_they_are(self, batch):
        left, right = pictures_of(eyes_of(batch), 'rate')
        assert torch.equal(left, batch.rgb)
        assert torch.equal(right, batch.right.rgb)

    def test_both_eyes_have_one_gain(self):
        counts = torch.full((1, 2, 9, 4, 4), 2.0)
        counts[:, 1] = 8.0
        eyes = Eyes(counts, torch.full((9,), 10), torch.tensor([0.1]))
        left, right = pictures_of(eyes, 'rate')
        # The mean rate of both, 0.5 spikes a plane, is a quarter of white before the encoding.
        torch.testing.assert_close(left, torch.full_like(left, (0.25 * 0.2 / 0.5) ** 0.5))
        torch.testing.assert_close(right, torch.full_like(right, (0.25 * 0.8 / 0.5) ** 0.5))

    def test_short_is_the_middle_ninth(self):
        counts = torch.zeros(1, 2, 9, 4, 4)
        counts[:, :, 4] = 5.0
        counts[:, :, 4, :, 2:] = 10.0
        eyes = Eyes(counts, torch.full((9,), 10), torch.tensor([0.1]))
        short = pictures_of(eyes, 'short')[0]
        torch.testing.assert_close(short[0, 0, 0, 3] ** 2, torch.tensor(0.25 / 0.75))
        torch.testing.assert_close(short[0, 0, 0, 0] ** 2, torch.tensor(0.125 / 0.75))
        counts[:, :, 0] = 7.0  # beside the middle
        assert torch.equal(pictures_of(eyes, 'short')[0], short)
        assert not torch.equal(pictures_of(eyes, 'rate')[0], short)

    def test_three_bins_of_one_plane_are_no_colours(self):
        counts = torch.zeros(1, 2, 3, 4, 4)
        counts[:, :, 0] = 1
        left, _ = pictures_of(Eyes(counts, torch.ones(3), torch.tensor([0.1])), 'rate')
        torch.testing.assert_close(left, torch.full((1, 1, 4, 4), 0.5))

    def test_they_are_not_rounded_in_mixed_precision(self):
        counts = torch.randint(0, 11, (1, 2, 9, 4, 4)).float()
        eyes = Eyes(counts, torch.full((9,), 10), torch.tensor([0.1]))
        with torch.autocast('cpu', torch.bfloat16):
            rounded = pictures_of(eyes, 'rate')
        assert all(map(torch.equal, rounded, pictures_of(eyes, 'rate')))

    def test_darkness_is_finite(self):
        eyes = Eyes(torch.zeros(2, 2, 9, 4, 4), torch.full((9,), 10), torch.ones(2))
        assert all(not one.any() for one in pictures_of(eyes, 'rate'))


class TestUncertainty:
    def loss(self, predicted, of_left, of_right):
        maps = [[torch.tensor(one).view(1, 1, 1, -1)] for one in (of_left, of_right)]
        uncertainty = torch.full((2, 1, 1, 1, len(of_left)), predicted)
        return uncertainty_loss(Disparities(*maps, uncertainty)).item()

    def test_it_learns_the_disagreement_over_the_disparity(self):
        # Left pixel 2 is at right pixel 0, of disparity 2.5; the reverse is at left pixel 2.5.
        found = self.loss(0.0, [9.0, 9.0, 2.0, 2.0], [2.5, 9.0, 9.0, 9.0])
        labels = [0.5 / 2, 1.0, 0.5 / 2.5]  # 9 less 2 over 2, clipped; then that of the right eye
        assert found == pytest.approx(np.mean(labels))

    def test_agreement_is_certain(self):
        assert self.loss(0.0, [1.0] * 5, [1.0] * 5) == 0
        assert self.loss(0.3, [1.0] * 5, [1.0] * 5) == pytest.approx(0.3)

    def test_what_the_other_eye_does_not_see_does_not_count(self):
        assert self.loss(0.3, [99.0] * 4, [99.0] * 4) == 0

    def test_depth_has_no_gradient_of_it(self):
        maps = [torch.full((1, 1, 1, 6), one, requires_grad=True) for one in (1.0, 2.0)]
        uncertainty = torch.zeros(2, 1, 1, 1, 6, requires_grad=True)
        uncertainty_loss(Disparities([maps[0]], [maps[1]], uncertainty)).backward()
        assert uncertainty.grad.abs().sum() > 0
        assert [one.grad for one in maps] == [None, None]


class TestLight:
    def test_spikes_of_both_eyes_are_dropped_alike(self):
        torch.manual_seed(0)
        eyes = torch.full((30, 2, 9, 16, 16), 8, dtype=torch.uint8)
        chosen = torch.arange(30) < 20
        found = change_light(eyes, False, chosen)
        assert torch.equal(found[20:], eyes[20:].float())
        share = found[:20].mean(dim=(2, 3, 4)) / 8
        assert LEAST_GAIN - 0.02 < share.min() < 0.7
        assert share.max() > 0.9
        assert (share[:, 0] - share[:, 1]).abs().max() < 0.04

    def test_colours_of_both_eyes_change_alike(self):
        torch.manual_seed(0)
        eyes = 0.4 + 0.1 * torch.rand(30, 1, 3, 8, 8).expand(30, 2, 3, 8, 8)
        found = change_light(eyes, True, torch.ones(30, dtype=torch.bool))
        torch.testing.assert_close(found[:, 0], found[:, 1])
        contrast = found.std(dim=(1, 2, 3, 4)) / eyes.std(dim=(1, 2, 3, 4))
        brightness = found.mean(dim=(1, 2, 3, 4)) / eyes.mean(dim=(1, 2, 3, 4))
        assert contrast.min() < 0.8 < 1.3 < contrast.max()
        assert LEAST_GAIN - 0.01 < brightness.min() < 0.7 < 0.9 < brightness.max() < 1.01

    def test_it_is_the_networks_input_alone_that_changes(self, tmp_path, spikes):
        """Else the noise of dropped spikes would be compared."""
        stage = stage_of(run_of(tmp_path, light=1.0, source_weight=0.0))
        seen = []
        stage.disparities = lambda eyes: seen.append(eyes.images) or stage_disparities(eyes)
        stage_disparities = type(stage).disparities.__get__(stage)
        stage(spikes, 'train')
        stage(spikes, 'val')
        assert not torch.equal(seen[0].float(), eyes_of(spikes).images.float())
        assert torch.equal(seen[1], eyes_of(spikes).images)


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """The weights of a network that saw other pictures."""
    config = run_of(tmp_path_factory.mktemp('runs'))
    config.stages = [PretrainConfig(name='first', kind='bicross.pretrain')]
    here = context(config.resolve(config.stages[0]), {}, CPU)
    network = make_stage(here).network
    for layer in batch_norms(network):
        layer.running_mean += 0.1
    save(config.out / 'first.safetensors', weights_of(network), here.info)
    return config.out / 'first.safetensors'


class TestWeights:
    def test_statistics_stay_where_weights_are_given(self, tmp_path, spikes, pretrained):
        for init_from, stay in ((str(pretrained), True), ('scratch', False)):
            stage = stage_of(run_of(tmp_path / 'x', init_from=init_from))
            before = [one.running_mean.clone() for one in batch_norms(stage.network)]
            stage.train()
            stage(spikes, 'train')
            after = [one.running_mean for one in batch_norms(stage.network)]
            assert all(map(torch.equal, before, after)) == stay
            assert all(one.training != stay for one in batch_norms(stage.network))

    def test_affine_trains_scales_and_shifts_alone(self, tmp_path, pretrained):
        stage = stage_of(run_of(tmp_path / 'x', init_from=str(pretrained), trainable='affine'))
        learnt = [name for name, p in stage.named_parameters() if p.requires_grad]
        assert len(learnt) == 2 * len(batch_norms(stage.network))


class TestLabelledScenes:
    def test_they_are_beside_pairs_of_the_target(self, tmp_path):
        config = run_of(tmp_path, source_weight=0.5, target=TARGET)
        work = make_work(context(config.resolve(config.stages[0]), {}, CPU))
        batch = work.train.batch(0, 2)
        assert isinstance(batch, Pair)
        assert batch.source.right is None
        assert batch.target.right.shape == batch.target.counts.shape
        assert not torch.equal(batch.target.right, batch.target.counts)
        alone = stage_of(run_of(tmp_path, source_weight=1e-12, target=TARGET))
        found, without = work.stage(batch, 'val'), alone(batch, 'val')
        labelled = found['loss'] - without['loss']
        output = work.stage.network(batch.source.counts, batch.source.planes_per_bin)
        sup, unc, _ = work.stage.supervision(output, batch.source)
        assert labelled.item() == pytest.approx(0.5 * (sup + unc).item(), rel=1e-3)

    def test_their_metres_do_not_count_unless_asked_for(self):
        assert PhotometricConfig().si_lambda == 1  # all of a factor is ignored


def test_health_is_told_by_counted_pixels_and_disparity(tmp_path):
    stage = stage_of(run_of(tmp_path))
    assert stage.warnings({'counted': 0.5, 'disparity_px': 3.0}) == []
    few, far = stage.warnings({'counted': 0.04, 'disparity_px': 0.42})
    assert few.startswith('4% of the pixels count in the comparison of the eyes: expected 10%')
    assert far.startswith('the median disparity is 0.42 pixels: expected 1 or more')


@pytest.mark.parametrize(
    ('architecture', 'settings'), [('unet_lite', {'input': 'rgb'}), ('dpn', {})]
)
def test_a_whole_run_learns_and_exports(tmp_path, architecture, settings):
    config = run_of(tmp_path, architecture, **settings)
    train = dataclasses.replace(config.train, picture_every=3, validate_every=3)
    pipeline.run(dataclasses.replace(config, train=train))
    PageWriter().write(config.out)
    info, _ = load(tmp_path / 'model.safetensors')
    assert isinstance(info, DepthInfo)
    assert (info.stage, info.scale) == ('pairs', 'metric')
    assert (tmp_path / 'pairs' / 'pictures').is_dir()
    page = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert 'Median disparity of the left eye' in page


def write_rig(root: Path) -> Path:
    """Six recordings of 400 planes of both eyes, whose disparity is 4 pixels; no depth."""
    rng = np.random.default_rng(0)
    for number in range(6):
        spikes = rng.random((400, 64, 100)) < rng.random((64, 100)) / 2
        for eye, first in (('left', 0), ('right', 4)):
            (root / eye).mkdir(parents=True, exist_ok=True)
            seen = spikes[:, ::-1, first : first + 96]
            np.packbits(seen, axis=2, bitorder='little').tofile(root / eye / f'{number}.dat')
    return root


def test_pairs_without_depth_train_to_the_end(tmp_path, capsys):
    rig, config = write_rig(tmp_path / 'rig'), run_of(tmp_path / 'run')
    where = f'{rig / "left"},right={rig / "right"},size=96x64,baseline=0.1,fx=90'
    data = DataConfig(height=64, width=96, planes=[64], recordings={'dat': where})
    config = dataclasses.replace(config, data=data)
    dry_run(config)
    assert 'dry run: nothing is missing' in capsys.readouterr().out
    pipeline.run(config)
    info, _ = load(config.out / 'model.safetensors')
    assert (info.scale, info.uncertainty_calibrated, info.metrics) == ('metric', False, {})
    text = capsys.readouterr().out
    assert 'the uncertainty is not calibrated: the scenes hold no depth in metres' in text
    assert 'nothing is scored: no test recordings have depth' in text


class TestPaper:
    """The settings that Shen et al. print, and where their pairs are looked for."""

    PATH = Path(__file__).resolve().parents[4] / 'training' / 'configs' / 'paper_dpn_kitti.yaml'

    def test_settings_are_printed_ones(self):
        config = load_config(self.PATH)
        (stage,) = config.stages
        assert (config.data.height, config.data.width, stage.epochs) == (256, 512, 200)
        assert (config.train.learning_rate, config.train.batch_size) == (5e-4, 8)
        assert (config.train.betas, config.train.weight_decay) == ((0.9, 0.999), 0)
        loss = stage.photometric
        assert (loss.alpha, loss.smooth, loss.consistency, loss.levels) == (0.85, 0.1, 0.01, 4)
        assert (loss.printed, loss.smooth_halves, loss.mask) == (True, False, 0)
        assert (stage.right, stage.input, stage.light) == ('predicted', 'rgb', 0.5)

    def test_pairs_are_found_and_learnt_from(self, tmp_path, monkeypatch):
        write_paper_sets(tmp_path)
        for number in range(1, 4):  # pairs need no depth
            shutil.rmtree(
                tmp_path / f'datasets/kitti_depth/train/2011_09_26_drive_{number:04d}_sync'
            )
        monkeypatch.chdir(tmp_path)
        config = load_config(self.PATH)
        config.data.workers, config.model.settings['width'] = 0, 8
        here = config.resolve(config.stages[0])
        assert samples_of(here) == 2  # a drive of three is that of the calibration
        work = make_work(context(here, {}, CPU))
        batch = work.train.batch(0, 2)
        assert batch.right.rgb.shape == batch.rgb.shape == (2, 3, 256, 512)
        assert batch.baseline_m.tolist() == pytest.approx([389 / 721] * 2)
        low, high = focal_lengths(config.data)
        assert low - 2 <= config.model.canonical_fx <= high + 2
        assert work.stage(batch, 'train')['loss'].isfinite()


PAIRS = {'input': 'rgb', 'other_band': True}


@pytest.fixture(scope='module')
def bands():
    """Pairs whose right eye is a spike camera of another band of light."""
    source = ProceduralSource(
        ('road',), 3, 32, 48, (64,), bins=9, with_right=True, with_rgb=True, band='right'
    )
    return source.batch(0, 4)


class TestTwoBands:
    """The picture of the right eye may be translated."""

    def test_its_picture_is_that_of_its_rates(self, tmp_path, bands):
        stage = stage_of(run_of(tmp_path, translate='none', **PAIRS))
        eyes = stage.eyes(bands)
        assert eyes.colours
        torch.testing.assert_close(eyes.images[:, 0], bands.rgb, rtol=0, atol=0)
        own = picture(bands.right.counts, bands.planes_per_bin)
        torch.testing.assert_close(eyes.images[:, 1], own, rtol=0, atol=0)
        stage(bands, 'train')['loss'].backward()

    def test_moments_are_matched_and_kept(self, tmp_path, bands):
        config = run_of(tmp_path, translate='moments', **PAIRS)
        stage = stage_of(config)
        before = stage.eyes(bands)
        stage.begin([bands], [])
        eyes = stage.eyes(bands)
        torch.testing.assert_close(eyes.images[:, 0], bands.rgb, rtol=0, atol=0)
        left, right = eyes.images[:, 0].double(), eyes.images[:, 1].double()
        assert float(right.mean()) == pytest.approx(float(left.mean()), abs=0.03)
        assert not torch.equal(eyes.images, before.images)
        again = stage_of(config)
        again.load_state_dict(stage.state_dict())
        torch.testing.assert_close(again.eyes(bands).images, eyes.images, rtol=0, atol=0)
        assert not [name for name, _ in stage.named_parameters() if name.startswith('look')]

    @pytest.mark.parametrize('eye', ['left', 'right'])
    def test_a_translator_changes_one_eye_and_does_not_learn(self, tmp_path, bands, eye):
        info = checkpoints.info('translation', size=(32, 48))
        made = checkpoints.network(info)
        torch.nn.init.constant_(made.change.bias, -0.25)
        save(tmp_path / 'look.safetensors', weights_of(made), info)
        given = {'translate': str(tmp_path / 'look.safetensors'), 'translated_eye': eye}
        stage = stage_of(run_of(tmp_path, **given, **PAIRS))
        plain = stage_of(run_of(tmp_path, translate='none', **PAIRS)).eyes(bands).images
        images = stage.eyes(bands).images
        own = ('left', 'right').index(eye)
        expected = (plain[:, own] - 0.25).clamp(0, 1)
        torch.testing.assert_close(images[:, own], expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(images[:, 1 - own], plain[:, 1 - own], rtol=0, atol=0)
        assert not [name for name in stage.state_dict() if 'change' in name]
        stage(bands, 'train')['loss'].backward()

    @pytest.mark.parametrize(
        ('given', 'message'),
        [
            ({'translate': 'other'}, "translate is 'other': expected a stage or file of a"),
            ({'translate': 'none', 'input': 'spikes'}, 'translate is given: expected input rgb'),
            ({'other_band': True, 'input': 'spikes'}, 'other_band is given: expected input rgb'),
        ],
    )
    def test_what_cannot_be_translated_is_refused(self, tmp_path, given, message):
        with pytest.raises(ConfigError, match=message):
            run_of(tmp_path, **({'input': 'rgb'} | given))

    def test_a_checkpoint_of_another_task_is_refused(self, tmp_path):
        path = checkpoints.checkpoint(tmp_path / 'depth.safetensors')
        with pytest.raises(ConfigError, match=r'translate is .*expected a stage or file'):
            run_of(tmp_path, input='rgb', translate=str(path))

    def test_the_translator_never_sees_a_scene_of_the_pairs(self, tmp_path):
        """Else it would learn the shift of the baseline."""
        pairs = ProceduralSource(('road',), 0, 32, 48, (64,), with_rgb=True, with_right=True)
        run = run_of(tmp_path, target=TargetConfig(styles=['road'], band='other'), input='rgb')
        target = make_target(run, 'train', CPU, labels=False)
        assert target.band == 'all'
        own = pairs.batch(0, 8)
        others = [target.batch(step, 8) for step in range(4)]
        for one in others:
            for depth in (own.depth, own.right.depth):
                assert not any(torch.equal(a, b) for a in depth for b in one.depth)
