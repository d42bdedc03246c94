# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from kit.runs import tiny_run
from spike_depth_ros import DepthEstimator, Window
from spike_depth_ros.checkpoint import (
    IMAGE_MODEL,
    CheckpointError,
    find_checkpoint,
    load,
    load_info,
    onnx_path,
)
from spike_depth_ros.estimator import ImageEstimator
from spike_depth_ros.networks.reconstruction.blind_spot import BlindSpotNet, BlindSpotSettings
from spike_depth_ros.networks.reconstruction.recon_lite import ReconLite, ReconSettings
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.tasks.image import ImageInfo
from spike_training.commands.evaluate import evaluate
from spike_training.commands.table import table
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.suitability import MIN_CHANGING, measure
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.preparation import Preparation
from spike_training.methods.ssml.losses import (
    mutual_loss,
    pseudo_label,
    psnr,
    reconstruction_loss,
    robust_error,
)
from spike_training.methods.ssml.settings import (
    BlindSpotConfig,
    HeldOutConfig,
    MutualConfig,
    SupervisedConfig,
)
from spike_training.methods.ssml.stages import BlindSpot, HeldOut, Mutual
from spike_training.reports.run_page import PageWriter
from spike_training.run_data.sources import samples_of
from spike_training.runs import build, pipeline
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig, TargetConfig, check, to_yaml
from spike_training.settings.reading import load_config, read_arguments
from spike_training.tables.metrics import RowMetrics
from spike_training.tables.plan import Row
from spike_training.tables.settings import RowConfig
from spike_training.tasks import image
from spike_training.tasks.base import Given

ROOT = Path(__file__).resolve().parents[3]
SMALL = {'widths': (4, 4, 4)}


def images(*values):
    return torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)


def batch_of(batch=2, side=16, with_image=True):
    generator = torch.Generator().manual_seed(0)
    counts = (torch.rand(batch, 41, side, side, generator=generator) < 0.3).to(torch.uint8)
    return Batch(
        counts=counts,
        planes_per_bin=torch.ones(41, dtype=torch.int32),
        rgb=None,
        depth=torch.ones(batch, 1, side, side),
        fx=torch.ones(batch),
        index=torch.arange(batch),
        image=torch.full((batch, 1, side, side), 0.3) if with_image else None,
    )


def mutual_stage(blind_steps=0, weight=0.01):
    torch.manual_seed(0)
    return Mutual(
        ReconLite(41, ReconSettings(**SMALL)),
        BlindSpotNet(41, BlindSpotSettings(features=4, amim=3)),
        MutualConfig(weight=weight),
        blind_steps,
        41,
    )


def run_of(out, stage, architecture='recon_lite', where=None):
    settings = SMALL if architecture == 'recon_lite' else {'features': 4, 'amim': 3}
    model = {'architecture': architecture, 'bins': 41, 'settings': settings}
    data = {
        'styles': ['indoor'],
        'planes': [41],
        'recordings': {} if where is None else {'dat': where},
    }
    return tiny_run(out, stage, method='ssml', model=model, data=data)


def test_losses_are_mean_squares():
    one, other = images(0.1, 0.4), images(0.3, 0.4)
    assert reconstruction_loss(one, other).item() == pytest.approx(0.02)
    assert mutual_loss(one, other).item() == pytest.approx(0.02)
    assert psnr(one, other).item() == pytest.approx(10 * np.log10(1 / 0.02))
    assert robust_error(one, one).item() == pytest.approx(0)
    assert robust_error(one, other).item() == pytest.approx((np.hypot(0.2, 0.01) - 0.01) / 2)


def test_labels_are_the_mean_of_their_planes_or_the_interval():
    spikes = torch.zeros(1, 41, 1, 1)
    spikes[:, 18:22:2] = 1
    assert pseudo_label('tfp7', 41)(spikes).item() == pytest.approx(2 / 7)
    assert pseudo_label('tfp19', 41)(spikes).item() == pytest.approx(2 / 19)
    spikes[:, 24] = 1
    assert pseudo_label('tfi', 41)(spikes).item() == pytest.approx(1 / 4)


