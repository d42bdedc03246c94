# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from kit.runs import tiny_run
from kit.stages import batch_of, boxes
from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.networks.upsampling import UpsampleLite
from spike_depth_ros.pages.depth_colours import DEPTH_COLOURS
from spike_depth_ros.tasks.architectures import UpsampleLiteSettings
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.methods.dsr.degradation import draw_crops
from spike_training.methods.dsr.enlarge import COLLAPSED, Enlarge
from spike_training.methods.dsr.losses import l1_loss, middle_weight
from spike_training.methods.dsr.settings import EnlargeConfig
from spike_training.reports.run_page import PageWriter
from spike_training.runs import pipeline
from spike_training.runs.dry_run import dry_run
from spike_training.sampling import procedural
from spike_training.sampling.procedural import ProceduralSource

NAN = float('nan')
SMALL = {'width': 8, 'blocks': 1, 'factors': (2, 4)}


def network(**changes):
    torch.manual_seed(0)
    return UpsampleLite(UpsampleLiteSettings(**(SMALL | changes)))


def stage_of(net=None, **changes):
    given = {'factors': [2, 4], 'crop': 32, 'crops': 4} | changes
    return Enlarge(net or network(), EnlargeConfig(**given))


def run_of(out, **train):
    return tiny_run(
        out,
        EnlargeConfig(name='small', factors=[2, 4], crop=32, crops=4),
        method='dsr',
        model={'architecture': 'upsample_lite', 'settings': SMALL},
        data={'styles': ['home', 'road']},
        evaluate={'batch_size': 1},
        train={'picture_every': 3, 'validate_every': 3, **train},
    )


def test_the_loss_is_the_mean_difference_of_known_pixels():
    truth = torch.tensor([[10.0, 20, 0], [7, 0, 0]])[:, None, None]
    enlarged = torch.tensor([[13.0, NAN, 9], [NAN, 1, 1]])[:, None, None].requires_grad_()
    loss = l1_loss(enlarged, truth)
    assert loss.tolist() == [3, 0]
    loss.sum().backward()
    assert enlarged.grad.flatten().tolist() == [1, 0, 0, 0, 0, 0]


def test_the_middle_weight_is_measured_where_weights_matter():
    small = torch.full((1, 1, 3, 8), 5.0)
    small[..., 0], small[..., 7] = 9.0, 0.0  # an edge, and a hole
    weights = torch.full((1, 9, 6, 16), 0.1)
    weights[:, 4] = 0.3
    weights[:, 4, :, :4] = torch.tensor([0.4, 0.4, 0.8, 0.8])  # the pixels at the edge
    assert middle_weight(weights, small, 2).item() == pytest.approx(0.6)
    assert middle_weight(weights, torch.ones_like(small), 2).item() == 0


def test_gradients_are_finite_with_holes_and_sky():
    stage = stage_of(holes=0.5, noise=0.1, low='mixed')
    for _ in range(6):
        stage.forward(batch_of(boxes()), 'train')['loss'].backward()
    gradients = [p.grad for p in stage.network.parameters() if p.grad is not None]
    assert gradients
    assert all(one.isfinite().all() for one in gradients)
    assert any(one.abs().max() > 0 for one in gradients)
    nothing = stage.forward(batch_of(torch.full((1, 1, 48, 64), NAN)), 'train')
    assert nothing['loss'].item() == 0


def test_crops_are_turned_by_180_degrees_half_of_them():
    depth = 1 / torch.arange(1.0, 1 + 24 * 24).view(1, 1, 24, 24)  # one crop fits
    rgb = torch.rand(1, 3, 24, 24)
    drawn = {}
    for rotate in (False, True):
        config = EnlargeConfig(factors=[2], crop=24, crops=64, rotate=rotate)
        drawn[rotate] = draw_crops(batch_of(depth, rgb), config, torch.Generator().manual_seed(0))
    upright, turned = [], []
    for truth, colours in zip(*drawn[True], strict=True):
        rows = [(x, y) for y in range(24) for x in range(24)]
        straight = torch.equal(truth, drawn[False].truth[0])
        (upright if straight else turned).append(truth)
        place = (lambda x, y: (y, x)) if straight else (lambda x, y: (23 - y, 23 - x))
        for x, y in rows[::37]:
            row, column = place(x, y)
            assert truth[0, y, x] == drawn[False].truth[0, 0, row, column]
            assert torch.equal(colours[:, y, x], rgb[0, :, row, column])
    assert 20 < len(turned) < 44
    assert len({*map(float, drawn[False].truth[:, 0, 0, 0])}) == 1


def test_training_draws_other_pairs_at_each_step_and_a_validation_the_same_ones():
    stage, batch = stage_of(), batch_of(boxes())
    torch.manual_seed(0)
    losses = {stage.forward(batch, 'train')['loss'].item() for _ in range(5)}
    assert len(losses) > 1
    torch.manual_seed(0)
    assert stage.forward(batch, 'train')['loss'].item() in losses
    scored = {stage.forward(batch, 'val')['loss'].item() for _ in range(3)}
    assert len(scored) == 1


def test_a_few_steps_beat_repeated_pixels():
    stage, batch = stage_of(), batch_of(boxes())
    optimizer = torch.optim.Adam(stage.parameters(), 1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        stage.forward(batch, 'train')['loss'].backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters(), 1.0)
        optimizer.step()
    found = stage.forward(batch, 'val')
    assert found['loss'] < 0.9 * found['nearest']


