# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from motion of a camera that moves through a generated room in a known way."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.motion.sequence import (
    LEAST_POINTS,
    SequencePoints,
    triangulate_sequence,
)
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import reference_index
from spike_training.adaptation.motion import label_by_motion, label_points, picture_of
from spike_training.datasets.clip import SpikeClip
from spike_training.sampling.procedural import ProceduralSource
from spike_worlds.pool import generate
from spike_worlds.render import render

HEIGHT, WIDTH, PLANES, RATE = 224, 384, 128, 20_000.0
STEP_S = 0.04
INFO = load_info(find_checkpoint('unet_lite'))


class Room:
    """An office, and a camera that moves through it at a constant speed."""

    def __init__(self, metres_per_s, radians_per_s=(0, 0, 0)):
        self.source = ProceduralSource(('office',), 5, HEIGHT, WIDTH, (PLANES,), RATE)
        scene = generate(self.source.generators, [2])
        right, up, forward = scene.axes[0]
        x, y, z = metres_per_s
        self.scene = dataclasses.replace(
            scene,
            velocity=np.zeros_like(scene.velocity),
            linear_velocity=(x * right + y * up + z * forward)[None].astype(np.float32),
            angular_velocity=np.array([radians_per_s], np.float32),
        )

    def at(self, seconds, number=0):
        later = dataclasses.replace(self.scene.later(seconds), seed=self.scene.seed + number)
        return self.source._samples([0], later, PLANES, RATE)

    def windows(self):
        return [self.at(STEP_S * number, number) for number in range(21)]

    @property
    def camera(self):
        fx = float(self.scene.focal[0]) * WIDTH
        return np.array([[fx, 0, WIDTH / 2 - 0.5], [0, fx, HEIGHT / 2 - 0.5], [0, 0, 1]])


def errors(points, depth):
    """Relative errors of the points at the best scale."""
    columns, rows = points.places.round().astype(int).T
    ratio = depth[rows, columns] / points.depth
    return np.abs(ratio / np.median(ratio) - 1)


@pytest.mark.parametrize('speed', [(0.4, 0, 0), (0.3, 0.1, 0.4)])
def test_depth_of_tracked_points_is_right_up_to_scale(speed):
    room = Room(speed)
    windows = room.windows()
    points = triangulate_sequence(map(picture_of, windows), room.camera)
    assert points is not None
    assert len(points.depth) >= LEAST_POINTS
    found = errors(points, windows[0].depth[0, 0].numpy())
    assert np.median(found) < 0.1
    again = triangulate_sequence(map(picture_of, windows), room.camera)
    np.testing.assert_array_equal(points.depth, again.depth)


@pytest.mark.parametrize(
    ('speed', 'turn'), [((0, 0, 0), (0, 0, 0)), ((0, 0, 0), (0.05, 0.2, 0.1))]
)
def test_without_translation_there_is_no_depth(speed, turn):
    room = Room(speed, turn)
    assert triangulate_sequence(map(picture_of, room.windows()), room.camera) is None


def test_pictures_are_read_as_long_as_points_are_tracked():
    read = []

    def pictures():
        for number in range(20):
            read.append(number)
            random = np.random.default_rng(number)  # pictures that have nothing in common
            yield random.integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)

    assert triangulate_sequence(pictures(), Room((0, 0, 0)).camera) is None
    assert len(read) < 5


def test_without_a_picture_there_is_no_depth():
    assert triangulate_sequence([], Room((0, 0, 0)).camera) is None


def test_points_become_sparse_depth_within_the_range_of_the_network():
    window = Room((0, 0, 0)).at(0.0)
    points = SequencePoints(
        np.array([[3.2, 7.0], [100.0, 50.4], [9.0, 9.0]]), np.array([1.0, 2, 4]), np.arange(3), 1.0
    )
    depth = label_points(window, points, INFO).depth[0, 0]
    assert int(depth.isfinite().sum()) == 3
    middle = math.sqrt(INFO.min_depth * INFO.max_depth)
    found = [depth[7, 3], depth[50, 100], depth[9, 9]]
    assert torch.stack(found).tolist() == pytest.approx([middle / 2, middle, 2 * middle])


def recorded(room, camera, seconds=0.9, read=None):
    """The room as a recording whose planes are made when they are read, and then listed."""
    reference = reference_index('middle', PLANES)

    def load(first, stop):
        assert stop - first == PLANES
        if read is not None:
            read.append(first)
        scene = room.scene.later((first + reference) / RATE)
        rendering = render(scene, HEIGHT, WIDTH, 'cpu')
        light, knots = room.source._light(rendering, scene, PLANES, RATE)
        seed = torch.from_numpy(scene.seed + first)
        return room.source._camera(seed).expose(light, knots)[0].numpy()

    planes = round(seconds * RATE)
    return SpikeClip('room', Geometry(HEIGHT, WIDTH), planes, RATE, camera, load, (), ())


def test_windows_of_a_recording_get_depth_from_motion():
    room = Room((0.8, 0, 0))
    read: list[int] = []
    clip = recorded(room, room.camera, read=read)
    cpu = torch.device('cpu')
    found = label_by_motion([clip], INFO, (HEIGHT, WIDTH), 2, None, cpu)
    assert found
    pictures = len(read) - len(found)  # a window with depth is read with its bins, too
    assert pictures == len(set(read))
    assert found[0].counts.shape == (1, INFO.bins, HEIGHT, WIDTH)
    known = found[0].depth[0, 0].isfinite()
    assert int(known.sum()) >= LEAST_POINTS
    truth = room.at(reference_index('middle', PLANES) / RATE).depth[0, 0][known]
    ratio = found[0].depth[0, 0][known] / truth
    assert float((ratio / ratio.median() - 1).abs().median()) < 0.1
    assert label_by_motion([recorded(room, None)], INFO, (HEIGHT, WIDTH), 2, None, cpu) == []


def test_pairs_agree_up_to_scale_on_the_points_that_they_share():
    random = np.random.default_rng(0)
    depth = random.uniform(1, 5, 60)
    pair = SequencePoints(np.zeros((60, 2)), depth, np.arange(60), 1.0)
    part = np.arange(20, 60)
    assert pair.agrees(SequencePoints(pair.places[part], 7 * depth[part], part, 1.0))
    bent = SequencePoints(
        pair.places, depth * np.exp(random.normal(0, 0.1, 60)), pair.numbers, 1.0
    )
    assert not pair.agrees(bent)
    assert not pair.agrees(pair._replace(numbers=pair.numbers + 50))
