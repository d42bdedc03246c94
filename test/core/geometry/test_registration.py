# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registration against pictures that both cameras take of one texture at infinity."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from kit import cameras
from spike_depth_ros.geometry.calibration import Calibration, CalibrationError
from spike_depth_ros.geometry.registration import Registration

PINHOLE = Calibration.centred(300.0, cameras.WIDTH, cameras.HEIGHT)
FLIPPED = {'none': np.s_[:, :], 'horizontal': np.s_[:, ::-1], 'vertical': np.s_[::-1]}


def rotation(yaw, pitch=0.0, roll=0.0):
    """R of a calibration, by angles in degrees."""
    found = np.eye(3)
    for axis, angle in enumerate((pitch, yaw, roll)):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        one = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        one[[first, second], [first, second]] = c
        one[first, second], one[second, first] = -s, s
        found = found @ one
    return tuple(found.ravel().tolist())


def texture(rays):
    """Colours that rays see, ``[..., 3]``, 0 to 1."""
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    waves = [(25, 8, 0), (-9, 27, 1), (18, 18, 2)]
    return np.stack([0.5 + 0.45 * np.sin(a * x + b * y + c) for a, b, c in waves], axis=-1)


@functools.cache
def rays_of_sensor(camera):
    return cameras.unproject(camera)


def picture(camera, flip='none'):
    """The frame of a camera as it arrives, ``[height, width, 3]`` uint8."""
    r = np.reshape(camera.r, (3, 3)) if any(camera.r) else np.eye(3)
    seen = texture(rays_of_sensor(camera) @ r.T)
    return np.ascontiguousarray(np.rint(255 * seen).astype(np.uint8)[FLIPPED[flip]])


def spike_view(camera):
    """What the spike image shows, ``[3, height, width]``."""
    if any(camera.d):
        rays = cameras.rays_of(camera.p[:3] + camera.p[4:7] + camera.p[8:11], 250, 400)
    else:
        r = np.reshape(camera.r, (3, 3)) if any(camera.r) else np.eye(3)
        rays = cameras.rays_of(camera.k, 250, 400) @ r.T
    return np.moveaxis(texture(rays), -1, 0)


TURNED = rotation(0.5, -0.3, 0.4)
WIDE = cameras.lens('plumb_bob', (-0.2, 0.04, 0.001, -0.002, 0.0), 158.0, 150.0, 240, 180)
FISHEYE = cameras.lens('equidistant', (0.03, -0.02, 0.005, 0.0), 112.0, 90.0, 240, 180)
NARROW = Calibration.centred(315.0, 240, 180)


@pytest.mark.parametrize('flip', FLIPPED)
@pytest.mark.parametrize(
    ('spikes', 'frame'),
    [
        (PINHOLE, WIDE),
        (PINHOLE, NARROW),
        (dataclasses.replace(PINHOLE, r=rotation(-0.6, 1.0, 2.0)), FISHEYE),
        (dataclasses.replace(cameras.PLUMB_BOB, r=rotation(-0.6, 1.0, 2.0)), WIDE),
    ],
    ids=['pinhole-plumb_bob', 'pinhole-pinhole', 'turned-equidistant', 'rectified-plumb_bob'],
)
def test_a_mirrored_and_rotated_frame_comes_out_registered_by_its_calibration(spikes, frame, flip):
    frame = dataclasses.replace(frame, r=TURNED)
    registration = Registration(spikes, frame, flip)
    found = registration.apply(picture(frame, flip), 250, 400)
    assert found.dtype == np.float32
    assert found.shape == (3, 250, 400)
    covered = np.isfinite(found).all(axis=0)
    assert (np.isfinite(found).any(axis=0) == covered).all()
    assert covered.mean() == pytest.approx(registration.coverage, abs=0.03)
    assert covered.mean() > 0.35
    errors = np.abs(found - spike_view(spikes))[:, covered]
    assert errors.mean() < 0.004
    assert errors.max() < 0.05


