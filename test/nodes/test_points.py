# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of depth/points, over DDS: where the depth of the same stamp is, with the picture."""

import dataclasses

import numpy as np
import pytest
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from kit import bags, cameras
from kit.nodes import HEIGHT, QUEUE, WIDTH, StereoListener, TwoCameras
from spike_depth_ros.estimator import Prediction
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.topic_outputs import TopicOutputs
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.decode import points_from_msg
from spike_depth_ros.stream.window import Camera, Window

pytestmark = pytest.mark.dds

WINDOWS = 4
NODE = {'policy': 'every', 'window': 128, 'device': 'cpu', 'threads': 1}
LENS = cameras.lens(
    'equidistant',
    (0.1, -0.05, 0.0, 0.0),
    fx=25.0,
    target=20.0,
    width=bags.WIDTH,
    height=bags.HEIGHT,
)


def intensities(msg):
    (field,) = (one for one in msg.fields if one.name == 'intensity')
    rows = np.frombuffer(msg.data, np.uint8).reshape(-1, msg.point_step)
    return rows[:, field.offset : field.offset + 4].copy().view(np.float32)[:, 0]


def assert_points_of(cloud, depth, info, picture):
    """Check a cloud of pixels with depth; they are seen where the camera has its pixels."""
    assert cloud.header == depth.header == info.header
    metres = array_from_msg(depth)
    known = np.isfinite(metres)
    assert (cloud.height, cloud.width, cloud.is_dense) == (1, known.sum(), True)
    points, k = points_from_msg(cloud), np.reshape(info.k, (3, 3))
    seen = points @ k.T / points[:, 2:]
    rows, columns = np.nonzero(known)
    np.testing.assert_allclose(seen[:, :2], np.stack([columns, rows], 1), atol=1e-3)
    np.testing.assert_array_equal(points[:, 2], metres[known])
    np.testing.assert_array_equal(intensities(cloud), picture[known].astype(np.float32))


@pytest.mark.parametrize('shown', [True, False], ids=['preview', 'short'])
def test_points_lie_at_the_depth_of_a_wide_lens(
    ros_node, processes, depth_parameters, spin, tmp_path, shown
):
    heard = {'depth/image': [], 'depth/camera_info': [], 'depth/points': [], 'spikes/image': []}
    kinds = Image, CameraInfo, PointCloud2, Image
    for (topic, kept), kind in zip(heard.items(), kinds, strict=True):
        if shown or topic != 'spikes/image':
            ros_node.create_subscription(kind, topic, kept.append, QUEUE)
    bag = bags.write(tmp_path / 'wide', bags.stream(128 * WINDOWS, lens=LENS))
    given = {**NODE, 'spikes.reliability': 'reliable', 'uncertainty.max_relative': 0.41}
    processes.start('depth', *depth_parameters(**given))
    processes.start('player', bag, '--speed', 0.05)
    wanted = [kept for topic, kept in heard.items() if shown or topic != 'spikes/image']
    spin(lambda: {len(kept) for kept in wanted} == {WINDOWS}, what='every window')
    depth, infos, clouds, pictures = heard.values()
    remap = Rectification(LENS).remap_picture
    for number, (cloud, image, info) in enumerate(zip(clouds, depth, infos, strict=True)):
        spikes = bags.moving_bars(128 * (number + 1))[128 * number :]
        picture = preview.render(Window.from_planes(spikes, 20_000.0), 'short')
        if shown:
            assert pictures[number].header == cloud.header
            picture = array_from_msg(pictures[number])
        assert_points_of(cloud, image, info, remap(picture))
        assert intensities(cloud).std() > 10  # the bars are seen
    share = np.isfinite(array_from_msg(depth[-1])).mean()
    assert 0.02 < share < 0.98


@pytest.mark.parametrize('kind', ['dense', 'organised'])
def test_points_of_two_cameras(ros_node, processes, depth_parameters, spin, kind):
    heard, clouds = StereoListener(ros_node), []
    ros_node.create_subscription(PointCloud2, 'depth/points', clouds.append, QUEUE)
    given = {'policy': 'every', 'window': 80, 'fill': 'none', 'min_depth_m': 0.4}
    given |= {'spikes.reliability': 'reliable', 'spike_rate_hz': 20_000.0, 'pointcloud': kind}
    processes.start('stereo', *depth_parameters(**given))
    driver = TwoCameras(ros_node)
    driver.connect(spin)
    driver.send(4)
    pictures = heard.pictures['left/spikes/image']
    wanted = heard.depth, heard.cameras, clouds, pictures
    spin(lambda: {len(kept) for kept in wanted} == {2}, what='two pairs')
    for cloud, depth, info, picture in zip(clouds, heard.depth, heard.cameras, pictures,
                                           strict=True):  # fmt: skip
        known = np.isfinite(array_from_msg(depth))
        assert 0.3 < known.mean() < 0.98
        if kind == 'organised':
            assert (cloud.height, cloud.width, cloud.is_dense) == (HEIGHT, WIDTH, False)
            np.testing.assert_array_equal(
                np.isfinite(points_from_msg(cloud)), np.repeat(known.reshape(-1, 1), 3, axis=1)
            )
            cloud = dense(cloud, known)
        assert_points_of(cloud, depth, info, array_from_msg(picture))


