# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.runs import tiny_run
from kit.stages import batch_of, boxes
from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.dsr_net import DeNet, DsrNet
from spike_depth_ros.tasks.architectures import DsrSettings
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.evaluation.upsampling import structure_map
from spike_training.methods.dsr.estimate import Estimate
from spike_training.methods.dsr.losses import (
    affinity,
    affinity_loss,
    estimation_loss,
    fit_to_truth,
    output_loss,
    structure_loss,
)
from spike_training.methods.dsr.restore import Restore
from spike_training.methods.dsr.settings import EnlargeConfig, EstimateConfig, RestoreConfig
from spike_training.methods.dsr.structure import StructureNet
from spike_training.reports.run_page import PageWriter
from spike_training.runs import pipeline
from spike_training.runs.build import context, make_stage
from spike_training.runs.dry_run import dry_run
from spike_training.runs.memory import estimate_memory
from spike_training.settings.config import check
from spike_training.settings.reading import load_config

SIZES = {'width': 4, 'blocks': 2, 'factors': (4,), 'residual': True}
GIVEN = {'factors': [4], 'crop': 32, 'crops': 2}


def coloured():
    torch.manual_seed(1)
    depth = boxes()
    return batch_of(depth, torch.rand(len(depth), 3, *depth.shape[2:]))


def stage_of(**changes):
    torch.manual_seed(0)
    sizes = DsrSettings(**SIZES)
    stage = Restore(DsrNet(sizes), DeNet(sizes), RestoreConfig(**(GIVEN | changes)))
    for output in (stage.enlarger.output, stage.estimator.output):
        torch.nn.init.normal_(output[-1].weight, std=0.1)
    return stage


def distillation_alone(stage):
    """Return the loss of Eq. 6, by the difference of two forward passes."""
    with_it = stage(coloured(), 'val')['loss']
    stage.config.distillation_weight, kept = 0.0, stage.config.distillation_weight
    without = stage(coloured(), 'val')['loss']
    stage.config.distillation_weight = kept
    return with_it - without


def moved(stage):
    """Return which networks have a gradient."""
    return {
        name: any(
            p.grad is not None and bool(p.grad.abs().max() > 1e-6) for p in part.parameters()
        )
        for name, part in (('sr', stage.enlarger), ('de', stage.estimator))
    }


class TestLosses:
    def test_an_estimate_is_fitted_by_scale_and_shift(self):
        truth = torch.rand(2, 1, 8, 9) * 200 + 20
        truth[:, :, 0] = 0
        torch.testing.assert_close(
            fit_to_truth(0.1 * truth - 7, truth) * (truth > 0), truth, atol=0.2, rtol=0
        )
        constant = fit_to_truth(torch.full_like(truth, 3.0), truth)
        torch.testing.assert_close(
            constant[0, 0, 0, 0].item(), truth[0, 0, 1:].mean().item(), atol=1e-3, rtol=1e-4
        )

    def test_the_fit_is_that_of_least_squares(self):
        estimate, truth = torch.rand(1, 1, 5, 6) * 255, torch.rand(1, 1, 5, 6) * 255
        x, y = estimate.flatten().double().numpy(), truth.flatten().double().numpy()
        slope, intercept = np.polyfit(x, y, 1)
        np.testing.assert_allclose(
            fit_to_truth(estimate, truth).flatten(), slope * x + intercept, atol=0.05
        )

    def test_equation_11_has_both_parts_in_grey_levels(self):
        truth = torch.full((1, 1, 6, 6), 100.0)
        assert estimation_loss(truth + 20, truth, 0.0).item() == pytest.approx(20, rel=1e-5)
        assert 0 < estimation_loss(truth + 20, truth, 1.0).item() < 255 / 2
        truth[..., 3:] = 0
        far = torch.where(truth > 0, truth, 9e9)
        assert estimation_loss(far, truth, 0.2).item() == pytest.approx(0, abs=1e-4)

    def test_equation_3_is_the_mean_over_blocks_of_what_is_known(self):
        truth = torch.tensor([1.0, 0, 5, 0]).view(1, 1, 2, 2)
        one = [torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)]
        other = [torch.full((1, 1, 2, 2), 4.0), torch.tensor([1.0, 9, 3, 9]).view(1, 1, 2, 2)]
        assert output_loss(one, other, truth).tolist() == [(4 + 1) / 2]

    def test_affinities_are_those_of_a_loop(self):
        features = torch.randn(1, 3, 2, 3)
        found = affinity(features)[0]
        vectors = features[0].flatten(1).T.double().numpy()
        for i in range(6):
            row = np.exp([vectors[i] @ vectors[j] for j in range(6)])
            np.testing.assert_allclose(found[i], row / row.sum(), rtol=1e-4)

    def test_their_rows_sum_to_one_and_there_are_few_of_them(self):
        found = affinity(torch.randn(2, 3, 64, 80))
        assert found.shape == (2, 1024, 1024)
        torch.testing.assert_close(found.sum(-1), torch.ones(2, 1024))

    def test_equation_5_is_the_sum_of_a_row(self):
        sharp = affinity(60 * torch.eye(4).reshape(1, 4, 2, 2))
        flat = affinity(torch.zeros(1, 4, 2, 2))
        assert affinity_loss([flat], [flat]).tolist() == [0]
        # Rows (1, 0, 0, 0) and (1/4, 1/4, 1/4, 1/4): 3/4 + 3/4.
        assert affinity_loss([sharp], [flat]).item() == pytest.approx(1.5, abs=1e-5)
        assert affinity_loss([sharp, flat], [flat, flat]).item() == pytest.approx(0.75, abs=1e-5)

    def test_the_structure_map_of_a_step(self):
        truth = torch.full((1, 1, 5, 6), 10.0)
        truth[..., 3:] = 50.0
        structure, known = structure_map(truth)
        assert structure[0, 0, 2].tolist() == [0, 0, 40, 40, 0, 0]
        assert known.all()
        truth[..., 0, 0] = 0
        _, known = structure_map(truth)
        assert (~known).sum() == 4
        assert structure_loss(structure, truth).item() == 0