def test_the_mutual_loss_teaches_both_networks_and_adds_up_as_in_equation_10():
    stage, batch = mutual_stage(), batch_of()
    parts = stage(batch, 'train')
    assert parts['loss'].item() == pytest.approx(
        parts['rec'].item() + 0.01 * parts['mutual'].item(), rel=1e-6
    )
    gradients = []
    for weight in (0.01, 0.0):
        stage = mutual_stage(weight=weight)
        weights = [stage.network.leave.bias, stage.blind.mix[-1].weight]
        gradients.append(torch.autograd.grad(stage(batch, 'train')['loss'], weights))
    (non_blind, blind), (silent, alone) = gradients
    assert non_blind.abs().max() > 0
    assert not silent.any()
    assert (blind - alone).abs().max() > 0


def test_the_blind_spot_network_learns_alone_at_first_also_after_a_resume():
    stage, batch = mutual_stage(blind_steps=2), batch_of()
    for step, mutual in enumerate((False, False, True)):
        gradient = torch.autograd.grad(stage(batch, 'train')['loss'], stage.network.leave.bias)[0]
        assert bool(gradient.abs().max() > 0) == mutual
        stage.after_step(step)
        resumed = mutual_stage(blind_steps=2)
        resumed.load_state_dict(stage.state_dict())
        stage = resumed


def test_self_supervision_reads_no_true_picture():
    stage = mutual_stage()
    torch.testing.assert_close(
        stage(batch_of(), 'train')['loss'], stage(batch_of(with_image=False), 'train')['loss']
    )
    assert 'psnr' not in stage(batch_of(with_image=False), 'train')


@pytest.fixture(scope='module')
def supervised(tmp_path_factory):
    config = run_of(tmp_path_factory.mktemp('ssml') / 'run', SupervisedConfig(name='small'))
    config.train.picture_every = 3
    pipeline.run(config)
    PageWriter().write(config.out)
    return config.out


def test_a_run_of_pictures_ends_in_a_checkpoint_of_its_task(supervised):
    info = load_info(supervised / 'model.safetensors', ImageInfo)
    assert (info.task, info.outputs, info.planes, info.bins) == ('image', ('rate',), 41, 41)
    assert info.stage == 'small'
    report = json.loads((supervised / 'report.json').read_text())
    for scores in report['sets'].values():
        assert {'network', 'interval (TFI)', 'mean of 41'} <= set(scores['rows'])
        assert all(np.isfinite(row['psnr']) for row in scores['rows'].values())
    assert {f'{name}_psnr' for name in report['sets']} <= set(info.metrics)
    page = (supervised / 'index.html').read_text()
    assert 'Pictures from spikes' in page
    assert 'PSNR' in page


@pytest.mark.long
def test_exporting_a_checkpoint_keeps_its_weights_and_metadata(supervised, tmp_path):
    """And the same network gives the same bytes, and the same picture in both runtimes."""
    from spike_training.runs.export import export

    before, again = tmp_path / 'model.safetensors', tmp_path / 'again.safetensors'
    export(before, checkpoint=supervised / 'model.safetensors')
    export(again, checkpoint=before)
    assert again.read_bytes() == before.read_bytes()
    assert onnx_path(again).read_bytes() == onnx_path(before).read_bytes()
    (_, trained), (_, exported) = (
        load(path, ImageInfo) for path in (supervised / 'model.safetensors', before)
    )
    assert trained.keys() == exported.keys()
    assert all(np.array_equal(trained[name], exported[name]) for name in trained)
    check_runtimes(before)


def check_runtimes(checkpoint):
    """Check that both runtimes reconstruct the same picture."""
    spikes = np.random.default_rng(0).random((128, 50, 70)) < 0.2
    window = Window.from_planes(spikes, 20_000)
    found = [
        ImageEstimator.from_checkpoint(checkpoint, 'cpu', name).predict(window)
        for name in ('onnx', 'torch')
    ]
    assert found[0].rate.shape == (50, 70)
    assert found[0].rate.dtype == np.float32
    np.testing.assert_allclose(found[0].rate, found[1].rate, atol=1e-5)
    assert found[0].notes == ()
    # The middle 41 planes decide.
    spikes[:43] = spikes[85:] = False
    again = ImageEstimator.from_checkpoint(checkpoint, 'cpu').predict(
        Window.from_planes(spikes, 20_000)
    )
    np.testing.assert_array_equal(found[0].rate, again.rate)


def test_both_runtimes_reconstruct_the_same_picture():
    check_runtimes(find_checkpoint(IMAGE_MODEL))


