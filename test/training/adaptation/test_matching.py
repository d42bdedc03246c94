# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The match of simulated spikes: the camera of generated recordings is found again."""

import dataclasses

import pytest

from spike_training.adaptation import stored
from spike_training.adaptation.matching import (
    Camera,
    Match,
    SimulatedScenes,
    Windows,
    compute_statistics,
    match_camera,
)
from spike_training.sampling.shifted import Optics
from spike_training.sensor.parameters import Sensor

STYLES = ('home', 'indoor')
WINDOWS = Windows(96, 128, 128, 20_000.0, bins=9)
SMALL = dataclasses.replace(WINDOWS, height=48, width=64)
NOISY = Sensor(dark_current=300, dark_spread=0.43, hot_pixels=0.01, response_mismatch=0.1)


def recorded(optics, seed=5, number=30, styles=STYLES, windows=WINDOWS):
    """Statistics of scenes that no trial sees."""
    batch = SimulatedScenes(optics, windows, seed).source(styles, 'train').batch(0, number)
    return compute_statistics(batch.counts, batch.planes_per_bin)


def match(statistics, windows=WINDOWS):
    return match_camera(statistics, STYLES, windows)


@pytest.mark.parametrize('light', [0.1, pytest.param(0.3, marks=pytest.mark.long)])
def test_light_is_found(light):
    found = match(recorded(Optics(light=light), windows=SMALL), SMALL)
    assert found.distance < 0.2 * found.before
    assert found.optics.light == pytest.approx(light, rel=0.5)


@pytest.mark.long
def test_blur_is_found():
    assert match(recorded(Optics(blur=3.0), windows=SMALL), SMALL).optics.blur >= 2.0
    assert match(recorded(Optics(), windows=SMALL), SMALL).optics.blur <= 1.0


@pytest.mark.long
def test_noise_is_found():
    found = match(recorded(Optics(light=0.3, sensor=NOISY), windows=SMALL), SMALL)
    assert found.distance < 0.1 * found.before
    sensor = found.optics.sensor
    assert 0.003 <= sensor.hot_pixels <= 0.03
    assert 100 <= sensor.dark_current <= 600


@pytest.mark.long
def test_light_and_dark_current_are_tried_together_again():
    # Before the other parameters fit, more dark current than there is explains the rates best.
    sensor = dataclasses.replace(NOISY, dark_current=600, response_mismatch=0.06)
    found = match(recorded(Optics(light=0.2, sensor=sensor), 4, styles=('office', 'hall')))
    assert found.distance < 0.01 * found.before
    assert found.optics.light == pytest.approx(0.2, rel=0.3)
    assert found.optics.sensor.dark_current == pytest.approx(600, rel=0.3)


def test_the_same_statistics_have_no_distance():
    one, other = recorded(Optics()), recorded(Optics(light=0.1))
    assert one.distance(one) == 0
    assert one.distance(other) == other.distance(one) > 1


def test_statistics_do_not_depend_on_the_order_of_windows():
    (batch,) = SimulatedScenes(Optics(), WINDOWS, 0).batches(STYLES, 'train', 6)
    one = compute_statistics(batch.counts, batch.planes_per_bin)
    other = compute_statistics(batch.counts.flip(0), batch.planes_per_bin)
    assert one.distance(other) == pytest.approx(0, abs=1e-9)


def test_a_match_survives_json(tmp_path):
    sensor = dataclasses.replace(NOISY, rate_hz=4000)
    before = Match(Camera(0.3, 1.0, 0.0, 0.0, sensor), 1.5, 20.0)
    stored.write(tmp_path / 'match.json', before)
    assert stored.read(tmp_path / 'match.json', Match) == before