class TestRoles:
    def test_with_mutual_each_learns_from_the_other(self):
        stage = stage_of(roles='mutual', structure_weight=0.0)
        distillation_alone(stage).backward()
        assert moved(stage) == {'sr': True, 'de': True}

    @pytest.mark.parametrize('roles', ['student', 'paper_exact'])
    @pytest.mark.parametrize('enlarger_teaches', [True, False])
    def test_else_no_teacher_has_a_gradient_of_the_distillation(self, roles, enlarger_teaches):
        stage = stage_of(roles=roles, structure_weight=0.0)
        stage.enlarger_teaches.fill_(enlarger_teaches)
        distillation_alone(stage).backward()
        assert moved(stage) == {'sr': not enlarger_teaches, 'de': enlarger_teaches}

    def test_the_loss_of_each_network_reaches_it_whoever_teaches(self):
        for roles in ('mutual', 'student'):
            stage = stage_of(roles=roles, distillation_weight=0.0, structure_weight=0.0)
            stage(coloured(), 'train')['loss'].backward()
            assert moved(stage) == {'sr': True, 'de': True}
            assert not any(stage.waits(name, 3) for name in stage.optimizers())

    def test_as_printed_the_teacher_waits(self):
        stage = stage_of(roles='paper_exact')
        for teaches, waiting in ((True, 'sr'), (False, 'de')):
            stage.enlarger_teaches.fill_(teaches)
            assert [name for name in stage.optimizers() if stage.waits(name, 0)] == [waiting]

    def test_roles_follow_the_errors_of_the_round_before(self):
        stage = stage_of(round_steps=2)
        for errors, teaches in (([1.0, 2.0], True), ([2.0, 1.0], False), ([1.0, 1.0], True)):
            stage.errors.copy_(torch.tensor(errors))
            before = bool(stage.enlarger_teaches)
            stage.after_step(0)
            assert bool(stage.enlarger_teaches) == before
            stage.after_step(1)
            assert bool(stage.enlarger_teaches) == teaches
            assert stage.errors.tolist() == [0, 0]

    def test_errors_are_of_training_alone(self):
        stage = stage_of()
        stage(coloured(), 'val')
        assert stage.errors.tolist() == [0, 0]
        found = stage(coloured(), 'train')
        assert stage.errors.tolist() == pytest.approx(
            [found['enlarged'].item(), found['estimated'].item()]
        )

    def test_the_first_teacher_has_the_smaller_error(self):
        stage = stage_of()
        stage.begin(iter([coloured()] * 9), [])
        assert bool(stage.enlarger_teaches)
        stage.enlarger.output[-1].bias.data.fill_(3.0)  # far too large
        stage.begin(iter([coloured()] * 9), [])
        assert not bool(stage.enlarger_teaches)


