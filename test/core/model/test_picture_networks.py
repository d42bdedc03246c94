# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from spike_depth_ros.model.reconstruction.blind_spot import BlindSpotNet, BlindSpotSettings
from spike_depth_ros.model.reconstruction.recon_lite import ReconLite, ReconSettings
from spike_depth_ros.model.reconstruction.ssml_net import (
    CrissCross,
    SsmlNet,
    SsmlSettings,
    TemporalAttention,
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


@pytest.mark.parametrize('settings', [
    {'widths': (1, 2)}, {'widths': (0, 1, 1)}, {'boxes': (4,)},
])  # fmt: skip
def test_impossible_sizes_of_recon_lite_are_refused(settings):
    with pytest.raises(ValueError, match='expected'):
        ReconLite(41, ReconSettings(**settings))


def test_the_streams_of_ssml_are_overlapping_thirds_of_41_planes():
    network = seeded(SsmlNet(41, SsmlSettings(features=4, amim=3)))
    assert network.length == 27
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
