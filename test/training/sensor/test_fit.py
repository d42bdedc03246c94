# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The fit finds sensors that were simulated, and the named ones stand for real recordings."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest
import torch
from PIL import Image

from benchmarks import sensor_fit as command
from spike_training.sensor import fit as sensor_fit
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.sensor.pixels import pixels_of


def scene(height: int = 96, width: int = 128) -> sensor_fit.Scene:
    """Light that falls off from left to right and from above, 0.03 to 0.5."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    light = (0.5 * 0.1 ** (0.7 * x + 0.5 * y)).astype(np.float32)[None]
    return sensor_fit.Scene(light, np.ones(light.shape[1:], bool), np.ones(light.shape[1:], bool))


def test_intervals_are_those_between_the_spikes_of_a_pixel() -> None:
    spikes = np.zeros((10, 2, 2), np.uint8)
    spikes[[0, 3, 9], 0, 1] = 1
    spikes[[4, 5], 1, 0] = 1
    spikes[7, 1, 1] = 1
    pixel, interval = sensor_fit.spike_intervals(spikes)
    npt.assert_array_equal(pixel, [1, 1, 2])
    npt.assert_array_equal(interval, [3, 6, 1])


def test_histograms_add_up_and_their_distance_is_the_share_that_moved() -> None:
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    first = sensor_fit.histogram(np.array([0.5, 0.5, 1.5, 99.0]), edges)
    npt.assert_array_equal(first, [0.5, 0.25, 0.25])
    assert sensor_fit.total_variation(first, first) == 0
    assert sensor_fit.total_variation(first, np.array([0.0, 0.75, 0.25])) == 0.5
    assert sensor_fit.total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


def test_the_scene_of_a_recording_is_its_smoothed_light() -> None:
    shown = scene()
    spikes = sensor_fit.resimulate(shown, 400, Sensor(), seed=1)
    found = sensor_fit.estimate_scene(spikes, 1)
    inside = (slice(2, -2), slice(2, -2))
    npt.assert_allclose(found.light[0][inside], shown.light[0][inside], rtol=0.05)
    assert found.steady.mean() > 0.99
    spikes[:, 40:60, 40:60] = 1
    bright = sensor_fit.estimate_scene(spikes, 1)
    assert (bright.light[0, 43:57, 43:57] > 1).all()  # more than a pixel can show
    assert not bright.flat[38:42, 38:42].any()
    spikes[200:, :20, :20] = 0
    assert not sensor_fit.estimate_scene(spikes, 1).steady[:20, :20].any()


def test_a_sensor_is_nearest_to_itself() -> None:
    shown = scene()
    sensor = Sensor(response_mismatch=0.04, electrons=100)
    real, same, ideal = (
        sensor_fit.compute_signature(sensor_fit.resimulate(shown, 200, each, key), shown)
        for each, key in ((sensor, 1), (sensor, 2), (Sensor(), 3))
    )
    near, far = sensor_fit.distances(real, same), sensor_fit.distances(real, ideal)
    assert near['pattern'] < 0.25 < 0.4 < far['pattern']
    assert near['spread'] < 0.05 < 0.15 < far['spread']


def test_a_fit_finds_the_sensor(monkeypatch) -> None:
    candidates = (
        {'response_mismatch': (0, 0.03, 0.06), 'dark_current': (0, 150, 400)},
        {'electrons': (np.inf, 3000, 100)},
    )
    monkeypatch.setattr(sensor_fit, '_CANDIDATES', candidates)
    start = Sensor(dark_spread=0.5)
    true = replace(start, response_mismatch=0.03, dark_current=150, electrons=100)
    spikes = sensor_fit.resimulate(scene(64, 96), 200, true, seed=9)
    told: list[str] = []
    found = sensor_fit.fit(spikes, 1, start, told.append)
    assert found == true
    assert len(told) == 4


def test_a_fit_of_maps_finds_the_sensor() -> None:
    true = Sensor(response_mismatch=0.03, dark_current=120, dark_spread=0.4, hot_pixels=0.003)
    pixels = pixels_of(true, torch.tensor([5]), 200, 300)
    shaded = pixels.slope[0].numpy() * np.linspace(0.8, 1.2, 300)
    found = sensor_fit.fit_maps(shaded, pixels.offset[0].numpy())
    assert found.response_mismatch == pytest.approx(0.03, rel=0.06)
    assert found.dark_current == pytest.approx(120, rel=0.02)
    assert found.dark_spread == pytest.approx(0.4, rel=0.03)
    assert found.hot_pixels == pytest.approx(0.003, rel=0.2)


def test_windows_divide_the_planes() -> None:
    shown = sensor_fit.estimate_scene(np.ones((9, 8, 8), np.uint8), 3)
    with pytest.raises(ValueError, match='10 planes in 3 windows'):
        sensor_fit.resimulate(shown, 10, Sensor(), seed=1)


@pytest.mark.parametrize('name', ['vidar_car', 'uhsr'])
def test_named_sensors_are_nearer_to_their_recordings_than_the_ideal_one(
    real_data: Path, name: str
) -> None:
    spikes, windows = command.read(real_data)[name]
    judged = spikes[command.JUDGE]
    shown = sensor_fit.estimate_scene(judged, windows)
    real = sensor_fit.compute_signature(judged, shown)
    ideal, named = (
        sensor_fit.distances(
            real,
            sensor_fit.compute_signature(
                sensor_fit.resimulate(shown, len(judged), SENSORS[each], 2), shown
            ),
        )
        for each in ('ideal', name)
    )
    assert named['pattern'] < 0.4 * ideal['pattern']
    assert named['rates'] < ideal['rates']
    assert named['intervals'] < ideal['intervals']


def test_the_named_sensor_has_the_measured_maps(real_data: Path) -> None:
    found = sensor_fit.fit_maps(*command.read_maps(real_data))
    named = SENSORS['noise_maps']
    for parameter in ('response_mismatch', 'dark_current', 'dark_spread'):
        assert getattr(found, parameter) == pytest.approx(getattr(named, parameter), rel=0.03)


def test_the_command_writes_figures_and_a_chart(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / 'spikes' / 'noise_maps').mkdir(parents=True)
    car = scene(250, 400)
    sensor = Sensor(response_mismatch=0.03)
    monkeypatch.setattr(command, 'FIT', slice(0, 40))
    monkeypatch.setattr(command, 'JUDGE', slice(40, 80))
    spikes = sensor_fit.resimulate(car, 80, sensor, seed=1)
    file = tmp_path / 'spikes' / 'vidar_car_400x250.dat'
    file.write_bytes(np.packbits(spikes[:, ::-1], axis=-1, bitorder='little').tobytes())
    # The command crops them.
    np.savez_compressed(tmp_path / 'spikes' / 'uhsr.npz', spk=spikes[:, :, :250])
    true = Sensor(response_mismatch=0.03, dark_current=90, dark_spread=0.3)
    pixels = pixels_of(true, torch.tensor([5]), 250, 400)
    maps = {'Nl': pixels.slope[0].numpy(), 'D_light': np.full((250, 400), 5, np.float32)}
    dark = pixels.offset[0].numpy() * 5
    maps['Nd'] = 335 * dark / (1 - dark)  # codespell:ignore
    np.savez(tmp_path / 'spikes' / 'noise_maps' / 'data.npz', **maps)
    monkeypatch.setattr(sensor_fit, '_CANDIDATES', ({'response_mismatch': (0, 0.03)},))
    monkeypatch.setattr(command, 'SEEDS', (2, 3))
    arguments = ['--data', str(tmp_path), '--json', str(tmp_path / 'fit.json')]
    assert command.main([*arguments, '--chart', str(tmp_path / 'fit.png')]) == 0
    result = json.loads((tmp_path / 'fit.json').read_text())
    assert result.keys() == {'machine', 'recordings', 'maps'}
    for entry in result['recordings']:
        assert entry['fitted']['response_mismatch'] == 0.03
        assert entry['distances']['fitted']['pattern'] < entry['distances']['ideal']['pattern']
    assert result['maps']['fitted']['dark_current'] == pytest.approx(90, rel=0.05)
    assert Image.open(tmp_path / 'fit.png').size == (3 * 460, 3 * 340)
    assert '| vidar_car ' in capsys.readouterr().out


def test_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.delenv('SPIKE_DEPTH_DATA', raising=False)
    with pytest.raises(SystemExit):
        command.main([])
    assert 'set SPIKE_DEPTH_DATA' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(['--data', str(tmp_path)])
    assert 'data.npz: no such file' in capsys.readouterr().err
