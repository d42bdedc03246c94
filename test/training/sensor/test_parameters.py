# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each defect of a sensor has its statistical signature, alone, and can be switched off."""

import dataclasses
import functools
import math

import numpy.testing as npt
import pytest
import torch

from spike_training.errors import ConfigError
from spike_training.sensor import pixels as sensor
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.sensor.pixels import NORMAL_STD, normals, pixels_of, uniforms

CHIP = torch.tensor([3])
SIZE = (200, 300)


def maps(**parameters: float) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = pixels_of(Sensor(**parameters), CHIP, *SIZE)
    return pixels.slope[0].double(), pixels.offset[0].double()


def test_the_ideal_sensor_has_even_pixels() -> None:
    slope, offset = maps()
    assert (slope == 1).all()
    assert (offset == 0).all()
    assert not Sensor().has_maps
    assert not Sensor().has_noise


@pytest.mark.parametrize('name', ['response_mismatch', 'threshold_mismatch'])
def test_mismatch_spreads_the_response_alone(name: str) -> None:
    slope, offset = maps(**{name: 0.04})
    assert slope.mean() == pytest.approx(1, abs=0.003)
    assert slope.std() == pytest.approx(0.04, rel=0.03)
    assert (offset == 0).all()


def test_rows_have_a_response_each() -> None:
    slope, offset = maps(row_mismatch=0.2)
    assert (slope == slope[..., :1]).all()
    assert slope[..., 0].std() == pytest.approx(0.2, rel=0.15)
    assert (offset == 0).all()
    assert Sensor(row_mismatch=0.2).has_maps


def test_threshold_mismatch_moves_light_and_dark_together_and_response_does_not() -> None:
    for name, expected in (('threshold_mismatch', 1.0), ('response_mismatch', 0.0)):
        slope, offset = maps(dark_current=2000.0, **{name: 0.1})
        if expected:
            ratio = offset / slope
            npt.assert_allclose(ratio, 0.1, rtol=1e-5)
        else:
            npt.assert_allclose(offset, 0.1, rtol=1e-6)


def test_dark_current_is_per_second_and_its_logarithm_is_normal() -> None:
    slope, offset = maps(dark_current=100.0, dark_spread=0.5)
    assert (slope == 1).all()
    assert offset.mean() == pytest.approx(100 / 20_000, rel=0.02)
    assert offset.log().std() == pytest.approx(0.5, rel=0.02)
    _, slower = maps(dark_current=100.0, rate_hz=2000.0)
    npt.assert_allclose(slower, 100 / 2000, rtol=1e-6)


def test_hot_pixels_gather_in_the_dark_and_dead_ones_nothing() -> None:
    slope, offset = maps(hot_pixels=0.02, hot_current=5000.0)
    hot = offset > 0
    assert hot.double().mean() == pytest.approx(0.02, rel=0.15)
    assert offset[hot].max() <= 0.25
    assert offset[hot].mean() == pytest.approx(0.125, rel=0.1)
    assert (slope == 1).all()
    slope, offset = maps(dead_pixels=0.02, dark_current=100.0)
    dead = slope == 0
    assert dead.double().mean() == pytest.approx(0.02, rel=0.15)
    assert (offset[dead] == 0).all()
    assert (offset[~dead] > 0).all()


def test_saturated_pixels_gather_one_threshold() -> None:
    pixels = pixels_of(Sensor(response_mismatch=0.1, dark_current=100.0), CHIP, 8, 8)
    gathered = pixels.respond(torch.full((2, 3, 8, 8), 5.0))
    assert (gathered == 1).all()


def test_sensors_differ_and_do_not_depend_on_their_batch() -> None:
    kind = Sensor(response_mismatch=0.1, dark_current=100, dark_spread=0.4, hot_pixels=0.1)
    three = pixels_of(kind, torch.tensor([1, 2, 3]), 10, 12)
    alone = pixels_of(kind, torch.tensor([2]), 10, 12)
    npt.assert_array_equal(three.slope[1], alone.slope[0])
    npt.assert_array_equal(three.offset[1], alone.offset[0])
    assert (three.slope[0] != three.slope[1]).any()


def test_numbers_are_as_random_as_they_say() -> None:
    drawn = normals(torch.tensor([1, 2]), 100_000, stream=9).double()
    assert drawn.mean().abs() < 2
    assert drawn.std() == pytest.approx(NORMAL_STD, rel=0.01)
    beyond = (drawn.abs() > 2 * NORMAL_STD).double().mean()
    assert beyond == pytest.approx(0.0455, rel=0.1)
    correlations = torch.corrcoef(
        torch.stack([drawn[0, 1:], drawn[0, :-1], drawn[1, 1:], normals(CHIP, 99_999, 8)[0]])
    )
    assert (correlations - torch.eye(4)).abs().max() < 0.02
    first, second = uniforms(CHIP, 100_000, stream=9)
    for numbers in (first, second):
        assert 0 <= numbers.min() < numbers.max() < 1
        assert numbers.mean() == pytest.approx(0.5, abs=0.01)
        assert numbers.std() == pytest.approx(12**-0.5, rel=0.01)


def test_hashes_of_gpus_are_those_of_the_cpu(monkeypatch) -> None:
    numbers = torch.tensor([3, -5, 2**40 + 7])

    def drawn() -> list[torch.Tensor]:
        return [
            sensor.hashes(numbers, 500, 9, first=2**31 - 100),
            sensor.normals(numbers, 500, 9),
            *sensor.uniforms(numbers, 500, 9),
        ]

    fast = drawn()
    monkeypatch.setattr(sensor, '_NUMPY_DEVICE', 'none')
    for first, second in zip(fast, drawn(), strict=True):
        assert first.dtype == second.dtype
        npt.assert_array_equal(first, second)


def test_each_parameter_out_of_its_range_is_refused(refusals) -> None:
    wrong = {
        'threshold': 0, 'threshold_mismatch': 0.5, 'electrons': 1, 'dead_pixels': 1.5,
        'mode': 'forget',
    }  # fmt: skip
    rows = {}
    for field in dataclasses.fields(Sensor):
        more = [wrong[field.name]] if field.name in wrong else []
        for value in (*more, -1, math.nan):
            call = functools.partial(Sensor, **{field.name: value})
            rows[f'{field.name} {value}'] = field.name, call
    refusals('sensor', rows, ConfigError)


def test_named_sensors_are_usable() -> None:
    for named in SENSORS.values():
        assert pixels_of(named, CHIP, 4, 5).slope.shape == (1, 4, 5)
    assert SENSORS['ideal'] == Sensor()
