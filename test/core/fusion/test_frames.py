# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames beside a stream: what windows get, and what is refused."""

import dataclasses

import numpy as np
import pytest

from kit import bags, cameras
from spike_depth_ros.fusion.frames import KEPT, Frames, FrameSettings
from spike_depth_ros.stream.window import Camera, Window

S, MS = 1_000_000_000, 1_000_000
GREY = np.full((bags.HEIGHT, bags.WIDTH), 99, np.uint8)


def window(at_ns, info='camera'):
    spikes = np.zeros((2, bags.HEIGHT, bags.WIDTH), bool)
    made = Window.from_planes(spikes, 20_000, t0_ns=at_ns, reference='first')
    camera = Camera(fx_px=bags.FX, info=bags.camera() if info == 'camera' else info)
    return dataclasses.replace(made, camera=camera)


def frames(**settings):
    told = []
    made = Frames(
        FrameSettings(**{'max_offset_px': 0.0, **settings}), 0.1, lambda *one: told.append(one)
    )
    made.on_camera_info(bags.camera())
    return made, told


def test_the_delay_of_stamps_is_subtracted():
    made, told = frames(delay_s=0.02)
    made.on_image(bags.image(S, GREY, 'mono8'))
    assert made.observe(window(S)).age_s == pytest.approx(0.02)
    assert made.observe(window(S - 30 * MS)) is None
    assert told == []


def test_frames_go_on_after_the_clock_was_set_back():
    made, _ = frames()
    for k in range(2 * KEPT):
        made.on_image(bags.image(100 * S + k * 33 * MS, GREY, 'mono8'))
    assert made.observe(window(104 * S)) is not None
    made.on_image(bags.image(5 * S, GREY, 'mono8'))
    made.on_image(bags.image(5 * S + 33 * MS, GREY, 'mono8'))
    assert made.observe(window(5 * S + 40 * MS)).age_s == pytest.approx(0.007)


def test_one_frame_of_long_ago_is_refused_and_the_others_are_kept():
    made, told = frames()
    for at_ns in (100 * S, 100 * S + 33 * MS, 5 * S, 100 * S + 66 * MS):
        made.on_image(bags.image(at_ns, GREY, 'mono8'))
    assert made.observe(window(100 * S + 40 * MS)).age_s == pytest.approx(0.007)
    assert made.refused == {'stamp': 1}
    assert told == [('image stamp', 'image: one frame is stamped 95.033 s before the others')]


@pytest.mark.parametrize('ahead_ms', [3_500_000, 1080])  # a second before it is between others
@pytest.mark.parametrize('before', [0, 2])
def test_one_frame_of_the_future_is_refused_and_no_other(ahead_ms, before):
    made, told = frames()
    for k in (*range(before), ahead_ms / 33, *range(before, before + 20)):
        made.on_image(bags.image(100 * S + round(k * 33 * MS), GREY, 'mono8'))
    assert made.refused == {'stamp': 1}
    apart_s = (ahead_ms - 33 * before) / 1e3
    assert told == [
        ('image stamp', f'image: one frame is stamped {apart_s:.3f} s after the others')
    ]
    for k in range(before + 20):
        assert made.observe(window(100 * S + (33 * k + 7) * MS)).age_s == pytest.approx(0.007)
    assert made.used == before + 20


def test_a_camera_that_paused_goes_on_at_once():
    made, _ = frames()
    for at_ns in (100 * S, 107 * S, 107 * S + 33 * MS, 109 * S, 111 * S):
        made.on_image(bags.image(at_ns, GREY, 'mono8'))
        assert made.observe(window(at_ns)).age_s == 0
    assert not made.refused


def test_windows_whose_frame_is_refused_had_none():
    made, _ = frames()
    made.on_image(bags.image(S, GREY, 'mono8'))
    assert made.observe(window(S, None)) is None
    assert made.observe(window(S + MS)) is not None
    assert (made.used, made.refused.total()) == (1, 1)


def test_frames_of_another_clock_wait_within_their_bytes():
    made, _ = frames()
    for k in range(20):
        message = bags.image(100 * S + k * 33 * MS, GREY, 'mono8')
        message.data = np.broadcast_to(np.uint8(0), 48_000_000)
        made.on_image(message)
        assert made.observe(window(S)) is None
    # 11 of them have 528 MB; 512 MiB are 536.9 MB.
    assert made.store.dropped == 20 - 11


def test_a_little_out_of_order_is_no_restart():
    made, _ = frames()
    for at_ns in (10 * S + 66 * MS, 10 * S, 10 * S + 33 * MS):
        made.on_image(bags.image(at_ns, GREY, 'mono8'))
    assert made.observe(window(10 * S + 40 * MS)).age_s == pytest.approx(0.007)


