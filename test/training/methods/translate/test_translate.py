# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds cycle, paired and translated: pictures in the look of the other domain."""

import dataclasses
import json
import math

import pytest
import torch
from torch import nn

from kit.runs import MODEL, SMALL, TARGET, equal, state_of, tiny_run
from kit.stages import RampSource, StoppedAt, alike, pairs, train
from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_depth_ros.networks.translator import Translator
from spike_depth_ros.tasks.architectures import TranslatorSettings
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.engine.optim import check_groups
from spike_training.errors import DataSetError
from spike_training.evaluation.statistics import batch_norms
from spike_training.learning.adversarial import PatchDiscriminator, align
from spike_training.learning.looks import check_varied, positions, see, target_picture
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.methods.translate.cycle import Cycle
from spike_training.methods.translate.history import History
from spike_training.methods.translate.losses import difference, discriminator_loss, look_loss
from spike_training.methods.translate.paired import Paired
from spike_training.methods.translate.pictures import edge_warnings
from spike_training.methods.translate.settings import (
    BETAS,
    CycleConfig,
    GanConfig,
    PairedConfig,
    TranslatedConfig,
)
from spike_training.methods.translate.translated import Translated
from spike_training.reports.run_page import PageWriter
from spike_training.runs.pipeline import run
from spike_training.settings.config import problems_of

pytestmark = pytest.mark.usefixtures('one_thread')
SIZES = {'width': 4, 'blocks': 1}
GAN = GanConfig(width=4, layers=1)


@pytest.fixture(scope='module')
def batch():
    return pairs().batch(0, 4)


def translator(seed=0, **changes):
    """One that changes something: before training none does."""
    torch.manual_seed(seed)
    made = Translator(TranslatorSettings(**(SIZES | changes)))
    nn.init.normal_(made.change.weight, std=0.02)
    return made


def cycle_of(**changes):
    config = CycleConfig(**({'gan': GAN, 'history': 6} | changes))
    torch.manual_seed(3)
    return Cycle(translator(0), translator(1), config, MODEL, (32, 48))


def translated_of(**changes):
    config = TranslatedConfig(**({'gan': GAN, 'init_from': 'teacher'} | changes))
    torch.manual_seed(3)
    network = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb')
    return Translated(network, translator(), config, MODEL, SMALL.dim)


def grads(module):
    return [p.grad for p in module.parameters() if p.grad is not None]


class Fixed(nn.Module):
    """Translator that mirrors brightness: applied twice it changes nothing."""

    def forward(self, picture):
        return 1 - picture


class TestLosses:
    def test_each_term_has_one_side(self, batch):
        """A translator's term gives a discriminator no gradient, and the reverse."""
        stage, picture = cycle_of(), target_picture(batch.target)
        discriminator = stage.discriminators['source']
        look_loss(discriminator, stage.translator(picture)).backward()
        assert not grads(discriminator)
        assert any(g.abs().sum() > 0 for g in grads(stage.translator))
        stage.zero_grad(set_to_none=True)
        made = stage.translator(picture)
        discriminator_loss(discriminator, batch.source.rgb, made).loss.backward()
        assert not grads(stage.translator)
        assert all(g.abs().sum() > 0 for g in grads(discriminator))

    def test_they_are_least_squares(self):
        class Mean(nn.Module):
            def forward(self, picture):
                return picture.mean(dim=(1, 2, 3))

        real, made = torch.full((2, 3, 4, 4), 0.8), torch.full((2, 3, 4, 4), 0.3)
        assert look_loss(Mean(), made).item() == pytest.approx(0.49)
        found = discriminator_loss(Mean(), real, made)
        assert found.loss.item() == pytest.approx((0.04 + 0.09) / 2)
        assert found.accuracy == 1
        assert discriminator_loss(Mean(), made, real).accuracy == 0

    def test_difference_is_exact_in_float32(self):
        one = torch.full((1, 3, 2, 2), 0.5)
        assert difference(one, one + 1 / 512).item() == pytest.approx(1 / 512)


