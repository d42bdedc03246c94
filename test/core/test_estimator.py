# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import threading
from importlib import resources

import numpy as np
import pytest

from kit.checkpoints import not_finite_export
from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.backends import has_cuda
from spike_depth_ros.checkpoint import (
    CheckpointError,
    DepthInfo,
    default_checkpoint,
    load,
    load_info,
    save,
)
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.correction import SensorCorrection

INFO = load_info(default_checkpoint())


@pytest.fixture(scope='module')
def estimator():
    return DepthEstimator.from_checkpoint(device='cpu', threads=1)


def window_of(planes=128, height=32, width=48, rate_hz=20_000.0, share=0.2, **options):
    spikes = np.random.default_rng(planes).random((planes, height, width)) < share
    return Window.from_planes(spikes, rate_hz, **options)


class Ramp:
    """A backend whose answer is known: depth grows by rows, the head always says 10 %."""

    name, device = 'onnx', 'cpu'
    busy = False

    def run(self, packed, layout, frame=None):
        assert not self.busy
        self.busy = True
        rows = np.linspace(1, 2, layout.height, dtype=np.float32)
        depth = np.repeat(rows[:, None], layout.width, axis=1)
        self.busy = False
        return {'depth': depth, 'uncertainty': np.full_like(depth, 0.1)}

    def close(self):
        self.closed = True


TRAINED = {
    'planes_range': (16, 1280), 'rate_hz_range': (10_000.0, 40_000.0), 'fx_range': (200.0, 800.0),
}  # fmt: skip


def known(max_pixels=400_000, **changes):
    info = dataclasses.replace(INFO, **TRAINED | changes)
    return DepthEstimator(info, Ramp(), max_pixels)


def test_a_prediction_is_metric_float32_of_the_sensors_size(estimator):
    found = estimator.predict(Observation(window_of(height=50, width=70), fx_px=400.0))
    assert isinstance(found, Prediction)
    for image in (found.depth, found.uncertainty, found.relative_uncertainty):
        assert image.dtype == np.float32
        assert image.shape == (50, 70)
        assert image.flags.c_contiguous
        assert np.isfinite(image).all()
    low, high = found.depth_range
    assert low * 0.999 <= found.depth.min() <= found.depth.max() <= high * 1.001
    assert (low, high) == (INFO.min_depth, INFO.max_depth)
    assert found.uncertainty.min() >= 0
    assert found.depth.std() > 0
    assert found.notes == ()
    assert (found.scale, found.pixel_binning) == (INFO.scale, 1)


def test_the_same_window_gives_the_same_depth_and_nothing_is_shared(estimator):
    window = window_of()
    first = estimator.predict(Observation(window, 400.0))
    kept = first.depth.copy()
    estimator.predict(Observation(window_of(share=0.5), 400.0))
    again = estimator.predict(Observation(window, 400.0))
    np.testing.assert_array_equal(first.depth, kept)
    np.testing.assert_array_equal(again.depth, kept)


def test_bit_order_does_not_matter(estimator):
    spikes = np.random.default_rng(0).random((64, 32, 45)) < 0.2
    little, big = (
        estimator.predict(Observation(Window.from_planes(spikes, 20_000.0, order), 400.0))
        for order in ('little', 'big')
    )
    np.testing.assert_array_equal(little.depth, big.depth)


@pytest.mark.parametrize('planes', [16, 17, 31, 32, 33, 128, 1000, 1280])
def test_windows_of_any_length_share_weights(estimator, planes):
    found = estimator.predict(Observation(window_of(planes), 400.0))
    low, high = INFO.planes_range
    assert (found.notes == ()) == (low <= planes <= high)
    assert found.depth.std() > 0


def test_a_repeated_stream_gives_the_depth_of_a_shorter_window(estimator):
    """Rates, not counts, decide: each plane twice is the same scene at twice the plane rate."""
    # A multiple of the network's bins: bins of the two windows hold the same spikes.
    spikes = np.random.default_rng(0).random((8 * INFO.bins, 32, 48)) < 0.2
    once = estimator.predict(Observation(Window.from_planes(spikes, 20_000.0), 400.0))
    doubled = Window.from_planes(np.repeat(spikes, 2, axis=0), 40_000.0)
    twice = estimator.predict(Observation(doubled, 400.0))
    np.testing.assert_allclose(twice.depth, once.depth, rtol=1e-4)