def test_equal_cameras_leave_frames_as_they_are():
    pixels = np.random.default_rng(0).integers(0, 256, (250, 400, 3), dtype=np.uint8)
    plain = Calibration(400, 250, k=PINHOLE.k)
    for camera in (PINHOLE, plain, dataclasses.replace(PINHOLE, r=TURNED)):
        found = Registration(camera, camera).apply(pixels, 250, 400)
        assert np.array_equal(found, np.moveaxis(pixels, 2, 0) / np.float32(255))


@pytest.mark.parametrize('flip', FLIPPED)
def test_sources_are_pixels_of_frames_as_they_arrive(flip):
    pixels = np.random.default_rng(0).integers(0, 256, (250, 400), dtype=np.uint8)
    registration = Registration(PINHOLE, PINHOLE, flip)
    x, y = registration.sources(250, 400)
    assert np.array_equal(pixels[np.rint(y).astype(int), np.rint(x).astype(int)],
                          pixels[FLIPPED[flip]])  # fmt: skip
    found = registration.apply(pixels, 250, 400)
    assert np.array_equal(found, np.stack(3 * [pixels[FLIPPED[flip]] / np.float32(255)]))


def test_what_the_frame_does_not_cover_is_nan():
    frame = Calibration.centred(300.0, 200, 100)
    found = Registration(PINHOLE, frame).apply(np.full((100, 200), 51, np.uint8), 250, 400)
    covered = np.zeros((250, 400), bool)
    covered[75:175, 100:300] = True
    assert np.array_equal(np.isfinite(found), np.stack(3 * [covered]))
    assert (found[:, covered] == np.float32(0.2)).all()


