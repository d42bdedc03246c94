# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True firing rates beside the spikes of generated scenes, and plane rates drawn for batches."""

import pytest
import torch

from spike_training.sampling.procedural import (
    FAST_WIDTHS_PER_S,
    ProceduralSource,
    light_at,
    light_at_knots,
)

SIZES = {'seed': 4, 'height': 32, 'width': 48, 'bins': 41, 'planes': (41,)}


def test_batches_without_true_images_are_as_before():
    batch = ProceduralSource(('home',), **SIZES).batch(2, 3)
    assert batch.image is None
    # Frozen: trainings that go on from a checkpoint see the same spikes.
    assert batch.counts.sum(dtype=torch.int64).item() == 35236


def test_the_true_image_is_the_rate_that_the_spikes_have():
    source = ProceduralSource(('indoor', 'home'), with_image=True, rate_hz=1e9, **SIZES)
    batch = source.samples(range(40), planes=820)
    assert batch.image.shape == (40, 1, 32, 48)
    # At this rate nothing moves, and a pixel's spikes are the whole thresholds of its charge.
    spikes = batch.counts.sum(dim=1, keepdim=True, dtype=torch.int64)
    assert (spikes - 820 * batch.image).abs().max() < 1.01


def test_light_has_knots_where_things_move_fast():
    source = ProceduralSource(('outdoor',), with_image=True, **SIZES)
    for rate_hz in (1000.0, 4000.0, 20_000.0):
        segments = source.segments(41, rate_hz)
        assert segments % 2 == 0
        assert FAST_WIDTHS_PER_S * 48 * 41 / rate_hz / segments <= 0.5
    assert ProceduralSource(('outdoor',), **SIZES).segments(41, 1000.0) == 4


@pytest.mark.parametrize(('segments', 'edges'), [(4, 2), (48, 1)])
def test_a_fast_edge_is_double_between_few_knots(segments, edges):
    image = torch.zeros(1, 3, 64)
    image[:, :, 30:34] = 1
    flow = torch.tensor([24.0, 0.0])[None, :, None, None].expand(1, 2, 3, 64)
    light, knots = light_at_knots(image, flow, 41, 41.0, segments)
    # Between two of the five knots; the bar is 4 pixels wide and moves 6 from one to the next.
    shown = light_at(light, knots, (knots[1] + knots[2]) / 2 if segments == 4 else 15)[0, 1]
    rising = ((shown[1:] > 0.25) & (shown[:-1] <= 0.25)).sum().item()
    assert rising == edges


def test_a_batch_has_one_of_the_plane_rates():
    both = ProceduralSource(('home',), rates_hz=(500.0, 20_000.0), **SIZES)
    single = [ProceduralSource(('home',), rate_hz=rate, **SIZES) for rate in (500.0, 20_000.0)]
    taken = []
    for step in range(8):
        found = both.batch(step, 2).counts
        equal = [torch.equal(found, source.batch(step, 2).counts) for source in single]
        assert sum(equal) == 1
        taken.append(equal.index(True))
        parts = [both.batch(step, 1, rank, 2).counts for rank in (0, 1)]
        assert torch.equal(torch.cat(parts), found)
    assert set(taken) == {0, 1}


def test_plane_rates_must_be_positive():
    with pytest.raises(ValueError, match='expected positive numbers'):
        ProceduralSource(('home',), rates_hz=(20_000.0, 0.0), **SIZES)