@pytest.mark.parametrize(
    ('observation', 'note'),
    [
        (Observation(window_of(15), 400.0), 'window 15 planes, trained for 16 to 1280'),
        (Observation(window_of(1300), 400.0), 'window 1300 planes, trained for 16 to 1280'),
        (Observation(window_of(rate_hz=1280.0), 400.0), 'plane rate 1280 Hz, trained for 10000'),
        (Observation(window_of(), 1000.0), 'focal length 1000 pixels, trained for 200 to 800'),
        (Observation(window_of(), 0.0), 'focal length unknown, 400 pixels assumed'),
        (Observation(window_of(), None), 'focal length unknown, 400 pixels assumed'),
    ],
)
def test_what_training_did_not_see_runs_with_a_note(observation, note):
    found = known().predict(observation)
    assert len(found.notes) == 1
    assert found.notes[0].startswith(note)


def test_a_plane_rate_that_wanders_by_its_stamps_is_not_worth_a_note():
    window = dataclasses.replace(window_of(), period_ns=24_950)  # 40 080 Hz
    assert known().predict(Observation(window, 400.0)).notes == ()


def test_depth_scales_with_the_focal_length():
    once = known().predict(Observation(window_of(), INFO.canonical_fx))
    twice = known().predict(Observation(window_of(), 2 * INFO.canonical_fx))
    np.testing.assert_allclose(once.depth[:, 0], np.linspace(1, 2, 32), rtol=1e-6)
    np.testing.assert_allclose(twice.depth, 2 * once.depth, rtol=1e-6)
    np.testing.assert_allclose(twice.uncertainty, 2 * once.uncertainty, rtol=1e-6)
    np.testing.assert_allclose(twice.depth_range, np.multiply(2, once.depth_range))
    np.testing.assert_allclose(twice.relative_uncertainty, once.relative_uncertainty, rtol=1e-6)


def test_unknown_focal_length_is_the_canonical_one_and_says_so():
    found = known(scale='metric').predict(Observation(window_of(), None))
    assert found.scale == 'assumed'
    assert found.depth_range == (INFO.min_depth, INFO.max_depth)
    assert known(scale='metric').predict(Observation(window_of(), 400.0)).scale == 'metric'


def test_uncertainty_is_metres_by_head_depth_and_factor():
    factors = {'uncertainty_factor': 3.0, 'uncertainty_powers': (0.0, 1.0)}
    found = known(**factors).predict(Observation(window_of(), INFO.canonical_fx))
    np.testing.assert_allclose(found.uncertainty, 0.1 * 3.0 * found.depth, rtol=1e-6)


def test_the_width_of_the_interval_may_depend_on_depth():
    fx = 2 * INFO.canonical_fx  # the power is that of the depth at the canonical focal length
    found = known(uncertainty_factor=3.0, uncertainty_powers=(0.5, 2.0)).predict(
        Observation(window_of(), fx)
    )
    expected = 3.0 * 0.1**2 * (found.depth / 2) ** 0.5 * found.depth
    np.testing.assert_allclose(found.uncertainty, expected, rtol=1e-5)


def test_above_the_size_limit_pixels_are_binned_and_the_focal_length_follows():
    observation = Observation(window_of(height=65, width=80), INFO.canonical_fx)
    native = known(max_pixels=65 * 80).predict(observation)
    binned = known(max_pixels=65 * 80 - 1).predict(observation)
    assert (native.pixel_binning, native.depth.shape) == (1, (65, 80))
    assert (binned.pixel_binning, binned.depth.shape) == (2, (32, 40))
    # Half the pixels per radian: half the focal length, so half the canonical depth.
    np.testing.assert_allclose(binned.depth[-1], native.depth[-1, :40] / 2, rtol=1e-6)
    assert binned.depth_range[1] == native.depth_range[1] / 2


def test_binned_pixels_see_the_light_of_four(estimator):
    """A scene at twice the resolution, each pixel four times: binned, it is the small scene."""
    spikes = np.random.default_rng(0).random((64, 32, 48)) < 0.2
    large = Window.from_planes(spikes.repeat(2, axis=1).repeat(2, axis=2), 20_000.0)
    small = estimator.predict(Observation(Window.from_planes(spikes, 20_000.0), 400.0))
    halved = DepthEstimator.from_checkpoint(device='cpu', threads=1, max_pixels=32 * 48)
    binned = halved.predict(Observation(large, 800.0))
    assert binned.pixel_binning == 2
    np.testing.assert_allclose(binned.depth, small.depth, rtol=1e-4)


