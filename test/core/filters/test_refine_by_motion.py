# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions corrected by points: by given ones, and by those of a camera that moves."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from kit import cameras, moving
from kit.moving import HEIGHT, WIDTH, pose
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.filters.refine_by_motion import (
    GATE,
    LOST,
    NO_FOCAL_LENGTH,
    NOT_YET,
    OF_COMMON,
    OFF_OUTLINES,
    OUTSIDE,
    STALE_NS,
    TRACK_NS,
    RefineByMotion,
    layout_of,
    picture_of,
    refine_by_motion,
)
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.motion.points import FEW, MISFIT, STANDS, WAITS, Points
from spike_depth_ros.motion.pose import LEAST_POINTS
from spike_depth_ros.stream.window import Camera

STATED = 0.1
RANGE = (0.1, 50.0)


def prediction(depth, stated=STATED):
    depth = np.float32(depth)
    return Prediction(depth, np.float32(stated) * depth, RANGE, 'metric', 1, ('a note',))


def wall(metres=2.0):
    return np.full((HEIGHT, WIDTH), metres, np.float32)


def points_of(depth, residuals, places=None, sigma=0.02, common=0.0, metres=True):
    """Points whose log depth is that of a map and a residual; on a lattice unless given."""
    residuals = np.asarray(residuals, float)
    if places is None:
        column, row = np.meshgrid(np.arange(5, WIDTH - 4, 9), np.arange(5, HEIGHT - 4, 9))
        places = np.column_stack([column.ravel(), row.ravel()])
        # Some of everywhere, in an order that is always the same.
        places = np.random.default_rng(5).permutation(places)[: len(residuals)]
    places = np.asarray(places, float)
    column, row = places.round().astype(int).T
    found = depth[row.clip(0, HEIGHT - 1), column.clip(0, WIDTH - 1)] * np.exp(residuals)
    number = len(residuals)
    assert len(places) == number
    return Points(
        places, found, np.full(number, sigma), common, metres, 9.0, 0.1, 0.0, np.arange(number), 0
    )


def refined(*args, **options):
    found = refine_by_motion(*args, **options)
    assert not isinstance(found, str), found
    assert found.motion is not None
    return found


def noise(number, deviation=0.02, seed=0):
    return deviation * np.random.default_rng(seed).normal(size=number)


def test_the_factor_is_the_median_beside_wrong_points():
    residuals = math.log(1.2) + noise(160)
    residuals[::10] += 1.0
    residuals[1::10] += 0.8
    residuals[2::10] += 1.5
    found = refined(prediction(wall()), points_of(wall(), residuals), age_s=0.25)
    assert found.motion.factor == pytest.approx(1.2, rel=0.02)
    assert found.motion.points == 160 * 0.7
    np.testing.assert_allclose(found.depth, 2.4, rtol=0.03)
    assert found.scale == 'odometry'
    assert found.depth_range == pytest.approx([value * found.motion.factor for value in RANGE])
    assert found.notes == ('a note',)
    motion = found.motion
    assert motion.metres
    assert (motion.age_s, motion.parallax_px) == (0.25, 9.0)


def test_exact_points_have_more_weight():
    points = points_of(wall(), np.repeat([0.1, -0.1], [30, 28]))
    assert refined(prediction(wall()), points).motion.factor > 1
    points.sigma[:30] = 0.15
    assert refined(prediction(wall()), points).motion.factor < 1