class TestCycle:
    def test_fixed_maps_that_undo_each_other_cost_nothing(self, batch):
        stage = cycle_of(identity_weight=0.0)
        stage.translator = stage.back = Fixed()
        found = stage.train()(batch, 'train')
        assert found['cycle'] < 1e-6
        assert 'identity' not in found
        assert found['changed'] > 0.01

    def test_before_training_nothing_is_changed(self, batch):
        config = CycleConfig(gan=GAN)
        sizes = TranslatorSettings(**SIZES)
        stage = Cycle(Translator(sizes), Translator(sizes), config, MODEL, (32, 48))
        found = stage.train()(batch, 'train')
        assert found['cycle'] == found['identity'] == found['changed'] == 0
        assert stage.eval()(batch, 'val')['edges'] == 1

    def test_the_loss_is_the_weighted_sum(self, batch):
        stage = cycle_of(cycle_weight=3.0, identity_weight=2.0, look_weight=0.5).eval()
        found = stage(batch, 'val')
        made = stage.translator(target_picture(batch.target)), stage.back(batch.source.rgb)
        real = batch.source.rgb, target_picture(batch.target)
        games = sum(
            discriminator_loss(stage.discriminators[look], real[k], made[k]).loss
            for k, look in enumerate(('source', 'target'))
        )
        expected = 3 * found['cycle'] + 2 * found['identity'] + 0.5 * found['look'] + games
        torch.testing.assert_close(found['loss'], expected)

    def test_discriminators_learn_without_changing_translators(self, batch):
        stage = cycle_of(look_weight=0.0, cycle_weight=0.0, identity_weight=0.0).train()
        check_groups(stage, stage.optimizers())
        stage(batch, 'train')['loss'].backward()
        assert all(g.abs().sum() == 0 for g in grads(stage.translator))
        assert all(g.abs().sum() > 0 for g in grads(stage.discriminators))

    @pytest.mark.parametrize('differ', [False, True])
    def test_discriminators_tell_looks_that_differ_and_no_others(self, differ):
        sizes, drawn = TranslatorSettings(**SIZES), pairs()
        config = CycleConfig(gan=GAN, look_weight=0.0, identity_weight=0.0)
        torch.manual_seed(0)
        stage = Cycle(Translator(sizes), Translator(sizes), config, MODEL, (32, 48)).train()
        for one in (stage.translator, stage.back):
            one.requires_grad_(False)  # the discriminators alone learn here

        def shown(step):
            return drawn.batch(step, 4) if differ else alike(drawn, step)

        optimizer = torch.optim.Adam(stage.discriminators.parameters(), 3e-3, BETAS)
        for step in range(30):
            optimizer.zero_grad()
            stage(shown(step), 'train')['loss'].backward()
            optimizer.step()
        with torch.no_grad():
            found = [stage(shown(2000 + step), 'val') for step in range(5)]
        for look in ('source', 'target'):
            rate = sum(float(one[f'{look}_accuracy']) for one in found) / len(found)
            if differ:
                assert rate > 0.8
            else:
                assert rate == pytest.approx(0.5, abs=0.15)

    def test_a_picture_of_one_value_has_finite_gradients(self, batch):
        one = torch.full_like(batch.target.counts, 8)
        stage = cycle_of().train()
        optimizer = torch.optim.AdamW(stage.parameters(), 1e-3)
        for _ in range(4):
            optimizer.zero_grad()
            target = dataclasses.replace(batch.target, counts=one)
            stage(dataclasses.replace(batch, target=target), 'train')['loss'].backward()
            norms = [g.norm() for g in grads(stage)]
            assert torch.stack(norms).max() < 1e4
            optimizer.step()

    def test_nothing_has_weight_decay(self):
        for groups in cycle_of().optimizers().values():
            assert not any(group['decay'] for group in groups)

    def test_the_history_survives_a_resume(self, tmp_path):
        settings = {'steps': 8, 'save_every': 4, 'validation': pairs(), 'learning_rate': 1e-3}
        whole = train(tmp_path / 'whole', pairs(), cycle_of(), **settings)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / 'again', StoppedAt(6, pairs()), cycle_of(), **settings)
        resumed = train(tmp_path / 'again', pairs(), cycle_of(), **settings)
        assert whole.histories['source'].kept == 6
        assert equal(whole.state_dict(), resumed.state_dict())