def test_windows_and_checkpoints_that_do_not_fit_are_refused(supervised):
    path = supervised / 'model.safetensors'
    with pytest.raises(CheckpointError, match="field task is 'image', expected 'depth'"):
        DepthEstimator.from_checkpoint(path)
    with pytest.raises(CheckpointError, match="field task is 'depth', expected 'image'"):
        ImageEstimator.from_checkpoint('unet_lite')
    network = ImageEstimator.from_checkpoint(path, 'cpu')
    with pytest.raises(ValueError, match='window of 40 planes: expected 41 or more'):
        network.predict(Window.from_planes(np.zeros((40, 32, 32)), 20_000))
    notes = network.predict(Window.from_planes(np.zeros((41, 32, 32)), 500)).notes
    assert notes
    assert 'plane rate 500 Hz, trained for' in notes[0]
    with pytest.raises(TypeError, match=r'predict got a ndarray: expected a Window'):
        network.predict(np.zeros((41, 32, 32)))
    network.close()


def test_recordings_are_scored_by_pictures_and_by_planes_held_out(supervised, tmp_path):
    import cv2

    folder = tmp_path / 'dat'
    folder.mkdir()
    rng = np.random.default_rng(0)
    rate = np.linspace(0.05, 0.6, 48, dtype=np.float32)[None].repeat(32, axis=0)
    spikes = rng.random((61, 32, 48)) < rate
    (folder / 'ramp.dat').write_bytes(packing.pack(spikes[:, ::-1]).tobytes())
    cv2.imwrite(str(folder / 'ramp.png'), np.rint(255 * rate / 0.6).astype(np.uint8))
    out = tmp_path / 'report.json'
    evaluate(
        supervised / 'config.yaml',
        out,
        supervised / 'model.safetensors',
        data={'ramp': f'dat:{folder},size=48x32,white_rate=0.6'},
    )
    report = json.loads(out.read_text())
    rows = report['sets']['ramp']['rows']
    # Independent spikes: the longest mean is the best of the means, by theory 10 dB a decade.
    assert rows['mean of 41']['psnr'] > rows['mean of 21']['psnr'] > rows['mean of 7']['psnr']
    expected = -10 * np.log10(np.mean(rate * (1 - rate)) / 0.6**2 / 41)
    assert rows['mean of 41']['psnr'] == pytest.approx(expected, abs=0.7)
    held = report['held_out']['ramp']['rows']
    noise = np.mean(rate * (1 - rate))
    assert held['mean of 41']['mse'] == pytest.approx(noise / 7 + noise / 41, rel=0.1)


def test_recordings_of_a_target_are_scored_beside_the_scenes(supervised, tmp_path):
    import cv2

    (tmp_path / 'still.dat').write_bytes(bytes(61 * 32 * 6))
    cv2.imwrite(str(tmp_path / 'still.png'), np.full((32, 48), 51, np.uint8))
    target = TargetConfig(recordings={'dat': f'{tmp_path},size=48x32'})
    plain = load_config(supervised / 'config.yaml')
    config = dataclasses.replace(plain, target=target)
    trained = load(supervised / 'model.safetensors', ImageInfo)
    report = image.evaluate(config, *trained, torch.device('cpu'), Given())
    scenes = image.evaluate(plain, *trained, torch.device('cpu'), Given())['sets']
    assert report['sets'].keys() - scenes.keys() == {'dat'}
    assert [*report['held_out']] == ['dat']
    # Nothing fires where a fifth of the brightest is true.
    black = report['sets']['dat']['rows']['mean of 7']['psnr']
    assert black == pytest.approx(-20 * np.log10(0.2))
    settings = RowConfig('row', stage=config.stages[-1].name)
    row = RowMetrics(Row(settings, config), {}, {0: report}, {})
    assert row.metric('psnr_recorded', estimate='mean of 7').values == {0: black}
    found = [one['rows']['mean of 7']['psnr'] for one in scenes.values()]
    assert row.metric('psnr', estimate='mean of 7').values[0] == pytest.approx(np.mean(found))
    recorded = [f'{name}{image.RECORDED}' for name in image.METRICS]
    assert [*image.table_metrics(config, Preparation())] == [*image.METRICS, *recorded]
    assert image.table_metrics(plain, Preparation()) == image.METRICS


