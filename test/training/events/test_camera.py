# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events of a simulated camera against those counted by hand."""

import math

import numpy as np
import pytest
import torch

from spike_training.errors import ConfigError
from spike_training.events.camera import EventCamera, record_grid
from spike_training.events.settings import EventSensor, EventWindow

EXACT = EventSensor(mismatch=0, refractory_s=0)
WIDTH, DARK_LEVEL, BAR = 48, 0.1, 8


def bar(place, level=0.9, edge=2.0):
    """Return a row with a bright bar whose edges are linear in log brightness."""
    x = np.arange(WIDTH)
    rises = np.clip((x - place + edge) / edge, 0, 1)
    falls = np.clip((place + BAR + edge - x) / edge, 0, 1)
    low, high = (math.log(value + EXACT.dark) for value in (DARK_LEVEL, level))
    light = np.exp(low + (high - low) * rises * falls) - EXACT.dark
    return torch.tensor(light, dtype=torch.float32)[None, None]


def record(sensor, lights, times, seeds=(0,)):
    camera = EventCamera(lights[0], times[0], torch.tensor(seeds), sensor)
    found = [camera.see(light, time) for light, time in zip(lights[1:], times[1:], strict=True)]
    return tuple(torch.cat(part) for part in zip(*found, strict=True))


def test_a_bar_of_known_speed():
    """Each pixel that it passes: as many events up as thresholds fit its contrast, then down."""
    speed, times = 400.0, np.linspace(0, 0.05, 401)  # 20 pixels
    lights = [bar(12 + speed * time) for time in times]
    sensor = EventSensor(darker=0.15, mismatch=0, refractory_s=0)
    _, pixel, when, polarity = record(sensor, lights, times)
    ups = int(math.log((0.9 + sensor.dark) / (DARK_LEVEL + sensor.dark)) / 0.2)
    downs = int(ups * 0.2 / 0.15)  # from the level of the last event
    assert (ups, downs) == (10, 13)
    passed = range(24, 30)  # both edges go over them
    for column in passed:
        mine = pixel == column
        signs = polarity[mine][when[mine].argsort()]
        assert signs.tolist() == [1] * ups + [-1] * downs
    # Its front reaches pixel 24 after 2 pixels of the way, 5 ms, and is over it 2 pixels later.
    for sign, (start_s, stop_s) in {1: (0.005, 0.010), -1: (0.030, 0.035)}.items():
        times_of = when[(pixel == 24) & (polarity == sign)]
        assert start_s < float(times_of.min()) < float(times_of.max()) < stop_s


def test_times_and_polarity_by_hand():
    """Log brightness falls by 0.5 in 10 ms: events at 0.2 and 0.4 of it."""
    start = torch.full((1, 1, 1), 1.0)
    logs = np.linspace(0, -0.5, 11) + math.log(1.0 + EXACT.dark)
    lights = [start, *(torch.full((1, 1, 1), math.exp(one) - EXACT.dark) for one in logs[1:])]
    _, _, when, polarity = record(EXACT, lights, np.linspace(0, 0.01, 11))
    assert polarity.tolist() == [-1, -1]
    np.testing.assert_allclose(when.numpy(), [0.004, 0.008], atol=1e-8)


def test_a_pixel_in_reset_sees_nothing():
    """The same with 3 ms of reset: after the event at 4 ms the pixel starts anew at 7 ms."""
    sensor = EventSensor(mismatch=0, refractory_s=3e-3)
    logs = np.linspace(0, -0.5, 11) + math.log(1.0 + sensor.dark)
    lights = [torch.full((1, 1, 1), math.exp(one) - sensor.dark) for one in logs]
    _, _, when, _ = record(sensor, lights, np.linspace(0, 0.01, 11))
    np.testing.assert_allclose(when.numpy(), [0.004], atol=1e-8)
    more = np.linspace(0, -1.0, 21) + math.log(1.0 + sensor.dark)
    lights = [torch.full((1, 1, 1), math.exp(one) - sensor.dark) for one in more]
    _, _, when, _ = record(sensor, lights, np.linspace(0, 0.02, 21))
    np.testing.assert_allclose(when.numpy(), [0.004, 0.011, 0.018], atol=1e-8)


