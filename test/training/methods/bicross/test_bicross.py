# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The three stages of BiCross as one run, and the command adabn."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from kit.runs import TARGET, three_stages
from spike_depth_ros.checkpoint import load, load_info
from spike_training.errors import ConfigError
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    PretrainConfig,
)
from spike_training.reports.run_page import PageWriter
from spike_training.run_data import sources as scenes
from spike_training.runs import build, pipeline
from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.settings.config import TargetConfig, problems_of
from spike_training.tasks.base import REGISTERED, task_of


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    config = three_stages(tmp_path_factory.mktemp('runs') / 'three', deploy='label_free')
    pipeline.run(config)
    return config


def test_the_result_is_one_of_the_two_networks(trained):
    folder = trained.out / 'bicross'
    selection = json.loads((folder / 'selection.json').read_text())
    criteria = selection['criteria']
    assert selection['selected'] == min(criteria, key=criteria.get)
    result = load(trained.out / 'model.safetensors')[1]
    chosen = load(folder / 'selected.safetensors')[1]
    assert all(np.array_equal(result[name], chosen[name]) for name in chosen)


@pytest.mark.parametrize('named', ['by stage', 'by file'])
def test_the_result_is_averaged_with_an_earlier_network(trained, tmp_path, monkeypatch, named):
    """What the stage learnt, and its first network, half and half; the other stages as before."""
    scored = json.loads((trained.out / 'report.json').read_text())
    task = dataclasses.replace(task_of('depth'), evaluate=lambda *given: scored)
    monkeypatch.setitem(REGISTERED, 'depth', task)
    shutil.copytree(trained.out, tmp_path / 'run')
    (tmp_path / 'run/config.yaml').unlink()
    config = dataclasses.replace(trained, out=tmp_path / 'run')
    (before,) = (trained.out / 'mono_cross').glob('model_*.safetensors')
    other = 'mono_cross' if named == 'by stage' else str(before)
    last = dataclasses.replace(trained.stages[-1], average_with=other, init_from=other)
    before_it = trained.stages[:-1] if named == 'by stage' else []  # a file needs no stage
    pipeline.run(dataclasses.replace(config, stages=[*before_it, last]))
    PageWriter().write(config.out)
    mean = load(tmp_path / 'run/model.safetensors')[1]
    whole = load(trained.out / 'bicross/selected.safetensors')[1]
    start = load(before)[1]
    assert any(not np.array_equal(whole[name], start[name]) for name in whole)
    for name, value in mean.items():
        if np.issubdtype(value.dtype, np.floating):
            expected = (whole[name].astype(np.float64) + start[name].astype(np.float64)) / 2
            np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-7)
    selection = json.loads((tmp_path / 'run/bicross/selection.json').read_text())
    assert selection['averaged_with'] == other
    page = (tmp_path / 'run/index.html').read_text()
    assert f'averaged with those of {other}' in page


def test_only_networks_of_one_size_are_averaged(trained, tmp_path):
    first = PretrainConfig(name='first', settings={'dim': 24})
    last = PretrainConfig(name='last', average_with='first')
    config = dataclasses.replace(trained, out=tmp_path / 'run', stages=[first, last], target=None)
    with pytest.raises(
        ConfigError, match=r"average_with is 'first': weight .* is \[.*24.*\], .* as last has"
    ):
        pipeline.run(config)


def test_the_checkpoint_says_what_both_domains_were(trained):
    info = load_info(trained.out / 'model.safetensors')
    assert info.stage == 'bicross'
    assert info.planes_range == (32, 64)
    assert info.rate_hz_range == (10e3, 20e3)
    assert {'target_indoor_abs_rel', 'indoor_abs_rel', 'road_abs_rel'} <= info.metrics.keys()
    assert 'target_road_abs_rel' not in info.metrics


def test_the_report_has_both_domains(trained):
    report = json.loads((trained.out / 'report.json').read_text())
    assert set(report['sets']) == {'source_indoor', 'source_road', 'target_indoor'}
    rates = {name: scores['rate_hz'] for name, scores in report['sets'].items()}
    assert rates == {'source_indoor': 20e3, 'source_road': 20e3, 'target_indoor': 10e3}


