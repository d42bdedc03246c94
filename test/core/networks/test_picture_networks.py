# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from spike_depth_ros.networks.reconstruction.blind_spot import BlindSpotNet, BlindSpotSettings
from spike_depth_ros.networks.reconstruction.rate_estimates import ShortTermPlasticity
from spike_depth_ros.networks.reconstruction.recon_lite import ReconLite, ReconSettings
from spike_depth_ros.networks.reconstruction.ssml_net import (
    CrissCross,
    SsmlNet,
    SsmlSettings,
    TemporalAttention,
    stream_length,
)

PLANES = torch.ones(41, dtype=torch.int32)


def spikes_of(batch, height, width, share=0.3, planes=41):
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(batch, planes, height, width, generator=generator) < share).float()


def seeded(network):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def own_changes(network, height, width):
    """Return how far outputs of every fifth pixel move when all spikes of that one are flipped.

    Fifth pixels lie in all columns: a row has 16 or 24. The second figure is that of any pixel.
    """
    network.train()  # its pictures are not clipped, which would hide changes
    spikes = spikes_of(1, height, width)
    chosen = torch.arange(0, height * width, 5)
    number = torch.arange(len(chosen))
    changed = spikes.repeat(len(chosen), 1, 1, 1).flatten(2)
    changed[number, :, chosen] = 1 - spikes.flatten(2)[0].T[chosen]
    with torch.no_grad():
        before = network(spikes, PLANES).rate.flatten()
        after = network(changed.view(-1, 41, height, width), PLANES).rate.flatten(1)
    moved = (after - before).abs()
    return moved[number, chosen], moved.amax(1)


@pytest.mark.parametrize('size', [(16, 16), (16, 24), (24, 16)])
def test_no_pixel_of_the_blind_spot_network_sees_itself(size):
    network = seeded(BlindSpotNet(41, BlindSpotSettings(features=4, amim=3)))
    own, anywhere = own_changes(network, *size)
    assert own.max() < 1e-5 * anywhere.max()
    assert anywhere.min() > 0  # but others see it


@pytest.mark.parametrize('changes', [{'amim': 0}, {'streams': 3}, {'amim': 0, 'streams': 3}])
def test_it_stays_blind_without_amim_and_with_three_streams(changes):
    network = seeded(BlindSpotNet(41, BlindSpotSettings(**{'features': 4, 'amim': 3} | changes)))
    own, anywhere = own_changes(network, 16, 24)
    assert own.max() < 1e-5 * anywhere.max()
    assert anywhere.min() > 0


def test_attention_breaks_the_blind_spot():
    """Chen et al., section 4.3: an ablation of what the network is for."""
    network = seeded(BlindSpotNet(41, BlindSpotSettings(features=4, amim=3, attention=True)))
    own, anywhere = own_changes(network, 16, 16)
    assert own.max() > 1e-3 * anywhere.max()


@pytest.mark.parametrize('streams', [1, 3])
@pytest.mark.parametrize('kind', [(SsmlNet, SsmlSettings), (BlindSpotNet, BlindSpotSettings)])
def test_streams_and_parts_can_be_left_out(kind, streams):
    build, settings = kind
    sizes = {'features': 4, 'amim': 0, 'streams': streams, 'attention': True}
    network = seeded(build(41, settings(**sizes)))
    assert network.amim is None
    with torch.no_grad():
        assert network(spikes_of(2, 16, 16), PLANES).rate.shape == (2, 1, 16, 16)


def test_the_other_networks_see_the_pixel():
    for network in (SsmlNet(41, SsmlSettings(features=4, amim=3)), ReconLite(41, ReconSettings())):
        own, anywhere = own_changes(seeded(network), 16, 16)
        assert own.median() > 1e-3 * anywhere.median()


def test_recon_lite_is_small_and_leaves_darkness_black():
    network = seeded(ReconLite(41, ReconSettings()))
    assert sum(p.numel() for p in network.parameters()) <= 240_000
    with torch.no_grad():
        assert not network(torch.zeros(1, 41, 32, 48), PLANES).rate.any()
        found = network(spikes_of(2, 32, 48), PLANES).rate
    assert found.shape == (2, 1, 32, 48)
    assert found.min() >= 0
    assert found.max() <= 1


