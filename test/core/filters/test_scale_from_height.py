# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metres from the height of the camera, over windows whose depth is calculated by hand."""

import dataclasses

import numpy as np
import numpy.testing as npt
import pytest

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.scale_from_height import (
    ELSEWHERE,
    HELD,
    LOST,
    NO_FOCAL_LENGTH,
    NOT_IN_VIEW,
    NOT_YET,
    TILTED,
    WINDOWS,
    ScaleFromHeight,
)
from spike_depth_ros.geometry.floor import CameraPose

K = (110.0, 0.0, 63.5, 0.0, 110.0, 47.5, 0.0, 0.0, 1.0)
PITCH = 0.3
STEP_NS = 100_000_000


def prediction(height: float, pitch: float = PITCH, noise: float = 0.0) -> Prediction:
    """Depth of a floor below a camera without roll; a wall at 40 heights."""
    rows = (np.arange(96)[:, None] - K[5]) / K[4]
    falling = np.maximum(np.cos(pitch) * rows + np.sin(pitch), 1 / 40)
    depth = height / falling * np.ones((1, 128))
    depth *= np.exp(noise * np.random.default_rng(0).normal(size=depth.shape))
    depth = depth.astype(np.float32)
    return Prediction(depth, 0.1 * depth, (0.001, 1e4), 'metric', 1, ('a note',))


def wall() -> Prediction:
    depth = np.full((96, 128), 2.0, np.float32)
    return Prediction(depth, 0.1 * depth, (0.001, 1e4), 'metric', 1, ())


def run(scale: ScaleFromHeight, *predictions: Prediction, first: int = 0) -> list[Prediction]:
    return [
        scale.apply(one, K, (first + number) * STEP_NS) for number, one in enumerate(predictions)
    ]


def factor(one: Prediction) -> float:
    assert one.height is not None
    return one.height.factor


def test_depth_is_scaled_to_the_stated_height() -> None:
    model = prediction(0.8)
    (scaled,) = run(ScaleFromHeight(CameraPose(1.2, PITCH)), model)
    assert scaled.height is not None
    assert scaled.height.factor == pytest.approx(1.5, rel=1e-3)
    npt.assert_allclose(scaled.depth, model.depth * factor(scaled), rtol=1e-6)
    assert scaled.depth_range == pytest.approx((0.0015, 1.5e4), rel=1e-3)
    assert (scaled.scale, scaled.notes) == ('height', ('a note',))
    assert scaled.height.inliers > 0.95
    assert scaled.height.age_s == 0
    assert scaled.pixel_binning == 1


@pytest.mark.parametrize('change', [0.7, 1.4])
def test_a_factor_on_the_models_depth_does_not_move_the_published_one(change: float) -> None:
    model = prediction(1.0, noise=0.05)
    changed = dataclasses.replace(model, depth=np.float32(change) * model.depth)
    one, other = (
        run(ScaleFromHeight(CameraPose(1.2, PITCH)), each)[0].depth for each in (model, changed)
    )
    npt.assert_allclose(other, one, rtol=0.02)
    assert np.median(other / one) == pytest.approx(1, abs=1e-3)


def test_a_height_that_is_stated_wrong_is_as_wrong_in_depth() -> None:
    model = prediction(1.0, noise=0.05)
    one, other = (
        run(ScaleFromHeight(CameraPose(height, PITCH)), model)[0].depth for height in (1.0, 1.1)
    )
    npt.assert_allclose(other / one, 1.1, rtol=1e-5)


def test_the_uncertainties_of_scale_and_model_add_in_squares() -> None:
    model = prediction(1.0, noise=0.05)
    (scaled,) = run(ScaleFromHeight(CameraPose(1.0, PITCH)), model)
    assert scaled.height is not None
    own = scaled.height.uncertainty
    # The spread is that of the noise; 11 % of it lies beyond the band of inliers, 1.6 sigma.
    assert own == pytest.approx(np.hypot(0.05, 0.11 * ELSEWHERE), rel=0.1)
    npt.assert_allclose(scaled.relative_uncertainty, np.hypot(0.1, own), rtol=1e-5)


def test_pixels_beside_the_floor_widen_the_interval() -> None:
    model = prediction(1.0)
    model.depth[:, :43] *= 0.5  # things that stand on a third of it
    (scaled,) = run(ScaleFromHeight(CameraPose(1.0, PITCH)), model)
    assert scaled.height is not None
    assert factor(scaled) == pytest.approx(1.0, rel=1e-3)
    assert scaled.height.uncertainty == pytest.approx(ELSEWHERE / 3, rel=0.05)


def test_heights_that_differ_between_windows_widen_the_interval() -> None:
    heights = [1.0, 1.1] * 10
    last = run(ScaleFromHeight(CameraPose(1.0, PITCH)), *map(prediction, heights))[-1]
    assert last.height is not None
    # Their median lies in the middle: half of ln 1.1 from each.
    assert last.height.uncertainty == pytest.approx(1.4826 * np.log(1.1) / 2, rel=0.02)


def test_the_factor_is_the_median_of_the_newest_windows() -> None:
    scale = ScaleFromHeight(CameraPose(1.0, PITCH))
    heights = [1.0, 1.0, 1.0, 1.2, 1.2]
    scaled = run(scale, *map(prediction, heights))
    assert [factor(one) for one in scaled] == pytest.approx([1.0] * 5, rel=2e-3)
    later = run(scale, *[prediction(1.2)] * WINDOWS, first=5)
    assert factor(later[0]) == pytest.approx(1 / np.sqrt(1.2), rel=2e-3)  # three of each
    assert factor(later[-1]) == pytest.approx(1 / 1.2, rel=1e-3)