@pytest.mark.parametrize(('of_points', 'wanted'), [(True, False), (False, True), (False, False)])
def test_without_metres_the_median_of_the_map_stays(of_points, wanted):
    depth = np.tile(np.linspace(1.5, 3, WIDTH, dtype=np.float32), (HEIGHT, 1))
    column = np.arange(6, WIDTH, 12)
    places = np.array([(x, y) for y in range(6, HEIGHT, 12) for x in column])
    residuals = 0.3 + 0.08 * (places[:, 0] / WIDTH - 0.5)
    model = prediction(depth)
    found = refined(model, points_of(depth, residuals, places, metres=of_points), metres=wanted)
    ratio = found.depth / depth
    assert np.median(ratio) == pytest.approx(1, abs=1e-4)
    assert np.median(found.depth) == pytest.approx(np.median(depth), rel=0.003)
    assert ratio[:, -20:].min() > 1.02  # the shape is corrected
    assert ratio[:, :20].max() < 0.98
    assert (found.scale, found.depth_range) == ('metric', RANGE)
    assert (found.motion.metres, found.motion.factor, found.motion.uncertainty) == (False, 1, 0)
    np.testing.assert_allclose(found.relative_uncertainty, STATED, rtol=1e-5)


def test_the_field_corrects_the_shape():
    column = np.arange(WIDTH, dtype=np.float32)
    bent = wall() * np.exp(np.float32(0.08) * np.sin(column / WIDTH * 2 * np.pi))
    truth = 1.3 * wall()
    points = points_of(truth, noise(160, 0.01))
    found = refined(prediction(bent), points)
    before = np.log(bent / truth)
    after = np.log(found.depth / truth)
    assert np.abs(after).mean() < 0.3 * np.abs(before - np.median(before)).mean()


