# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from spike_training.engine.ema import ModelEma


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def trained(module, updates):
    """States that a training might go through, buffers included."""
    for step in range(updates):
        torch.manual_seed(step)
        module.train()
        with torch.no_grad():
            module(torch.randn(2, 1, 3, 3))
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        yield {name: value.clone() for name, value in module.state_dict().items()}


def test_closed_form_over_parameters_and_buffers():
    module = network()
    expected = {name: value.clone() for name, value in module.state_dict().items()}
    ema = ModelEma(module, decay=0.6)
    for step, state in enumerate(trained(module, 12)):
        ema.update(module)
        decay = min(0.6, (1 + step) / (10 + step))
        for name, value in state.items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
            else:
                expected[name] = value
    assert '1.running_mean' in expected
    assert expected['1.num_batches_tracked'] == 12
    with ema.applied(module):
        torch.testing.assert_close(dict(module.state_dict()), expected)


def test_no_decay_is_the_last_weights():
    module = network()
    ema = ModelEma(module, decay=0.0)
    last = None
    for state in trained(module, 3):
        ema.update(module)
        last = state
    with ema.applied(module):
        assert all(torch.equal(value, last[name]) for name, value in module.state_dict().items())


def test_lending_gives_the_own_weights_back_even_after_an_error():
    module = network()
    ema = ModelEma(module, decay=0.9)
    (*_, own) = trained(module, 2)

    def fail():
        with ema.applied(module):
            assert not torch.equal(module[0].weight, own['0.weight'])
            raise RuntimeError('on purpose')

    with pytest.raises(RuntimeError, match='on purpose'):
        fail()
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())


def test_it_does_not_share_memory_with_the_network():
    module = network()
    ema = ModelEma(module, decay=0.9)
    before = module[0].weight.detach().clone()
    with torch.no_grad():
        module[0].weight.fill_(7)
    with ema.applied(module):
        assert torch.equal(module[0].weight, before)


def test_saving_and_loading_continues():
    one, other = network(), network()
    ema, again = ModelEma(one, 0.9), ModelEma(other, 0.9)
    for step, _ in enumerate(trained(one, 8)):
        ema.update(one)
        if step == 3:
            again.load_state_dict(ema.state_dict())
        if step > 3:
            again.update(one)
    with ema.applied(one), again.applied(other):
        assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


def test_another_networks_average_is_refused():
    ema = ModelEma(network(), 0.9)
    with pytest.raises(ValueError, match='another network'):
        ema.load_state_dict(ModelEma(nn.Linear(1, 1), 0.9).state_dict())
