# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames beside a stream: what windows get, and what is refused."""

import dataclasses

import bags
import numpy as np
import pytest

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


def test_one_frame_of_the_future_loses_no_other():
    made, _ = frames()
    made.on_image(bags.image(100 * S, GREY, 'mono8'))
    made.on_image(bags.image(3600 * S, GREY, 'mono8'))
    for k in range(1, KEPT):
        made.on_image(bags.image(100 * S + k * 33 * MS, GREY, 'mono8'))
    assert made.observe(window(100 * S + 40 * MS)).age_s == pytest.approx(0.007)
    assert not made.refused


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
