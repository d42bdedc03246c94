# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The batched camera against the plainest loops, its physics, and that batches change nothing."""

import dataclasses
import itertools
import math

import numpy as np
import numpy.testing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.streams import naive_spikes, plane_quanta, quanta_of
from spike_depth_ros.io.video.spiking import QUANTA, IntegrateAndFire
from spike_depth_ros.stream import packing
from spike_training.sensor import camera as camera_module
from spike_training.sensor.camera import SpikeCamera, simulate_counts
from spike_training.sensor.exposure import count_spikes, initial_charge
from spike_training.sensor.parameters import Sensor

EVERYTHING = Sensor(
    dark_current=300,
    dark_spread=0.5,
    response_mismatch=0.05,
    threshold_mismatch=0.03,
    electrons=500,
    read_noise=0.03,
    hot_pixels=0.05,
    dead_pixels=0.05,
)
SENSORS = (
    Sensor(),
    Sensor('reset'),
    dataclasses.replace(EVERYTHING, electrons=math.inf, read_noise=0.0),
    Sensor(electrons=200),
    Sensor(read_noise=0.05),
    EVERYTHING,
    dataclasses.replace(EVERYTHING, mode='reset'),
)


def seeds(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def steady(level: float, planes: int, size: tuple[int, int], sensor: Sensor) -> np.ndarray:
    """Spikes under constant light, unpacked, ``[planes, height, width]``."""
    camera = SpikeCamera(*size, seeds(1), sensor)
    light = torch.full((1, 2, *size), level)
    return packing.unpack(camera.expose(light, [0, planes])[0].numpy(), size[1])


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 3), st.integers(1, 18)),
    seed=st.integers(0, 2**31),
    levels=st.sampled_from([None, 1, 2, 4]),
    mode=st.sampled_from(['keep', 'reset']),
    bit_order=st.sampled_from(['little', 'big']),
)
def test_without_noise_it_equals_the_naive_loop_bit_for_bit(
    shape, seed, levels, mode, bit_order
) -> None:
    light = np.random.default_rng(seed).random(shape).astype(np.float32)
    if levels:  # round shares, 0 and 1 among them, reach the threshold exactly
        light = np.rint(light * levels).astype(np.float32) / np.float32(levels)
    numbers = torch.arange(seed, seed + shape[0])
    camera = SpikeCamera(*shape[2:], numbers, Sensor(mode), bit_order=bit_order)
    before = camera.charge.numpy()
    packed = camera.step(torch.from_numpy(light)).numpy()
    expected = [
        naive_spikes(quanta_of(one), held, mode) for one, held in zip(light, before, strict=True)
    ]
    npt.assert_array_equal(packed, packing.pack(np.stack(expected), bit_order))


def test_between_knots_it_equals_the_naive_loop_and_the_live_camera() -> None:
    light = torch.rand((1, 3, 9, 21), generator=torch.Generator().manual_seed(1))
    knots = [0, 7, 40]
    held = initial_charge(seeds(5), 9, 21)[0].numpy()
    packed = SpikeCamera(9, 21, seeds(5)).expose(light, knots)[0].numpy()
    expected = naive_spikes(plane_quanta(light[0].numpy(), knots), held)
    npt.assert_array_equal(packing.unpack(packed, 21), expected)
    live = IntegrateAndFire(held)
    parts = [
        live.expose(light[0, k].numpy(), light[0, k + 1].numpy(), end - first)
        for k, (first, end) in enumerate(itertools.pairwise(knots))
    ]
    npt.assert_array_equal(packed, np.concatenate(parts))


@pytest.mark.parametrize('sensor', SENSORS)
@pytest.mark.parametrize('planes', [20, 64, 70])
def test_counts_are_those_of_the_planes(sensor: Sensor, planes: int) -> None:
    light = torch.rand((2, 3, 5, 11), generator=torch.Generator().manual_seed(2))
    knots = [0, 11, planes]
    packed = SpikeCamera(5, 11, seeds(3, 4), sensor).expose(light, knots).numpy()
    counts, lengths = simulate_counts(light, knots, seeds(3, 4), sensor)
    for one, found in zip(packed, counts.numpy(), strict=True):
        expected, planes_per_bin = packing.bin_counts(one, 11)
        npt.assert_array_equal(found, expected)
        npt.assert_array_equal(lengths, planes_per_bin)