class TestHistory:
    def test_it_fills_then_returns_older_pictures(self):
        history = History(3, 2, 2)
        fresh = torch.arange(3.0)[:, None, None, None].expand(3, 3, 2, 2)
        assert torch.equal(history.exchange(fresh), fresh)
        assert torch.equal(history.pictures, fresh)
        torch.manual_seed(0)
        shown = history.exchange(torch.full((40, 3, 2, 2), 9.0))
        older = [one for one in shown[:, 0, 0, 0].tolist() if one != 9]
        assert sorted(older) == [0, 1, 2]  # each leaves once, and then only new ones do
        assert (history.pictures == 9).all()

    def test_pictures_of_another_size_survive_a_resume(self):
        before, after = History(2, 4, 4), History(2, 4, 4)
        shown = before.exchange(torch.rand(2, 3, 4, 8))
        after.load_state_dict(before.state_dict())
        assert torch.equal(after.pictures, shown)
        assert after.kept == 2
        with pytest.raises(RuntimeError, match='size mismatch'):
            History(3, 4, 4).load_state_dict(before.state_dict())

    def test_about_half_are_replaced(self):
        history = History(200, 1, 1)
        history.exchange(torch.zeros(200, 3, 1, 1))
        torch.manual_seed(0)
        shown = history.exchange(torch.ones(100, 3, 1, 1))
        assert 0.35 < 1 - shown[:, 0].mean().item() < 0.6

    def test_another_size_begins_a_new_one(self):
        history = History(2, 2, 2)
        history.exchange(torch.ones(2, 3, 2, 2))
        fresh = torch.full((1, 3, 4, 4), 2.0)
        assert torch.equal(history.exchange(fresh), fresh)
        assert (history.kept, history.pictures.shape) == (1, (2, 3, 4, 4))

    def test_it_keeps_no_gradient(self):
        fresh = torch.ones(1, 3, 1, 1, requires_grad=True)
        assert not History(1, 1, 1).exchange(fresh).requires_grad


