# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit import cameras, streams
from kit.cameras import write_calibration
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.alignment import EXCHANGED
from spike_depth_ros.stereo.estimator import (
    DISPARITY_ERROR_PX,
    FEW_MATCHED,
    FILLED,
    MATCHED,
    NONE,
    NOT_YET,
    ONE_EYE,
    StereoEstimator,
)
from spike_depth_ros.stream.window import Window

HEIGHT, WIDTH, PLANES = 96, 160, 64
RIG = StereoRig.from_baseline(0.1, 300.0, WIDTH, HEIGHT)


def texture(seed=0, columns=WIDTH + 64):
    noise = np.random.default_rng(seed).random((HEIGHT, columns), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return 0.02 + 0.3 * (smooth - smooth.min()) / (smooth.max() - smooth.min())


def window(rate, seed=0):
    """Spikes of a still picture of firing rates."""
    return Window.from_planes(streams.integrated(rate, PLANES, seed), 20_000.0)


def pair(disparity, rig=RIG):
    rate = texture()
    left, right = rate[:, 32 : 32 + WIDTH], rate[:, 32 + disparity : 32 + disparity + WIDTH]
    return Observation(window(left, 1), right=window(right, 2), rig=rig)


def test_a_plane_shifted_by_three_pixels_has_a_third_of_focal_length_times_baseline():
    found = StereoEstimator().predict(pair(3))
    assert found.scale == 'stereo'
    assert found.depth.dtype == found.uncertainty.dtype == found.disparity.dtype == np.float32
    inside = found.origin[:, 3:] == MATCHED
    assert inside.mean() > 0.9
    assert np.median(found.depth[:, 3:][inside]) == pytest.approx(300 * 0.1 / 3, rel=0.03)
    assert found.matched == pytest.approx((found.origin == MATCHED).mean())
    np.testing.assert_array_equal(np.isnan(found.depth), found.origin == NONE)
    # An error in disparity of s pixels: z^2 s / (f B).
    known = found.origin == MATCHED
    np.testing.assert_allclose(
        found.uncertainty[known], DISPARITY_ERROR_PX * found.depth[known] ** 2 / 30.0, rtol=1e-5
    )


def test_depth_does_not_exceed_the_range_that_is_searched():
    found = StereoEstimator(min_depth_m=0.5).predict(pair(20))
    near, far = found.depth_range
    assert near <= 0.5
    assert far == pytest.approx(60.0)
    known = found.depth[found.origin == MATCHED]
    assert near <= known.min() <= known.max() <= far


def test_pixels_without_a_match_are_filled_in_the_metres_of_the_others():
    mono = DepthEstimator.from_checkpoint()
    filled = StereoEstimator(fill=mono).predict(pair(20))
    matched = StereoEstimator().predict(pair(20))
    assert (filled.origin == FILLED).any()
    assert np.isfinite(filled.depth).all()
    assert np.isfinite(filled.uncertainty).all()
    known = matched.origin == MATCHED
    np.testing.assert_array_equal(filled.origin == MATCHED, known)
    np.testing.assert_array_equal(filled.depth[known], matched.depth[known])
    np.testing.assert_array_equal(filled.uncertainty[known], matched.uncertainty[known])
    alone = mono.predict(Observation(pair(20).window, RIG.fx_px))
    ratio = np.median((matched.depth / alone.depth)[known])
    assert filled.fill_factor == pytest.approx(ratio, rel=1e-4)
    near, far = filled.depth_range
    assert near <= filled.depth.min() <= filled.depth.max() <= far


def test_nothing_is_filled_before_anything_is_measured():
    # All at infinity, from where no depth follows.
    found = StereoEstimator(fill=DepthEstimator.from_checkpoint()).predict(pair(0))
    assert NOT_YET in found.notes
    assert found.fill_factor is None
    assert not (found.origin == FILLED).any()
    assert np.isnan(found.depth[found.origin == NONE]).all()


def test_a_binned_network_fills_every_pixel():
    mono = DepthEstimator.from_checkpoint(max_pixels=10_000)
    found = StereoEstimator(fill=mono).predict(pair(20))
    assert found.depth.shape == (HEIGHT, WIDTH)
    assert np.isfinite(found.depth).all()


def test_another_rig_has_another_search_and_factor():
    estimator = StereoEstimator()
    estimator.predict(pair(3))
    far = StereoRig.from_baseline(0.2, 300.0, WIDTH, HEIGHT)
    found = estimator.predict(pair(3, far))
    assert np.nanmedian(found.depth) == pytest.approx(300 * 0.2 / 3, rel=0.03)


def test_a_turned_left_eye_has_no_depth_where_it_does_not_look():
    left = cameras.turned(RIG.left, 0.05)
    rig = StereoRig(left, RIG.right)
    found = StereoEstimator(fill=DepthEstimator.from_checkpoint()).predict(pair(3, rig))
    assert np.isnan(found.depth[~rig.seen_by_left]).all()
    assert (~rig.seen_by_left).any()


def later(observation, seconds):
    """The pair at a later time."""
    windows = (
        dataclasses.replace(one, reference_ns=round(1e9 * seconds))
        for one in (observation.window, observation.right)
    )
    left, right = windows
    return dataclasses.replace(observation, window=left, right=right)


def test_negative_disparities_of_twenty_pairs_are_said():
    estimator, exchanged = StereoEstimator(), pair(-6)
    for step in range(19):
        assert EXCHANGED not in estimator.predict(later(exchanged, 0.25 * step)).notes
    assert EXCHANGED not in estimator.predict(later(exchanged, 4.6)).notes  # too soon to count
    assert EXCHANGED in estimator.predict(later(exchanged, 4.75)).notes
    assert EXCHANGED not in estimator.predict(later(pair(6), 5.0)).notes


@pytest.mark.parametrize('nearest_m', [0.5, 100.0])
def test_noise_alone_has_no_depth(nearest_m):
    rng = np.random.default_rng(0)
    left, right = (
        Window.from_planes(rng.random((PLANES, HEIGHT, WIDTH)) < 0.1, 20_000.0) for _ in range(2)
    )
    estimator = StereoEstimator(min_depth_m=nearest_m)
    found = estimator.predict(Observation(left, right=right, rig=RIG))
    assert np.isnan(found.depth).all()
    assert FEW_MATCHED in found.notes


def test_one_eye_goes_on_at_the_last_factor():
    estimator = StereoEstimator(fill=DepthEstimator.from_checkpoint())
    whole = pair(3)
    alone = dataclasses.replace(whole, right=None)
    before = estimator.predict(alone)
    assert np.isnan(before.depth).all()
    assert {ONE_EYE, NOT_YET} <= set(before.notes)
    both = estimator.predict(whole)
    found = estimator.predict(alone)
    assert ONE_EYE in found.notes
    assert found.fill_factor == both.fill_factor
    assert (found.origin == FILLED).all()
    filled = (both.origin == FILLED) & (found.origin == FILLED)
    assert found.depth[filled].mean() == pytest.approx(both.depth[filled].mean(), rel=0.3)


def test_one_camera_sees_the_left_window_of_a_pair():
    mono = DepthEstimator.from_checkpoint()
    whole = pair(3)
    both = mono.predict(dataclasses.replace(whole, fx_px=300.0))
    one = mono.predict(Observation(whole.window, 300.0))
    np.testing.assert_array_equal(both.depth, one.depth)


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    page = Path(__file__).parents[3] / 'docs' / 'tasks' / 'two_cameras.md'
    (code,) = re.findall(r'```python\n(.*?)```', page.read_text(), re.DOTALL)
    rig = StereoRig.from_baseline(0.12, 430.0, 400, 250)
    for name, camera in (('left', rig.left), ('right', rig.right)):
        write_calibration(tmp_path / f'{name}.yaml', camera)
    monkeypatch.chdir(tmp_path)
    rate = np.tile(texture(), (3, 2))[:250]
    names = {'left': window(rate[:, 4:404], 1), 'right': window(rate[:, 12:412], 2)}
    exec(code, names)
    prediction = names['prediction']
    matched = prediction.origin == MATCHED
    assert np.median(prediction.depth[matched]) == pytest.approx(430 * 0.12 / 8, rel=0.05)
    assert np.isfinite(prediction.depth).all()


def test_what_is_no_pair_and_options_out_of_range_are_refused(refusals):
    whole = pair(3)
    other = StereoRig.from_baseline(0.1, 300.0, WIDTH, 2 * HEIGHT)
    halves = {
        'a left window alone': Observation(whole.window, 300.0),
        'no rig': Observation(whole.window, right=whole.right),
        'no right window': Observation(whole.window, rig=RIG),
    }
    rows = {
        name: ('right window', functools.partial(StereoEstimator().predict, half))
        for name, half in halves.items()
    }
    rows['a rig of another size'] = (
        '160x192', functools.partial(Observation, whole.window, right=whole.right, rig=other),
    )  # fmt: skip
    rows['nearest depth 0'] = 'nearest', functools.partial(StereoEstimator, min_depth_m=0.0)
    rows['another picture'] = 'tfi', functools.partial(StereoEstimator, picture='tfi')
    refusals('stereo_observation', rows, ValueError)
    with pytest.raises(TypeError, match='expected a Window'):
        Observation(whole.window, right=np.zeros(3), rig=RIG)
    with pytest.raises(TypeError, match='expected an Observation'):
        StereoEstimator().predict(whole.window)
