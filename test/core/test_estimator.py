# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import threading
from importlib import resources

import numpy as np
import pytest

from kit.checkpoints import not_finite_export
from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.checkpoint import CheckpointError, default_checkpoint, load, load_info, save
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.runtime.backend import has_cuda
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.tasks.depth import DepthInfo

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


def test_an_export_whose_depth_is_not_finite_is_refused(tmp_path):
    path = not_finite_export(tmp_path / 'bad.safetensors')
    with pytest.raises(CheckpointError, match='depth is not finite') as caught:
        DepthEstimator.from_checkpoint(path, device='cpu', backend='onnx', size=(48, 64))
    told = f'{path}: in a trial window of 64x48 pixels with 0.02 spikes'
    assert str(caught.value).startswith(told)


def test_weights_of_another_architecture_are_refused_with_the_files_name(tmp_path):
    pytest.importorskip('torch')
    path = tmp_path / 'other.safetensors'
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, architecture='other'))
    with pytest.raises(CheckpointError, match=r'other\.safetensors: field architecture is'):
        DepthEstimator.from_checkpoint(path, device='cpu', backend='torch')


def test_windows_that_a_model_does_not_take_are_refused(estimator, refusals):
    bound = known(sensor_size=(32, 48))
    bound.predict(Observation(window_of(height=32, width=48)))
    own = DepthEstimator(estimator.info, estimator._backend, correction=corrected())
    table = {
        'few rows': ('48x15', known(max_pixels=9999), {'height': 15}),
        'few columns': ('15x48', known(max_pixels=9999), {'height': 48, 'width': 15}),
        'few pixels after binning': ('99x31', known(max_pixels=99), {'height': 31, 'width': 99}),
        'more planes than 16 bits hold': (
            '2296 planes', known(settings={'pool': 16}),
            {'planes': 2296, 'height': 16, 'width': 16},
        ),
        'another sensor': ('sensor_size', bound, {'height': 32, 'width': 40}),
        'another sensor than that of the correction': ('48x32', own, {}),
    }  # fmt: skip
    rows = {
        name: (named, functools.partial(model.predict, Observation(window_of(**size))))
        for name, (named, model, size) in table.items()
    }
    for fx in (-1.0, float('nan'), float('inf'), '400'):
        call = functools.partial(Observation, window_of(), fx)
        rows[f'focal length {fx!r}'] = 'focal length', call
    refusals('observation', rows, ValueError)
    window = window_of()
    rows = {
        'a window alone': ('Window', functools.partial(known().predict, window)),
        'planes alone': ('ndarray', functools.partial(Observation, window.data, 400.0)),
    }
    refusals('observation_type', rows, TypeError)


def test_checkpoints_that_give_no_depth_are_refused(tmp_path, refusals):
    info, tensors = load(default_checkpoint())
    of_nothing = dataclasses.replace(info, onnx_sha256=None)
    name = next(name for name in sorted(tensors) if name.endswith('weight'))
    rows = {}
    for value in (np.nan, np.inf):
        path = tmp_path / f'{value}.safetensors'
        weight = tensors[name].copy()
        weight.flat[0] = value
        save(path, {**tensors, name: weight}, of_nothing)
        rows[f'weight {value}'] = (
            f'{path}: weight {name}',
            functools.partial(DepthEstimator.from_checkpoint, path, device='cpu'),
        )
    info = dataclasses.replace(INFO, min_depth=0.5, max_depth=250.0)
    for above, rate in ((0, '0.02'), (0.1, '0.2'), (0.5, '0.8')):
        for changes in (
            *({'depth': depth} for depth in (np.nan, -np.inf, 1e4, 0.0)),
            *({'uncertainty': value} for value in (np.nan, -1.0)),
        ):
            ((image, value),) = changes.items()
            rows[f'{image} {value} at {rate} spikes'] = (
                f'with {rate} spikes per pixel and plane {image}',
                functools.partial(DepthEstimator(info, Faulty(above, **changes)).check, (40, 48)),
            )
    refusals('estimator', rows, CheckpointError)