class TestAbsoluteEstimates:
    """DENet's maps as they are, in Eq. 2, 3 and 11, beside those that are fitted to the truth."""

    def test_the_error_of_equation_2_is_that_of_the_map_itself(self):
        for fitted in (True, False):
            stage = stage_of(fit_estimates=fitted)
            stage.estimator.output[-1].weight.data.zero_()
            stage.estimator.output[-1].bias.data.fill_(0.5)  # 127.5 everywhere
            pairs = stage.pairs(coloured(), 'val')
            known = pairs.truth > 0
            levels = [one[mask].double() for one, mask in zip(pairs.truth, known, strict=True)]
            middle = [one.mean() if fitted else 127.5 for one in levels]
            errors = [(one - at).abs().mean() for one, at in zip(levels, middle, strict=True)]
            found = stage(coloured(), 'val')['estimated']
            assert found.item() == pytest.approx(np.mean(errors), rel=1e-4)

    def test_side_outputs_are_as_they_are_too(self):
        stage = stage_of(fit_estimates=False)
        pairs = stage.pairs(coloured(), 'val')
        view = stage.estimated(pairs.rgb, pairs.truth)
        for side, found in zip(stage.estimator_sides(view.features), view.sides, strict=True):
            torch.testing.assert_close(found, 255 * side)

    def test_the_stage_of_denet_learns_the_scale(self):
        sizes, batch = DsrSettings(**SIZES), coloured()
        found = {}
        for fitted in (True, False):
            torch.manual_seed(0)
            given = {'crop': 32, 'crops': 2, 'ssim_share': 0.0, 'fit_estimates': fitted}
            stage = Estimate(DeNet(sizes), EstimateConfig(**given))
            stage(batch, 'val')['loss'].backward()
            found[fitted] = stage.network.output[-1].bias.grad.item()
        assert found[True] == pytest.approx(0, abs=1e-2)  # a shift changes nothing
        assert found[False] < -100  # 255 levels a unit, the map begins below the truth


class TestStructure:
    def test_its_gradient_reaches_both_networks(self):
        stage = stage_of(distillation_weight=0.0)
        with_it = stage(coloured(), 'val')['loss']
        stage.config.structure_weight = 0.0
        (with_it - stage(coloured(), 'val')['loss']).backward()
        assert moved(stage) == {'sr': True, 'de': True}

    def test_features_are_weighted_by_errors(self):
        torch.manual_seed(0)
        features, none = [torch.rand(1, 4, 6, 6)] * 2, [torch.zeros(1, 1, 6, 6)] * 2
        some = [torch.full((1, 1, 6, 6), 50.0), none[1]]
        weighted, plain = StructureNet(4, True), StructureNet(4, False)
        assert not torch.equal(weighted(features, some), weighted(features, none))
        assert torch.equal(plain(features, some), plain(features, none))

    def test_without_weight_there_is_no_network(self):
        stage = stage_of(structure_weight=0.0)
        assert stage.structure is None
        assert [*stage.optimizers()] == ['sr', 'de']
        assert 'structure' not in stage(coloured(), 'train')


def run_of(out, resume=False, **changes):
    stages = [
        EnlargeConfig(name='enlarge', **GIVEN),
        EstimateConfig(name='estimate', crop=32, crops=2),
        RestoreConfig(
            name='restore', **(GIVEN | {'init_from': 'enlarge', 'round_steps': 2} | changes)
        ),
    ]
    return tiny_run(
        out,
        *stages,
        method='dsr',
        model={'architecture': 'dsr_net', 'settings': SIZES},
        data={'styles': ['home']},
        evaluate={'batch_size': 1},
        train={'picture_every': 3, 'validate_every': 3, 'save_every': 1},
        resume=resume,
    )


def record_errors(patch, sums):
    """Record the sums of errors by which the teacher of each round is chosen."""
    choose = Restore._choose

    def record(stage):
        sums.append(stage.errors.tolist())
        choose(stage)

    patch.setattr(Restore, '_choose', record)