def dense(cloud, known):
    """The points of an organised cloud that have depth."""
    rows = np.frombuffer(cloud.data, np.uint8).reshape(-1, cloud.point_step)[known.ravel()]
    return PointCloud2(
        header=cloud.header, height=1, width=len(rows), fields=cloud.fields, is_dense=True,
        point_step=cloud.point_step, row_step=rows.size, data=rows.tobytes(),
    )  # fmt: skip


class Outputs:
    """Outputs of a node in this process, whose messages are kept instead of sent."""

    def __init__(self, node, monkeypatch, **settings):
        self.messages, self.warnings = {}, []
        self.outputs = TopicOutputs(
            node, DepthParameters(**settings), lambda *warning: self.warnings.append(warning)
        )
        for publisher in self.outputs._publishers:
            topic = publisher.topic_name.strip('/')
            keep = lambda msg, topic=topic: self.messages.update({topic: msg})  # noqa: E731
            monkeypatch.setattr(publisher, 'publish', keep)
            monkeypatch.setattr(publisher, 'get_subscription_count', lambda: 1)


@pytest.fixture
def lifecycle_node(ros_node):
    node = LifecycleNode('in_this_process')
    yield node
    node.destroy_node()


def half_size(info=None):
    """Window of 40x31 pixels of a camera, and depth of half its size, without a pixel."""
    spikes = np.random.default_rng(0).random((8, 31, 40)) < 0.4
    camera = Camera('eye', info.k[0] if info else None, info)
    window = dataclasses.replace(Window.from_planes(spikes, 20_000.0), camera=camera)
    depth = np.full((15, 20), 2.0, np.float32)
    depth[0, 0] = np.nan
    return Observation(window), Prediction(depth, 0.1 * depth, (0.1, 99.0), 'metric', 2, ())


def test_points_of_binned_depth_of_a_region_of_the_sensor(lifecycle_node, monkeypatch):
    k = [100.0, 0.0, 60.0, 0.0, 80.0, 50.0, 0.0, 0.0, 1.0]
    info = CameraInfo(width=128, height=96, k=k)
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 24, 30, 40, 31
    kept = Outputs(lifecycle_node, monkeypatch)
    observation, prediction = half_size(info)
    kept.outputs.publish_depth(observation, prediction)
    cloud = kept.messages['depth/points']
    # Of the middle of four pixels of the full sensor, by its own matrix.
    rows, columns = (one.ravel()[1:] for one in np.mgrid[:15, :20])
    expected = np.stack([(24.5 + 2 * columns - 60) / 50, (30.5 + 2 * rows - 50) / 40], 1)
    points = points_from_msg(cloud)
    np.testing.assert_allclose(points[:, :2], expected, rtol=1e-5)
    assert (points[:, 2] == 2).all()
    rate = preview.render(observation.window, 'short')[:30].reshape(15, 2, 20, 2)
    cells = rate.astype(float).mean(axis=(1, 3)).ravel()[1:]
    np.testing.assert_allclose(intensities(cloud), cells, atol=0.51)
    picture = np.zeros((15, 20))
    picture.ravel()[1:] = intensities(cloud)
    messages = (kept.messages[f'depth/{name}'] for name in ('image', 'camera_info'))
    assert_points_of(cloud, *messages, picture)
    kept.outputs.destroy()


def test_without_a_focal_length_a_warning_takes_the_place_of_points(lifecycle_node, monkeypatch):
    kept = Outputs(lifecycle_node, monkeypatch)
    kept.outputs.publish_depth(*half_size())
    assert {'depth/image', 'depth/camera_info'} <= kept.messages.keys()
    assert 'depth/points' not in kept.messages
    (warning,) = kept.warnings
    assert warning == (
        'depth/points',
        'depth/points: no focal length: set K of camera_info',
    )
    kept.outputs.destroy()


def test_there_may_be_no_such_topic(lifecycle_node, monkeypatch):
    kept = Outputs(lifecycle_node, monkeypatch, pointcloud='none')
    kept.outputs.publish_depth(*half_size())
    assert 'depth/uncertainty' in kept.messages
    assert not kept.warnings
    names = {publisher.topic_name for publisher in kept.outputs._publishers}
    assert '/depth/points' not in names
    kept.outputs.destroy()
