# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kinds residual and sequence: a network of RGB whose features become alike in both domains."""

import dataclasses
import math

import pytest
import torch

from kit.runs import MODEL, SMALL, TARGET, equal, tiny_run
from kit.stages import RampSource, alike, copied, learn, pairs
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import predict
from spike_training.evaluation.statistics import batch_norms
from spike_training.learning.adversarial import align
from spike_training.learning.looks import positions, see, source_picture, target_picture
from spike_training.methods.align.residual import Residual
from spike_training.methods.align.sequence import Sequence
from spike_training.methods.align.settings import ResidualConfig, SequenceConfig
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.settings.config import problems_of

pytestmark = pytest.mark.usefixtures('one_thread')
KINDS = [(Residual, ResidualConfig), (Sequence, SequenceConfig)]
both = pytest.mark.parametrize(('kind', 'settings'), KINDS)
WEIGHTS = {
    Residual: ('feature_weight', 'depth_weight'),
    Sequence: ('token_weight', 'position_weight'),
}
"""Settings of how much discriminators change the network."""


def stage_of(kind, settings, **changes):
    torch.manual_seed(0)
    network = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb')
    return kind(network, settings(init_from='teacher', **changes), MODEL, SMALL.dim)


@pytest.fixture(scope='module')
def batch():
    return pairs().batch(0, 4)


class TestPictures:
    def test_the_target_is_seen_as_it_is_scored(self, batch):
        """As evaluation/rates.py shows it to a network of RGB; the source in its colours."""
        assert target_picture(batch.target).shape == (4, 3, 32, 48)
        assert torch.equal(source_picture(batch.source), batch.source.rgb)
        network = dpt_tiny(3, (0.3, 80.0), SMALL, 'rgb').eval()
        assert torch.equal(
            see(network, batch.source.rgb).depth, predict(network, batch.source, 'rgb').depth
        )

    def test_a_twin_sees_spikes_of_the_source(self, batch):
        spikes = dataclasses.replace(batch.source, rgb=None)
        assert torch.equal(source_picture(spikes), target_picture(batch.source))
        for look, wanted in (('rgb', (True, False)), ('spikes', (False, True))):
            spec = SequenceConfig(source_look=look).batches
            assert (spec.domain, spec.rgb, spec.spikes) == ('both', *wanted)


@both
def test_the_loss_is_that_of_labels_and_discriminators(kind, settings, batch):
    stage = stage_of(kind, settings).train()
    found = stage(batch, 'train')
    assert not any(value.requires_grad for name, value in found.items() if name != 'loss')
    seen = [see(stage.network, one) for one in (batch.source.rgb, target_picture(batch.target))]
    sup, unc, _ = stage.supervision(seen[0], batch.source)
    rest = found['loss'] - sup - unc - found.get('content', 0)
    # Two discriminators that have learnt nothing are near chance level.
    assert rest.item() == pytest.approx(4 * math.log(2), abs=0.3)


@both
def test_discriminators_learn_and_a_weight_of_zero_changes_the_network_in_nothing(
    kind, settings, batch
):
    grads = {}
    for value in (0.0, 1.0):
        stage = stage_of(kind, settings, **dict.fromkeys(WEIGHTS[kind], value)).train()
        stage(batch, 'train')['loss'].backward()
        grads[value] = [p.grad for p in stage.network.parameters() if p.grad is not None]
        matrices = [p for p in stage.discriminators.parameters() if p.ndim > 1]
        assert all(p.grad.abs().sum() > 0 for p in matrices)
    stage = stage_of(kind, settings).train()
    pictures = batch.source.rgb, target_picture(batch.target)
    source, target = (see(stage.network, one) for one in pictures)
    sup, unc, _ = stage.supervision(source, batch.source)
    terms = stage.terms(pictures, (source, target))
    (sup + unc + sum(term.weight * term.value for term in terms.values())).backward()
    alone = [p.grad for p in stage.network.parameters() if p.grad is not None]
    for found, wanted in zip(grads[0.0], alone, strict=True):
        torch.testing.assert_close(found, wanted)
    assert any(not torch.allclose(a, b) for a, b in zip(grads[1.0], grads[0.0], strict=True))