@pytest.mark.parametrize('sensor', SENSORS[:3])
def test_tiles_of_rows_change_nothing(sensor: Sensor, monkeypatch) -> None:
    light = torch.rand((2, 3, 7, 13), generator=torch.Generator().manual_seed(6))
    found = []
    for pixels in (1 << 16, 30, 13, 1):
        monkeypatch.setattr(camera_module, '_TILE', pixels)
        camera = SpikeCamera(7, 13, seeds(1, 2), sensor)
        counts, _ = camera.count(light, [0, 20, 40])
        found.append((camera.expose(light, [0, 20, 40]), counts))
    for planes, counts in found[1:]:
        npt.assert_array_equal(planes, found[0][0])
        npt.assert_array_equal(counts, found[0][1])


def test_the_ideal_sensor_counts_as_training_does() -> None:
    light = torch.rand((2, 2, 5, 11), generator=torch.Generator().manual_seed(2))
    counts, _ = simulate_counts(light, [0, 64], seeds(3, 4))
    expected, _ = count_spikes(light, [0, 64], initial_charge(seeds(3, 4), 5, 11))
    npt.assert_array_equal(counts, expected)


@pytest.mark.parametrize('sensor', SENSORS)
def test_neither_batch_nor_cuts_change_a_recording(sensor: Sensor) -> None:
    light = torch.rand((3, 24, 6, 13), generator=torch.Generator().manual_seed(3))
    numbers = seeds(10, 11, 12)
    whole = SpikeCamera(6, 13, numbers, sensor).step(light)
    alone = [SpikeCamera(6, 13, numbers[k : k + 1], sensor).step(light[k, None]) for k in range(3)]
    npt.assert_array_equal(whole, torch.cat(alone))
    camera = SpikeCamera(6, 13, numbers, sensor)
    parts = [camera.step(part) for part in light.split([1, 15, 8], dim=1)]
    npt.assert_array_equal(whole, torch.cat(parts, 1))
    other = SpikeCamera(6, 13, numbers + 1, sensor).step(light)
    assert (other != whole).any()


@pytest.mark.parametrize('sensor', SENSORS)
@pytest.mark.parametrize('bit_order', ['little', 'big'])
def test_the_arithmetic_of_gpus_gives_the_same(sensor: Sensor, bit_order) -> None:
    light = torch.rand((2, 3, 6, 13), generator=torch.Generator().manual_seed(4)) * 1.2

    def run(namespace: object) -> torch.Tensor:
        camera = SpikeCamera(6, 13, seeds(1, 2), sensor, bit_order=bit_order)
        camera._xp = namespace
        counts, _ = camera.count(light, [0, 20, 40])
        return torch.cat([camera.expose(light, [0, 20, 40]).flatten(), counts.flatten()])

    npt.assert_array_equal(run(torch), run(np))


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('sensor', SENSORS)
def test_a_gpu_gives_the_same(sensor: Sensor) -> None:
    light = torch.rand((2, 3, 6, 13), generator=torch.Generator().manual_seed(4))
    found = [
        SpikeCamera(6, 13, seeds(1, 2).to(device), sensor)
        .expose(light.to(device), [0, 20, 40])
        .cpu()
        for device in ('cpu', 'cuda')
    ]
    # The spread of dark current is rounded differently, see the module sensor.
    assert (found[0] != found[1]).double().mean() <= 1e-3 * (sensor.dark_spread > 0)


def test_rate_is_linear_in_luminance_and_charge_is_conserved() -> None:
    light = torch.linspace(0, 1, 101).expand(1, 2, 20, 101)
    camera = SpikeCamera(20, 101, seeds(1))
    before = camera.charge.double() / QUANTA
    counts, _ = camera.count(light, [0, 200], bins=1)
    spikes = counts[:, 0].double()
    assert (spikes / 200 - light[:, 0]).abs().max() < 1 / 200 + 1e-6
    # Luminance is rounded to whole quanta.
    gathered = (light[:, 0].double() * QUANTA).round() / QUANTA * 200
    npt.assert_array_equal(before + gathered, spikes + camera.charge.double() / QUANTA)


