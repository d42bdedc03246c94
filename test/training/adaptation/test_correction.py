# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Corrections of a sensor: what is found in windows of a scene, and what is measured."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.correction import SensorCorrection
from spike_training.adaptation.correction import (
    MIN_WINDOWS,
    CountCorrector,
    estimate_correction,
    measure_correction,
    measure_rates,
    origin,
)
from spike_training.datasets.clip import SpikeClip
from spike_training.errors import DataSetError
from spike_training.sampling.sample import Unlabelled

HEIGHT, WIDTH, PLANES, RATE_HZ = 64, 96, 128, 20_000.0
HOT, DEAD = (20, 30), (40, 50)


def scene_windows(number, gain, dark):
    """Firing rates of random smooth scenes on a sensor, with a hot and a dead pixel."""
    generator = np.random.default_rng(0)
    for _ in range(number):
        light = cv2.GaussianBlur(generator.random((HEIGHT, WIDTH), np.float32), None, 6.0)
        light = 0.01 + 0.3 * (light - light.min()) / np.ptp(light) * generator.uniform(0.1, 1)
        charge = (gain * light + dark / RATE_HZ) * PLANES
        spikes = np.floor(charge + generator.random((HEIGHT, WIDTH)))
        spikes[HOT], spikes[DEAD] = PLANES, 0
        yield (spikes / PLANES).astype(np.float32)


def test_planted_faulty_pixels_response_and_dark_current_are_found():
    generator = np.random.default_rng(1)
    gain = generator.normal(1, 0.1, (HEIGHT, WIDTH))
    normal = generator.normal(0, 0.43, (HEIGHT, WIDTH))
    dark = 400 * np.exp(normal - 0.43**2 / 2)
    found = estimate_correction(scene_windows(60, gain, dark), PLANES, RATE_HZ)
    assert {tuple(place) for place in np.argwhere(found.faulty).tolist()} == {HOT, DEAD}
    good = ~found.faulty
    assert np.corrcoef(found.gain[good], gain[good])[0, 1] > 0.8
    assert np.corrcoef(found.dark[good], dark[good])[0, 1] > 0.8
    assert found.dark[good].astype(float).mean() == pytest.approx(400, rel=0.3)
    assert origin(found) == 'estimated'


def test_a_scene_that_does_not_move_is_no_response():
    generator = np.random.default_rng(3)
    shape = (HEIGHT, WIDTH)
    walls = cv2.GaussianBlur(generator.random(shape, np.float32), None, 1.5)
    walls = 0.5 + (walls - walls.min()) / np.ptp(walls)
    ones = np.ones(shape)
    found = estimate_correction(scene_windows(60, walls, 0 * ones), PLANES, RATE_HZ)
    assert {tuple(place) for place in np.argwhere(found.faulty).tolist()} == {HOT, DEAD}
    assert not found.has_maps
    # Without structure, deviations of the same size are the sensor's.
    mixed = generator.permutation(walls.ravel()).reshape(shape)
    assert estimate_correction(scene_windows(60, mixed, 0 * ones), PLANES, RATE_HZ).has_maps


def test_an_even_sensor_has_nothing_to_correct():
    shape = np.ones((HEIGHT, WIDTH))
    found = estimate_correction(scene_windows(60, shape, 0 * shape), PLANES, RATE_HZ)
    assert found.faulty.sum() == 2
    assert np.abs(found.gain.astype(float) - 1).mean() < 0.01
    assert found.dark.astype(float).mean() < 40


def clip_of(rate, seed=0, planes=2000, rate_hz=RATE_HZ):
    """A recording of independent spikes."""
    shape = (planes, HEIGHT, WIDTH)
    spikes = np.random.default_rng(seed).random(shape, np.float32) < rate
    packed = packing.pack(spikes)
    return SpikeClip(
        'one', Geometry(HEIGHT, WIDTH), planes, rate_hz, None, lambda a, b: packed[a:b], (), ()
    )


NOTHING = SensorCorrection(
    np.zeros((HEIGHT, WIDTH), bool), np.ones((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH))
)


def measured(**clips):
    clips = {name: [clip] for name, clip in clips.items()}
    return measure_correction(NOTHING, measure_rates(Geometry(HEIGHT, WIDTH), **clips))


def test_flat_and_dark_recordings_are_measured():
    bright = np.full((HEIGHT, WIDTH), 0.5)
    bright[10, 11], bright[DEAD] = 0.6, 0.0
    covered = np.full((HEIGHT, WIDTH), 0.01)
    covered[12, 13], covered[HOT] = 0.04, 0.9
    found = measured(flat=clip_of(bright), dark=clip_of(covered, 1))
    assert {tuple(place) for place in np.argwhere(found.faulty).tolist()} == {HOT, DEAD}
    assert found.gain[10, 11] == pytest.approx(0.59 / 0.49, abs=0.08)
    assert found.dark[12, 13] == pytest.approx(800, rel=0.3)
    assert np.median(found.dark) == pytest.approx(200, rel=0.1)
    assert origin(found) == 'measured'
    assert origin(measured(dark=clip_of(covered))) == 'response estimated, dark current measured'


