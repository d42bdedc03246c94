# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spike_depth_ros.checkpoint import default_checkpoint, load_info
from spike_depth_ros.networks.heads import DepthHead
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.networks.temporal import MIN_RATE, PlaneBinning, relative_rates
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.runtime.torch import pool_and_pad
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry

INFO = dataclasses.replace(
    load_info(default_checkpoint()), architecture='dpt_tiny', bins=32, settings={'pool': 4}
)
SMALL = dataclasses.replace(
    INFO,
    bins=4,
    settings={'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'heads': 3,
              'blocks': 1, 'grid': (2, 3), 'features': 8, 'head': 4},
)  # fmt: skip


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return build(SMALL).eval()


def counts_of(batch=2, bins=4, height=32, width=48, most=4):
    return torch.randint(0, most + 1, (batch, bins, height, width), dtype=torch.uint8)


def test_outputs_have_the_promised_shapes_and_ranges():
    network = build(INFO).eval()
    with torch.inference_mode():
        output = network(counts_of(2, 32, 64, 128), torch.full((32,), 4))
    pool = INFO.settings['pool']
    assert output.depth.shape == output.uncertainty.shape == (2, 1, 64, 128)
    assert output.f_enc.shape == (2, 192, 4 // pool, 8 // pool)
    assert output.f_dec.shape == (2, 48, 16 // pool, 32 // pool)
    assert output.class_token.shape == (2, 192)
    assert output.depth.dtype == output.uncertainty.dtype == torch.float32
    assert output.depth.min() > INFO.min_depth * (1 - 1e-6)
    assert output.depth.max() < INFO.max_depth * (1 + 1e-6)
    assert output.uncertainty.min() >= 0


@pytest.mark.parametrize('size', [(16, 16), (16, 64), (80, 32)])
def test_any_multiple_of_16_will_do(small, size):
    output = small(counts_of(1, 4, *size), torch.full((4,), 4))
    assert output.depth.shape == (1, 1, *size)


def test_every_parameter_gets_a_gradient(small):
    small.train()
    output = small(counts_of(), torch.full((4,), 4))
    (output.depth.log().sum() + output.uncertainty.sum()).backward()
    without = [
        name
        for name, parameter in small.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


def test_images_of_a_batch_do_not_see_each_other(small):
    counts = counts_of(3)
    planes = torch.full((4,), 4)
    with torch.inference_mode():
        together = small(counts, planes)
        alone = [small(counts[i : i + 1], planes) for i in range(3)]
    for field in together._fields:
        parts = torch.cat([getattr(output, field) for output in alone])
        torch.testing.assert_close(getattr(together, field), parts, rtol=1e-4, atol=1e-5)


def test_brightness_and_window_length_cancel(small):
    """Twice the light, or twice the planes: the counts double, the network sees the same."""
    counts = counts_of(most=2)
    with torch.inference_mode():
        once = small(counts, torch.full((4,), 4))
        brighter = small(counts * 2, torch.full((4,), 4))
        longer = small(counts * 2, torch.full((4,), 8))
    torch.testing.assert_close(brighter.depth, once.depth)
    torch.testing.assert_close(longer.depth, once.depth)


def test_rates_weigh_each_bin_by_its_planes():
    counts = torch.tensor([[[[1, 3]], [[4, 0]]]])
    rates, brightness = relative_rates(counts, torch.tensor([2, 4]))
    # Rates 0.5, 1.5 and 1, 0: their mean is 0.75, over the window 0.75 both.
    expected = torch.tensor([[[[0.5, 1.5]], [[1.0, 0.0]]]]) / 0.75
    torch.testing.assert_close(rates, expected)
    torch.testing.assert_close(brightness, torch.ones(1, 1, 1, 2))
    # Twice the rate is the root of two times as bright.
    _, brightness = relative_rates(torch.tensor([[[[4, 8]]]]), torch.tensor([16]))
    assert (brightness[..., 1] / brightness[..., 0]).item() == pytest.approx(2**0.5)


def test_rates_leave_the_dark_dark():
    for part in relative_rates(torch.zeros(1, 2, 4, 4), torch.ones(2)):
        assert part.abs().max() == 0
    counts = torch.zeros(1, 1, 200, 200)
    counts[..., 0, 0] = 1
    rates, _ = relative_rates(counts, torch.ones(1))
    assert counts.mean() < MIN_RATE
    assert rates.max() == pytest.approx(1 / MIN_RATE)


def test_training_starts_from_the_picture_of_the_whole_window(small):
    weight = small.temporal.rates[0].weight
    assert weight.mean(dim=1).abs().mean() > 3 * weight.std(dim=1).mean()


def depth_head(bias):
    head = DepthHead(4, 4, 4, 0.5, 80.0)
    torch.nn.init.constant_(head.conv3.bias, bias)
    torch.nn.init.zeros_(head.conv3.weight)
    return head


def test_depth_reaches_both_ends_of_its_range():
    features = torch.zeros(1, 4, 2, 2)
    for bias, depth in ((4.0, 80.0), (-4.0, 0.5), (0.0, (80.0 * 0.5) ** 0.5)):
        torch.testing.assert_close(
            depth_head(bias).eval()(features), torch.full((1, 1, 8, 8), depth)
        )


def test_depth_that_is_clipped_still_learns():
    head = depth_head(4.0).train()
    head(torch.zeros(1, 4, 2, 2)).sum().backward()
    assert head.conv3.bias.grad > 0


@settings(max_examples=60)
@given(
    planes=st.integers(1, 70),
    bins=st.integers(1, 32),
    width=st.integers(1, 40),
    bit_order=st.sampled_from(['little', 'big']),
    seed=st.integers(0, 99),
)
def test_binning_on_the_device_is_that_on_the_host(planes, bins, width, bit_order, seed):
    spikes = np.random.default_rng(seed).random((planes, 3, width)) < 0.5
    packed = packing.pack(spikes, bit_order)
    expected, _ = packing.bin_counts(packed, width, bit_order, bins)
    found = PlaneBinning(planes, width, bit_order, bins)(torch.from_numpy(packed)[None])
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found[0].numpy(), expected)


@pytest.mark.parametrize('planes', [255, 256, 600, 1300])
def test_binning_on_the_device_counts_beyond_a_byte(planes):
    packed = torch.full((1, planes, 1, 1), 255, dtype=torch.uint8)
    found = PlaneBinning(planes, 8, bins=1)(packed)
    assert found.dtype == (torch.uint8 if planes == 255 else torch.int32)
    assert found.unique().tolist() == [planes]
    random = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, planes, 3, 2), 'uint8')
    )
    expected, _ = packing.bin_counts(random[0].numpy(), 13, bins=2)
    np.testing.assert_array_equal(PlaneBinning(planes, 13, bins=2)(random)[0].numpy(), expected)


