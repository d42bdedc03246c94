# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples under chosen conditions: the defaults change nothing, each variable what it names."""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pytest
import torch

from spike_depth_ros.stream import packing
from spike_training.sampling import conditions as module
from spike_training.sampling.conditions import (
    FRAME_LEVELS,
    Condition,
    ConditionSource,
    exposure_planes,
    motion_blur,
)
from spike_training.sampling.procedural import ProceduralSource, expose
from spike_worlds.pool import generate
from spike_worlds.render import render

SETTINGS = {'styles': ('home', 'hall'), 'height': 32, 'width': 48, 'split': 'test', 'bins': 8}
SCENES = (0, 1, 2, 11)  # lamps flicker in the last one
DEFAULT = Condition()


def batches(*conditions, windows=1, scenes=SCENES, **settings):
    source = ConditionSource(**{**SETTINGS, **settings})
    return [*source.batches(scenes, conditions, windows)]


def rates(batch):
    """Firing rate of each pixel in each bin."""
    return batch.counts.float() / batch.planes_per_bin[:, None, None]


def test_the_defaults_are_the_samples_of_the_procedural_source():
    expected = ProceduralSource(**SETTINGS).samples(SCENES)
    (found,) = batches(DEFAULT)
    for name in ('counts', 'planes_per_bin', 'depth', 'fx', 'index'):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype, name
        assert torch.equal(one, other), name


@pytest.mark.parametrize(
    'change',
    [
        {'planes': 64},
        {'rate_hz': 5e3},
        {'mean_rate': 0.3},
        {'speed': 4.0},
        {'frame_spikes': 16.0},
    ],
)
def test_each_variable_changes_the_input_and_not_the_truth(change):
    default, found = batches(DEFAULT, dataclasses.replace(DEFAULT, **change))
    assert torch.equal(found.depth, default.depth)
    assert not torch.equal(found.counts, default.counts)


def test_without_motion_windows_show_the_scene_as_it_is():
    # Every pixel of a still window has the light of the reference plane, up to one spike.
    still, moving = batches(Condition(speed=0.0), Condition(speed=8.0))
    scenes = generate(ConditionSource(**SETTINGS).generators, SCENES)
    light = expose(render(scenes, 32, 48, 'cpu').luminance, scenes.rate)
    lamps = torch.from_numpy(scenes.flicker[:, 0])
    for batch, holds in ((still, True), (moving, False)):
        spikes = batch.counts.float().sum(1)
        distance = (spikes - 128 * light).abs()[lamps == 0]
        assert len(distance) > 1
        assert bool((distance <= 1.001).all()) == holds


def test_the_light_is_the_mean_rate_that_is_asked_for():
    steady = SCENES[:3]  # a lamp may be brighter than on average during the window
    dark, bright = batches(Condition(mean_rate=0.02), Condition(mean_rate=0.06), scenes=steady)
    for batch, expected in ((dark, 0.02), (bright, 0.06)):
        found = rates(batch).mean((1, 2, 3))
        # The light is metered on every fourth pixel; what saturates lowers it.
        assert found.tolist() == pytest.approx([expected] * len(steady), rel=0.15)


def test_a_slower_plane_rate_moves_as_a_faster_scene():
    lamps = generate(ConditionSource(**SETTINGS).generators, range(12)).flicker[:, 0]
    steady = np.flatnonzero(lamps == 0)[:3].tolist()
    slow, fast = batches(Condition(rate_hz=5e3), Condition(speed=4.0), scenes=steady)
    # Rounding of the motion differs: a last bit of light is a spike more or less.
    assert (slow.counts != fast.counts).float().mean() < 0.01


def test_bins_that_are_too_long_to_count_at_once_are_counted_in_parts():
    planes, bins = 2 * 126 * 2 + 3, 2
    (found,) = batches(Condition(planes=planes, speed=2.0), bins=bins)
    finer = batches(Condition(planes=planes, speed=2.0), bins=3 * bins)[0]
    edges = packing.bin_edges(planes, bins)
    assert found.planes_per_bin.tolist() == (edges[:, 1] - edges[:, 0]).tolist()
    expected = finer.counts.view(len(SCENES), bins, 3, 32, 48).int().sum(2)
    assert torch.equal(found.counts, expected)


def test_successive_windows_are_one_stream():
    # Counts of both windows are those of one window of twice the length in twice the bins.
    (pair,) = batches(DEFAULT, windows=2)
    (whole,) = batches(Condition(planes=256), bins=16)
    assert torch.equal(pair.counts, whole.counts)
    assert pair.planes_per_bin.tolist() == 16 * [16]
    first, second = pair.counts[:, :8], pair.counts[:, 8:]
    assert not torch.equal(first, second)  # the charge goes on, it is not that of the start


