# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Back ends of files and pipes, and the list of all."""

import functools
import os
import time

import numpy as np
import pytest

from spike_depth_ros.base.schema import problems_of
from spike_depth_ros.cameras.base import (
    NAMES,
    Camera,
    CameraError,
    CameraSettings,
    StreamEnd,
    find,
    listing,
)
from spike_depth_ros.stream import packing

WIDTH, HEIGHT = 24, 5
SENSOR = {'sensor_width': WIDTH, 'sensor_height': HEIGHT}


@pytest.fixture
def planes():
    bits = np.random.default_rng(0).random((90, HEIGHT, WIDTH)) < 0.4
    return packing.pack(bits)


@pytest.fixture
def recording(tmp_path, planes):
    path = tmp_path / 'a.npz'
    np.savez(path, packed=planes, width=WIDTH, rate_hz=20_000.0, K=np.diag([50.0, 50.0, 1.0]))
    return path


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    return path


def opened(backend, **settings):
    camera = find(backend)(CameraSettings(backend=backend, **settings))
    return camera, camera.open()


def all_planes(camera, most=40):
    """Planes until the end of the stream."""
    found = []
    try:
        while True:
            block = camera.read(most, 0.1)
            found += [] if block is None else [block.planes.copy()]
    except StreamEnd:
        return np.concatenate(found)


def test_each_back_end_has_the_five_methods_and_a_line():
    assert NAMES == ('file', 'pipe', 'spikelink')
    for name, line in zip(NAMES, listing().splitlines(), strict=True):
        assert issubclass(find(name), Camera)
        assert line.startswith(name)
        assert len(line) > len(name) + 10
        find(name)(CameraSettings(backend=name, device='absent')).close()  # always allowed


def test_a_file_plays_to_its_end_at_its_rate(recording, planes):
    camera, sensor = opened('file', device=str(recording), loop=False, rate_hz=900.0)
    assert (sensor.rate_hz, sensor.matrix[0, 0]) == (900.0, 50.0)
    for _ in range(2):  # it begins again where it is started again
        camera.start()
        begun = time.monotonic()
        np.testing.assert_array_equal(all_planes(camera), planes)
        assert 0.1 <= time.monotonic() - begun < 5
        camera.stop()


def test_a_file_loops(recording, planes):
    camera, sensor = opened('file', device=str(recording))
    assert sensor.rate_hz == 20_000.0
    camera.start()
    found = [camera.read(40, 1.0) for _ in range(4)]
    assert [(one.first, len(one.planes)) for one in found] == [
        (0, 40), (40, 40), (80, 10), (90, 40),
    ]  # fmt: skip
    np.testing.assert_array_equal(found[3].planes, planes[:40])


def test_a_pipe_gives_its_planes_also_in_pieces_and_after_a_stop(pipe, planes):
    camera, sensor = opened('pipe', device=str(pipe), rate_hz=20_000.0, **SENSOR)
    assert sensor.geometry.height == HEIGHT
    camera.start()
    data = planes[:, ::-1].tobytes()  # bottom row first, as of Vidar
    writer = os.open(pipe, os.O_WRONLY)
    os.write(writer, data[:1000])
    first = camera.read(40, 0.1).planes.copy()
    assert camera.read(40, 0.1) is None  # within a block, and a plane
    camera.stop()
    camera.start()
    os.write(writer, data[1000:])
    os.close(writer)
    np.testing.assert_array_equal(np.concatenate([first, all_planes(camera)]), planes)
    camera.close()


def test_a_pipe_that_ends_within_a_plane_fails_after_its_planes(pipe, planes):
    camera, _ = opened('pipe', device=str(pipe), rate_hz=20_000.0, **SENSOR)
    camera.start()
    writer = os.open(pipe, os.O_WRONLY)
    os.write(writer, planes.tobytes()[:-4])
    os.close(writer)
    assert [len(camera.read(40, 0.1).planes) for _ in range(3)] == [40, 40, 9]
    with pytest.raises(CameraError, match='ended within a plane: 11 of 15 bytes'):
        camera.read(40, 0.1)
    camera.close()


def test_what_cannot_be_opened_is_refused(refusals, tmp_path, recording, pipe):
    raw = tmp_path / 'a.dat'
    raw.write_bytes(bytes(150))
    plain = tmp_path / 'plain.npz'
    np.savez(plain, packed=np.zeros((9, 5, 3), np.uint8), width=WIDTH)
    rows = {
        'no file': ('b.npz', 'file', {'device': tmp_path / 'b.npz'}),
        'raw without size': ('sensor_width', 'file', {'device': raw, 'rate_hz': 1.0}),
        'no rate': ('rate_hz', 'file', {'device': plain}),
        'another size': ('64x5', 'file', {'device': recording, **SENSOR, 'sensor_width': 64}),
        'file as pipe': ('a.npz', 'pipe', {'device': recording, 'rate_hz': 1.0, **SENSOR}),
        'pipe without size': ('sensor_width', 'pipe', {'device': pipe, 'rate_hz': 1.0}),
        'pipe as file': ('pipe', 'file', {'device': pipe, 'rate_hz': 1.0, **SENSOR}),
    }

    def call(backend, settings):
        opened(backend, **settings | {'device': str(settings['device'])})

    calls = {
        name: (named, functools.partial(call, *given)) for name, (named, *given) in rows.items()
    }
    refusals('camera', calls, CameraError)


def test_settings_that_do_not_go_together_are_problems():
    found = [*problems_of(CameraSettings(backend='file', sensor_width=4))]
    assert found == [
        'sensor_width or sensor_height is 0: expected both of them, or none',
        'device is empty: expected a recording',
    ]