@pytest.fixture(scope='module')
def trained_with_errors(tmp_path_factory):
    config, sums = run_of(tmp_path_factory.mktemp('restore') / 'run'), []
    with pytest.MonkeyPatch.context() as patch:
        record_errors(patch, sums)
        pipeline.run(config)
    PageWriter().write(config.out)
    return config.out, sums


@pytest.fixture(scope='module')
def trained(trained_with_errors):
    return trained_with_errors[0]


def test_a_run_ends_in_the_network_of_small_maps_alone(trained):
    info, weights = load(trained / 'model.safetensors', UpsampleInfo)
    assert (info.stage, info.inputs, info.factors) == ('restore', ('depth',), (4,))
    own = DsrNet(DsrSettings(**SIZES)).state_dict()
    assert weights.keys() == own.keys()  # no colours, no side outputs
    page = (trained / 'index.html').read_text(encoding='utf-8')
    assert 'Which network teaches' in page
    scalars = [json.loads(x) for x in (trained / 'restore' / 'scalars.jsonl').open()]
    names = {name for line in scalars for name in line}
    for name in ('enlarged', 'estimated', 'outputs', 'affinities', 'structure'):
        assert f'train/{name}' in names
    assert {line.get('train/enlarger_teaches') for line in scalars} & {0.0, 1.0}
    assert list((trained / 'restore' / 'pictures').iterdir())


def test_a_resumed_run_chooses_alike(trained_with_errors, tmp_path, monkeypatch):
    whole, expected = trained_with_errors
    out, sums, update = tmp_path / 'run', [], Restore.after_step
    # The stages before it are done.
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns('restore', '*.safetensors'))
    for name in ('enlarge', 'estimate'):
        shutil.copytree(whole / name, out / name, dirs_exist_ok=True)
    config = run_of(out, resume=True)
    record_errors(monkeypatch, sums)

    def stop(stage, step):
        if step == 1:  # within a round, of which the first step is saved
            raise KeyboardInterrupt
        update(stage, step)

    monkeypatch.setattr(Restore, 'after_step', stop)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config)
    monkeypatch.setattr(Restore, 'after_step', update)
    pipeline.run(config)
    assert sums == expected
    assert len(sums) == 2  # the first teacher, and that of the second round
    found, wanted = (load(one / 'model.safetensors', UpsampleInfo)[1] for one in (out, whole))
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


def test_a_dry_run_finds_nothing_missing(tmp_path, capsys):
    dry_run(run_of(tmp_path))
    assert 'nothing is missing' in capsys.readouterr().out


def test_memory_is_that_of_the_crops(tmp_path):
    found = []
    for height in (96, 192):
        config = run_of(tmp_path)
        config.data.height, config.data.width = height, 192
        here = context(config.resolve(config.stages[0]), {}, torch.device('cpu'))
        found.append(estimate_memory(here, make_stage(here)).activations)
    assert found[0] == found[1]


def test_the_papers_settings():
    """Sections 3.4 and 4, and Algorithm 1."""
    config = load_config(Path('training/configs/paper_dsr_middlebury.yaml'))
    check(config)
    enlarge, estimate, restore = config.stages
    patches = 10_000
    for stage in config.stages:
        assert (stage.crop, stage.crops * stage.steps) == (256, 100 * patches)
    assert restore.round_steps * restore.crops == patches
    assert (enlarge.low, estimate.ssim_share, restore.ssim_share) == ('cubic', 0.2, 0.2)
    weights = (restore.affinity_weight, restore.structure_weight, restore.distillation_weight)
    assert weights == (0.5, 0.1, 0.1)
    train = config.train
    assert (train.learning_rate, train.betas, train.schedule) == (1e-3, (0.9, 0.99), 'steps')
    assert train.drop_every * restore.crops == 50 * patches
    assert config.model.settings['blocks'] == 5
    assert all(stage.rotate for stage in config.stages)
    assert not config.data.flip
    assert (estimate.fit_estimates, restore.fit_estimates) == (False, False)  # Eq. 2 and 11
    assert restore.roles == 'paper_exact'
    # Algorithm 1 goes on after 100 epochs, a tenth after each 50 of them.
    assert restore.learning_rate == pytest.approx(1e-3 * 0.1 ** (100 / 50))