def test_a_picture_near_an_end_is_refused_by_the_name_of_its_recording(supervised, tmp_path):
    import cv2

    (tmp_path / 'image').mkdir()
    for name, plane in (('a_good', 100), ('b_bad', 5)):
        (tmp_path / f'{name}.dat').write_bytes(bytes(200 * 32 * 6))
        cv2.imwrite(str(tmp_path / 'image' / f'{name}_{plane}.png'), np.zeros((32, 48), np.uint8))
    with pytest.raises(DataSetError, match='b_bad: its picture at plane 5 has 5 planes beside'):
        evaluate(
            supervised / 'config.yaml',
            tmp_path / 'report.json',
            supervised / 'model.safetensors',
            data={'both': f'dat:{tmp_path},size=48x32'},
        )


def test_recordings_too_short_to_hold_planes_out_are_refused(supervised, tmp_path):
    (tmp_path / 'short.dat').write_bytes(bytes(47 * 32 * 6))
    with pytest.raises(DataSetError, match='47 planes, expected 48 or more'):
        evaluate(
            supervised / 'config.yaml',
            tmp_path / 'report.json',
            supervised / 'model.safetensors',
            data={'short': f'dat:{tmp_path},size=48x32'},
        )


def test_options_of_depth_alone_are_refused_by_name(supervised, tmp_path):
    files = supervised / 'config.yaml', tmp_path / 'report.json', supervised / 'model.safetensors'
    with pytest.raises(ConfigError, match=r'^planes, mean_rate given: expected none for a netw'):
        evaluate(*files, planes=41, mean_rate=0.5)
    with pytest.raises(ConfigError, match=r'^samples given: .* pictures and recordings$'):
        evaluate(*files, samples=4, data={'short': 'dat:nowhere'})


@pytest.mark.parametrize(('stage', 'architecture'), [
    (MutualConfig(name='mutual', blind_features=4, blind_fraction=0.5), 'recon_lite'),
    (MutualConfig(name='paper', blind_features=4, label='tfi'), 'ssml'),
    (BlindSpotConfig(name='blind', label='tfp11'), 'blind_spot'),
    (HeldOutConfig(name='held'), 'recon_lite'),
])  # fmt: skip
def test_self_supervised_stages_run_to_a_report(tmp_path, stage, architecture):
    pipeline.run(run_of(tmp_path / 'run', stage, architecture))
    report = json.loads((tmp_path / 'run' / 'report.json').read_text())
    assert report['task'] == 'image'
    assert report['sets']


def write_dat(folder, planes=120):
    """Write stripes that move by their width, larger than what is learnt from."""
    folder.mkdir(exist_ok=True)
    height, width = 96, 112
    stripes = (np.arange(width) + 16 / planes * np.arange(planes)[:, None]) // 16 % 2
    chances = np.random.default_rng(0).random((planes, height, width))
    spikes = chances < 0.1 + 0.4 * stripes[:, None]
    (folder / 'stripes.dat').write_bytes(packing.pack(spikes[:, ::-1]).tobytes())
    return f'{folder},size={width}x{height}'


def test_recordings_teach_by_crops_of_single_pixels(tmp_path):
    where = write_dat(tmp_path / 'dat', planes=400)
    stage = MutualConfig(name='mine', blind_features=4)
    config = run_of(tmp_path / 'run', stage, where=where)
    batches = build.make_batches(context_of(config), 'train')
    first = batches.batch(0, 8)
    assert first.counts.shape == (8, 41, 32, 48)
    assert first.image is None
    assert first.counts.max() == 1
    # Random places: no two crops show the same pixels.
    assert len({counts.numpy().tobytes() for counts in first.counts}) == 8
    pipeline.run(config)
    assert json.loads((tmp_path / 'run' / 'report.json').read_text())['sets']


def test_epochs_count_the_windows_that_are_longer_by_what_is_held_out(tmp_path):
    where = write_dat(tmp_path / 'dat', planes=400)
    config = run_of(tmp_path / 'run', HeldOutConfig(name='mine'), where=where)
    number = samples_of(config.resolve(config.stages[0]))
    batches = build.make_batches(context_of(config), 'train')
    assert number == len(batches) > 1


def context_of(config):
    return build.context(config.resolve(config.stages[0]), {}, torch.device('cpu'))