@pytest.mark.parametrize(
    ('height', 'width', 'limit'), [(15, 48, 9999), (48, 15, 9999), (31, 99, 99)]
)
def test_an_image_too_small_is_refused(height, width, limit):
    with pytest.raises(ValueError, match=f'sensor of {width}x{height} pixels: .* at least'):
        known(max_pixels=limit).predict(Observation(window_of(height=height, width=width)))


def test_a_window_too_long_for_16_bits_is_refused():
    window = window_of(planes=2296, height=16, width=16)
    with pytest.raises(ValueError, match='2296 planes: expected at most 2295'):
        known(settings={'pool': 16}).predict(Observation(window))


def test_another_sensor_size_than_the_checkpoints_is_refused():
    bound = known(sensor_size=(32, 48))
    bound.predict(Observation(window_of(height=32, width=48)))
    with pytest.raises(
        ValueError, match=r'sensor of 40x32 .* expected 48x32 \(field sensor_size\)'
    ):
        bound.predict(Observation(window_of(height=32, width=40)))


@pytest.mark.parametrize('fx', [-1.0, float('nan'), float('inf')])
def test_an_impossible_focal_length_is_refused(fx):
    with pytest.raises(ValueError, match='focal length'):
        Observation(window_of(), fx)


def test_a_stream_without_a_spike_gives_finite_depth(estimator):
    found = estimator.predict(Observation(window_of(share=0.0), 400.0))
    assert np.isfinite(found.depth).all()
    assert np.isfinite(found.uncertainty).all()


def test_calls_from_several_threads_take_turns(estimator):
    shared = known()
    failures = []

    def work():
        try:
            for _ in range(50):
                shared.predict(Observation(window_of(16, 16, 16), 400.0))
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(has_cuda(), reason='this machine has a GPU')
def test_default_on_a_cpu_is_onnx():
    estimator = DepthEstimator.from_checkpoint()
    assert (estimator.backend, estimator.device) == ('onnx', 'cpu')
    assert estimator.checkpoint == default_checkpoint()
    assert isinstance(estimator.info, DepthInfo)


def test_torch_rebuilds_the_network_from_the_file_alone(tmp_path, estimator):
    pytest.importorskip('torch')
    path = tmp_path / 'alone.safetensors'
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, onnx_sha256=None))
    alone = DepthEstimator.from_checkpoint(path, device='cpu', threads=1)
    assert alone.backend == 'torch'
    observation = Observation(window_of(), 500.0)
    np.testing.assert_allclose(
        alone.predict(observation).depth, estimator.predict(observation).depth, rtol=1e-3
    )


def test_weights_of_another_architecture_are_refused_with_the_files_name(tmp_path):
    pytest.importorskip('torch')
    path = tmp_path / 'other.safetensors'
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, architecture='other'))
    with pytest.raises(ValueError, match=r"other\.safetensors: field architecture is 'other'"):
        DepthEstimator.from_checkpoint(path, device='cpu', backend='torch')


def test_close_reaches_the_backend():
    shut = known()
    shut.close()
    assert shut._backend.closed


def test_published_depth_marks_too_near_beyond_and_masked():
    depth = np.array([[1.0, 1.02, 5.0, 9.8, 7.0]], np.float32)
    unsure = np.array([[0.1, 0.1, 0.1, 0.1, 7.0]], np.float32)
    prediction = Prediction(depth, unsure, (1.0, 10.0), 'metric', 1, ())
    np.testing.assert_array_equal(
        prediction.published_depth(), np.float32([[-np.inf, -np.inf, 5, np.inf, 7]])
    )
    assert np.isnan(prediction.published_depth(max_relative=0.5)[0, 4])
    np.testing.assert_array_equal(
        prediction.published_depth(nearest_m=5.5, farthest_m=6.0),
        np.float32([[-np.inf, -np.inf, -np.inf, np.inf, np.inf]]),
    )
    assert depth[0, 0] == 1.0  # the prediction itself is left alone


def test_a_camera_matrix_follows_binned_pixels():
    k = [400.0, 0, 199.5, 0, 400, 124.5, 0, 0, 1]
    depth = np.ones((2, 2), np.float32)
    full, binned = (Prediction(depth, depth, (1.0, 10.0), 'metric', n, ()) for n in (1, 2))
    assert binned.camera_matrix(k, 3) == [200.0, 0, 99.5, 0, 200, 62, 0, 0, 1]
    assert full.camera_matrix(k, 3) == k
    assert binned.camera_matrix(np.zeros(9), 3) == [0.0] * 9