@both
def test_the_network_makes_it_harder_for_discriminators(kind, settings, batch):
    """Their loss falls by a step of their own weights, and rises by a step of the network's."""
    stage = stage_of(kind, settings, **dict.fromkeys(WEIGHTS[kind], 1.0)).train()

    def adversarial():
        pictures = source_picture(batch.source), target_picture(batch.target)
        seen = stage.aligned(*(see(stage.network, one) for one in pictures))
        return sum(align(stage.discriminators[name], *one).loss for name, one in seen.items())

    before = adversarial()
    before.backward()
    found = {}
    for name in ('discriminators', 'network'):
        parameters = [p for p in getattr(stage, name).parameters() if p.grad is not None]
        kept = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for p in parameters:
                p -= 1e-3 * p.grad / (p.grad.norm() + 1e-9)
            found[name] = adversarial().item()
            for p, old in zip(parameters, kept, strict=True):
                p.copy_(old)
    assert found['discriminators'] < before.item() < found['network']


@both
@pytest.mark.parametrize('differ', [False, True])
def test_discriminators_tell_domains_that_differ_and_no_others(kind, settings, differ):
    # Statistics of a batch would hide what its look is before anything is learnt.
    kept = {'trainable': 'weights'} if kind is Sequence else {}
    stage = stage_of(kind, settings, **dict.fromkeys(WEIGHTS[kind], 0.0), **kept).train()
    stage.network.requires_grad_(False)  # the discriminators alone learn here
    drawn = pairs()

    def shown(step):
        return drawn.batch(step, 4) if differ else alike(drawn, step)

    optimizer = torch.optim.AdamW(stage.discriminators.parameters(), 1e-2)
    for step in range(14):
        optimizer.zero_grad()
        stage(shown(step), 'train')['loss'].backward()
        optimizer.step()
    with torch.no_grad():
        found = [stage(shown(2000 + step), 'train') for step in range(5)]
    names = [name for name in found[0] if name.endswith('_accuracy')]
    rates = [sum(float(one[name]) for one in found) / len(found) for name in names]
    assert len(rates) == 2
    if differ:
        assert max(rates) > 0.7
    else:
        assert rates == pytest.approx([0.5, 0.5], abs=0.15)


@both
def test_each_weight_is_of_its_own_discriminator(kind, settings, batch):
    """The gradient of the network is that without them, less each one's by its weight."""

    def gradients(*weights):
        given = dict(zip(WEIGHTS[kind], weights, strict=True))
        stage = stage_of(kind, settings, **given).train()
        stage(batch, 'train')['loss'].backward()
        return torch.cat(
            [p.grad.flatten() for p in stage.network.parameters() if p.grad is not None]
        )

    none, first, second = gradients(0.0, 0.0), gradients(1.0, 0.0), gradients(0.0, 1.0)
    assert not torch.allclose(first, none)
    assert not torch.allclose(second, none)
    expected = none + 2 * (first - none) + 5 * (second - none)
    torch.testing.assert_close(gradients(2.0, 5.0), expected, rtol=1e-3, atol=1e-4)
    stage = stage_of(kind, settings, **dict(zip(WEIGHTS[kind], (2.0, 5.0), strict=True))).train()
    pictures = source_picture(batch.source), target_picture(batch.target)
    seen = stage.aligned(*(see(stage.network, one) for one in pictures))
    assert [one.weight for one in seen.values()] == [2.0, 5.0]
    assert [f'{name.removesuffix("s")}_weight' for name in seen] == [*WEIGHTS[kind]]


def test_weights_are_those_of_the_authors():
    sequence, residual = SequenceConfig(), ResidualConfig()
    assert (sequence.token_weight, sequence.position_weight) == (0.1, 1.0)
    assert (residual.feature_weight, residual.depth_weight, residual.content_weight) == (
        0.1, 0.1, 1.0
    )  # fmt: skip


class Unlabelled(RampSource):
    """The same samples, whose labels would spoil whatever they touch."""

    def batch(self, *args):
        batch = super().batch(*args)
        nothing = torch.full_like(batch.depth, math.nan)
        return dataclasses.replace(batch, depth=nothing, fx=torch.full_like(batch.fx, math.nan))