def test_stages_start_from_those_they_name(trained, capsys):
    trained_stages = {
        name: next((trained.out / name).glob('model_*.safetensors'))
        for name in ('teacher', 'mono_cross')
    }
    cpu = torch.device('cpu')
    here = build.context(trained.resolve(trained.stages[1]), trained_stages, cpu)
    stage = build.make_work(here).stage
    teacher = load(trained_stages['teacher'])[1]
    for network in (stage.teacher, stage.student):
        found = network.state_dict()['decoder.readout.grid.weight']
        torch.testing.assert_close(
            found, torch.from_numpy(teacher['decoder.readout.grid.weight']).float()
        )
    assert 'temporal.rates.0.weight' in capsys.readouterr().out  # new, and said to be


def test_a_stage_across_domains_starts_with_statistics_of_the_target(trained, tmp_path):
    start = next((trained.out / 'mono_cross').glob('model_*.safetensors'))
    config = dataclasses.replace(trained, out=tmp_path)
    trained_stages, cpu = {'mono_cross': start}, torch.device('cpu')
    here = build.context(config.resolve(config.stages[2]), trained_stages, cpu)
    stage = build.make_work(here).stage
    name = 'temporal.brightness.1.running_mean'
    before = torch.from_numpy(load(start)[1][name]).float()
    for network in (stage.student, stage.teacher, stage.source_model):
        assert not torch.allclose(network.state_dict()[name], before, rtol=1e-2)
    unadapted = dataclasses.replace(config.stages[2], adapt=AdaptConfig(adabn_batches=0))
    here = build.context(config.resolve(unadapted), trained_stages, cpu)
    plain = build.make_work(here).stage.student.state_dict()[name]
    torch.testing.assert_close(plain, before)


def test_a_finished_run_that_is_resumed_changes_nothing(trained):
    before = (trained.out / 'model.safetensors').read_bytes()
    pipeline.run(dataclasses.replace(trained, resume=True))
    assert (trained.out / 'model.safetensors').read_bytes() == before


def test_stopped_in_the_last_stage_it_goes_on_there(trained, tmp_path, monkeypatch):
    config = three_stages(tmp_path / 'run', resume=True, deploy='label_free')
    for name in ('teacher', 'mono_cross'):  # which are done
        shutil.copytree(trained.out / name, config.out / name)
    shutil.copy(trained.out / 'config.yaml', config.out)
    real, fitted = pipeline.fit, []

    def fit(stage, **arguments):
        fitted.append(arguments['folder'].name)
        if fitted == ['teacher', 'mono_cross', 'bicross']:
            raise KeyboardInterrupt
        real(stage, **arguments)

    monkeypatch.setattr(pipeline, 'fit', fit)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config)
    assert not (config.out / 'model.safetensors').exists()
    pipeline.run(config)
    one, other = (load(run.out / 'model.safetensors') for run in (trained, config))
    assert one[0].weights_sha256 == other[0].weights_sha256