def test_the_light_of_a_window_is_noted():
    predict = known().predict
    notes = {
        share: predict(Observation(window_of(share=share), 400.0)).notes
        for share in (0.0, 0.002, 0.02, 0.97, 1.0)
    }
    dark = 'window too dark, under 0.01 spikes a pixel and plane'
    assert notes[0.0][0].startswith(dark)
    assert notes[0.0] == notes[0.002]
    assert notes[0.02] == notes[0.97] == ()
    assert notes[1.0][0].startswith('window saturated, over 20% of pixels fire in every plane')
    short = predict(Observation(window_of(planes=2, share=0.9), 400.0)).notes
    assert not any('saturated' in note for note in short)


def test_what_is_no_observation_is_refused_in_one_line():
    window = window_of()
    with pytest.raises(TypeError, match='predict got a Window: expected an Observation, for ex'):
        known().predict(window)
    with pytest.raises(TypeError, match='window of type ndarray: expected a Window, made of pla'):
        Observation(window.data, 400.0)
    for fx in ('400', -1, float('nan')):
        with pytest.raises(ValueError, match=r'focal length .* expected a number above 0'):
            Observation(window, fx)


def corrected(faulty=0.02, gain=1.0, dark=0.0, shape=(50, 70)):
    generator = np.random.default_rng(3)
    maps = (np.full(shape, 1.0) * value for value in (gain, dark))
    return SensorCorrection(generator.random(shape) < faulty, *maps)


@pytest.mark.parametrize('backend', ['onnx', 'torch'])
@pytest.mark.parametrize('order', ['little', 'big'])
def test_a_corrected_sensor_gives_the_depth_of_planes_corrected_by_hand(
    estimator, tmp_path, backend, order
):
    if backend == 'torch':
        pytest.importorskip('torch')
    correction = corrected()
    window = window_of(height=50, width=70, bit_order=order)
    spikes = packing.unpack(window.data, 70, order).reshape(len(window.data), -1)
    by_hand = spikes[:, correction.sources.ravel()].reshape(-1, 50, 70)
    path = tmp_path / 'own.safetensors'
    if backend == 'onnx':
        own = DepthEstimator(estimator.info, estimator._backend, correction=correction)
    else:
        info, weights = load(default_checkpoint())
        save(path, weights, info, correction)
        own = DepthEstimator.from_checkpoint(path, device='cpu', backend=backend, threads=1)
        assert own.correction is not None
    before = window.data.copy()
    found = own.predict(Observation(window, 400.0)).depth
    np.testing.assert_array_equal(window.data, before)
    expected = estimator.predict(Observation(Window.from_planes(by_hand, 20_000.0), 400.0)).depth
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    raw = estimator.predict(Observation(window, 400.0)).depth
    assert not np.allclose(found, raw, rtol=1e-3)


def test_dark_current_and_response_are_removed_at_any_plane_rate():
    seen = []

    class Counting(Ramp):
        def run(self, packed, layout, frame=None):
            counts = layout.new_counts()
            layout.count(packed, counts)
            seen.append(counts.sum() / layout.planes_per_bin.sum() / counts[0, 0].size)
            return super().run(packed, layout)

    correction = corrected(faulty=0, gain=1.25, dark=2000.0, shape=(64, 64))
    own = DepthEstimator(INFO, Counting(), correction=correction)
    drawn = np.random.default_rng(4).random((128, 64, 64))
    for rate_hz in (20_000.0, 20_100.0, 40_000.0):
        spikes = drawn < 1.25 * 0.05 + 2000 / rate_hz
        own.predict(Observation(Window.from_planes(spikes, rate_hz), 400.0))
    np.testing.assert_allclose(seen, 0.05, rtol=0.03)


def test_another_sensor_than_that_of_the_correction_is_refused(estimator):
    own = DepthEstimator(estimator.info, estimator._backend, correction=corrected())
    with pytest.raises(ValueError, match='sensor of 48x32 pixels: expected 70x50, the size of'):
        own.predict(Observation(window_of(), 400.0))


class Faulty(Ramp):
    """Ramp whose answer is changed for windows with more than a share of spikes."""

    def __init__(self, above, **changes):
        self.above, self.changes, self.layouts = above, changes, []

    def run(self, packed, layout, frame=None):
        images = super().run(packed, layout)
        self.layouts.append(layout)
        if np.unpackbits(packed).mean() > self.above:
            for name, value in self.changes.items():
                images[name][3, 5] = value
        return images