class TestTranslated:
    def test_the_loss_is_the_weighted_sum(self, batch):
        weights = {
            'identity_weight': 2.0, 'look_weight': 3.0, 'feature_weight': 4.0,
            'smooth_weight': 5.0, 'uncertainty_weight': 6.0,
        }  # fmt: skip
        stage = translated_of(**weights).eval()
        found = stage(batch, 'val')
        expected = (
            found['sup'] + 6 * found['unc'] + 2 * found['identity'] + 3 * found['look']
            + 5 * found['slope']
        )  # fmt: skip
        other = target_picture(batch.target)
        made = stage.translator(batch.source.rgb)
        game = discriminator_loss(stage.discriminators['target'], other, made)
        rest = found['loss'] - expected - game.loss
        # The discriminator of features, which has learnt nothing: near 2 ln 2.
        assert rest.item() == pytest.approx(1.386, abs=0.2)

    def test_weights_are_those_of_the_authors_over_100(self):
        config = TranslatedConfig()
        assert (config.identity_weight, config.look_weight) == (1.0, 0.01)
        assert (config.feature_weight, config.smooth_weight) == (0.01, 0.001)
        assert (config.uncertainty_weight, config.discriminator_every) == (1.0, 5)
        cycle = CycleConfig()
        assert (cycle.cycle_weight, cycle.identity_weight, cycle.look_weight) == (10, 5, 1)

    def test_the_discriminator_of_features_works_against_the_network(self, batch):
        """Through a reversed gradient, by its weight."""

        def gradient(weight):
            stage = translated_of(feature_weight=weight).train()
            stage(batch, 'train')['loss'].backward()
            return torch.cat([g.flatten() for g in grads(stage.network)])

        none, one = gradient(0.0), gradient(1.0)
        assert not torch.allclose(none, one)
        torch.testing.assert_close(gradient(3.0), none + 3 * (one - none), rtol=1e-3, atol=1e-4)
        stage = translated_of(feature_weight=1.0).train()

        def loss():
            seen = (
                see(stage.network, p).f_enc
                for p in (stage.translator(batch.source.rgb), target_picture(batch.target))
            )
            return align(stage.discriminators['features'], *map(positions, seen), 1.0).loss

        before = loss()
        before.backward()
        with torch.no_grad():
            for p in stage.network.parameters():
                if p.grad is not None:
                    p -= 1e-3 * p.grad / (p.grad.norm() + 1e-9)
        assert loss() > before  # the network takes a step down its own, reversed gradient

    def test_labels_teach_translator_and_network(self, batch):
        nothing = dict.fromkeys(
            ('identity_weight', 'look_weight', 'feature_weight', 'smooth_weight'), 0.0
        )
        stage = translated_of(**nothing).train()
        check_groups(stage, stage.optimizers())
        stage(batch, 'train')['loss'].backward()
        for part in (stage.translator, stage.network):
            assert any(g.abs().sum() > 0 for g in grads(part))

    def test_discriminators_take_every_fifth_step(self):
        stage = translated_of()
        assert [step for step in range(11) if not stage.waits('discriminators', step)] == [
            0,
            5,
            10,
        ]
        assert not any(stage.waits('main', step) for step in range(6))

    def test_statistics_are_those_of_the_target(self, batch):
        stage, alone = translated_of().train(), translated_of().train()
        stage(batch, 'train')
        see(alone.network, target_picture(batch.target))
        layers = batch_norms(stage.network), batch_norms(alone.network)
        for found, wanted in zip(*layers, strict=True):
            assert torch.equal(found.running_mean, wanted.running_mean)

    def test_a_picture_shows_both_looks(self, batch):
        stage = translated_of().eval()
        source, target = (
            dataclasses.replace(one, **{key: getattr(one, key).flip(0)})
            for one, key in ((batch.source, 'rgb'), (batch.target, 'counts'))
        )
        with torch.no_grad():
            shown = stage.picture(batch)
            for changed in ({'source': source}, {'target': target}):
                assert (stage.picture(dataclasses.replace(batch, **changed)) != shown).any()


class TestPaired:
    def test_it_learns_the_true_look(self):
        config = PairedConfig()
        source = RampSource(with_rgb=True, planes=(256,))
        stage = Paired(translator(), config, MODEL).train()
        optimizer = torch.optim.Adam(stage.parameters(), 6e-3)
        losses = []
        for step in range(20):
            loss = stage(source.batch(step, 4), 'train')['loss']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert sum(losses[-3:]) < 0.7 * sum(losses[:3])

    def test_depth_changes_not_a_bit(self):
        found = []
        for depth in (1.0, math.nan):
            stage = Paired(translator(), PairedConfig(), MODEL).train()
            batch = RampSource(with_rgb=True, planes=(256,)).batch(0, 4)
            batch = dataclasses.replace(batch, depth=torch.full_like(batch.depth, depth))
            stage(batch, 'train')['loss'].backward()
            found.append([*grads(stage)])
        assert all(map(torch.equal, *found))