def test_a_plane_gathers_its_luminance_in_whole_quanta() -> None:
    light = torch.rand((1, 1, 20, 101), generator=torch.Generator().manual_seed(5)) * 0.1
    camera = SpikeCamera(20, 101, seeds(1))
    before = camera.charge.long()
    fired = packing.unpack(camera.step(light)[0].numpy(), 101)
    gathered = (light.double() * QUANTA).round().long()[:, 0]
    npt.assert_array_equal(camera.charge, before + gathered - fired.astype(np.int64) * QUANTA)


def test_reset_gives_intervals_of_threshold_over_luminance_rounded_up() -> None:
    levels = np.array([1, 0.75, 0.5, 0.375, 0.3, 0.2, 0.125, 0.07], np.float32)
    light = torch.from_numpy(levels).expand(1, 2, 3, 8)
    spikes = packing.unpack(
        SpikeCamera(3, 8, seeds(1), Sensor('reset')).expose(light, [0, 200])[0].numpy(), 8
    )
    for column, level in enumerate(levels):
        for row in range(3):
            intervals = np.diff(np.flatnonzero(spikes[:, row, column]))
            # In whole quanta 0.2 is a little less than a fifth: six planes, not five.
            assert set(intervals) == {math.ceil(QUANTA / round(float(level) * QUANTA))}


def test_threshold_and_gain_scale_the_rate() -> None:
    for sensor, rate in ((Sensor(threshold=4), 0.125), (Sensor(gain=0.5), 0.25), (Sensor(), 0.5)):
        assert steady(0.5, 160, (8, 16), sensor).mean() == rate


def test_saturation_fires_in_every_plane_and_leaves_nothing_behind() -> None:
    for sensor in (Sensor(), Sensor(electrons=50), Sensor(read_noise=0.1)):
        camera = SpikeCamera(4, 8, seeds(1), sensor)
        bright = camera.step(torch.full((1, 50, 4, 8), 3.0))
        # A comparison may miss once: then the pixel is full.
        assert (packing.unpack(bright[0].numpy(), 8).sum(0) >= 49).all()
        dark = camera.step(torch.zeros((1, 50, 4, 8)))
        assert (packing.unpack(dark[0].numpy(), 8).sum(0) <= 1).all()
    ideal = SpikeCamera(4, 8, seeds(1))
    assert (ideal.step(torch.full((1, 50, 4, 8), 3.0)) == 255).all()


def test_noise_does_not_fill_a_pixel_beyond_saturation() -> None:
    camera = SpikeCamera(8, 16, seeds(1), Sensor(electrons=10))
    camera.step(torch.full((1, 300, 8, 16), 0.99))
    assert camera.charge.max() < 2 * QUANTA


@pytest.mark.parametrize(
    'defect',
    [
        {'threshold': 1.1},
        {'gain': 1.1},
        {'dark_current': 300},
        {'response_mismatch': 0.1},
        {'threshold_mismatch': 0.1},
        {'electrons': 100},
        {'read_noise': 0.1},
        {'hot_pixels': 0.1},
        {'dead_pixels': 0.1},
    ],
)
def test_each_defect_shows_alone(defect: dict[str, float]) -> None:
    ideal, other = (steady(0.3, 60, (10, 16), sensor) for sensor in (Sensor(), Sensor(**defect)))
    assert (ideal != other).any()


def deviations(spikes: np.ndarray) -> tuple[float, float]:
    """Variance of the intervals, planes squared, and correlation of one with the next."""
    variances, products = [], []
    for pixel in spikes.reshape(len(spikes), -1).T:
        off = np.diff(np.flatnonzero(pixel)).astype(np.float64)
        off -= off.mean()
        variances.append((off**2).mean())
        products.append((off[1:] * off[:-1]).mean())
    return float(np.mean(variances)), float(np.mean(products) / max(np.mean(variances), 1e-9))