def test_a_recording_of_82_planes_teaches_and_one_too_short_for_a_window_is_refused(tmp_path):
    stage = MutualConfig(name='mine', blind_features=4)
    where = write_dat(tmp_path / 'dat', planes=82)
    config = run_of(tmp_path / 'run', stage, where=where)
    pipeline.run(config)
    assert (tmp_path / 'run' / 'model.safetensors').is_file()
    where = write_dat(tmp_path / 'short', planes=44)
    config = run_of(tmp_path / 'other', stage, where=where)
    with pytest.raises(DataSetError, match='no window of 41 planes'):
        pipeline.run(config)


@pytest.mark.parametrize(('spikes', 'message'), [
    (np.zeros(400), 'stripes: mean firing rate of 0 a plane, expected 0.005 or more'),
    (np.ones(400), '100% of the pixels fire in every plane, expected at most 50%'),
    # Flicker of a lamp, without motion.
    (np.sin(np.arange(400) / 30) > 0.5, r'0\.00% of the picture changes .* expected 0\.50%'),
])  # fmt: skip
def test_recordings_without_light_contrast_or_motion_are_refused(tmp_path, spikes, message):
    where = write_dat(tmp_path / 'dat', planes=400)
    config = run_of(tmp_path / 'run', MutualConfig(name='mine', blind_features=4), where=where)
    packed = packing.pack(np.broadcast_to(spikes[:, None, None] > 0, (400, 96, 112)))
    (tmp_path / 'dat' / 'stripes.dat').write_bytes(packed.tobytes())
    with pytest.raises(DataSetError, match=message):
        build.make_batches(context_of(config), 'train')


def clip_of(spikes):
    """Return a recording of planes, of 0 and 1."""
    packed = packing.pack(spikes)
    geometry = Geometry(*spikes.shape[1:])

    def load(start, stop):
        return packed[start:stop]

    return SpikeClip('clip', geometry, len(spikes), 20_000.0, None, load, (), ())


def integrated(rate, planes):
    """Return the spikes of an integrate-and-fire sensor without noise."""
    charge = rate * np.arange(planes + 1)[:, None, None]
    return np.diff(np.floor(charge + 1e-6), axis=0) > 0