def test_a_jump_to_stairs_is_held_until_it_lasts() -> None:
    scale = ScaleFromHeight(CameraPose(1.0, PITCH), timeout_s=1.0)
    run(scale, *[prediction(1.0)] * 5)
    stairs = run(scale, *[prediction(0.6)] * 5, first=5)
    assert [factor(one) for one in stairs] == pytest.approx([1.0] * 5, rel=1e-3)
    assert all(HELD in one.notes for one in stairs)
    assert [one.height.age_s for one in stairs if one.height] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5]
    )
    back = run(scale, prediction(1.0), first=10)
    assert HELD not in back[0].notes
    # 0.6 lasts from 1.1 s on: at 2.1 s it is the new scale. One window of another jump between
    # them begins anew.
    lasting = run(
        scale, *[prediction(0.6)] * 5, prediction(2.0), *[prediction(0.6)] * 11, first=11
    )
    held = [HELD in one.notes for one in lasting]
    assert held == [True] * 16 + [False]
    assert factor(lasting[-2]) == pytest.approx(1.0, rel=1e-3)
    assert factor(lasting[-1]) == pytest.approx(1 / 0.6, rel=1e-3)


def test_without_a_floor_the_last_factor_stays_and_a_note_comes() -> None:
    scale = ScaleFromHeight(CameraPose(1.0, PITCH), timeout_s=0.25)
    run(scale, prediction(0.8))
    scaled = run(scale, *[wall()] * 4, first=1)
    assert [factor(one) for one in scaled] == pytest.approx([1.25] * 4, rel=1e-3)
    assert [LOST in one.notes for one in scaled] == [False, False, True, True]
    assert [(one.height.inliers, one.scale) for one in scaled if one.height] == [
        (0.0, 'height')
    ] * 4
    (found,) = run(scale, prediction(0.8), first=5)
    assert LOST not in found.notes


def test_before_the_first_floor_metres_are_the_models() -> None:
    scale, model = ScaleFromHeight(CameraPose(1.0, PITCH)), wall()
    (same,) = run(scale, model)
    npt.assert_array_equal(same.depth, model.depth)
    assert (same.scale, same.notes, same.height) == ('metric', (NOT_YET,), None)
    run(scale, prediction(0.8), first=1)
    scale.reset()
    assert run(scale, wall(), first=2)[0].notes == (NOT_YET,)


def test_a_wrong_pitch_is_reported() -> None:
    (right,) = run(ScaleFromHeight(CameraPose(1.0, PITCH)), prediction(1.0))
    assert TILTED not in right.notes
    (scaled,) = run(ScaleFromHeight(CameraPose(1.0, PITCH - 0.16)), prediction(1.0))
    assert TILTED in scaled.notes
    (none,) = run(ScaleFromHeight(CameraPose(1.0, PITCH + 0.4)), prediction(1.0))
    assert NOT_YET in none.notes


def test_a_camera_that_sees_no_floor_is_reported_at_once() -> None:
    model = prediction(1.0)
    (up,) = run(ScaleFromHeight(CameraPose(1.0, -0.5)), model)
    assert up.notes == ('a note', NOT_IN_VIEW)
    npt.assert_array_equal(up.depth, model.depth)
    assert (up.scale, up.height) == ('metric', None)


def test_a_lens_that_sees_no_floor_any_more_keeps_the_last_factor() -> None:
    scale = ScaleFromHeight(CameraPose(1.0, PITCH))
    run(scale, prediction(0.8))
    # Ten times the focal length: the image ends 0.04 rad below the axis; with the axis lower by
    # 400 pixels, it ends above the horizon.
    tele = (1100.0, 0.0, 63.5, 0.0, 1100.0, 447.5, 0.0, 0.0, 1.0)
    scaled = scale.apply(prediction(0.8), tele, STEP_NS)
    assert factor(scaled) == pytest.approx(1.25, rel=1e-3)
    assert scaled.notes == ('a note', NOT_IN_VIEW)
    assert scaled.scale == 'height'


@pytest.mark.parametrize('matrix', [None, (0.0,) * 9])
def test_without_a_focal_length_nothing_is_scaled(matrix: tuple[float, ...] | None) -> None:
    model = prediction(0.8)
    same = ScaleFromHeight(CameraPose(1.0, PITCH)).apply(model, matrix, 0)
    npt.assert_array_equal(same.depth, model.depth)
    assert same.notes == ('a note', NO_FOCAL_LENGTH)
    assert same.scale == 'metric'


def test_a_stream_that_restarts_goes_on() -> None:
    scale = ScaleFromHeight(CameraPose(1.0, PITCH), timeout_s=1.0)
    run(scale, prediction(0.8), first=1000)
    (scaled,) = run(scale, wall(), first=0)
    assert scaled.height is not None
    assert (scaled.height.age_s, LOST in scaled.notes) == (0, False)


def test_depth_of_binned_pixels_has_its_own_camera() -> None:
    model = dataclasses.replace(prediction(0.8), pixel_binning=2)
    # A sensor of twice the size and focal length; the centre of a binned pixel is a corner.
    sensor = (220.0, 0.0, 127.5, 0.0, 220.0, 95.5, 0.0, 0.0, 1.0)
    scaled = ScaleFromHeight(CameraPose(1.0, PITCH)).apply(model, sensor, 0)
    assert factor(scaled) == pytest.approx(1.25, rel=1e-3)
