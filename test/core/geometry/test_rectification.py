# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rectification: against projections by formula, of pictures, counts, depth; bad calibrations."""

import dataclasses
import functools
import math
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from kit import cameras
from spike_depth_ros.base import opencv
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.calibration import CalibrationError
from spike_depth_ros.geometry.rectification import NewestLens, Rectification
from spike_depth_ros.io.video.spiking import IntegrateAndFire
from spike_depth_ros.observation import Observation
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.ingest import Ingest, StreamSettings
from spike_depth_ros.stream.window import Camera, Window

WIDTH, HEIGHT = cameras.WIDTH, cameras.HEIGHT
ROTATED = (math.cos(0.1), 0, math.sin(0.1), 0, 1, 0, -math.sin(0.1), 0, math.cos(0.1))


def dots(places, size=3.0, height=HEIGHT, width=WIDTH):
    """A picture of dots at places ``[n, 2]``, whose centres are known below a pixel."""
    v, u = np.indices((height, width), np.float64)
    picture = np.zeros((height, width))
    for x, y in places:
        picture += np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * size**2))
    return picture


def centre_near(picture, place, reach=9):
    """Centre of mass of what is bright within some pixels of a place."""
    x, y = np.rint(place).astype(int)
    part = picture[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(np.float64)
    v, u = np.indices(part.shape)
    return np.array([(part * u).sum(), (part * v).sum()]) / part.sum() + (x - reach, y - reach)


def grid(calibration, spacing=40):
    """Places of a grid in the rectified picture, and on the sensor, of those inside it."""
    x, y = np.meshgrid(np.arange(20, WIDTH, spacing), np.arange(20, HEIGHT, spacing))
    rectified = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    target = Rectification(calibration).rectified.k
    rays = np.column_stack(
        [(rectified - (target[2], target[5])) / (target[0], target[4]), np.ones(len(rectified))]
    )
    if any(calibration.r):
        rays = rays @ np.reshape(calibration.r, (3, 3))
    sensor = cameras.project(calibration, rays)
    inside = ((sensor > 12) & (sensor < (WIDTH - 13, HEIGHT - 13))).all(axis=1)
    assert inside.sum() >= 30
    return rectified[inside], sensor[inside]


@pytest.mark.parametrize('name', [*cameras.ALL, 'rotated'])
def test_a_rectified_grid_lies_where_a_pinhole_camera_has_it(name):
    calibration = cameras.ALL.get(name) or dataclasses.replace(cameras.PLUMB_BOB, r=ROTATED)
    wanted, sensor = grid(calibration)
    picture = np.rint(255 * dots(sensor).clip(0, 1)).astype(np.uint8)
    rectified = Rectification(calibration).remap_picture(picture)
    errors = [np.hypot(*(centre_near(rectified, place) - place)) for place in wanted]
    assert max(errors) < 0.25
    moved = np.hypot(*(sensor - wanted).T)
    assert moved.max() > 5  # the lens does something


@functools.cache
def spikes_of_dots(name):
    """Rectified places of dots that a lens shows, and 600 packed planes of them."""
    wanted, sensor = grid(cameras.ALL[name])
    chance = np.random.default_rng(0).random((600, HEIGHT, WIDTH), np.float32)
    return wanted, packing.pack(chance < dots(sensor, size=4.0).astype(np.float32))


@pytest.mark.parametrize(('pool', 'binning'), [(1, 1), (2, 1), (4, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize('name', cameras.ALL)
def test_rectified_counts_lie_there_too(name, pool, binning):
    calibration = cameras.ALL[name]
    wanted, packed = spikes_of_dots(name)
    layout = Layout(
        Geometry(HEIGHT, WIDTH), 600, 20, binning, pool, rectification=Rectification(calibration)
    )
    counts = layout.new_counts()
    layout.count(packed, counts)
    rates = counts[0].sum(axis=0) / layout.planes_per_bin.sum()
    whole = rates.repeat(pool * binning, axis=0).repeat(pool * binning, axis=1)
    errors = [np.hypot(*(centre_near(whole, place, reach=12) - place)) for place in wanted]
    assert np.median(errors) < 0.25
    assert max(errors) < 0.6  # spikes are random


@pytest.mark.parametrize('pool', [1, 2])
def test_bins_of_single_planes_keep_their_rates(pool):
    # Between two pixels a single plane has neither 0 nor 1.
    spikes = np.random.default_rng(0).random((64, HEIGHT, WIDTH)) < 0.2
    layout = Layout(
        Geometry(HEIGHT, WIDTH), 64, 64, pool=pool, rectification=Rectification(cameras.FISHEYE)
    )
    counts = layout.new_counts()
    layout.count(packing.pack(spikes), counts)
    rates = counts[0].mean(axis=(1, 2)) / layout.planes_per_bin
    np.testing.assert_allclose(rates, 0.2, atol=0.02)
    assert rates.mean() == pytest.approx(0.2, abs=0.002)


def test_counts_of_more_bins_than_are_remapped_together_are_each_remapped():
    spikes = packing.pack(np.random.default_rng(0).random((105, HEIGHT, WIDTH)) < 0.3)
    lens = Rectification(cameras.PLUMB_BOB)
    layout = Layout(Geometry(HEIGHT, WIDTH), 105, bins=35, pool=2, rectification=lens)
    raw = Layout(Geometry(HEIGHT, WIDTH), 105, bins=35, pool=2)
    found, counts = layout.new_counts(), raw.new_counts()
    layout.count(spikes, found)
    raw.count(spikes, counts)
    x, y = layout.remap.x, layout.remap.y
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = np.minimum(left + 1, 199), np.minimum(top + 1, 124)
    a, b = x - left, y - top
    for number in (0, 15, 16, 34):
        one = counts[0, number].astype(np.float64)
        expected = (1 - b) * ((1 - a) * one[top, left] + a * one[top, right]) + b * (
            (1 - a) * one[low, left] + a * one[low, right]
        )
        # OpenCV has places of 1/32 pixel.
        np.testing.assert_allclose(found[0, number] / layout.remap_scale, expected, atol=0.6)


def test_torch_remaps_counts_alike():
    torch = pytest.importorskip('torch')
    from spike_depth_ros.runtime.torch import remap_counts, sampling_grid

    layout = Layout(
        Geometry(HEIGHT, WIDTH), 128, bins=9, pool=2, rectification=Rectification(cameras.FISHEYE)
    )
    raw = dataclasses.replace(layout, rectification=None)
    window = packing.pack(np.random.default_rng(0).random((128, HEIGHT, WIDTH)) < 0.3)
    found, counts = layout.new_counts(), raw.new_counts()
    layout.count(window, found)
    raw.count(window, counts)
    scaled = torch.from_numpy(counts.astype(np.float32)) * layout.remap_scale
    other = remap_counts(scaled, sampling_grid(layout.remap)).numpy()
    difference = (other - found) / layout.remap_scale
    assert np.abs(difference).max() < 1.5  # places of 1/32 pixel, spikes of up to 60
    assert np.abs(difference).mean() < 0.15


def test_without_distortion_nothing_is_made():
    lens = NewestLens()
    plain = cameras.message(cameras.lens('plumb_bob', (0.0,) * 5), SimpleNamespace)
    assert lens.update(plain) is None
    layout = Layout(Geometry(HEIGHT, WIDTH), 128, bins=9, pool=2)
    assert (layout.remap, layout.unknown, layout.remap_scale) == (None, None, 1)


def test_messages_alike_have_one_rectification():
    lens = NewestLens()
    first = lens.update(cameras.message(cameras.FISHEYE, SimpleNamespace))
    assert lens.update(cameras.message(cameras.FISHEYE, SimpleNamespace)) is first
    assert lens.update(cameras.message(cameras.PLUMB_BOB, SimpleNamespace)) is not first


def test_fisheye_is_another_name_of_equidistant():
    other = dataclasses.replace(cameras.FISHEYE, distortion_model='fisheye')
    for one, two in zip(
        Rectification(other).sources(HEIGHT, WIDTH),
        Rectification(cameras.FISHEYE).sources(HEIGHT, WIDTH),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


def test_the_rectified_camera_is_the_projection_without_distortion():
    rectified = Rectification(cameras.FISHEYE).rectified
    assert rectified.k == cameras.matrix(180.0)
    assert rectified.p == cameras.FISHEYE.p
    assert rectified.r == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert (rectified.distortion_model, rectified.d) == ('plumb_bob', (0.0,) * 5)


@pytest.mark.parametrize('name', cameras.ALL)
def test_a_projection_of_zeros_is_chosen(name):
    lens = Rectification(dataclasses.replace(cameras.ALL[name], p=(0.0,) * 12))
    assert 0.4 < lens.fx_px / lens.calibration.k[0] < 1.5
    assert lens.known(HEIGHT, WIDTH).mean() > 0.95


# Depth


def wall(rays, normal=(0.2, -0.1, 1.0), distance=4.0):
    """Depth along the axis at which rays ``[..., 3]`` meet a wall."""
    return distance / (rays @ np.array(normal))


@pytest.mark.parametrize('name', [*cameras.ALL, 'rotated'])
def test_points_of_a_wall_lie_in_a_plane(name):
    calibration = cameras.ALL.get(name) or dataclasses.replace(cameras.PLUMB_BOB, r=ROTATED)
    lens = Rectification(calibration)
    seen = wall(cameras.unproject(calibration)).astype(np.float32)
    rectified = lens.remap_depth(seen)
    np.testing.assert_array_equal(np.isfinite(rectified), lens.known(HEIGHT, WIDTH))

    def worst(depth, k):
        # As depth_image_proc makes points of depth and camera_info.
        points = (depth[..., None] * cameras.rays_of(k, HEIGHT, WIDTH))[np.isfinite(depth)]
        points = points - points.mean(axis=0)
        normal = np.linalg.eigh(points.T @ points)[1][:, 0]
        return np.abs(points @ normal).max()

    assert worst(rectified, lens.rectified.k) < 0.02  # metres; pixels are not interpolated
    assert worst(seen, calibration.k) > 0.05  # what the cloud was like


def test_depth_of_binned_pixels_is_rectified_alike():
    lens = Rectification(cameras.PLUMB_BOB)
    seen = wall(cameras.unproject(cameras.PLUMB_BOB)).astype(np.float32)
    small = lens.remap_depth(seen[::2, ::2])
    known = lens.known(HEIGHT // 2, WIDTH // 2, 2)
    assert (np.isfinite(small) == known).mean() > 0.99
    difference = np.abs(small / lens.remap_depth(seen)[::2, ::2] - 1)
    assert np.nanmax(difference) < 0.02


def window_of(spikes, lens=None, rate_hz=20_000.0):
    window = Window.from_planes(spikes, rate_hz)
    fx = None if lens is None else lens.fx_px
    return dataclasses.replace(window, camera=Camera('', fx, None, lens))


def test_depth_is_nan_where_the_sensor_sees_nothing():
    narrow = dataclasses.replace(cameras.FISHEYE, p=cameras.projection(110.0))
    lens = Rectification(narrow)
    spikes = np.random.default_rng(0).random((128, HEIGHT, WIDTH)) < 0.3
    estimator = DepthEstimator.from_checkpoint()
    prediction = estimator.predict(Observation(window_of(spikes, lens), lens.fx_px))
    known = lens.known(HEIGHT, WIDTH)
    assert 0.2 < known.mean() < 0.9
    for image in (prediction.depth, prediction.uncertainty, prediction.published_depth(0.5)):
        assert np.isnan(image[~known]).all()
    assert np.isfinite(prediction.depth[known]).all()
    assert prediction.depth_range[1] == pytest.approx(
        estimator.info.max_depth * 110 / estimator.info.canonical_fx
    )
    picture = lens.remap_picture(np.full((HEIGHT, WIDTH), 200, np.uint8))
    assert (picture[known] > 90).all()
    assert picture[0, 0] == 0


def test_depth_of_a_large_sensor_is_rectified_in_its_larger_pixels():
    narrow = dataclasses.replace(cameras.FISHEYE, p=cameras.projection(110.0))
    lens = Rectification(narrow)
    spikes = np.random.default_rng(0).random((128, HEIGHT, WIDTH)) < 0.3
    estimator = DepthEstimator.from_checkpoint(max_pixels=50_000)
    prediction = estimator.predict(Observation(window_of(spikes, lens), lens.fx_px))
    assert prediction.pixel_binning == 2
    known = lens.known(HEIGHT // 2, WIDTH // 2, 2)
    np.testing.assert_array_equal(np.isfinite(prediction.depth), known)
    assert prediction.camera_matrix(lens.rectified.k, 3)[:3] == [55.0, 0.0, 99.5]


def test_a_rectification_of_another_size_is_refused():
    lens = Rectification(cameras.FISHEYE)
    window = window_of(np.ones((128, 64, 64)), lens)
    with pytest.raises(ValueError, match='rectification of 400x250 pixels: expected 64x64'):
        DepthEstimator.from_checkpoint().predict(Observation(window, lens.fx_px))


REAL = os.environ.get('SPIKE_DEPTH_DATA')
PLANES = 128


def sample(image, places):
    """Bilinear values of an image at places ``[..., 2]``; its edge beyond."""
    height, width = image.shape
    x, y = places[..., 0].clip(0, width - 1.001), places[..., 1].clip(0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    a, b = x - left, y - top
    return (1 - b) * ((1 - a) * image[top, left] + a * image[top, left + 1]) + b * (
        (1 - a) * image[top + 1, left] + a * image[top + 1, left + 1]
    )


def scaled_abs_rel(depth, truth, inside):
    """AbsRel after scaling by the ratio of medians."""
    used = inside & np.isfinite(depth) & (truth > 0)
    ratio = np.median(truth[used]) / np.median(depth[used])
    return float(np.mean(np.abs(ratio * depth[used] - truth[used]) / truth[used]))


@pytest.mark.skipif(not REAL, reason='SPIKE_DEPTH_DATA names no folder of real recordings')
def test_depth_through_a_fisheye_lens_is_as_good_as_through_none():
    folder = Path(REAL) / 'rgbd' / 'hololens_000'
    k = np.loadtxt(folder / 'K.txt')
    shrink = 540 / WIDTH
    pinhole = cameras.matrix(k[0, 0] / shrink, k[0, 2] / shrink, k[1, 2] / shrink)
    projection = cameras.projection(pinhole[0], pinhole[2], pinhole[5])
    calibration = cameras.lens(
        'equidistant', (0.9, -2.5, 3.0, 0.0), fx=330.0, target=0.0, p=projection
    )
    lens = Rectification(calibration)
    assert lens.known(HEIGHT, WIDTH).mean() > 0.9
    rays = cameras.unproject(calibration)
    on_pinhole = rays[..., :2] * pinhole[0] + (pinhole[2], pinhole[5])
    v, u = np.indices((HEIGHT, WIDTH), np.float64)
    estimator = DepthEstimator.from_checkpoint()
    scores = {'none': [], 'rectified': [], 'distorted': []}
    for number in range(0, 150, 30):
        path = sorted((folder / 'images').iterdir())[number]
        colour = np.asarray(Image.open(path).convert('L'), np.float64)
        light = 0.6 * (colour / 255) ** 2.2 + 0.01
        truth = np.asarray(Image.open(folder / 'depth' / path.name), np.float64) / 1000
        grid = np.stack([u * shrink, v * shrink], axis=-1)
        true = truth[tuple(np.rint(grid[..., 1::-1]).astype(int).transpose(2, 0, 1))]
        for name in scores:
            seen = sample(light, grid if name == 'none' else on_pinhole * shrink)
            seen = seen.astype(np.float32)
            packed = IntegrateAndFire.shuffled(HEIGHT, WIDTH, number).expose(seen, seen, PLANES)
            camera = lens if name == 'rectified' else None
            window = window_of(packing.unpack(packed, WIDTH), camera)
            depth = estimator.predict(Observation(window, pinhole[0])).depth
            scores[name].append(scaled_abs_rel(depth, true, lens.known(HEIGHT, WIDTH)))
    none, rectified, distorted = (np.mean(values) for values in scores.values())
    print(f'AbsRel, scaled: {none:.4f}, rectified {rectified:.4f}, distorted {distorted:.4f}')
    assert rectified < 1.05 * none
    assert distorted > rectified


@pytest.mark.parametrize('name', cameras.LENSES)
@pytest.mark.parametrize('rotation', [None, ROTATED])
def test_maps_are_those_of_opencv_whatever_the_number_of_coefficients(name, rotation):
    lens = cameras.LENSES[name]
    if rotation is not None:
        lens = dataclasses.replace(lens, r=rotation)
    d = np.array(lens.d[:14] if lens.distortion_model != 'plumb_bob' else lens.d[:5])
    r = np.eye(3) if rotation is None else np.array(rotation).reshape(3, 3)
    k, p = np.array(lens.k).reshape(3, 3), np.array(lens.p).reshape(3, 4)
    expected = cv2.initUndistortRectifyMap(k, d, r, p[:, :3], (WIDTH, HEIGHT), cv2.CV_32FC1)
    for found, places in zip(Rectification(lens).sources(HEIGHT, WIDTH), expected, strict=True):
        np.testing.assert_allclose(found, places, atol=1e-3, rtol=0)


def test_a_thin_prism_is_used():
    with_prism, without = (Rectification(cameras.LENSES[name]) for name in ('12', '8'))
    x, y = (
        one - two
        for one, two in zip(
            with_prism.sources(HEIGHT, WIDTH), without.sources(HEIGHT, WIDTH), strict=True
        )
    )
    # At a corner, by hand: fx (s1 r2 + s2 r4), fy (s3 r2 + s4 r4) of its ray.
    r2 = (199.5 / 270) ** 2 + (124.5 / 270) ** 2
    assert x[0, 0] == pytest.approx(300 * (0.004 * r2 - 0.002 * r2**2), abs=1e-3)
    assert y[0, 0] == pytest.approx(300 * (0.003 * r2 + 0.001 * r2**2), abs=1e-3)


# Bad calibrations


def changed(**fields):
    return dataclasses.replace(cameras.PLUMB_BOB, **fields)


def replaced(values, **numbers):
    return tuple(numbers.get(f'at{n}', value) for n, value in enumerate(values))


K, P = cameras.PLUMB_BOB.k, cameras.PLUMB_BOB.p
BAD = {
    'folds': (changed(d=(-0.6, 0.0, 0.0, 0.0, 0.0)), '36.7 degrees'),
    'folds, fisheye': (
        dataclasses.replace(cameras.FISHEYE, d=(-0.8, 0.0, 0.0, 0.0)), 'folds the image',
    ),
    'folds by its tangential part': (changed(d=(0.0, 0.0, 0.9, 0.9, 0.0)), 'folds the image'),
    'model': (changed(distortion_model='ds'), "'ds'"),
    'no model': (changed(distortion_model=''), "distortion model ''"),
    'few coefficients': (changed(d=(0.1, 0.2)), 'D has 2'),
    'many coefficients': (changed(d=(0.1,) * 8), 'D has 8'),
    'behind the fifth': (
        changed(d=(-0.2, 0.05, 0, 0, 0, 0, 0, 1e-4)),
        'D has 8',
    ),
    'nine coefficients': (
        changed(distortion_model='rational_polynomial', d=(0.01,) * 9),
        'D has 9',
    ),
    'tilted across': (
        changed(distortion_model='rational_polynomial', d=(*cameras.PRISM, 0.01, 0.0)),
        'D has a tilted sensor',
    ),
    'tilted down': (
        changed(distortion_model='rational_polynomial', d=(*cameras.PRISM, 0.0, -0.02)),
        'D has a tilted sensor',
    ),
    'thin prism that folds': (
        changed(distortion_model='rational_polynomial', d=(*(0.0,) * 8, 5.0, 0.0, 5.0, 0.0)),
        'folds the image',
    ),
    'nan': (changed(d=(math.nan, 0, 0, 0, 0)), 'D is nan'),
    'inf in K': (changed(k=replaced(K, at2=math.inf)), 'K is'),
    'huge': (changed(d=(1e200, 0, 0, 0, 0)), 'D '),
    'K of zeros': (changed(k=(0.0,) * 9), 'K has focal lengths'),
    'fy of P': (changed(p=replaced(P, at5=-1.0)), 'P has focal lengths'),
    'normalised': (changed(k=cameras.matrix(0.8)), 'K has focal lengths'),
    'tiny focal length': (changed(k=cameras.matrix(1e-9)), 'K has focal lengths'),
    'other size': (
        changed(p=cameras.projection(540.0, 399.5, 249.5)),
        'P has its principal point',
    ),
    'short P': (changed(p=(1.0,) * 9), 'P has 9 numbers'),
    'skew': (changed(k=replaced(K, at1=3.0)), 'K is'),
    'no rotation': (changed(r=(1.0,) * 9), 'R is'),
    'no size': (changed(width=0), 'size 0x250'),
}  # fmt: skip


def test_a_calibration_that_cannot_be_used_is_refused_in_one_line(refusals, monkeypatch):
    rows = {
        name: (named, functools.partial(Rectification, calibration))
        for name, (calibration, named) in BAD.items()
    }

    def without_opencv():
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, 'cv2', None)
            patch.delitem(vars(opencv), 'remap', raising=False)  # found before
            Rectification(cameras.PLUMB_BOB)

    rows['no OpenCV'] = 'pip install opencv-python-headless', without_opencv
    refusals('lens', rows, CalibrationError)


def ingest_of(**settings):
    warnings = {}
    size = {'sensor_width': WIDTH, 'sensor_height': HEIGHT}
    return Ingest(StreamSettings(window=8, **size, **settings), warnings.setdefault), warnings


def test_a_bad_camera_info_leaves_the_camera_as_it_was():
    ingest, warnings = ingest_of()
    good = cameras.message(cameras.FISHEYE, SimpleNamespace)
    for name in BAD.keys() - {'inf in K', 'short P', 'no size'}:
        ingest.on_camera_info(good)
        lens = ingest.camera.rectification
        assert (ingest.camera.fx_px, lens.calibration) == (180.0, cameras.FISHEYE)
        assert ingest.camera_problem == ''
        calibration, _ = BAD[name]
        with pytest.raises(CalibrationError) as caught:
            Rectification(calibration)
        for _ in range(2):
            ingest.on_camera_info(cameras.message(calibration, SimpleNamespace))
            assert str(caught.value) in ingest.camera_problem
            assert ingest.camera.rectification is lens
        assert warnings.pop('camera_info') == ingest.camera_problem
    ingest.on_camera_info(good)
    assert ingest.camera_problem == ''


def test_a_bad_camera_info_is_judged_once():
    ingest, _ = ingest_of()
    bad = cameras.message(BAD['folds'][0], SimpleNamespace)
    ingest.on_camera_info(bad)
    start = time.thread_time()
    for _ in range(200):
        ingest.on_camera_info(bad)
    assert time.thread_time() - start < 0.1


def test_rectify_off_leaves_the_distortion_as_it_is():
    ingest, warnings = ingest_of(rectify=False)
    for calibration in (cameras.FISHEYE, BAD['folds'][0], BAD['model'][0]):
        ingest.on_camera_info(cameras.message(calibration, SimpleNamespace))
        assert ingest.camera.fx_px == calibration.k[0]
        assert ingest.camera.rectification is None
    assert not warnings