def test_shot_noise_adds_up_and_read_noise_does_not() -> None:
    # 10 planes a spike exactly: without noise all intervals are equal.
    size, planes, level = (16, 32), 1600, np.float32(0.1)
    assert deviations(steady(level, planes, size, Sensor()))[0] < 0.01
    variance, correlation = deviations(steady(level, planes, size, Sensor(electrons=100)))
    # A threshold's variance of 1/100 moves a spike by 10 planes * 1/10; whole planes add 1/6.
    assert variance == pytest.approx(1 + 1 / 6, rel=0.1)
    assert -0.2 < correlation < 0  # of the rounding to whole planes alone
    variance, correlation = deviations(steady(level, planes, size, Sensor(read_noise=0.1)))
    assert 0.7 < variance < 2
    assert -0.55 < correlation < -0.4  # a spike that comes early makes the next interval longer


def test_read_noise_keeps_the_rate_and_shot_noise_spreads_it() -> None:
    size, planes = (40, 40), 800
    counted = {
        name: steady(0.25, planes, size, sensor).sum(0).astype(float)
        for name, sensor in (
            ('ideal', Sensor()),
            ('read', Sensor(read_noise=0.05)),
            ('shot', Sensor(electrons=20)),
        )
    }
    for counts in counted.values():
        assert counts.mean() == pytest.approx(200, abs=0.5)
    assert counted['ideal'].std() < 0.1
    assert counted['read'].std() < 0.6
    # 200 thresholds of 20 electrons: a standard deviation of sqrt(200 / 20) thresholds.
    assert counted['shot'].std() == pytest.approx(math.sqrt(10), rel=0.1)


def test_shot_noise_follows_the_light() -> None:
    planes, electrons = 400, 20
    for first, last in ((0.0, 0.6), (0.6, 0.0), (0.3, 0.3)):
        light = torch.stack([torch.full((40, 40), level) for level in (first, last)])[None]
        sensor = Sensor(electrons=electrons)
        counts, _ = SpikeCamera(40, 40, seeds(1), sensor).count(light, [0, planes], bins=2)
        # 120 thresholds of 20 electrons.
        spread = counts.double().sum(1).std()
        assert spread == pytest.approx(math.sqrt(0.3 * planes / electrons), rel=0.1)


def test_recordings_of_one_sensor_share_its_pixels() -> None:
    sensor = Sensor(response_mismatch=0.2)
    light = torch.full((2, 2, 20, 20), 0.5)
    shared, _ = simulate_counts(light, [0, 100], seeds(1, 2), sensor, seeds(7), bins=1)
    own, _ = simulate_counts(light, [0, 100], seeds(1, 2), sensor, bins=1)
    first, second = shared[:, 0].double().flatten(1)
    assert torch.corrcoef(torch.stack([first, second]))[0, 1] > 0.95
    assert abs(torch.corrcoef(own[:, 0].double().flatten(1))[0, 1]) < 0.2
    with pytest.raises(ValueError, match='2 sensors for 3 recordings'):
        SpikeCamera(4, 4, seeds(1, 2, 3), sensor, seeds(1, 2))


@pytest.mark.parametrize('value', [-0.01, math.nan])
def test_luminance_that_is_no_light_is_refused(value: float) -> None:
    light = torch.full((1, 2, 3, 4), 0.5)
    light[0, 1, 2, 3] = value
    with pytest.raises(ValueError, match='expected 0 or more'):
        SpikeCamera(3, 4, seeds(1)).step(light)


def test_other_sizes_and_knots_are_refused() -> None:
    camera = SpikeCamera(3, 4, seeds(1))
    with pytest.raises(ValueError, match=r'expected \[1, images, 3, 4\]'):
        camera.step(torch.zeros((1, 2, 4, 4)))
    for knots in ([0], [1, 5], [0, 5, 5]):
        with pytest.raises(ValueError, match='increase from 0'):
            camera.expose(torch.zeros((1, len(knots), 3, 4)), knots)
    with pytest.raises(ValueError, match='at 3 knots'):
        camera.expose(torch.zeros((1, 2, 3, 4)), [0, 5, 9])
    with pytest.raises(ValueError, match='at most 255 planes'):
        camera.count(torch.zeros((1, 2, 3, 4)), [0, 256], bins=1)