@pytest.mark.parametrize('planes', [74, 180, 600])
@pytest.mark.parametrize('rate', [0.02, 0.3])
@pytest.mark.parametrize('noisy', [False, True])
def test_noise_and_flicker_are_not_taken_for_motion(planes, rate, noisy):
    rates = rate * (0.5 + np.random.default_rng(0).random((96, 112)))
    chances = np.random.default_rng(1).random((planes, 96, 112))
    still = chances < rates if noisy else integrated(rates, planes)
    assert measure(clip_of(still)).changing < MIN_CHANGING
    # The light is off, or dim, for a while.
    for light in (0.0, 0.05, 0.5):
        flickering = still.copy()
        off = slice(0, planes // 3)
        flickering[off] &= np.random.default_rng(2).random(flickering[off].shape) < light
        assert measure(clip_of(flickering)).changing < MIN_CHANGING, light


@pytest.mark.parametrize('planes', [74, 600])
def test_motion_is_found(planes):
    stripes = (np.arange(112) + 20 / planes * np.arange(planes)[:, None]) // 16 % 2
    chances = np.random.default_rng(0).random((planes, 96, 112))
    moving = chances < 0.1 + 0.4 * stripes[:, None]
    assert measure(clip_of(moving)).changing > 0.05


def test_the_non_blind_network_waits_and_then_takes_steps_of_the_learning_rate(tmp_path):
    stage = MutualConfig(name='mine', blind_features=4, blind_fraction=0.5)
    config = run_of(tmp_path, stage, where=write_dat(tmp_path / 'dat'))
    config.train.steps = config.train.save_every = 8
    built = build.make_stage(context_of(config))
    assert [built.waits('non_blind', step) for step in (0, 3, 4)] == [True, True, False]
    assert not built.waits('blind', 0)
    pipeline.run(config)
    (state,) = (tmp_path / 'mine').glob('*state*')
    saved = torch.load(state, weights_only=True)['optimizers']
    steps = {name: {int(one['step']) for one in saved[name]['state'].values()} for name in saved}
    assert steps == {'non_blind': {4}, 'blind': {8}}


def test_the_documented_command_learns_from_recordings(tmp_path):
    page = (ROOT / 'docs' / 'tasks' / 'pictures.md').read_text()
    (line,) = (line for line in page.splitlines() if 'configs/own_recording.yaml' in line)
    words = shlex.split(line)[3:]
    where = write_dat(tmp_path / 'dat', planes=400)
    words[words.index('FOLDER,size=400x250')] = where
    config = read_arguments([*words, '--out', str(tmp_path / 'run')])
    check(config)
    assert config.data.recordings == {'dat': where}


def test_a_table_of_pictures_compares_stages_with_estimates(tmp_path, capsys):
    base = run_of(tmp_path / 'unused', SupervisedConfig(name='exact'))
    tree = yaml.safe_load(to_yaml(base))
    del tree['out']
    (tmp_path / 'base.yaml').write_text(yaml.safe_dump(tree))
    settings = {
        'base': 'base.yaml',
        'reference': 'exact',
        'stages': {'mutual': {'kind': 'mutual', 'blind_features': 4}},
        'rows': [{'name': 'exact', 'stage': 'exact'}, {'name': 'mutual', 'stage': 'mutual'}],
        'claims': [{'row': 'exact', 'above': ['mutual'], 'metric': 'psnr'}],
    }
    (tmp_path / 'table.yaml').write_text(yaml.safe_dump(settings))
    table(tmp_path / 'table.yaml', tmp_path / 'out')
    rows = {
        row['name']: row for row in json.loads((tmp_path / 'out/table.json').read_text())['rows']
    }
    assert all(np.isfinite(row['psnr']['mean']) for row in rows.values())
    text = (tmp_path / 'out' / 'table.md').read_text()
    assert '| mutual | - | 1 of 1 |' in text
    assert '| intervals over 8 | without learning |' in text
    margin = rows['exact']['psnr']['mean'] - rows['mutual']['psnr']['mean']
    seeds = f'in {int(margin > 0)} of 1 seeds ({margin:+.3f})'
    assert f'exact above mutual (PSNR, dB): undecided, {seeds}' in text
    assert 'intervals over 8' in capsys.readouterr().out
    results = json.loads((tmp_path / 'out' / 'results.json').read_text())['rows']
    estimate, exact = results['plasticity (STP)']['0'], results['exact']['0']
    assert estimate['metrics'].keys() == exact['metrics'].keys()
    assert estimate['metrics'] != exact['metrics']
    assert (estimate['core_seconds'], estimate['settings']) == (0, exact['settings'])
    settings['rows'].append({'name': 'none'})
    settings['claims'] = [{'row': 'exact', 'below': ['mutual']}]
    (tmp_path / 'table.yaml').write_text(yaml.safe_dump(settings))
    with pytest.raises(ConfigError, match='2 settings') as refused:
        table(tmp_path / 'table.yaml', tmp_path / 'out')
    assert 'rows[2].stage is null: expected a stage' in str(refused.value)
    assert "claims[0].metric is 'abs_rel': expected one of psnr, ssim" in str(refused.value)


def test_held_out_planes_are_neither_seen_nor_missed():
    stage = HeldOut(ReconLite(41, ReconSettings(**SMALL)), HeldOutConfig(), ModelConfig(bins=41))
    counts = torch.arange(48, dtype=torch.uint8)[None, :, None, None].expand(1, 48, 16, 16)
    batch = dataclasses.replace(
        batch_of(1), counts=counts, planes_per_bin=torch.ones(48, dtype=torch.int32)
    )
    seen = stage.seen(batch).counts[0, :, 0, 0].tolist()
    assert seen == [*range(21), *range(28, 48)]
    lit = torch.zeros(1, 48, 16, 16, dtype=torch.uint8)
    lit[:, 21:28:2] = 1
    parts = stage(dataclasses.replace(batch, counts=lit), 'train')
    # The input is dark and so is the picture: the loss is the square of the label.
    assert parts['loss'].item() == pytest.approx((4 / 7) ** 2)


def test_a_network_of_few_planes_is_drawn():
    network = BlindSpotNet(7, BlindSpotSettings(features=4, amim=3))
    stage = BlindSpot(network, BlindSpotConfig(), ModelConfig(bins=7))
    batch = batch_of(1)
    few = dataclasses.replace(
        batch, counts=batch.counts[:, :7], planes_per_bin=batch.planes_per_bin[:7]
    )
    assert stage.picture(few).shape == (16, 48, 3)