def test_cells_are_means_of_pixels():
    frame = dataclasses.replace(WIDE, r=TURNED)
    registration = Registration(PINHOLE, frame, 'horizontal')
    pixels = picture(frame, 'horizontal')
    single = registration.apply(pixels, 250, 400)
    for cell, most in ((2, 0.004), (5, 0.01)):
        binned = registration.apply(pixels, 250 // cell, 400 // cell, cell)
        means = single.reshape(3, 250 // cell, cell, 400 // cell, cell).mean(axis=(2, 4))
        errors = np.abs(binned - means)
        assert np.isfinite(errors).mean() > 0.75
        assert np.nanmean(errors) < most
        assert np.nanmax(errors) < 10 * most
    equal = Registration(PINHOLE, PINHOLE)
    noise = np.random.default_rng(0).integers(0, 256, (250, 400), dtype=np.uint8)
    means = noise.reshape(125, 2, 200, 2).mean(axis=(1, 3)) / 255
    assert np.abs(equal.apply(noise, 125, 200, 2)[0] - means).max() < 0.003


@pytest.mark.parametrize(('factor', 'cell'), [(3, 1), (1, 3), (1.5, 2)])
def test_frames_of_more_pixels_than_cells_do_not_alias(factor, cell):
    height, width = round(250 * factor), round(400 * factor)
    frame = Calibration.centred(300.0 * factor, width, height)
    checks = (255 * (np.indices((height, width)).sum(axis=0) % 2)).astype(np.uint8)
    found = Registration(PINHOLE, frame).apply(checks, 250 // cell, 400 // cell, cell)
    assert np.nanmean(found) == pytest.approx(0.5, abs=0.01)
    assert np.nanstd(found) < 0.06


def test_frames_whose_sides_are_no_multiple_of_a_cell():
    spikes = Calibration.centred(30.0, 40, 25)
    frame = Calibration.centred(150.0, 204, 129)  # 5 pixels a cell
    x, y = np.arange(204), np.arange(129)[:, None]
    pixels = np.stack(np.broadcast_arrays(x, y + 0 * x, 0), axis=-1).astype(np.uint8)
    registration = Registration(spikes, frame)
    errors = np.abs(255 * registration.apply(pixels, 25, 40)[:2] - registration.sources(25, 40))
    assert errors[:, :-1, :-1].max() < 0.6
    assert errors.max() < 2.5


def test_maps_are_made_once_for_a_size(monkeypatch):
    registration = Registration(PINHOLE, PINHOLE)
    pixels = np.zeros((250, 400), np.uint8)
    made, sources = [], Registration.sources
    monkeypatch.setattr(
        Registration, 'sources', lambda *given: made.append(given[1:]) or sources(*given)
    )
    full, cells, coarse = (250, 400, 1), (125, 200, 2), (62, 100, 4)
    for size in (full, full, cells, full, cells, full, coarse, full):
        assert registration.apply(pixels, *size).shape == (3, *size[:2])
    assert made == [full, cells, coarse, full]  # two are kept


def test_results_belong_to_the_caller():
    registration = Registration(PINHOLE, PINHOLE)
    first = registration.apply(np.full((250, 400), 255, np.uint8), 250, 400)
    registration.apply(np.zeros((250, 400), np.uint8), 250, 400)
    assert (first == 1).all()


def p_of(camera, **at):
    """P of a camera, of which some numbers are others, as ``n3=5.0``."""
    p = list(camera.p)
    for name, value in at.items():
        p[int(name[1:])] = value
    return dataclasses.replace(camera, p=tuple(p))


NONE = Calibration(400, 250)
REPLACE = dataclasses.replace
UNREGISTERED = {
    'another flip': ("'both'", PINHOLE, WIDE, 'both'),
    'spikes not calibrated': ('spike camera', NONE, WIDE),
    'frames not calibrated': ('frame camera', PINHOLE, Calibration(9, 9)),
    'neither calibrated': ('the spike and the frame camera', NONE, Calibration(9, 9)),
    'nan in K of frames': ('frame camera: K', PINHOLE, REPLACE(WIDE, k=(math.nan, *WIDE.k[1:]))),
    'inf in K of spikes': (
        'spike camera: K', REPLACE(PINHOLE, k=(*PINHOLE.k[:2], math.inf, *PINHOLE.k[3:])), WIDE,
    ),
    'a baseline of spikes': ('spike camera: P', p_of(PINHOLE, n3=-30.0), WIDE),
    'a baseline of frames': ('frame camera: P', PINHOLE, p_of(WIDE, n3=1.5)),
    'frames below': ('frame camera: P', PINHOLE, p_of(WIDE, n7=-1.5)),
    'a baseline of nan': ('frame camera: P', PINHOLE, p_of(WIDE, n3=math.nan)),
    'a lens that folds': (
        'frame camera: distortion', PINHOLE, REPLACE(WIDE, d=(-4.0, 0.0, 0.0, 0.0)),
    ),
    'no rotation': ('spike camera: R', REPLACE(PINHOLE, r=(2.0, *PINHOLE.r[1:])), WIDE),
    'small frames': ('9.8%', PINHOLE, Calibration.centred(300.0, 100, 98)),
    'frames to the side': ('0.0%', PINHOLE, REPLACE(NARROW, r=rotation(80))),
    'frames from behind': ('0.0%', PINHOLE, REPLACE(NARROW, r=rotation(180))),
}  # fmt: skip


def test_cameras_that_cannot_be_registered_are_refused(refusals):
    rows = {
        name: (named, functools.partial(Registration, spikes, frame, *flip))
        for name, (named, spikes, frame, *flip) in UNREGISTERED.items()
    }
    registration = Registration(PINHOLE, WIDE)
    registration.check_size(180, 240)
    other = functools.partial(registration.check_size, 480, 640)
    rows['frames of another size'] = '640x480', other
    frame = np.zeros((181, 240, 3), np.uint8)
    other = functools.partial(registration.apply, frame, 250, 400)
    rows['a frame of another size'] = '240x181', other
    refusals('registration', rows, CalibrationError)


def test_a_small_baseline_and_p_of_another_size_are_no_reason_to_refuse():
    # 4.8 mm; a stereo calibration may write one P for cameras of different sizes.
    frame = Calibration.centred(3000.0, 3840, 2160)
    frame = dataclasses.replace(frame, p=p_of(PINHOLE, n3=-1.44).p)
    assert Registration(PINHOLE, frame).coverage == pytest.approx(0.82, abs=0.02)
