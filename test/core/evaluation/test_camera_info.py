# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``evaluate_bag``: cameras that are cut out of a sensor, and frames of tf1."""

import json

import numpy as np
import pytest

from kit import bags, cameras
from spike_depth_ros.io.bags.bag import Bag, decode
from spike_depth_ros.tools.evaluate.command import main


def evaluate(bag, out, *options):
    return main([str(bag), '--out', str(out), '--device', 'cpu', '--threads', '1', *options])


def published(out):
    """Messages of depth/camera_info and depth/image of the written bag."""
    found = {'/depth/camera_info': [], '/depth/image': []}
    for message in Bag(out / 'bag').messages([*found]):
        kind = bags.IMAGE if message.topic.endswith('image') else bags.CAMERA_INFO
        found[message.topic].append(decode(message.data, kind))
    return found.values()


def check_uncut(message):
    region = message.roi
    assert (message.binning_x, message.binning_y) == (0, 0)
    assert (region.x_offset, region.y_offset, region.width, region.height) == (0, 0, 0, 0)


@pytest.mark.parametrize('name', cameras.CUT)
def test_depth_lies_where_image_geometry_has_the_pictures(tmp_path, name):
    message = cameras.camera_info(**cameras.CUT[name])
    bag = bags.bag(tmp_path / 'bars', message, truths=[64])
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    k, p = cameras.read(message)
    infos, depths = published(tmp_path / 'out')
    assert len(infos) == len(depths) == 3
    for camera in infos:
        check_uncut(camera)
        assert (camera.width, camera.height) == cameras.SIZE
        for found, expected in zip(cameras.read(camera), (k, p), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    # Depth is of that focal length: as with a camera that is not cut, and has its own centre.
    k[:2, 2] = p[:2, 2] = (np.array(cameras.SIZE) - 1) / 2
    own = cameras.camera_info(k=k.ravel(), p=p.ravel())
    alike = bags.bag(tmp_path / 'alike', own, truths=[64])
    assert evaluate(alike, tmp_path / 'other', '--write-bag', 'mcap') == 0
    _, expected = published(tmp_path / 'other')
    for one, two in zip(depths, expected, strict=True):
        np.testing.assert_array_equal(one.data, two.data)


def test_a_lens_whose_pictures_are_a_region_is_rectified_as_that_part(tmp_path):
    full = cameras.lens('plumb_bob', (-0.25, 0.06, 0.001, -0.002, 0.0))
    x, y = 340, 200  # a corner, in which the lens bends most
    message = cameras.camera_info(
        region=(x, y, *cameras.SIZE), size=(full.width, full.height),
        d=np.array(full.d), k=np.array(full.k), p=np.array(full.p),
    )  # fmt: skip
    bag = bags.bag(tmp_path / 'bars', message)
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    infos, depths = published(tmp_path / 'out')
    _, p = cameras.read(message)
    check_uncut(infos[0])
    np.testing.assert_allclose(cameras.read(infos[0])[0], p[:, :3], rtol=1e-12)
    # Depth is where the sensor has the ray of a pixel, by the formulas of the lens.
    rays = cameras.rays_of(p[:, :3].ravel(), bags.HEIGHT, bags.WIDTH)
    at = cameras.project(full, rays) - (x, y)
    inside = ((at >= 0) & (at <= np.array(cameras.SIZE) - 1)).all(axis=-1)
    beyond = ((at < -1) | (at > cameras.SIZE)).any(axis=-1)
    depth = np.frombuffer(depths[0].data, np.float32).reshape(bags.HEIGHT, bags.WIDTH)
    assert inside.any()
    assert beyond.any()
    assert np.isfinite(depth[inside]).all()
    assert np.isnan(depth[beyond]).all()


@pytest.mark.parametrize('name', cameras.LENSES)
def test_lenses_of_other_numbers_of_coefficients_are_rectified(tmp_path, name):
    lens = cameras.lens(
        cameras.LENSES[name].distortion_model, cameras.LENSES[name].d,
        fx=40.0, target=36.0, width=bags.WIDTH, height=bags.HEIGHT,
    )  # fmt: skip
    bag = bags.bag(tmp_path / 'bars', planes=200, truths=[64], lens=lens)
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    infos, _ = published(tmp_path / 'out')
    assert (infos[0].k[0], any(infos[0].d)) == (36.0, False)
    assert json.loads((tmp_path / 'out/metrics.json').read_text())['warnings'] == []


def test_a_frame_of_tf1_comes_without_its_slash(tmp_path):
    messages = bags.stream(200)
    for _, _, message in messages:
        message.header = bags.header(
            message.header.stamp.sec * 10**9 + message.header.stamp.nanosec, '/spike_frame'
        )
    bag = bags.write(tmp_path / 'bars', messages)
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    for found in published(tmp_path / 'out'):
        assert {one.header.frame_id for one in found} == {'spike_frame'}


def test_one_bad_camera_info_leaves_the_camera_as_it_was_and_is_told(tmp_path):
    nan, none = bags.camera(), bags.camera(width=0, height=0)
    nan.k[0] = np.nan
    outside = cameras.camera_info(region=(320, 0, *cameras.SIZE))
    messages = bags.stream(600, truths=[64])
    bad = zip((nan, none, outside), (140, 270, 400), strict=True)
    messages += [('/camera_info', bags.START + at * bags.PERIOD, one) for one, at in bad]
    bag = bags.write(tmp_path / 'bars', sorted(messages, key=lambda one: one[1]))
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    infos, depths = published(tmp_path / 'out')
    assert [(one.k[0], one.width) for one in infos] == [(bags.FX, bags.WIDTH)] * 4
    bags.bag(tmp_path / 'good', planes=600, truths=[64])
    assert evaluate(tmp_path / 'good', tmp_path / 'other', '--write-bag', 'mcap') == 0
    for one, two in zip(depths, list(published(tmp_path / 'other'))[1], strict=True):
        np.testing.assert_array_equal(one.data, two.data)
    (told,) = json.loads((tmp_path / 'out/metrics.json').read_text())['warnings']
    assert told.startswith('camera_info: focal lengths nan and 40 in K')
    assert told.endswith('the camera matrix stays as it was (3 times)')


TURNED = (0.8, 0.0, 0.6, 0.0, 1.0, 0.0, -0.6, 0.0, 0.8)
UNLIKE = {
    'another focal length in P': {'p': cameras.projection(60.0, 23.5, 15.5)},
    'another principal point in P': {'p': cameras.projection(40.0, 30.0, 12.0)},
    'P of zeros': {'p': (0.0,) * 12},
    'P is no number': {'p': (np.nan,) * 12},
    'R turns': {'r': TURNED},
    'K of zeros': {'k': (0.0,) * 9},
}
"""Cameras without distortion whose K, R and P do not say the same."""


@pytest.mark.parametrize('name', UNLIKE)
def test_without_distortion_the_rays_of_depth_are_those_of_k(tmp_path, name):
    fields = {field: np.array(values) for field, values in UNLIKE[name].items()}
    message = cameras.camera_info(fx=(40.0, 40.0), **fields)
    bag = bags.bag(tmp_path / 'bars', message)
    assert evaluate(bag, tmp_path / 'out', '--write-bag', 'mcap') == 0
    infos, _ = published(tmp_path / 'out')
    # Nothing is rectified, so that the pixels are those of the sensor: of K. What projects points
    # takes P: P[0] 0 is not calibrated.
    expected = np.hstack([np.array(message.k).reshape(3, 3), np.zeros((3, 1))])
    for camera in infos:
        np.testing.assert_array_equal(camera.k, message.k)
        np.testing.assert_array_equal(camera.p.reshape(3, 4), expected)
        np.testing.assert_array_equal(camera.r.reshape(3, 3), np.eye(3))


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        (
            {'k': [80.0, 0, 47.5, 0, 80, 31.5, 0, 0, 1]},
            'principal point at (47.5, 31.5), far from',
        ),
        ({'k': [40.0, 0, np.nan, 0, 40, 15.5, 0, 0, 1]}, 'K is 40 0 nan 0 40 15.5 0 0 1'),
        ({'k': [40.0, 2, 23.5, 0, 40, 15.5, 0, 0, 1]}, 'expected fx 0 cx, 0 fy cy, 0 0 1'),
        ({'distortion_model': 'equidistant', 'd': np.zeros(4)}, 'D of the model equidistant is'),
    ],
)
def test_a_camera_matrix_without_distortion_is_checked_as_that_of_a_lens(
    tmp_path, capsys, fields, words
):
    """Of twice the size, depth would be twice as far."""
    fields = {name: np.array(one) if name == 'k' else one for name, one in fields.items()}
    bag = bags.bag(tmp_path / 'bars', cameras.camera_info(**fields), truths=[64])
    assert evaluate(bag, tmp_path / 'out') == 0
    assert words in capsys.readouterr().out