def test_recon_lite_starts_from_the_mean_of_its_estimates():
    network = ReconLite(41, ReconSettings()).eval()
    spikes = spikes_of(1, 16, 16)
    with torch.no_grad():
        wanted = network.estimates(spikes).mean(1, keepdim=True)
        torch.testing.assert_close(network(spikes, PLANES).rate, wanted)


def test_the_streams_of_ssml_are_overlapping_thirds_of_41_planes():
    network = seeded(SsmlNet(41, SsmlSettings(features=4, amim=3)))
    assert stream_length(41, network.streams) == 27
    seen = []
    network.extract.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    spikes = spikes_of(1, 16, 16)
    with torch.no_grad():
        network(spikes, PLANES)
    streams = seen[0][:, -27:]
    for number, first in enumerate((0, 7, 14)):
        torch.testing.assert_close(streams[number], spikes[0, first : first + 27])
    with pytest.raises(ValueError, match='expected 17'):
        SsmlNet(15, SsmlSettings())


def test_criss_cross_attention_is_that_of_a_loop_over_pixels():
    module = seeded(CrissCross(8, reduction=2))
    x = torch.randn(1, 8, 3, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = module(x)[0]
        query, key, value = (layer(x)[0] for layer in (module.query, module.key, module.value))
    for row in range(3):
        for column in range(4):
            places = [(row, other) for other in range(4)]
            places += [(other, column) for other in range(3) if other != row]
            energies = torch.stack([query[:, row, column] @ key[:, r, c] for r, c in places])
            values = torch.stack([value[:, r, c] for r, c in places])
            wanted = energies.softmax(0) @ values
            torch.testing.assert_close(found[:, row, column], wanted, rtol=1e-4, atol=1e-5)


def test_temporal_attention_mixes_the_same_pixel_of_the_streams():
    module = seeded(TemporalAttention(4, reduction=2))
    x = torch.randn(1, 12, 2, 2, generator=torch.Generator().manual_seed(3))
    changed = x.clone()
    changed[:, 4:8, 0, 1] += 1  # of the second stream
    with torch.no_grad():
        moved = (module(changed) - module(x)).abs()[0]
    assert moved[:, 0, 1].view(3, 4).amax(1).min() > 0
    moved[:, 0, 1] = 0
    assert moved.max() < 1e-6


def plasticity_of(spikes, rest=0.15, recovery=10.0):
    """The same as a loop over one pixel's spikes, up to the middle plane."""
    used, last, rate = rest, None, 0.0
    for plane, fires in enumerate(spikes[: (len(spikes) + 1) // 2]):
        if not fires:
            continue
        if last is not None:
            raised = used + rest * (1 - used)
            used = rest + (raised - rest) * math.exp(-(plane - last) / recovery)
            decay = (used - rest) / (used * (1 - rest))
            rate = min(1.0, -1 / (recovery * math.log(decay)))
        last = plane
    return rate


def test_plasticity_is_that_of_a_loop_over_spikes():
    spikes = spikes_of(2, 4, 5, share=0.2, planes=81)
    found = ShortTermPlasticity()(spikes)
    assert found.shape == (2, 1, 4, 5)
    wanted = [
        [[plasticity_of(pixel) for pixel in row] for row in image.permute(1, 2, 0).tolist()]
        for image in spikes
    ]
    torch.testing.assert_close(found[:, 0], torch.tensor(wanted), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('gap', [2, 5, 20])
def test_plasticity_finds_a_steady_rate(gap):
    spikes = torch.zeros(1, 401, 1, 1)
    spikes[:, ::gap] = 1
    assert ShortTermPlasticity()(spikes).item() == pytest.approx(1 / gap, rel=1e-4)


def test_plasticity_is_zero_until_the_second_spike():
    spikes = torch.zeros(1, 41, 1, 2)
    spikes[:, 3] = 1
    spikes[:, 9, :, 1] = 1
    first, second = ShortTermPlasticity()(spikes)[0, 0, 0].tolist()
    assert first == 0 < second