@pytest.mark.parametrize(
    ('info', 'frame_info', 'words'),
    [
        (None, 'camera', 'no camera_info: expected the calibrations of both'),
        ('camera', None, 'no image/camera_info: expected'),
        (None, None, 'no camera_info and no image/camera_info'),
        ('camera', 'wide', 'frame of 48x32 pixels'),
    ],
)
def test_frames_without_a_calibration_that_fits_are_refused(info, frame_info, words):
    made, told = frames()
    made.on_camera_info({'camera': bags.camera(), 'wide': bags.camera(width=64)}.get(frame_info))
    made.on_image(bags.image(S, GREY, 'mono8'))
    assert made.observe(window(S, info)) is None
    assert made.refused == {'calibration': 1}
    assert words in made.problem
    assert [kind for kind, _ in told] == ['image calibration']


@pytest.mark.parametrize('name', ['nan', 'size', 'region', 'zeros'])
def test_one_bad_camera_info_of_frames_leaves_the_last_one(name):
    made, told = frames()
    made.on_image(bags.image(S, GREY, 'mono8'))
    first = made.observe(window(S)).registration
    bad = bags.camera(width=0, height=0) if name == 'size' else bags.camera()
    if name == 'region':
        bad.roi = cameras.camera_info(region=(320, 0, 48, 32)).roi
    elif name in ('nan', 'zeros'):
        bad.k[:] = np.nan if name == 'nan' else 0.0
    made.on_camera_info(bad)
    for k in range(1, 4):
        made.on_image(bags.image(S + k * 20 * MS, GREY, 'mono8'))
        assert made.observe(window(S + k * 20 * MS)).registration is first
    assert made.camera_problem.endswith('; the last good calibration stays in use')
    assert made.refused['camera_info'] >= 1
    assert {kind for kind, _ in told} == {'image camera_info'}
    made.on_camera_info(bags.camera())
    assert made.observe(window(S + 60 * MS)).registration is first
    assert made.camera_problem == ''


@pytest.mark.parametrize('name', sorted({*cameras.CUT} - {'region'}))  # which is elsewhere
def test_frames_that_are_cut_out_of_a_sensor_lie_where_image_geometry_has_them(name):
    message = cameras.camera_info(**cameras.CUT[name])
    made, _ = frames()
    made.on_camera_info(message)
    made.on_image(bags.image(S, GREY, 'mono8'))
    k, _ = cameras.read(message)
    seen = bags.camera()
    x, y = made.observe(window(S, seen)).registration.sources(bags.HEIGHT, bags.WIDTH)
    ray_x = (np.arange(bags.WIDTH) - seen.k[2]) / seen.k[0]
    ray_y = (np.arange(bags.HEIGHT) - seen.k[5]) / seen.k[4]
    known = np.isfinite(x)
    assert known.mean() > 0.1
    columns = np.broadcast_to(k[0, 2] + k[0, 0] * ray_x, x.shape)
    rows = np.broadcast_to((k[1, 2] + k[1, 1] * ray_y)[:, None], x.shape)
    np.testing.assert_allclose(x[known], columns[known], atol=1e-3)
    np.testing.assert_allclose(y[known], rows[known], atol=1e-3)


def test_frames_off_the_spikes_are_refused_and_come_back_with_another_calibration():
    made, _ = frames(max_offset_px=2.0)
    rng = np.random.default_rng(0)
    coarse = rng.random((8, 12))
    light = np.kron(coarse, np.ones((4, 4)))
    spikes = (rng.random((400, *light.shape)) < 0.1 + 0.7 * light).astype(bool)
    shifted = np.roll(light, 6, axis=1)
    shown = np.round(255 * np.sqrt(shifted)).astype(np.uint8)
    for k in range(8):
        at_ns = S + k * 20 * MS
        made.on_image(bags.image(at_ns, shown, 'mono8'))
        seen = Window.from_planes(spikes, 20_000, t0_ns=at_ns, reference='first')
        camera = Camera(fx_px=bags.FX, info=bags.camera())
        found = made.observe(dataclasses.replace(seen, camera=camera))
    assert found is None
    assert made.refused['offset'] > 0
    assert 'pixels to the right of the spikes' in made.problem
    other = bags.camera()
    other.k[2] += 6  # as the frame is shifted
    made.on_camera_info(other)
    made.on_image(bags.image(at_ns + MS, shown, 'mono8'))
    seen = Window.from_planes(spikes, 20_000, t0_ns=at_ns + MS, reference='first')
    assert made.observe(dataclasses.replace(seen, camera=camera)) is not None
    assert made.problem == ''