def test_points_on_an_outline_do_not_count():
    depth = wall()
    depth[:, WIDTH // 2 :] = 4.0
    places = np.array([(x, y) for y in range(4, HEIGHT, 8) for x in (9, 40, 70, 73, 100, 130)])
    wrong = np.isin(places[:, 0], (70, 73))  # two pixels from the step
    residuals = np.where(wrong, 0.25, 0.0)
    found = refined(prediction(depth), points_of(depth, residuals, places))
    assert found.motion.points == (~wrong).sum()
    np.testing.assert_allclose(found.depth, depth, rtol=1e-3)
    beside = places + np.where(wrong, np.where(places[:, 0] < 72, -1, 1), 0)[:, None] * (1, 0)
    found = refined(prediction(depth), points_of(depth, residuals, beside))
    assert found.motion.points == len(places)


def test_points_outside_the_map_or_where_it_is_unknown_do_not_count():
    depth = wall()
    depth[:, :30] = np.nan
    places = np.array(
        [(x, y) for y in range(4, HEIGHT, 8) for x in (10, 29, 60, 110, WIDTH - 0.6)]
    )
    good = places[:, 0] > 30
    places = np.concatenate([places, [(WIDTH - 0.4, 50), (60, HEIGHT - 0.3), (-0.7, 60)]])
    points = points_of(wall(), np.zeros(len(places)), places)
    found = refined(prediction(depth), points)
    assert found.motion.points == good.sum()
    np.testing.assert_array_equal(np.isnan(found.depth), np.isnan(depth))
    np.testing.assert_array_equal(np.isnan(found.uncertainty), np.isnan(depth))
    np.testing.assert_allclose(found.depth[:, 30:], 2, rtol=1e-4)


def test_points_beside_unknown_depth_are_compared_with_what_is_known():
    depth = wall()
    depth[:, :30] = np.nan
    places = np.array([(x, y) for y in range(4, HEIGHT, 4) for x in (30, 31)])
    found = refined(prediction(depth), points_of(wall(), np.full(len(places), 0.1), places))
    assert found.motion.points == len(places)
    assert 1.05 < found.motion.factor < math.exp(0.1)
    assert math.isfinite(found.motion.uncertainty)


def test_points_are_compared_with_the_map_beside_noise_of_single_pixels():
    depth = wall()
    points = points_of(depth, noise(100, 0.001))
    column, row = points.places.astype(int).T
    depth[row, column] *= 1.09  # no outline yet
    found = refined(prediction(depth), points)
    assert found.motion.points == 100
    assert found.motion.factor == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(('deviations', 'left_out'), [(GATE - 0.1, 0), (GATE + 0.1, 20)])
def test_points_beyond_three_deviations_are_left_out(deviations, left_out):
    residuals = np.zeros(120)
    residuals[:20] = deviations * math.hypot(STATED, 0.05)
    found = refined(prediction(wall()), points_of(wall(), residuals, sigma=0.05))
    assert found.motion.points == 120 - left_out


def test_few_points_in_one_place_say_less_of_the_others():
    places = np.array([(x, y) for y in range(6, 36, 6) for x in range(6, 36, 6)])
    found = refined(prediction(wall()), points_of(wall(), np.full(25, 0.1), places))
    assert found.motion.points == LEAST_POINTS
    near, far = np.log(found.depth[20, 20] / 2), np.log(found.depth[-20, -20] / 2)
    assert near == pytest.approx(0.1, abs=0.02)
    assert 0.03 < far < 0.08
    assert found.uncertainty[20, 20] < 0.6 * found.uncertainty[-20, -20]


def test_a_scale_that_is_wrong_beyond_what_is_stated_is_corrected_everywhere():
    places = np.array([(x, y) for y in range(6, 66, 6) for x in range(6, 66, 6)])
    found = refined(prediction(wall()), points_of(wall(), np.full(100, 1.2), places))
    assert np.log(found.depth / 2).min() > 1.2 - STATED
    assert found.depth[20, 20] == pytest.approx(2 * math.exp(1.2), rel=0.03)


def test_too_few_points_are_refused():
    few = points_of(wall(), np.zeros(LEAST_POINTS - 1))
    assert refine_by_motion(prediction(wall()), few) == OFF_OUTLINES
    none = points_of(wall(), np.zeros(0))
    assert refine_by_motion(prediction(wall()), none) == OFF_OUTLINES
    scattered = points_of(wall(), np.linspace(-9, 9, 100))
    assert refine_by_motion(prediction(wall()), scattered) == OUTSIDE


def test_what_points_have_in_common_widens_the_interval():
    residuals = noise(120)
    one, other = (
        refined(prediction(wall()), points_of(wall(), residuals, common=common))
        for common in (0.0, 0.2)
    )
    np.testing.assert_array_equal(one.depth, other.depth)
    np.testing.assert_allclose(
        other.relative_uncertainty**2 - one.relative_uncertainty**2,
        (OF_COMMON * 0.2) ** 2,
        rtol=1e-3,
    )
    # Near exact points the interval is narrower than that of the model.
    assert np.median(one.relative_uncertainty) < 0.6 * STATED


# A camera that moves.

STEP_NS = 50_000_000
STEPS = 12
START_NS = 10**12


def path(number):
    return pose(x=0.03 * number)


def at(time_ns):
    """Odometry."""
    return path((time_ns - START_NS) / STEP_NS)


@functools.cache
def look(number):
    return moving.look(path(number))


@functools.cache
def window(number):
    return moving.window(look(number)[0], START_NS + number * STEP_NS)


@functools.cache
def grey(number):
    return moving.window(np.full((HEIGHT, WIDTH), 90, np.uint8), START_NS + number * STEP_NS)


def model(number=0, factor=0.7):
    """The truth times a factor, bent from left to right."""
    bend = np.linspace(-0.12, 0.12, WIDTH)
    return prediction(look(number)[1] * factor * np.exp(bend))


def run(refine, windows, measure=True, predict=model):
    """Give it windows; those of a stream have their numbers."""
    found = []
    for number, one in windows:
        refine.track(one)
        if measure:
            refine.use(refine.measure())
        found.append(refine.apply(predict(number), one))
    return found


def stream(first, stop, make=window):
    return [(number, make(number)) for number in range(first, stop)]


def off(found, number):
    return np.log(found.depth / look(number)[1])


def started(poses=at, metres=True, timeout_s=1.0):
    """A correction that has points, and its newest prediction."""
    refine = RefineByMotion(poses, metres, timeout_s)
    run(refine, stream(0, STEPS - 2), measure=False)
    return refine, run(refine, stream(STEPS - 2, STEPS))[-1]


def test_metres_and_shape_come_from_motion():
    refine, found = started()
    before, after = off(model(STEPS - 1), STEPS - 1), off(found, STEPS - 1)
    assert found.scale == 'odometry'
    assert found.motion is not None
    assert found.motion.factor == pytest.approx(1 / 0.7, rel=0.05)
    assert abs(np.median(after)) < 0.03
    assert np.abs(after).mean() < 0.6 * np.abs(before - np.median(before)).mean()
    assert found.notes == ('a note',)
    status = refine.status
    assert (status.reason, status.windows) == ('', STEPS)
    assert status.refined == 2
    assert status.points == found.motion.points > 100
    assert status.parallax_px == found.motion.parallax_px > 5
    assert status.epipolar_px < 0.3
    assert len(found.motion.places) == status.points


def test_without_odometry_the_shape_alone_is_corrected():
    refine, found = started(poses=None)
    before, after = off(model(STEPS - 1), STEPS - 1), off(found, STEPS - 1)
    assert (found.scale, found.depth_range) == ('metric', RANGE)
    assert found.motion is not None
    assert not found.motion.metres
    assert np.median(after - before) == pytest.approx(0, abs=1e-4)
    assert (
        np.abs(after - np.median(after)).mean() < 0.7 * np.abs(before - np.median(before)).mean()
    )
    # With odometry, but metres of the model, too.
    other = started(metres=False)[1]
    assert (other.scale, other.depth_range) == ('metric', RANGE)
    assert np.median(off(other, STEPS - 1) - before) == pytest.approx(0, abs=1e-4)
    # And what has no points has no note.
    grey_one = run(refine, stream(STEPS, STEPS + 30, grey))[-1]
    np.testing.assert_array_equal(grey_one.depth, model(STEPS + 29).depth)
    assert grey_one.notes == ('a note',)
    assert grey_one.motion is None


def test_before_the_first_points_metres_are_the_models():
    refine = RefineByMotion(at, True, 0.22)
    found = run(refine, stream(0, 8, grey))
    assert [one.scale for one in found] == ['metric'] * 8
    assert [one.notes[1:] for one in found] == [(NOT_YET,)] * 5 + [(NOT_YET, FEW)] * 3
    np.testing.assert_array_equal(found[-1].depth, model(7).depth)
    assert refine.status.reason == FEW
    assert (refine.status.refined, refine.status.windows) == (0, 8)


def test_when_points_end_the_last_factor_stays_without_a_field():
    refine, last = started(timeout_s=0.22)
    assert last.motion is not None
    found = run(refine, stream(STEPS, STEPS + 8, grey))
    for number, one in enumerate(found, 1):
        assert one.motion is not None
        assert one.motion.factor == last.motion.factor
        assert one.motion.points == 0
        assert one.motion.age_s == pytest.approx(0.05 * number)
        assert one.scale == 'odometry'
        given = model(STEPS - 1 + number)
        np.testing.assert_allclose(one.depth, given.depth * last.motion.factor, rtol=1e-6)
        np.testing.assert_allclose(
            one.relative_uncertainty, math.hypot(STATED, last.motion.uncertainty), rtol=1e-5
        )
        assert one.depth_range[1] == pytest.approx(RANGE[1] * last.motion.factor)
    assert [LOST in one.notes for one in found] == [False] * 4 + [True] * 4
    assert refine.status.points == 0
    assert refine.status.reason
    back = run(refine, stream(STEPS + 8, STEPS + 16))[-1]
    assert LOST not in back.notes
    assert back.motion is not None
    assert back.motion.age_s == 0


def test_points_are_carried_to_windows_that_are_not_measured():
    refine, _ = started()
    found = run(refine, stream(STEPS, STEPS + 4), measure=False)
    ages = [one.motion.age_s for one in found if one.motion is not None]
    assert ages == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert abs(np.median(off(found[-1], STEPS + 3))) < 0.03


def test_a_stream_that_starts_again_after_a_gap_does_not_take_old_points_for_new_ones():
    refine, last = started()
    assert last.motion is not None
    late = START_NS + STEPS * STEP_NS + 10**9
    other = moving.window(look(0)[0][:, ::-1], late)
    refine.track(other)
    found = refine.apply(model(), other)
    assert found.motion is not None
    assert found.motion.points == 0


def test_without_a_focal_length_there_is_a_note():
    refine, _ = started()
    blind = moving.calibrated(0.0)
    for number in (STEPS, STEPS + 1):
        one = dataclasses.replace(window(number), camera=blind)
        refine.track(one)
        assert refine.measure() == NO_FOCAL_LENGTH
        refine.use(refine.measure())
        found = refine.apply(model(number), one)
        assert found.notes == ('a note', NO_FOCAL_LENGTH)
        np.testing.assert_array_equal(found.depth, model(number).depth)
        assert (found.scale, found.motion) == ('metric', None)
    assert refine.status.reason == NO_FOCAL_LENGTH
    assert LOST not in run(refine, stream(STEPS + 2, STEPS + 3))[0].notes


def test_another_segment_forgets_tracks_and_keeps_the_factor():
    refine, last = started()
    assert last.motion is not None
    one = dataclasses.replace(window(STEPS), segment=1)
    refine.track(one)
    assert refine.measure() == WAITS
    found = refine.apply(model(STEPS), one)
    assert found.motion is not None
    assert (found.motion.points, found.motion.factor) == (0, last.motion.factor)
    # In the same one they go on.
    other = started()[0]
    assert run(other, stream(STEPS, STEPS + 1), measure=False)[0].motion.points > 100


def test_the_factor_of_another_model_is_forgotten():
    refine, _ = started()
    refine.forget_factor()
    one = grey(STEPS)
    refine.track(one)
    assert NOT_YET in refine.apply(model(STEPS), one).notes


def test_a_reset_forgets_all():
    refine, _ = started()
    refine.reset()
    assert (refine.status.windows, refine.status.reason) == (0, WAITS)
    assert refine.measure() == NO_FOCAL_LENGTH  # no window yet
    found = run(refine, stream(STEPS, STEPS + 1))[0]
    assert found.notes == ('a note', NOT_YET)


def test_a_window_that_was_not_tracked_last_has_no_points():
    refine, _ = started()
    refine.track(window(STEPS))
    found = refine.apply(model(STEPS - 1), window(STEPS - 1))
    assert found.motion is not None
    assert found.motion.points == 0


@pytest.mark.parametrize(
    ('poses', 'reason', 'stays'),
    [(None, FEW, False), (None, STANDS, True), (at, FEW, True)],
)
def test_points_of_an_unknown_motion_grow_old(poses, reason, stays):
    refine, _ = started(poses=poses)
    number = STEPS
    while refine.status.points and number * STEP_NS < STEPS * STEP_NS + STALE_NS + STEP_NS:
        one = window(number)
        refine.track(one)
        refine.use(reason)
        refine.apply(model(number), one)
        number += 1
    age_ns = (number - STEPS) * STEP_NS
    assert age_ns > STALE_NS
    assert bool(refine.status.points) == stays


def test_the_same_windows_give_the_same_bytes():
    one, other = started()[1], started()[1]
    assert one.depth.tobytes() == other.depth.tobytes()
    assert one.uncertainty.tobytes() == other.uncertainty.tobytes()
    assert one.motion == other.motion


def test_measuring_meanwhile_sees_the_windows_so_far():
    refine = RefineByMotion(at, True, 1.0)
    run(refine, stream(0, STEPS))
    measured = refine.measure()
    assert isinstance(measured, Points)
    for number in (STEPS, STEPS + 1):
        refine.track(window(number))
    refine.use(measured)
    found = refine.apply(model(STEPS + 1), window(STEPS + 1))
    assert found.motion is not None
    assert found.motion.age_s == pytest.approx(0.1)


@pytest.mark.parametrize('binning', [1, 2])
def test_the_picture_has_the_pixels_of_the_depth_image(binning):
    ramp = np.tile(np.linspace(0, 255, WIDTH), (HEIGHT, 1)).astype(np.uint8)
    shown = moving.window(ramp, 0)
    picture = picture_of(shown, layout_of(shown, binning))
    assert picture.shape == (HEIGHT // binning, WIDTH // binning)
    middle = picture[HEIGHT // binning // 2].astype(int)
    assert (np.diff(middle) >= 0).all()
    assert (middle[0], middle[-1]) == (0, 255)


def test_the_picture_is_rectified_and_its_contrast_is_that_of_what_is_seen():
    lens = cameras.lens('plumb_bob', (-0.25, 0.06, 0.0, 0.0, 0.0), target=150.0)
    given = 120 + 10 * np.random.default_rng(0).random((cameras.HEIGHT, cameras.WIDTH))
    one = moving.window(
        given.astype(np.uint8), 0, camera=Camera(rectification=Rectification(lens))
    )
    picture = picture_of(one, layout_of(one))
    assert picture[0, 0] == 0  # beyond the sensor
    middle = picture[100:150, 150:250]
    assert np.ptp(middle) > 150


def test_windows_between_tracked_ones_are_corrected_too():
    refine, _ = started()
    newest = window(STEPS - 1)
    soon, later = (
        dataclasses.replace(newest, reference_ns=newest.reference_ns + after_ns)
        for after_ns in (TRACK_NS - 1, TRACK_NS)
    )
    assert (refine.wants(soon), refine.wants(later)) == (False, True)
    assert refine.wants(dataclasses.replace(soon, segment=soon.segment + 1))
    found = refine.apply(model(STEPS - 1), soon)
    assert found.motion is not None
    assert found.motion.points > 100


def test_odometry_that_mostly_does_not_fit_gives_neither_points_nor_a_factor():
    refine, before = started()
    measured = refine.measure()
    assert before.motion is not None
    assert isinstance(measured, Points)

    def after(number, *used):
        for each in range(number, number + 50):
            refine.track(window(each))
            refine.use(used[each % len(used)])
        return refine.apply(model(number + 49), window(number + 49)), model(number + 49)

    found, alone = after(STEPS, measured, MISFIT)
    assert (found.motion, refine.status.reason) == (None, MISFIT)
    assert found.depth.tobytes() == alone.depth.tobytes()
    after(STEPS + 50, measured)
    assert refine.status.reason != MISFIT


def test_another_camera_forgets_the_tracks():
    refine, _ = started()
    before = refine.measure()
    assert isinstance(before, Points)
    other = window(STEPS)
    other = dataclasses.replace(other, camera=moving.calibrated(2 * moving.FOCAL))
    refine.track(other)
    assert refine.measure() == WAITS
    found = refine.apply(model(STEPS), other)
    assert found.motion is not None
    assert found.motion.points == 0


def test_what_is_beyond_the_range_stays_beyond():
    depth = wall()
    near, far = RANGE
    depth[:10], depth[-10:] = near, far
    columns = np.arange(4, WIDTH, 8)
    places = np.array([(x, y) for y in range(20, HEIGHT - 20, 8) for x in columns])
    tilt = 0.05 * (places[:, 1] / HEIGHT - 0.5)
    found = refined(prediction(depth), points_of(depth, tilt, places))
    shown = found.published_depth()
    assert np.isneginf(shown[:10]).all()
    assert np.isposinf(shown[-10:]).all()
    assert np.isfinite(shown[10:-10]).all()