class TestTarget:
    arguments = {'styles': ('indoor',), 'seed': 3, 'height': 32, 'width': 48}  # noqa: RUF012

    def test_a_look_that_changes_nothing(self):
        shifted = ShiftedSource(Optics(), **self.arguments).batch(2, 3)
        plain = ProceduralSource(**self.arguments).batch(2, 3)
        assert torch.equal(shifted.counts, plain.counts)
        assert torch.equal(shifted.depth, plain.depth)
        assert torch.equal(shifted.fx, plain.fx)
        assert torch.equal(shifted.index, plain.index)

    @pytest.mark.parametrize('name', ['light', 'contrast', 'vignette', 'blur'])
    def test_each_setting_changes_the_spikes_but_not_the_depth(self, name):
        value = {'light': 0.4, 'contrast': 2.0, 'vignette': 0.9, 'blur': 1.5}[name]
        shifted = ShiftedSource(Optics(**{name: value}), **self.arguments).batch(0, 8)
        plain = ProceduralSource(**self.arguments).batch(0, 8)
        assert torch.equal(shifted.depth, plain.depth)
        before, after = (b.counts.float().mean(dim=1) for b in (plain, shifted))
        if name == 'light':
            assert after.mean() / before.mean() == pytest.approx(0.4, abs=0.03)
        elif name == 'contrast':
            assert after.std() / after.mean() > 1.2 * before.std() / before.mean()
        elif name == 'vignette':
            corner, centre = after[:, :6, :6].mean(), after[:, 12:20, 18:30].mean()
            expected = before[:, :6, :6].mean() / before[:, 12:20, 18:30].mean()
            assert corner / centre < 0.5 * expected
        else:
            assert after.diff(dim=2).abs().mean() < 0.8 * before.diff(dim=2).abs().mean()

    def test_fog_hides_what_is_far(self, tmp_path):
        arguments = {**self.arguments, 'styles': ('road',)}
        clear, fog = (ShiftedSource(Optics(), m, **arguments).batch(0, 8) for m in (None, 4.0))
        assert torch.equal(clear.depth, fog.depth)
        for number, depth in enumerate(clear.depth[:, 0]):
            far = (depth > 20) & depth.isfinite()
            seen = (one.counts[number].float().mean(dim=0)[far] for one in (clear, fog))
            before, after = (rate.std() / rate.mean() for rate in seen)
            assert after < 0.6 * before
        foggy = ShiftedSource(Optics(), 4.0, **arguments)
        for counts, window in zip(fog.counts, foggy.windows(0, 8), strict=True):
            assert int(counts.sum()) == int(np.unpackbits(window).sum())
        config = three_stages(tmp_path)
        config.target = dataclasses.replace(TARGET, fog_m=4.0)
        assert scenes.make_target(config, 'test', torch.device('cpu')).fog_m == 4.0
        assert problems_of(config) == []
        config.target = dataclasses.replace(TARGET, fog_m=0.0)
        assert 'target.fog_m is 0: expected above 0' in '\n'.join(problems_of(config))

    def test_dirt_on_the_lens_scatters_light_over_the_picture(self):
        luminance = torch.rand(3, 32, 48) ** 3
        seen = Optics(veil=0.6).through_lens(luminance)
        torch.testing.assert_close(seen.mean(dim=(1, 2)), luminance.mean(dim=(1, 2)))
        added = seen - 0.4 * luminance
        # It is as much light as is missing, at the same places of the lens in all pictures.
        shares = added / added.mean(dim=(1, 2), keepdim=True)
        torch.testing.assert_close(shares[0], shares[1])
        assert shares.std() > 0.2
        assert (shares[0].diff(dim=0).abs() < 0.2).all()

    def test_things_move_as_many_times_as_far(self):
        arguments = {**self.arguments, 'styles': ('road',)}
        slow, fast = (
            ShiftedSource(Optics(), speed=speed, **arguments).batch(0, 8) for speed in (1.0, 20.0)
        )
        assert torch.equal(slow.depth, fast.depth)
        # What is seen in the first half is elsewhere in the second one.
        halves = [one.counts.float().unflatten(1, (2, -1)).sum(dim=2) for one in (slow, fast)]
        moved = [one.diff(dim=1).abs().mean() for one in halves]
        assert moved[1] > 2 * moved[0]

    def test_what_the_scenes_of_a_target_have_is_not_of_recordings(self, tmp_path):
        changes = {'veil': 0.5, 'row_mismatch': 0.2, 'speed': 10.0}
        config = three_stages(tmp_path)
        config.target = dataclasses.replace(TARGET, **changes)
        assert problems_of(config) == []
        source = scenes.make_target(config, 'test', torch.device('cpu'))
        optics = source.optics
        assert (optics.veil, optics.sensor.row_mismatch, source.speed) == (0.5, 0.2, 10.0)
        config.target = TargetConfig(recordings={'kitti': 'x'}, **changes)
        told = '\n'.join(problems_of(config))
        for name in changes:
            assert f'target.{name} is {changes[name]:g}: expected' in told

    def test_one_sensor_sees_all_scenes(self):
        optics = scenes.optics_of(TargetConfig(light=1e-3, sensor='vidar_car', sensor_scale=10))
        counts = ShiftedSource(optics, **self.arguments, planes=(256,)).batch(0, 3).counts
        hot = counts.float().sum(dim=1) > 120
        assert hot[0].any()
        assert torch.equal(hot[0] & hot[1], hot[0] & hot[2])

    def test_scenes_of_the_target_are_not_those_of_the_source(self, tmp_path):
        config = three_stages(tmp_path)
        cpu = torch.device('cpu')
        for split in ('train', 'test'):
            source = scenes.make_source(config, split, cpu, ['indoor']).batch(0, 2)
            target = scenes.make_target(config, split, cpu).batch(0, 2)
            assert not torch.equal(source.depth, target.depth)
        assert target.planes_per_bin.sum() == 48