@pytest.mark.parametrize(('above', 'rate'), [(0, '0.02'), (0.1, '0.2'), (0.5, '0.8')])
@pytest.mark.parametrize(
    ('changes', 'problem'),
    [
        ({'depth': np.nan}, 'depth is not finite in 0.05% of the pixels, expected 2 to 250 m'),
        ({'depth': -np.inf}, 'depth is not finite in 0.05%'),
        ({'depth': 1e4}, 'depth is 1 to 10000 m, expected'),
        ({'depth': 0.0}, 'depth is 0 to 2 m, expected'),
        ({'uncertainty': np.nan}, 'uncertainty is not finite or negative'),
        ({'uncertainty': -1.0}, 'uncertainty is not finite or negative'),
    ],
)
def test_a_model_without_finite_depth_in_range_is_refused(above, rate, changes, problem):
    info = dataclasses.replace(INFO, min_depth=0.5, max_depth=250.0)
    backend = Faulty(above, **changes)
    with pytest.raises(CheckpointError) as caught:
        DepthEstimator(info, backend).check((40, 48))
    text = str(caught.value)
    assert text.startswith(f'in a trial window of 48x40 pixels with {rate} spikes per pixel')
    assert problem.replace('expected 2 to', 'expected 0.5 to') in text
    assert text.endswith(': choose another checkpoint')


@pytest.mark.parametrize(
    ('size', 'required', 'used'),
    [
        ((40, 48), None, (40, 48)),
        (None, None, (128, 128)),
        ((5, 13), None, (128, 128)),
        (None, (60, 80), (60, 80)),
        ((40, 48), (60, 80), (60, 80)),
    ],
)
def test_trial_windows_have_the_size_of_the_stream(size, required, used):
    backend = Faulty(1)
    info = dataclasses.replace(INFO, min_depth=0.5, sensor_size=required)
    DepthEstimator(info, backend).check(size)
    sizes = [(each.geometry.height, each.geometry.width) for each in backend.layouts]
    assert sizes == [used] * 3


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / 'bad.safetensors'
    info, tensors = load(default_checkpoint())
    name = next(name for name in tensors if name.endswith('weight'))
    tensors[name] = tensors[name].copy()
    tensors[name].flat[0] = value
    save(path, tensors, dataclasses.replace(info, onnx_sha256=None))
    with pytest.raises(CheckpointError) as caught:
        DepthEstimator.from_checkpoint(path, device='cpu')
    assert f'{path}: weight {name} has NaN or infinite values' in str(caught.value)


def test_an_export_whose_depth_is_not_finite_is_refused(tmp_path):
    path = not_finite_export(tmp_path / 'bad.safetensors')
    with pytest.raises(CheckpointError) as caught:
        DepthEstimator.from_checkpoint(path, device='cpu', backend='onnx', size=(48, 64))
    text = str(caught.value)
    assert text.startswith(f'{path}: in a trial window of 64x48 pixels with 0.02 spikes')
    assert 'is not finite' in text


# ---- Look of the shipped model's depth


def grid_peak(depths, axis):
    """Amplitude of log depth with a period of four pixels, over those of periods nearby."""
    along = np.moveaxis(np.log(depths), axis, -1)
    number = along.shape[-1] // 4 * 4
    lines = along[..., :number].reshape(-1, number)
    lines = (lines - lines.mean(axis=1, keepdims=True)) * np.hanning(number + 1)[:number]
    found = np.abs(np.fft.rfft(lines, axis=1)).mean(axis=0)
    place = number // 4
    beside = np.concatenate([found[place - 8 : place - 2], found[place + 3 : place + 9]])
    return found[place] / beside.mean()


def test_the_shipped_depth_of_an_office_shows_no_grid(estimator):
    with np.load(resources.files('spike_depth_ros') / 'assets' / 'office.npz') as sample:
        packed, fx = sample['packed'], float(sample['K'][0, 0])
    spikes = np.unpackbits(packed, axis=-1, bitorder='little')
    windows = [Window.from_planes(spikes[i : i + 128], 20_000.0) for i in (0, 300, 600)]
    depths = np.stack([estimator.predict(Observation(one, fx)).depth for one in windows])
    for axis in (1, 2):
        assert grid_peak(depths, axis) < 1.15  # 1.50 in columns without smoothing