def test_dark_current_is_that_of_a_second_at_any_plane_rate():
    slow = clip_of(0.04, rate_hz=RATE_HZ / 4)
    assert np.median(measured(dark=slow).dark) == pytest.approx(200, rel=0.1)
    bright = clip_of(0.5, 1, rate_hz=RATE_HZ / 2)
    found = measured(dark=slow, flat=bright)
    light = 0.5 - 200 / (RATE_HZ / 2)
    assert np.median(found.gain) == pytest.approx(1, abs=0.01 / light)


def test_all_parts_of_a_recording_with_gaps_count():
    parts = [clip_of(0.01, 1, planes=3), clip_of(0.01, 2), clip_of(0.01, 3)]
    rates = measure_rates(Geometry(HEIGHT, WIDTH), dark=parts)
    found = measure_correction(NOTHING, rates)
    assert not found.faulty.any()
    assert found.dark.astype(float).std() < 1.1 * np.sqrt(0.01 / 4003) * RATE_HZ


def test_few_windows_tell_nothing_about_pixels():
    generator = np.random.default_rng(0)
    for number in (0, 1, MIN_WINDOWS - 1):
        with pytest.raises(ValueError, match=f'{number} windows, expected {MIN_WINDOWS} or more'):
            estimate_correction(generator.random((number, 64, 96), np.float32), PLANES, RATE_HZ)


def scene_of(mean, moves=0):
    """Rates of a soft picture around a mean; moved by some pixels."""
    picture = cv2.GaussianBlur(np.random.default_rng(5).random((HEIGHT, 300)), None, 4.0)
    picture = mean * np.exp(0.5 * (picture - picture.mean()) / picture.std())
    return picture[:, moves : moves + WIDTH]


def test_bad_measurements_are_refused(refusals):
    """They are too short, too dark or bright, of another sensor, or of a scene."""
    rows = {}

    def row(name, named, which, *rates, planes=1000, **fields):
        def call():
            clips = [clip_of(rate, k, planes=planes) for k, rate in enumerate(rates)]
            clips = [dataclasses.replace(clip, **fields) for clip in clips]
            measure_rates(Geometry(HEIGHT, WIDTH), **{which: clips})

        rows[name] = named, call

    row('few planes', '999 planes', 'flat', 0.5, planes=999)
    row('too much light', 'less light', 'flat', 0.97)
    row('too little light', 'more light', 'flat', 0.01)
    row('an uncovered lens', 'cover the lens', 'dark', 0.3)
    row('another sensor', '97x64', 'dark', 0.0, geometry=Geometry(HEIGHT, WIDTH + 1))
    for which, mean, named in (('dark', 0.03, 'in common'), ('flat', 0.4, 'from place to place')):
        row(f'a scene, {which}', named, which, scene_of(mean), planes=2000)
        moving = [scene_of(mean, 60 * k) for k in range(4)]
        row(f'a scene that moves, {which}', named, which, *moving)
    percent = {r'(have|by) [2-9]\d%': r'\1 NN%'}
    refusals('sensor_measurement', rows, DataSetError, percent)


def test_uneven_light_and_mismatch_are_no_scene():
    generator = np.random.default_rng(6)
    shape = (HEIGHT, WIDTH)
    vignette = (
        1 - 0.3 * np.hypot(*np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))) / 2
    )
    light = 0.4 * vignette * generator.normal(1, 0.1, shape)
    current = 0.005 * np.exp(generator.normal(0, 0.43, shape))
    rates = measure_rates(Geometry(*shape), flat=[clip_of(light, 1)], dark=[clip_of(current, 2)])
    assert rates.flat is not None
    assert rates.dark is not None
    assert measure_rates(Geometry(*shape), dark=[clip_of(np.zeros(shape))]).dark is not None


@pytest.mark.parametrize('pool', [1, 2])
def test_windows_of_training_are_corrected_as_live_ones(pool):
    generator = np.random.default_rng(2)
    shape = (HEIGHT, WIDTH)
    correction = SensorCorrection(
        generator.random(shape) < 0.03,
        generator.normal(1, 0.1, shape).clip(0.5, 2),
        generator.uniform(0, 600, shape),
    )
    packed = packing.pack(generator.random((PLANES, *shape)) < 0.1)
    layout = Layout(Geometry(*shape), PLANES, 9, 1, pool, correction, RATE_HZ)
    live = layout.new_counts()
    layout.count(packed, live)
    counts, lengths = packing.bin_counts(packed, WIDTH, bins=9)
    window = Unlabelled(
        torch.from_numpy(counts)[None], torch.from_numpy(lengths), torch.tensor([0])
    )
    seen = CountCorrector(correction, pool, RATE_HZ).correct(window).counts
    cells = torch.nn.functional.avg_pool2d(seen, pool)[0] / lengths[:, None, None]
    rates = live[0, :, : HEIGHT // pool, : WIDTH // pool] / layout.planes_per_bin[:, None, None]
    np.testing.assert_allclose(rates, cells.numpy(), atol=1e-4)
