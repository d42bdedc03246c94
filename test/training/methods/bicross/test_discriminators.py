# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Discriminators on a toy problem: tokens of two domains that differ along one direction."""

import pytest
import torch
from torch import nn

from spike_training.learning.adversarial import (
    TokenDiscriminator,
    domain_loss,
    reversed_gradient,
)
from spike_training.methods.bicross.discriminators import DomainDiscriminators

DIM = 8


def tokens(seed, shift):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(64, DIM, generator=generator)
    drawn[:, 0] += shift
    return drawn


SOURCE, TARGET = tokens(0, -1.5), tokens(1, 1.5)


class BothDomains(DomainDiscriminators):
    """Ours, as a function of two sets of tokens."""

    def __init__(self):
        super().__init__(DIM, ('strong',))

    def forward(self, source, target):
        return super().forward({'strong': (source, target)}).loss


class OneDomainEach(nn.Module):
    """The reading that cannot align: one discriminator for the source, one for the target."""

    def __init__(self):
        super().__init__()
        self.source, self.target = TokenDiscriminator(DIM), TokenDiscriminator(DIM)

    def forward(self, source, target):
        first, second = map(reversed_gradient, (source, target))
        return domain_loss(self.source(first), self.target(second))


def separability(source, target):
    """Distance of the domains' means in standard deviations of the tokens."""
    # Along all directions alike: the best one of a linear map would be the same before and after.
    spread = (source.var(dim=0) + target.var(dim=0)).sum() / 2
    return ((source.mean(dim=0) - target.mean(dim=0)).norm() / spread.sqrt()).item()


def play(kind, steps=100):
    """Separability of the features before and after the game."""
    torch.manual_seed(0)
    game, features = kind(), nn.Linear(DIM, DIM)
    nn.init.eye_(features.weight)
    nn.init.zeros_(features.bias)
    before = separability(features(SOURCE), features(TARGET))
    optimizers = [
        torch.optim.AdamW(game.parameters(), 1e-2),
        torch.optim.AdamW(features.parameters(), 1e-2),
    ]
    for _ in range(steps):
        game(features(SOURCE), features(TARGET)).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        return before, separability(features(SOURCE), features(TARGET))


def test_discriminators_that_see_both_domains_make_tokens_alike():
    before, after = play(BothDomains)
    assert before > 0.9
    assert after < 0.6 * before


def test_discriminators_that_see_one_domain_each_change_nothing():
    before, after = play(OneDomainEach)
    assert after == pytest.approx(before, rel=0.05)


def test_the_game_has_its_signs_right():
    torch.manual_seed(0)
    game = DomainDiscriminators(DIM, ('strong',))
    source, target = SOURCE.clone().requires_grad_(), TARGET.clone().requires_grad_()

    def loss():
        return game({'strong': (source, target)}).loss

    first = loss()
    first.backward()
    rate = 1e-2
    with torch.no_grad():
        for parameter in game.parameters():
            parameter -= rate * parameter.grad
    assert loss() < first  # the discriminator descends
    with torch.no_grad():
        for parameter in game.parameters():
            parameter += rate * parameter.grad
        for features in (source, target):
            features -= len(features) * features.grad
    assert loss() > first  # what descends on the features' gradient makes it harder


def test_every_discriminator_sees_both_domains():
    game = DomainDiscriminators(DIM, ('strong', 'weak'))
    parts = {
        (view, domain): torch.randn(4, DIM, requires_grad=True)
        for view in ('strong', 'weak')
        for domain in ('source', 'target')
    }
    loss = game(
        {view: (parts[view, 'source'], parts[view, 'target']) for view in ('strong', 'weak')}
    ).loss
    for view, discriminator in game.items():
        weights = list(discriminator.parameters())
        for domain in ('source', 'target'):
            (gradient,) = torch.autograd.grad(loss, [parts[view, domain]], retain_graph=True)
            assert gradient.any()
        assert all(g.any() for g in torch.autograd.grad(loss, weights, retain_graph=True))


def test_accuracy_counts_tokens_of_both_domains():
    game = DomainDiscriminators(DIM, ('strong',))
    for parameter in game.parameters():
        nn.init.zeros_(parameter)
    last = game['strong'][-2]
    nn.init.ones_(last.bias)  # all is called source
    found = game({'strong': (SOURCE, TARGET)})
    assert found.accuracy.item() == 0.5
    torch.testing.assert_close(found.loss, domain_loss(torch.ones(1), torch.ones(1)))


def test_gradient_reversal():
    value = torch.randn(3, dtype=torch.float64, requires_grad=True)
    (2 * reversed_gradient(value)).sum().backward()
    assert value.grad.tolist() == [-2.0] * 3
    assert torch.equal(reversed_gradient(value), value)