class Nearest(UpsampleLite):
    """Network that has collapsed: all weight is at the middle."""

    def weights(self, depth, factor):
        size = [side * factor for side in depth.shape[-2:]]
        found = torch.zeros(len(depth), 9, *size)
        found[:, 4] = 1
        return found


def test_a_collapse_to_the_middle_neighbour_warns():
    batch = batch_of(boxes())
    collapsed = stage_of(Nearest(UpsampleLiteSettings(**SMALL)))
    found = {name: value.item() for name, value in collapsed(batch, 'val').items()}
    assert found['middle'] == 1
    (warning,) = collapsed.warnings(found)
    assert warning.startswith(
        f'the mean weight of the middle neighbour is 1.000, above {COLLAPSED}'
    )
    sound = stage_of()
    found = {name: value.item() for name, value in sound(batch, 'val').items()}
    assert 0 < found['middle'] < COLLAPSED
    assert not sound.warnings(found)
    assert not sound.warnings({'loss': 1.0})


def test_scenes_without_spikes_have_the_same_depth_and_no_sensor(monkeypatch):
    given = {'styles': ('home', 'road'), 'height': 32, 'width': 48, 'planes': (32,), 'bins': 4}
    usual = ProceduralSource(**given, with_rgb=True).batch(0, 3)

    def refuse(*arguments, **options):
        raise AssertionError('the sensor was simulated')

    monkeypatch.setattr(procedural, 'count_spikes', refuse)
    found = ProceduralSource(**given, with_rgb=True, with_spikes=False).batch(0, 3)
    for name in ('depth', 'rgb', 'fx', 'index'):
        assert torch.equal(getattr(found, name), getattr(usual, name)), name
    assert (found.counts.shape, found.counts.any()) == ((3, 1, 32, 48), False)
    assert found.planes_per_bin.tolist() == [1]
    with pytest.raises(ValueError, match='true images without spikes'):
        ProceduralSource(**given, with_image=True, with_spikes=False)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    config = run_of(tmp_path_factory.mktemp('enlarge') / 'run')
    pipeline.run(config)
    PageWriter().write(config.out)
    return config.out


def test_a_run_ends_in_a_checkpoint_and_a_report_of_its_task(trained):
    info, weights = load(trained / 'model.safetensors', UpsampleInfo)
    assert (info.task, info.inputs, info.outputs) == ('upsample', ('depth',), ('depth',))
    assert (info.factors, info.stage, info.architecture) == ((2, 4), 'small', 'upsample_lite')
    assert info.datasets == {'procedural scenes of this package': 'Apache-2.0'}
    net = build_with_weights(info, weights).eval()
    assert net(torch.ones(1, 1, 4, 5), 4).shape == (1, 1, 16, 20)
    report = json.loads((trained / 'report.json').read_text())
    assert report['task'] == 'upsample'
    page = (trained / 'index.html').read_text(encoding='utf-8')
    assert 'Enlarged maps of depth' in page
    assert 'x4, nearest' in page
    assert list(report['sets']) == ['home', 'road']
    for style, scores in report['sets'].items():
        keys = [(row['condition'], row['factor'], row['method']) for row in scores['rows']]
        assert keys == [
            (condition, factor, method)
            for condition in ('cubic', 'sensor')
            for factor in (2, 4)
            for method in ('network', 'nearest', 'bilinear', 'bicubic')
        ]
        for row in scores['rows']:
            assert row['maps'] == 2
            assert 0 < row['mad'] < 100
            assert 0 < row['abs_rel'] < 2
            if row['method'] == 'network':
                name = f'{style}_{row["condition"]}_x{row["factor"]}_mad'
                assert info.metrics[name] == pytest.approx(row['mad'], abs=1e-4)
    scalars = (trained / 'small' / 'scalars.jsonl').read_text()
    assert 'validation/middle' in scalars
    (drawn,) = (trained / 'small' / 'pictures').iterdir()
    with Image.open(drawn) as picture:
        colours = np.unique(np.asarray(picture).reshape(-1, 3), axis=0)
    # Depth of many distances, in the colours of all pictures.
    of_depth = {tuple(colour) for colour in DEPTH_COLOURS.tolist()}
    assert len(of_depth & {tuple(colour) for colour in colours.tolist()}) > 100


def test_a_resumed_run_has_the_weights_of_one_that_was_not_stopped(trained, tmp_path, monkeypatch):
    config = run_of(tmp_path / 'run')
    config.train.save_every = 1
    kept = Enlarge.forward

    def stop(stage, batch, phase):
        if phase == 'train' and int(batch.index[0]) >= 4:  # the third step
            raise KeyboardInterrupt
        return kept(stage, batch, phase)

    monkeypatch.setattr(Enlarge, 'forward', stop)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config)
    monkeypatch.setattr(Enlarge, 'forward', kept)
    pipeline.run(dataclasses.replace(config, resume=True))
    found = load(config.out / 'model.safetensors', UpsampleInfo)[1]
    expected = load(trained / 'model.safetensors', UpsampleInfo)[1]
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_dry_run_finds_nothing_missing(tmp_path, capsys):
    config = run_of(tmp_path)
    config.data.height, config.data.width = 160, 192
    config.stages[0].crop = 128
    dry_run(config)
    assert 'nothing is missing' in capsys.readouterr().out