@both
def test_labels_of_the_target_change_not_a_bit(kind, settings):
    weights = []
    for target in (RampSource, Unlabelled):
        stage = stage_of(kind, settings)
        learn(stage, pairs(target=target).batch(0, 4))
        weights.append(stage.state_dict())
    assert equal(*weights)


@both
def test_a_domain_that_shows_nothing_is_told(kind, settings, batch):
    stage = stage_of(kind, settings)
    stage.begin([batch], [])
    dark = dataclasses.replace(batch.target, counts=torch.zeros_like(batch.target.counts))
    with pytest.raises(DataSetError, match=r'pictures of the target are all 0\.000: expected'):
        stage.begin([dataclasses.replace(batch, target=dark)], [])


class TestResidual:
    def test_transformer_blocks_alone_learn(self, batch):
        stage = stage_of(Residual, ResidualConfig)
        before, kept = copied(stage.network), copied(stage.teacher)
        learn(stage, batch, steps=3)
        changed = {
            n for n, v in stage.network.state_dict().items() if not torch.equal(v, before[n])
        }
        assert changed
        assert all(name.startswith('encoder.blocks.') for name in changed)
        assert equal(stage.teacher.state_dict(), kept)

    def test_pixels_out_of_the_range_of_depth_have_a_gradient(self, batch):
        stage = stage_of(Residual, ResidualConfig).train()
        torch.nn.init.constant_(stage.network.depth_head.conv3.bias, 5.0)
        output = see(stage.network, batch.source.rgb)
        assert (output.depth > 79.9).all()
        sup, _, _ = stage.supervision(output, batch.source)
        sup.backward()
        assert any(p.grad.abs().sum() > 0 for p in stage.network.encoder.blocks.parameters())

    def test_content_is_zero_before_the_first_step_and_holds_the_features(self, batch):
        stage = stage_of(Residual, ResidualConfig)
        assert stage.train()(batch, 'train')['content'] == 0
        ends = {}
        for weight in (0.0, 100.0):
            stage = stage_of(Residual, ResidualConfig, content_weight=weight)
            learn(stage, batch, steps=5)
            picture = target_picture(batch.target)
            with torch.no_grad():
                apart = see(stage.network, picture).f_enc - see(stage.teacher, picture).f_enc
            ends[weight] = apart.abs().mean()
        assert ends[100.0] < 0.7 * ends[0.0]


class TestSequence:
    def test_each_position_is_a_token(self):
        features = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
        assert positions(features).shape == (8, 3)
        assert torch.equal(positions(features)[3], features[0, :, 1, 1])

    def test_statistics_are_those_of_the_target(self, batch):
        stage, alone = (stage_of(Sequence, SequenceConfig).train() for _ in range(2))
        stage(batch, 'train')
        see(alone.network, target_picture(batch.target))
        for found, wanted in zip(
            batch_norms(stage.network), batch_norms(alone.network), strict=True
        ):
            assert torch.equal(found.running_mean, wanted.running_mean)

    def test_statistics_stay_where_weights_alone_learn(self, batch):
        stage = stage_of(Sequence, SequenceConfig, trainable='weights')
        before = [layer.running_mean.clone() for layer in batch_norms(stage.network)]
        learn(stage, batch, steps=3)
        for layer, kept in zip(batch_norms(stage.network), before, strict=True):
            assert torch.equal(layer.running_mean, kept)

    def test_a_picture_shows_both_domains(self, batch):
        stage, other = stage_of(Sequence, SequenceConfig).eval(), pairs().batch(1, 4)
        with torch.no_grad():
            shown = stage.picture(batch)
            for domain in ('source', 'target'):
                changed = dataclasses.replace(batch, **{domain: getattr(other, domain)})
                assert (stage.picture(changed) != shown).any()


class TestSettings:
    def run_of(self, tmp_path, stage, **changes):
        teacher = PretrainConfig(name='teacher', input='rgb')
        return tiny_run(tmp_path, teacher, stage, **{'target': TARGET} | changes)

    @both
    def test_a_run_of_them_is_valid(self, tmp_path, kind, settings):
        stage = settings(name='aligned', init_from='teacher')
        assert problems_of(self.run_of(tmp_path, stage)) == []