class TestFrameCamera:
    def test_has_the_mean_of_the_light_over_the_exposure(self):
        spikes, speed, rate_hz = 16.0, 4.0, 20e3
        (found,) = batches(Condition(speed=speed, frame_spikes=spikes))
        scenes = generate(ConditionSource(**SETTINGS).generators, SCENES)
        rendering = render(scenes, 32, 48, 'cpu')
        light = expose(rendering.luminance, scenes.rate)
        # Averaged here pixel by pixel, from 201 instants of the exposure.
        exposure_s = spikes / scenes.rate / rate_hz
        for image in range(len(SCENES)):
            flow = rendering.flow[image].numpy().astype(float) * speed
            mean = np.zeros((32, 48))
            for share in np.linspace(-0.5, 0.5, 201):
                y, x = np.mgrid[:32, :48] - flow[::-1] * (share * exposure_s[image])
                mean += bilinear(light[image].numpy(), y, x) / 201
            frame = rates(found)[image, 0].numpy()
            assert np.abs(frame - mean).mean() < 0.004 * mean.mean()
            assert np.abs(frame - mean).max() < 0.1 * mean.mean()

    def test_has_no_resolution_in_time(self):
        (found,) = batches(Condition(speed=4.0, frame_spikes=16.0))
        assert found.counts.shape == (len(SCENES), 8, 32, 48)
        for one, other in itertools.pairwise(found.counts.unbind(1)):
            assert torch.equal(one, other)
        assert found.planes_per_bin.tolist() == 8 * [FRAME_LEVELS]

    def test_exposes_longer_in_the_dark(self):
        assert exposure_planes(16.0, np.array([0.4, 0.1, 0.02])).tolist() == [40, 160, 800]
        assert exposure_planes(16.0, np.array([32.0])).tolist() == [1]
        seen = [Condition(mean_rate=r, speed=8.0, frame_spikes=16.0) for r in (0.01, 0.05)]
        still = [dataclasses.replace(condition, speed=0.0) for condition in seen]
        dark, bright, dark_still, bright_still = map(edges, batches(*seen, *still))
        assert dark < 0.9 * bright
        assert dark_still == pytest.approx(bright_still, rel=0.05)

    def test_does_not_depend_on_the_window_or_the_batch(self):
        one, other = batches(
            Condition(frame_spikes=16.0), Condition(planes=1280, frame_spikes=16.0)
        )
        assert torch.equal(one.counts, other.counts)
        (alone,) = batches(Condition(frame_spikes=16.0), scenes=SCENES[-1:])
        assert torch.equal(alone.counts[0], one.counts[-1])


def edges(batch):
    """Mean step between neighbouring pixels over the mean of each image."""
    image = rates(batch)[:, 0]
    return float((image.diff(dim=-1).abs().mean((1, 2)) / image.mean((1, 2))).mean())


def bilinear(image, y, x):
    """Values between pixels; the edges are repeated."""
    height, width = image.shape
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    y, x = y - top, x - left
    upper = image[top, left] * (1 - x) + image[top, right] * x
    lower = image[bottom, left] * (1 - x) + image[bottom, right] * x
    return upper * (1 - y) + lower * y


def test_blur_spreads_an_edge_over_the_motion():
    step = (torch.arange(40) >= 20).float().expand(1, 3, 40)
    motion = torch.zeros(1, 2, 3, 40)
    motion[:, 0] = 10.0
    found = motion_blur(step, motion)[0, 1].numpy()
    ramp = np.clip((np.arange(40) - 14.5) / 10, 0, 1)  # 5 pixels to either side of the edge
    np.testing.assert_allclose(found, ramp, atol=0.06)
    assert torch.equal(motion_blur(step, 0 * motion), step)


def test_long_windows_have_as_many_knots_as_they_move(monkeypatch):
    seen = []
    monkeypatch.setattr(
        module, 'count_spikes', lambda light, knots, *rest: (seen.append(knots), (light, knots))[1]
    )
    monkeypatch.setattr(ConditionSource, '_batch', lambda *arguments: None)
    speeds = (3.0, 0.5, 1000.0)
    batches(Condition(), Condition(planes=256), *(Condition(speed=speed) for speed in speeds))
    assert [len(knots) - 1 for knots in seen] == [4, 8, 12, 4, 128]


def test_numbers_out_of_range_are_refused(refusals):
    rows = {
        f'{field.name} {value}': (field.name, functools.partial(Condition, **{field.name: value}))
        for field in dataclasses.fields(Condition)
        for value in (-1, math.nan, *{'mean_rate': (0, 1.5), 'speed': ()}.get(field.name, ()))
    }
    rows |= {f'{name} 0': (name, functools.partial(Condition, **{name: 0}))
             for name in ('planes', 'rate_hz')}  # fmt: skip
    refusals('condition', rows, ValueError)