@settings(max_examples=30)
@given(
    size=st.tuples(st.integers(32, 50), st.integers(32, 81)),
    pool=st.sampled_from([1, 2, 3, 4, 8, 16]),
    pixel_binning=st.sampled_from([1, 2]),
    bit_order=st.sampled_from(['little', 'big']),
)
def test_pooling_and_padding_on_the_device_is_that_on_the_host(
    size, pool, pixel_binning, bit_order
):
    layout = Layout(Geometry(*size, bit_order), 70, 4, pixel_binning, pool)
    packed = packing.pack(np.random.default_rng(0).random((70, *size)) < 0.5, bit_order)
    expected = layout.new_counts()
    layout.count(packed, expected)
    counts = PlaneBinning(70, size[1], bit_order, bins=4)(torch.from_numpy(packed)[None])
    np.testing.assert_array_equal(pool_and_pad(counts, layout).numpy(), expected)


def test_sums_of_cells_give_what_their_pixels_give():
    torch.manual_seed(0)
    network = build(dataclasses.replace(SMALL, settings=SMALL.settings | {'pool': 4})).eval()
    counts = torch.randint(0, 5, (2, 4, 64, 128))
    sums = counts.reshape(2, 4, 16, 4, 32, 4).sum(dim=(3, 5))
    with torch.inference_mode():
        expected = network(counts, torch.full((4,), 4))
        found = network.from_pooled(sums, torch.full((4,), 4 * 16))
    torch.testing.assert_close(found.depth, expected.depth)
    torch.testing.assert_close(found.uncertainty, expected.uncertainty)


def test_weights_survive_a_checkpoint(small):
    copy = build_with_weights(SMALL, weights_of(small)).eval()
    counts, planes = counts_of(), torch.full((4,), 4)
    with torch.inference_mode():
        torch.testing.assert_close(
            copy(counts, planes).depth, small(counts, planes).depth, rtol=0.02, atol=0
        )
    # What was rounded to half precision once is not rounded again.
    for name, value in weights_of(copy).items():
        np.testing.assert_array_equal(value, weights_of(small)[name])


def test_a_pooled_network_sees_averages_of_pixels():
    """With pool 2 a picture of pixels repeated 2x2 gives what pool 1 gives for the picture."""
    torch.manual_seed(0)
    fine = build(SMALL).eval()
    pooled = build(dataclasses.replace(SMALL, settings=SMALL.settings | {'pool': 2})).eval()
    pooled.load_state_dict(fine.state_dict())
    counts = counts_of()
    large = counts.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    with torch.inference_mode():
        expected, found = (n(c, torch.full((4,), 4)) for n, c in ((fine, counts), (pooled, large)))
    torch.testing.assert_close(found.f_enc, expected.f_enc)
    assert found.depth.shape == (2, 1, 64, 96)
    # Enlarged by two: averages of the four fine pixels are near the coarse one.
    averaged = torch.nn.functional.avg_pool2d(found.depth, 2)
    torch.testing.assert_close(averaged, expected.depth, rtol=0.1, atol=0.1)