@pytest.mark.parametrize('refractory_s', [0, 2e-4, 5e-3])
def test_one_step_is_many_short_ones(refractory_s):
    """Log brightness is linear in between: several thresholds may be passed in one step."""
    sensor = EventSensor(mismatch=0.1, refractory_s=refractory_s)
    ends = torch.log(torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(1)) + 0.02)
    shares = np.linspace(0, 2, 401)
    firsts = [min(int(share), 1) for share in shares]
    logs = [
        torch.lerp(ends[first], ends[first + 1], share - first)
        for first, share in zip(firsts, shares, strict=True)
    ]
    fine = record(sensor, [one.exp() - sensor.dark for one in logs], shares * 5e-3, (3, 4))
    coarse = record(sensor, [one.exp() - sensor.dark for one in ends], [0, 5e-3, 1e-2], (3, 4))
    assert len(fine[0]) == len(coarse[0]) > 50

    def ordered(events):
        rows = np.stack([part.double().numpy() for part in events], axis=1)
        return rows[np.lexsort(rows.T[[2, 1, 0]])]

    np.testing.assert_allclose(ordered(fine), ordered(coarse), atol=1e-6)
    camera = EventCamera(ends[0].exp(), 0.01, torch.tensor([3, 4]), sensor)
    with pytest.raises(ValueError, match=r'light of 0 s after that of 0\.01 s'):
        camera.see(ends[1].exp(), 0.0)


def test_thresholds_differ_by_seed_and_not_by_batch():
    sensor = EventSensor(mismatch=0.1, refractory_s=0)
    logs = np.linspace(0, 1.0, 41)
    lights = [torch.full((2, 8, 8), 0.1 * math.exp(one)) for one in logs]
    times = np.linspace(0, 0.01, 41)
    both = record(sensor, lights, times, (3, 4))
    alone = record(sensor, [light[1:] for light in lights], times, (4,))
    second = both[0] == 1
    for one, other in zip(both[1:], alone[1:], strict=True):
        torch.testing.assert_close(one[second], other, rtol=0, atol=0)
    assert not torch.equal(both[2][~second], both[2][second])
    counts = torch.bincount(both[1][~second], minlength=64)
    assert 4 <= int(counts.min()) <= int(counts.max()) <= 7  # 1 / 0.2 = 5, by thresholds


def test_darkness_has_no_contrast():
    lights = [torch.full((1, 4, 4), value) for value in np.linspace(0, 1e-4, 5)]
    assert len(record(EXACT, lights, np.linspace(0, 1, 5))[0]) == 0


def test_parameters_out_of_range():
    with pytest.raises(ConfigError, match='brighter'):
        EventCamera(torch.ones(1, 2, 2), 0.0, torch.tensor([0]), EventSensor(brighter=0))


def test_what_a_network_sees_by_hand():
    """A pixel brightens by three thresholds within the window; another one darkens by one."""
    logs = torch.zeros(1, 3, 1, 2)
    logs[0, :, 0, 0] = torch.tensor([0.0, 0.35, 0.7])
    logs[0, :, 0, 1] = torch.tensor([0.0, 0.0, -0.3])
    window = EventWindow(bins=3, window_s=0.1, sensor=EXACT)
    found = record_grid((logs - 1).exp() - EXACT.dark, torch.tensor([0]), window)[0, :, 0]
    # Times over the window: 0.2 / 0.7, 0.4 / 0.7, 0.6 / 0.7 of it; and 0.5 + 0.5 * 0.2 / 0.3.
    places = 2 * torch.tensor([0.2, 0.4, 0.6]) / 0.7
    plain = torch.zeros(3, 2)
    for place, pixel, sign in [*((one, 0, 1) for one in places), (1 + 2 / 3, 1, -1)]:
        low = int(place)
        plain[low, pixel] += sign * (1 - (place - low))
        plain[min(low + 1, 2), pixel] += sign * (place - low)
    seen = plain != 0
    expected = torch.where(seen, plain - plain[seen].mean(), 0)
    expected /= (expected[seen] ** 2).mean().sqrt()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