class TestChecks:
    def test_a_constant_domain_is_told_with_its_value(self, batch):
        dark = dataclasses.replace(batch.target, counts=torch.zeros_like(batch.target.counts))
        with pytest.raises(DataSetError, match=r'pictures of the target are all 0\.000: expected'):
            cycle_of().begin(iter([dataclasses.replace(batch, target=dark)]), [])
        with pytest.raises(DataSetError, match=r'of the source are all 0\.500'):
            check_varied('source', torch.full((2, 3, 4, 4), 0.5))
        for stage in (cycle_of(), translated_of()):
            stage.begin(iter([batch]), [])

    def test_edges_that_move_are_told_with_their_value(self):
        assert edge_warnings({'edges': 0.8}, '') == ()
        (told,) = cycle_of().warnings({'edges': 0.614})
        assert 'F1 of 0.61, expected 0.8 or more' in told
        assert told.endswith('raise cycle_weight or identity_weight')


class TestSettings:
    def run_of(self, tmp_path, *stages, **changes):
        return tiny_run(tmp_path, *stages, **{'target': TARGET} | changes)

    def test_a_translator_has_its_own_architecture_and_betas(self, tmp_path):
        config = self.run_of(tmp_path, CycleConfig(name='look', settings=SIZES))
        assert problems_of(config) == []
        resolved = config.resolve(config.stages[0])
        assert (resolved.model.architecture, resolved.model.settings) == ('translator', SIZES)
        assert resolved.train.betas == BETAS

    def test_a_network_behind_a_translator_keeps_that_of_the_run(self, tmp_path):
        teacher = PretrainConfig(name='teacher', input='rgb')
        stage = TranslatedConfig(name='t2net', init_from='teacher', translator=SIZES)
        config = self.run_of(tmp_path, teacher, stage)
        assert problems_of(config) == []
        assert config.resolve(config.stages[1]).model.architecture == 'dpt_tiny'
        assert config.resolve(config.stages[1]).train.betas == BETAS

    @pytest.mark.parametrize(('height', 'width'), [(32, 48), (96, 144), (48, 64)])
    def test_discriminators_see_the_smallest_pictures_that_are_taken(self, height, width):
        def is_taken(layers):
            return not [*GanConfig(layers=layers).problems_of_size((height, width))]

        most = max(layers for layers in range(1, 9) if is_taken(layers))
        pictures = torch.rand(1, 3, height, width)
        assert PatchDiscriminator(3, 4, most)(pictures).numel() > 0
        with pytest.raises(RuntimeError):
            PatchDiscriminator(3, 4, most + 1)(pictures)


@pytest.mark.parametrize('kind', [CycleConfig, PairedConfig])
def test_a_run_ends_with_scores_beside_matched_looks(tmp_path, kind, capsys):
    gan = {'gan': GAN} if kind is CycleConfig else {}
    config = tiny_run(tmp_path / 'run', kind(name='look', settings=SIZES, **gan), target=TARGET)
    config.train.validate_every = config.train.picture_every = 3
    run(config)
    PageWriter().write(config.out)
    info, _ = load(config.out / 'model.safetensors', TranslationInfo)
    assert (info.task, info.inputs, info.outputs) == ('translation', ('rgb',), ('picture',))
    report = json.loads((config.out / 'report.json').read_text())
    (scores,) = report['sets'].values()
    assert scores['rows'].keys() == {'network', 'unchanged', 'moments', 'histogram'}
    assert scores['rows']['unchanged']['edge_f1'] == 1
    assert scores['rows']['unchanged']['changed'] == 0
    assert info.metrics['indoor_psnr'] == pytest.approx(
        scores['rows']['network']['psnr'], abs=1e-4
    )
    assert 'histogram' in capsys.readouterr().out
    assert 'Translated pictures' in (config.out / 'index.html').read_text()


def test_a_run_with_a_translated_source_ends_with_depth(tmp_path):
    teacher = PretrainConfig(name='teacher', input='rgb')
    stage = TranslatedConfig(name='t2net', init_from='teacher', translator=SIZES, gan=GAN)
    config = tiny_run(tmp_path / 'run', teacher, stage, target=TARGET)
    run(config)
    info, _ = load(config.out / 'model.safetensors')
    assert (info.task, info.inputs, info.stage) == ('depth', ('rgb',), 't2net')
    assert state_of(config.out / 't2net')
